//! The message as the form that `Publish` takes.

use std::collections::BTreeMap;

use crate::{
    config::SnsConfig,
    notify::{Limit, Renderer, Verdict, integration::Context},
};

/// Message and attributes together, in bytes.
const MESSAGE: usize = 256 * 1024;

/// A message to a telephone, in bytes.
const SMS: usize = 1600;

/// Subjects are shorter than 100 characters.
const SUBJECT: usize = 99;

/// The attribute of a message that was cut.
const TRUNCATED: (&str, &str) = ("truncated", "true");

/// The form of a notification, within its limits divided by `share`.
///
/// # Errors
/// If it could not be told where the message goes.
pub(super) fn form(
    config: &SnsConfig,
    context: &Context,
    render: &Renderer<'_>,
    share: usize,
) -> Result<Vec<(String, String)>, Verdict> {
    let mut form = vec![
        ("Action".to_owned(), "Publish".to_owned()),
        ("Version".to_owned(), "2010-03-31".to_owned()),
    ];
    let mut push = |name: &str, value: String| form.push((name.to_owned(), value));
    if !config.topic_arn.is_empty() {
        let topic = render.required("topic_arn", &config.topic_arn)?;
        if topic.ends_with(".fifo") {
            // Upstream takes the group for both, so that a FIFO topic drops all but the first of five minutes.
            let key = &context.data.idempotency_key;
            push("MessageDeduplicationId", key.to_string());
            push("MessageGroupId", context.data.group_hash());
        }
        push("TopicArn", topic);
    }
    if !config.phone_number.is_empty() {
        push(
            "PhoneNumber",
            render.required("phone_number", &config.phone_number)?,
        );
    }
    if !config.target_arn.is_empty() {
        push(
            "TargetArn",
            render.required("target_arn", &config.target_arn)?,
        );
    }
    let mut attributes = attributes(config, render)?;
    let limit = if config.phone_number.is_empty() {
        let size: usize = attributes.iter().map(|pair| size_of(pair.0, pair.1)).sum();
        MESSAGE.saturating_sub(size)
    } else {
        SMS
    };
    let message = render.body("message", &config.message)?;
    let message = if Limit::Bytes(limit / share).holds(&message) {
        message
    } else {
        attributes.insert(TRUNCATED.0.to_owned(), TRUNCATED.1.to_owned());
        let limit = match config.phone_number.is_empty() {
            true => limit.saturating_sub(size_of(TRUNCATED.0, TRUNCATED.1)),
            false => limit,
        };
        render.body_within("message", &config.message, Limit::Bytes(limit / share))?
    };
    push("Message", message);
    if !config.subject.is_empty() {
        let subject = subject(&render.title("subject", &config.subject)?);
        if !subject.is_empty() {
            push("Subject", subject);
        }
    }
    for (index, (name, value)) in attributes.into_iter().enumerate() {
        let entry = format!("MessageAttributes.entry.{}", index + 1);
        form.push((format!("{entry}.Name"), name));
        form.push((format!("{entry}.Value.DataType"), "String".to_owned()));
        form.push((format!("{entry}.Value.StringValue"), value));
    }
    Ok(form)
}

/// They decide which subscribers get the message, so they must not fail. Amazon refuses empty ones.
fn attributes(
    config: &SnsConfig,
    render: &Renderer<'_>,
) -> Result<BTreeMap<String, String>, Verdict> {
    let mut attributes = BTreeMap::new();
    for (name, value) in &config.attributes {
        let name = render.required("attributes", name)?;
        let value = render.required("attributes", value)?;
        if !name.is_empty() && !value.is_empty() {
            attributes.insert(name, value);
        }
    }
    Ok(attributes)
}

fn size_of(name: &str, value: &str) -> usize {
    name.len() + "String".len() + value.len()
}

/// One line without control characters that begins with something to be seen, as Amazon asks.
fn subject(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    Limit::Chars(SUBJECT).cut(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Settings,
        notify::{
            NotificationData,
            integration::harness::{context, firing, many},
        },
    };

    fn formed(more: &str, data: NotificationData, share: usize) -> BTreeMap<String, String> {
        let context = context(&format!("sns_configs: [{{{more}}}]"), data);
        let Settings::Sns(config) = &context.integration.settings else {
            panic!();
        };
        let render = Renderer::new(&context.texts, &context.data, context.at, true);
        let form = form(config, &context, &render, share).unwrap();
        form.into_iter().collect()
    }

    #[test]
    fn a_fifo_topic_takes_one_key_per_notification() {
        let form = formed(
            "topic_arn: 'arn:x.fifo', message: m, subject: s",
            firing(),
            1,
        );
        expect_test::expect![[r#"
            {
                "Action": "Publish",
                "Message": "m",
                "MessageDeduplicationId": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
                "MessageGroupId": "196cd8f79681ecfe82cc3e2d31612835c7d1ce897fd702ce61839eace2d49e26",
                "Subject": "s",
                "TopicArn": "arn:x.fifo",
                "Version": "2010-03-31",
            }
        "#]]
        .assert_debug_eq(&form);
    }

    #[test]
    fn attributes_are_numbered_in_order_without_empty_ones() {
        let form = formed(
            "target_arn: t, message: m, subject: '', attributes: {b: '1', a: x, c: ''}",
            firing(),
            1,
        );
        let attributes: Vec<_> = form
            .iter()
            .filter(|(name, _)| name.starts_with("MessageA"))
            .collect();
        expect_test::expect![[r#"
            [
                (
                    "MessageAttributes.entry.1.Name",
                    "a",
                ),
                (
                    "MessageAttributes.entry.1.Value.DataType",
                    "String",
                ),
                (
                    "MessageAttributes.entry.1.Value.StringValue",
                    "x",
                ),
                (
                    "MessageAttributes.entry.2.Name",
                    "b",
                ),
                (
                    "MessageAttributes.entry.2.Value.DataType",
                    "String",
                ),
                (
                    "MessageAttributes.entry.2.Value.StringValue",
                    "1",
                ),
            ]
        "#]]
        .assert_debug_eq(&attributes);
        assert!(!form.contains_key("Subject"));
    }

    #[test]
    fn subjects_are_one_short_line() {
        assert_eq!(subject(" \n[FIRING:1] a\nb\u{7f}é "), "[FIRING:1] a b é");
        assert_eq!(subject("\t"), "");
        let long = subject(&"é".repeat(200));
        assert_eq!(long.chars().count(), SUBJECT);
    }

    #[test]
    fn long_messages_are_cut_on_boundaries_and_say_so() {
        for (target, limit) in [
            ("phone_number: '+4912'", SMS),
            ("topic_arn: t, attributes: {k: v}", MESSAGE - 8 - 19),
        ] {
            let text = "é".repeat(200_000);
            let more = format!("{target}, subject: s, message: '{text}'");
            for share in [1, 2] {
                let form = formed(&more, firing(), share);
                let message = &form["Message"];
                let limit = limit / share;
                assert!(
                    message.len() <= limit && message.len() > limit - 8,
                    "{}",
                    message.len()
                );
                assert!(form.values().any(|value| value == "truncated"));
            }
        }
    }

    #[test]
    fn long_messages_lose_whole_alerts() {
        let list = "'{{ range .Alerts }}{{ .Labels.instance }}{{ \"\\n\" }}{{ end }}'";
        let form = formed(
            &format!("phone_number: '+4912', message: {list}"),
            many(1000),
            1,
        );
        assert!(form["Message"].contains(" more: ") && form["Message"].len() <= SMS);
    }
}
