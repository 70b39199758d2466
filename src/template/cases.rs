//! Go's own outputs and errors (`templates.json`), and what hostile templates may not do.
#![cfg(test)]

use std::{fs, sync::Arc};

use proptest::prelude::*;
use serde_json::Value as Json;

use super::{
    AlertData, Data, Int, Language, Library, Mode, Scope, TemplateError, Time, Value,
    printf::sprintf,
};
use crate::{labels::LabelSet, time::Timestamp};

/// A case of the file: its name, its mode, the template, and the output or the error.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) mode: Mode,
    pub(super) template: String,
    pub(super) expect: Result<String, String>,
}

/// The data and the cases; `None` where the file is not there.
pub(super) fn load() -> Option<(Data, Vec<Case>)> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/data/go/templates.json"
    );
    let text = fs::read_to_string(path).ok()?;
    Some(read(&text))
}

fn read(text: &str) -> (Data, Vec<Case>) {
    let file: Json = serde_json::from_str(text).unwrap();
    let cases = file["cases"].as_array().unwrap().iter().map(|case| {
        let text = |key: &str| case[key].as_str().map(str::to_owned);
        Case {
            name: text("name").unwrap(),
            mode: if case["mode"] == "html" {
                Mode::Html
            } else {
                Mode::Text
            },
            template: text("template").unwrap(),
            // The program that made the cases had the types in its own package.
            expect: match text("error") {
                None => Ok(text("output").unwrap().replace("main.", "template.")),
                Some(error) => Err(error.replace("main.", "template.")),
            },
        }
    });
    (data(&file["data"]), cases.collect())
}

fn data(json: &Json) -> Data {
    let text = |json: &Json| Arc::from(json.as_str().unwrap());
    let labels = |json: &Json| {
        let pairs = json.as_object().unwrap().iter();
        LabelSet::from_pairs(pairs.map(|(name, value)| (name.as_str(), value.as_str().unwrap())))
    };
    let alerts = json["alerts"].as_array().unwrap().iter().map(|alert| {
        let time = |key: &str| Timestamp::parse(alert[key].as_str().unwrap()).unwrap();
        Arc::new(AlertData {
            status: text(&alert["status"]),
            labels: labels(&alert["labels"]),
            annotations: labels(&alert["annotations"]),
            starts_at: time("startsAt"),
            ends_at: time("endsAt"),
            generator_url: text(&alert["generatorURL"]),
            fingerprint: text(&alert["fingerprint"]),
        })
    });
    Data {
        receiver: text(&json["receiver"]),
        status: text(&json["status"]),
        alerts: alerts.collect(),
        notification_reason: text(&json["notificationReason"]),
        group_labels: labels(&json["groupLabels"]),
        common_labels: labels(&json["commonLabels"]),
        common_annotations: labels(&json["commonAnnotations"]),
        route_labels: labels(&json["routeLabels"]),
        external_url: text(&json["externalURL"]),
    }
}

/// Compiles and renders a text.
pub(super) fn render(
    library: &Library,
    source: &str,
    mode: Mode,
    data: &Arc<Data>,
) -> Result<String, TemplateError> {
    let mut scope = Scope::new(Arc::clone(data), Timestamp::from_unix(1_772_360_000, 0));
    // Small enough for tests of what exceeds them.
    scope.limits.steps = 2_000_000;
    scope.limits.output = 4 << 20;
    library.compile("", source, mode)?.render(&scope)
}

#[test]
fn text_renders_as_go_renders_it() {
    let Some((data, cases)) = load() else {
        println!("skipped: ../shared/data is not here");
        return;
    };
    let (data, library) = (Arc::new(data), Library::built_in(Language::English));
    let mut wrong = Vec::new();
    // The outputs of html/template are checked where the escapers are.
    let text: Vec<&Case> = cases
        .iter()
        .filter(|case| case.mode == Mode::Text)
        .collect();
    for case in &text {
        let got = render(&library, &case.template, case.mode, &data).map_err(|e| e.to_string());
        if got != case.expect {
            wrong.push(format!(
                "{}\n  got  {got:?}\n  want {:?}",
                case.name, case.expect
            ));
        }
    }
    println!("{} of {}", text.len() - wrong.len(), text.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a text renders to, or its error.
fn shown(source: &str) -> String {
    let data = Arc::new(sample());
    let library = Library::built_in(Language::English);
    match render(&library, source, Mode::Text, &data) {
        Ok(text) => text,
        Err(error) => error.to_string(),
    }
}

fn sample() -> Data {
    let alert = |status: &str, instance: &str| {
        Arc::new(AlertData {
            status: status.into(),
            labels: LabelSet::from_pairs([("alertname", "Up"), ("instance", instance)]),
            annotations: LabelSet::from_pairs([("summary", "it is up")]),
            starts_at: Timestamp::from_unix(1_772_357_415, 123_456_789),
            ends_at: Timestamp::ZERO,
            generator_url: "http://prom".into(),
            fingerprint: "0123456789abcdef".into(),
        })
    };
    Data {
        receiver: "team".into(),
        status: "firing".into(),
        alerts: [alert("firing", "a"), alert("resolved", "b")].into(),
        notification_reason: "first notification".into(),
        group_labels: LabelSet::from_pairs([("alertname", "Up")]),
        common_labels: LabelSet::from_pairs([("alertname", "Up")]),
        common_annotations: LabelSet::from_pairs([("summary", "it is up")]),
        route_labels: LabelSet::from_pairs([("team", "x")]),
        external_url: "http://am".into(),
    }
}

#[test]
fn the_language_is_complete() {
    for (source, expect) in [
        ("{{ if 0 }}a{{ else if 1 }}b{{ else }}c{{ end }}", "b"),
        ("{{ with print nil }}{{ . }}{{ else }}e{{ end }}", "<nil>"),
        (
            "{{ with \"\" }}{{ else with .Status }}{{ . }}{{ end }}",
            "firing",
        ),
        (
            "{{ range $i, $a := .Alerts }}{{ if $i }}, {{ end }}{{ $a.Labels.instance }}{{ end }}",
            "a, b",
        ),
        (
            "{{ range 5 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}",
            "02",
        ),
        (
            "{{ range 3 }}{{ range 3 }}{{ if eq . 1 }}{{ break }}{{ end }}{{ . }}{{ end }};{{ end }}",
            "0;0;0;",
        ),
        ("{{ range list }}x{{ else }}none{{ end }}", "none"),
        (
            "{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $y := 3 }}{{ end }}{{ $x }}",
            "2",
        ),
        (
            "{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}",
            "1",
        ),
        (
            "{{ $i := 9 }}{{ range $i = list 1 2 }}{{ end }}{{ $i }}",
            "2",
        ),
        (
            "{{ range $k, $v = dict \"b\" 1 \"a\" 2 }}{{ end }}",
            "template: :1:33: executing \"\" at <2>: undefined variable: $k",
        ),
        (
            "{{ define \"x\" }}[{{ . }}{{ $ }}]{{ end }}{{ template \"x\" 1 }}{{ template \"x\" }}",
            "[11][<no value><no value>]",
        ),
        ("{{ block \"b\" .Status }}<{{ . }}>{{ end }}", "<firing>"),
        (
            "{{ define \"a\" }}{{ if . }}{{ template \"a\" (slice . 1) }}{{ len . }}{{ end }}{{ end }}{{ template \"a\" \"xyz\" }}",
            "123",
        ),
        (
            "{{ or nil 0 \"\" .Status }} {{ and 1 0 .Nope }} {{ or 1 .Nope }}",
            "firing 0 1",
        ),
        (
            "{{ not true }} {{ eq 1 2 3 1 }} {{ ne \"a\" \"b\" }}",
            "false true true",
        ),
        ("{{ .Status | printf \"%s-%s\" \"a\" | len }}", "8"),
        (
            "{{ (index .Alerts 0).Labels.SortedPairs.Values.Join \"+\" }}",
            "Up+a",
        ),
        (
            "{{ .Alerts.Firing | len }}{{ len (.Alerts.Resolved) }}",
            "11",
        ),
        (
            "{{ index (dict \"k\" (list 1 (dict \"z\" 7))) \"k\" 1 \"z\" }}",
            "7",
        ),
        (
            "{{ index \"abc\" 1 }} {{ printf \"%c\" (index \"abc\" 1) }}",
            "98 b",
        ),
        (
            "{{ println 1 \"a\" 2 3 }}|{{ print 1 2 \"a\" 3 4 }}",
            "1 a 2 3\n|1 2a3 4",
        ),
        (
            "{{ html \"<a&'\\\">\" }} {{ js \"<'\\n=\" }} {{ urlquery \"a b&\" }}",
            "&lt;a&amp;&#39;&#34;&gt; \\u003C\\'\\u000A\\u003D a+b%26",
        ),
        (
            "a {{- /* c */ -}} b{{- 1 -}} c {{ 2 }}\n{{- 3 }}",
            "ab1c 23",
        ),
        (
            "{{ 'x' }} {{ 1i }} {{ 1+2i }} {{ -0x1p4 }} {{ 0o17 }}",
            "120 (0+1i) (1+2i) -16 15",
        ),
        (
            "{{ nil }}",
            "template: :1:3: executing \"\" at <nil>: nil is not a command",
        ),
        (
            "{{ 1 2 }}",
            "template: :1:3: executing \"\" at <1>: can't give argument to non-function 1",
        ),
        (
            "{{ template \"none\" . }}",
            "template: :1:12: executing \"\" at <{{template \"none\" .}}>: template \"none\" not defined",
        ),
        (
            "{{ .Alerts.Firing.x }}",
            "template: :1:10: executing \"\" at <.Alerts.Firing.x>: can't evaluate field x in type []template.Alert",
        ),
        (
            "{{ .Status.x }}",
            "template: :1:10: executing \"\" at <.Status.x>: can't evaluate field x in type string",
        ),
        (
            "{{ .Status 1 }}",
            "template: :1:3: executing \"\" at <.Status>: Status has arguments but cannot be invoked as function",
        ),
        (
            "{{ .CommonLabels.a 1 }}",
            "template: :1:16: executing \"\" at <.CommonLabels.a>: a is not a method but has arguments",
        ),
        (
            "{{ len 3 }}",
            "template: :1:3: executing \"\" at <len 3>: error calling len: len of type int",
        ),
        (
            "{{ index .Alerts 9 }}",
            "template: :1:3: executing \"\" at <index .Alerts 9>: error calling index: index out of range: 9",
        ),
        (
            "{{ call .Status }}",
            "template: :1:3: executing \"\" at <call .Status>: error calling call: non-function .Status of type string",
        ),
        (
            "{{ join \"x\" }}",
            "template: :1:3: executing \"\" at <join>: wrong number of args for join: want 2 got 1",
        ),
        (
            "{{ reReplaceAll \"a\" }}",
            "template: :1:3: executing \"\" at <reReplaceAll>: wrong number of args for reReplaceAll: want 3 got 1",
        ),
        ("{{ $x }}", "template: :1: undefined variable \"$x\""),
        (
            "{{ define \"x\" }}a{{ end }}{{ define \"x\" }}b{{ end }}",
            "template: :1: template: multiple definition of template \"x\"",
        ),
        ("{{ end }}", "template: :1: unexpected {{end}}"),
        (
            "{{ if 1 }}{{ else }}{{ else }}{{ end }}",
            "template: :1: expected end; found {{else}}",
        ),
        ("{{ if }}{{ end }}", "template: :1: missing value for if"),
        (
            "{{ 1 | 2 }}",
            "template: :1: non executable command in pipeline stage 2",
        ),
        (
            "{{ range $a, $b, $c := . }}{{ end }}",
            "template: :1: too many declarations in range",
        ),
        (
            "{{ \"a\".b }}",
            "template: :1: unexpected . after term \"\\\"a\\\"\"",
        ),
        (
            "{{ .x\n\"",
            "template: :2: unterminated quoted string in action started at :1",
        ),
        ("{{ (1 }}", "template: :1: unclosed left paren"),
        (
            "{{ template }}",
            "template: :1: unexpected \"}}\" in template clause",
        ),
        (
            "{{ define \"a\" }}{{ define \"b\" }}{{ end }}{{ end }}",
            "template: :1: unexpected <define> in command",
        ),
        (
            "{{ range $i, $e := 3 }}{{ end }}",
            "template: :1:19: executing \"\" at <3>: can't use 3 to iterate over more than one variable",
        ),
        (
            "{{ range .Status }}{{ end }}",
            "template: :1:9: executing \"\" at <.Status>: range can't iterate over firing",
        ),
    ] {
        assert_eq!(shown(source), expect, "{source}");
    }
}

#[test]
fn values_print_as_gos_do() {
    for (source, expect) in [
        (
            "{{ .CommonLabels }} {{ .CommonLabels.SortedPairs }} {{ printf \"%#v\" .CommonLabels }}",
            "alertname=Up alertname=Up template.KV{\"alertname\":\"Up\"}",
        ),
        (
            "{{ list 1 \"a\" nil 1.5 (dict \"k\" true) }} {{ stringSlice \"a\" \"b\" | printf \"%q\" }}",
            "[1 a <nil> 1.5 map[k:true]] [\"a\" \"b\"]",
        ),
        (
            "{{ index .CommonLabels.SortedPairs 0 }} {{ printf \"%+v\" (index .CommonLabels.SortedPairs 0) }}",
            "{alertname Up} {Name:alertname Value:Up}",
        ),
        (
            "{{ printf \"%v %d %s %T\" (index .Alerts 0).StartsAt.Month 7 true (index .Alerts 0).StartsAt }}",
            "March 7 %!s(bool=true) time.Time",
        ),
        (
            "{{ printf \"%d %v %s\" \"x\" nil nil }}",
            "%!d(string=x) <nil> %!s(<nil>)",
        ),
        (
            "{{ printf \"%[2]d %[1]d %d\" 1 2 }} {{ printf \"%[3]d\" 1 }} {{ printf \"%d\" }} {{ printf \"x\" 1 \"a\" }}",
            "2 1 2 %!d(BADINDEX) %!d(MISSING) x%!(EXTRA int=1, string=a)",
        ),
        (
            "{{ printf \"%*d|%-*d|%.*f\" 5 1 4 2 1 2.55 }} {{ printf \"%*d\" \"a\" 1 }} {{ printf \"%.*d\" -1 1 }} {{ printf \"%\" }}",
            "    1|2   |2.5 %!(BADWIDTH)1 %!(BADPREC)1 %!(NOVERB)",
        ),
        (
            "{{ printf \"%x %X % x %#x %q %+q %#q\" \"hé\" \"hé\" \"hi\" \"hi\" \"é\" \"é\" \"a\" }}",
            "68c3a9 68C3A9 68 69 0x6869 \"é\" \"\\u00e9\" `a`",
        ),
        (
            "{{ printf \"%b %o %O %#o %#x %#b %08.3d|%+d|% d|%x\" 5 8 8 8 255 5 7 7 7 -255 }}",
            "101 10 0o10 010 0xff 0b101      007|+7| 7|-ff",
        ),
        (
            "{{ printf \"%c %q %U %#U\" 233 233 233 233 }}",
            "é 'é' U+00E9 U+00E9 'é'",
        ),
        (
            "{{ printf \"%e %g %G %f %.3g %6.1f|%-8.2f|%+.1f %08.2f\" 1234.5 1e-7 1e20 2.0 1234.5 3.14159 2.5 1.25 -3.14159 }}",
            "1.234500e+03 1e-07 1E+20 2.000000 1.23e+03    3.1|2.50    |+1.2 -0003.14",
        ),
        (
            "{{ 1234567.0 }} {{ 123456.0 }} {{ 0.0001 }} {{ 0.00001 }} {{ 1e100 }} {{ printf \"%v\" 100000.0 }}",
            "1.234567e+06 123456 0.0001 1e-05 1e+100 100000",
        ),
        (
            "{{ printf \"%t|%v|%5t|%-7v|\" true false true false }}",
            "true|false| true|false  |",
        ),
        (
            "{{ printf \"%6.2f%%|%5s|%-5s|%.2s|%5.1s|\" 99.5 \"ab\" \"ab\" \"abc\" \"xyz\" }}",
            " 99.50%|   ab|ab   |ab|    x|",
        ),
        (
            "{{ printf \"%x %b\" 1.5 1.0 }} {{ printf \"%#v %#v\" 1 \"a\" }}",
            "0x1.8p+00 4503599627370496p-52 1 \"a\"",
        ),
        (
            "{{ printf \"%z\" 1 }} {{ printf \"%-010d|\" 5 }}",
            "%!z(int=1) 5         |",
        ),
    ] {
        assert_eq!(shown(source), expect, "{source}");
    }
}

#[test]
fn functions_and_methods_are_alertmanagers() {
    for (source, expect) in [
        (
            "{{ \"hello wOrld\" | title }} {{ trimSpace \" a\\n\" }} {{ toLower \"ÀB\" }}",
            "Hello World a àb",
        ),
        (
            "{{ match \"^a.c$\" \"abc\" }} {{ reReplaceAll \"a(x*)b\" \"${1}W$$\" \"-ab-axxb-\" }}",
            "true -W$-xxW$-",
        ),
        (
            "{{ reReplaceAll \"x*\" \"-\" \"abc\" }} {{ reReplaceAll \"(a)\" \"$1_$\" \"a\" }}",
            "-a-b-c- $",
        ),
        (
            "{{ base64encode \"a?b>\" }} {{ base64decode \"YT9iPg==\" }}",
            "YT9iPg== a?b>",
        ),
        (
            "{{ base64decode \"!\" }}",
            "template: :1:3: executing \"\" at <base64decode \"!\">: error calling base64decode: illegal base64 data at input byte 0",
        ),
        ("{{ urlUnescape \"a%20b+c%C3%A9\" }}", "a b cé"),
        (
            "{{ urlUnescape \"%zz\" }}",
            "template: :1:3: executing \"\" at <urlUnescape \"%zz\">: error calling urlUnescape: invalid URL escape \"%zz\"",
        ),
        (
            "{{ humanizeDuration 0 }} {{ humanizeDuration 3.14159 }} {{ humanizeDuration 93784 }} {{ humanizeDuration 0.0123456 }} {{ humanizeDuration \"-90\" }}",
            "0s 3.142s 1d 2h 3m 4s 12.35ms -1m 30s",
        ),
        (
            "{{ humanizeDuration (since (index .Alerts 0).StartsAt) }} {{ since now }}",
            "43m 4s 0s",
        ),
        (
            "{{ (now).Unix }} {{ now.UTC }} {{ now }}",
            "1772360000 2026-03-01 10:13:20 +0000 UTC 2026-03-01 10:13:20 +0000 UTC",
        ),
        (
            "{{ localTime (index .Alerts 0).StartsAt }} {{ (index .Alerts 0).EndsAt | localTime \"15:04\" }}",
            "2026-03-01 09:30:15 UTC —",
        ),
        (
            "{{ (toDate \"2006-01-02\" \"2026-02-28\").AddDate 0 0 1 | date \"Jan 2\" }} {{ (toDate \"x\" \"y\").IsZero }}",
            "Mar 1 true",
        ),
        (
            "{{ mustToDate \"2006\" \"x\" }}",
            "template: :1:3: executing \"\" at <mustToDate \"2006\" \"x\">: error calling mustToDate: parsing time \"x\" as \"2006\": cannot parse \"x\" as \"2006\"",
        ),
        (
            "{{ $t := (index .Alerts 0).StartsAt }}{{ $t.Weekday }} {{ $t.Month }} {{ $t.YearDay }} {{ printf \"%d\" $t.Month }} {{ $t.Location }} {{ ($t.Truncate 3600000000000).Minute }} {{ $t.After now }} {{ $t.UnixNano }} {{ $t.Nanosecond }}",
            "Sunday March 60 3 UTC 0 false 1772357415123456789 123456789",
        ),
        (
            "{{ $d := since (index .Alerts 0).StartsAt }}{{ $d }} {{ $d.Round 60000000000 }} {{ $d.Minutes | printf \"%.2f\" }} {{ $d.Milliseconds }} {{ if gt $d.Seconds 60.0 }}long{{ end }}",
            "43m4.876543211s 43m0s 43.08 2584876 long",
        ),
        (
            "{{ routeLabels \"team\" }}{{ routeLabels \"none\" }} {{ .RouteLabels.team }}",
            "x x",
        ),
        (
            "{{ append (list 1) 2 3 }} {{ index (dict \"a\" (list 1 2)) \"a\" }} {{ append nil 1 }}",
            "[1 2 3] [1 2] [1]",
        ),
        (
            "{{ dict 1 2 }}",
            "template: :1:3: executing \"\" at <dict 1 2>: error calling dict: dict keys must be strings",
        ),
        (
            "{{ safeHtml \"<b>\" | toUpper }}",
            "template: :1:20: executing \"\" at <toUpper>: wrong type for value; expected string; got template.HTML",
        ),
        (
            "{{ toJson .Alerts.Resolved | len }} {{ toJson (list 1.0 1e21 1e-7 \"é\" nil) }}",
            "241 [1,1e+21,1e-7,\"é\",null]",
        ),
        (
            "{{ .CommonLabels.Remove (stringSlice \"alertname\") | len }} {{ (index .Alerts 0).Labels.Values }}",
            "0 [Up a]",
        ),
    ] {
        assert_eq!(shown(source), expect, "{source}");
    }
}

#[test]
fn hostile_templates_end_in_errors() {
    let deep = |open: &str, close: &str, times: usize| {
        format!("{}{}", open.repeat(times), close.repeat(times))
    };
    for (source, expect) in [
        (deep("{{ if 1 }}", "{{ end }}", 100_000), "max nesting depth exceeded"),
        (format!("{{{{ {} }}}}", deep("(", ")", 100_000)), "max expression depth exceeded"),
        ("{{ range 1000000000000 }}{{ end }}".to_owned(), "exceeds its number of steps"),
        ("{{ $x := \"ab\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}".to_owned(), "exceed"),
        ("{{ $x := list 1 }}{{ range 100 }}{{ $x = list $x $x }}{{ end }}{{ $x }}".to_owned(), "nested too deep"),
        ("{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}".to_owned(), "exceed"),
        ("{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ toJson $x }}".to_owned(), "exceed"),
        ("{{ $x := list 1 }}{{ range 60 }}{{ $x = append $x $x $x }}{{ end }}{{ printf \"%v\" $x }}".to_owned(), "exceed"),
        ("{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}".to_owned(), "exceeded maximum template depth (100000)"),
        ("{{ range 1000 }}{{ printf \"%1000000s\" \"x\" }}{{ end }}".to_owned(), "exceed"),
        ("{{ reReplaceAll \"a*\" (printf \"%1000000s\" \"\") (printf \"%1000s\" \"\") }}".to_owned(), "exceed"),
        (format!("{{{{ 1 {} }}}}", "| print ".repeat(100_000)), "pipeline too long"),
    ] {
        let shown = shown(&source);
        let end = shown.char_indices().nth(300).map_or(shown.len(), |(end, _)| end);
        assert!(shown.contains(expect), "{}", &shown[..end]);
    }
    // Long, but not deep.
    let chain = format!(
        "{{{{ if 0 }}}}{}{{{{ else }}}}x{{{{ end }}}}",
        "{{ else if 0 }}".repeat(100_000)
    );
    assert_eq!(shown(&chain), "x");
    let huge = "{{ printf \"%1000000000d|%.1000000f|%.99999999999999999999d\" 1 2.5 3 }}";
    assert!(shown(huge).len() < 3_000_000);
    let nested = format!("{}x{}", "{{ with 1 }}".repeat(150), "{{ end }}".repeat(150));
    assert_eq!(shown(&nested), "x");
    let parens = format!("{{{{ {} }}}}", "(".repeat(90) + "1" + &")".repeat(90));
    assert_eq!(shown(&parens), "1");
    let calls: String = (0..3000)
        .map(|at| {
            format!(
                "{{{{ define \"t{at}\" }}}}{{{{ template \"t{}\" }}}}{{{{ end }}}}",
                at + 1
            )
        })
        .collect();
    let calls = format!("{calls}{{{{ define \"t3000\" }}}}x{{{{ end }}}}{{{{ template \"t0\" }}}}");
    assert_eq!(shown(&calls), "x");
}

/// Parts that templates are made of.
const PARTS: [&str; 64] = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "\n",
    "text",
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "template",
    "block",
    "break",
    "continue",
    "nil",
    "true",
    "$",
    "$x",
    ":=",
    "=",
    ",",
    "|",
    "(",
    ")",
    ".",
    ".Alerts",
    ".Labels",
    ".Firing",
    ".CommonLabels",
    ".x",
    ".StartsAt",
    ".Format",
    ".Sub",
    "\"a\"",
    "`b`",
    "'c'",
    "0",
    "-1",
    "3.5",
    "1e3",
    "0x1F",
    "1i",
    "index",
    "slice",
    "len",
    "printf",
    "\"%v %5.2f %x\"",
    "\"%*.[3]*[2]d\"",
    "print",
    "eq",
    "lt",
    "and",
    "or",
    "not",
    "dict",
    "list",
    "append",
    "toJson",
    "join",
    "date",
    "/*c*/",
];

proptest! {
    #[test]
    fn no_text_of_tokens_panics(parts in prop::collection::vec(0..PARTS.len(), 0..40), spaced: bool) {
        let separator = if spaced { " " } else { "" };
        let source: Vec<&str> = parts.iter().map(|at| PARTS[*at]).collect();
        let _ = shown(&source.join(separator));
    }

    #[test]
    fn no_expression_panics(parts in prop::collection::vec(12..PARTS.len(), 1..12)) {
        let source: Vec<&str> = parts.iter().map(|at| PARTS[*at]).collect();
        let expression = source.join(" ");
        let _ = shown(&format!("{{{{ {expression} }}}}"));
        let _ = shown(&format!("{{{{ range .Alerts }}}}{{{{ {expression} }}}}{{{{ end }}}}"));
    }

    #[test]
    fn no_format_panics(format in "[%#+\\- 0-9.*\\[\\]vTtbcdoOqxXUeEfFgGsp]{0,12}", number: i64, float: f64, text: String) {
        let args = [Value::Int(Int::Int, number), Value::Float(float), Value::from(text), Value::Nil];
        let _ = sprintf(&format, &args, 4_000_000);
    }

    #[test]
    fn no_layout_panics(layout in "[-0-9A-Za-z:., _+Z/é]{0,20}", seconds in -70_000_000_000_i64..200_000_000_000) {
        let time = Time::from(Timestamp::from_unix(seconds, 7));
        let text = time.format(&layout);
        let _ = super::gotime::parse(&layout, &text);
    }

    #[test]
    fn a_time_is_read_as_it_was_written(seconds in -62_000_000_000_i64..200_000_000_000, nanos in 0..999_999_999) {
        let layout = "Mon Jan _2 15:04:05.999999999 -0700 2006";
        let time = Time::from(Timestamp::from_unix(seconds, nanos));
        let read = super::gotime::parse(layout, &time.format(layout)).unwrap();
        prop_assert_eq!(read.at, time.at);
    }
}

#[test]
fn no_mutated_case_panics() {
    let Some((data, cases)) = load() else {
        println!("skipped: ../shared/data is not here");
        return;
    };
    let (data, library) = (Arc::new(data), Library::built_in(Language::English));
    let mut rng = crate::rng::Rng::from_seed(7);
    let mut below = |limit: usize| usize::try_from(rng.next_u64() >> 8).unwrap() % limit;
    for case in &cases {
        for _ in 0..30 {
            let mut source: Vec<char> = case.template.chars().collect();
            for _ in 0..=below(3) {
                let at = below(source.len());
                match below(3) {
                    0 => {
                        source.remove(at);
                    }
                    1 => {
                        let other = source[below(source.len())];
                        source.insert(at, other);
                    }
                    _ => source.truncate(at.max(1)),
                }
                if source.is_empty() {
                    break;
                }
            }
            let source: String = source.into_iter().collect();
            let _ = render(&library, &source, case.mode, &data);
        }
    }
}
