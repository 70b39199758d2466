//! DingTalk: robots and applications.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;

use crate::{
    proxy::Vendor,
    send::{Sender, limited, permanent, retried, sent},
    server::{Fault, Reply, Server},
    vendors::{DingTalkApp, DingTalkRobot},
};

const SECRET: &str = "SEC-hunter2-secret";

async fn start(robot: DingTalkRobot) -> (Arc<DingTalkRobot>, Server) {
    let robot = Arc::new(robot);
    let fake = Arc::clone(&robot);
    let server = Server::start(move |request| fake.answer(request)).await;
    (robot, server)
}

fn entry(server: &Server, more: &str) -> String {
    let url = server.url("/robot/send?access_token=hunter2hunter2");
    format!("dingtalk_configs: [{{webhook_url: '{url}', secret: {SECRET}{more}}}]")
}

#[tokio::test]
async fn signed_messages_of_all_types_arrive_in_the_words_of_the_default_templates() {
    let (robot, server) = start(DingTalkRobot::new(SECRET)).await;
    for kind in ["markdown", "text", "actionCard"] {
        let more = format!(", message_type: {kind}, at: {{mobiles: ['+852 1234 5678']}}");
        assert_eq!(
            sent(&Sender::new(&entry(&server, &more)).send(kind).await),
            ""
        );
    }
    let group = robot.group.lock().unwrap().clone();
    let text = group[0]["markdown"]["text"].as_str().unwrap();
    assert!(
        text.contains("负载 <high>") && text.ends_with("\n\n@+852-12345678"),
        "{text}"
    );
    assert!(
        group[0]["markdown"]["title"]
            .as_str()
            .unwrap()
            .contains("HighLoad")
    );
    assert_eq!(group[1]["at"]["atMobiles"][0], "+852-12345678");
    assert_eq!(group[2]["actionCard"]["singleTitle"], "Show alerts");
}

#[tokio::test]
async fn wrong_secrets_are_told_and_wrong_clocks_are_helped() {
    let (robot, server) = start(DingTalkRobot::new("SEC-another")).await;
    let verdict = Sender::new(&entry(&server, "")).send("a").await;
    assert!(permanent(&verdict).contains("check secret"), "{verdict:?}");
    assert_eq!(server.requests().len(), 2);
    assert!(robot.group.lock().unwrap().is_empty());

    let (robot, server) = start(DingTalkRobot::new(SECRET)).await;
    for hours in [-3, 3] {
        let wrong = SignedDuration::from_hours(hours);
        let verdict = Sender::with_clock(&entry(&server, ""), wrong)
            .send("a")
            .await;
        assert!(
            sent(&verdict).contains("the clock of this node is 10"),
            "{verdict:?}"
        );
    }
    assert_eq!(robot.group.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn large_groups_arrive_as_what_fits() {
    let (robot, server) = start(DingTalkRobot::new(SECRET)).await;
    let sender = Sender::new(&entry(&server, ""));
    assert_eq!(sent(&sender.tell(sender.data_of("a", 500)).await), "");
    let group = robot.group.lock().unwrap().clone();
    let text = group[0]["markdown"]["text"].as_str().unwrap();
    assert!(
        text.contains(" more: http://am.example.org/#/alerts"),
        "{text}"
    );
    assert!(server.requests()[0].body.len() > 18_000);

    // A vendor that takes less than it says.
    let (robot, server) = start(DingTalkRobot {
        most: 12_000,
        ..DingTalkRobot::new(SECRET)
    })
    .await;
    let sender = Sender::new(&entry(&server, ""));
    let verdict = sender.tell(sender.data_of("a", 500)).await;
    assert!(sent(&verdict).contains("too long"), "{verdict:?}");
    assert_eq!(robot.group.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn who_sends_too_much_is_told_to_wait() {
    let (robot, server) = start(DingTalkRobot::new(SECRET)).await;
    let sender = Sender::new(&entry(&server, ""));
    for i in 0..20 {
        assert_eq!(sent(&sender.send(&i.to_string()).await), "");
    }
    for _ in 0..2 {
        let minute = Some(Duration::from_secs(60));
        assert_eq!(limited(&sender.send("too much").await), minute);
    }
    assert_eq!(robot.group.lock().unwrap().len(), 20);
}

#[tokio::test]
async fn keywords_and_tokens_are_told_apart() {
    let (_, server) = start(DingTalkRobot {
        keyword: "告警",
        ..DingTalkRobot::new("")
    })
    .await;
    let verdict = Sender::new(&entry(&server, "")).send("a").await;
    assert!(permanent(&verdict).contains("keywords"), "{verdict:?}");
    let url = server.url("/robot/send?access_token=hunter2-unknown");
    let unknown = format!("dingtalk_configs: [{{webhook_url: '{url}'}}]");
    let verdict = Sender::new(&unknown).send("a").await;
    assert!(permanent(&verdict).contains("no robot"), "{verdict:?}");
}

#[tokio::test]
async fn a_lost_answer_is_uncertain() {
    let (robot, server) = start(DingTalkRobot::new(SECRET)).await;
    let sender = Sender::new(&entry(&server, ""));
    for reply in [Reply::Drop, Reply::Half("{\"errcode\":0}".to_owned())] {
        server.fail([Fault::After(reply)]);
        let verdict = sender.send("a").await;
        assert!(retried(&verdict).1, "{verdict:?}");
    }
    assert_eq!(robot.group.lock().unwrap().len(), 2);
}

async fn start_app(more: &str) -> (Arc<DingTalkApp>, Vendor, Sender) {
    let app = Arc::new(DingTalkApp::default());
    let fake = Arc::clone(&app);
    let vendor = Vendor::start("api.dingtalk.com", move |request| fake.answer(request)).await;
    let sender = Sender::new(&format!(
        "dingtalk_configs: [{{app_key: key, app_secret: hunter2secret, robot_code: robot, {more}, {}}}]",
        vendor.http_config()
    ));
    (app, vendor, sender)
}

#[tokio::test]
async fn applications_write_to_people_and_groups_with_one_token() {
    let (app, vendor, sender) = start_app("user_ids: [u1, u2]").await;
    for i in 0..3 {
        assert_eq!(sent(&sender.send(&i.to_string()).await), "");
    }
    assert_eq!(app.desk.asked(), 1);
    assert_eq!(vendor.proxy.asked()[0], "api.dingtalk.com:443");
    app.desk.expire();
    assert_eq!(sent(&sender.send("later").await), "");
    assert_eq!((app.desk.asked(), app.told.lock().unwrap().len()), (2, 4));

    let (app, _vendor, sender) =
        start_app("open_conversation_id: cid, message_type: actionCard").await;
    assert_eq!(sent(&sender.tell(sender.data_of("a", 500)).await), "");
    assert_eq!(app.told.lock().unwrap()[0]["openConversationId"], "cid");
}

#[tokio::test]
async fn a_crowd_of_notifications_asks_for_one_token() {
    let (app, _vendor, sender) = start_app("user_ids: [u1]").await;
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
}
