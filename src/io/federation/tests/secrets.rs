//! Servers that repeat what they were sent: secrets are in no error.

use std::sync::Arc;

use super::{
    LONG, NOW, at, endpoints, federation, now,
    server::{Reply, Server, response},
};
use crate::promql::engine::Steps;

#[tokio::test]
async fn what_a_server_repeats_of_secrets_is_not_shown() {
    let server = Server::start(Arc::new(|asked| {
        // Heads are kept in lower case.
        let said = asked.head.replace("dtpodxnolwjhc2lj", "dTpodXNoLWJhc2lj");
        let said = said
            .lines()
            .rev()
            .find(|line| line.contains("x-token") || line.contains("authorization"));
        let said = said.unwrap_or_default();
        Reply::Raw(response("401 Unauthorized", "text/plain", said.as_bytes()))
    }))
    .await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("credentials");
    std::fs::write(&file, "hush-file\n").unwrap();
    let file = file.display();
    for keys in [
        "{authorization: {credentials: hush-inline}}".to_owned(),
        format!("{{authorization: {{credentials_file: '{file}'}}}}"),
        "{basic_auth: {username: u, password: hush-basic}}".to_owned(),
        "{http_headers: {X-Token: {secrets: [hush-header]}}}".to_owned(),
    ] {
        let keys = format!("kind: prometheus, http_config: {keys}");
        let reply = now(&federation(endpoints(&[(&server, &keys)])), "x").await;
        let warnings = reply.warnings().join(" ");
        assert!(warnings.contains("it answers 401"), "{warnings}");
        assert!(warnings.contains("<secret>"), "{warnings}");
        assert!(!warnings.contains("hush"), "{warnings}");
        assert!(!warnings.contains("dTpodXNo"), "{warnings}");
    }
}

/// The warnings of a query, and its error if it has one, of an endpoint with a password that answers with this.
async fn said_of(password: &str, status: &'static str, body: &'static str) -> String {
    let server = Server::start(Arc::new(move |_| {
        Reply::Raw(response(status, "application/json", body.as_bytes()))
    }))
    .await;
    let keys = format!(
        "kind: prometheus, http_config: {{basic_auth: {{username: u, password: '{password}'}}}}"
    );
    let federation = federation(endpoints(&[(&server, &keys)]));
    match at(&federation, "x", Steps::instant(NOW), LONG).await {
        Ok(reply) => format!("missing: {}", reply.warnings().join(" ")),
        Err(error) => format!("refused: {error}"),
    }
}

#[tokio::test]
async fn secrets_are_hidden_in_what_an_error_says_and_not_in_its_form() {
    for status in ["200 OK", "500 Internal Server Error"] {
        let body =
            r#"{"status":"error","errorType":"internal","error":"no such password: p\"w\u0026d"}"#;
        let said = said_of("p\"w&d", status, body).await;
        assert!(
            said.starts_with("missing: ") && said.contains("password: <secret>"),
            "{said}"
        );
    }
    // A password that is a word of the API.
    let body = r#"{"status":"error","errorType":"execution","error":"it is wrong"}"#;
    let said = said_of("error", "422 Unprocessable Entity", body).await;
    assert!(
        said.starts_with("refused: ") && said.contains("it is wrong"),
        "{said}"
    );
}

#[tokio::test]
async fn requests_name_their_sender_once() {
    let server = Server::start(Arc::new(|_| Reply::Reset)).await;
    // Straight, and by the client of files and TLS.
    for keys in [
        "",
        "http_config: {authorization: {credentials_file: /dev/null}}",
    ] {
        let keys = format!("kind: prometheus, {keys}");
        now(&federation(endpoints(&[(&server, &keys)])), "x").await;
        let asked = server.asked_of("/api/v1/");
        let heads = asked.iter().map(|one| &one.head);
        assert!(heads.clone().count() > 0);
        for head in heads {
            assert_eq!(head.matches("user-agent:").count(), 1, "{head}");
            assert!(head.contains("user-agent: watchfire/"), "{head}");
        }
    }
}
