//! Everything that is wrong with a file, each with its place.

use std::fmt;

use super::read::{Problem, Reader, Stage};
use crate::template::TemplateError;

/// Most mistakes that are shown of one file; a file with more is not what it is taken for.
const MAX_SHOWN: usize = 1000;

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file.
    pub file: String,
    /// One-based line; 0 if it concerns no single line.
    pub line: usize,
    /// One-based column; 0 if it is not known.
    pub column: usize,
    /// What is wrong, in upstream's words where upstream refuses it too.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    pub(crate) kind: Kind,
}

/// How upstream would report a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The file is no YAML.
    Syntax,
    /// A type or a name is wrong; all of these are reported together.
    Type,
    /// Something is not allowed; it is reported alone.
    Denied,
}

/// `alertmanager.yml:5:3: field foo not found in type config.plain`, without the position where there is none.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.is_empty() {
            write!(f, "{}:", self.file)?;
        }
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
            if self.column > 0 {
                write!(f, "{}:", self.column)?;
            }
        }
        if !self.file.is_empty() || self.line > 0 {
            f.write_str(" ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// All mistakes of a file; the first is the one that upstream would report. Printed one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadErrors(pub Vec<LoadError>);

impl LoadError {
    /// A mistake in a file that is no line's.
    pub(super) fn unplaced(message: &str, file: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: message.to_owned(),
            hint: None,
            kind: Kind::Denied,
        }
    }
}

impl LoadErrors {
    /// Template files that cannot be parsed, by their paths.
    pub(super) fn in_templates(errors: Vec<(&str, TemplateError)>) -> Self {
        let errors = errors.into_iter().map(|(path, error)| LoadError {
            line: error.line,
            column: error.column.map_or(0, |column| column + 1),
            ..LoadError::unplaced(&error.to_string(), path)
        });
        Self(errors.collect())
    }

    /// A file that is no YAML.
    pub(super) fn syntax(file: &str, error: &crate::yaml::Error) -> Self {
        Self(vec![LoadError {
            file: file.to_owned(),
            line: error.line as usize,
            column: error.column as usize,
            message: error.message.clone(),
            hint: None,
            kind: Kind::Syntax,
        }])
    }

    /// The only message that Alertmanager and amtool print for this file.
    #[must_use]
    pub fn upstream(&self) -> String {
        let Some(first) = self.0.first() else {
            return String::new();
        };
        match first.kind {
            Kind::Denied => first.message.clone(),
            Kind::Syntax if first.line == 0 => format!("yaml: {}", first.message),
            Kind::Syntax => format!("yaml: line {}: {}", first.line, first.message),
            Kind::Type => {
                let lines = self.0.iter().filter(|error| error.kind == Kind::Type);
                lines.fold("yaml: unmarshal errors:".to_owned(), |text, error| {
                    format!("{text}\n  line {}: {}", error.line, error.message)
                })
            }
        }
    }
}

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let separator = if i > 0 { "\n" } else { "" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}

impl Reader<'_> {
    /// The mistakes in upstream's order; `None` if there are none.
    pub(super) fn errors(&mut self) -> Option<LoadErrors> {
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by_key(|problem| problem.stage);
        problems.truncate(MAX_SHOWN);
        let file = &self.env.file;
        let errors: Vec<_> = problems
            .into_iter()
            .map(|problem| load_error(file, problem))
            .collect();
        (!errors.is_empty()).then_some(LoadErrors(errors))
    }
}

fn load_error(file: &str, problem: Problem) -> LoadError {
    let (line, column) = problem.at.pair();
    LoadError {
        file: file.to_owned(),
        line,
        column,
        message: problem.message,
        hint: problem.hint,
        kind: match problem.stage {
            Stage::Type => Kind::Type,
            Stage::Part | Stage::Whole => Kind::Denied,
        },
    }
}

/// Upstream's messages, each from the smallest file that earns it.
#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use crate::config::{LoadEnv, load};

    fn upstream(text: &str) -> String {
        match load(text.as_bytes(), &LoadEnv::default()) {
            Ok(_) => "loads".to_owned(),
            Err(errors) => errors.upstream(),
        }
    }

    fn check(file: impl Fn(&str) -> String, cases: &[(&str, &str)]) {
        for (part, expect) in cases {
            let text = file(part);
            assert_eq!(upstream(&text), *expect, "{text}");
        }
    }

    #[test]
    fn files() {
        check(
            str::to_owned,
            &[
                ("", "no route provided in config"),
                ("receivers: []", "no routes provided"),
                (
                    "global:\nroute: {receiver: a}\nreceivers: [{name: a}]",
                    "loads",
                ),
                (
                    "receivers: [{name: a, webhook_configs: [~]}]\nglobal: {slack_app_token: a, slack_app_token_file: b}",
                    "at most one of slack_app_token & slack_app_token_file must be configured",
                ),
                (
                    "receivers: [{name: a, webhook_configs: [~, {url: x}]}]\nroute: {x: 1}",
                    "invalid URL: unsupported scheme \"\" for URL",
                ),
                ("a: [", "yaml: line 2: did not find expected node content"),
                (
                    "route: {receiver: a}\nreceivers: [{name: a}]\nx: 1\ny: 2\nroute: 1",
                    "yaml: unmarshal errors:\n  line 3: field x not found in type config.plain\n  line 4: field y not found in type config.plain\n  line 5: field route already set in type config.plain",
                ),
                (
                    "foo",
                    "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `foo` into config.plain",
                ),
                (
                    "route: {receiver: a}\nreceivers: [{name: a}, {name: a}]",
                    "notification config name \"a\" is not unique",
                ),
                (
                    "route: {receiver: a}\nreceivers: [{labels: {a: b}}]",
                    "missing name in receiver",
                ),
                (
                    "route: {receiver: a}\nreceivers: [{name: a, labels: {name: b}}]",
                    "receiver label \"name\" must match receiver name \"a\", got \"b\"",
                ),
                (
                    "route: {receiver: a}\nreceivers: [{name: a}]\ntracing: {endpoint: a, client_type: x}",
                    "expected tracing client type to be to be http or grpc, but got x",
                ),
                (
                    "route: {receiver: a}\nreceivers: [{name: a}]\ntracing: {endpoint: a, compression: x}",
                    "invalid compression type x provided, valid options: gzip",
                ),
                (
                    "route: {receiver: a}\nreceivers: [{name: a}]\nevent_recorder: {file_outputs: [{}]}",
                    "event_recorder file output requires a path",
                ),
                (
                    "route: {receiver: a}\nreceivers: [{name: a}]\nevent_recorder: {kafka_outputs: [{topic: a}]}",
                    "event_recorder kafka: at least one broker is required",
                ),
                (
                    "route: {receiver: a}\nreceivers: [{name: a}]\nevent_recorder: {webhook_outputs: [{url: 'http://a', batch_max_events: 1}]}",
                    "event_recorder webhook batch settings require batch: true",
                ),
            ],
        );
    }

    #[test]
    fn globals() {
        let file = |part: &str| {
            format!("global: {{{part}}}\nroute: {{receiver: a}}\nreceivers: [{{name: a}}]\n")
        };
        check(
            file,
            &[
                (
                    "slack_app_token: a, slack_app_token_file: b",
                    "at most one of slack_app_token & slack_app_token_file must be configured",
                ),
                (
                    "slack_app_token: a, slack_api_url: 'https://slack.com/api/chat.postMessage'",
                    "loads",
                ),
                (
                    "rocketchat_token_id: a, rocketchat_token_id_file: b",
                    "at most one of rocketchat_token_id & rocketchat_token_id_file must be configured",
                ),
                (
                    "smtp_auth_secret: a, smtp_auth_secret_file: b",
                    "at most one of smtp_auth_secret & smtp_auth_secret_file must be configured",
                ),
                ("smtp_smarthost: a", "address a: missing port in address"),
                (
                    "smtp_smarthost: 'a:'",
                    "address \"a:\": port cannot be empty",
                ),
                (
                    "resolve_timeout: 1.5h",
                    "not a valid duration string: \"1.5h\"",
                ),
                ("resolve_timeout: ''", "empty duration string"),
                (
                    "opsgenie_api_url: 'ftp://a'",
                    "unsupported scheme \"ftp\" for URL",
                ),
                ("pagerduty_url: 'http://'", "missing host for URL"),
                ("smtp_require_tls: yes", "loads"),
                (
                    "smtp_require_tls: maybe",
                    "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `maybe` into bool",
                ),
                ("timezone: Mars", "unknown time zone \"Mars\""),
                (
                    "timezone: Asia/Shanghai, language: zh-CN, mention_map: [{matchers: [a=b], mobiles: ['1']}]",
                    "loads",
                ),
                ("language: de", "language must be en or zh-CN, not \"de\""),
            ],
        );
    }

    #[test]
    fn routes_rules_and_intervals() {
        let file = |part: &str| {
            format!(
                "receivers: [{{name: a}}]\ntime_intervals: [{{name: t, time_intervals: [{{}}]}}]\n{part}\n"
            )
        };
        check(
            file,
            &[
                ("route: {}", "root route must specify a default receiver"),
                (
                    "route: {receiver: a, match: {b: c}}",
                    "root route must not have any matchers",
                ),
                (
                    "route: {receiver: a, mute_time_intervals: [t]}",
                    "root route must not have any mute time intervals",
                ),
                (
                    "route: {receiver: a, active_time_intervals: [t]}",
                    "root route must not have any active time intervals",
                ),
                (
                    "route: {receiver: a, continue: true}",
                    "cannot have continue in root route",
                ),
                (
                    "route: {receiver: a, routes: [{receiver: b}]}",
                    "undefined receiver \"b\" used in route",
                ),
                (
                    "route: {receiver: a, routes: [{mute_time_intervals: [u]}]}",
                    "undefined time interval \"u\" used in route",
                ),
                (
                    "route: {receiver: a, routes: [{match: {a-b: c}}]}",
                    "invalid label name \"a-b\"",
                ),
                (
                    "route: {receiver: a, labels: {'': c}}",
                    "invalid label name \"\" in route labels",
                ),
                (
                    "route: {receiver: a, group_by: ['']}",
                    "invalid label name \"\" in group_by list",
                ),
                (
                    "route: {receiver: a, group_by: ['...', b]}",
                    "cannot have wildcard group_by (`...`) and other labels at the same time",
                ),
                (
                    "route: {receiver: a, group_by: [b, b]}",
                    "duplicated label \"b\" in group_by",
                ),
                (
                    "route: {receiver: a, group_interval: 0s}",
                    "group_interval cannot be zero",
                ),
                ("route: {receiver: a, group_wait: 0s}", "loads"),
                (
                    "route: {receiver: a, repeat_interval: 0}",
                    "repeat_interval cannot be zero",
                ),
                (
                    "route: {receiver: a, group_wait: 30}",
                    "not a valid duration string: \"30\"",
                ),
                (
                    "route: {receiver: a, routes: [{matchers: [b]}]}",
                    "bad matcher format: b",
                ),
                (
                    "route: {receiver: a, routes: [{matchers: ['{b=\"c\",d=~\"e\"}']}]}",
                    "loads",
                ),
                (
                    "route: {receiver: a, routes: [{matchers: b=c}]}",
                    "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str `b=c` into []string",
                ),
                ("route: {receiver: a}\ninhibit_rules: [{}]", "loads"),
                (
                    "route: {receiver: a}\ninhibit_rules: [{equal: ['']}]",
                    "invalid label name \"\" in equal list",
                ),
                (
                    "route: {receiver: a}\ninhibit_rules: [{source_match: {a-b: c}}]",
                    "invalid label name \"a-b\"",
                ),
                (
                    "route: {receiver: a}\nmute_time_intervals: [{name: t}]",
                    "time interval \"t\" is not unique",
                ),
                (
                    "route: {receiver: a}\nmute_time_intervals: [{time_intervals: []}]",
                    "missing name in mute time interval",
                ),
                (
                    "route: {receiver: a}\nmute_time_intervals: [{name: m, time_intervals: [{weekdays: [noday]}]}]",
                    "noday is not a valid weekday",
                ),
                (
                    "route: {receiver: a}\nmute_time_intervals: [{name: m, time_intervals: [{times: [{start_time: '10:00'}]}]}]",
                    "both start and end times must be provided",
                ),
                (
                    "route: {receiver: a}\nmute_time_intervals: [{name: m, time_intervals: [{days_of_month: [0]}]}]",
                    "0 is not a valid day of the month: out of range",
                ),
            ],
        );
    }

    #[test]
    fn http_clients() {
        let file = |part: &str| {
            format!(
                "route: {{receiver: a}}\nreceivers: [{{name: a, webhook_configs: [{{url: 'http://a', http_config: {{{part}}}}}]}}]\n"
            )
        };
        check(
            file,
            &[
                (
                    "bearer_token: a, bearer_token_file: b",
                    "at most one of bearer_token & bearer_token_file must be configured",
                ),
                (
                    "bearer_token: a, basic_auth: {}",
                    "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
                ),
                (
                    "basic_auth: {username: a, username_file: b}",
                    "at most one of basic_auth username, username_file & username_ref must be configured",
                ),
                (
                    "basic_auth: {password: a, password_file: b}",
                    "at most one of basic_auth password, password_file & password_ref must be configured",
                ),
                (
                    "basic_auth: {password_ref: a}",
                    "cannot use secret ref without manager",
                ),
                (
                    "authorization: {credentials: a}, bearer_token: b",
                    "authorization is not compatible with bearer_token & bearer_token_file",
                ),
                (
                    "authorization: {type: ' Basic '}",
                    "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
                ),
                (
                    "authorization: {}, basic_auth: {}",
                    "at most one of basic_auth, oauth2 & authorization must be configured",
                ),
                (
                    "oauth2: {token_url: a}",
                    "oauth2 client_id must be configured",
                ),
                (
                    "oauth2: {client_id: a}",
                    "oauth2 token_url must be configured",
                ),
                (
                    "oauth2: {client_id: a, token_url: b, client_secret: c, claims: {d: [1, e]}}",
                    "loads",
                ),
                (
                    "tls_config: {min_version: TLS14}",
                    "unknown TLS version: TLS14",
                ),
                (
                    "tls_config: {ca: a, ca_file: b}",
                    "at most one of ca, ca_file & ca_ref must be configured",
                ),
                (
                    "tls_config: {cert: a}",
                    "exactly one of key or key_file must be configured when a client certificate is configured",
                ),
                (
                    "tls_config: {min_version: TLS13, max_version: TLS12}",
                    "tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified",
                ),
                (
                    "proxy_connect_header: {a: [b]}",
                    "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
                ),
                (
                    "no_proxy: a",
                    "if no_proxy is configured, proxy_url must also be configured",
                ),
                (
                    "proxy_from_environment: true, proxy_url: 'http://a'",
                    "if proxy_from_environment is configured, proxy_url must not be configured",
                ),
                (
                    "http_headers: {x-amz-date: {values: [a]}}",
                    "setting header \"X-Amz-Date\" is not allowed",
                ),
                (
                    "http_headers: {X-A: {values: [a], secrets: [b], files: [c]}}",
                    "loads",
                ),
            ],
        );
    }

    #[test]
    fn receivers() {
        let file = |part: &str| {
            format!(
                "global: {{smtp_smarthost: 'a:25', smtp_from: a}}\nroute: {{receiver: a}}\nreceivers: [{{name: a, {part}}}]\n"
            )
        };
        check(
            file,
            &[
                ("webhook_configs: [~]", "missing webhook config"),
                (
                    "webhook_configs: [{}]",
                    "one of url or url_file must be configured",
                ),
                (
                    "webhook_configs: [{url: 'http://a', url_file: b}]",
                    "at most one of url & url_file must be configured",
                ),
                (
                    "webhook_configs: [{url: foo}]",
                    "invalid URL: unsupported scheme \"\" for URL",
                ),
                (
                    "webhook_configs: [{url: '{{ .a'}]",
                    "invalid template syntax: template: :1: unclosed action",
                ),
                (
                    "webhook_configs: [{url: '{{ .a }}', timeout: -1s, payload: {a: [1, {b: c}]}}]",
                    "loads",
                ),
                (
                    "webhook_configs: {url: 'http://a'}",
                    "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!map into []*webhook.WebhookConfig",
                ),
                ("email_configs: [{}]", "missing to address in email config"),
                (
                    "email_configs: [{to: a, headers: {a: b, A: c}}]",
                    "duplicate header \"A\" in email config",
                ),
                (
                    "email_configs: [{to: a, threading: {enabled: true, thread_by_date: x}}]",
                    "threading.thread_by_date must be either 'none' or 'daily'",
                ),
                (
                    "email_configs: [{to: a, threading: {enabled: true}, headers: {references: x}}]",
                    "conflicting configuration: threading.enabled conflicts with custom References header",
                ),
                (
                    "slack_configs: [~]",
                    "no Slack API URL nor App token set either inline or in a file",
                ),
                (
                    "slack_configs: [{update_message: true, app_token: a}]",
                    "update_message can only be used with bot tokens. api_url must be set to https://slack.com/api/chat.postMessage",
                ),
                (
                    "slack_configs: [{api_url: 'http://a', app_token: b}]",
                    "at most one of api_url/api_url_file & app_token/app_token_file must be configured",
                ),
                (
                    "slack_configs: [{app_token: b, http_config: {authorization: {credentials: a}}}]",
                    "http authorization can't be set when using Slack App tokens",
                ),
                (
                    "slack_configs: [{api_url: 'http://a', actions: [{text: a}]}]",
                    "missing type in Slack action configuration",
                ),
                (
                    "slack_configs: [{api_url: 'http://a', actions: [{type: button, text: a}]}]",
                    "missing name or url in Slack action configuration",
                ),
                (
                    "slack_configs: [{api_url: 'http://a', fields: [{title: a}]}]",
                    "missing value in Slack field configuration",
                ),
                (
                    "pagerduty_configs: [{}]",
                    "missing service or routing key in PagerDuty config",
                ),
                (
                    "pagerduty_configs: [{service_key: a, service_key_file: b}]",
                    "at most one of service_key & service_key_file must be configured",
                ),
                (
                    "opsgenie_configs: [{api_key: a, responders: [{type: team}]}]",
                    "opsGenieConfig responder {   team} has to have at least one of id, username or name specified",
                ),
                (
                    "opsgenie_configs: [{api_key: a, responders: [{id: b, type: Teem}]}]",
                    "opsGenieConfig responder {b   teem} type does not match valid options ^(team|teams|user|escalation|schedule)$",
                ),
                (
                    "victorops_configs: [{api_key: a}]",
                    "missing Routing key in VictorOps config",
                ),
                (
                    "victorops_configs: [{api_key: a, routing_key: b, custom_fields: {entity_id: c}}]",
                    "victorOps config contains custom field entity_id which cannot be used as it conflicts with the fixed/static fields",
                ),
                (
                    "pushover_configs: [{token: a}]",
                    "one of user_key or user_key_file must be configured",
                ),
                (
                    "pushover_configs: [{token: a, user_key: b, html: true, monospace: true}]",
                    "at most one of monospace & html must be configured",
                ),
                (
                    "wechat_configs: [{message_type: x}]",
                    "weChat message type \"x\" does not match valid options ^(text|markdown)$",
                ),
                (
                    "wechat_configs: [{api_secret: a}]",
                    "no global Wechat CorpID set",
                ),
                (
                    "sns_configs: [{topic_arn: a, phone_number: b, sigv4: {}}]",
                    "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config",
                ),
                (
                    "sns_configs: [{topic_arn: a, phone_number: b, target_arn: c}]",
                    "loads",
                ),
                (
                    "sns_configs: [{topic_arn: a, sigv4: {access_key: b}}]",
                    "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config",
                ),
                (
                    "telegram_configs: [{bot_token: a}]",
                    "missing chat_id or chat_id_file on telegram_config",
                ),
                (
                    "telegram_configs: [{bot_token: a, chat_id: 1, parse_mode: x}]",
                    "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string",
                ),
                (
                    "telegram_configs: [{bot_token: a, chat_id: '1'}]",
                    "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str `1` into int64",
                ),
                (
                    "discord_configs: [{}]",
                    "one of webhook_url or webhook_url_file must be configured",
                ),
                ("webex_configs: [{}]", "missing room_id on webex_config"),
                (
                    "webex_configs: [{room_id: a}]",
                    "missing webex_configs.http_config.authorization",
                ),
                (
                    "msteams_configs: [{webhook_url: 'http://a', webhook_url_file: b}]",
                    "at most one of webhook_url & webhook_url_file must be configured",
                ),
                (
                    "jira_configs: [{project: a}]",
                    "missing issue_type in jira_config",
                ),
                (
                    "jira_configs: [{project: a, issue_type: b}]",
                    "no global Jira Cloud URL set",
                ),
                (
                    "jira_configs: [{project: a, issue_type: b, api_type: c}]",
                    "unknown api_type on jira_config, must be auto, cloud or datacenter",
                ),
                (
                    "incidentio_configs: [{url: 'http://a', http_config: {}}]",
                    "at least one of alert_source_token, alert_source_token_file or http_config.authorization must be configured",
                ),
                (
                    "incidentio_configs: [{url: 'http://a', alert_source_token: b, http_config: {bearer_token: c}}]",
                    "cannot specify alert_source_token or alert_source_token_file when using http_config.authorization",
                ),
                (
                    "rocketchat_configs: [{token: a, token_file: b}]",
                    "at most one of token & token_file must be configured",
                ),
                (
                    "rocketchat_configs: [{token: a}]",
                    "no global Rocketchat TokenID set either inline or in a file",
                ),
                (
                    "mattermost_configs: [{fields: [{value: a}]}]",
                    "missing title in Mattermost field configuration",
                ),
                (
                    "dingtalk_configs: [{access_token: a, at: {all: true}, buttons: [{title: b, url: c}], delivery: {ambiguous: drop}, rate_limit: {messages: 1, per: 1s}, resolve_when_muted: false, fallback_text: false}]",
                    "loads",
                ),
                (
                    "dingtalk_configs: [{app_key: a, app_secret: b, robot_code: c}]",
                    "one of user_ids or open_conversation_id must be configured",
                ),
                (
                    "wecom_robot_configs: [{key: a, webhook_url: 'http://a'}]",
                    "at most one of webhook_url & webhook_url_file & key & key_file must be configured",
                ),
                (
                    "feishu_configs: [{app_id: a, app_secret: b, receive_id: c}]",
                    "loads",
                ),
                (
                    "falcon_configs: [{url: 'http://a', mode: form}]",
                    "missing tos in falcon_configs with mode form",
                ),
            ],
        );
    }

    #[test]
    fn made_up_names_get_the_right_one() {
        for (key, expect) in [
            ("dingding_configs", "dingtalk_configs: ["),
            ("lark_configs", "feishu_configs: ["),
            ("wechat_robot_configs", "wecom_robot_configs: ["),
            ("webhooks", "write webhook_configs"),
            ("ms_teams_configs", "write msteams_configs"),
        ] {
            let text = format!("route: {{receiver: a}}\nreceivers:\n- name: a\n  {key}: []\n");
            let errors = load(text.as_bytes(), &LoadEnv::for_file("a.yml")).unwrap_err();
            let shown = errors.to_string();
            assert!(
                shown.starts_with("a.yml:4:3: field ") && shown.contains(expect),
                "{shown}"
            );
        }
    }

    #[test]
    fn hostile_files_end_as_errors() {
        let mut deep = String::from("receivers: [{name: a}]\nroute: {receiver: a");
        for _ in 0..10_000 {
            deep.push_str(", routes: [{receiver: a");
        }
        assert!(upstream(&deep).contains("max depth"));

        let mut bomb = String::from(
            "route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - url: http://a\n    payload:\n      a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n",
        );
        for i in 1..12 {
            let inner = format!("*a{}", i - 1);
            let _ = writeln!(bomb, "      a{i}: &a{i} [{}]", [&*inner; 10].join(", "));
        }
        assert!(upstream(&bomb).contains("excessive aliasing"));

        let mut chain = String::from(
            "route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - url: http://a\n    payload:\n      a0: &a0 [x]\n",
        );
        for i in 1..5000 {
            let _ = writeln!(chain, "      a{i}: &a{i} [*a{}]", i - 1);
        }
        assert!(upstream(&chain).contains("max depth"));
        for text in [
            "a: &a [*a]",
            "&a a: *a",
            "<<: 1",
            "? [a]\n: b",
            "\u{0}",
            "route: &r {routes: [*r]}",
        ] {
            assert_ne!(upstream(text), "loads");
        }
    }
}
