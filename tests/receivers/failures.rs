//! What goes wrong on the way, whoever the receiver is; a webhook stands for all.

use std::{sync::Arc, time::Duration};

use crate::{
    proxy::Vendor,
    send::{Sender, limited, permanent, retried, sent},
    server::{Fault, Reply, Server},
};

async fn start() -> (Server, Sender) {
    let server = Server::start(|_| Reply::ok("")).await;
    let url = server.url("/hunter2");
    let sender = Sender::new(&format!("webhook_configs: [{{url: '{url}'}}]"));
    (server, sender)
}

#[tokio::test]
async fn statuses_mean_what_they_say() {
    let (server, sender) = start().await;
    for status in [400, 401, 403, 404, 410] {
        server.fail([Fault::Instead(Reply::status(status, "no"))]);
        let verdict = sender.send("a").await;
        assert!(permanent(&verdict).contains(&status.to_string()));
    }
    for status in [500, 502, 503] {
        server.fail([Fault::Instead(Reply::status(status, "<html>"))]);
        assert!(!retried(&sender.send("a").await).1);
    }
    let wait = vec![("Retry-After", "7".to_owned())];
    server.fail([
        Fault::Instead(Reply::Answer(429, wait, String::new())),
        Fault::Instead(Reply::status(429, "")),
    ]);
    assert_eq!(
        limited(&sender.send("a").await),
        Some(Duration::from_secs(7))
    );
    assert_eq!(limited(&sender.send("a").await), None);
    assert_eq!(sent(&sender.send("a").await), "");
}

#[tokio::test]
async fn what_may_have_arrived_is_uncertain() {
    let (server, sender) = start().await;
    server.fail([Fault::After(Reply::Drop)]);
    let verdict = sender.send("a").await;
    assert!(retried(&verdict).1, "{verdict:?}");
    // The status says enough about a webhook.
    server.fail([Fault::After(Reply::Half("half of it".to_owned()))]);
    assert_eq!(sent(&sender.send("a").await), "");
    server.fail([Fault::After(Reply::Hang)]);
    let data = sender.data("a");
    let verdict = sender.tell_within(data, Duration::from_millis(300)).await;
    let (error, ambiguous) = retried(&verdict);
    assert!(ambiguous && error.contains("deadline"), "{error}");
    // What never left is not.
    let sender = Sender::new("webhook_configs: [{url: 'http://127.0.0.1:1/hunter2'}]");
    assert!(!retried(&sender.send("a").await).1);
}

#[tokio::test]
async fn private_authorities_and_proxies_are_used() {
    let vendor = Vendor::start("hooks.example", |_| Reply::ok("")).await;
    let url = "https://hooks.example/hunter2";
    let http = vendor.http_config();
    let sender = Sender::new(&format!("webhook_configs: [{{url: '{url}', {http}}}]"));
    assert_eq!(sent(&sender.send("a").await), "");
    assert_eq!(vendor.proxy.asked(), ["hooks.example:443"]);
    // Without the CA there is no trust, and nothing is sent.
    let without = http.split(", tls_config").next().unwrap();
    let sender = Sender::new(&format!("webhook_configs: [{{url: '{url}', {without}}}}}]"));
    let verdict = sender.send("a").await;
    assert!(!retried(&verdict).1, "{verdict:?}");
    assert_eq!(vendor.server.requests().len(), 1);
}

#[tokio::test]
async fn connections_are_used_again() {
    let (server, sender) = start().await;
    for i in 0..10 {
        assert_eq!(sent(&sender.send(&i.to_string()).await), "");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn one_that_hangs_holds_up_nobody_else() {
    let server = Server::start(|request| {
        if request.path() == "/slow" {
            Reply::Hang
        } else {
            Reply::ok("")
        }
    })
    .await;
    let slow = Sender::new(&format!(
        "webhook_configs: [{{url: '{}'}}]",
        server.url("/slow")
    ));
    let slow = Arc::new(slow);
    for i in 0..50 {
        let slow = Arc::clone(&slow);
        tokio::spawn(async move { slow.send(&i.to_string()).await });
    }
    let fast = Sender::new(&format!(
        "webhook_configs: [{{url: '{}'}}]",
        server.url("/fast")
    ));
    assert_eq!(sent(&fast.send("a").await), "");
}
