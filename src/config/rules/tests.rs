//! Files of rules that load, and what is said of those that do not.

use std::{fs, path::PathBuf, time::Duration};

use super::*;

fn load(text: &str) -> Result<RuleFile, String> {
    load_rules("r.yml", text.as_bytes(), &RuleOptions::default()).map_err(|e| e.to_string())
}

fn shared(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data")
        .join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: ../shared/data is not here");
    None
}

#[test]
fn a_file_with_everything() {
    let file = load(
        "\
groups:
- name: a
  interval: 30s
  query_offset: 0s
  eval_offset: 5s
  limit: 10
  labels: {team: a, env: prod}
  concurrency: 2
  params: {nocache: ['1'], extra_label: [a=b, c=d]}
  partial_response_strategy: warn
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
    labels: {env: test}
  - alert: Down
    expr: up == 0
    for: 5m
    keep_firing_for: 1m
    on_partial: abort
    labels: {severity: page}
    annotations: {summary: 'down: {{ $labels.instance }}'}
- name: b
",
    )
    .unwrap();
    let [a, b] = &file.groups[..] else {
        panic!("{file:?}")
    };
    assert_eq!(a.interval, Some(Duration::from_secs(30)));
    assert_eq!(a.query_offset, Some(Duration::ZERO));
    assert_eq!(a.eval_offset, Some(Duration::from_secs(5)));
    assert_eq!((a.limit, a.concurrency), (10, Some(2)));
    assert_eq!(a.on_partial, Some(OnPartial::Accept));
    let params: Vec<String> = a.params.iter().map(|(n, v)| format!("{n}:{v}")).collect();
    assert_eq!(params, ["extra_label:a=b", "extra_label:c=d", "nocache:1"]);
    let [record, alert] = &a.rules[..] else {
        panic!("{a:?}")
    };
    assert_eq!(
        (record.name(), record.labels["env"].as_str()),
        ("job:up:sum", "test")
    );
    assert_eq!(record.place.to_string(), "12:5");
    assert_eq!(alert.labels.len(), 3);
    assert_eq!(alert.on_partial, Some(OnPartial::Abort));
    let RuleKind::Alerting {
        hold,
        keep_firing_for,
        annotations,
        ..
    } = &alert.kind
    else {
        panic!("{alert:?}")
    };
    assert_eq!((hold.as_secs(), keep_firing_for.as_secs()), (300, 60));
    assert_eq!(annotations.len(), 1);
    assert_eq!((b.interval, b.limit, b.rules.len()), (None, 0, 0));
}

#[test]
fn real_rules_load() {
    let Some(directory) = shared("rules") else {
        return;
    };
    let mut rules = 0;
    for mixin in fs::read_dir(directory).unwrap() {
        for file in fs::read_dir(mixin.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let path = path.to_str().unwrap();
            let loaded = load_rules(path, &fs::read(path).unwrap(), &RuleOptions::default());
            let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
            assert_eq!(loaded.warnings, []);
            rules += loaded.groups.iter().map(|g| g.rules.len()).sum::<usize>();
        }
    }
    assert_eq!(rules, 288);
}

/// What is said of a file, one line for each mistake.
fn mistakes(text: &str) -> String {
    match load(text) {
        Ok(file) => {
            let rules: usize = file.groups.iter().map(|group| group.rules.len()).sum();
            let warnings = file.warnings.iter();
            let warnings = warnings.map(|w| format!("\n{}:{} {}", w.line, w.column, w.message));
            format!("{rules} rules{}", warnings.collect::<String>())
        }
        Err(errors) => errors,
    }
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let text = r#"groups:
- name: g
  labels: {__name__: a, '': b}
  rules:
  - record: a
    alert: b
    expr: up
  - expr: up
  - record: a
  - record: a
    expr: ''
    labels: {__name__: b, 'an odd name': b}
  - record: 'a{b="c"}'
    expr: up
    for: 1m
    keep_firing_for: 1m
    annotations: {a: b}
  - alert: A
    expr: |
      sum(up)
        by (job) +
        rate(up)
    labels:
      a: '{{ $label.x }}'
      b: '{{ query "up" | first | value }}'
    annotations:
      '': b
      summary: |
        fine {{ $labels.a }}
        {{ since 1 }}
      other: "{{ end }}"
  - alert: B
    expr: 'up{a="b"'
- name: g
- rules: []
"#;
    expect_test::expect![[r#"
        r.yml:3:29: invalid label name: 
        r.yml:3:22: invalid label name: __name__
        r.yml:6:5: group "g", rule 1, "b": only one of 'record' and 'alert' must be set
        r.yml:8:5: group "g", rule 2, "": one of 'record' or 'alert' must be set
        r.yml:9:5: group "g", rule 3, "a": field 'expr' must be set in rule
        r.yml:11:5: group "g", rule 4, "a": field 'expr' must be set in rule
        r.yml:12:24: group "g", rule 4, "a": invalid label name: __name__
        r.yml:17:5: group "g", rule 5, "a{b=\"c\"}": invalid field 'annotations' in recording rule
        r.yml:15:5: group "g", rule 5, "a{b=\"c\"}": invalid field 'for' in recording rule
        r.yml:16:5: group "g", rule 5, "a{b=\"c\"}": invalid field 'keep_firing_for' in recording rule
        r.yml:13:5: group "g", rule 5, "a{b=\"c\"}": braces present in the recording rule name; should it be in expr?: a{b="c"}
        r.yml:22:14: group "g", rule 6, "A": could not parse expression: 3:8: parse error: expected type range vector in call to function "rate", got instant vector
        r.yml:27:11: group "g", rule 6, "A": invalid annotation name: 
        r.yml:24:11: group "g", rule 6, "A": label "a": template: __alert_A:1: undefined variable "$label"
        r.yml:31:15: group "g", rule 6, "A": annotation "other": template: __alert_A:1: unexpected {{end}}
        r.yml:30:9: group "g", rule 6, "A": annotation "summary": template: __alert_A:2: function "since" not defined
        r.yml:33:20: group "g", rule 7, "B": could not parse expression: 1:9: parse error: unexpected end of input inside braces
        r.yml:34:3: groupname: "g" is repeated in the same file
        r.yml:35:3: Groupname must not be empty"#]].assert_eq(&mistakes(text));
}

#[test]
fn wrong_types_and_unknown_keys() {
    let text = "\
groups:
- name: g
  interval: 1x
  limit: many
  eval_delay: 5s
  type: prometheus
  rulez: []
  rules:
  - record: a
    expr: 1
    debug: true
    fro: 5m
  - alert: a
    expr: [1]
    for: -1m
    expr: 2
    labels: [a]
    on_partial: never
- name: h
  interval: 10s
  eval_offset: 10s
  partial_response_strategy: sometimes
  rules: {}
name: 1
";
    expect_test::expect![[r#"
        r.yml:3:13: not a valid duration string: "1x"
        r.yml:15:10: not a valid duration string: "-1m"
        r.yml:18:17: on_partial must be hold, abort or accept, not "never"
        r.yml:22:30: partial_response_strategy must be warn or abort, not "sometimes"
        r.yml:4:10: cannot unmarshal !!str `many` into int64
        r.yml:5:3: field eval_delay not found in type rulefmt.RuleGroup (write query_offset)
        r.yml:6:3: field type not found in type rulefmt.RuleGroup (a key of vmalert, which has no meaning here)
        r.yml:7:3: field rulez not found in type rulefmt.RuleGroup (did you mean rules?)
        r.yml:11:5: field debug not found in type rulefmt.Rule (a key of vmalert, which has no meaning here)
        r.yml:12:5: field fro not found in type rulefmt.Rule
        r.yml:14:11: cannot unmarshal !!seq into string
        r.yml:16:5: field expr already set in type rulefmt.Rule
        r.yml:17:13: cannot unmarshal !!seq into map[string]string
        r.yml:23:10: cannot unmarshal !!map into []rulefmt.Rule
        r.yml:24:1: field name not found in type rulefmt.RuleGroups
        r.yml:21:3: eval_offset must be smaller than the interval of the group"#]].assert_eq(&mistakes(text));
}

#[test]
fn an_offset_is_within_the_interval_that_holds() {
    let text = b"groups: [{name: g, eval_offset: 45s, rules: [{record: a, expr: x}]}]";
    let load = |seconds: Option<u64>| {
        let options = RuleOptions {
            interval: seconds.map(Duration::from_secs),
            ..RuleOptions::default()
        };
        load_rules("r.yml", text, &options)
    };
    assert!(load(None).is_ok() && load(Some(46)).is_ok());
    for (seconds, shown) in [(45, "45s"), (30, "30s")] {
        assert_eq!(
            load(Some(seconds)).unwrap_err().to_string(),
            format!(
                "r.yml:1:20: eval_offset must be smaller than the interval of the group, which names none: \
                 evaluation_interval is {shown}"
            )
        );
    }
}

#[test]
fn what_will_fail_in_templates_is_told() {
    let text = r#"groups:
- name: g
  rules:
  - alert: A
    expr: up
    labels:
      a: '{{ $labels.instance.name }} {{ $labels.instance }}'
    annotations:
      b: 'x {{ .Lables.a }}'
      c: |
        fine {{ $value | humanize }}
        {{ stripPort $value }} {{ stripPort 1 }}
      d: '{{ template "t" . }}{{ define "t" }}{{ .Value.x }}{{ end }}{{ (query "up" | first).Name }}'
      e: '{{ range query "up" | sortByLabel "a" }}{{ .Labels.a | toUpper }}{{ .Value | humanize }}{{ end }}'
      f: '{{ (now | toTime).Format "15:04" }}{{ with $x := query "up" }}{{ first $x | value }}{{ end }}'
      g: '{{ humanize }}{{ first $labels }}'
"#;
    expect_test::expect![[r#"
        1 rules
        7:21 group "g", rule 1, "A": label "a" will be an error: template: __alert_A:1:122: executing "__alert_A" at <$labels.instance.name>: can't evaluate field name in type string
        9:23 group "g", rule 1, "A": annotation "b" will be an error: template: __alert_A:1:124: executing "__alert_A" at <.Lables.a>: can't evaluate field Lables in type struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }
        12:45 group "g", rule 1, "A": annotation "c" will be an error: template: __alert_A:2:36: executing "__alert_A" at <1>: expected string; found 1
        13:93 group "g", rule 1, "A": annotation "d" will be an error: template: __alert_A:1:194: executing "__alert_A" at <(query "up" | first).Name>: can't evaluate field Name in type *template.sample
        16:14 group "g", rule 1, "A": annotation "g" will be an error: template: __alert_A:1:115: executing "__alert_A" at <humanize>: wrong number of args for humanize: want 1 got 0
        16:34 group "g", rule 1, "A": annotation "g" will be an error: template: __alert_A:1:135: executing "__alert_A" at <$labels>: wrong type for value; expected template.queryResult; got map[string]string"#]].assert_eq(&mistakes(text));
}

#[test]
fn odd_files() {
    for (text, expect) in [
        ("", "0 rules"),
        ("groups:", "0 rules"),
        ("groups: [~, {name: a, rules: [~]}]", "0 rules"),
        (
            "groups: [{name: a, rules: [{record: a, expr: 1}]}]\n---\nother: [",
            "1 rules\n0:0 only the first document of a file of rules is read, and there are more",
        ),
        ("---\ngroups: []\n...\n", "0 rules"),
        (
            "groups: [{name: a, labels: {a: '{{'}, rules: [{record: a, expr: 1}]}]",
            "1 rules",
        ),
        (
            "groups: [{name: a, labels: {a: '{{'}, rules: [{alert: a, expr: 1}]}]",
            "1 rules\n1:32 label \"a\" of the group will be an error in alerts: template: __alert_a:1: unclosed action",
        ),
        (
            "groups: [{name: a, rules: [{record: 'ä b', expr: '{\"x y\"}', labels: {'k l': ''}}]}]",
            "1 rules",
        ),
        (
            "- a",
            "r.yml:1:1: cannot unmarshal !!seq into rulefmt.RuleGroups",
        ),
        ("groups: [", "r.yml:2:1: did not find expected node content"),
    ] {
        assert_eq!(mistakes(text), expect, "{text}");
    }
}

#[test]
fn keys_that_nobody_knows_are_passed_over_when_wanted() {
    let options = RuleOptions {
        ignore_unknown_fields: true,
        ..RuleOptions::default()
    };
    let text = "groups: [{name: a, owner: {b: c}, rules: [{record: a, expr: 1, x: y}]}]\nz: 1";
    let file = load_rules("r.yml", text.as_bytes(), &options).unwrap();
    assert_eq!(file.groups[0].rules.len(), 1);
    assert!(load(text).is_err());
}

/// The files of promtool's own tests; what it says of each.
#[test]
fn promtools_files_get_promtools_verdicts() {
    let Some(directory) = shared("promtool") else {
        return;
    };
    for (name, expect) in [
        ("rules.yml", "5 rules"),
        ("rules_duplicates.yml", "5 rules"),
        ("prometheus-rules.lint.yml", "2 rules"),
        (
            "rules-bad.yml",
            "r.yml:12:21: group \"alerts\", rule 1, \"InstanceDown\": annotation \"summary\": template: __alert_InstanceDown:1: undefined variable \"$label\"",
        ),
        (
            "rules_extrafields.yml",
            "r.yml:7:5: field namespace not found in type rulefmt.RuleGroup\nr.yml:21:5: field ownership not found in type rulefmt.RuleGroup",
        ),
    ] {
        let text = fs::read_to_string(directory.join(name)).unwrap();
        assert_eq!(mistakes(&text), expect, "{name}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_files_never_panic(at in 0..900usize, with in "[\\[\\]{}:,&*!|>'\"%@`#a$ \n-]{0,4}") {
        let mut text = "\
groups:
- name: a
  interval: 30s
  labels: {team: a}
  rules:
  - record: job:up:sum
    expr: |
      sum by (job)
        (up{a=\"b\"})
  - alert: Down
    expr: 'up == 0'
    for: 5m
    labels: {severity: page}
    annotations: {summary: 'down: {{ $labels.instance }}'}
".to_owned();
        let at = at % text.len();
        text.insert_str(at, &with);
        let _ = load(&text);
    }
}

#[test]
fn the_shipped_rules_load_without_a_word() {
    let text = include_str!("../../../config/rules/watchfire.yml");
    assert_eq!(mistakes(text), "10 rules");
}
