//! `victorops_configs`: Splunk On-Call by its REST endpoint (`notify/victorops/victorops.go`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Begun, Context, FileContents, HttpRequest, HttpResponse, TransportError,
    conversation::single,
    status,
    wire::{file, with_path},
};
use crate::{
    alert::AlertStatus,
    config::{Secret, VictorOpsConfig},
    json,
    notify::{FailureReason, Limit, NotificationData, Renderer, Verdict},
};

/// The length of `state_message`.
const STATE_MESSAGE: Limit = Limit::Chars(20_480);

/// Message types that page; anything else does as `CRITICAL`.
const TYPES: [&str; 3] = ["INFO", "WARNING", "CRITICAL"];

/// The files to read for each notification.
pub(super) fn files(config: &VictorOpsConfig) -> Vec<String> {
    if config.api_key.is_empty() {
        vec![config.api_key_file.clone()]
    } else {
        Vec::new()
    }
}

/// Begins an attempt.
pub(super) fn begin(
    config: &VictorOpsConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let url = address(config, &context.files, render)?;
    let members = members(config, &context.data, render)?;
    let body = json::document(|object| {
        for (name, value) in &members {
            object.text(name, value);
        }
    });
    let request = HttpRequest::json("POST", url, body, &config.http);
    Ok(single(request, verdict))
}

fn address(
    config: &VictorOpsConfig,
    files: &FileContents,
    render: &Renderer<'_>,
) -> Result<Secret, Verdict> {
    let key = if config.api_key.is_empty() {
        file(files, "api_key_file", &config.api_key_file)?
    } else {
        config.api_key.reveal()
    };
    let routing_key = render.required("routing_key", &config.routing_key)?;
    let path = format!("{key}/{routing_key}");
    Ok(Secret::new(with_path(config.api_url.as_str(), &path)))
}

/// The members in the order of their names, as Go writes a map.
fn members(
    config: &VictorOpsConfig,
    data: &NotificationData,
    render: &Renderer<'_>,
) -> Result<BTreeMap<String, String>, Verdict> {
    let message_type = render.detail("message_type", &config.message_type)?;
    let message_type = match data.status() {
        AlertStatus::Resolved => "RECOVERY",
        AlertStatus::Firing if TYPES.contains(&&*message_type) => &message_type,
        AlertStatus::Firing => "CRITICAL",
    };
    let state_message = &config.state_message;
    let mut members = BTreeMap::from([
        ("message_type".to_owned(), message_type.to_owned()),
        ("entity_id".to_owned(), data.group_hash()),
        (
            "entity_display_name".to_owned(),
            render.title("entity_display_name", &config.entity_display_name)?,
        ),
        (
            "state_message".to_owned(),
            render.body_within("state_message", state_message, STATE_MESSAGE)?,
        ),
        (
            "monitoring_tool".to_owned(),
            render.detail("monitoring_tool", &config.monitoring_tool)?,
        ),
    ]);
    for (name, source) in &config.custom_fields {
        let field = format!("custom_fields.{name}");
        members.insert(name.clone(), render.detail(&field, source)?);
    }
    Ok(members)
}

/// Judges what came back: the body may refuse what the status takes.
fn verdict(result: Result<HttpResponse, TransportError>) -> Verdict {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Said {
        result: String,
    }

    let response = match result {
        Ok(response) => response,
        Err(error) => return status::of_transport("POST", &error, None),
    };
    let verdict = status::of_response(&response);
    let said: Said = serde_json::from_slice(&response.body).unwrap_or_default();
    if verdict.is_sent() && said.result == "failure" {
        let body = status::quoted(&String::from_utf8_lossy(&response.body));
        return Verdict::Permanent {
            reason: FailureReason::ClientError,
            error: format!("error response from Splunk On-Call: {body}"),
        };
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{
            Course, assert_as_recorded, configuration, context, context_of, firing, http, resolved,
            run,
        },
        *,
    };

    const RECORDED: &str =
        "victorops_configs: [{api_key: K, routing_key: R, api_url: 'http://127.0.0.1:18980/vo/'}]";

    const PLAIN: &str = "api_key: hunter2, api_url: 'http://vo/', routing_key: 'team a', entity_display_name: n, state_message: s, monitoring_tool: m";

    fn plain(more: &str) -> String {
        format!("victorops_configs: [{{{PLAIN}{more}}}]")
    }

    fn sent(integrations: &str, data: NotificationData) -> Course {
        let (course, verdict) = run(&context(integrations, data), [http(200, "")]);
        assert_eq!(verdict, Verdict::sent());
        course
    }

    #[test]
    fn messages_are_those_that_alertmanager_sent() {
        let config = configuration(RECORDED);
        for (data, name) in [
            (firing(), "POST_vo_K_R_1.json"),
            (resolved(), "POST_vo_K_R_2.json"),
        ] {
            let (course, verdict) = run(&context_of(&config, 0, data), [http(200, "")]);
            assert_eq!(verdict, Verdict::sent());
            assert_as_recorded(&course.requests[0], name);
        }
    }

    #[test]
    fn custom_fields_stand_among_the_others() {
        let course = sent(
            &plain(", message_type: WARNING, custom_fields: {a: '1', z: <z>}"),
            firing(),
        );
        let request = &course.requests[0];
        assert_eq!(request.url.reveal(), "http://vo/hunter2/team%20a");
        expect_test::expect![[r#"
            {"a":"1","entity_display_name":"n","entity_id":"196cd8f79681ecfe82cc3e2d31612835c7d1ce897fd702ce61839eace2d49e26","message_type":"WARNING","monitoring_tool":"m","state_message":"s","z":"\u003cz\u003e"}
        "#]]
        .assert_eq(&course.body(0));
    }

    #[test]
    fn unknown_types_are_critical_and_resolves_recover() {
        for (message_type, data, expect) in [
            ("INFO", firing(), "INFO"),
            ("info", firing(), "CRITICAL"),
            ("RECOVERY", firing(), "CRITICAL"),
            ("INFO", resolved(), "RECOVERY"),
        ] {
            let course = sent(&plain(&format!(", message_type: {message_type}")), data);
            assert_eq!(course.json(0)["message_type"], expect);
        }
    }

    #[test]
    fn long_messages_are_cut() {
        let long = plain("").replace(
            "state_message: s",
            &format!("state_message: {}", "é".repeat(30_000)),
        );
        let course = sent(&long, firing());
        let text = course.json(0)["state_message"].to_string();
        assert!(
            text.chars().count() <= 20_480 + 3,
            "{}",
            text.chars().count()
        );
    }

    #[test]
    fn the_body_may_refuse() {
        let context = context(&plain(""), firing());
        let ok = r#"{"result":"success","entity_id":"x"}"#;
        let failure = r#"{"result":"failure","messages":"no such key"}"#;
        assert_eq!(run(&context, [http(200, ok)]).1, Verdict::sent());
        for (status, body, retried) in [
            (200, failure, false),
            (404, "", false),
            (429, "", true),
            (500, "", true),
        ] {
            let (_, verdict) = run(&context, [http(status, body)]);
            let words = format!("{verdict:?}");
            assert!(!words.contains("hunter2"), "{words}");
            assert_eq!(matches!(verdict, Verdict::Retry { .. }), retried, "{words}");
            assert!(!verdict.is_sent());
        }
    }

    #[test]
    fn the_key_may_be_in_a_file() {
        let from_file = plain("").replace("api_key: hunter2", "api_key_file: /run/vo");
        let mut context = context(&from_file, firing());
        assert_eq!(super::super::files(&context.integration), ["/run/vo"]);
        let key = Ok("K?1\n".to_owned());
        context.files.insert("/run/vo".to_owned(), key);
        let (course, _) = run(&context, [http(200, "")]);
        assert_eq!(course.requests[0].url.reveal(), "http://vo/K%3F1/team%20a");
    }
}
