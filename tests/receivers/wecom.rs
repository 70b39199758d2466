//! WeCom: robots and applications.

use std::{sync::Arc, time::Duration};

use crate::{
    send::{Sender, limited, permanent, retried, sent},
    server::{Fault, Reply, Server},
    vendors::{WecomApp, WecomRobot},
};

async fn start_robot() -> (Arc<WecomRobot>, Server) {
    let robot = Arc::new(WecomRobot::new());
    let fake = Arc::clone(&robot);
    let server = Server::start(move |request| fake.answer(request)).await;
    (robot, server)
}

fn robot_entry(server: &Server, more: &str) -> String {
    let url = server.url("/cgi-bin/webhook/send?key=hunter2hunter2");
    format!("wecom_robot_configs: [{{webhook_url: '{url}'{more}}}]")
}

#[tokio::test]
async fn robots_take_large_groups_within_their_bytes() {
    let (robot, server) = start_robot().await;
    for kind in ["text", "markdown", "markdown_v2"] {
        let entry = robot_entry(
            &server,
            &format!(", message_type: {kind}, mentioned_list: [u1]"),
        );
        let sender = Sender::new(&entry);
        for count in [1, 300] {
            let verdict = sender.tell(sender.data_of(kind, count)).await;
            assert_eq!(sent(&verdict), "");
        }
    }
    let group = robot.group.lock().unwrap().clone();
    assert_eq!(group.len(), 6);
    assert_eq!(group[0]["text"]["mentioned_list"][0], "u1");
    let long = group[3]["markdown"]["content"].as_str().unwrap();
    assert!(
        long.contains(" more: http://am.example.org") && long.ends_with("<@u1>"),
        "{long}"
    );
}

#[tokio::test]
async fn robots_that_are_gone_or_tired_say_so() {
    let (robot, server) = start_robot().await;
    let unknown = server.url("/cgi-bin/webhook/send?key=hunter2-unknown");
    let unknown = format!("wecom_robot_configs: [{{webhook_url: '{unknown}'}}]");
    let verdict = Sender::new(&unknown).send("a").await;
    assert!(
        permanent(&verdict).contains("no robot with this key"),
        "{verdict:?}"
    );
    let sender = Sender::new(&robot_entry(&server, ""));
    for i in 0..20 {
        assert_eq!(sent(&sender.send(&i.to_string()).await), "");
    }
    let minute = Some(Duration::from_secs(60));
    assert_eq!(limited(&sender.send("too much").await), minute);
    assert_eq!(robot.group.lock().unwrap().len(), 20);
}

async fn start_app(more: &str) -> (Arc<WecomApp>, Server, Sender) {
    let app = Arc::new(WecomApp::default());
    let fake = Arc::clone(&app);
    let server = Server::start(move |request| fake.answer(request)).await;
    let url = server.url("/cgi-bin/");
    let sender = Sender::new(&format!(
        "wechat_configs: [{{corp_id: corp, api_secret: hunter2secret, agent_id: '1', api_url: '{url}', {more}}}]"
    ));
    (app, server, sender)
}

#[tokio::test]
async fn applications_use_one_token_until_it_is_refused() {
    let (app, server, sender) = start_app("to_user: 'u1|u2'").await;
    for i in 0..3 {
        assert_eq!(sent(&sender.send(&i.to_string()).await), "");
    }
    assert_eq!(app.desk.asked(), 1);
    app.desk.expire();
    assert_eq!(sent(&sender.tell(sender.data_of("later", 300)).await), "");
    assert_eq!((app.desk.asked(), app.told.lock().unwrap().len()), (2, 4));
    assert_eq!(server.requests_to("/message/send").len(), 5);
}

#[tokio::test]
async fn a_crowd_of_notifications_asks_for_one_token() {
    let (app, server, sender) = start_app("to_user: '@all', message_type: markdown").await;
    for asked in 1..=2 {
        let crowd = (0..20).map(|i| {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(&format!("{asked}/{i}")).await })
        });
        for verdict in crowd.collect::<Vec<_>>() {
            assert_eq!(sent(&verdict.await.unwrap()), "");
        }
        assert_eq!(app.desk.asked(), asked);
        app.desk.expire();
    }
    assert_eq!(app.told.lock().unwrap().len(), 40);
    assert!(server.connections() <= 40);
}

#[tokio::test]
async fn people_who_are_not_there_are_told() {
    let (app, _server, sender) = start_app("to_user: 'u1|gone'").await;
    assert_eq!(sent(&sender.send("a").await), "not told, users: gone");
    assert_eq!(app.told.lock().unwrap().len(), 1);
    let (_, _server, sender) = start_app("to_user: 'gone'").await;
    assert!(permanent(&sender.send("a").await).contains("81013"));
}

#[tokio::test]
async fn a_repeat_after_a_lost_answer_is_dropped_by_the_vendor_if_that_is_wanted() {
    for (more, messages) in [
        ("to_user: u1", 2),
        ("to_user: u1, delivery: {idempotent: true}", 1),
    ] {
        let (app, server, sender) = start_app(more).await;
        sent(&sender.send("before").await);
        server.fail([Fault::After(Reply::Drop)]);
        let data = sender.data("a");
        assert!(retried(&sender.tell(data.clone()).await).1);
        assert_eq!(sent(&sender.tell(data).await), "");
        // The same words about something else are another message.
        assert_eq!(app.told.lock().unwrap().len(), 1 + messages);
    }
}

#[tokio::test]
async fn a_desk_that_hangs_is_left_in_time() {
    let (app, server, sender) = start_app("to_user: u1").await;
    server.fail([Fault::Instead(Reply::Hang)]);
    let verdict = sender
        .tell_within(sender.data("a"), Duration::from_millis(300))
        .await;
    assert!(!retried(&verdict).1, "nothing was sent: {verdict:?}");
    assert_eq!(sent(&sender.send("a").await), "");
    assert_eq!(app.told.lock().unwrap().len(), 1);
}
