//! Feishu: robots and applications.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;

use crate::{
    send::{Sender, limited, permanent, retried, sent},
    server::{Fault, Reply, Server},
    vendors::{FeishuApp, FeishuRobot},
};

const SECRET: &str = "hunter2-secret";

async fn start_robot(secret: &'static str) -> (Arc<FeishuRobot>, Server) {
    let robot = Arc::new(FeishuRobot::new(secret));
    let fake = Arc::clone(&robot);
    let server = Server::start(move |request| fake.answer(request)).await;
    (robot, server)
}

fn robot_entry(server: &Server, more: &str) -> String {
    let url = server.url("/open-apis/bot/v2/hook/hunter2hunter2");
    format!("feishu_configs: [{{webhook_url: '{url}', secret: {SECRET}{more}}}]")
}

#[tokio::test]
async fn signed_messages_of_all_types_and_sizes_arrive() {
    for kind in ["interactive", "post", "text"] {
        let (robot, server) = start_robot(SECRET).await;
        let more = format!(", message_type: {kind}, at_user_ids: [ou_1]");
        let sender = Sender::new(&robot_entry(&server, &more));
        for count in [1, 500] {
            let verdict = sender.tell(sender.data_of(kind, count)).await;
            assert_eq!(sent(&verdict), "");
        }
        let group = robot.group.lock().unwrap().clone();
        let shown = group[0].to_string();
        assert!(
            shown.contains("负载 <high>") && shown.contains("ou_1"),
            "{shown}"
        );
        let shown = group[1].to_string();
        assert!(
            shown.contains(" more: http://am.example.org/#/alerts"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn wrong_secrets_are_told_and_wrong_clocks_are_helped() {
    let (_, server) = start_robot("another").await;
    let verdict = Sender::new(&robot_entry(&server, "")).send("a").await;
    assert!(permanent(&verdict).contains("check secret"), "{verdict:?}");
    let (robot, server) = start_robot(SECRET).await;
    let wrong = SignedDuration::from_hours(-2);
    let verdict = Sender::with_clock(&robot_entry(&server, ""), wrong)
        .send("a")
        .await;
    assert!(
        sent(&verdict).contains("the clock of this node"),
        "{verdict:?}"
    );
    assert_eq!(robot.group.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn who_sends_too_fast_is_told_to_wait() {
    let (robot, server) = start_robot("").await;
    let sender = Sender::new(&robot_entry(&server, ""));
    let mut told = 0;
    // Five go within a second, however slow this machine is.
    for i in 0..100 {
        let verdict = sender.send(&i.to_string()).await;
        if verdict.is_sent() {
            told += 1;
        } else {
            assert_eq!(limited(&verdict), Some(Duration::from_secs(10)));
            break;
        }
    }
    assert!(told >= 5);
    assert_eq!(robot.group.lock().unwrap().len(), told);
}

async fn start_app() -> (Arc<FeishuApp>, Server, Sender) {
    let app = Arc::new(FeishuApp::default());
    let fake = Arc::clone(&app);
    let server = Server::start(move |request| fake.answer(request)).await;
    let url = server.url("");
    let sender = Sender::new(&format!(
        "feishu_configs: [{{app_id: app, app_secret: hunter2secret, receive_id: oc_1, api_url: '{url}'}}]"
    ));
    (app, server, sender)
}

#[tokio::test]
async fn applications_use_one_token_until_it_is_refused() {
    let (app, _server, sender) = start_app().await;
    assert_eq!(sent(&sender.send("a").await), "");
    app.desk.expire();
    assert_eq!(sent(&sender.tell(sender.data_of("b", 500)).await), "");
    assert_eq!((app.desk.asked(), app.told.lock().unwrap().len()), (2, 2));
    app.desk.expire();
    let crowd = (0..20).map(|i| {
        let sender = sender.clone();
        tokio::spawn(async move { sender.send(&i.to_string()).await })
    });
    for verdict in crowd.collect::<Vec<_>>() {
        assert_eq!(sent(&verdict.await.unwrap()), "");
    }
    assert_eq!((app.desk.asked(), app.told.lock().unwrap().len()), (3, 22));
}

#[tokio::test]
async fn a_repeat_after_a_lost_answer_is_dropped_by_the_vendor() {
    let (app, server, sender) = start_app().await;
    sent(&sender.send("before").await);
    server.fail([Fault::After(Reply::Drop)]);
    let data = sender.data("a");
    assert!(retried(&sender.tell(data.clone()).await).1);
    assert_eq!(sent(&sender.tell(data).await), "");
    assert_eq!(app.told.lock().unwrap().len(), 2);
}
