//! Fake vendors that have tokens, signatures, sizes and rates. Each is written from what the vendor says, not from our
//! code: signatures are computed anew here.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use serde_json::{Value, json};

use crate::{
    clock::{Allowance, unix},
    server::{Reply, Request},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: f64 = 3600.0;

fn hmac_sha256(key: &str, message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, message.as_bytes()))
}

fn code(key: &str, code: i64, words: &str, message: &str) -> Reply {
    Reply::json(200, &json!({ key: code, words: message }))
}

/// A robot of DingTalk that asks for a signature and takes 20 messages a minute.
pub(crate) struct DingTalkRobot {
    pub(crate) secret: &'static str,
    pub(crate) most: usize,
    pub(crate) keyword: &'static str,
    pub(crate) allowance: Allowance,
    /// The bodies of messages that are in the group.
    pub(crate) group: Mutex<Vec<Value>>,
}

impl DingTalkRobot {
    pub(crate) fn new(secret: &'static str) -> Self {
        Self {
            secret,
            most: 20_000,
            keyword: "",
            allowance: Allowance::new(20, MINUTE, 10 * MINUTE),
            group: Mutex::default(),
        }
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let refuse = |errcode, errmsg: &str| code("errcode", errcode, "errmsg", errmsg);
        if request.query("access_token").as_deref() != Some("hunter2hunter2") {
            return refuse(300_001, "token is not exist");
        }
        if !self.allowance.takes() {
            let gateway = json!({"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "errcode": 130_101});
            return Reply::json(200, &gateway);
        }
        if !self.secret.is_empty() {
            let timestamp = request.query("timestamp").unwrap_or_default();
            let off = unix() - timestamp.parse::<f64>().unwrap_or_default() / 1000.0;
            if off.abs() > HOUR {
                return refuse(310_000, "description:时间戳无效;solution:x");
            }
            let expect = hmac_sha256(self.secret, &format!("{timestamp}\n{}", self.secret));
            if request.query("sign") != Some(expect) {
                return refuse(310_000, "sign not match");
            }
        }
        if request.body.len() > self.most {
            return refuse(460_101, "message too long, exceed 20000 bytes");
        }
        let body = request.json();
        let kind = body["msgtype"].as_str().unwrap_or_default();
        if !["text", "markdown", "actionCard"].contains(&kind) || body[kind].is_null() {
            return refuse(400_105, "unsupported msgtype");
        }
        if !request.text().contains(self.keyword) {
            return refuse(310_000, "keywords not in content");
        }
        self.group.lock().unwrap().push(body);
        refuse(0, "ok")
    }
}

/// Tokens that are counted, and forgotten before their time.
#[derive(Default)]
pub(crate) struct TokenDesk {
    pub(crate) asked: AtomicUsize,
    valid: Mutex<Option<String>>,
}

impl TokenDesk {
    /// A token: the same one again while it is valid.
    fn give(&self) -> String {
        self.asked.fetch_add(1, Relaxed);
        let mut valid = self.valid.lock().unwrap();
        let number = self.asked.load(Relaxed);
        valid
            .get_or_insert_with(|| format!("hunter2-token-{number}"))
            .clone()
    }

    pub(crate) fn expire(&self) {
        *self.valid.lock().unwrap() = None;
    }

    fn takes(&self, token: Option<&str>) -> bool {
        token.is_some() && self.valid.lock().unwrap().as_deref() == token
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }
}

/// An application of DingTalk.
#[derive(Default)]
pub(crate) struct DingTalkApp {
    pub(crate) desk: TokenDesk,
    pub(crate) told: Mutex<Vec<Value>>,
}

impl DingTalkApp {
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let body = request.json();
        let refuse = |status, code: &str| {
            Reply::json(
                status,
                &json!({"code": code, "message": "no", "requestid": "r"}),
            )
        };
        if request.path() == "/v1.0/oauth2/accessToken" {
            if body["appKey"] != "key" || body["appSecret"] != "hunter2secret" {
                return refuse(400, "invalidClientIdOrSecret");
            }
            let token = self.desk.give();
            return Reply::json(200, &json!({"accessToken": token, "expireIn": 7200}));
        }
        if !self
            .desk
            .takes(request.header("x-acs-dingtalk-access-token"))
        {
            return refuse(401, "InvalidAuthentication");
        }
        if body["robotCode"] != "robot" {
            return refuse(400, "invalidParameter.robotCode.auth");
        }
        let parameters = body["msgParam"].as_str().unwrap_or_default();
        if parameters.len() > 15_000 || serde_json::from_str::<Value>(parameters).is_err() {
            return refuse(400, "invalidParameter.msgParam.invalid");
        }
        let to = match request.path() {
            "/v1.0/robot/oToMessages/batchSend" => "userIds",
            "/v1.0/robot/groupMessages/send" => "openConversationId",
            _ => return refuse(404, "InvalidAction.NotFound"),
        };
        if body[to].is_null() {
            return refuse(400, "invalidParameter.param.invalid");
        }
        self.told.lock().unwrap().push(body);
        Reply::json(
            200,
            &json!({"processQueryKey": "k", "invalidStaffIdList": []}),
        )
    }
}

/// A robot of WeCom.
pub(crate) struct WecomRobot {
    allowance: Allowance,
    pub(crate) group: Mutex<Vec<Value>>,
}

impl WecomRobot {
    pub(crate) fn new() -> Self {
        Self {
            allowance: Allowance::new(20, MINUTE, MINUTE),
            group: Mutex::default(),
        }
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let refuse = |errcode, errmsg: &str| code("errcode", errcode, "errmsg", errmsg);
        if request.query("key").as_deref() != Some("hunter2hunter2") {
            return refuse(93_000, "invalid webhook url, hint: [x]");
        }
        if !self.allowance.takes() {
            return refuse(45_009, "api freq out of limit");
        }
        let body = request.json();
        let most = match body["msgtype"].as_str() {
            Some("text") => 2048,
            Some("markdown" | "markdown_v2") => 4096,
            _ => return refuse(40_008, "invalid message type"),
        };
        let content = &body[body["msgtype"].as_str().unwrap()]["content"];
        match content.as_str() {
            Some(content) if content.len() > most => {
                refuse(40_058, "markdown.content exceed max length 4096")
            }
            Some(content) if !content.is_empty() => {
                self.group.lock().unwrap().push(body);
                refuse(0, "ok")
            }
            _ => refuse(44_004, "empty content"),
        }
    }
}

/// An application of WeCom; only `u1`, `u2` and `@all` are users.
#[derive(Default)]
pub(crate) struct WecomApp {
    pub(crate) desk: TokenDesk,
    seen: Mutex<BTreeSet<String>>,
    pub(crate) told: Mutex<Vec<Value>>,
}

impl WecomApp {
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let refuse = |errcode, errmsg: &str| code("errcode", errcode, "errmsg", errmsg);
        if request.path().ends_with("/gettoken") {
            let known = request.query("corpid").as_deref() == Some("corp")
                && request.query("corpsecret").as_deref() == Some("hunter2secret");
            if request.method != "GET" || !known {
                return refuse(40_001, "invalid credential");
            }
            let token = self.desk.give();
            return Reply::json(
                200,
                &json!({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7200}),
            );
        }
        if !self.desk.takes(request.query("access_token").as_deref()) {
            return refuse(42_001, "access_token expired");
        }
        let body = request.json();
        let users = body["touser"].as_str().unwrap_or_default().to_owned();
        let to = users.split('|');
        let (known, unknown): (Vec<_>, Vec<_>) =
            to.partition(|user| ["u1", "u2", "@all"].contains(user));
        if known.is_empty() {
            return refuse(81_013, "user & party & tag all invalid");
        }
        let kind = body["msgtype"].as_str().unwrap_or_default();
        if body[kind]["content"]
            .as_str()
            .is_none_or(|text| text.len() > 2048)
        {
            return refuse(45_002, "content size out of limit");
        }
        let is_new = self.seen.lock().unwrap().insert(request.text().to_owned());
        if is_new || body["enable_duplicate_check"] != 1 {
            self.told.lock().unwrap().push(body);
        }
        let unknown = unknown.join("|");
        Reply::json(
            200,
            &json!({"errcode": 0, "errmsg": "ok", "invaliduser": unknown, "msgid": "m"}),
        )
    }
}

/// A robot of Feishu.
pub(crate) struct FeishuRobot {
    pub(crate) secret: &'static str,
    minute: Allowance,
    second: Allowance,
    pub(crate) group: Mutex<Vec<Value>>,
}

impl FeishuRobot {
    pub(crate) fn new(secret: &'static str) -> Self {
        Self {
            secret,
            minute: Allowance::new(100, MINUTE, Duration::ZERO),
            second: Allowance::new(5, Duration::from_secs(1), Duration::ZERO),
            group: Mutex::default(),
        }
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let refuse = |number, msg: &str| code("code", number, "msg", msg);
        if request.path() != "/open-apis/bot/v2/hook/hunter2hunter2" {
            return refuse(
                19_001,
                "param invalid: incoming webhook access token invalid",
            );
        }
        if !(self.second.takes() && self.minute.takes()) {
            return refuse(
                11_232,
                "frequency limited psm[lark.oapi.app_platform_runtime]",
            );
        }
        if request.body.len() > 20 * 1024 {
            return refuse(19_036, "request body too large");
        }
        let body = request.json();
        if !self.secret.is_empty() {
            let timestamp = body["timestamp"].as_str().unwrap_or_default();
            let off = unix() - timestamp.parse::<f64>().unwrap_or_default();
            let expect = hmac_sha256(&format!("{timestamp}\n{}", self.secret), "");
            if off.abs() > HOUR || body["sign"] != expect.as_str() {
                return refuse(
                    19_021,
                    "sign match fail or timestamp is not within one hour from current time",
                );
            }
        }
        let sound = match body["msg_type"].as_str() {
            Some("text") => body["content"]["text"].is_string(),
            Some("post") => body["content"]["post"].is_object(),
            Some("interactive") => body["card"]["elements"].is_array(),
            _ => false,
        };
        if !sound {
            return refuse(9499, "Bad Request");
        }
        self.group.lock().unwrap().push(body);
        Reply::json(
            200,
            &json!({"code": 0, "msg": "success", "data": {}, "StatusCode": 0, "StatusMessage": "success"}),
        )
    }
}

/// An application of Feishu.
#[derive(Default)]
pub(crate) struct FeishuApp {
    pub(crate) desk: TokenDesk,
    seen: Mutex<BTreeSet<String>>,
    pub(crate) told: Mutex<Vec<Value>>,
}

impl FeishuApp {
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let body = request.json();
        let refuse = |status, code: i64| Reply::json(status, &json!({"code": code, "msg": "no"}));
        if request.path() == "/open-apis/auth/v3/tenant_access_token/internal" {
            if body["app_id"] != "app" || body["app_secret"] != "hunter2secret" {
                return refuse(200, 10_003);
            }
            let token = self.desk.give();
            return Reply::json(
                200,
                &json!({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": 7200}),
            );
        }
        let bearer = request.header("authorization").unwrap_or_default();
        if !self.desk.takes(bearer.strip_prefix("Bearer ")) {
            return refuse(400, 99_991_663);
        }
        let content = body["content"].as_str().unwrap_or_default();
        let uuid = body["uuid"].as_str().unwrap_or_default();
        let sound = request.path() == "/open-apis/im/v1/messages"
            && request.query("receive_id_type").as_deref() == Some("chat_id")
            && body["receive_id"] == "oc_1"
            && serde_json::from_str::<Value>(content).is_ok()
            && (1..=50).contains(&uuid.len());
        if !sound {
            return refuse(400, 230_001);
        }
        if request.body.len() > 30 * 1024 {
            return refuse(400, 230_025);
        }
        if self.seen.lock().unwrap().insert(uuid.to_owned()) {
            self.told.lock().unwrap().push(body);
        }
        Reply::json(
            200,
            &json!({"code": 0, "msg": "success", "data": {"message_id": "om_1"}}),
        )
    }
}
