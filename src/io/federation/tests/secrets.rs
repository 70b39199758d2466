//! Servers that repeat what they were sent: secrets are in no error.

use std::sync::Arc;

use super::{
    endpoints, federation, now,
    server::{Reply, Server, response},
};

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
