//! `feishu_configs`: robots of groups and applications of Feishu (Lark).

use super::{Begun, Context, feishu_app, feishu_robot, vendor};
use crate::{
    config::FeishuConfig,
    notify::{Renderer, Verdict},
};

/// The files to read for each notification.
pub(super) fn files(config: &FeishuConfig) -> Vec<String> {
    let files = [
        &config.webhook_url_file,
        &config.secret_file,
        &config.app_secret_file,
    ];
    let given = files.into_iter().filter(|path| !path.is_empty());
    given.cloned().collect()
}

/// Begins an attempt.
pub(super) fn begin(
    config: &FeishuConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    if config.app_id.is_empty() {
        let robot = feishu_robot::Robot::new(config, &context.files)?;
        vendor::begin(robot, context, render)
    } else {
        let app = feishu_app::App::new(config, &context.files, render)?;
        vendor::begin(app, context, render)
    }
}
