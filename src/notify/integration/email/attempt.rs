//! An attempt to mail a notification: the envelope, the login and the message out, the server's word in.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

use super::{
    address::{self, Address, Unreadable},
    message::Message,
};
use crate::{
    config::{EmailConfig, HttpConfig, Secret},
    notify::{
        FailureReason, Limit, Receipt, Renderer, Verdict,
        integration::{
            Answer, Begun, Context, Conversation, FileContents, MailLogin, MailOutcome,
            MailRequest, Step, conversation::out_of_turn, wire::untrimmed_file,
        },
    },
};

/// `config.DefaultEmailSubject`
const SUBJECT: &str = r#"{{ template "email.default.subject" . }}"#;

/// Postfix takes mails of 10,240,000 bytes unless told otherwise, others take more. What would be longer is cut.
const MAX_MESSAGE: usize = 9 << 20;

/// What is left of a mail that its server finds too long.
const MAX_SHORT: usize = 1 << 20;

/// Recipients that are refused for the time being are asked again while there is more time than this; the notification
/// then counts as sent to the others.
const GIVE_UP_WITHIN: Duration = Duration::from_secs(90);

/// Recipients that a receipt or an error names.
const NAMED: usize = 20;

/// The files to read for each notification.
pub(in super::super) fn files(config: &EmailConfig) -> Vec<String> {
    let login = !config.auth_username.is_empty();
    [
        &config.auth_password_file,
        &config.auth_secret_file,
        &config.auth_bearer_token_file,
    ]
    .into_iter()
    .filter(|file| login && !file.is_empty())
    .cloned()
    .collect()
}

/// Begins an attempt.
pub(in super::super) fn begin(
    config: &EmailConfig,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let from = sender(&render.required("from", &config.from)?)?;
    let to = render
        .required("to", &config.to)?
        .replace(['\r', '\n'], " ");
    let (recipients, unreadable) = address::parse_each(&to)
        .map_err(|error| Verdict::unsendable(format!("parse 'to' addresses: {error}")))?;
    let mut envelope = Vec::new();
    for recipient in &recipients {
        let recipient = recipient.envelope();
        if !envelope.contains(&recipient) {
            envelope.push(recipient);
        }
    }
    if envelope.is_empty() {
        return Err(Verdict::unsendable(
            "parse 'to' addresses: mail: no address",
        ));
    }
    let (message, short) = message(config, context, render, &from, &to)?;
    let implicit = config.smarthost.port == "465";
    let request = MailRequest {
        key: Arc::clone(&context.data.idempotency_key),
        server: config.smarthost.clone(),
        hello: config.hello.clone(),
        implicit_tls: config.force_implicit_tls.unwrap_or(implicit),
        require_tls: config.require_tls.unwrap_or(true),
        tls: config.tls.clone(),
        login: login(config, &context.files),
        from: from.envelope(),
        to: envelope,
        message: Arc::from(message.into_bytes()),
        short: short.map(|short| Arc::from(short.into_bytes())),
    };
    let delivery = Delivery {
        unreadable,
        allowed: context.allowed,
    };
    Ok((Step::Mail(request), Box::new(delivery)))
}

fn sender(text: &str) -> Result<Address, Verdict> {
    let mut list = address::parse_list(&text.replace(['\r', '\n'], " "))
        .map_err(|error| Verdict::unsendable(format!("parse 'from' addresses: {error}")))?;
    match (list.pop(), list.len()) {
        (Some(one), 0) => Ok(one),
        (one, more) => {
            let count = more + usize::from(one.is_some());
            let text = format!("must be exactly one 'from' address (got: {count})");
            Err(Verdict::unsendable(text))
        }
    }
}

fn login(config: &EmailConfig, files: &FileContents) -> Option<MailLogin> {
    if config.auth_username.is_empty() {
        return None;
    }
    let read = |key: &str, path: &str, inline: &Secret| {
        if path.is_empty() {
            return Ok(inline.clone());
        }
        match untrimmed_file(files, key, path) {
            Ok(content) => Ok(Secret::new(content)),
            Err(Verdict::Permanent { error, .. }) => Err(error),
            Err(Verdict::Sent(_) | Verdict::Retry { .. }) => Err(format!("read {key}")),
        }
    };
    let password = read(
        "auth_password_file",
        &config.auth_password_file,
        &config.auth_password,
    );
    let secret = read(
        "auth_secret_file",
        &config.auth_secret_file,
        &config.auth_secret,
    );
    let bearer = read(
        "auth_bearer_token_file",
        &config.auth_bearer_token_file,
        &config.auth_bearer_token,
    );
    let trimmed = |file: &str, secret: Secret| {
        if file.is_empty() {
            secret
        } else {
            Secret::new(secret.reveal().trim())
        }
    };
    // Spaces may belong to a secret; the line end that editors and `echo` add does not.
    let line = |file: &str, secret: Secret| {
        if file.is_empty() {
            return secret;
        }
        let text = secret.reveal();
        let text = text.strip_suffix('\n').unwrap_or(text);
        Secret::new(text.strip_suffix('\r').unwrap_or(text))
    };
    Some(MailLogin {
        username: config.auth_username.clone(),
        password: password.map(|secret| trimmed(&config.auth_password_file, secret)),
        secret: secret.map(|secret| line(&config.auth_secret_file, secret)),
        identity: config.auth_identity.clone(),
        bearer: bearer.map(|secret| trimmed(&config.auth_bearer_token_file, secret)),
        oauth2: config.auth_oauth2.as_ref().map(|oauth2| {
            Arc::new(HttpConfig {
                oauth2: Some(oauth2.clone()),
                ..HttpConfig::default()
            })
        }),
    })
}

fn message(
    config: &EmailConfig,
    context: &Context,
    render: &Renderer<'_>,
    from: &Address,
    to: &str,
) -> Result<(String, Option<String>), Verdict> {
    let headers = headers(config, render, to)?;
    let thread = config.threading.enabled.then(|| thread(config, context));
    let domain = address::ascii_domain(&from.domain);
    let write = |text: Option<&str>, html: Option<&str>| {
        Message {
            headers: &headers,
            key: &context.data.idempotency_key,
            domain: &domain,
            thread: thread.as_deref(),
            at: context.at,
            text,
            html,
        }
        .write()
    };
    let part = |source: &str| (!source.is_empty()).then(|| source.to_owned());
    let (text, html) = (part(&config.text), part(&config.html));
    let full = |source| render.body("text", source);
    let text = text.as_deref().map(full).transpose()?;
    let full = |source| render.html("html", source);
    let html = html.as_deref().map(full).transpose()?;
    let whole = write(text.as_deref(), html.as_deref());
    let length = whole.len();
    let cut = |most: usize| {
        // Each part is given its share of what it takes encoded, with room for alerts that are longer than others.
        let share = |part: &str| {
            let share = part.len() as u128 * most as u128 * 9 / 10 / length as u128;
            Limit::Bytes(usize::try_from(share).unwrap_or(usize::MAX))
        };
        let text = text
            .as_deref()
            .map(|whole| render.body_within("text", &config.text, share(whole)))
            .transpose()?;
        let html = html
            .as_deref()
            .map(|whole| render.html_within("html", &config.html, share(whole)))
            .transpose()?;
        Ok(write(text.as_deref(), html.as_deref()))
    };
    let short = (length > MAX_SHORT).then(|| cut(MAX_SHORT)).transpose()?;
    if length > MAX_MESSAGE {
        return Ok((cut(MAX_MESSAGE)?, short));
    }
    Ok((whole, short))
}

fn headers(
    config: &EmailConfig,
    render: &Renderer<'_>,
    to: &str,
) -> Result<BTreeMap<String, String>, Verdict> {
    let mut headers = BTreeMap::new();
    for (name, source) in &config.headers {
        let field = format!("header {name}");
        let value = match &**name {
            "Subject" => render.title("subject", source)?,
            _ => render.detail(&field, source)?,
        };
        // Without these a mail goes nowhere or cannot be recognised.
        if !(value.trim().is_empty() && matches!(&**name, "From" | "To" | "Message-Id" | "Date")) {
            headers.insert(name.clone(), value);
        }
    }
    if !headers.contains_key("Subject") {
        headers.insert("Subject".to_owned(), render.title("subject", SUBJECT)?);
    }
    if !headers.contains_key("To") {
        headers.insert("To".to_owned(), to.to_owned());
    }
    if !headers.contains_key("From") {
        headers.insert("From".to_owned(), render.required("from", &config.from)?);
    }
    Ok(headers)
}

/// A mail that does not exist and that all mails about a group answer (`notify/email/email.go`).
fn thread(config: &EmailConfig, context: &Context) -> String {
    let hash = context.data.group_hash();
    let day = if config.threading.thread_by_date == "none" {
        String::new()
    } else {
        let zone = context.texts.timezone().clone();
        let at = context.data.at.to_jiff().to_zoned(zone);
        at.strftime("%Y-%m-%d").to_string()
    };
    format!("<alert-{}-{day}@alertmanager>", &hash[..16])
}

/// A mail on its way.
#[derive(Debug)]
struct Delivery {
    /// Entries of `to` that are no addresses, and why.
    unreadable: Unreadable,
    allowed: Duration,
}

impl Conversation for Delivery {
    fn answer(&mut self, answer: Answer) -> Step {
        let outcome = match answer {
            Answer::Mail(outcome) => outcome,
            Answer::Http(_) | Answer::Token(_) => return out_of_turn(),
        };
        Step::Done(match outcome {
            MailOutcome::Taken {
                refused,
                deferred,
                answer: _,
            } => self.taken(&refused, &deferred),
            MailOutcome::Failed {
                reason,
                error,
                retry: true,
                after,
                ambiguous,
            } => Verdict::Retry {
                after,
                reason,
                error,
                ambiguous,
            },
            MailOutcome::Failed { reason, error, .. } => Verdict::Permanent { reason, error },
        })
    }
}

impl Delivery {
    fn taken(&self, refused: &[(String, String)], deferred: &[(String, String)]) -> Verdict {
        if !deferred.is_empty() && self.allowed > GIVE_UP_WITHIN {
            return Verdict::Retry {
                after: None,
                reason: FailureReason::ServerError,
                error: format!(
                    "sent, but the server does not take it yet for {}",
                    named(deferred)
                ),
                ambiguous: false,
            };
        }
        let mut failed = self.unreadable.clone();
        failed.extend_from_slice(refused);
        failed.extend_from_slice(deferred);
        let note = if failed.is_empty() {
            String::new()
        } else {
            format!("not sent to {}", named(&failed))
        };
        Verdict::Sent(Receipt {
            note,
            ..Receipt::default()
        })
    }
}

fn named(recipients: &[(String, String)]) -> String {
    let mut out = String::new();
    for (i, (address, why)) in recipients.iter().take(NAMED).enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        let _ = write!(out, "{comma}{address} ({why})");
    }
    if let Some(more @ 1..) = recipients.len().checked_sub(NAMED) {
        let _ = write!(out, " and {more} more");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{
        super::super::harness::{context, firing, many, recorded, resolved, run},
        *,
    };

    const BASIC: &str = "email_configs: [{smarthost: 'h:25', from: 'am@example.org', \
                         to: 'oncall@example.org'}]";

    fn configured(more: &str) -> String {
        format!(
            "email_configs: [{{smarthost: 'h:25', from: 'am@example.org', \
             to: 'oncall@example.org', html: '<p>x</p>', \
             headers: {{subject: s, X-Team: 'é'}}{more}}}]"
        )
    }

    fn mail(integration: &str) -> MailRequest {
        let (mut course, verdict) = run(&context(integration, firing()), []);
        assert_eq!(verdict, Verdict::sent());
        course.mails.pop().unwrap()
    }

    fn error(integration: &str) -> String {
        match run(&context(integration, firing()), []).1 {
            Verdict::Permanent { error, .. } => error,
            other @ (Verdict::Sent(_) | Verdict::Retry { .. }) => panic!("{other:?}"),
        }
    }

    fn text(mail: &MailRequest) -> String {
        String::from_utf8(mail.message.to_vec()).unwrap()
    }

    /// The fields before the body, without those that differ from mail to mail.
    fn fields(message: &str) -> BTreeSet<String> {
        let head = message.split("\r\n\r\n").next().unwrap();
        head.split("\r\n")
            .map(|line| match line.split_once(": ") {
                Some((name @ ("Message-Id" | "Date"), _)) => name.to_owned(),
                Some(("Content-Type", value)) => {
                    format!("Content-Type: {}", value.split("boundary=").next().unwrap())
                }
                _ => line.to_owned(),
            })
            .collect()
    }

    #[test]
    fn envelopes_and_fields_are_those_recorded() {
        for (name, data) in [
            ("SMTP_smtp_1.json", firing()),
            ("SMTP_smtp_2.json", resolved()),
        ] {
            let Some(recorded) = recorded(name) else {
                return;
            };
            let said: Vec<_> = recorded
                .body
                .lines()
                .filter_map(|line| line.strip_prefix("C: "))
                .collect();
            let begin = said.iter().position(|line| *line == "DATA").unwrap() + 1;
            let end = said.iter().position(|line| *line == ".").unwrap();
            let theirs = said[begin..end].join("\r\n");

            let context = context(&BASIC.replace("to:", "send_resolved: true, to:"), data);
            let (mut course, verdict) = run(&context, []);
            assert_eq!(verdict, Verdict::sent());
            let mail = course.mails.pop().unwrap();
            assert!(said.contains(&&*format!("MAIL FROM:<{}> BODY=8BITMIME", mail.from)));
            assert!(said.contains(&&*format!("RCPT TO:<{}>", mail.to[0])));
            let ours = text(&mail);
            assert_eq!(fields(&ours), fields(&theirs), "{name}");
            let part = |message: &str| {
                let body = message.split_once("\r\n\r\n--").unwrap().1;
                let head = body.split("\r\n\r\n").next().unwrap();
                head.split_once("\r\n").unwrap().1.to_owned()
            };
            assert_eq!(part(&ours), part(&theirs));
        }
    }

    #[test]
    fn the_message_id_is_that_of_the_notification() {
        let id = "Message-Id: <ABCDEFGHIJKLMNOPQRSTUVWXYZ234567@example.org>\r\n";
        assert!(text(&mail(&configured(""))).contains(id));
        let own = configured("").replace("subject: s", "subject: s, message-id: '<own@x>'");
        assert!(text(&mail(&own)).contains("Message-Id: <own@x>\r\n"));
        let idn = configured("").replace("am@example.org", "Ä <am@bücher.example>");
        let message = text(&mail(&idn));
        assert!(message.contains("234567@xn--bcher-kva.example>\r\n"));
        assert!(message.contains("From: =?utf-8?q?=C3=84?= <am@xn--bcher-kva.example>\r\n"));
        assert!(message.contains("X-Team: =?utf-8?q?=C3=A9?=\r\n"));
    }

    #[test]
    fn threads_by_group_and_by_day() {
        let hash = firing().group_hash();
        for (by, day) in [("none", ""), ("daily", "2026-11-21")] {
            let more = format!(", threading: {{enabled: true, thread_by_date: {by}}}");
            let message = text(&mail(&configured(&more)));
            let root = format!("<alert-{}-{day}@alertmanager>\r\n", &hash[..16]);
            assert!(message.contains(&format!("References: {root}In-Reply-To: {root}")));
        }
        assert!(!text(&mail(&configured(""))).contains("References"));
    }

    #[test]
    fn tls_as_the_port_says_unless_told() {
        for (port, more, implicit, required) in [
            ("25", "", false, true),
            ("465", "", true, true),
            ("465", ", force_implicit_tls: false", false, true),
            (
                "2525",
                ", force_implicit_tls: true, require_tls: false",
                true,
                false,
            ),
        ] {
            let config = configured(more).replace("h:25", &format!("h:{port}"));
            let mail = mail(&config);
            assert_eq!((mail.implicit_tls, mail.require_tls), (implicit, required));
        }
    }

    #[test]
    fn logins_with_files_that_may_be_missing() {
        let config = configured(
            ", auth_username: u, auth_password_file: /p, auth_secret_file: /s, auth_identity: i",
        );
        let mut context = context(&config, firing());
        assert_eq!(
            super::super::super::files(&context.integration),
            ["/p", "/s"]
        );
        context.files = [
            ("/p".to_owned(), Ok(" pw \n".to_owned())),
            ("/s".to_owned(), Err("/s: gone".to_owned())),
        ]
        .into();
        let login = run(&context, []).0.mails.pop().unwrap().login.unwrap();
        assert_eq!(login.password.unwrap().reveal(), "pw");
        assert_eq!(
            login.secret,
            Err("read auth_secret_file: /s: gone".to_owned())
        );
        context
            .files
            .insert("/s".to_owned(), Ok(" s \r\n".to_owned()));
        let login = run(&context, []).0.mails.pop().unwrap().login.unwrap();
        assert_eq!(login.secret.unwrap().reveal(), " s ");

        let none = configured(", auth_password_file: /p");
        assert_eq!(mail(&none).login, None);
    }

    #[test]
    fn several_recipients() {
        let to = |to: &str| configured("").replace("oncall@example.org", to);
        assert_eq!(mail(&to("a@b, X <c@d>,a@b")).to, ["a@b", "c@d"]);
        assert_eq!(
            error(&to(" ")),
            "parse ''to'' addresses: mail: no address".replace("''", "'")
        );
        assert_eq!(error(&to("g:;")), "parse 'to' addresses: mail: no address");
        assert_eq!(
            error(&to("oncall")),
            "parse 'to' addresses: mail: missing '@' or angle-addr"
        );
        let from = |from: &str| configured("").replace("am@example.org", from);
        assert_eq!(
            error(&from("a@b, c@d")),
            "must be exactly one 'from' address (got: 2)"
        );
        assert_eq!(
            error(&from("x")),
            "parse 'from' addresses: mail: missing '@' or angle-addr"
        );

        let (course, verdict) = run(&context(&to("a@b, oncall"), firing()), []);
        assert_eq!(course.mails[0].to, ["a@b"]);
        let Verdict::Sent(receipt) = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!(
            receipt.note,
            "not sent to oncall (mail: missing '@' or angle-addr)"
        );
    }

    #[test]
    fn what_the_outcomes_mean() {
        let pair = |to: &str, why: &str| vec![(to.to_owned(), why.to_owned())];
        let taken = |refused, deferred| MailOutcome::Taken {
            refused,
            deferred,
            answer: "250 ok".to_owned(),
        };
        let judge = |allowed: u64, outcome: MailOutcome| {
            let mut delivery = Delivery {
                unreadable: Vec::new(),
                allowed: Duration::from_secs(allowed),
            };
            let Step::Done(verdict) = delivery.answer(Answer::Mail(outcome)) else {
                panic!();
            };
            verdict
        };
        let sent = |note: &str| {
            Verdict::Sent(Receipt {
                note: note.to_owned(),
                ..Receipt::default()
            })
        };
        assert_eq!(judge(300, taken(vec![], vec![])), sent(""));
        assert_eq!(
            judge(300, taken(pair("a@b", "550 no"), vec![])),
            sent("not sent to a@b (550 no)")
        );
        let Verdict::Retry {
            error,
            ambiguous: false,
            after: None,
            ..
        } = judge(300, taken(vec![], pair("a@b", "450 later")))
        else {
            panic!();
        };
        assert_eq!(
            error,
            "sent, but the server does not take it yet for a@b (450 later)"
        );
        assert_eq!(
            judge(60, taken(vec![], pair("a@b", "450 later"))),
            sent("not sent to a@b (450 later)")
        );
        for retry in [true, false] {
            let verdict = judge(
                300,
                MailOutcome::Failed {
                    reason: FailureReason::AuthError,
                    error: "x".to_owned(),
                    retry,
                    after: None,
                    ambiguous: true,
                },
            );
            assert_eq!(
                matches!(
                    verdict,
                    Verdict::Retry {
                        ambiguous: true,
                        ..
                    }
                ),
                retry
            );
        }
    }

    #[test]
    fn broken_templates_do_not_lose_the_mail() {
        let config = configured(", text: '{{ broken'")
            .replace("subject: s", "subject: '{{ broken', from: '{{ broken'")
            .replace("<p>x</p>", "{{ broken");
        let (course, verdict) = run(&context(&config, firing()), []);
        let Verdict::Sent(receipt) = verdict else {
            panic!("{verdict:?}")
        };
        assert!(
            receipt
                .template_problems
                .contains("template of html failed"),
            "{}",
            receipt.template_problems
        );
        let message = text(&course.mails[0]);
        assert!(
            message.contains("Subject: [FIRING:1] HighLoad\r\n"),
            "{message}"
        );
        assert!(message.contains("From: am@example.org\r\n"));
        assert!(message.contains("<pre>"));
    }

    #[test]
    fn mails_stay_within_what_servers_take() {
        let html = "{{ range .Alerts }}<p>{{ .Labels.instance }} ".to_owned()
            + &"é".repeat(500)
            + "</p>{{ end }}";
        let config = configured("").replace("<p>x</p>", &html);
        let mail = mail(&config);
        assert!(mail.message.len() < MAX_MESSAGE);
        let (course, verdict) = run(&context(&config, many(6000)), []);
        assert!(verdict.is_sent());
        let message = text(&course.mails[0]);
        assert!(message.len() <= MAX_MESSAGE, "{}", message.len());
        assert!(message.len() > MAX_MESSAGE / 2, "{}", message.len());
        assert!(message.contains("host-100:9100") && !message.contains("host-5999:9100"));
        let short = course.mails[0].short.as_ref().unwrap();
        assert!(short.len() <= MAX_SHORT && short.len() > MAX_SHORT / 2);
        assert_eq!(mail.short, None);
    }
}
