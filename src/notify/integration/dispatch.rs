//! Finds the integration that speaks for some settings.

use super::{
    Answer, Begun, Context, Conversation, Step, dingtalk, incidentio, pagerduty, slack, victorops,
    webhook,
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
        Settings::Email(_) => Vec::new(),
        Settings::PagerDuty(config) => pagerduty::files(config),
        Settings::Opsgenie(_) => Vec::new(),
        Settings::Wechat(_) => Vec::new(),
        Settings::Slack(config) => slack::files(config),
        Settings::VictorOps(config) => victorops::files(config),
        Settings::Pushover(_) => Vec::new(),
        Settings::Sns(_) => Vec::new(),
        Settings::Telegram(_) => Vec::new(),
        Settings::Discord(_) => Vec::new(),
        Settings::Webex(_) => Vec::new(),
        Settings::MsTeams(_) => Vec::new(),
        Settings::MsTeamsV2(_) => Vec::new(),
        Settings::Jira(_) => Vec::new(),
        Settings::IncidentIo(config) => incidentio::files(config),
        Settings::Rocketchat(_) => Vec::new(),
        Settings::Mattermost(_) => Vec::new(),
        Settings::DingTalk(config) => dingtalk::files(config),
        Settings::WecomRobot(_) => Vec::new(),
        Settings::Feishu(_) => Vec::new(),
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
        Settings::Email(_) => not_built(context),
        Settings::PagerDuty(config) => pagerduty::begin(config, context, render),
        Settings::Opsgenie(_) => not_built(context),
        Settings::Wechat(_) => not_built(context),
        Settings::Slack(config) => slack::begin(config, context, render),
        Settings::VictorOps(config) => victorops::begin(config, context, render),
        Settings::Pushover(_) => not_built(context),
        Settings::Sns(_) => not_built(context),
        Settings::Telegram(_) => not_built(context),
        Settings::Discord(_) => not_built(context),
        Settings::Webex(_) => not_built(context),
        Settings::MsTeams(_) => not_built(context),
        Settings::MsTeamsV2(_) => not_built(context),
        Settings::Jira(_) => not_built(context),
        Settings::IncidentIo(config) => incidentio::begin(config, context),
        Settings::Rocketchat(_) => not_built(context),
        Settings::Mattermost(_) => not_built(context),
        Settings::DingTalk(config) => dingtalk::begin(config, context, render),
        Settings::WecomRobot(_) => not_built(context),
        Settings::Feishu(_) => not_built(context),
        Settings::Falcon(_) => not_built(context),
    }
}

fn not_built(context: &Context) -> Result<Begun, Verdict> {
    let kind = context.integration.kind.as_str();
    Err(Verdict::unsendable(format!(
        "the sender for {kind} is not built yet, so nothing was sent"
    )))
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
}
