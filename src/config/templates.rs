//! Which templates are defined and which are called, by their names only; the syntax is the template module's part.

/// Templates that are always there: upstream's of v0.34.
const BUILT_IN: [&str; 64] = [
    "__alertmanager",
    "__alertmanagerURL",
    "__subject",
    "__description",
    "__text_alert_list",
    "__text_alert_list_markdown",
    "slack.default.title",
    "slack.default.username",
    "slack.default.fallback",
    "slack.default.callbackid",
    "slack.default.pretext",
    "slack.default.titlelink",
    "slack.default.iconemoji",
    "slack.default.iconurl",
    "slack.default.text",
    "slack.default.footer",
    "slack.default.color",
    "pagerduty.default.description",
    "pagerduty.default.client",
    "pagerduty.default.clientURL",
    "pagerduty.default.instances",
    "opsgenie.default.message",
    "opsgenie.default.description",
    "opsgenie.default.source",
    "wechat.default.message",
    "wechat.default.to_user",
    "wechat.default.to_party",
    "wechat.default.to_tag",
    "wechat.default.agent_id",
    "victorops.default.state_message",
    "victorops.default.entity_display_name",
    "victorops.default.monitoring_tool",
    "pushover.default.title",
    "pushover.default.message",
    "pushover.default.url",
    "sns.default.subject",
    "sns.default.message",
    "telegram.default.message",
    "discord.default.content",
    "discord.default.title",
    "discord.default.message",
    "webex.default.message",
    "msteams.default.summary",
    "msteams.default.title",
    "msteams.default.text",
    "msteamsv2.default.title",
    "msteamsv2.default.text",
    "jira.default.summary",
    "jira.default.description",
    "jira.default.priority",
    "rocketchat.default.title",
    "rocketchat.default.alias",
    "rocketchat.default.titlelink",
    "rocketchat.default.emoji",
    "rocketchat.default.iconurl",
    "rocketchat.default.text",
    "mattermost.default.color",
    "mattermost.default.username",
    "mattermost.default.title",
    "mattermost.default.titlelink",
    "mattermost.default.fallback",
    "mattermost.default.text",
    "email.default.subject",
    "email.default.html",
];

/// What an action of a template does with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// `{{ define "x" }}`, `{{ block "x" . }}`
    Defines,
    /// `{{ template "x" . }}`
    Calls,
}

/// Whether a template of that name is always there.
pub(crate) fn is_built_in(name: &str) -> bool {
    const OURS: [&str; 4] = ["dingtalk.", "wecom_robot.", "feishu.", "falcon."];
    BUILT_IN.contains(&name)
        || OURS
            .iter()
            .any(|ours| name.starts_with(ours) && name[ours.len()..].starts_with("default."))
}

/// The names of templates in a text.
pub(crate) fn names(text: &str) -> impl Iterator<Item = (Use, &str)> {
    text.split("{{").skip(1).filter_map(|action| {
        let action = action.strip_prefix('-').unwrap_or(action).trim_start();
        let (word, rest) = action.split_once(char::is_whitespace)?;
        let what = match word {
            "define" | "block" => Use::Defines,
            "template" => Use::Calls,
            _ => return None,
        };
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '`'))?;
        let (name, _) = rest[1..].split_once(quote)?;
        Some((what, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found() {
        let text = "a {{ define \"x\" }}{{- template `y.z` . -}}{{/* template \"no\" */}}{{ end }}{{block \"b\" .}}{{ template";
        let found: Vec<_> = names(text).collect();
        assert_eq!(
            found,
            [
                (Use::Defines, "x"),
                (Use::Calls, "y.z"),
                (Use::Defines, "b")
            ]
        );
    }
}
