//! The sections of a file of tests of rules.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    config::{
        OnPartial,
        read::{Codec, Cursor, Name, Place, PromDuration, Reader, join},
        section::section,
    },
    labels::go_quote,
    time::Timestamp,
    yaml::Value,
};

section! {
    /// A file of tests of rules.
    pub RuleTestFile in "main.unitTestFile", check check_file {
        /// Files of rules: paths as resolved against the directory of the file, or patterns.
        rule_files: Vec<String> as Vec<RulePath>,
        /// How often all groups are evaluated; never zero.
        evaluation_interval: Duration as PromDuration = Duration::from_mins(1),
        /// Names of groups, each once. Groups that read each other are evaluated in the order of what they read.
        group_eval_order: Vec<String>,
        /// Whether neighbouring numbers count as equal.
        fuzzy_compare: bool,
        /// Whether groups that name an interval are evaluated at that one.
        group_intervals: bool,
        /// What partial answers do to rules that do not say it.
        on_partial: OnPartial as Name<OnPartial>,
        /// After how long of holding the partial answer counts as complete.
        hold_for: Duration as PromDuration = Duration::from_hours(1),
        /// The tests.
        tests: Vec<RuleTest>,
    }

    /// One test: a world of its own, and what is expected in it.
    pub RuleTest in "main.testGroup", check check_test {
        /// The time between samples; zero for that between evaluations.
        interval: Duration as PromDuration,
        /// The data.
        input_series: Vec<TestSeries>,
        /// Which alerts are to fire.
        alert_rule_test: Vec<AlertTest>,
        /// What expressions are to be.
        promql_expr_test: Vec<ExpressionTest>,
        /// Labels of all alerts, for templates.
        external_labels: BTreeMap<String, String>,
        /// The address of the ruler, for templates.
        external_url: String,
        /// What it is called.
        name: String,
        /// The time of the first evaluation and of the first samples; Unix milliseconds.
        start_timestamp: i64 as StartTime,
        /// The partitions of the data; empty for one database that always answers.
        endpoints: Vec<TestEndpoint>,
        /// When the ruler is not there; afterwards it knows what a ruler that starts knows.
        restarts: Vec<TestAbsence>,
    }

    /// A series in the notation of PromQL's tests.
    #[derive(Eq)]
    pub TestSeries in "main.series" {
        /// The metric.
        series: String,
        /// Its values.
        values: String,
    }

    /// Which alerts of one name are to fire at a time.
    #[derive(Eq)]
    pub AlertTest in "main.alertTestCase" {
        /// The time, from the start of the test.
        eval_time: Duration as PromDuration,
        /// The name.
        alertname: String,
        /// The alerts.
        exp_alerts: Vec<ExpectedAlert>,
    }

    /// An alert that is to fire.
    #[derive(Eq)]
    pub ExpectedAlert in "main.alert" {
        /// Its labels, `alertname` left out.
        exp_labels: BTreeMap<String, String>,
        /// Its annotations.
        exp_annotations: BTreeMap<String, String>,
    }

    /// What an expression is to be at a time.
    pub ExpressionTest in "main.promqlTestCase" {
        /// The expression.
        expr: String,
        /// The time, from the start of the test.
        eval_time: Duration as PromDuration,
        /// The elements.
        exp_samples: Vec<ExpectedSample>,
    }

    /// An element of a result.
    pub ExpectedSample in "main.sample" {
        /// Its labels, written as a metric; those of a scalar are empty.
        labels: String,
        /// Its value, if it is a number.
        value: f64,
        /// Its value, if it is a native histogram; empty otherwise.
        histogram: String,
    }

    /// A partition of the data.
    #[derive(Eq)]
    pub TestEndpoint in "watchfire.Endpoint", check check_endpoint {
        /// What it is called in messages; its labels if empty.
        name: String,
        /// What sets it apart: the series that have these labels are its.
        labels: BTreeMap<String, String>,
        /// When it does not answer.
        outages: Vec<TestAbsence>,
    }

    /// A time in which something is not there, from the start of the test on.
    #[derive(Eq)]
    pub TestAbsence in "watchfire.Absence", check check_absence {
        /// The first moment.
        from: Duration as PromDuration,
        /// The moment at which it is there again.
        to: Duration as PromDuration,
    }
}

/// A path or pattern relative to the directory of the file.
pub(in crate::config) struct RulePath;

impl Codec for RulePath {
    type Value = String;

    fn go_type() -> String {
        "string".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<String> {
        let typed = reader.text(node, "string")?;
        Some(join(&reader.env.directory, &typed))
    }

    fn null() -> String {
        String::new()
    }

    fn print(path: &String) -> Value {
        Value::from(&**path)
    }

    fn is_empty(path: &String) -> bool {
        path.is_empty()
    }
}

/// A point in time as seconds since 1970 or in RFC 3339; Unix milliseconds.
pub(in crate::config) struct StartTime;

impl Codec for StartTime {
    type Value = i64;

    fn go_type() -> String {
        "string".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<i64> {
        let text = reader.text(node, "string")?;
        let millis = seconds(&text)
            .or_else(|| Timestamp::parse(&text).ok())
            .map(Timestamp::unix_millis);
        if millis.is_none() {
            let text = go_quote(&text);
            let message = format!("cannot parse {text} to a valid timestamp");
            reader.deny(node.position(), message);
        }
        millis
    }

    fn null() -> i64 {
        0
    }

    fn print(millis: &i64) -> Value {
        Value::Int(millis / 1000)
    }

    fn is_empty(millis: &i64) -> bool {
        *millis == 0
    }
}

fn seconds(text: &str) -> Option<Timestamp> {
    let seconds: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "bounded before")]
    let millis = (seconds.abs() < 1e11).then(|| (seconds * 1000.0).round() as i64)?;
    Some(Timestamp::from_millis(millis))
}

fn check_file(file: &mut RuleTestFile, place: &Place, reader: &mut Reader<'_>) {
    if file.evaluation_interval.is_zero() {
        file.evaluation_interval = Duration::from_mins(1);
    }
    let mut seen: Vec<&String> = Vec::new();
    for name in &file.group_eval_order {
        if seen.contains(&name) {
            let message = format!("group name repeated in evaluation order: {name}");
            reader.deny(place.of("group_eval_order"), message);
        }
        seen.push(name);
    }
}

fn check_test(test: &mut RuleTest, place: &Place, reader: &mut Reader<'_>) {
    let mut seen: Vec<&BTreeMap<String, String>> = Vec::new();
    for endpoint in &test.endpoints {
        if seen.contains(&&endpoint.labels) {
            let message = "two endpoints have the same labels: those of each must set it apart";
            reader.deny(place.of("endpoints"), message);
        }
        seen.push(&endpoint.labels);
    }
    let pairs = test.restarts.iter().zip(test.restarts.iter().skip(1));
    for (earlier, later) in pairs {
        if later.from < earlier.to {
            let message = "restarts must follow each other in time";
            reader.deny(place.of("restarts"), message);
        }
    }
}

fn check_endpoint(endpoint: &mut TestEndpoint, place: &Place, reader: &mut Reader<'_>) {
    if endpoint.labels.is_empty() {
        let message = "an endpoint needs labels: the series that have them are its";
        reader.deny(place.at, message);
    }
}

fn check_absence(absence: &mut TestAbsence, place: &Place, reader: &mut Reader<'_>) {
    if !place.has("to") {
        absence.to = absence.from;
    }
    if absence.to < absence.from {
        reader.deny(place.of("to"), "to must not be before from");
    }
}
