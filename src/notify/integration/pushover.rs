//! `pushover_configs`: a message that is all in the query, as upstream sends it.

use std::time::Duration;

use serde::Deserialize;

use super::{
    Begun, Context, HttpRequest, HttpResponse, TransportError, conversation::single, form, status,
    wire::file,
};
use crate::{
    alert::AlertStatus,
    config::{PushoverConfig, Secret},
    notify::{FailureReason, Limit, Renderer, Verdict},
};

const API: &str = "https://api.pushover.net/1/messages.json";

/// In characters (pushover.net/api, "Limits").
const TITLE: usize = 250;
const MESSAGE: usize = 1024;
const URL: usize = 512;
const URL_TITLE: usize = 100;

/// Pushover refuses emergencies that are repeated more often or for longer.
const SHORTEST_RETRY: Duration = Duration::from_secs(30);
const LONGEST_EXPIRE: Duration = Duration::from_secs(10_800);

/// After a server error, Pushover asks to wait so long.
const AFTER_SERVER_ERROR: Duration = Duration::from_secs(5);

/// The files to read for each notification.
pub(super) fn files(config: &PushoverConfig) -> Vec<String> {
    let mut files = Vec::new();
    if config.token.is_empty() {
        files.push(config.token_file.clone());
    }
    if config.user_key.is_empty() {
        files.push(config.user_key_file.clone());
    }
    files
}

/// Begins an attempt.
pub(super) fn begin(
    config: &PushoverConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let secret = |text: &Secret, name: &str, key: &str, path: &str| {
        let source = match text.is_empty() {
            true => file(&context.files, key, path)?,
            false => text.reveal(),
        };
        render.secret(name, source)
    };
    let token = secret(&config.token, "token", "token_file", &config.token_file)?;
    let user_file = &config.user_key_file;
    let user = secret(&config.user_key, "user_key", "user_key_file", user_file)?;

    let limit = Limit::Chars(MESSAGE);
    let mut message = if config.html {
        render.html_within("message", &config.message, limit)?
    } else {
        render.body_within("message", &config.message, limit)?
    };
    message = message.trim().to_owned();
    if message.is_empty() {
        // Pushover refuses empty messages.
        "(no details)".clone_into(&mut message);
    }
    let title = Limit::Chars(TITLE).cut(&render.title("title", &config.title)?);
    let mut url = render.detail("url", &config.url)?;
    if !Limit::Chars(URL).holds(&url) {
        // Half of an address leads nowhere.
        url = context.data.external_url.to_string();
    }
    let url_title = Limit::Chars(URL_TITLE).cut(&render.detail("url_title", &config.url_title)?);
    let seconds = |duration: Duration| duration.as_secs().to_string();
    let mut parameters = vec![
        ("token", token),
        ("user", user),
        ("title", title),
        ("message", message),
        ("url", url),
        ("url_title", url_title),
        ("priority", priority(config, context, render)?),
        ("retry", seconds(config.retry.max(SHORTEST_RETRY))),
        ("expire", seconds(config.expire.min(LONGEST_EXPIRE))),
        ("device", render.required("device", &config.device)?),
        ("sound", render.detail("sound", &config.sound)?),
    ];
    for (name, set) in [("html", config.html), ("monospace", config.monospace)] {
        if set {
            parameters.push((name, "1".to_owned()));
        }
    }
    if config.ttl >= Duration::from_secs(1) {
        parameters.push(("ttl", seconds(config.ttl)));
    }
    let url = Secret::new(format!("{API}?{}", form::encode(parameters)));
    let mut request = HttpRequest::json("POST", url, String::new(), &config.http);
    request.headers = vec![("Content-Type", "text/plain".to_owned())];
    Ok(single(request, verdict))
}

/// A priority that cannot be rendered must not silence an emergency: then it is the default's.
fn priority(
    config: &PushoverConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<String, Verdict> {
    let before = render.problems();
    let priority = render.detail("priority", &config.priority)?;
    if render.problems() == before {
        return Ok(priority);
    }
    Ok(match context.data.status() {
        AlertStatus::Firing => "2".to_owned(),
        AlertStatus::Resolved => "0".to_owned(),
    })
}

#[derive(Deserialize)]
struct Reply {
    status: i64,
    #[serde(default)]
    errors: Vec<String>,
}

fn verdict(result: Result<HttpResponse, TransportError>) -> Verdict {
    let response = match result {
        Ok(response) => response,
        Err(error) => return status::of_transport("POST", &error, None),
    };
    let reply = serde_json::from_slice::<Reply>(&response.body);
    match (response.status, reply) {
        (200..=299, Ok(reply)) if reply.status == 1 => Verdict::sent(),
        (200..=299, Ok(reply)) => Verdict::Permanent {
            reason: FailureReason::ClientError,
            error: format!(
                "error response from Pushover: {}",
                status::quoted(&reply.errors.join("; "))
            ),
        },
        (200..=299, Err(error)) => Verdict::Retry {
            after: None,
            reason: FailureReason::Other,
            error: format!("could not read the answer of Pushover as JSON: {error}"),
            // The status says that it was taken.
            ambiguous: true,
        },
        (500..=599, _) => Verdict::Retry {
            after: Some(AFTER_SERVER_ERROR),
            reason: status::failure_reason(response.status),
            error: status::unexpected_status(&response),
            ambiguous: false,
        },
        _ => status::of_response(&response),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{
        super::harness::{assert_as_recorded, context, firing, http, many, resolved, run},
        *,
    };

    const OK: &str = r#"{"status":1,"request":"x"}"#;

    fn yaml(more: &str) -> String {
        format!("pushover_configs: [{{user_key: U, token: T{more}}}]")
    }

    const PLAIN: &str = ", title: t, message: m, url: 'http://u', priority: '1'";

    fn parameters(yaml: &str, data: crate::notify::NotificationData) -> BTreeMap<String, String> {
        let (course, verdict) = run(&context(yaml, data), [http(200, OK)]);
        assert!(verdict.is_sent());
        let url = url::Url::parse(course.requests[0].url.reveal()).unwrap();
        url.query_pairs().into_owned().collect()
    }

    #[test]
    fn requests_are_those_that_alertmanager_sent() {
        for (name, data) in [
            ("POST_1_messages.json_1.json", firing()),
            ("POST_1_messages.json_2.json", resolved()),
        ] {
            let (course, verdict) = run(&context(&yaml(""), data), [http(200, OK)]);
            assert_eq!(verdict, Verdict::sent());
            assert!(
                course.requests[0]
                    .url
                    .reveal()
                    .starts_with("https://api.pushover.net/")
            );
            assert_as_recorded(&course.requests[0], name);
        }
    }

    #[test]
    fn puts_everything_into_the_query() {
        let more = ", title: '', message: ' ', url: '', url_title: a b, device: d, sound: s, priority: '-1', \
                    retry: 10s, expire: 5h, ttl: 90s, monospace: true";
        let (course, _) = run(&context(&yaml(more), firing()), [http(200, OK)]);
        assert_eq!(
            course.requests[0].url.reveal(),
            "https://api.pushover.net/1/messages.json?device=d&expire=10800&message=%28no+details%29&monospace=1\
             &priority=-1&retry=30&sound=s&title=&token=T&ttl=90&url=&url_title=a+b&user=U"
        );
        assert!(course.requests[0].body.is_empty());
    }

    #[test]
    fn html_is_escaped_by_its_contexts() {
        let more = ", title: t, priority: '1', url: 'http://u', html: true, message: '<b>{{ .GroupLabels.alertname }}</b>{{ \"<i>\" }}'";
        let parameters = parameters(&yaml(more), firing());
        assert_eq!(parameters["message"], "<b>HighLoad</b>&lt;i&gt;");
        assert_eq!(parameters["html"], "1");
    }

    #[test]
    fn secrets_come_from_files_and_stay_secret() {
        let files = format!("pushover_configs: [{{user_key_file: /u, token_file: /t{PLAIN}}}]");
        let mut context = context(&files, firing());
        assert_eq!(super::super::files(&context.integration), ["/t", "/u"]);
        let content = |text: &str| Ok(text.to_owned());
        context.files = [
            ("/u".to_owned(), content("hunter2\n")),
            ("/t".to_owned(), content("{{ nope }}hunter3")),
        ]
        .into();
        let (_, verdict) = run(&context, []);
        assert!(matches!(verdict, Verdict::Permanent { .. }));
        assert!(!format!("{verdict:?}").contains("hunter"));
        context.files.insert("/t".to_owned(), content("hunter3"));
        let (course, _) = run(&context, [http(200, OK)]);
        let url = course.requests[0].url.reveal();
        assert!(
            url.contains("token=hunter3&") && url.ends_with("user=hunter2"),
            "{url}"
        );
        assert!(!format!("{:?}", course.requests[0]).contains("hunter"));
    }

    #[test]
    fn a_priority_that_fails_is_the_defaults() {
        let broken = yaml(&PLAIN.replace("'1'", "'{{ .Nope }}'"));
        assert_eq!(parameters(&broken, firing())["priority"], "2");
        assert_eq!(parameters(&broken, resolved())["priority"], "0");
    }

    #[test]
    fn keeps_the_limits() {
        let list = "{{ range .Alerts }}é {{ .Labels.instance }}{{ \"\\n\" }}{{ end }}";
        let more = format!(
            ", title: '{list}', url: 'http://u/{list}', url_title: '{list}', priority: '1', message: '{list}'"
        );
        let parameters = parameters(&yaml(&more), many(500));
        let count = |name: &str| parameters[name].chars().count();
        assert_eq!(count("title"), TITLE);
        assert_eq!(count("url_title"), URL_TITLE);
        assert_eq!(parameters["url"], "http://am.example.org");
        assert!(count("message") <= MESSAGE && count("message") > MESSAGE - 100);
        assert!(parameters["message"].contains(" more: "));
    }

    #[test]
    fn judges_answers() {
        let context = context(&yaml(PLAIN), firing());
        let verdict = |status, body| run(&context, [http(status, body)]).1;
        assert_eq!(verdict(200, OK), Verdict::sent());
        for (status, body) in [
            (200, r#"{"status":0,"errors":["no"]}"#),
            (
                400,
                r#"{"token":"invalid","errors":["application token is invalid"],"status":0}"#,
            ),
            (401, ""),
            (404, ""),
        ] {
            assert!(
                matches!(verdict(status, body), Verdict::Permanent { .. }),
                "{body}"
            );
        }
        assert!(matches!(
            verdict(429, ""),
            Verdict::Retry { after: None, .. }
        ));
        assert!(matches!(
            verdict(200, "<html>"),
            Verdict::Retry {
                after: None,
                ambiguous: true,
                ..
            }
        ));
        let Verdict::Retry { after, .. } = verdict(503, "") else {
            panic!();
        };
        assert_eq!(after, Some(Duration::from_secs(5)));
    }
}
