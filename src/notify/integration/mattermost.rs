//! `mattermost_configs`: a post through an incoming webhook.

use super::{Begun, Context, HttpRequest, post};
use crate::{
    config::{MattermostAttachment, MattermostConfig, MattermostPriority},
    json::{self, ObjectWriter},
    notify::{Limit, Renderer, Verdict},
};

/// Of the text of a post, which Mattermost splits into several posts beyond that.
const TEXT: usize = 16383;

/// Of all attachments together, in bytes of JSON; Mattermost takes 800,000 characters of properties.
const ATTACHMENTS: usize = 600_000;

/// The files to read for each notification.
pub(super) fn files(config: &MattermostConfig) -> Vec<String> {
    post::files(&config.webhook_url, &config.webhook_url_file)
}

/// Begins an attempt.
pub(super) fn begin(
    config: &MattermostConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let channel = render.required("channel", &config.channel)?;
    post::or_shorter(config, context, render, request, move |result| {
        post::judged(result).of_channel(&channel)
    })
}

fn request(
    config: &MattermostConfig,
    context: &Context,
    render: &Renderer<'_>,
    share: usize,
) -> Result<HttpRequest, Verdict> {
    let url = post::address(
        &config.webhook_url,
        &config.webhook_url_file,
        &context.files,
    )?;
    let detail = |field: &str, source: &str| render.detail(field, source);
    let channel = render.required("channel", &config.channel)?;
    let username = detail("username", &config.username)?;
    let icon_url = detail("icon_url", &config.icon_url)?;
    let icon_emoji = detail("icon_emoji", &config.icon_emoji)?;
    let kind = detail("type", &config.kind)?;
    let card = config.props.as_ref().filter(|props| !props.card.is_empty());
    let card = card
        .map(|props| render.body("props.card", &props.card))
        .transpose()?;
    let priority = priority(config, render)?;
    // Without further attachments, the text and its decoration are the first one.
    let own = config.attachments.is_empty().then(|| first(config));
    let text = match own {
        Some(_) => String::new(),
        None => render.body_within("text", &config.text, Limit::Chars(TEXT / share))?,
    };
    let attachments = match &own {
        Some(own) => std::slice::from_ref(own),
        None => &config.attachments,
    };
    let room = Limit::Json(ATTACHMENTS / share / attachments.len());
    let attachments: Vec<String> = attachments
        .iter()
        .map(|one| attachment(one, render, room))
        .collect::<Result<_, Verdict>>()?;
    let body = json::document(|object| {
        object
            .text_if_any("text", &text)
            .text_if_any("channel", &channel)
            .text_if_any("username", &username)
            .text_if_any("icon_url", &icon_url)
            .text_if_any("icon_emoji", &icon_emoji)
            .array("attachments", |array| {
                for attachment in &attachments {
                    array.raw(attachment);
                }
            })
            .text_if_any("type", &kind);
        if let Some(card) = &card {
            object.object("props", |props| {
                props.text_if_any("card", card);
            });
        }
        if let Some(priority) = &priority {
            object.object("priority", |object| push_priority(object, priority));
        }
    });
    Ok(HttpRequest::json("POST", url, body, &config.http))
}

/// The fields of the entry itself as an attachment.
fn first(config: &MattermostConfig) -> MattermostAttachment {
    MattermostAttachment {
        fallback: config.fallback.clone(),
        color: config.color.clone(),
        pretext: config.pretext.clone(),
        text: config.text.clone(),
        author_name: config.author_name.clone(),
        author_link: config.author_link.clone(),
        author_icon: config.author_icon.clone(),
        title: config.title.clone(),
        title_link: config.title_link.clone(),
        fields: config.fields.clone(),
        thumb_url: config.thumb_url.clone(),
        footer: config.footer.clone(),
        footer_icon: config.footer_icon.clone(),
        image_url: config.image_url.clone(),
    }
}

fn attachment(
    attachment: &MattermostAttachment,
    render: &Renderer<'_>,
    room: Limit,
) -> Result<String, Verdict> {
    let detail = |name: &'static str, source: &str| render.detail(name, source);
    let members = [
        ("fallback", render.title("fallback", &attachment.fallback)?),
        ("color", detail("color", &attachment.color)?),
        ("pretext", detail("pretext", &attachment.pretext)?),
        ("text", render.body_within("text", &attachment.text, room)?),
        (
            "author_name",
            detail("author_name", &attachment.author_name)?,
        ),
        (
            "author_link",
            detail("author_link", &attachment.author_link)?,
        ),
        (
            "author_icon",
            detail("author_icon", &attachment.author_icon)?,
        ),
        ("title", render.title("title", &attachment.title)?),
        ("title_link", detail("title_link", &attachment.title_link)?),
    ];
    let last = [
        ("thumb_url", detail("thumb_url", &attachment.thumb_url)?),
        ("footer", detail("footer", &attachment.footer)?),
        (
            "footer_icon",
            detail("footer_icon", &attachment.footer_icon)?,
        ),
        ("image_url", detail("image_url", &attachment.image_url)?),
    ];
    let fields = attachment.fields.iter();
    let fields: Vec<_> = fields
        .map(|field| {
            let title = detail("fields.title", &field.title)?;
            Ok((title, detail("fields.value", &field.value)?, field.short))
        })
        .collect::<Result<_, Verdict>>()?;
    let mut out = String::new();
    json::push_object(&mut out, |object| {
        for (name, value) in &members {
            object.text_if_any(name, value);
        }
        if !fields.is_empty() {
            object.array("fields", |array| {
                for (title, value, short) in &fields {
                    array.object(|field| push_field(field, title, value, *short));
                }
            });
        }
        for (name, value) in &last {
            object.text_if_any(name, value);
        }
    });
    Ok(out)
}

fn push_field(field: &mut ObjectWriter<'_>, title: &str, value: &str, short: Option<bool>) {
    field
        .text_if_any("title", title)
        .text_if_any("value", value);
    if let Some(short) = short {
        field.flag("short", short);
    }
}

/// What Mattermost takes: any other word is `standard`, only more than that can ask for acknowledgement, and only
/// `urgent` can persist.
fn priority(
    config: &MattermostConfig,
    render: &Renderer<'_>,
) -> Result<Option<MattermostPriority>, Verdict> {
    let Some(priority) = &config.priority else {
        return Ok(None);
    };
    if priority.priority.is_empty() {
        return Ok(None);
    }
    let mut word = render
        .detail("priority.priority", &priority.priority)?
        .to_lowercase();
    if !["urgent", "important", "standard"].contains(&&*word) {
        "standard".clone_into(&mut word);
    }
    Ok(Some(MattermostPriority {
        requested_ack: priority.requested_ack && word != "standard",
        persistent_notifications: priority.persistent_notifications && word == "urgent",
        priority: word,
    }))
}

fn push_priority(object: &mut ObjectWriter<'_>, priority: &MattermostPriority) {
    object
        .text("priority", &priority.priority)
        .flag_if_set("requested_ack", priority.requested_ack)
        .flag_if_set(
            "persistent_notifications",
            priority.persistent_notifications,
        );
}

#[cfg(test)]
mod tests {
    use super::{
        super::harness::{assert_as_recorded, context, firing, http, many, resolved, run},
        *,
    };

    /// Everything but the address, without templates.
    const PLAIN: &str =
        "username: u, text: '<x>', fallback: f, color: good, title: t, title_link: 'http://l'";

    fn yaml(more: &str) -> String {
        format!(
            "mattermost_configs: [{{webhook_url: 'http://127.0.0.1:18980/mm', channel: c{more}}}]"
        )
    }

    fn body(more: &str) -> String {
        let context = context(&yaml(&format!(", {PLAIN}, {more}")), firing());
        run(&context, [http(200, "ok")]).0.body(0)
    }

    #[test]
    fn requests_are_those_that_alertmanager_sent() {
        for (name, data) in [("POST_mm_1.json", firing()), ("POST_mm_2.json", resolved())] {
            let (course, verdict) = run(&context(&yaml(""), data), [http(200, "ok")]);
            assert_eq!(verdict, Verdict::sent());
            assert_as_recorded(&course.requests[0], name);
        }
    }

    #[test]
    fn writes_everything_in_upstreams_order() {
        let everything = "pretext: p, author_name: an, author_link: al, author_icon: ai, thumb_url: tu, footer: f, \
            footer_icon: fi, image_url: iu, icon_url: 'http://i', icon_emoji: ':x:', type: custom_x, \
            fields: [{title: a, value: b}, {title: c, value: d, short: false}], props: {card: '# c'}, \
            priority: {priority: Urgent, requested_ack: true, persistent_notifications: true}";
        expect_test::expect![[r##"
            {"channel":"c","username":"u","icon_url":"http://i","icon_emoji":":x:","attachments":[{"fallback":"f","color":"good","pretext":"p","text":"\u003cx\u003e","author_name":"an","author_link":"al","author_icon":"ai","title":"t","title_link":"http://l","fields":[{"title":"a","value":"b"},{"title":"c","value":"d","short":false}],"thumb_url":"tu","footer":"f","footer_icon":"fi","image_url":"iu"}],"type":"custom_x","props":{"card":"# c"},"priority":{"priority":"urgent","requested_ack":true,"persistent_notifications":true}}
        "##]]
        .assert_eq(&body(everything));
    }

    #[test]
    fn further_attachments_take_the_place_of_the_first_and_leave_the_text_above() {
        assert_eq!(
            body("attachments: [{text: a}, {title: b, fields: [{title: x, value: 'y'}]}]"),
            "{\"text\":\"\\u003cx\\u003e\",\"channel\":\"c\",\"username\":\"u\",\"attachments\":[{\"text\":\"a\"},\
             {\"title\":\"b\",\"fields\":[{\"title\":\"x\",\"value\":\"y\"}]}]}\n"
        );
    }

    #[test]
    fn priorities_are_what_mattermost_takes() {
        let flags = "requested_ack: true, persistent_notifications: true";
        for (word, expect) in [
            (
                "IMPORTANT",
                r#"{"priority":"important","requested_ack":true}"#,
            ),
            ("standard", r#"{"priority":"standard"}"#),
            ("nope", r#"{"priority":"standard"}"#),
        ] {
            let body = body(&format!("priority: {{priority: {word}, {flags}}}"));
            assert!(
                body.ends_with(&format!(",\"priority\":{expect}}}\n")),
                "{body}"
            );
        }
        assert!(!body("priority: {requested_ack: true}").contains("priority"));
    }

    #[test]
    fn judges_answers() {
        let plain = context(&yaml(&format!(", {PLAIN}")), firing());
        let verdict = |status, body| run(&plain, [http(status, body)]).1;
        assert_eq!(verdict(200, "ok"), Verdict::sent());
        assert!(matches!(
            verdict(200, "<!DOCTYPE html>"),
            Verdict::Permanent { .. }
        ));
        assert!(matches!(verdict(429, ""), Verdict::Retry { .. }));
        assert!(matches!(verdict(500, ""), Verdict::Retry { .. }));
        for status in [400, 401, 403, 404] {
            assert!(matches!(
                verdict(status, r#"{"id":"x","message":"no"}"#),
                Verdict::Permanent { .. }
            ));
        }
    }

    #[test]
    fn keeps_the_limits_by_cutting_whole_alerts() {
        let text = "'{{ range .Alerts }}é {{ .Labels.instance }}{{ \"\\n\" }}{{ end }}'";
        let more = format!(
            ", {}, attachments: [{{text: a}}]",
            PLAIN.replace("'<x>'", text)
        );
        let (course, verdict) = run(&context(&yaml(&more), many(5000)), [http(200, "ok")]);
        assert!(verdict.is_sent());
        let text_sent = course.json(0)["text"].as_str().unwrap().to_owned();
        let count = text_sent.chars().count();
        assert!(count <= TEXT && count > TEXT - 100, "{count}");
        assert!(text_sent.contains(" more: "));

        let long = text.replace("é ", &"é ".repeat(100));
        let more = format!(", {}", PLAIN.replace("'<x>'", &long));
        let refusal =
            r#"{"id":"x","message":"Unable to split webhook props into 760000 character parts."}"#;
        let context = context(&yaml(&more), many(3000));
        let (course, verdict) = run(&context, [http(400, refusal), http(200, "ok")]);
        assert!(verdict.is_sent());
        for (index, limit) in [(0, ATTACHMENTS), (1, ATTACHMENTS / 2)] {
            let text = course.json(index)["attachments"][0]["text"].to_string();
            assert!(text.len() <= limit + 2 && text.len() > limit - 500);
        }
    }
}
