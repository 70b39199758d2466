//! Each mechanism, the order of the server, and what must not be said.

use super::server::{Script, Server, failed, login, send, taken};
use crate::{
    config::Secret,
    notify::{FailureReason::AuthError, integration::MailOutcome},
};

const ALL: [&str; 2] = ["AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2", "8BITMIME"];

#[tokio::test]
async fn each_mechanism() {
    for (offered, said) in [
        (
            "AUTH PLAIN LOGIN",
            &["AUTH PLAIN aWQAdGltAHBhc3Mtd29yZA=="][..],
        ),
        ("AUTH LOGIN PLAIN", &["AUTH LOGIN", "dGlt", "cGFzcy13b3Jk"]),
        ("auth=LOGIN", &["AUTH LOGIN", "dGlt", "cGFzcy13b3Jk"]),
        (
            "AUTH GSSAPI CRAM-MD5 PLAIN",
            &[
                "AUTH CRAM-MD5",
                "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw",
            ],
        ),
        ("SIZE", &[]),
    ] {
        let server = Server::start(Script::offering(&[offered])).await;
        let mut mail = server.mail("K");
        mail.login = Some(login());
        assert_eq!(taken(send(&mail).await), [[], []], "{offered}");
        let heard = server.heard();
        let end = heard
            .iter()
            .position(|line| line.starts_with("MAIL"))
            .unwrap();
        assert_eq!(heard[1..end], *said, "{offered}");
    }
}

#[tokio::test]
async fn bearer_tokens() {
    let server = Server::start(Script::offering(&ALL)).await;
    let mut mail = server.mail("K");
    let mut login = login();
    login.password = Ok(Secret::default());
    login.secret = Ok(Secret::default());
    login.bearer = Ok(Secret::new("TOK"));
    mail.login = Some(login);
    taken(send(&mail).await);
    // user=tim^Aauth=Bearer TOK^A^A
    assert_eq!(
        server.heard()[1],
        "AUTH XOAUTH2 dXNlcj10aW0BYXV0aD1CZWFyZXIgVE9LAQE="
    );

    let script = Script {
        extensions: ALL.to_vec(),
        // {"status":"401"}
        ..Script::answering(&[
            ("AUTH", "334 eyJzdGF0dXMiOiI0MDEifQ=="),
            ("", "535 5.7.8 no"),
        ])
    };
    let script = Script {
        answers: vec![("AUTH", "334 eyJzdGF0dXMiOiI0MDEifQ==\r\n535 5.7.8 no")],
        ..script
    };
    let server = Server::start(script).await;
    mail.server.port = server.port.to_string();
    let (error, reason, retry, _) = failed(send(&mail).await);
    assert_eq!(
        error,
        "auth: XOAUTH2 auth: 535 5.7.8 no: {\"status\":\"401\"}"
    );
    assert_eq!((reason, retry), (AuthError, true));
}

#[tokio::test]
async fn a_refused_login_is_tried_again_slowly_and_says_no_secret() {
    for (offered, answer) in [
        (
            "AUTH PLAIN",
            "535 5.7.8 no: aWQAdGltAHBhc3Mtd29yZA== is pass-word",
        ),
        ("AUTH LOGIN", "535 no cGFzcy13b3Jk"),
        ("AUTH CRAM-MD5", "535 no tanstaaftanstaaf"),
    ] {
        let script = Script {
            extensions: vec![offered],
            ..Script::answering(&[("AUTH", answer)])
        };
        let server = Server::start(script).await;
        let mut mail = server.mail("K");
        mail.login = Some(login());
        let outcome = send(&mail).await;
        let MailOutcome::Failed {
            reason: AuthError,
            error,
            retry: true,
            after: Some(_),
            ambiguous: false,
        } = outcome
        else {
            panic!("{outcome:?}");
        };
        assert!(
            error.contains(" auth: 535 ") && error.contains("<secret>"),
            "{error}"
        );
        for secret in ["pass-word", "tanstaaf", "aWQAdGlt", "cGFzcy13"] {
            assert!(!error.contains(secret), "{error}");
            assert!(!format!("{mail:?}").contains(secret));
        }
    }
}

#[tokio::test]
async fn nothing_fits() {
    let server = Server::start(Script::offering(&["AUTH GSSAPI PLAIN CRAM-MD5"])).await;
    let mut mail = server.mail("K");
    let mut login = login();
    login.password = Ok(Secret::default());
    login.secret = Err("read auth_secret_file: /s: gone".to_owned());
    mail.login = Some(login);
    let (error, reason, retry, _) = failed(send(&mail).await);
    assert_eq!(
        error,
        "auth: find auth mechanism: unknown auth mechanism: GSSAPI; \
         missing password for PLAIN auth mechanism; read auth_secret_file: /s: gone"
    );
    assert_eq!((reason, retry), (AuthError, true));
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_clear() {
    let server = Server::start(Script::offering(&["AUTH PLAIN"])).await;
    let mut mail = server.mail("K");
    mail.login = Some(login());
    // Go trusts this machine by three names only.
    mail.server.host = "127.0.0.1.".to_owned();
    mail.server.host = "127.1".to_owned();
    let (error, ..) = failed(send(&mail).await);
    assert_eq!(error, "auth: PLAIN auth: unencrypted connection");
    assert!(!server.heard().iter().any(|line| line.starts_with("AUTH")));
}

#[tokio::test]
async fn a_server_that_asks_on_and_on() {
    let script = Script {
        extensions: vec!["AUTH LOGIN"],
        ..Script::answering(&[
            ("AUTH", "334 VXNlcm5hbWU6"),
            ("dGlt", "334 VXNlcm5hbWU6"),
            ("*", "334 VXNlcm5hbWU6"),
            ("cGFz", "334 VXNlcm5hbWU6"),
        ])
    };
    let server = Server::start(script).await;
    let mut mail = server.mail("K");
    mail.login = Some(login());
    let (error, _, retry, _) = failed(send(&mail).await);
    assert_eq!(error, "auth: the server asks on and on");
    assert!(retry);
    assert!(!server.heard().iter().any(|line| line.starts_with("cGFz")));
}
