//! The requests of the differential test, in order: what clients send, and what they should not.
//!
//! In paths and bodies `{+60}` is the moment 60 s from the start and `<name>` the id that a step before saved as `name`.
//! No two moments are equal: where two silences end together, each server lists them by its own random ids.

use std::sync::{
    LazyLock,
    atomic::{AtomicI64, Ordering},
};

use jiff::{SignedDuration, Timestamp};
use regex::{Captures, Regex};

/// The configuration of both servers: nothing is sent, everything is routed, grouped and inhibited.
pub(crate) const CONFIG: &str = "
route:
  receiver: default
  group_by: [alertname, cluster]
  group_wait: 1h
  routes:
  - matchers: ['team=\"db\"']
    receiver: db
    group_by: ['...']
    continue: true
  - matchers: ['service=~\"web.*\"', 'severity!=\"info\"']
    receiver: web.team
    group_by: [instance]
  - match: {quoted: 'a\"b'}
    receiver: db
inhibit_rules:
- source_matchers: ['severity=\"critical\"']
  target_matchers: ['severity=\"warning\"']
  equal: [cluster]
receivers: [{name: default}, {name: db}, {name: web.team}]
";

/// One request to both servers.
pub(crate) struct Step {
    /// Unique; the list of differences refers to it.
    pub(crate) title: &'static str,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
    /// Under which name the `silenceID` of the answer is kept.
    pub(crate) saves: Option<&'static str>,
    pub(crate) compares_body: bool,
}

impl Step {
    fn new(title: &'static str, method: &'static str, path: &str) -> Self {
        Self {
            title,
            method,
            path: with_moments(path),
            headers: Vec::new(),
            body: None,
            saves: None,
            compares_body: true,
        }
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn body(mut self, body: &str) -> Self {
        self.body = Some(with_moments(body).into_bytes());
        self
    }

    fn bytes(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    fn json(self, body: &str) -> Self {
        self.body(body).header("Content-Type", "application/json")
    }

    fn saves(mut self, name: &'static str) -> Self {
        self.saves = Some(name);
        self
    }

    /// Only status and headers are compared.
    fn ignoring_body(mut self) -> Self {
        self.compares_body = false;
        self
    }
}

static MOMENT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{([+-]\d+)\}").unwrap());

static START: LazyLock<Timestamp> = LazyLock::new(Timestamp::now);

/// How many moments were written: each is a millisecond earlier than the one before, so that none is ahead.
static WRITTEN: AtomicI64 = AtomicI64::new(0);

fn with_moments(text: &str) -> String {
    MOMENT
        .replace_all(text, |found: &Captures<'_>| {
            let written = WRITTEN.fetch_add(1, Ordering::Relaxed);
            let moment = *START + SignedDuration::from_secs(found[1].parse().unwrap())
                - SignedDuration::from_millis(written);
            format!("{moment:.3}")
        })
        .into_owned()
}

fn get(title: &'static str, path: &str) -> Step {
    Step::new(title, "GET", path)
}

fn alerts(title: &'static str, body: &str) -> Step {
    Step::new(title, "POST", "/api/v2/alerts").json(body)
}

fn silences(title: &'static str, body: &str) -> Step {
    Step::new(title, "POST", "/api/v2/silences").json(body)
}

/// A silence with the given matchers (JSON), start and end.
fn silence(title: &'static str, matchers: &str, start: &str, end: &str) -> Step {
    silences(
        title,
        &format!(
            r#"{{"matchers":[{matchers}],"startsAt":"{start}","endsAt":"{end}","createdBy":"me","comment":"why"}}"#
        ),
    )
}

/// An equality matcher in JSON.
fn equal(name: &str, value: &str) -> String {
    format!(r#"{{"name":"{name}","value":"{value}","isRegex":false,"isEqual":true}}"#)
}

pub(crate) fn script() -> Vec<Step> {
    let mut steps = Vec::new();
    steps.extend(empty_server());
    steps.extend(good_alerts());
    steps.extend(bad_alerts());
    steps.extend(alert_queries());
    steps.extend(group_queries());
    steps.extend(good_silences());
    steps.extend(silence_queries());
    steps.extend(bad_silences());
    steps.extend(silence_updates());
    steps.extend(resolving());
    steps.extend(transport());
    steps.extend(taken_by_one());
    steps
}

fn empty_server() -> Vec<Step> {
    vec![
        get("healthy", "/-/healthy"),
        Step::new("healthy, HEAD", "HEAD", "/-/healthy"),
        get("ready", "/-/ready"),
        Step::new("ready, HEAD", "HEAD", "/-/ready"),
        Step::new("ready, POST", "POST", "/-/ready"),
        get("reload, GET", "/-/reload"),
        Step::new("reload, PUT", "PUT", "/-/reload"),
        Step::new("reload", "POST", "/-/reload"),
        get("no alerts", "/api/v2/alerts"),
        get("no groups", "/api/v2/alerts/groups"),
        get("no silences", "/api/v2/silences"),
        get("receivers", "/api/v2/receivers"),
        get("status", "/api/v2/status").ignoring_body(),
        get("api root without slash", "/api/v2"),
        get("api root", "/api/v2/"),
        get("unknown api path", "/api/v2/foo"),
        get("unknown api path below alerts", "/api/v2/alerts/foo/bar"),
        get("api path with a slash at its end", "/api/v2/alerts/"),
        get("api path with two slashes", "/api/v2//alerts"),
        get("unknown path", "/nope"),
        get("unknown path below -", "/-/nope"),
        get("unknown api version", "/api/v9/alerts"),
        get("api v1 unknown path", "/api/v1/nope"),
        get("api v1 status", "/api/v1/status").ignoring_body(),
        get("api v1 alerts", "/api/v1/alerts").ignoring_body(),
    ]
}

fn good_alerts() -> Vec<Step> {
    vec![
        alerts("no alert at all", "[]"),
        alerts("null for the list", "null"),
        alerts(
            "an alert with labels only",
            r#"[{"labels":{"alertname":"Plain"}}]"#,
        ),
        get("that alert", "/api/v2/alerts"),
        alerts(
            "a complete alert",
            r#"[{"labels":{"alertname":"Full","cluster":"a","severity":"critical","team":"db"},
                "annotations":{"summary":"<b>&\"é","empty":""},
                "startsAt":"{-600}","endsAt":"{+3600}","generatorURL":"http://prometheus/graph?g0.expr=up%20%3E%200&g0.tab=1"}]"#,
        ),
        alerts(
            "an inhibited alert and a web one",
            r#"[{"labels":{"alertname":"Inhibited","cluster":"a","severity":"warning"},"startsAt":"{-60}","endsAt":"{+3600}"},
                {"labels":{"alertname":"Web","service":"webshop","severity":"page","instance":"i2"},"startsAt":"{-60}"},
                {"labels":{"alertname":"Web2","service":"webshop","severity":"page","instance":"i1"},"startsAt":"{-60}"}]"#,
        ),
        alerts(
            "an empty label value",
            r#"[{"labels":{"alertname":"EmptyLabel","gone":""},"endsAt":"{+3600}"}]"#,
        ),
        alerts(
            "a quote in a label",
            r#"[{"labels":{"alertname":"Quote","quoted":"a\"b","path":"C:\\x\n"},"endsAt":"{+3600}"}]"#,
        ),
        alerts(
            "not only ASCII in a value",
            r#"[{"labels":{"alertname":"Ünï","emoji":"🔥"},"endsAt":"{+3600}"}]"#,
        ),
        alerts(
            "unknown members",
            r#"[{"labels":{"alertname":"Extra"},"foo":[1,{"a":null}],"status":"x","endsAt":"{+3600}"}]"#,
        ),
        alerts(
            "null members",
            r#"[{"labels":{"alertname":"Nulls"},"annotations":null,"startsAt":null,"endsAt":null}]"#,
        ),
        alerts(
            "null label value",
            r#"[{"labels":{"alertname":"NullLabel","x":null},"endsAt":"{+3600}"}]"#,
        ),
        alerts(
            "empty moments",
            r#"[{"labels":{"alertname":"EmptyMoment"},"startsAt":"","endsAt":""}]"#,
        ),
        alerts(
            "end without start",
            r#"[{"labels":{"alertname":"OnlyEnd"},"endsAt":"{+1200}"}]"#,
        ),
        alerts(
            "start in the future",
            r#"[{"labels":{"alertname":"Later"},"startsAt":"{+600}","endsAt":"{+1200}"}]"#,
        ),
        alerts(
            "start in the far past",
            r#"[{"labels":{"alertname":"Old"},"startsAt":"2001-02-03T04:05:06.789Z","endsAt":"{+1200}"}]"#,
        ),
        alerts(
            "already resolved",
            r#"[{"labels":{"alertname":"Ended"},"startsAt":"{-1200}","endsAt":"{-600}"}]"#,
        ),
        alerts(
            "a moment with nanoseconds",
            r#"[{"labels":{"alertname":"Nano"},"startsAt":"2001-02-03T04:05:06.123456789Z","endsAt":"2099-01-01T00:00:00Z"}]"#,
        ),
        alerts(
            "a moment without zone",
            r#"[{"labels":{"alertname":"Zoneless"},"startsAt":"2001-02-03T04:05:06","endsAt":"2099-01-01T00:00:00"}]"#,
        ),
        alerts(
            "a moment without seconds",
            r#"[{"labels":{"alertname":"Seconds"},"startsAt":"2001-02-03T04:05Z","endsAt":"2099-01-01T00:00:00Z"}]"#,
        ),
        alerts(
            "the zero moment",
            r#"[{"labels":{"alertname":"Zero"},"startsAt":"0001-01-01T00:00:00Z","endsAt":"0001-01-01T00:00:00Z"}]"#,
        ),
        alerts(
            "the epoch",
            r#"[{"labels":{"alertname":"Epoch"},"startsAt":"1970-01-01T00:00:00Z","endsAt":"2099-01-01T00:00:00Z"}]"#,
        ),
        alerts(
            "a relative link",
            r#"[{"labels":{"alertname":"Relative"},"generatorURL":"/graph","endsAt":"{+3600}"}]"#,
        ),
        alerts(
            "an empty link",
            r#"[{"labels":{"alertname":"NoLink"},"generatorURL":"","endsAt":"{+3600}"}]"#,
        ),
        alerts(
            "a duplicate label: the last counts",
            r#"[{"labels":{"alertname":"Twice","x":"1","x":"2"},"endsAt":"{+3600}"}]"#,
        ),
        alerts(
            "the same alert twice",
            r#"[{"labels":{"alertname":"Same"},"annotations":{"n":"1"},"endsAt":"{+3600}"},{"labels":{"alertname":"Same"},"annotations":{"n":"2"},"endsAt":"{+3600}"}]"#,
        ),
        alerts(
            "an annotation name with a dot",
            r#"[{"labels":{"alertname":"Ann"},"annotations":{"ok_name":"é\u0000x"},"endsAt":"{+3600}"}]"#,
        ),
        alerts(
            "space around the list",
            " \n\t[ {\"labels\" : {\"alertname\" :\"Blank\"} , \"endsAt\":\"{+3600}\"} ] \r\n ",
        ),
        get("all alerts", "/api/v2/alerts?filter=alertname%21%3D%22%22"),
    ]
}

fn bad_alerts() -> Vec<Step> {
    vec![
        alerts("empty body", ""),
        alerts("only a brace", "{"),
        alerts("an object", "{}"),
        alerts("a string", "\"alert\""),
        alerts("a number", "1"),
        alerts("a list of numbers", "[1]"),
        alerts("a list of lists", "[[]]"),
        alerts(
            "rest after the list",
            r#"[{"labels":{"alertname":"Rest"},"endsAt":"{+3600}"}] x"#,
        ),
        alerts("two lists", "[] []"),
        alerts("a comma too much", r#"[{"labels":{"alertname":"Comma"},}]"#),
        alerts("no labels", r#"[{"annotations":{"a":"b"}}]"#),
        alerts("null labels", r#"[{"labels":null}]"#),
        alerts("empty labels", r#"[{"labels":{}}]"#),
        alerts("only empty label values", r#"[{"labels":{"a":""}}]"#),
        alerts("labels as a list", r#"[{"labels":["a"]}]"#),
        alerts("a number as label value", r#"[{"labels":{"a":1}}]"#),
        alerts(
            "a boolean as annotation",
            r#"[{"labels":{"a":"b"},"annotations":{"x":true}}]"#,
        ),
        alerts("an empty label name", r#"[{"labels":{"":"x"}}]"#),
        alerts(
            "end before start",
            r#"[{"labels":{"alertname":"Backwards"},"startsAt":"{+600}","endsAt":"{-600}"}]"#,
        ),
        alerts(
            "a bad alert beside good ones",
            r#"[{"labels":{"alertname":"Good1"},"endsAt":"{+3600}"},{"labels":{},"endsAt":"{+3600}"},{"labels":{"alertname":"Good2"},"endsAt":"{+3600}"}]"#,
        ),
        get(
            "the good ones beside it",
            "/api/v2/alerts?filter=alertname%3D~%22Good.%22",
        ),
        alerts(
            "two bad alerts",
            r#"[{"labels":{}},{"labels":{"alertname":"Backwards"},"startsAt":"{+600}","endsAt":"{-600}"}]"#,
        ),
        alerts(
            "two alerts without labels",
            r#"[{},{"labels":{"alertname":"Ok"}},{}]"#,
        ),
        alerts(
            "a moment that is none",
            r#"[{"labels":{"alertname":"X"},"startsAt":"yesterday"}]"#,
        ),
        alerts(
            "a moment as a number",
            r#"[{"labels":{"alertname":"X"},"startsAt":1700000000}]"#,
        ),
        alerts(
            "a month 13",
            r#"[{"labels":{"alertname":"X"},"startsAt":"2001-13-03T04:05:06Z"}]"#,
        ),
        alerts(
            "a link that is none",
            r#"[{"labels":{"alertname":"X"},"generatorURL":"not a url"}]"#,
        ),
        alerts(
            "a link as a number",
            r#"[{"labels":{"alertname":"X"},"generatorURL":1}]"#,
        ),
        alerts(
            "an escape that is none",
            r#"[{"labels":{"alertname":"\q"}}]"#,
        ),
        alerts("a null alert", "[null]"),
        Step::new("bytes that are no UTF-8", "POST", "/api/v2/alerts")
            .bytes(
                b"[{\"labels\":{\"alertname\":\"Bad\xff\"},\"endsAt\":\"2099-01-01T00:00:00Z\"}]",
            )
            .header("Content-Type", "application/json"),
        Step::new("a byte order mark", "POST", "/api/v2/alerts")
            .bytes(b"\xef\xbb\xbf[]")
            .header("Content-Type", "application/json"),
    ]
}

fn alert_queries() -> Vec<Step> {
    let query = |title, query: &str| get(title, &format!("/api/v2/alerts?{query}"));
    vec![
        query("filter by equality", "filter=alertname%3D%22Full%22"),
        query("filter without quotes", "filter=alertname%3DFull"),
        query("filter in braces", "filter=%7Balertname%3DFull%7D"),
        query(
            "filter with two matchers",
            "filter=alertname%3DFull%2Cteam%3Ddb",
        ),
        query("two filters", "filter=alertname%3DFull&filter=team%3Ddb"),
        query(
            "two filters that exclude each other",
            "filter=alertname%3DFull&filter=alertname%3DWeb",
        ),
        query("filter by expression", "filter=alertname%3D~%22W.*%22"),
        query("filter is anchored", "filter=alertname%3D~%22ul%22"),
        query(
            "filter by inequality",
            "filter=alertname!%3D%22Full%22&filter=cluster%3Da",
        ),
        query(
            "filter by excluded expression",
            "filter=alertname!~%22.*%5Bae%5D.*%22",
        ),
        query(
            "filter for a missing label",
            "filter=team%3D%22%22&filter=cluster%3Da",
        ),
        query("filter for a present label", "filter=team!%3D%22%22"),
        query(
            "filter for a missing label by expression",
            "filter=team%3D~%22%22&filter=alertname%3D~%22F.*%7CI.*%22",
        ),
        query(
            "filter for a present label by expression",
            "filter=team!~%22%22",
        ),
        query(
            "filter for anything",
            "filter=team%3D~%22.*%22&filter=alertname%3D~%22F.*%22",
        ),
        query("filter for something", "filter=team%3D~%22.%2B%22"),
        query(
            "filter with spaces",
            "filter=%20alertname%20%3D%20%22Full%22%20",
        ),
        query(
            "filter with a quote in it",
            "filter=quoted%3D%22a%5C%22b%22",
        ),
        query(
            "filter beyond ASCII",
            "filter=alertname%3D%22%C3%9Cn%C3%AF%22",
        ),
        query("empty filter", "filter="),
        query("filter without operator", "filter=foo"),
        query("filter without value", "filter=alertname%3D"),
        query("filter without name", "filter=%3D%22x%22"),
        query(
            "filter with a bad expression",
            "filter=alertname%3D~%22(%22",
        ),
        query("filter with an open quote", "filter=alertname%3D%22Full"),
        query("filter with an open brace", "filter=%7Balertname%3DFull"),
        query(
            "filter with a comma at its end",
            "filter=alertname%3DFull%2C",
        ),
        query(
            "filter with a Perl class",
            "filter=alertname%3D~%22%5C%5Cw%2B2%22",
        ),
        query("receiver", "receiver=db"),
        query("receiver is an expression", "receiver=d.%7Cweb.%2B"),
        query("receiver is anchored", "receiver=d"),
        query("receiver with a bad expression", "receiver=("),
        query("empty receiver", "receiver="),
        query("not active", "active=false"),
        query("not active, as 0", "active=0"),
        query("active in capitals", "active=TRUE&filter=alertname%3DFull"),
        query("active as 1", "active=1&filter=alertname%3DFull"),
        query("active as yes", "active=yes&filter=alertname%3DFull"),
        query("active as nonsense", "active=maybe&filter=alertname%3DFull"),
        query("active empty", "active=&filter=alertname%3DFull"),
        query(
            "active twice",
            "active=false&active=true&filter=alertname%3DFull",
        ),
        query("not inhibited", "inhibited=false&filter=cluster%3Da"),
        query("only inhibited", "active=false&silenced=false"),
        query(
            "not unprocessed",
            "unprocessed=false&filter=alertname%3DFull",
        ),
        query(
            "nothing at all",
            "active=false&silenced=false&inhibited=false&unprocessed=false",
        ),
        query("an unknown parameter", "foo=bar&filter=alertname%3DFull"),
        query("a semicolon in the query", "filter=alertname%3DFull;foo"),
        query("a bad percent escape", "filter=%zz"),
        query(
            "a percent escape that is no UTF-8",
            "filter=alertname%3D%22%FF%22",
        ),
        query("plus for space", "filter=alertname+%3D+Full"),
    ]
}

fn group_queries() -> Vec<Step> {
    let query = |title, query: &str| get(title, &format!("/api/v2/alerts/groups{query}"));
    vec![
        query("all groups", "?filter=alertname%21%3D%22%22"),
        query("groups of a receiver", "?receiver=db"),
        query("groups with a filter", "?filter=alertname%3DFull"),
        query("groups without active ones", "?active=false"),
        query(
            "groups without inhibited ones",
            "?inhibited=false&filter=cluster%3Da",
        ),
        query(
            "groups without silenced ones",
            "?silenced=false&receiver=web.%2A",
        ),
        query("groups, bad filter", "?filter=%7B%7B"),
        query("groups, bad receiver", "?receiver=%5B"),
        Step::new("groups, POST", "POST", "/api/v2/alerts/groups").json("[]"),
    ]
}

fn good_silences() -> Vec<Step> {
    vec![
        silence("an active silence", &equal("alertname", "Full"), "{-60}", "{+7200}").saves("active"),
        get("that silence", "/api/v2/silence/<active>"),
        get("the alert it silences", "/api/v2/alerts?filter=alertname%3DFull"),
        get("only silenced alerts", "/api/v2/alerts?active=false&inhibited=false"),
        get("a silenced source still inhibits", "/api/v2/alerts?filter=alertname%3DInhibited"),
        get("no silenced alerts", "/api/v2/alerts?silenced=false&filter=cluster%3Da"),
        get("groups with a silenced alert", "/api/v2/alerts/groups?receiver=db"),
        silence(
            "a pending silence with four kinds of matchers",
            r#"{"name":"a","value":"x","isRegex":false},{"name":"b","value":"y.*|z","isRegex":true,"isEqual":true},
               {"name":"c","value":"","isRegex":false,"isEqual":false},{"name":"d","value":"[ab]+","isRegex":true,"isEqual":false}"#,
            "{+3600}",
            "{+7200}",
        )
        .saves("pending"),
        get("that pending silence", "/api/v2/silence/<pending>"),
        silences(
            "a silence without author and comment",
            r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"{+0}","endsAt":"{+600}","createdBy":"","comment":""}"#,
        )
        .saves("anonymous"),
        silences(
            "a silence with an empty id",
            r#"{"id":"","matchers":[{"name":"a","value":"c","isRegex":false}],"startsAt":"{+0}","endsAt":"{+1200}","createdBy":"<b>","comment":"é\n\"&<>\""}"#,
        )
        .saves("empty id"),
        silences(
            "a silence with unknown members",
            r#"{"foo":1,"status":{"state":"x"},"updatedAt":"{+0}","matchers":[{"name":"a","value":"d","isRegex":false,"x":1}],"startsAt":"{+0}","endsAt":"{+1800}","createdBy":"me","comment":"c"}"#,
        )
        .saves("unknown members"),
        silence("a silence by a label that is not there", r#"{"name":"nolabel","value":"","isRegex":false},{"name":"alertname","value":"Web","isRegex":false}"#, "{-60}", "{+2400}")
            .saves("nolabel"),
        get("the alert without that label", "/api/v2/alerts?filter=alertname%3D~%22Web.*%22"),
        silence("a silence with a Perl class", r#"{"name":"alertname","value":"\\w+2","isRegex":true}"#, "{-60}", "{+3000}").saves("perl"),
        get("alerts under the Perl class", "/api/v2/alerts?active=false&inhibited=false"),
    ]
}

fn silence_queries() -> Vec<Step> {
    let query = |title, query: &str| get(title, &format!("/api/v2/silences{query}"));
    vec![
        query("all silences", ""),
        query("silences without pending ones", "?pending=false"),
        query("silences without active ones", "?active=false"),
        query("silences without expired ones", "?expired=false"),
        query("silences by matcher", "?filter=alertname%3DFull"),
        query("silences by matcher kind", "?filter=alertname%3D~Full"),
        query("silences by an expression", "?filter=b%3D~%22y.*%7Cz%22"),
        query("silences by another expression", "?filter=b%3D~%22y%22"),
        query("silences by inequality", "?filter=c!%3D%22%22"),
        query(
            "silences by two matchers",
            "?filter=a%3Dx&filter=c!%3D%22%22",
        ),
        query(
            "silences by two matchers in one",
            "?filter=%7Ba%3Dx%2Cc!%3D%22%22%7D",
        ),
        query("silences by an absent matcher", "?filter=zzz%3Dx"),
        query("silences, bad filter", "?filter=foo"),
        query("silences, bad expression", "?filter=foo%3D~%22(%22"),
        get(
            "an unknown silence",
            "/api/v2/silence/00000000-0000-0000-0000-000000000000",
        ),
        get("a silence id that is none", "/api/v2/silence/foo"),
        get(
            "a silence id in capitals",
            "/api/v2/silence/00000000-0000-0000-0000-00000000ABCD",
        ),
        get("an empty silence id", "/api/v2/silence/"),
        Step::new(
            "delete an unknown silence",
            "DELETE",
            "/api/v2/silence/00000000-0000-0000-0000-000000000000",
        ),
        Step::new("delete an id that is none", "DELETE", "/api/v2/silence/foo"),
        Step::new("delete all silences", "DELETE", "/api/v2/silences"),
        Step::new("put a silence", "PUT", "/api/v2/silence/<active>"),
    ]
}

fn bad_silences() -> Vec<Step> {
    let full = |matchers: &str| {
        format!(
            r#"{{"matchers":{matchers},"startsAt":"{{+0}}","endsAt":"{{+600}}","createdBy":"me","comment":"c"}}"#
        )
    };
    vec![
        silences("silence: empty body", ""),
        silences("silence: null", "null"),
        silences("silence: empty object", "{}"),
        silences("silence: a list", "[]"),
        silences("silence: broken JSON", "{\"matchers\":"),
        silences(
            "silence: no matchers member",
            r#"{"startsAt":"{+0}","endsAt":"{+600}","createdBy":"me","comment":"c"}"#,
        ),
        silences("silence: no matcher", &full("[]")),
        silences("silence: null matchers", &full("null")),
        silences("silence: null matcher", &full("[null]")),
        silences("silence: empty matcher", &full("[{}]")),
        silences(
            "silence: matcher without isRegex",
            &full(r#"[{"name":"a","value":"b"}]"#),
        ),
        silences(
            "silence: matcher without value",
            &full(r#"[{"name":"a","isRegex":false}]"#),
        ),
        silences(
            "silence: matcher without name",
            &full(r#"[{"value":"a","isRegex":false}]"#),
        ),
        silences(
            "silence: second matcher incomplete",
            &full(r#"[{"name":"a","value":"b","isRegex":false},{"name":"c"}]"#),
        ),
        silences(
            "silence: empty name",
            &full(r#"[{"name":"","value":"b","isRegex":false}]"#),
        ),
        silences(
            "silence: isRegex as a string",
            &full(r#"[{"name":"a","value":"b","isRegex":"false"}]"#),
        ),
        silences(
            "silence: matches everything",
            &full(r#"[{"name":"a","value":"","isRegex":false}]"#),
        ),
        silences(
            "silence: matches everything by expression",
            &full(r#"[{"name":"a","value":".*","isRegex":true}]"#),
        ),
        silences(
            "silence: matches everything by two",
            &full(
                r#"[{"name":"a","value":".*","isRegex":true},{"name":"b","value":"x?","isRegex":true}]"#,
            ),
        ),
        silences(
            "silence: bad expression",
            &full(r#"[{"name":"a","value":"(","isRegex":true}]"#),
        ),
        silences(
            "silence: look-ahead",
            &full(r#"[{"name":"a","value":"(?=x)","isRegex":true}]"#),
        ),
        silence(
            "silence: ends before it starts",
            &equal("a", "b"),
            "{+600}",
            "{+60}",
        ),
        silence(
            "silence: ended already",
            &equal("a", "b"),
            "{-600}",
            "{-60}",
        ),
        silences(
            "silence: no start",
            r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"endsAt":"{+600}","createdBy":"me","comment":"c"}"#,
        ),
        silences(
            "silence: no end",
            r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"{+0}","createdBy":"me","comment":"c"}"#,
        ),
        silences(
            "silence: no author",
            r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"{+0}","endsAt":"{+600}","comment":"c"}"#,
        ),
        silences(
            "silence: no comment",
            r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"{+0}","endsAt":"{+600}","createdBy":"me"}"#,
        ),
        silences(
            "silence: zero start",
            r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"0001-01-01T00:00:00Z","endsAt":"{+600}","createdBy":"me","comment":"c"}"#,
        ),
        silences(
            "silence: bad moment",
            r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"soon","endsAt":"{+600}","createdBy":"me","comment":"c"}"#,
        ),
        silences(
            "silence: empty moments",
            r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"","endsAt":"","createdBy":"me","comment":"c"}"#,
        ),
        silences(
            "silence: unknown id",
            r#"{"id":"00000000-0000-0000-0000-000000000000","matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"{+0}","endsAt":"{+600}","createdBy":"me","comment":"c"}"#,
        ),
        silences(
            "silence: id that is none",
            r#"{"id":"foo","matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"{+0}","endsAt":"{+600}","createdBy":"me","comment":"c"}"#,
        ),
    ]
}

fn silence_updates() -> Vec<Step> {
    let update = |title, id: &str, matchers: &str, start: &str, end: &str, comment: &str| {
        silences(
            title,
            &format!(
                r#"{{"id":"{id}","matchers":[{matchers}],"startsAt":"{start}","endsAt":"{end}","createdBy":"you","comment":"{comment}"}}"#
            ),
        )
    };
    let one = |id: &str| format!("/api/v2/silence/{id}");
    vec![
        silence("a silence to update", &equal("u", "1"), "{-0}", "{+3600}").saves("u1"),
        update("another comment needs another start: a new silence", "<u1>", &equal("u", "1"), "{-300}", "{+3600}", "new").saves("u2"),
        get("the replaced one is expired", &one("<u1>")),
        update("an expired one gets a new id", "<u1>", &equal("u", "1"), "{-300}", "{+3600}", "again").saves("u3"),
        update("other matchers get a new id", "<u3>", &equal("u", "2"), "{-300}", "{+3600}", "other").saves("u4"),
        get("the one before them", &one("<u3>")),
        update("a pending one moves", "<pending>", r#"{"name":"a","value":"x","isRegex":false},{"name":"b","value":"y.*|z","isRegex":true,"isEqual":true},
               {"name":"c","value":"","isRegex":false,"isEqual":false},{"name":"d","value":"[ab]+","isRegex":true,"isEqual":false}"#, "{+1800}", "{+9000}", "moved").saves("moved"),
        get("the moved one", &one("<pending>")),
        update("a pending one with its matchers turned", "<pending>", r#"{"name":"d","value":"[ab]+","isRegex":true,"isEqual":false},{"name":"a","value":"x","isRegex":false},{"name":"b","value":"y.*|z","isRegex":true,"isEqual":true},
               {"name":"c","value":"","isRegex":false,"isEqual":false}"#, "{+1800}", "{+9600}", "turned").saves("turned"),
        get("the turned one", &one("<pending>")),
        Step::new("delete an active one", "DELETE", &one("<active>")),
        get("the deleted one", &one("<active>")),
        Step::new("delete it again", "DELETE", &one("<active>")),
        get("its alert is free", "/api/v2/alerts?filter=alertname%3DFull"),
        Step::new("delete a pending one", "DELETE", &one("<pending>")),
        get("the deleted pending one", &one("<pending>")),
        get("only expired ones", "/api/v2/silences?active=false&pending=false"),
        get("silences at the end", "/api/v2/silences"),
    ]
}

fn resolving() -> Vec<Step> {
    vec![
        alerts(
            "resolve",
            r#"[{"labels":{"alertname":"Full","cluster":"a","severity":"critical","team":"db"},"startsAt":"{-600}","endsAt":"{-1}"}]"#,
        ),
        get(
            "resolved alerts are hidden",
            "/api/v2/alerts?filter=cluster%3Da",
        ),
        get(
            "no resolved ones in groups",
            "/api/v2/alerts/groups?receiver=db",
        ),
        alerts(
            "fire again",
            r#"[{"labels":{"alertname":"Full","cluster":"a","severity":"critical","team":"db"},"annotations":{"second":"time"},"startsAt":"{+0}","endsAt":"{+3600}"}]"#,
        ),
        get("firing again", "/api/v2/alerts?filter=cluster%3Da"),
        alerts(
            "shorter: merged",
            r#"[{"labels":{"alertname":"Full","cluster":"a","severity":"critical","team":"db"},"annotations":{"third":"time"},"startsAt":"{+0}","endsAt":"{+1800}"}]"#,
        ),
        get(
            "after a shorter one",
            "/api/v2/alerts?filter=alertname%3DFull",
        ),
        alerts(
            "earlier start: merged",
            r#"[{"labels":{"alertname":"Full","cluster":"a","severity":"critical","team":"db"},"startsAt":"{-900}","endsAt":"{+2400}"}]"#,
        ),
        get(
            "after an earlier start",
            "/api/v2/alerts?filter=alertname%3DFull",
        ),
        alerts(
            "a later start: merged",
            r#"[{"labels":{"alertname":"Full","cluster":"a","severity":"critical","team":"db"},"startsAt":"{-300}","endsAt":"{+2400}"}]"#,
        ),
        get(
            "after a later start",
            "/api/v2/alerts?filter=alertname%3DFull",
        ),
        get(
            "all groups at the end",
            "/api/v2/alerts/groups?filter=alertname%21%3D%22%22",
        ),
        get(
            "all alerts at the end",
            "/api/v2/alerts?filter=alertname%21%3D%22%22",
        ),
    ]
}

fn transport() -> Vec<Step> {
    let alerts = |title| Step::new(title, "POST", "/api/v2/alerts").body("[]");
    vec![
        alerts("no content type"),
        alerts("text/plain").header("Content-Type", "text/plain"),
        alerts("a form").header("Content-Type", "application/x-www-form-urlencoded"),
        alerts("JSON with a charset").header("Content-Type", "application/json; charset=utf-8"),
        alerts("JSON in capitals").header("Content-Type", "Application/JSON"),
        alerts("a vendor's JSON").header("Content-Type", "application/vnd.api+json"),
        alerts("a content type that is none").header("Content-Type", "json"),
        alerts("an empty content type").header("Content-Type", ""),
        Step::new("no content type, no body", "POST", "/api/v2/alerts"),
        Step::new("content type, no body", "POST", "/api/v2/alerts")
            .header("Content-Type", "application/json"),
        get("Accept JSON", "/api/v2/receivers").header("Accept", "application/json"),
        get("Accept text", "/api/v2/receivers").header("Accept", "text/html"),
        get("Accept a list", "/api/v2/receivers")
            .header("Accept", "text/html, application/json;q=0.5, */*;q=0.1"),
        get("Accept nothing known", "/api/v2/foo").header("Accept", "image/png"),
        Step::new("PUT alerts", "PUT", "/api/v2/alerts").json("[]"),
        Step::new("DELETE alerts", "DELETE", "/api/v2/alerts"),
        Step::new("PATCH silences", "PATCH", "/api/v2/silences").json("{}"),
        Step::new("HEAD alerts", "HEAD", "/api/v2/alerts"),
        Step::new("OPTIONS alerts", "OPTIONS", "/api/v2/alerts"),
        Step::new("POST status", "POST", "/api/v2/status"),
        Step::new("POST receivers", "POST", "/api/v2/receivers").json("{}"),
        Step::new(
            "POST a single silence",
            "POST",
            "/api/v2/silence/00000000-0000-0000-0000-000000000000",
        )
        .json("{}"),
        Step::new("a made-up method", "BREW", "/api/v2/alerts"),
        get("with an origin", "/api/v2/receivers").header("Origin", "http://elsewhere.example"),
        get("an error with an origin", "/api/v2/alerts?filter=foo")
            .header("Origin", "http://elsewhere.example"),
        Step::new("preflight for GET", "OPTIONS", "/api/v2/alerts")
            .header("Origin", "http://elsewhere.example")
            .header("Access-Control-Request-Method", "GET"),
        Step::new(
            "preflight for POST with a header",
            "OPTIONS",
            "/api/v2/silences",
        )
        .header("Origin", "http://elsewhere.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type"),
        Step::new(
            "preflight for DELETE",
            "OPTIONS",
            "/api/v2/silence/00000000-0000-0000-0000-000000000000",
        )
        .header("Origin", "http://elsewhere.example")
        .header("Access-Control-Request-Method", "DELETE"),
        get("metrics", "/metrics").ignoring_body(),
        get("the page", "/").ignoring_body(),
        Step::new("HEAD of the page", "HEAD", "/").ignoring_body(),
        Step::new("POST to the page", "POST", "/").ignoring_body(),
    ]
}

/// What one of the servers takes and the other does not; last, since it shows in what comes after.
fn taken_by_one() -> Vec<Step> {
    vec![
        alerts("a space in a label name", r#"[{"labels":{"a b":"x"}}]"#),
        alerts(
            "a digit first in a label name",
            r#"[{"labels":{"1a":"x"}}]"#,
        ),
        alerts(
            "a letter with dots in a label name",
            r#"[{"labels":{"ä":"x"}}]"#,
        ),
        alerts(
            "a dot in an annotation name",
            r#"[{"labels":{"odd":"DotAnn"},"annotations":{"a.b":"x"}}]"#,
        ),
        alerts(
            "a moment with a space",
            r#"[{"labels":{"odd":"Space"},"startsAt":"2001-02-03 04:05:06Z","endsAt":"2099-01-01T00:00:00Z"}]"#,
        ),
        alerts(
            "a date only",
            r#"[{"labels":{"odd":"Date"},"startsAt":"2001-02-03","endsAt":"2099-01-01T00:00:00Z"}]"#,
        ),
        alerts(
            "a zone without colon",
            r#"[{"labels":{"odd":"ZoneShort"},"startsAt":"2001-02-03T04:05:06+0200","endsAt":"2099-01-01T00:00:00Z"}]"#,
        ),
        alerts(
            "a half surrogate",
            r#"[{"labels":{"odd":"Half\ud800"},"endsAt":"{+3600}"}]"#,
        ),
        alerts(
            "a moment with a zone",
            r#"[{"labels":{"alertname":"Zone"},"startsAt":"2001-02-03T04:05:06+02:00","endsAt":"2099-01-01T00:00:00-05:00"}]"#,
        ),
        silences(
            "silence: bad name",
            r#"{"matchers":[{"name":"a b","value":"b","isRegex":false}],"startsAt":"{+0}","endsAt":"{+600}","createdBy":"me","comment":"c"}"#,
        ),
        get(
            "the moment with a zone",
            "/api/v2/alerts?filter=alertname%3DZone",
        ),
    ]
}
