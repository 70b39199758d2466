//! The whole course of notifications through Jira.
#![cfg(test)]

use serde_json::json;

use super::super::{
    HttpResponse, TransportError,
    harness::{
        Course, assert_as_recorded, configuration, context, context_of, firing, http, many,
        resolved, run,
    },
};
use crate::notify::Verdict;

const RECORDED: &str = "jira_configs: [{api_url: 'http://127.0.0.1:18980/jira/rest/api/2', project: OPS, issue_type: Bug},{api_url: 'http://127.0.0.1:18980/jira/rest/api/3', api_type: cloud, project: OPS, issue_type: Bug}]";

const NOTHING: &str = r#"{"total":0,"issues":[]}"#;

const CREATED: &str = r#"{"id":"1","key":"OPS-1"}"#;

fn plain(more: &str) -> String {
    format!(
        "jira_configs: [{{api_url: 'http://jira/rest/api/2/', project: OPS, issue_type: Bug, summary: s, \
         description: d, priority: '', http_config: {{basic_auth: {{username: u, password: hunter2}}}}{more}}}]"
    )
}

fn found(category: &str) -> Result<HttpResponse, TransportError> {
    let issue =
        json!({"key": "OPS-7", "fields": {"status": {"statusCategory": {"key": category}}}});
    http(200, &json!({"issues": [issue]}).to_string())
}

fn seen(course: &Course) -> Vec<String> {
    let requests = course.requests.iter();
    requests
        .map(|request| format!("{} {}", request.method, request.url.reveal()))
        .collect()
}

#[test]
fn issues_are_those_that_alertmanager_sent() {
    let config = configuration(RECORDED);
    let (course, verdict) = run(
        &context_of(&config, 0, firing()),
        [http(200, NOTHING), http(201, CREATED)],
    );
    assert_eq!(verdict, Verdict::sent());
    assert_as_recorded(&course.requests[0], "POST_jira_rest_api_2_search_1.json");
    assert_as_recorded(&course.requests[1], "POST_jira_rest_api_2_issue_1.json");
    let (course, verdict) = run(&context_of(&config, 0, resolved()), [http(200, NOTHING)]);
    assert_eq!(verdict, Verdict::sent());
    assert_as_recorded(&course.requests[0], "POST_jira_rest_api_2_search_2.json");
}

/// Upstream never gets beyond the search: its own template makes no document.
#[test]
fn the_cloud_gets_a_document() {
    let config = configuration(RECORDED);
    let (course, verdict) = run(
        &context_of(&config, 1, firing()),
        [http(200, NOTHING), http(201, CREATED)],
    );
    assert_eq!(verdict, Verdict::sent());
    for name in ["1", "2", "3"] {
        let name = format!("POST_jira_rest_api_3_search_jql_{name}.json");
        assert_as_recorded(&course.requests[0], &name);
    }
    let fields = &course.json(1)["fields"];
    assert_eq!(fields["description"]["type"], "doc");
    let heading = &fields["description"]["content"][0];
    assert_eq!(heading["type"], "heading");
    assert_eq!(heading["content"][0]["text"], "Alerts Firing:");
    assert_eq!(fields["summary"], "[FIRING:1] HighLoad (a:9100 critical)");
}

#[test]
fn documents_of_templates_are_passed_through() {
    let adf = r#"'{"type":"doc","version":1,"content":[{"type":"paragraph","content":[]}]}'"#;
    let yaml = plain("")
        .replace("api/2/", "api/3")
        .replace("description: d", &format!("description: {adf}"));
    let (course, _) = run(
        &context(&yaml, firing()),
        [http(200, NOTHING), http(201, CREATED)],
    );
    let expect =
        json!({"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": []}]});
    assert_eq!(course.json(1)["fields"]["description"], expect);
}

#[test]
fn the_search_depends_on_the_settings() {
    let jql_of = |more: &str, data| {
        let (course, _) = run(&context(&plain(more), data), [http(500, "")]);
        let jql = course.json(0)["jql"].as_str().unwrap().to_owned();
        jql.split(" and project=").next().unwrap().to_owned()
    };
    assert_eq!(jql_of("", firing()), "statusCategory != Done");
    let reopen = ", reopen_transition: Open, reopen_duration: 90m";
    assert_eq!(
        jql_of(reopen, firing()),
        "(resolutiondate is EMPTY OR resolutiondate >= -90m)"
    );
    assert_eq!(jql_of(reopen, resolved()), "statusCategory != Done");
    assert_eq!(
        jql_of(", reopen_transition: Open", firing()),
        "statusCategory != Done"
    );
    assert_eq!(
        jql_of(", wont_fix_resolution: \"Won't \\\"Do\\\"\"", firing()),
        "(resolution is EMPTY or resolution != \"Won't \\\"Do\\\"\") and statusCategory != Done"
    );
    let cloud = plain("").replace("http://jira/", "https://x.atlassian.net/");
    let (course, _) = run(&context(&cloud, firing()), [http(500, "")]);
    assert_eq!(
        seen(&course),
        ["POST https://x.atlassian.net/rest/api/3/search/jql"]
    );
}

#[test]
fn an_issue_is_brought_up_to_date() {
    let yaml = plain(", labels: [b, '{{ .CommonLabels.severity }} x', ''], fields: {customfield_1: {value: '1'}, customfield_2: ['a']}")
        .replace("summary: s", "summary: {template: s, enable_update: false}");
    let (course, verdict) = run(&context(&yaml, firing()), [found("new"), http(204, "")]);
    assert_eq!(verdict, Verdict::sent());
    assert_eq!(
        seen(&course),
        [
            "POST http://jira/rest/api/2/search",
            "PUT http://jira/rest/api/2/issue/OPS-7"
        ]
    );
    expect_test::expect![[r#"
        {"fields":{"customfield_1":{"value":1},"customfield_2":["a"],"description":"d","issuetype":{"name":"Bug"},"labels":["ALERT{196cd8f79681ecfe82cc3e2d31612835c7d1ce897fd702ce61839eace2d49e26}","b","critical_x"],"project":{"key":"OPS"}}}
    "#]]
    .assert_eq(&course.body(1));
}

#[test]
fn issues_are_closed_and_opened_again() {
    let more = ", resolve_transition: Done, reopen_transition: Again, reopen_duration: 1h";
    let transitions = r#"{"transitions":[{"id":"31","name":"Done"},{"id":"41","name":"AGAIN"}]}"#;
    for (data, category, id) in [(resolved(), "new", "31"), (firing(), "done", "41")] {
        let (course, verdict) = run(
            &context(&plain(more), data),
            [
                found(category),
                http(204, ""),
                http(200, transitions),
                http(204, ""),
            ],
        );
        assert_eq!(verdict, Verdict::sent());
        assert_eq!(
            seen(&course)[2..],
            [
                "GET http://jira/rest/api/2/issue/OPS-7/transitions",
                "POST http://jira/rest/api/2/issue/OPS-7/transitions"
            ]
        );
        assert_eq!(course.json(3), json!({"transition": {"id": id}}));
        assert!(course.requests[2].body.is_empty());
    }
    for (data, category) in [(resolved(), "done"), (firing(), "new")] {
        let (course, verdict) = run(
            &context(&plain(more), data),
            [found(category), http(204, "")],
        );
        assert_eq!((course.requests.len(), verdict), (2, Verdict::sent()));
    }
    let unknown = r#"{"transitions":[{"id":"1","name":"Start"}]}"#;
    let (_, verdict) = run(
        &context(&plain(more), resolved()),
        [found("new"), http(204, ""), http(200, unknown)],
    );
    let Verdict::Permanent { error, .. } = verdict else {
        panic!("{verdict:?}");
    };
    assert!(error.contains("can't find transition Done for issue OPS-7, which has: Start"));
}

#[test]
fn failures_name_what_was_done() {
    let lost = || {
        Err(TransportError {
            message: "connection refused".to_owned(),
            timed_out: false,
            ambiguous: false,
        })
    };
    let context = context(&plain(""), firing());
    for (answers, retried, what) in [
        (vec![lost()], true, "look up existing issues"),
        (vec![http(429, "")], true, "look up existing issues"),
        (vec![http(200, "<html>")], true, "look up existing issues"),
        (vec![http(401, "no")], false, "look up existing issues"),
        (
            vec![http(200, NOTHING), http(400, "no")],
            false,
            "create an issue",
        ),
        (vec![http(200, NOTHING), lost()], true, "create an issue"),
        (
            vec![found("new"), http(503, "")],
            true,
            "update issue OPS-7",
        ),
    ] {
        let (_, verdict) = run(&context, answers);
        let words = format!("{verdict:?}");
        assert!(words.contains(what), "{words}");
        assert!(!words.contains("hunter2"), "{words}");
        assert_eq!(matches!(verdict, Verdict::Retry { .. }), retried, "{words}");
    }
}

#[test]
fn texts_keep_jiras_limits() {
    let source = "'{{ range .Alerts }}- {{ .Labels.instance }} `x` https://host/{{ .Labels.instance }}\n\n{{ end }}'";
    for path in ["api/2/", "api/3/"] {
        let yaml = plain("")
            .replace("api/2/", path)
            .replace(
                "summary: s",
                &format!("summary: \"a\\n{}\"", "é".repeat(300)),
            )
            .replace("description: d", &format!("description: {source}"));
        let (course, verdict) = run(
            &context(&yaml, many(3_000)),
            [http(200, NOTHING), http(201, CREATED)],
        );
        assert_eq!(verdict, Verdict::sent());
        let fields = &course.json(1)["fields"];
        let summary = fields["summary"].as_str().unwrap();
        assert_eq!(summary.chars().count(), 255);
        assert!(summary.starts_with("a é"));
        let description = &fields["description"];
        let text = match description.as_str() {
            Some(text) => text.to_owned(),
            None => description.to_string(),
        };
        let length = text.chars().count();
        assert!(length <= 32_767 && length > 20_000, "{path}: {length}");
        assert!(text.contains(" more: "), "{path}");
    }
}
