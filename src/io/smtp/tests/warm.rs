//! Connections that are used again.

use std::{sync::Arc, time::Duration};

use super::{
    super::clients::{MailClients, lock},
    server::{LONG, Script, Server, failed, taken},
};

#[tokio::test]
async fn mails_share_a_connection() {
    let server = Server::start(Script::offering(&["AUTH PLAIN"])).await;
    let clients = MailClients::default();
    for i in 0..5 {
        taken(clients.send(&server.mail(&i.to_string()), LONG).await);
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(lock(&server.mails).len(), 5);
    let heard = server.heard();
    assert_eq!(heard.iter().filter(|line| **line == "RSET").count(), 4);
    // Who logs in does not use the connection of who does not.
    let mut mail = server.mail("x");
    mail.login = Some(super::server::login());
    taken(clients.send(&mail, LONG).await);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_storm_opens_few_connections() {
    let server = Server::start(Script::default()).await;
    let clients = Arc::new(MailClients::default());
    let mails: Vec<_> = (0..200)
        .map(|i| {
            let (clients, mail) = (Arc::clone(&clients), server.mail(&i.to_string()));
            tokio::spawn(async move { clients.send(&mail, LONG).await })
        })
        .collect();
    for mail in mails {
        taken(mail.await.unwrap());
    }
    assert_eq!(lock(&server.mails).len(), 200);
    assert!(server.most_open.load(std::sync::atomic::Ordering::Relaxed) <= 4);
    assert!(server.connections() <= 12, "{}", server.connections());
}

#[tokio::test]
async fn a_connection_that_died_meanwhile_costs_no_mail() {
    for (stage, answer) in [
        ("RSET", "~421 idle too long"),
        ("RSET", "~"),
        ("RSET", "500 what"),
    ] {
        let server = Server::start(Script::answering(&[(stage, answer)])).await;
        let clients = MailClients::default();
        taken(clients.send(&server.mail("1"), LONG).await);
        taken(clients.send(&server.mail("2"), LONG).await);
        assert_eq!(lock(&server.mails).len(), 2);
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn a_server_that_had_enough_of_a_connection_gets_another() {
    let script = Script::answering(&[("MAIL FROM:<second@", "~421 too many messages")]);
    let server = Server::start(Script {
        times: Some(1),
        ..script
    })
    .await;
    let clients = MailClients::default();
    taken(clients.send(&server.mail("1"), LONG).await);
    let mut mail = server.mail("2");
    mail.from = "second@example.org".to_owned();
    taken(clients.send(&mail, LONG).await);
    assert_eq!(server.connections(), 2);
    // But a mail that may have been taken is not sent twice.
    let script = Script {
        times: Some(1),
        ..Script::answering(&[("DATA.", "~")])
    };
    let server = Server::start(script).await;
    assert!(failed(clients.send(&server.mail("3"), LONG).await).3);
    assert_eq!(lock(&server.mails).len(), 1);
}

#[tokio::test]
async fn idle_connections_end_politely() {
    let server = Server::start(Script::default()).await;
    let clients = MailClients::keeping(Duration::from_millis(50));
    taken(clients.send(&server.mail("1"), LONG).await);
    for _ in 0..1000 {
        if server.heard().last().unwrap() == "QUIT" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the connection was kept: {:?}", server.heard());
}
