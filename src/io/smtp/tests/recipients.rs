//! Several recipients, each with its own fate.

use super::{
    super::clients::{MailClients, lock},
    server::{LONG, Script, Server, failed, taken},
};

#[tokio::test]
async fn one_that_is_refused_does_not_keep_the_others_from_being_told() {
    let script = Script::answering(&[("RCPT TO:<b@", "550 5.1.1 no such user")]);
    let server = Server::start(script).await;
    let mut mail = server.mail("K");
    mail.to = ["a@x.org", "b@x.org", "c@x.org"]
        .map(str::to_owned)
        .to_vec();
    let [refused, deferred] = taken(MailClients::default().send(&mail, LONG).await);
    assert_eq!(
        refused,
        [("b@x.org".to_owned(), "550 5.1.1 no such user".to_owned())]
    );
    assert!(deferred.is_empty());
    assert_eq!(lock(&server.mails).len(), 1);
}

#[tokio::test]
async fn who_is_put_off_is_asked_again_alone() {
    let script = Script {
        times: Some(2),
        ..Script::answering(&[("RCPT TO:<b@", "450 later")])
    };
    let server = Server::start(script).await;
    let mut mail = server.mail("K");
    mail.to = ["a@x.org", "b@x.org"].map(str::to_owned).to_vec();
    let clients = MailClients::default();
    let put_off = [("b@x.org".to_owned(), "450 later".to_owned())];
    for _ in 0..2 {
        let [refused, deferred] = taken(clients.send(&mail, LONG).await);
        assert_eq!((refused.len(), &deferred[..]), (0, &put_off[..]));
    }
    assert_eq!(lock(&server.mails).len(), 1);
    assert_eq!(taken(clients.send(&mail, LONG).await), [[], []]);
    assert_eq!(lock(&server.mails).len(), 2);
    let asked = |who: &str| {
        let command = format!("RCPT TO:<{who}@x.org>");
        server
            .heard()
            .iter()
            .filter(|line| **line == command)
            .count()
    };
    assert_eq!((asked("a"), asked("b")), (1, 3));
    // The next notification is for all.
    mail.key = "L".into();
    assert_eq!(taken(clients.send(&mail, LONG).await), [[], []]);
    assert_eq!((asked("a"), asked("b")), (2, 4));
}

#[tokio::test]
async fn none_is_taken() {
    let script = Script::answering(&[("RCPT TO:<a@", "550 no"), ("RCPT TO:<b@", "451 later")]);
    let server = Server::start(script).await;
    let mut mail = server.mail("K");
    mail.to = ["a@x.org", "b@x.org"].map(str::to_owned).to_vec();
    let clients = MailClients::default();
    let (error, _, retry, _) = failed(clients.send(&mail, LONG).await);
    assert_eq!(
        error,
        "send RCPT command: b@x.org: 451 later; a@x.org: 550 no"
    );
    assert!(retry);
    mail.to.pop();
    let (error, _, retry, _) = failed(clients.send(&mail, LONG).await);
    assert_eq!(error, "send RCPT command: a@x.org: 550 no");
    assert!(!retry);
    assert!(lock(&server.mails).is_empty());
}
