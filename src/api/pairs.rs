//! Requests and the answers that Alertmanager gave to them: statuses, headers, both error shapes, quirks.

use super::testing::{api, ask, get, post};

/// Status and body of a request without a body, as 0.25 answered.
#[tokio::test]
async fn refusals_without_a_body() {
    let api = api();
    for (method, path, status, body) in [
        (
            "GET",
            "/api/v2/foo",
            404,
            r#"{"code":404,"message":"path /api/v2/foo was not found"}"#,
        ),
        (
            "GET",
            "/api/v2/",
            404,
            r#"{"code":404,"message":"path /api/v2/ was not found"}"#,
        ),
        (
            "POST",
            "/api/v2/foo",
            404,
            r#"{"code":404,"message":"path /api/v2/foo was not found"}"#,
        ),
        (
            "PUT",
            "/api/v2/alerts",
            405,
            r#"{"code":405,"message":"method PUT is not allowed, but [POST,GET] are"}"#,
        ),
        (
            "OPTIONS",
            "/api/v2/alerts",
            405,
            r#"{"code":405,"message":"method OPTIONS is not allowed, but [POST,GET] are"}"#,
        ),
        (
            "POST",
            "/api/v2/status",
            405,
            r#"{"code":405,"message":"method POST is not allowed, but [GET] are"}"#,
        ),
        (
            "POST",
            "/api/v2/silence/x",
            405,
            r#"{"code":405,"message":"method POST is not allowed, but [DELETE,GET] are"}"#,
        ),
        (
            "GET",
            "/api/v2/silence/x",
            422,
            r#"{"code":601,"message":"silenceID in path must be of type uuid: \"x\""}"#,
        ),
        (
            "DELETE",
            "/api/v2/silence/x",
            422,
            r#"{"code":601,"message":"silenceID in path must be of type uuid: \"x\""}"#,
        ),
        (
            "GET",
            "/api/v2/silence/9ca5bbeb-3b6c-4703-942d-ff53bc33f15e",
            404,
            "",
        ),
        (
            "GET",
            "/api/v2/silence/9CA5BBEB3B6C4703942DFF53BC33F15E",
            404,
            "",
        ),
        (
            "DELETE",
            "/api/v2/silence/9ca5bbeb-3b6c-4703-942d-ff53bc33f15e",
            404,
            "",
        ),
        (
            "GET",
            "/api/v2/alerts?filter=foo",
            400,
            "\"bad matcher format: foo\"\n",
        ),
        (
            "GET",
            "/api/v2/alerts/groups?filter=foo",
            400,
            "\"bad matcher format: foo\"\n",
        ),
        (
            "GET",
            "/api/v2/silences?filter=foo",
            400,
            "\"bad matcher format: foo\"\n",
        ),
        (
            "GET",
            "/api/v2/alerts?receiver_matchers=foo",
            400,
            "\"failed to parse receiver_matchers param: bad matcher format: foo\"\n",
        ),
        (
            "GET",
            "/api/v2/alerts?receiver=%5B",
            400,
            "\"failed to parse receiver param: error parsing regexp: missing closing ]: `[)$`\"\n",
        ),
        ("GET", "/api/v2/alerts?active=maybe", 200, "[]\n"),
        ("GET", "/api/v2/alerts/", 200, "[]\n"),
        (
            "GET",
            "/api/v2/silences?active=false&expired=false&pending=false",
            200,
            "[]\n",
        ),
        ("GET", "/api/v2/alerts/groups", 200, "[]\n"),
        (
            "GET",
            "/api/v2/receivers",
            200,
            "[{\"labels\":{\"name\":\"hook\"},\"name\":\"hook\"},{\"labels\":{\"name\":\"dbhook\"},\"name\":\"dbhook\"}]\n",
        ),
        (
            "GET",
            "/api/v2/receivers?receiver_matchers=name%3D~%22db.*%22",
            200,
            "[{\"labels\":{\"name\":\"dbhook\"},\"name\":\"dbhook\"}]\n",
        ),
        (
            "POST",
            "/api/v2/alerts",
            422,
            r#"{"code":602,"message":"alerts in body is required"}"#,
        ),
        (
            "POST",
            "/api/v2/silences",
            422,
            r#"{"code":602,"message":"silence in body is required"}"#,
        ),
    ] {
        let answer = ask(&api, method, path, &[], "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (status, body),
            "{method} {path}"
        );
        assert_eq!(answer.headers["cache-control"], "no-store");
        let content_type = answer.headers.get("content-type");
        assert_eq!(content_type.is_some(), !body.is_empty(), "{method} {path}");
    }
}

/// Bodies of `POST /api/v2/alerts`, as 0.25 judged them (joined by line feeds since 0.27).
#[tokio::test]
async fn posted_alerts() {
    let api = api();
    for (body, status, expect) in [
        ("null", 200, ""),
        ("[]", 200, ""),
        (
            "[null]",
            422,
            r#"{"code":602,"message":"0 in body is required"}"#,
        ),
        (
            "{}",
            400,
            r#"{"code":400,"message":"parsing alerts body from \"\" failed, because json: cannot unmarshal object into Go value of type models.PostableAlerts"}"#,
        ),
        (
            "garbage",
            400,
            r#"{"code":400,"message":"parsing alerts body from \"\" failed, because invalid character 'g' looking for beginning of value"}"#,
        ),
        (
            "[{}]",
            422,
            r#"{"code":602,"message":"0.labels in body is required"}"#,
        ),
        (
            r#"[{"labels":{}}]"#,
            400,
            "\"at least one label pair required\"\n",
        ),
        (
            r#"[{"labels":{"a":""}}]"#,
            400,
            "\"at least one label pair required\"\n",
        ),
        (
            r#"[{"labels":{"a":"b"},"generatorURL":"not a url"}]"#,
            422,
            r#"{"code":601,"message":"0.generatorURL in body must be of type uri: \"not a url\""}"#,
        ),
        (
            r#"[{"labels":{"a":"b"},"startsAt":"2026-11-21T20:00:00Z","endsAt":"2026-11-21T19:00:00Z"}]"#,
            400,
            "\"start time must be before end time\"\n",
        ),
        (
            r#"[{"labels":{"":"c"}},{"labels":{"stored":"all the same"}},{"labels":{}}]"#,
            400,
            "\"invalid label set: invalid name \\\"\\\"\\nat least one label pair required\"\n",
        ),
    ] {
        let answer = post(&api, "/api/v2/alerts", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (status, expect),
            "{body}"
        );
    }
    let stored = get(&api, "/api/v2/alerts").await.body;
    assert!(stored.contains("all the same"), "{stored}");
}

#[tokio::test]
async fn content_negotiation() {
    let api = api();
    let text = [("content-type", "text/plain")];
    let answer = ask(&api, "POST", "/api/v2/alerts", &text, "[]").await;
    assert_eq!(answer.status, 415);
    let html = [("accept", "text/html")];
    let answer = ask(&api, "GET", "/api/v2/alerts", &html, "").await;
    assert_eq!(answer.status, 406);
    assert_eq!(
        answer.body,
        r#"{"code":406,"message":"unsupported media type requested, only [application/json] are available"}"#
    );
    // With a body, its type is taken for the answer's.
    let html = [
        ("accept", "text/html"),
        ("content-type", "application/json"),
    ];
    let answer = ask(&api, "POST", "/api/v2/alerts", &html, "[]").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        ask(&api, "HEAD", "/api/v2/alerts", &[], "").await.status,
        405
    );
}

#[tokio::test]
async fn hostile_bodies_are_errors() {
    let api = api();
    let deep = format!("[{}", "[".repeat(100_000));
    let nested = format!(
        r#"[{{"labels":{{"a":"b"}},"x":{}1{}}}]"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for (body, status) in [(deep, 400), (nested, 200), ("\u{0}".to_owned(), 400)] {
        let answer = post(&api, "/api/v2/alerts", &body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert_ne!(post(&api, "/api/v2/silences", &body).await.status, 200);
    }
    let huge = " ".repeat(70 << 20);
    assert_eq!(post(&api, "/api/v2/alerts", &huge).await.status, 413);
}

const SILENCE: &str = r#""startsAt":"2026-11-21T18:00:00Z","endsAt":"2030-01-01T00:00:00Z","createdBy":"me","comment":"c""#;

/// A silence from birth to end.
#[tokio::test]
async fn silences() {
    let api = api();
    for (body, status, expect) in [
        (format!(r#"{{"matchers":[{{"name":"","value":"b","isRegex":false}}],{SILENCE}}}"#), 400, "\"invalid silence: invalid label matcher 0 in set 0: invalid label name \\\"\\\"\"\n"),
        (format!(r#"{{"matchers":[{{"name":"a","value":"[","isRegex":true}}],{SILENCE}}}"#), 400, "\"invalid silence: invalid label matcher 0 in set 0: invalid regular expression \\\"[\\\": error parsing regexp: missing closing ]: `[`\"\n"),
        (format!(r#"{{"matchers":[{{"name":"a","value":"","isRegex":false}}],{SILENCE}}}"#), 400, "\"invalid silence: matcher set 0: at least one matcher must not match the empty string\"\n"),
        (format!(r#"{{"id":"nope","matchers":[{{"name":"a","value":"b","isRegex":false}}],{SILENCE}}}"#), 404, "\"silence not found\"\n"),
        (r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2020-11-21T20:00:00Z","endsAt":"2020-11-22T20:00:00Z","createdBy":"","comment":""}"#.to_owned(), 400, "\"Failed to create silence: end time can't be in the past\"\n"),
        (r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2031-11-21T20:00:00Z","endsAt":"2030-11-22T20:00:00Z","createdBy":"","comment":""}"#.to_owned(), 400, "\"Failed to create silence: start time must be before end time\"\n"),
        ("[]".to_owned(), 400, r#"{"code":400,"message":"parsing silence body from \"\" failed, because json: cannot unmarshal array into Go value of type models.PostableSilence"}"#),
    ] {
        let answer = post(&api, "/api/v2/silences", &body).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, expect), "{body}");
    }
    let body = format!(r#"{{"matchers":[{{"name":"a","value":"b","isRegex":false}}],{SILENCE}}}"#);
    let answer = post(&api, "/api/v2/silences", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let id = answer
        .body
        .strip_prefix("{\"silenceID\":\"")
        .and_then(|rest| rest.strip_suffix("\"}\n"))
        .unwrap();

    let path = format!("/api/v2/silence/{id}");
    let expect = format!(
        r#"{{"id":"{id}","status":{{"state":"active"}},"updatedAt":"2026-11-21T19:00:00.000Z","annotations":{{}},"comment":"c","createdBy":"me","endsAt":"2030-01-01T00:00:00.000Z","matchers":[{{"isEqual":true,"isRegex":false,"name":"a","value":"b"}}],"startsAt":"2026-11-21T19:00:00.000Z"}}"#
    );
    assert_eq!(get(&api, &path).await.body, format!("{expect}\n"));
    assert_eq!(
        get(&api, "/api/v2/silences?filter=a%3Db").await.body,
        format!("[{expect}]\n")
    );
    assert_eq!(
        get(&api, "/api/v2/silences?filter=a%3D~b").await.body,
        "[]\n"
    );

    for _ in 0..2 {
        let answer = ask(&api, "DELETE", &path, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
    }
}

/// The alerts, rules and silence behind the answers captured from 0.33.1.
#[tokio::test]
async fn lists_and_groups_have_the_captured_shape() {
    let api = api();
    let posted = post(
        &api,
        "/api/v2/alerts",
        r#"[{"labels":{"alertname":"A","severity":"critical"},"annotations":{"s":"x"},"startsAt":"2026-11-21T18:56:57Z","generatorURL":"http://p/g"},
            {"labels":{"alertname":"A","severity":"warning"}},{"labels":{"alertname":"B","team":"db"}},{"labels":{"alertname":"C","silence":"me"}}]"#,
    )
    .await;
    assert_eq!(posted.status, 200, "{}", posted.body);
    let body =
        format!(r#"{{"matchers":[{{"name":"silence","value":"me","isRegex":false}}],{SILENCE}}}"#);
    let silence = post(&api, "/api/v2/silences", &body).await.body;
    let id = &silence[14..50];

    let alerts = get(&api, "/api/v2/alerts").await.body.replace(id, "ID");
    expect_test::expect![[r#"
        [{"annotations":{},"endsAt":"2026-11-21T19:05:00.000Z","fingerprint":"25c2cdb12d31dc50","receivers":[{"name":"hook"}],"startsAt":"2026-11-21T19:00:00.000Z","status":{"inhibitedBy":["b807e636403824b5"],"mutedBy":[],"silencedBy":[],"state":"suppressed"},"updatedAt":"2026-11-21T19:00:00.000Z","labels":{"alertname":"A","severity":"warning"}},{"annotations":{},"endsAt":"2026-11-21T19:05:00.000Z","fingerprint":"37fe854917a4c4fd","receivers":[{"name":"dbhook"}],"startsAt":"2026-11-21T19:00:00.000Z","status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":[],"state":"active"},"updatedAt":"2026-11-21T19:00:00.000Z","labels":{"alertname":"B","team":"db"}},{"annotations":{},"endsAt":"2026-11-21T19:05:00.000Z","fingerprint":"46da64551e6620c8","receivers":[{"name":"hook"}],"startsAt":"2026-11-21T19:00:00.000Z","status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":["ID"],"state":"suppressed"},"updatedAt":"2026-11-21T19:00:00.000Z","labels":{"alertname":"C","silence":"me"}},{"annotations":{"s":"x"},"endsAt":"2026-11-21T19:05:00.000Z","fingerprint":"b807e636403824b5","receivers":[{"name":"hook"}],"startsAt":"2026-11-21T18:56:57.000Z","status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":[],"state":"active"},"updatedAt":"2026-11-21T19:00:00.000Z","generatorURL":"http://p/g","labels":{"alertname":"A","severity":"critical"}}]
    "#]]
    .assert_eq(&alerts);

    for (query, count) in [
        ("active=false", 2),
        ("silenced=false", 3),
        ("inhibited=false", 3),
        ("unprocessed=false", 4),
        ("receiver=db.*", 1),
        ("receiver=db", 0),
        ("receiver_matchers=name%3Dhook", 3),
        ("filter=severity%3D~%22.%2B%22", 2),
        ("filter=severity%21%3D%22%22&filter=severity%3Dcritical", 1),
    ] {
        let list = get(&api, &format!("/api/v2/alerts?{query}")).await.body;
        assert_eq!(list.matches("\"fingerprint\"").count(), count, "{query}");
        let groups = get(&api, &format!("/api/v2/alerts/groups?{query}"))
            .await
            .body;
        assert_eq!(
            groups.matches("\"fingerprint\"").count(),
            count,
            "groups {query}"
        );
    }
    let groups = get(&api, "/api/v2/alerts/groups?silenced=false").await.body;
    expect_test::expect![[r#"
        [{"alerts":[{"annotations":{"s":"x"},"endsAt":"2026-11-21T19:05:00.000Z","fingerprint":"b807e636403824b5","receivers":[{"name":"hook"}],"startsAt":"2026-11-21T18:56:57.000Z","status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":[],"state":"active"},"updatedAt":"2026-11-21T19:00:00.000Z","generatorURL":"http://p/g","labels":{"alertname":"A","severity":"critical"}},{"annotations":{},"endsAt":"2026-11-21T19:05:00.000Z","fingerprint":"25c2cdb12d31dc50","receivers":[{"name":"hook"}],"startsAt":"2026-11-21T19:00:00.000Z","status":{"inhibitedBy":["b807e636403824b5"],"mutedBy":[],"silencedBy":[],"state":"suppressed"},"updatedAt":"2026-11-21T19:00:00.000Z","labels":{"alertname":"A","severity":"warning"}}],"labels":{"alertname":"A"},"receiver":{"name":"hook"},"routeLabels":{}},{"alerts":[{"annotations":{},"endsAt":"2026-11-21T19:05:00.000Z","fingerprint":"37fe854917a4c4fd","receivers":[{"name":"dbhook"}],"startsAt":"2026-11-21T19:00:00.000Z","status":{"inhibitedBy":[],"mutedBy":[],"silencedBy":[],"state":"active"},"updatedAt":"2026-11-21T19:00:00.000Z","labels":{"alertname":"B","team":"db"}}],"labels":{"alertname":"B"},"receiver":{"name":"dbhook"},"routeLabels":{}}]
    "#]]
    .assert_eq(&groups);
}

#[tokio::test]
async fn status_and_the_rest() {
    let api = api();
    let status = get(&api, "/api/v2/status").await;
    expect_test::expect![[r#"
        {"cluster":{"name":"n1","peers":[{"address":"127.0.0.1:9094","name":"n1"}],"status":"ready"},"config":{"original":"route:\n  receiver: hook\n"},"uptime":"2026-11-21T19:00:00.000Z","versionInfo":{"branch":"unknown","buildDate":"unknown","buildUser":"unknown","goVersion":"none","revision":"unknown","version":"0.34.0"},"watchfire":{"version":"0.1.0","warnings":["a warning"]}}
    "#]]
    .assert_eq(&status.body);
    for path in ["/-/healthy", "/-/ready"] {
        let answer = get(&api, path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "OK"));
        assert_eq!(ask(&api, "HEAD", path, &[], "").await.status, 200);
    }
    for (method, path) in [
        ("GET", "status"),
        ("POST", "alerts"),
        ("DELETE", "silence/x"),
    ] {
        let answer = ask(&api, method, &format!("/api/v1/{path}"), &[], "").await;
        assert_eq!(answer.status, 410);
        assert!(
            answer.body.starts_with("{\"status\":\"deprecated\","),
            "{}",
            answer.body
        );
    }
    assert_eq!(get(&api, "/api/v1/foo").await.status, 404);
    let answer = get(&api, "/api/v2").await;
    assert_eq!(answer.status, 301);
}

#[tokio::test]
async fn a_filter_that_accepts_all_changes_nothing() {
    let api = api();
    let alerts: Vec<_> = (0..300)
        .map(|i| {
            format!(
                r#"{{"labels":{{"alertname":"A{}","instance":"{i}"}}}}"#,
                i % 7
            )
        })
        .collect();
    let body = format!("[{}]", alerts.join(","));
    assert_eq!(post(&api, "/api/v2/alerts", &body).await.status, 200);
    let all = get(&api, "/api/v2/alerts").await.body;
    assert_eq!(all.matches("\"fingerprint\"").count(), 300);
    let filtered = get(&api, "/api/v2/alerts?filter=instance%3D~%22.%2B%22").await;
    assert_eq!(filtered.body, all);
    let groups = get(&api, "/api/v2/alerts/groups").await.body;
    let filtered = get(&api, "/api/v2/alerts/groups?filter=instance%3D~%22.%2B%22").await;
    assert_eq!(filtered.body, groups);
}
