//! Answers held against the contract: upstream's, where it is at hand, and our own.

use serde_json::{Map, Value};

use super::testing::{api, endpoint_status, get, post, querying};

/// Says what of `value` breaks `schema`; `strict` forbids members that the schema does not name.
struct Check<'c> {
    contract: &'c Value,
    strict: bool,
    broken: Vec<String>,
}

impl Check<'_> {
    fn resolve<'v>(&'v self, schema: &'v Value) -> &'v Value {
        match schema["$ref"].as_str() {
            Some(path) => self.contract.pointer(&path[1..]).expect("a definition"),
            None => schema,
        }
    }

    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        let schema = self.resolve(schema).clone();
        if let Some(parts) = schema["allOf"].as_array() {
            let known = self.known(&schema);
            self.unknown_members(&known, value, at);
            for part in parts {
                let strict = std::mem::take(&mut self.strict);
                self.value(part, value, at);
                self.strict = strict;
            }
            return;
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            self.broken
                .push(format!("{at}: {value} is none of {allowed:?}"));
        }
        let ok = match schema["type"].as_str() {
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_u64() || value.is_i64(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            other => panic!("{at}: type {other:?}"),
        };
        if !ok {
            self.broken
                .push(format!("{at}: {value} is no {}", schema["type"]));
            return;
        }
        if schema["format"] == "date-time" {
            let text = value.as_str().unwrap();
            if text.len() != 24 || !text.ends_with('Z') || text.parse::<jiff::Timestamp>().is_err()
            {
                self.broken.push(format!("{at}: {text} is no time"));
            }
        }
        if let Some(elements) = value.as_array() {
            if (elements.len() as u64) < schema["minItems"].as_u64().unwrap_or(0) {
                self.broken.push(format!("{at}: too few"));
            }
            for (i, element) in elements.iter().enumerate() {
                self.value(&schema["items"], element, &format!("{at}[{i}]"));
            }
        }
        if let Some(members) = value.as_object() {
            self.object(&schema, members, at);
        }
    }

    fn object(&mut self, schema: &Value, members: &Map<String, Value>, at: &str) {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !members.contains_key(name.as_str().unwrap()) {
                self.broken.push(format!("{at}: {name} is missing"));
            }
        }
        let additional = &schema["additionalProperties"];
        for (name, value) in members {
            let at = format!("{at}.{name}");
            match schema["properties"].get(name) {
                Some(property) => self.value(&property.clone(), value, &at),
                None if !additional.is_null() => self.value(&additional.clone(), value, &at),
                None if self.strict => self.broken.push(format!("{at}: unknown")),
                None => {}
            }
        }
    }

    fn known(&self, schema: &Value) -> Vec<String> {
        let schema = self.resolve(schema);
        let own = schema["properties"].as_object().into_iter().flatten();
        let mut known: Vec<_> = own.map(|(name, _)| name.clone()).collect();
        for part in schema["allOf"].as_array().into_iter().flatten() {
            known.extend(self.known(part));
        }
        known
    }

    fn unknown_members(&mut self, known: &[String], value: &Value, at: &str) {
        for name in value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            if self.strict && !known.contains(name) {
                self.broken.push(format!("{at}.{name}: unknown"));
            }
        }
    }
}

fn check(contract: &Value, operation: &str, strict: bool, answer: &str) {
    let schema = contract
        .pointer(operation)
        .unwrap_or_else(|| panic!("no {operation}"));
    let mut check = Check {
        contract,
        strict,
        broken: Vec::new(),
    };
    let value = serde_json::from_str(answer).unwrap();
    check.value(schema, &value, operation);
    assert_eq!(check.broken, Vec::<String>::new(), "{answer}");
}

/// Where the schema of an answer stands.
fn place(path: &str, method: &str) -> String {
    format!(
        "/paths/{}/{method}/responses/200/schema",
        path.replace('/', "~1")
    )
}

/// An alert of every kind, a silence, and the paths that list them.
async fn answers() -> Vec<(String, String, String)> {
    let api = api();
    let alerts = r#"[{"labels":{"alertname":"A","severity":"critical"},"annotations":{"s":"x"},"generatorURL":"http://p/g"},
        {"labels":{"alertname":"A","severity":"warning"}},{"labels":{"alertname":"B","team":"db"}},{"labels":{"alertname":"C"}}]"#;
    assert_eq!(post(&api, "/api/v2/alerts", alerts).await.status, 200);
    let silence = r#"{"matchers":[{"name":"alertname","value":"C|D","isRegex":true}],"startsAt":"2026-11-21T18:00:00Z",
        "endsAt":"2030-01-01T00:00:00Z","createdBy":"me","comment":"c","annotations":{"k":"v"}}"#;
    let created = post(&api, "/api/v2/silences", silence).await.body;
    let id = created[14..50].to_owned();
    let mut answers = vec![("/silences".to_owned(), "post".to_owned(), created)];
    for (path, ask) in [
        ("/status", "/status".to_owned()),
        ("/receivers", "/receivers".to_owned()),
        ("/cluster", "/cluster".to_owned()),
        ("/endpoints", "/endpoints".to_owned()),
        ("/alerts", "/alerts".to_owned()),
        ("/alerts/groups", "/alerts/groups".to_owned()),
        ("/silences", "/silences".to_owned()),
        ("/silence/{silenceID}", format!("/silence/{id}")),
        ("/notifications", "/notifications".to_owned()),
        (
            "/alerts/{fingerprint}/explain",
            "/alerts/25c2cdb12d31dc50/explain".to_owned(),
        ),
    ] {
        let answer = get(&api, &format!("/api/v2{ask}")).await;
        assert_eq!(answer.status, 200, "{ask}: {}", answer.body);
        answers.push((path.to_owned(), "get".to_owned(), answer.body));
    }
    let labels = r#"{"labels":{"alertname":"A","team":"db"}}"#;
    let queries = querying(endpoint_status());
    let endpoints = get(&queries, "/api/v2/endpoints").await;
    answers.push(("/endpoints".to_owned(), "get".to_owned(), endpoints.body));
    let tested = post(&api, "/api/v2/routes/test", labels).await.body;
    answers.push(("/routes/test".to_owned(), "post".to_owned(), tested));
    answers
}

#[tokio::test]
async fn answers_keep_our_contract_to_the_letter() {
    let contract: Value = serde_yaml::from_str(include_str!("openapi.yaml")).unwrap();
    for (path, method, answer) in answers().await {
        check(&contract, &place(&path, &method), true, &answer);
    }
    let served = get(&api(), "/api/v2/openapi.yaml").await;
    assert_eq!(served.body, include_str!("openapi.yaml"));
}

#[tokio::test]
async fn answers_keep_upstreams_contract() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/data/api/openapi-v2.yaml"
    );
    let Ok(text) = std::fs::read_to_string(file) else {
        println!("skipped: ../shared/data is not here");
        return;
    };
    let contract: Value = serde_yaml::from_str(&text).unwrap();
    let own: Value = serde_yaml::from_str(include_str!("openapi.yaml")).unwrap();
    for (path, method, answer) in answers().await {
        if contract["paths"].get(&path).is_some() {
            check(&contract, &place(&path, &method), false, &answer);
        } else {
            assert_eq!(own["paths"][&path]["x-added"], true, "{path}");
        }
    }
    for (path, operations) in contract["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            assert!(own["paths"][path].get(method).is_some(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn an_explanation_tells_route_group_and_timers() {
    let (_, _, explained) = answers().await.swap_remove(10);
    let explained: Value = serde_json::from_str(&explained).unwrap();
    assert_eq!(
        explained["alert"]["status"]["inhibitedBy"][0],
        "b807e636403824b5"
    );
    let group = &explained["groups"][0];
    assert_eq!(group["receiver"], "hook");
    assert_eq!(group["groupKey"], "{}:{alertname=\"A\"}");
    assert_eq!(group["groupWait"], "30s");
    assert_eq!(group["nextFlush"], "2026-11-21T19:00:30.000Z");
    let api = api();
    for (path, status) in [
        ("x", 422),
        ("0000000000000000", 404),
        ("+00000000000000f", 422),
    ] {
        let answer = get(&api, &format!("/api/v2/alerts/{path}/explain")).await;
        assert_eq!(answer.status, status, "{path}");
    }
    assert_eq!(post(&api, "/api/v2/routes/test", "{}").await.status, 422);
    assert_eq!(
        post(&api, "/api/v2/routes/test", "{\"labels\":{\"a\":1}}")
            .await
            .status,
        400
    );
}
