//! `rocketchat_configs`: a message through Rocket.Chat's REST interface, which tells its errors with status 200 too.

use std::time::Duration;

use serde::Deserialize;

use super::{
    Begun, Context, HttpRequest, HttpResponse, TransportError,
    post::{self, Judged},
    status,
    wire::file,
};
use crate::{
    config::{HttpUrl, RocketchatConfig, Secret},
    json::{self, ObjectWriter},
    notify::{FailureReason, Limit, Renderer, Verdict},
};

/// Upstream's bound of the title.
const TITLE: usize = 1024;

/// Bound of the text of an attachment, in bytes of JSON.
const TEXT: usize = 600_000;

/// Within `Message_MaxAllowedSize`, 5000 characters unless an administrator changed it.
const SHORT_TEXT: usize = 4000;

/// The files to read for each notification.
pub(super) fn files(config: &RocketchatConfig) -> Vec<String> {
    [&config.token_file, &config.token_id_file]
        .into_iter()
        .filter(|file| !file.is_empty())
        .cloned()
        .collect()
}

/// Begins an attempt.
pub(super) fn begin(
    config: &RocketchatConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let channel = render.required("channel", &config.channel)?;
    post::or_shorter(config, context, render, request, move |result| {
        judged(result).of_channel(&channel)
    })
}

fn request(
    config: &RocketchatConfig,
    context: &Context,
    render: &Renderer<'_>,
    share: usize,
) -> Result<HttpRequest, Verdict> {
    // As upstream, a file wins over a text, be one of them global.
    let secret = |text: &Secret, key: &str, path: &str| match path {
        "" => Ok(text.reveal().to_owned()),
        path => file(&context.files, key, path).map(str::to_owned),
    };
    let token = secret(&config.token, "token_file", &config.token_file)?;
    let token_id = secret(&config.token_id, "token_id_file", &config.token_id_file)?;
    let channel = render.required("channel", &config.channel)?;
    let emoji = render.detail("emoji", &config.emoji)?;
    let avatar = render.detail("icon_url", &config.icon_url)?;
    let attachment = attachment(config, render, share)?;
    let body = json::document(|object| {
        object
            .text_if_any("channel", &channel)
            .text_if_any("emoji", &emoji)
            .text_if_any("avatar", &avatar)
            .array("attachments", |array| {
                array.raw(&attachment);
            });
    });
    let request = HttpRequest::json("POST", address(&config.api_url), body, &config.http);
    Ok(request
        .header("X-Auth-Token", token)
        .header("X-User-Id", token_id))
}

fn address(api: &HttpUrl) -> Secret {
    let api = api.as_str();
    let (base, rest) = api.split_at(api.find(['?', '#']).unwrap_or(api.len()));
    let base = base.trim_end_matches('/');
    Secret::new(format!("{base}/api/v1/chat.postMessage{rest}"))
}

fn attachment(
    config: &RocketchatConfig,
    render: &Renderer<'_>,
    share: usize,
) -> Result<String, Verdict> {
    let detail = |name: &'static str, source: &str| render.detail(name, source);
    let limit = match share {
        1 => Limit::Json(TEXT),
        _ => Limit::Chars(SHORT_TEXT),
    };
    let title = Limit::Chars(TITLE).cut(&render.title("title", &config.title)?);
    let members = [
        ("title", title),
        ("title_link", detail("title_link", &config.title_link)?),
        ("text", render.body_within("text", &config.text, limit)?),
        ("image_url", detail("image_url", &config.image_url)?),
        ("thumb_url", detail("thumb_url", &config.thumb_url)?),
        ("color", detail("color", &config.color)?),
    ];
    let fields = config.fields.iter();
    let fields: Vec<_> = fields
        .map(|field| {
            let short = field.short.unwrap_or(config.short_fields);
            let title = detail("fields.title", &field.title)?;
            Ok((short, title, detail("fields.value", &field.value)?))
        })
        .collect::<Result<_, Verdict>>()?;
    let actions = config.actions.iter();
    let actions: Vec<_> = actions
        .map(|action| {
            let text = detail("actions.text", &action.text)?;
            let url = detail("actions.url", &action.url)?;
            Ok((text, url, detail("actions.msg", &action.msg)?))
        })
        .collect::<Result<_, Verdict>>()?;
    let mut out = String::new();
    json::push_object(&mut out, |object| {
        for (name, value) in &members {
            object.text_if_any(name, value);
        }
        if !fields.is_empty() {
            object.array("fields", |array| {
                for (short, title, value) in &fields {
                    array.object(|field| {
                        field
                            .flag("short", *short)
                            .text_if_any("title", title)
                            .text_if_any("value", value);
                    });
                }
            });
        }
        if !actions.is_empty() {
            object.array("actions", |array| {
                for (text, url, msg) in &actions {
                    array.object(|action| push_action(action, text, url, msg));
                }
            });
        }
    });
    Ok(out)
}

/// The flags are there because upstream's have no `omitempty`.
fn push_action(action: &mut ObjectWriter<'_>, text: &str, url: &str, msg: &str) {
    action
        .text("type", "button")
        .text_if_any("text", text)
        .text_if_any("url", url)
        .flag("is_webview", false)
        .text_if_any("msg", msg)
        .flag("msg_in_chat_window", false);
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    success: bool,
    #[serde(default)]
    error: String,
}

fn judged(result: Result<HttpResponse, TransportError>) -> Judged {
    let response = match result {
        Ok(response) => response,
        Err(error) => return Judged::Is(status::of_transport("POST", &error, None)),
    };
    let ok = (200..=299).contains(&response.status);
    let verdict = match serde_json::from_slice::<Reply>(&response.body) {
        Ok(reply) if ok && reply.success => return Judged::Is(Verdict::sent()),
        Ok(reply) if !reply.error.is_empty() => {
            let error = format!(
                "error response from Rocketchat (status {}): {}",
                response.status,
                status::quoted(&reply.error)
            );
            if reply.error.contains("error-message-size-exceeded") {
                return Judged::TooLong(status::of_code(400, None, error));
            }
            let code = match response.status {
                _ if reply.error.contains("error-too-many-requests") => 429,
                200..=299 => 400,
                other => other,
            };
            let after = status::retry_after(&response).or_else(|| told_wait(&reply.error));
            status::of_code(code, after, error)
        }
        Ok(_) if ok => Verdict::Permanent {
            reason: FailureReason::ClientError,
            error: "error response from Rocketchat without an error".to_owned(),
        },
        Err(error) if ok => Verdict::Retry {
            after: None,
            reason: FailureReason::Other,
            error: format!("could not read the answer of Rocketchat as JSON: {error}"),
            // The status says that it was taken.
            ambiguous: true,
        },
        Ok(_) | Err(_) => status::of_response(&response),
    };
    Judged::Is(verdict)
}

/// Of `You must wait 46 seconds before trying this endpoint again.`
fn told_wait(error: &str) -> Option<Duration> {
    let (_, rest) = error.split_once("wait ")?;
    let (seconds, _) = rest.split_once(" second")?;
    status::wait(seconds.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{assert_as_recorded, context, firing, http, many, resolved, run},
        *,
    };

    const PLAIN: &str = "color: red, title: t, title_link: 'http://l', text: '<x>', emoji: ':e:', icon_url: 'http://i'";

    fn yaml(more: &str) -> String {
        format!(
            "rocketchat_configs: [{{api_url: 'http://127.0.0.1:18980/rc/', token: T, token_id: I, channel: '#c', send_resolved: true{more}}}]"
        )
    }

    #[test]
    fn requests_are_those_that_alertmanager_sent() {
        for (name, data) in [
            ("POST_rc_api_v1_chat.postMessage_1.json", firing()),
            ("POST_rc_api_v1_chat.postMessage_2.json", resolved()),
        ] {
            let (course, verdict) =
                run(&context(&yaml(""), data), [http(200, "{\"success\":true}")]);
            assert_eq!(verdict, Verdict::sent());
            assert_as_recorded(&course.requests[0], name);
        }
    }

    #[test]
    fn writes_everything_in_upstreams_order() {
        let everything = "image_url: iu, thumb_url: tu, short_fields: true, \
            fields: [{title: a, value: b}, {title: c, value: d, short: false}], actions: [{text: x, url: u, msg: m, type: no}]";
        let context = context(&yaml(&format!(", {PLAIN}, {everything}")), firing());
        let (course, _) = run(&context, [http(200, "{\"success\":true}")]);
        expect_test::expect![[r##"
            {"channel":"#c","emoji":":e:","avatar":"http://i","attachments":[{"title":"t","title_link":"http://l","text":"\u003cx\u003e","image_url":"iu","thumb_url":"tu","color":"red","fields":[{"short":true,"title":"a","value":"b"},{"short":false,"title":"c","value":"d"}],"actions":[{"type":"button","text":"x","url":"u","is_webview":false,"msg":"m","msg_in_chat_window":false}]}]}
        "##]]
        .assert_eq(&course.body(0));
        assert_eq!(
            course.requests[0].url.reveal(),
            "http://127.0.0.1:18980/rc/api/v1/chat.postMessage"
        );
    }

    #[test]
    fn tokens_come_from_files() {
        let files = format!(
            "rocketchat_configs: [{{token_file: /t, token_id_file: /i, channel: c, {PLAIN}}}]"
        );
        let mut context = context(&files, firing());
        assert_eq!(super::super::files(&context.integration), ["/t", "/i"]);
        let (_, verdict) = run(&context, []);
        assert!(matches!(verdict, Verdict::Permanent { .. }));
        context.files = [("/t", " hunter2\n"), ("/i", "I\n")]
            .map(|(path, text)| (path.to_owned(), Ok(text.to_owned())))
            .into();
        let (course, _) = run(&context, [http(200, "{\"success\":true}")]);
        let headers = &course.requests[0].headers;
        assert!(headers.contains(&("X-Auth-Token", "hunter2".to_owned())));
        assert!(headers.contains(&("X-User-Id", "I".to_owned())));
        assert_eq!(
            course.requests[0].url.reveal(),
            "https://open.rocket.chat/api/v1/chat.postMessage"
        );
    }

    #[test]
    fn judges_answers() {
        let context = context(&yaml(&format!(", {PLAIN}")), firing());
        let verdict = |status, body| run(&context, [http(status, body)]).1;
        assert_eq!(verdict(200, r#"{"success":true,"ts":1}"#), Verdict::sent());
        for (status, body) in [
            (200, r#"{"success":false,"error":"[invalid-channel]"}"#),
            (200, "{}"),
            (400, r#"{"success":false,"error":"x"}"#),
            (
                401,
                r#"{"status":"error","message":"You must be logged in to do this."}"#,
            ),
            (403, ""),
            (404, "<html>"),
        ] {
            let verdict = verdict(status, body);
            assert!(
                matches!(verdict, Verdict::Permanent { .. }),
                "{body}: {verdict:?}"
            );
        }
        for (status, body) in [(200, "<html>"), (200, ""), (500, ""), (503, "{}")] {
            assert!(
                matches!(verdict(status, body), Verdict::Retry { after: None, .. }),
                "{body}"
            );
        }
        let slow = r#"{"success":false,"error":"Error, too many requests. Please slow down. You must wait 46 seconds before trying this endpoint again. [error-too-many-requests]"}"#;
        for status in [200, 400, 429] {
            let Verdict::Retry { after, reason, .. } = verdict(status, slow) else {
                panic!("{status}");
            };
            assert_eq!(after, Some(Duration::from_secs(46)));
            assert_eq!(reason, FailureReason::RateLimited);
        }
    }

    #[test]
    fn shortens_what_is_too_long() {
        let text = "'{{ range .Alerts }}é {{ .Labels.instance }}{{ \"\\n\" }}{{ end }}'";
        let more = format!(", {}", PLAIN.replace("'<x>'", text));
        let context = context(&yaml(&more), many(1000));
        let refusal = r#"{"success":false,"error":"[error-message-size-exceeded]"}"#;
        let (course, verdict) = run(
            &context,
            [http(200, refusal), http(200, "{\"success\":true}")],
        );
        assert!(verdict.is_sent());
        let text = course.json(1)["attachments"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(text.chars().count() <= SHORT_TEXT && text.contains(" more: "));
    }
}
