//! Every type of receiver against a server that answers as its vendor does, and then fails.

use std::time::Duration;

use serde_json::json;

use crate::{
    proxy::Vendor,
    send::{Sender, limited, retried, sent},
    server::{Fault, Reply, Request, Server},
};

/// A list with one entry whose address is `URL`, and how the vendor says that it took a message.
const KINDS: [(&str, &str, u16, &str); 18] = [
    ("webhook", "url: 'URL'", 200, ""),
    (
        "pagerduty",
        "routing_key: hunter2rk, url: 'URL'",
        202,
        r#"{"status":"success","dedup_key":"k"}"#,
    ),
    (
        "opsgenie",
        "api_key: hunter2ok, api_url: 'URL/'",
        202,
        r#"{"result":"Request will be processed","requestId":"r"}"#,
    ),
    ("slack", "api_url: 'URL', channel: '#a'", 200, "ok"),
    (
        "slack",
        "app_token: hunter2at, app_url: 'URL', channel: '#a'",
        200,
        r#"{"ok":true,"channel":"C1","ts":"1.2"}"#,
    ),
    (
        "victorops",
        "api_key: hunter2vo, routing_key: r, api_url: 'URL/'",
        200,
        r#"{"result":"success"}"#,
    ),
    (
        "telegram",
        "api_url: 'URL', bot_token: 'hunter2:bot', chat_id: -100",
        200,
        r#"{"ok":true,"result":{"message_id":7}}"#,
    ),
    ("discord", "webhook_url: 'URL'", 204, ""),
    (
        "webex",
        "api_url: 'URL', room_id: r, http_config: {authorization: {credentials: hunter2wx}}",
        200,
        r#"{"id":"m"}"#,
    ),
    ("msteams", "webhook_url: 'URL'", 200, "1"),
    ("msteamsv2", "webhook_url: 'URL'", 202, ""),
    (
        "incidentio",
        "url: 'URL', alert_source_token: hunter2it",
        202,
        r#"{"status":"success"}"#,
    ),
    (
        "rocketchat",
        "api_url: 'URL/', token: hunter2rt, token_id: i, channel: '#a'",
        200,
        r#"{"success":true}"#,
    ),
    ("mattermost", "webhook_url: 'URL'", 200, "ok"),
    (
        "sns",
        "api_url: 'URL', topic_arn: 'arn:aws:sns:us-east-2:1:t', sigv4: {region: us-east-2, access_key: ak, secret_key: hunter2sk}",
        200,
        "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>",
    ),
    (
        "wecom_robot",
        "webhook_url: 'URL?key=hunter2hunter2'",
        200,
        r#"{"errcode":0,"errmsg":"ok"}"#,
    ),
    (
        "dingtalk",
        "webhook_url: 'URL?access_token=hunter2hunter2'",
        200,
        r#"{"errcode":0,"errmsg":"ok"}"#,
    ),
    (
        "feishu",
        "webhook_url: 'URL/hunter2hunter2'",
        200,
        r#"{"code":0,"msg":"success"}"#,
    ),
];

#[tokio::test]
async fn every_type_tells_success_from_failure() {
    for (kind, entry, status, body) in KINDS {
        let server = Server::start(move |_| Reply::status(status, body)).await;
        let entry = entry.replace("URL", &server.url("/x"));
        let sender = Sender::new(&format!("{kind}_configs: [{{{entry}}}]"));
        let verdict = sender.send("a").await;
        assert_eq!(sent(&verdict), "", "{kind}");
        assert!(server.requests()[0].text().contains("HighLoad"), "{kind}");

        for status in [500, 503] {
            server.fail([Fault::Instead(Reply::status(status, "busy"))]);
            let verdict = sender.send("a").await;
            assert!(!retried(&verdict).1, "{kind}: {verdict:?}");
        }
        let wait = vec![("Retry-After", "7".to_owned())];
        server.fail([Fault::Instead(Reply::Answer(429, wait, "{}".to_owned()))]);
        let verdict = sender.send("a").await;
        assert_eq!(limited(&verdict), Some(Duration::from_secs(7)), "{kind}");

        server.fail([Fault::Instead(Reply::Drop)]);
        let verdict = sender.send("a").await;
        assert!(retried(&verdict).1, "{kind}: {verdict:?}");
        server.fail([Fault::Instead(Reply::Hang)]);
        let data = sender.data("a");
        let verdict = sender.tell_within(data, Duration::from_millis(200)).await;
        assert!(retried(&verdict).1, "{kind}: {verdict:?}");
        assert_eq!(sent(&sender.send("a").await), "", "{kind} again");
    }
}

#[tokio::test]
async fn errors_within_a_success_are_errors() {
    for (kind, entry, body) in [
        ("slack", "api_url: 'URL', channel: '#a'", "invalid_payload"),
        (
            "slack",
            "app_token: t, app_url: 'URL', channel: '#a'",
            r#"{"ok":false,"error":"channel_not_found"}"#,
        ),
        (
            "rocketchat",
            "api_url: 'URL/', token: t, token_id: i, channel: '#a'",
            r#"{"success":false,"error":"x"}"#,
        ),
        ("dingtalk", "webhook_url: 'URL'", r#"{"errcode":300001}"#),
        ("wecom_robot", "webhook_url: 'URL'", r#"{"errcode":93000}"#),
        ("feishu", "webhook_url: 'URL'", r#"{"code":19001}"#),
        ("falcon", "url: 'URL'", "<html>log in</html>"),
    ] {
        let server = Server::start(move |_| Reply::ok(body)).await;
        let entry = entry.replace("URL", &server.url("/x"));
        let verdict = Sender::new(&format!("{kind}_configs: [{{{entry}}}]"))
            .send("a")
            .await;
        assert!(!verdict.is_sent(), "{kind}: {verdict:?}");
    }
}

#[tokio::test]
async fn pushover_is_reached_under_its_own_name() {
    let vendor = Vendor::start("api.pushover.net", |_| Reply::ok(r#"{"status":1}"#)).await;
    let http = vendor.http_config();
    let entry = format!("pushover_configs: [{{user_key: hunter2uk, token: hunter2tk, {http}}}]");
    assert_eq!(sent(&Sender::new(&entry).send("a").await), "");
    assert_eq!(vendor.proxy.asked(), ["api.pushover.net:443"]);
}

/// A tracker with the issues that were created.
fn jira(request: &Request) -> Reply {
    match (&*request.method, request.path()) {
        ("POST", "/rest/api/2/search") => Reply::json(200, &json!({"total": 0, "issues": []})),
        ("POST", "/rest/api/2/issue") => Reply::json(201, &json!({"id": "1", "key": "OPS-1"})),
        _ => Reply::status(404, ""),
    }
}

#[tokio::test]
async fn jira_searches_then_creates() {
    let server = Server::start(jira).await;
    let url = server.url("/rest/api/2");
    let sender = Sender::new(&format!(
        "jira_configs: [{{api_url: '{url}', project: OPS, issue_type: Bug, http_config: {{basic_auth: {{username: u, password: hunter2}}}}}}]"
    ));
    assert_eq!(sent(&sender.send("a").await), "");
    assert_eq!(server.requests_to("/issue").len(), 1);
}
