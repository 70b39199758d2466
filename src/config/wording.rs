//! Puts the templates together: the built-in ones, those of files, and the texts of the configuration itself.
//!
//! What Go refuses in a file is an error. In a text of the configuration upstream finds mistakes only when a notification
//! needs it; here they are told when the configuration is loaded.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use super::{Config, LoadErrors, Settings, Texts, Warning, references::TemplateText};
use crate::{
    template::{Library, Mode, Template, TemplateError},
    yaml::Value,
};

/// More failures of one text do not help.
const MAX_FAILURES: usize = 5;

impl Config {
    /// Reads template files, by path and content in their order, and compiles every text of the configuration over them.
    pub(super) fn word(&mut self, files: &[(String, String)]) -> Result<(), LoadErrors> {
        let sources = files.iter().map(|(path, text)| (&**path, &**text));
        let library =
            Library::new(self.texts.language(), sources).map_err(LoadErrors::in_templates)?;
        let mut texts = self.texts.with_library(library);
        let settings: Vec<&Settings> = self
            .receivers
            .iter()
            .flat_map(|receiver| &receiver.integrations)
            .map(|integration| &integration.settings)
            .collect();
        let html: BTreeSet<&str> = settings.iter().filter_map(|entry| html(entry)).collect();
        for entry in &settings {
            compile_defaults(entry, &html, &mut texts);
        }
        let (mut told, mut in_files) = (BTreeSet::new(), HashSet::new());
        for text in &self.references.templates {
            if !told.insert((text.line, text.column, &text.text)) {
                continue;
            }
            let failures = match compile(&text.text, &html, &mut texts) {
                Ok(template) => template.check(),
                Err(error) => vec![error],
            };
            let failures = failures.iter().take(MAX_FAILURES);
            // What is wrong in a file is told once, not with every text that needs it.
            let new =
                failures.filter(|error| error.file.is_empty() || in_files.insert((*error).clone()));
            self.warnings.extend(new.map(|error| failure(text, error)));
        }
        let others = texts.library().check();
        let others = others.iter().filter(|error| !in_files.contains(*error));
        self.warnings.extend(others.map(|error| Warning {
            line: 0,
            column: 0,
            message: format!("notifications that need this template fail: {error}"),
            fails: true,
        }));
        self.texts = Arc::new(texts);
        Ok(())
    }
}

/// The text that is rendered as HTML, escaped by its contexts.
fn html(settings: &Settings) -> Option<&str> {
    match settings {
        Settings::Email(email) => Some(&email.html),
        Settings::Pushover(pushover) if pushover.html => Some(&pushover.message),
        Settings::Telegram(telegram) if telegram.parse_mode == "HTML" => Some(&telegram.message),
        Settings::Pushover(_)
        | Settings::Telegram(_)
        | Settings::Webhook(_)
        | Settings::PagerDuty(_)
        | Settings::Opsgenie(_)
        | Settings::Wechat(_)
        | Settings::Slack(_)
        | Settings::VictorOps(_)
        | Settings::Sns(_)
        | Settings::Discord(_)
        | Settings::Webex(_)
        | Settings::MsTeams(_)
        | Settings::MsTeamsV2(_)
        | Settings::Jira(_)
        | Settings::IncidentIo(_)
        | Settings::Rocketchat(_)
        | Settings::Mattermost(_)
        | Settings::DingTalk(_)
        | Settings::WecomRobot(_)
        | Settings::Feishu(_)
        | Settings::Falcon(_) => None,
    }
}

fn compile(
    source: &Arc<str>,
    html: &BTreeSet<&str>,
    texts: &mut Texts,
) -> Result<Template, TemplateError> {
    let template = texts.compile(source, Mode::Text)?;
    if html.contains(&**source) {
        texts.compile(source, Mode::Html)?;
    }
    Ok(template)
}

/// Compiles the texts that an entry has by default; mistakes in its own are told with their places.
fn compile_defaults(settings: &Settings, html: &BTreeSet<&str>, texts: &mut Texts) {
    let mut keys = Vec::new();
    settings.print_keys(&mut keys);
    let mut left = vec![Value::Mapping(keys)];
    while let Some(value) = left.pop() {
        match value {
            Value::String { text, .. } if text.contains("{{") => {
                let _ = compile(&text.into(), html, texts);
            }
            Value::Sequence(items) => left.extend(items),
            Value::Mapping(entries) => left.extend(entries.into_iter().map(|(_, value)| value)),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Float(_)
            | Value::String { .. } => {}
        }
    }
}

fn failure(text: &TemplateText, error: &TemplateError) -> Warning {
    let error = if text.secret {
        "its words are secret, so the error is not shown".to_owned()
    } else {
        error.to_string()
    };
    Warning {
        line: text.line,
        column: text.column,
        message: format!(
            "notifications that need this template fail or go out in plain words: {error}"
        ),
        fails: true,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{FileFacts, LoadEnv, load};

    /// One file of templates, whatever is asked for.
    struct File(&'static str);

    impl FileFacts for File {
        fn is_readable(&self, _path: &str) -> bool {
            true
        }

        fn glob(&self, _pattern: &str) -> Option<Vec<(String, Result<String, String>)>> {
            let content = match self.0 {
                "" => Err("permission denied".to_owned()),
                text => Ok(text.to_owned()),
            };
            Some(vec![("/etc/t/a.tmpl".to_owned(), content)])
        }
    }

    fn told(template: &'static str, receiver: &str) -> String {
        let text = format!(
            "templates: [t/*]\nroute: {{receiver: a}}\nreceivers:\n- name: a\n  {receiver}\n"
        );
        let mut config = load(text.as_bytes(), &LoadEnv::default()).unwrap();
        config.warnings.clear();
        match config.complete(&File(template)) {
            Err(errors) => format!("refused: {errors}"),
            Ok(()) => {
                let warnings = config.warnings.iter();
                let shown = warnings.map(|w| format!("{}:{} {}", w.line, w.column, w.message));
                shown.collect::<Vec<_>>().join("\n")
            }
        }
    }

    #[test]
    fn defaults_are_sound_whatever_uses_them() {
        let all = "\
webhook_configs: [{url: 'http://a'}]
  email_configs: [{to: a, from: b, smarthost: 'c:25', text: '{{ template \"email.default.text\" . }}'}]
  slack_configs: [{api_url: 'http://a', channel: '#{{ .GroupLabels.team | toLower }}'}]
  telegram_configs: [{bot_token: t, chat_id: 1}]
  pushover_configs: [{user_key: u, token: t, html: true}]
  opsgenie_configs: [{api_key: k}]
  jira_configs: [{api_url: 'http://j', project: p, issue_type: b}]
  dingtalk_configs: [{access_token: t}]
  wecom_robot_configs: [{key: k}]
  feishu_configs: [{webhook_url: 'http://f'}]
  falcon_configs: [{url: 'http://f'}]";
        assert_eq!(told("{{ define \"x\" }}{{ end }}", all), "");
    }

    #[test]
    fn what_is_wrong_with_templates_is_told_with_its_place() {
        let slack =
            |text: &str| format!("slack_configs: [{{api_url: 'http://a', text: '{text}'}}]");
        let webhook = "webhook_configs: [{url: 'http://a/{{ template \"hidden\" . }}'}]";
        let cases = [
            ("", slack("")),
            ("a\n{{ end }}", slack("")),
            (
                "{{ define \"x\" }}{{ .Alerts.None }}{{ end }}",
                slack("{{ template \"x\" . }}"),
            ),
            ("x", slack("{{ if }}")),
            ("x", slack("{{ template \"gone\" . }}{{ .Gone }}")),
            ("x", webhook.to_owned()),
        ];
        let shown: Vec<String> = cases
            .iter()
            .map(|(file, receiver)| told(file, receiver))
            .collect();
        expect_test::expect![[r#"
            refused: /etc/t/a.tmpl: open /etc/t/a.tmpl: permission denied
            refused: /etc/t/a.tmpl:2:8: template: a.tmpl:2: unexpected {{end}}
            5:47 notifications that need this template fail or go out in plain words: template: a.tmpl:1:26: executing "x" at <.Alerts.None>: can't evaluate field None in type template.Alerts
            5:47 notifications that need this template fail or go out in plain words: template: :1: missing value for if
            5:47 notifications that need this template fail or go out in plain words: template: :1:12: executing "" at <{{template "gone" .}}>: template "gone" not defined
            5:47 notifications that need this template fail or go out in plain words: template: :1:26: executing "" at <.Gone>: can't evaluate field Gone in type *template.Data
            5:27 notifications that need this template fail or go out in plain words: its words are secret, so the error is not shown"#]].assert_eq(&shown.join("\n"));
    }
}
