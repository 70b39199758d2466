//! Templates of rules, expanded here and by Debian's `promtool test rules`, which is Prometheus's own engine: promtool
//! compares the annotations of an alert with those that we expect of it.
//!
//! promtool 2.42 does not know `now`, `toDuration` and `urlQueryEscape`, has no external URL, refuses negative durations, and
//! begins words elsewhere in `title`; these are in the unit tests. It is built with Go 1.19, two of whose errors have been
//! worded anew since (`eq`, `call`).

use std::{fmt::Write as _, fs, path::Path, process::Command, sync::Arc};

use watchfire::{
    labels::LabelSet,
    rng::Rng,
    template::{Expanded, QueryReply, QuerySample, RuleData, Value, expand_rule},
    time::Timestamp,
};

const TEXTS: &[&str] = &[
    "plain text",
    "{{ $labels.instance }} of {{ .Labels.job }}{{ $labels.none }}|{{ .Labels.none }}",
    "{{ $value }} {{ .Value }} {{ printf \"%.3f %e %g %v\" $value $value $value $value }}",
    "{{ $externalLabels.region }}{{ .ExternalLabels.region }} {{ $externalURL }}",
    "{{ $labels }} {{ len $labels }} {{ index $labels \"job\" }} {{ index $labels \"no\" }}.",
    "{{ range $name, $value := $labels }}{{ $name }}={{ $value }};{{ end }}",
    "{{ if $labels.none }}a{{ else if gt $value 1.0 }}b{{ else }}c{{ end }}",
    "{{ with $labels }}{{ .job }}{{ end }}{{ with .Labels.none }}x{{ else }}y{{ end }}",
    "{{ printf \"%T %T %q\" $labels $value $labels.job }}",
    "{{ define \"x\" }}{{ .arg0 }} {{ .arg1 }}{{ .arg2 }}{{ end }}{{ template \"x\" (args 1 \"2\") }}",
    "{{ query \"up\" | sortByLabel \"instance\" | first | value }}",
    "{{ query \"up\" | sortByLabel \"instance\" | first | label \"instance\" }}",
    "{{ query \"up\" | first | label \"none\" }}.",
    "{{ range query \"up\" | sortByLabel \"instance\" }}{{ .Labels.instance }}:{{ .Value }}{{ . | strvalue }} {{ end }}",
    "{{ len (query \"up\") }} {{ len (query \"none\") }}",
    "{{ (index (query \"up\" | sortByLabel \"instance\") 1).Value }}",
    "{{ with query \"none\" }}a{{ else }}nothing{{ end }}",
    "{{ printf \"%T %T\" (query \"up\") (query \"up\" | first) }}",
    "{{ query \"up\" | sortByLabel \"instance\" | first }}",
    "{{ query \"none\" | first }}",
    "{{ (query \"up\").banana }}",
    "{{ (query \"up\" | first).banana }}",
    "{{ first 1 }}",
    "{{ label \"a\" 1 }}",
    "{{ humanize \"one\" }} ",
    "{{ humanize nil }}",
    "{{ humanize $labels }}",
    "{{ toTime 1e300 }}",
    "{{ (1435065584.128 | toTime).Year }} {{ \"1435065584.128\" | toTime }} {{ (toTime 0).Weekday }}",
    "{{ parseDuration \"1\" }}",
    "{{ parseDuration \"1h2m10ms\" }}",
    "{{ reReplaceAll \"(\" \"x\" \"y\" }}",
    "{{ match \"(\" \"x\" }}",
    "{{ match \"a+\" \"aa\" }} {{ match \"^a+$\" \"b\" }}",
    "{{ reReplaceAll \"(?P<n>a)b\" \"x$1${n}$2\" \"ab ab\" }}",
    "{{ graphLink \"up == 0\" }} {{ tableLink \"up{a=\\\"b\\\"}\" }}",
    "{{ toUpper \"aß\" }} {{ toLower \"AB\" }}",
    "{{ \"<b>\" | safeHtml }}{{ \"<b>\" }}{{ html \"<\" }}{{ urlquery \"a b\" }}{{ js \"'\" }}",
    "{{ slice \"abcd\" 1 2 }}{{ print 1 2 \"a\" }}{{ println }}{{ not true }}{{ and 1 0 }}{{ or 0 \"x\" }}",
    "{{ eq $labels.job \"node\" }}{{ ne 1 2 }}{{ lt 1.0 $value }}{{ le 1 1 }}{{ ge \"b\" \"a\" }}",
    "{{ $x := 1 }}{{ $x = 2 }}{{ $x }}{{- /* a remark */ -}} end",
    "{{ len 1 }}",
    "{{ index $labels 1 }}",
    "{{ template \"nowhere\" }}",
    "{{ $labels.job.more }}",
];

/// Functions of one number.
const OF_NUMBERS: &[&str] = &[
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
];

/// Functions of one text.
const OF_TEXTS: &[&str] = &[
    "stripPort",
    "stripDomain",
    "toUpper",
    "toLower",
    "safeHtml",
    "graphLink",
];

fn below(rng: &mut Rng, bound: u64) -> u64 {
    rng.next_u64() % bound
}

/// A number of any size.
fn number(rng: &mut Rng) -> String {
    let exponent = i32::try_from(below(rng, 24)).unwrap() - 8;
    let digits = f64::from(u32::try_from(below(rng, 100_000)).unwrap()) / 10_000.0;
    let sign = if below(rng, 4) == 0 { "-" } else { "" };
    format!("{sign}{}", digits * 10_f64.powi(exponent))
}

/// Something like an address or a sentence.
fn text(rng: &mut Rng) -> String {
    const PARTS: [&str; 16] = [
        "web",
        ".",
        ":",
        "[",
        "]",
        "1",
        "::",
        "example.org",
        "192.0.2.1",
        "9100",
        " ",
        "é",
        "A",
        "_",
        "%",
        "'",
    ];
    let mut text = String::new();
    for _ in 0..below(rng, 6) {
        let at = usize::try_from(below(rng, 16)).unwrap();
        text.push_str(PARTS[at]);
    }
    text
}

fn texts() -> Vec<String> {
    let mut rng = Rng::from_seed(7);
    let mut texts: Vec<String> = TEXTS.iter().map(|text| (*text).to_owned()).collect();
    for _ in 0..40 {
        for function in OF_NUMBERS {
            texts.push(format!("{{{{ {function} \"{}\" }}}}", number(&mut rng)));
        }
        for function in OF_TEXTS {
            texts.push(format!("{{{{ {function} \"{}\" }}}}", text(&mut rng)));
        }
    }
    texts
}

fn sample(labels: &[(&str, &str)], value: f64) -> QuerySample {
    QuerySample {
        labels: LabelSet::from_pairs(labels.iter().copied()),
        value: Value::Float(value),
    }
}

/// As it is expanded here, over the data that the file for promtool describes.
fn ours(text: &str) -> String {
    let data = RuleData {
        labels: LabelSet::from_pairs([
            ("__name__", "v"),
            ("instance", "web-1:9100"),
            ("job", "node"),
        ]),
        external_labels: LabelSet::from_pairs([("region", "eu")]),
        external_url: "http://rules.example/path".into(),
        value: Value::Float(1.5),
        now: Timestamp::from_millis(60_000),
    };
    let mut query = |query: &str| {
        let samples = match query {
            "up" => vec![
                sample(&[("__name__", "up"), ("instance", "b")], 21.0),
                sample(
                    &[("__name__", "up"), ("__value__", "v"), ("instance", "a")],
                    11.25,
                ),
            ],
            _ => Vec::new(),
        };
        QueryReply::Samples(samples.into_iter().map(Arc::new).collect())
    };
    match expand_rule("A", text, &data, &mut query) {
        Expanded::Text(text) | Expanded::Failed(text) => text,
        Expanded::Needs(query) => panic!("needs {query}"),
    }
}

/// What promtool says of these annotations; `None` if it is content.
fn complaint(promtool: &Path, pairs: &[(&str, String)]) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let mut rules =
        "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: v\n    annotations:\n".to_owned();
    let mut expected = String::new();
    for (index, (text, expect)) in pairs.iter().enumerate() {
        writeln!(rules, "      a{index}: {}", quoted(text)).unwrap();
        writeln!(expected, "        a{index}: {}", quoted(expect)).unwrap();
    }
    fs::write(directory.path().join("rules.yml"), rules).unwrap();
    let test = format!(
        "rule_files: [rules.yml]
evaluation_interval: 1m
tests:
- interval: 1m
  external_labels: {{region: eu}}
  external_url: http://rules.example/path
  input_series:
  - {{series: 'v{{instance=\"web-1:9100\",job=\"node\"}}', values: '1.5x5'}}
  - {{series: 'up{{instance=\"b\"}}', values: '21x5'}}
  - {{series: 'up{{instance=\"a\",__value__=\"v\"}}', values: '11.25x5'}}
  alert_rule_test:
  - eval_time: 1m
    alertname: A
    exp_alerts:
    - exp_labels: {{instance: 'web-1:9100', job: node}}
      exp_annotations:
{expected}"
    );
    fs::write(directory.path().join("test.yml"), test).unwrap();
    let output = Command::new(promtool)
        .args(["test", "rules", "test.yml"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn rules_templates_expand_as_in_prometheus() {
    let promtool = Path::new("/usr/bin/promtool");
    if !promtool.exists() {
        crate::skipped::skipped("promtool is not installed");
        return;
    }
    let texts = texts();
    let pairs: Vec<(&str, String)> = texts.iter().map(|text| (&**text, ours(text))).collect();
    if complaint(promtool, &pairs).is_none() {
        // It would have told a difference.
        let wrong = [("{{ $value }}", "2".to_owned())];
        assert!(complaint(promtool, &wrong).is_some());
        return;
    }
    let wrong = complaints(promtool, &pairs);
    panic!("{} of {}:\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
}

/// What promtool says of each text that it expands in another way.
fn complaints(promtool: &Path, pairs: &[(&str, String)]) -> Vec<String> {
    let Some(complaint) = complaint(promtool, pairs) else {
        return Vec::new();
    };
    if pairs.len() == 1 {
        return vec![complaint];
    }
    let halves: [_; 2] = pairs.split_at(pairs.len() / 2).into();
    halves
        .into_iter()
        .flat_map(|half| complaints(promtool, half))
        .collect()
}
