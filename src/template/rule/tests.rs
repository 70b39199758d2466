//! What templates of rules say, as Prometheus's own would.

use std::sync::Arc;

use super::{
    super::{QuerySample, Value},
    *,
};
use crate::{labels::LabelSet, time::Timestamp};

fn data(value: impl Into<Value>) -> RuleData {
    RuleData {
        labels: LabelSet::from_pairs([("instance", "web-1:9100"), ("job", "node")]),
        external_labels: LabelSet::from_pairs([("region", "eu")]),
        external_url: "http://rules.example:9090/some/path".into(),
        value: value.into(),
        now: Timestamp::from_millis(1_353_755_652_000),
    }
}

fn sample(labels: &[(&str, &str)], value: f64) -> QuerySample {
    QuerySample {
        labels: LabelSet::from_pairs(labels.iter().copied()),
        value: Value::Float(value),
    }
}

/// Expands with the value 1.5 and these results for every query.
fn with(text: &str, samples: &[QuerySample]) -> String {
    let samples = samples.iter().cloned().map(Arc::new);
    let samples: Arc<[Arc<QuerySample>]> = samples.collect();
    let mut query = |_: &str| QueryReply::Samples(Arc::clone(&samples));
    match expand_rule("A", text, &data(Value::Float(1.5)), &mut query) {
        Expanded::Text(text) | Expanded::Failed(text) => text,
        Expanded::Needs(query) => panic!("needs {query}"),
    }
}

fn check(cases: &[(&str, &str)]) {
    for (text, expect) in cases {
        assert_eq!(with(text, &[]), *expect, "{text}");
    }
}

#[test]
fn variables_and_data() {
    check(&[
        ("plain text", "plain text"),
        (
            "{{ $labels.instance }} of {{ .Labels.job }}",
            "web-1:9100 of node",
        ),
        ("{{ $labels.none }}|{{ .Labels.none }}", "|"),
        (
            "{{ $value }} {{ .Value }} {{ printf \"%.3f\" $value }}",
            "1.5 1.5 1.500",
        ),
        (
            "{{ $externalLabels.region }}{{ .ExternalLabels.region }}",
            "eueu",
        ),
        ("{{ $externalURL }}", "http://rules.example:9090/some/path"),
        (
            "{{ externalURL }} {{ pathPrefix }}",
            "http://rules.example:9090/some/path /some/path",
        ),
        ("{{ $labels }}", "map[instance:web-1:9100 job:node]"),
        (
            "{{ range $name, $value := $labels }}{{ $name }}={{ $value }};{{ end }}",
            "instance=web-1:9100;job=node;",
        ),
        (
            "{{ len $labels }} {{ index $labels \"job\" }} {{ index $labels \"no\" }}.",
            "2 node .",
        ),
        ("{{ if $labels.none }}a{{ else }}b{{ end }}", "b"),
        ("{{ with $labels }}{{ .job }}{{ end }}", "node"),
        ("{{ if gt $value 1.0 }}high{{ end }}", "high"),
        (
            "{{ printf \"%T %T\" $labels $value }}",
            "map[string]string float64",
        ),
        (
            "{{ define \"x\" }}{{ .arg0 }} {{ .arg1 }}{{ .arg2 }}{{ end }}{{ template \"x\" (args 1 \"2\") }}",
            "1 2<no value>",
        ),
    ]);
}

#[test]
fn queries() {
    let results = [
        sample(&[("__name__", "up"), ("instance", "b")], 21.0),
        sample(
            &[("__name__", "up"), ("instance", "a"), ("__value__", "v")],
            11.0,
        ),
    ];
    for (text, expect) in [
        ("{{ query \"up\" | first | value }}", "21"),
        ("{{ query \"up\" | first | label \"instance\" }}", "b"),
        ("{{ query \"up\" | first | label \"none\" }}.", "."),
        (
            "{{ (query \"up\" | first).Value }} {{ (query \"up\" | first).Labels.instance }}",
            "21 b",
        ),
        (
            "{{ range query \"up\" | sortByLabel \"instance\" }}{{ .Labels.instance }}:{{ .Value }}{{ . | strvalue }} {{ end }}",
            "a:11v b:21 ",
        ),
        (
            "{{ range $i, $s := query \"up\" }}{{ $i }}{{ $s.Labels.none }}{{ end }}",
            "01",
        ),
        ("{{ len (query \"up\") }}", "2"),
        ("{{ (index (query \"up\") 1).Value }}", "11"),
        (
            "{{ with query \"up\" }}{{ . | first | value | humanize }}{{ end }}",
            "21",
        ),
        (
            "{{ printf \"%T %T\" (query \"up\") (query \"up\" | first) }}",
            "template.queryResult *template.sample",
        ),
        (
            "{{ query \"up\" | first }}",
            "{map[__name__:up instance:b] 21}",
        ),
    ] {
        assert_eq!(with(text, &results), expect, "{text}");
    }
    assert_eq!(
        with("{{ with query \"up\" }}a{{ else }}none{{ end }}", &[]),
        "none"
    );
}

#[test]
fn a_query_that_is_not_known_is_asked_for_before_anything_else() {
    let text = "{{ query \"a\" | first | value }}{{ range query \"b\" }}{{ .Value }}{{ end }}";
    let template = RuleTemplate::new("A", text).unwrap();
    let mut known: Vec<String> = Vec::new();
    let expand = |known: &[String]| {
        template.expand(&data(Value::Float(1.0)), &mut |query| {
            if known.iter().any(|one| one == query) {
                QueryReply::Samples(Arc::from([Arc::new(sample(&[], 7.0))]))
            } else {
                QueryReply::Unknown
            }
        })
    };
    for query in ["a", "b"] {
        assert_eq!(expand(&known), Expanded::Needs(query.to_owned()));
        known.push(query.to_owned());
    }
    assert_eq!(expand(&known), Expanded::Text("77".to_owned()));
}

#[test]
fn numbers_for_people() {
    check(&[
        (
            "{{ humanize 0.0 }} {{ humanize 1.0 }} {{ humanize 1234567.0 }} {{ humanize .12 }}",
            "0 1 1.235M 120m",
        ),
        (
            "{{ humanize \"1234567.0\" }} {{ humanize -1 }} {{ humanize 9223372036854775807 }}",
            "1.235M -1 9.223E",
        ),
        (
            "{{ humanize1024 1048576.0 }} {{ humanize1024 .12 }} {{ humanize1024 1234567 }}",
            "1Mi 0.12 1.177Mi",
        ),
        (
            "{{ humanizeDuration 0 }} {{ humanizeDuration 1 }} {{ humanizeDuration 60 }} {{ humanizeDuration 90000 }}",
            "0s 1s 1m 0s 1d 1h 0m 0s",
        ),
        (
            "{{ humanizeDuration -183845 }} {{ humanizeDuration 899.99 }} {{ humanizeDuration 60.5 }}",
            "-2d 3h 4m 5s 14m 59s 1m 0s",
        ),
        (
            "{{ humanizeDuration .0001 }} {{ humanizeDuration \".12345\" }} {{ humanizeDuration 12.345 }}",
            "100us 123.5ms 12.35s",
        ),
        (
            "{{ humanizeDuration 9223372036854775807 }}",
            "-106751991167300d -15h -30m -8s",
        ),
        (
            "{{ -0.22222 | humanizePercentage }} {{ 1.23456 | humanizePercentage }} {{ \"0.1\" | humanizePercentage }}",
            "-22.22% 123.5% 10%",
        ),
        (
            "{{ 1435065584.128 | humanizeTimestamp }}",
            "2015-06-23 13:19:44.128 +0000 UTC",
        ),
        (
            "{{ humanizeTimestamp \"0.5\" }} {{ humanizeTimestamp -1.5 }}",
            "1970-01-01 00:00:00.5 +0000 UTC 1969-12-31 23:59:58.5 +0000 UTC",
        ),
        (
            "{{ humanize \"+Inf\" }}{{ humanize1024 \"-Inf\" }}{{ humanizeDuration \"NaN\" }}{{ humanizeTimestamp \"NaN\" }}{{ humanizePercentage \"Inf\" }}",
            "+Inf-InfNaNNaN+Inf%",
        ),
    ]);
}

#[test]
fn times() {
    check(&[
        ("{{ now }}", "1.353755652e+09"),
        (
            "{{ (now | toTime).Format \"Mon Jan 2 15:04:05 2006\" }}",
            "Sat Nov 24 11:14:12 2012",
        ),
        (
            "{{ (1435065584.128 | toTime).Year }} {{ \"1435065584.128\" | toTime }}",
            "2015 2015-06-23 13:19:44.128 +0000 UTC",
        ),
        (
            "{{ (1800 | toDuration).String }} {{ \"90\" | toDuration }} {{ (toDuration 1.5).Seconds }}",
            "30m0s 1m30s 1.5",
        ),
        (
            "{{ (\"-30m\" | parseDuration | toDuration | (now | toTime).Add).UnixMilli }}",
            "1353753852000",
        ),
        (
            "{{ printf \"%.2f\" (parseDuration \"1h2m10ms\") }} {{ parseDuration \"-90s\" }}",
            "3720.01 -90",
        ),
    ]);
}

#[test]
fn texts() {
    check(&[
        (
            "{{ \"aa bb CC\" | title }} {{ toUpper \"aß\" }} {{ toLower \"AB\" }}",
            "Aa Bb CC Aß ab",
        ),
        (
            "{{ match \"a+\" \"aa\" }} {{ match \"a+\" \"b\" }}",
            "true false",
        ),
        ("{{ reReplaceAll \"(a)b\" \"x$1\" \"ab\" }}", "xa"),
        (
            "{{ graphLink \"up == 0\" }} {{ tableLink \"up{a=\\\"b\\\"}\" }}",
            "/graph?g0.expr=up+%3D%3D+0&g0.tab=0 /graph?g0.expr=up%7Ba%3D%22b%22%7D&g0.tab=1",
        ),
        (
            "{{ $labels.instance | stripPort }} {{ \"a.b.c:1\" | stripDomain }}",
            "web-1 a:1",
        ),
        ("{{ \"<b>\" | safeHtml }}{{ \"<b>\" }}", "<b><b>"),
        ("{{ urlQueryEscape \"a b&c\" }}", "a+b%26c"),
    ]);
}

#[test]
fn a_histogram_is_shown() {
    let histogram = native_histogram("{count:3, sum:10}".to_owned());
    let data = data(histogram);
    let expanded = |text: &str| expand_rule("A", text, &data, &mut |_| QueryReply::Unknown);
    for text in [
        "{{ $value }}",
        "{{ .Value }}",
        "{{ printf \"%v\" $value }}",
        "{{ $value.String }}",
    ] {
        assert_eq!(
            expanded(text),
            Expanded::Text("{count:3, sum:10}".to_owned()),
            "{text}"
        );
    }
    let Expanded::Failed(text) = expanded("{{ humanize $value }}") else {
        panic!()
    };
    assert!(
        text.contains("can't convert *histogram.FloatHistogram to float"),
        "{text}"
    );
}

#[test]
fn mistakes_take_the_place_of_the_text() {
    let failed = |expect: &str| format!("<error expanding template: {expect}>");
    for (text, expect) in [
        (
            "{{",
            "error parsing template __alert_A: template: __alert_A:1: unclosed action",
        ),
        (
            "{{ foo }}",
            "error parsing template __alert_A: template: __alert_A:1: function \"foo\" not defined",
        ),
        (
            "{{ $label.a }}",
            "error parsing template __alert_A: template: __alert_A:1: undefined variable \"$label\"",
        ),
        (
            "{{ query \"up\" | first }}",
            "error executing template __alert_A: template: __alert_A:1:128: executing \"__alert_A\" at <first>: error calling first: first() called on vector with no elements",
        ),
        (
            "{{ humanize \"one\" }}",
            "error executing template __alert_A: template: __alert_A:1:115: executing \"__alert_A\" at <humanize \"one\">: error calling humanize: strconv.ParseFloat: parsing \"one\": invalid syntax",
        ),
        (
            "{{ .Foo }}",
            "error executing template __alert_A: template: __alert_A:1:115: executing \"__alert_A\" at <.Foo>: can't evaluate field Foo in type struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }",
        ),
        (
            "{{ (query \"up\").banana }}",
            "error executing template __alert_A: template: __alert_A:1:122: executing \"__alert_A\" at <\"up\">: can't evaluate field banana in type template.queryResult",
        ),
        (
            "{{ toTime 1e300 }}",
            "error executing template __alert_A: template: __alert_A:1:115: executing \"__alert_A\" at <toTime 1e300>: error calling toTime: 1e+300 cannot be represented as a nanoseconds timestamp since it overflows int64",
        ),
        (
            "{{ parseDuration \"1\" }}",
            "error executing template __alert_A: template: __alert_A:1:115: executing \"__alert_A\" at <parseDuration \"1\">: error calling parseDuration: not a valid duration string: \"1\"",
        ),
        (
            "{{ first 1 }}",
            "error executing template __alert_A: template: __alert_A:1:121: executing \"__alert_A\" at <1>: can't handle 1 for arg of type template.queryResult",
        ),
    ] {
        assert_eq!(with(text, &[]), failed(expect), "{text}");
    }
    let mut fails = |_: &str| QueryReply::Failed("no endpoint answers".to_owned());
    let text = "{{ query \"up\" }}";
    let expanded = expand_rule("A", text, &data(Value::Float(1.0)), &mut fails);
    let expect = "error executing template __alert_A: template: __alert_A:1:115: executing \"__alert_A\" at <query \"up\">: error calling query: no endpoint answers";
    assert_eq!(expanded, Expanded::Failed(failed(expect)));
}

#[test]
fn a_template_is_bounded() {
    let text = "{{ range $i, $_ := (printf \"%01000d\" 1 | args) }}{{ end }}{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}";
    assert!(with(text, &[]).starts_with("<error expanding template: "));
    let shared: Arc<str> = "x".repeat(1 << 19).into();
    let text = format!("{shared}{{{{ $value }}}}{shared}{shared}");
    assert!(with(&text, &[]).contains("exceeds"));
}
