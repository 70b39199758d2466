//! Renders per second of templates like the default ones, on one core: `cargo run --release --example templates`.

#![expect(clippy::print_stdout, reason = "an example prints what it measured")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock"
)]

use std::{sync::Arc, time::Instant};

use watchfire::{
    labels::LabelSet,
    template::{AlertData, Data, Language, Library, Mode, Scope},
    time::Timestamp,
};

const TEXTS: [(&str, Mode, &str); 5] = [
    ("subject", Mode::Text, "{{ template \"__subject\" . }}"),
    (
        "alert list",
        Mode::Text,
        "{{ range .Alerts.Firing }}Labels:\n{{ range .Labels.SortedPairs }} - {{ .Name }} = {{ .Value }}\n{{ end }}Annotations:\n{{ range .Annotations.SortedPairs }} - {{ .Name }} = {{ .Value }}\n{{ end }}Source: {{ .GeneratorURL }}\n{{ end }}",
    ),
    (
        "telegram",
        Mode::Text,
        "{{ template \"telegram.default.message\" . }}",
    ),
    (
        "html list",
        Mode::Html,
        "<ul>{{ range .Alerts }}<li><a href=\"{{ .GeneratorURL }}\" title=\"{{ .Annotations.summary }}\">{{ .Labels.alertname }}</a>{{ range .Labels.SortedPairs }}<b>{{ .Name }}</b>={{ .Value }}<br>{{ end }}</li>{{ end }}</ul>",
    ),
    (
        "email",
        Mode::Html,
        "{{ template \"email.default.html\" . }}",
    ),
];

fn main() {
    let library = Library::built_in(Language::English);
    let scope = Scope::new(data(), Timestamp::from_unix(1_772_360_000, 0));
    for (name, mode, source) in TEXTS {
        let template = match library.compile("", source, mode) {
            Ok(template) => template,
            Err(error) => {
                println!("{name}: {error}");
                continue;
            }
        };
        let bytes = template.render(&scope).map_or(0, |text| text.len());
        let start = Instant::now();
        let mut renders = 0_u32;
        while start.elapsed().as_millis() < 1000 {
            for _ in 0..100 {
                std::hint::black_box(template.render(&scope).map_or(0, |text| text.len()));
            }
            renders += 100;
        }
        let rate = f64::from(renders) / start.elapsed().as_secs_f64();
        println!("{name}: {rate:.0} renders/s of {bytes} bytes");
    }
}

fn data() -> Data {
    let alert = |status: &str, instance: &str| {
        Arc::new(AlertData {
            status: status.into(),
            labels: LabelSet::from_pairs([
                ("alertname", "HighCPU"),
                ("instance", instance),
                ("job", "node"),
                ("severity", "critical"),
            ]),
            annotations: LabelSet::from_pairs([
                ("description", "load <b>99</b> & \"rising\""),
                ("summary", "CPU high"),
            ]),
            starts_at: Timestamp::from_unix(1_772_357_415, 123_456_789),
            ends_at: Timestamp::ZERO,
            generator_url: "http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1".into(),
            fingerprint: "deadbeef00000001".into(),
        })
    };
    Data {
        receiver: "team-x".into(),
        status: "firing".into(),
        alerts: [
            alert("firing", "web-1:9100"),
            alert("firing", "web-2:9100"),
            alert("resolved", "web-3:9100"),
        ]
        .into(),
        notification_reason: "new alerts added".into(),
        group_labels: LabelSet::from_pairs([("alertname", "HighCPU")]),
        common_labels: LabelSet::from_pairs([("alertname", "HighCPU"), ("job", "node")]),
        common_annotations: LabelSet::empty(),
        route_labels: LabelSet::empty(),
        external_url: "http://am:9093".into(),
    }
}
