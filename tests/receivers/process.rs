//! The whole way: the binary with a configuration of all vendors of China, an alert posted, a message at each.

use std::{
    fs,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    server::{Fault, Reply, Server},
    vendors::{DingTalkRobot, FeishuApp, FeishuRobot, WecomApp, WecomRobot},
};

/// Ends the process whatever happens.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

async fn until(what: &str, mut fulfilled: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !fulfilled().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The status of an answer of the node; `None` while it does not listen.
async fn ask(port: u16, method: &str, path: &str, body: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

#[tokio::test]
async fn an_alert_reaches_every_vendor_once() {
    let dingtalk = Arc::new(DingTalkRobot::new("SEC-hunter2"));
    let wecom = Arc::new(WecomRobot::new());
    let wechat = Arc::new(WecomApp::default());
    let feishu = Arc::new(FeishuRobot::new("hunter2secret"));
    let app = Arc::new(FeishuApp::default());
    let fake = Arc::clone(&dingtalk);
    let at_dingtalk = Server::start(move |request| fake.answer(request)).await;
    let fake = Arc::clone(&wecom);
    let at_wecom = Server::start(move |request| fake.answer(request)).await;
    let fake = Arc::clone(&wechat);
    let at_wechat = Server::start(move |request| fake.answer(request)).await;
    let fake = Arc::clone(&feishu);
    let at_feishu = Server::start(move |request| fake.answer(request)).await;
    let fake = Arc::clone(&app);
    let at_app = Server::start(move |request| fake.answer(request)).await;
    // The first attempt of one fails, and its token is forgotten by the other.
    at_dingtalk.fail([Fault::Instead(Reply::status(502, "hunter2hunter2"))]);
    at_app.fail([Fault::Instead(Reply::Drop)]);

    let directory = tempfile::tempdir().unwrap();
    let config = format!(
        "
global: {{timezone: Asia/Shanghai, language: zh-CN, mention_map: [{{matchers: [severity=critical], mobiles: ['138'], user_ids: [u1]}}]}}
route: {{receiver: all, group_by: [alertname], group_wait: 100ms, group_interval: 60s}}
receivers:
- name: all
  dingtalk_configs: [{{webhook_url: '{}', secret: SEC-hunter2}}]
  wecom_robot_configs: [{{webhook_url: '{}'}}]
  wechat_configs: [{{corp_id: corp, api_secret: hunter2secret, agent_id: '1', to_user: u1, api_url: '{}'}}]
  feishu_configs:
  - {{webhook_url: '{}', secret: hunter2secret}}
  - {{app_id: app, app_secret: hunter2secret, receive_id: oc_1, api_url: '{}'}}
",
        at_dingtalk.url("/robot/send?access_token=hunter2hunter2"),
        at_wecom.url("/cgi-bin/webhook/send?key=hunter2hunter2"),
        at_wechat.url("/cgi-bin/"),
        at_feishu.url("/open-apis/bot/v2/hook/hunter2hunter2"),
        at_app.url(""),
    );
    fs::write(directory.path().join("alertmanager.yml"), config).unwrap();
    let port = free_port();
    let log = fs::File::create(directory.path().join("log")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_watchfire"))
        .current_dir(directory.path())
        .args([
            &format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=",
            "--log.level=debug",
        ])
        .stderr(Stdio::from(log))
        .spawn();
    let node = Node(child.unwrap());
    until("the node is ready", async || {
        ask(port, "GET", "/-/ready", "").await == Some(200)
    })
    .await;
    let labels = json!({"alertname": "磁盘满", "severity": "critical", "instance": "a:9100"});
    let alerts = json!([{"labels": labels, "annotations": {"summary": "快满了"}}]);
    let posted = ask(port, "POST", "/api/v2/alerts", &alerts.to_string()).await;
    assert_eq!(posted, Some(200));

    let groups = [
        &dingtalk.group,
        &wecom.group,
        &wechat.told,
        &feishu.group,
        &app.told,
    ];
    until("each has its message", async || {
        groups.iter().all(|group| !group.lock().unwrap().is_empty())
    })
    .await;
    for group in groups {
        let messages: Vec<Value> = group.lock().unwrap().clone();
        let shown = format!("{messages:?}");
        assert_eq!(messages.len(), 1, "{shown}");
        assert!(shown.contains("磁盘满"), "{shown}");
    }
    let text = dingtalk.group.lock().unwrap()[0]["markdown"]["text"].to_string();
    assert!(text.contains("@138 @u1"), "{text}");
    assert_eq!(at_dingtalk.requests().len(), 2);
    drop(node);
    let log = fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(!log.contains("hunter2"), "{log}");
}
