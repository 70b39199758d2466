//! Finds the integration that speaks for some settings.

use super::{
    Answer, Begun, Context, Conversation, Step, dingtalk, discord, email, falcon, feishu,
    incidentio, jira, mattermost, msteams, msteamsv2, opsgenie, pagerduty, pushover, rocketchat,
    slack, sns, telegram, victorops, webex, webhook, wechat, wecom_robot,
};
use crate::{
    config::{Integration, Settings},
    notify::{Renderer, Verdict},
};

/// The files that must be read for each notification.
#[must_use]
pub fn files(integration: &Integration) -> Vec<String> {
    match &integration.settings {
        Settings::Webhook(config) => webhook::files(config),
        Settings::Email(config) => email::files(config),
        Settings::PagerDuty(config) => pagerduty::files(config),
        Settings::Opsgenie(config) => opsgenie::files(config),
        Settings::Wechat(config) => wechat::files(config),
        Settings::Slack(config) => slack::files(config),
        Settings::VictorOps(config) => victorops::files(config),
        Settings::Pushover(config) => pushover::files(config),
        Settings::Sns(config) => sns::files(&config.sigv4),
        Settings::Telegram(config) => telegram::files(config),
        Settings::Discord(config) => discord::files(config),
        Settings::Webex(_) => Vec::new(),
        Settings::MsTeams(config) => msteams::files(config),
        Settings::MsTeamsV2(config) => msteamsv2::files(config),
        Settings::Jira(_) => Vec::new(),
        Settings::IncidentIo(config) => incidentio::files(config),
        Settings::Rocketchat(config) => rocketchat::files(config),
        Settings::Mattermost(config) => mattermost::files(config),
        Settings::DingTalk(config) => dingtalk::files(config),
        Settings::WecomRobot(config) => wecom_robot::files(config),
        Settings::Feishu(config) => feishu::files(config),
        Settings::Falcon(_) => Vec::new(),
    }
}

/// Begins an attempt.
///
/// # Errors
/// The verdict, where there is nothing that could be sent.
pub fn begin(context: &Context) -> Result<Begun, Verdict> {
    let fallback = context.integration.fallback_text;
    let render = Renderer::new(&context.texts, &context.data, context.at, fallback);
    let (step, conversation) = speak(context, &render)?;
    let problems = render.problems();
    if problems.is_empty() {
        return Ok((step, conversation));
    }
    let conversation = Box::new(Noted {
        conversation,
        problems,
    });
    Ok((step, conversation))
}

fn speak(context: &Context, render: &Renderer<'_>) -> Result<Begun, Verdict> {
    match &context.integration.settings {
        Settings::Webhook(config) => webhook::begin(config, context, render),
        Settings::Email(config) => email::begin(config, context, render),
        Settings::PagerDuty(config) => pagerduty::begin(config, context, render),
        Settings::Opsgenie(config) => opsgenie::begin(config, context, render),
        Settings::Wechat(config) => wechat::begin(config, context, render),
        Settings::Slack(config) => slack::begin(config, context, render),
        Settings::VictorOps(config) => victorops::begin(config, context, render),
        Settings::Pushover(config) => pushover::begin(config, context, render),
        Settings::Sns(config) => sns::begin(config, context, render),
        Settings::Telegram(config) => telegram::begin(config, context, render),
        Settings::Discord(config) => discord::begin(config, context, render),
        Settings::Webex(config) => webex::begin(config, context, render),
        Settings::MsTeams(config) => msteams::begin(config, context, render),
        Settings::MsTeamsV2(config) => msteamsv2::begin(config, context, render),
        Settings::Jira(config) => jira::begin(config, context, render),
        Settings::IncidentIo(config) => incidentio::begin(config, context),
        Settings::Rocketchat(config) => rocketchat::begin(config, context, render),
        Settings::Mattermost(config) => mattermost::begin(config, context, render),
        Settings::DingTalk(config) => dingtalk::begin(config, context, render),
        Settings::WecomRobot(config) => wecom_robot::begin(config, context, render),
        Settings::Feishu(config) => feishu::begin(config, context, render),
        Settings::Falcon(config) => falcon::begin(config, context, render),
    }
}

/// A conversation in plain words, because templates failed; its receipt says so.
#[derive(Debug)]
struct Noted {
    conversation: Box<dyn Conversation>,
    problems: String,
}

impl Conversation for Noted {
    fn answer(&mut self, answer: Answer) -> Step {
        let mut step = self.conversation.answer(answer);
        if let Step::Done(Verdict::Sent(receipt)) = &mut step {
            receipt.template_problems.clone_from(&self.problems);
        }
        step
    }

    fn template_problems(&self) -> &str {
        &self.problems
    }
}
