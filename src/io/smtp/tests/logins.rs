//! Each mechanism, the order of the server, and what must not be said.

use std::sync::Arc;

use super::{
    super::clients::MailClients,
    server::{LONG, Script, Server, failed, login, send, taken},
};
use crate::{
    config::{HttpConfig, OAuth2, Secret},
    io::http::tests::server as http,
    notify::{
        FailureReason::AuthError,
        integration::{MailLogin, MailOutcome},
    },
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
        ..Script::answering(&[("AUTH", "334 eyJzdGF0dXMiOiI0MDEifQ==\r\n535 5.7.8 no")])
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

#[tokio::test]
async fn tokens_are_fetched_shared_and_replaced_when_refused() {
    let tokens = http::Server::start(|_| {
        http::answer(
            200,
            r#"{"access_token":"TOK","token_type":"bearer","expires_in":3600}"#,
        )
    })
    .await;
    let oauth2 = OAuth2 {
        client_id: "id".to_owned(),
        client_secret: Secret::new("secret"),
        token_url: tokens.url("/token"),
        ..OAuth2::default()
    };
    let config = HttpConfig {
        oauth2: Some(Box::new(oauth2)),
        ..HttpConfig::default()
    };
    let (clients, http) = (MailClients::default(), http::clients());
    let server = Server::start(Script::offering(&["AUTH XOAUTH2"])).await;
    let mut mail = server.mail("K");
    mail.login = Some(MailLogin {
        oauth2: Some(Arc::new(config)),
        ..login()
    });
    for _ in 0..2 {
        taken(clients.send_as(mail.clone(), &http, LONG).await);
    }
    assert_eq!((tokens.seen().len(), server.connections()), (1, 1));
    assert_eq!(
        server.heard()[1],
        "AUTH XOAUTH2 dXNlcj10aW0BYXV0aD1CZWFyZXIgVE9LAQE="
    );

    let script = Script {
        extensions: vec!["AUTH XOAUTH2"],
        ..Script::answering(&[("AUTH", "535 no")])
    };
    let server = Server::start(script).await;
    mail.server.port = server.port.to_string();
    failed(clients.send_as(mail.clone(), &http, LONG).await);
    assert_eq!(tokens.seen().len(), 1);
    failed(clients.send_as(mail.clone(), &http, LONG).await);
    assert_eq!(tokens.seen().len(), 2);
}
