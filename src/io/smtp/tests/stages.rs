//! What a server may answer, and when.

use std::{sync::Arc, time::Duration};

use super::{
    super::clients::{MailClients, lock},
    server::{LONG, Script, Server, failed, send, taken},
};
use crate::notify::FailureReason::{self, AuthError, ClientError, Other, ServerError};

#[tokio::test]
async fn says_what_upstream_says() {
    let server = Server::start(Script::offering(&["8BITMIME", "SMTPUTF8", "SIZE 1000"])).await;
    assert_eq!(taken(send(&server.mail("K")).await), [[], []]);
    assert_eq!(
        server.heard(),
        [
            "EHLO me.example",
            "MAIL FROM:<am@example.org> BODY=8BITMIME",
            "RCPT TO:<a@example.org>",
            "DATA",
        ]
    );
    // Dots at the beginning of lines arrive as they were, and nothing is added at the end.
    assert_eq!(
        *lock(&server.mails),
        ["Subject: x\r\n\r\n.\r\n..a\r\nend\r\n"]
    );
}

#[tokio::test]
async fn refusals_at_each_stage() {
    let cases: [(&str, &str, &str, FailureReason, bool); 17] = [
        (
            "220",
            "~421 busy",
            "send EHLO command: 421 busy",
            ServerError,
            true,
        ),
        (
            "220",
            "~554 go away",
            "send EHLO command: 554 go away",
            ClientError,
            true,
        ),
        (
            "EHLO",
            "502 what",
            "send EHLO command: 502 what",
            ClientError,
            true,
        ),
        (
            "MAIL",
            "451 later",
            "send MAIL command: 451 later",
            ServerError,
            true,
        ),
        (
            "MAIL",
            "550-no\r\n550 never",
            "send MAIL command: 550 no; never",
            ClientError,
            false,
        ),
        (
            "MAIL",
            "530 log in",
            "send MAIL command: 530 log in",
            AuthError,
            false,
        ),
        (
            "RCPT",
            "450 grey",
            "send RCPT command: a@example.org: 450 grey",
            ServerError,
            true,
        ),
        (
            "RCPT",
            "550 who",
            "send RCPT command: a@example.org: 550 who",
            ClientError,
            false,
        ),
        (
            "RCPT",
            "~421 bye",
            "send RCPT command: 421 bye",
            ServerError,
            true,
        ),
        (
            "DATA",
            "451 full",
            "send DATA command: 451 full",
            ServerError,
            true,
        ),
        (
            "DATA",
            "554 no",
            "send DATA command: 554 no",
            ClientError,
            false,
        ),
        (
            "DATA.",
            "452 full",
            "delivery failure: 452 full",
            ServerError,
            true,
        ),
        (
            "DATA.",
            "~421 full",
            "delivery failure: 421 full",
            ServerError,
            true,
        ),
        (
            "DATA.",
            "554 spam",
            "delivery failure: 554 spam",
            ClientError,
            false,
        ),
        (
            "MAIL",
            "~",
            "send MAIL command: the server closed the connection",
            Other,
            true,
        ),
        (
            "RCPT",
            "354 what",
            "send RCPT command: unexpected answer 354 what",
            Other,
            true,
        ),
        ("MAIL", "hello", "send MAIL command", Other, true),
    ];
    for (stage, answer, error, reason, retry) in cases {
        let server = Server::start(Script::answering(&[(stage, answer)])).await;
        let (found, found_reason, found_retry, ambiguous) = failed(send(&server.mail("K")).await);
        assert!(found.starts_with(error), "{stage} {answer}: {found}");
        assert_eq!(
            (found_reason, found_retry),
            (reason, retry),
            "{stage} {answer}"
        );
        assert!(!ambiguous, "{stage} {answer}");
    }
}

#[tokio::test]
async fn without_an_answer_to_the_end_nobody_knows() {
    for answer in ["~", "~nonsense", "~354 what", "!"] {
        let server = Server::start(Script::answering(&[("DATA.", answer)])).await;
        let clients = MailClients::default();
        let outcome = clients
            .send(&server.mail("K"), Duration::from_millis(1500))
            .await;
        let (error, _, retry, ambiguous) = failed(outcome);
        assert!(error.starts_with("delivery failure: "), "{error}");
        assert!(retry && ambiguous, "{answer}: {error}");
        assert_eq!(lock(&server.mails).len(), 1);
    }
}

#[tokio::test]
async fn servers_that_never_answer_cost_no_more_than_the_attempt() {
    for stage in ["220", "EHLO", "MAIL", "RCPT", "DATA"] {
        let server = Server::start(Script::answering(&[(stage, "!")])).await;
        let clients = MailClients::default();
        let outcome = clients
            .send(&server.mail("K"), Duration::from_millis(300))
            .await;
        let (error, reason, retry, ambiguous) = failed(outcome);
        assert!(
            error.ends_with("the server did not answer in time"),
            "{error}"
        );
        assert_eq!(reason, FailureReason::ContextDeadlineExceeded);
        assert!(retry && !ambiguous);
    }
}

#[tokio::test]
async fn hostile_answers_are_bounded() {
    let line: &'static str = String::leak("2".repeat(3_000_000));
    let lines: &'static str = String::leak("220-x\r\n".repeat(300_000));
    let odd: &'static str = "250-\u{7f}\0odd\r\n250-\u{1b}[2J\r\n250";
    for (stage, answer, error) in [
        (
            "220",
            line,
            "send EHLO command: the server sent a line of more than 8 KiB",
        ),
        ("220", lines, "send EHLO command: "),
        (
            "MAIL",
            line,
            "send MAIL command: the server sent a line of more than 8 KiB",
        ),
        ("MAIL", lines, "send MAIL command: "),
        ("MAIL", "999 what", "send MAIL command: "),
        ("MAIL", "250-a\r\n550 b", "send MAIL command: "),
    ] {
        let server = Server::start(Script::answering(&[(stage, answer)])).await;
        let (found, _, retry, _) = failed(send(&server.mail("K")).await);
        assert!(found.starts_with(error), "{stage}: {found}");
        assert!(found.len() < 2000 && retry);
    }
    let server = Server::start(Script::answering(&[("MAIL", odd)])).await;
    taken(send(&server.mail("K")).await);
}

#[tokio::test]
async fn nobody_listens() {
    let server = Server::start(Script::default()).await;
    let mut mail = server.mail("K");
    mail.server.port = "1".to_owned();
    let (error, reason, retry, _) = failed(send(&mail).await);
    assert!(
        error.starts_with("establish connection to server: dial tcp 127.0.0.1:1: "),
        "{error}"
    );
    assert_eq!((reason, retry), (Other, true));
    mail.server.port = "no-such-service".to_owned();
    let (error, _, retry, _) = failed(send(&mail).await);
    assert_eq!(
        error,
        "establish connection to server: unknown port \"no-such-service\""
    );
    assert!(!retry);
    mail.server.host = "no such host".to_owned();
    mail.server.port = "25".to_owned();
    assert!(
        failed(MailClients::default().send(&mail, LONG).await)
            .0
            .contains("lookup no such host")
    );
}

#[tokio::test]
async fn addresses_that_are_not_ascii() {
    let mut extensions = Vec::new();
    for offered in [true, false] {
        let server = Server::start(Script::offering(&extensions)).await;
        let mut mail = server.mail("K");
        mail.to.push("用户@example.org".to_owned());
        let [refused, _] = taken(send(&mail).await);
        if offered {
            // Not offered yet: the other recipient is told all the same.
            assert_eq!(refused[0].0, "用户@example.org");
            assert_eq!(server.heard()[1], "MAIL FROM:<am@example.org>");
        } else {
            assert_eq!(refused, []);
            assert_eq!(server.heard()[1], "MAIL FROM:<am@example.org> SMTPUTF8");
            assert_eq!(server.heard()[3], "RCPT TO:<用户@example.org>");
        }
        extensions.push("SMTPUTF8");
    }
    let server = Server::start(Script::default()).await;
    let mut mail = server.mail("K");
    mail.from = "ä@example.org".to_owned();
    let (error, _, retry, _) = failed(send(&mail).await);
    assert!(
        error.contains("does not offer SMTPUTF8") && !retry,
        "{error}"
    );
}

#[tokio::test]
async fn a_mail_that_is_too_long_is_shortened() {
    let refusing = Script {
        times: Some(1),
        ..Script::answering(&[("DATA.", "552 5.3.4 too long")])
    };
    for (script, sent) in [(Script::offering(&["SIZE 20"]), 1), (refusing, 2)] {
        let server = Server::start(script).await;
        let mut mail = server.mail("K");
        mail.short = Some(Arc::from(b"short\r\n".as_slice()));
        assert_eq!(taken(send(&mail).await), [[], []]);
        let mails = lock(&server.mails).clone();
        assert_eq!((mails.len(), &*mails[sent - 1]), (sent, "short\r\n"));
    }
    let server = Server::start(Script::answering(&[("MAIL", "552 5.3.4 too long")])).await;
    let mut mail = server.mail("K");
    mail.short = Some(Arc::from(b"short\r\n".as_slice()));
    let (error, _, retry, _) = failed(send(&mail).await);
    assert_eq!(error, "send MAIL command: 552 5.3.4 too long");
    assert!(!retry);
}
