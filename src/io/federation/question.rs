//! What an endpoint is asked and what its answer must be.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::decode::{Body, Found, decode};
use crate::{
    config::{EndpointConfig, EndpointKind},
    federation::{Dialect, Extent, Speech, Version, drops_histograms},
    labels::LabelSet,
    promql::{
        Samples, Series,
        ast::ExprKind,
        engine::Steps,
        parse::{Features, parse},
    },
};

/// Longer queries go as forms: servers and proxies bound the length of a line.
pub(super) const LONGEST_LINE: usize = 1024;

/// Values at more times are asked for in several requests: Prometheus refuses more than 11,000 steps.
const MOST_POINTS: i64 = 11_000;

/// What the values are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Times {
    /// An expression at this time; Unix milliseconds.
    At(i64),
    /// An expression at `start`, `start + step`, up to `end`.
    Grid { start: i64, end: i64, step: i64 },
    /// Samples of `from < time <= to`; the query has the range selector.
    Window { from: i64, to: i64 },
}

/// What a partition is asked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ask {
    pub(super) partition: usize,
    pub(super) query: Arc<str>,
    pub(super) times: Times,
    /// How far instant selectors look back; milliseconds.
    pub(super) lookback: i64,
    /// Whether it asks for series and nothing more.
    pub(super) selects: bool,
    /// Whether the marks of ended series must be among the samples of a window.
    pub(super) marks: bool,
    /// Further parameters of the request, as [`further`] writes them.
    pub(super) further: Arc<str>,
    /// For whom this is; `None` if it is the same for all.
    pub(super) speech: Option<Speech>,
    /// The same for replicas that are spoken to otherwise.
    pub(super) others: Vec<Version>,
}

/// Parameters as they are put at the end of a form.
pub(super) fn further(params: &[(String, String)]) -> Arc<str> {
    let mut form = String::new();
    for (name, value) in params {
        form.push('&');
        push_encoded(&mut form, name);
        form.push('=');
        push_encoded(&mut form, value);
    }
    form.into()
}

/// What a Thanos is told in each request: how coarse its samples may be, and what tells replicas apart.
pub(super) fn told(config: &EndpointConfig) -> String {
    let mut form = String::new();
    let resolution = config.max_source_resolution.as_millis();
    let resolution = i64::try_from(resolution).unwrap_or(i64::MAX);
    push_time(&mut form, "max_source_resolution", resolution);
    for label in &config.replica_labels {
        form.push_str("&replicaLabels%5B%5D=");
        push_encoded(&mut form, label);
    }
    form
}

/// A request without its server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: &'static str,
    /// What follows `/api/v1/`.
    pub(super) path: String,
    pub(super) form: String,
}

/// What an endpoint answered to a question.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) series: Vec<Series>,
    pub(super) samples: usize,
    /// `warnings` and `infos` about the query.
    pub(super) remarks: Vec<String>,
}

/// Why an answer does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: String,
    pub(super) cause: Cause,
}

/// What an answer that does not count comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The endpoint: another replica may answer.
    Endpoint,
    /// What the endpoint is not able to do, though it is well: another replica may be.
    Ability,
    /// The times: no replica holds them.
    Times,
    /// The plan: what is left of the replicas is to be asked otherwise.
    Plan(Extent),
    /// The time that it had, which tells nothing of the endpoint: another replica may need less.
    Time,
    /// The query: every replica would refuse it.
    Query,
    /// What this node may hold for all queries: no replica's answer would fit.
    Limit,
    /// The samples that the query may hold: every replica has more.
    Samples,
    /// The format: JSON cannot carry what was asked.
    Histograms,
}

impl Cause {
    /// Whether another replica may answer what is asked in the same way.
    pub(super) fn is_of_replica(self) -> bool {
        matches!(self, Self::Endpoint | Self::Ability | Self::Time)
    }
}

impl Failure {
    /// What is wrong with an endpoint.
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            cause: Cause::Endpoint,
        }
    }
}

impl Times {
    /// The times of steps.
    pub(super) fn of(steps: Steps) -> Self {
        if steps.step <= 0 || steps.start == steps.last() {
            return Self::At(steps.start);
        }
        Self::Grid {
            start: steps.start,
            end: steps.last(),
            step: steps.step,
        }
    }

    /// The last of them.
    pub(super) fn last(self) -> i64 {
        match self {
            Self::At(time) | Self::Grid { end: time, .. } | Self::Window { to: time, .. } => time,
        }
    }

    /// The same times in parts that endpoints take; none is made before it is asked for.
    fn parts(self) -> impl Iterator<Item = Self> {
        let mut left = Some(self);
        std::iter::from_fn(move || {
            let part = left.take()?;
            let Self::Grid { start, end, step } = part else {
                return Some(part);
            };
            let last = start.saturating_add(step.saturating_mul(MOST_POINTS - 1));
            let last = last.min(end);
            let next = last.saturating_add(step);
            left = (next <= end && next > last).then_some(Self::Grid {
                start: next,
                end,
                step,
            });
            Some(Self::Grid {
                start,
                end: last,
                step,
            })
        })
    }

    fn has(self, time: i64) -> bool {
        match self {
            Self::At(at) => time == at,
            Self::Grid { start, end, step } => {
                (start..=end).contains(&time) && (time - start) % step == 0
            }
            // Before Prometheus 3 windows include their start; these samples are dropped afterwards.
            Self::Window { from, to } => (from..=to).contains(&time),
        }
    }
}

impl Values {
    /// Adds the values of later times.
    pub(super) fn append(&mut self, later: Self) {
        let places = self.series.iter().enumerate();
        let places: BTreeMap<LabelSet, usize> = places
            .map(|(place, series)| (series.labels.clone(), place))
            .collect();
        for series in later.series {
            let place = places.get(&series.labels);
            match place.and_then(|place| self.series.get_mut(*place)) {
                Some(known) => {
                    known.floats.times.extend(series.floats.times);
                    known.floats.values.extend(series.floats.values);
                }
                None => self.series.push(series),
            }
        }
        self.samples = self.samples.saturating_add(later.samples);
        for remark in later.remarks {
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
    }
}

impl Ask {
    /// What costs an endpoint nothing.
    pub(super) fn nothing(time: i64, lookback: i64) -> Self {
        Self {
            partition: 0,
            query: "vector(1)".into(),
            times: Times::At(time),
            lookback,
            selects: false,
            marks: false,
            further: Arc::default(),
            speech: None,
            others: Vec::new(),
        }
    }

    /// The question as a replica is asked it that is spoken to so; none if it may not be.
    pub(super) fn said(self: &Arc<Self>, speech: Speech) -> Option<Arc<Self>> {
        if self.speech.is_none_or(|own| own == speech) {
            return Some(Arc::clone(self));
        }
        let version = self.others.iter().find(|other| other.speech == speech)?;
        Some(Arc::new(Self {
            query: Arc::clone(&version.query),
            lookback: version.lookback,
            speech: Some(speech),
            others: Vec::new(),
            further: Arc::clone(&self.further),
            ..**self
        }))
    }

    /// The same question in parts of so many times as endpoints take.
    pub(super) fn parts(&self) -> impl Iterator<Item = Self> {
        self.times.parts().map(|times| Self {
            times,
            ..self.clone()
        })
    }

    /// Whether it has selectors that look back, and not only windows. What cannot be read may have some.
    pub(super) fn has_instant_selectors(&self) -> bool {
        if matches!(self.times, Times::Window { .. }) {
            return false;
        }
        let Ok(expr) = parse(&self.query, Features::all()) else {
            return true;
        };
        let mut left = vec![&expr];
        while let Some(expr) = left.pop() {
            if matches!(expr.kind, ExprKind::Vector(_)) {
                return true;
            }
            left.extend(expr.children());
        }
        false
    }

    /// The request to an endpoint of this kind, which may take `left` for it and is told what its file says, as [`told`] writes
    /// it.
    pub(super) fn request(&self, kind: EndpointKind, left: Duration, told: &str) -> Request {
        // What is asked is most of it, with some characters as three.
        let mut form = String::with_capacity(self.query.len() * 2 + 64);
        form.push_str("query=");
        push_encoded(&mut form, &self.query);
        let path = match self.times {
            Times::At(at) | Times::Window { to: at, .. } => {
                push_time(&mut form, "time", at);
                "query"
            }
            Times::Grid { start, end, step } => {
                push_time(&mut form, "start", start);
                push_time(&mut form, "end", end);
                push_time(&mut form, "step", step);
                "query_range"
            }
        };
        let left = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        push_time(&mut form, "timeout", left.max(1));
        match kind {
            EndpointKind::VictoriaMetrics => form.push_str("&nocache=1&deny_partial_response=1"),
            EndpointKind::Thanos => {
                push_time(&mut form, "lookback_delta", self.lookback);
                form.push_str("&dedup=true&partial_response=false");
                form.push_str(told);
            }
            EndpointKind::Prometheus | EndpointKind::Auto => {
                push_time(&mut form, "lookback_delta", self.lookback);
            }
            EndpointKind::Cortex | EndpointKind::Mimir => {}
        }
        form.push_str(&self.further);
        if form.len() <= LONGEST_LINE {
            return Request {
                method: "GET",
                path: format!("{path}?{form}"),
                form: String::new(),
            };
        }
        Request {
            method: "POST",
            path: path.to_owned(),
            form,
        }
    }

    /// The values of an answer, if all of it is there and it is about the times that were asked.
    pub(super) fn check(&self, body: Body, max_samples: usize) -> Result<Values, Failure> {
        if body.status != "success" {
            return Err(refusal(&body));
        }
        if body.is_partial {
            return Err(Failure::new("its answer is partial"));
        }
        let remarks: Vec<String> = body
            .warnings
            .into_iter()
            .chain(body.infos)
            .flatten()
            .collect();
        if let Some(other) = remarks.iter().find(|text| !is_of_query(text)) {
            return Err(Failure::new(format!("its answer is partial: {other}")));
        }
        let dialect = self.speech.map(|speech| speech.dialect);
        let drops = |text: &String| dialect.is_some_and(|dialect| drops_histograms(dialect, text));
        if let Some(text) = remarks.iter().find(|text| drops(text)) {
            return Err(Failure {
                cause: Cause::Histograms,
                reason: format!("it leaves native histograms out: {text}"),
            });
        }
        let data = body
            .data
            .ok_or_else(|| Failure::new("its answer has no data"))?;
        let wanted: &[&str] = match self.times {
            Times::At(_) => &["vector", "scalar"],
            Times::Grid { .. } | Times::Window { .. } => &["matrix"],
        };
        if !wanted.contains(&&*data.kind) {
            let reason = format!(
                "it answers a {:?} to a question for a {}",
                data.kind, wanted[0]
            );
            return Err(Failure::new(reason));
        }
        self.check_found(data.result, max_samples)
            .map(|found| Values {
                series: found.series,
                samples: found.samples,
                remarks,
            })
    }

    fn check_found(&self, mut found: Found, max_samples: usize) -> Result<Found, Failure> {
        if found.histograms {
            return Err(Failure {
                cause: Cause::Histograms,
                reason: "the series are native histograms, of which the JSON of queries does not hold everything".to_owned(),
            });
        }
        if found.samples > max_samples {
            return Err(too_many(max_samples));
        }
        let marks_ends = self
            .speech
            .is_some_and(|speech| speech.dialect == Dialect::VictoriaMetrics);
        for series in &mut found.series {
            let times = &series.floats.times;
            let ordered = times.is_sorted_by(|a, b| a < b);
            let strange = times.iter().find(|time| !self.times.has(**time));
            if let Some(time) = strange {
                let reason = format!(
                    "its answer is about {}, which was not asked",
                    seconds(*time)
                );
                return Err(Failure::new(reason));
            }
            if !ordered {
                return Err(Failure::new("the times of its answer are out of order"));
            }
            if times.is_empty() {
                return Err(Failure::new("its answer has a series without samples"));
            }
            if let Times::Window { from, .. } = self.times
                && times.first() == Some(&from)
            {
                series.floats.times.remove(0);
                series.floats.values.remove(0);
                found.samples -= 1;
            }
            // It stores no NaN but the marks of ended series, which windows of Prometheus do not show.
            if matches!(self.times, Times::Window { .. }) && marks_ends {
                found.samples -= drop_nan(&mut series.floats);
            }
        }
        if matches!(self.times, Times::Window { .. }) {
            found
                .series
                .retain(|series| !series.floats.times.is_empty());
        }
        Ok(found)
    }
}

/// Reads an answer and [checks](Ask::check) it.
pub(super) fn read(ask: &Ask, body: &[u8], max_samples: usize) -> Result<Values, Failure> {
    if body.is_empty() {
        return Err(Failure::new("its answer is empty"));
    }
    let decoded = decode(body);
    let decoded = decoded.map_err(|error| {
        let problem = if error.is_eof() {
            "ends early"
        } else {
            "cannot be read"
        };
        Failure::new(format!("its answer {problem}: {error}"))
    })?;
    ask.check(decoded, max_samples)
}

/// Drops samples that are no numbers; how many those were.
fn drop_nan(floats: &mut Samples<f64>) -> usize {
    let Samples { times, values, .. } = floats;
    let before = values.len();
    if values.iter().any(|value| value.is_nan()) {
        let mut kept = values.iter().map(|value| !value.is_nan());
        times.retain(|_| kept.next().unwrap_or(true));
        values.retain(|value| !value.is_nan());
    }
    before - values.len()
}

/// What an answer is that has more samples than the query may hold.
pub(super) fn too_many(max_samples: usize) -> Failure {
    Failure {
        cause: Cause::Samples,
        reason: format!("its answer has more than {max_samples} samples"),
    }
}

/// What an error of the API means.
pub(super) fn refusal(body: &Body) -> Failure {
    let text = match (&*body.error_type, &*body.error) {
        ("", "") => format!("the status of its answer is {:?}", body.status),
        (kind, "") => format!("it refuses: {kind}"),
        ("", error) => format!("it refuses: {error}"),
        (kind, error) => format!("it refuses: {kind}: {error}"),
    };
    // A store that fails while a query runs is told as an error of its execution.
    let of_store = body.error.starts_with("expanding series: ");
    let cause = match &*body.error_type {
        "bad_data" => Cause::Query,
        "execution" if !of_store => Cause::Query,
        "timeout" => Cause::Time,
        // `VictoriaMetrics` tells the status, which is this one for everything that it does not know better.
        "422" if body.error.contains("timeout exceeded") => Cause::Time,
        "400" | "422" => Cause::Query,
        _ => Cause::Endpoint,
    };
    Failure {
        cause,
        reason: text,
    }
}

/// Whether a warning is one of PromQL; any other says that something is missing.
fn is_of_query(text: &str) -> bool {
    text.starts_with("PromQL warning: ") || text.starts_with("PromQL info: ")
}

/// Milliseconds as seconds.
pub(super) fn seconds(millis: i64) -> String {
    let mut text = String::new();
    push_seconds(&mut text, millis);
    text
}

fn push_seconds(text: &mut String, millis: i64) {
    if millis < 0 {
        text.push('-');
    }
    let millis = millis.unsigned_abs();
    push_digits(text, millis / 1000, 1);
    let rest = millis % 1000;
    if rest > 0 {
        text.push('.');
        push_digits(text, rest, 3);
    }
}

/// Appends a number with at least so many digits: without what formatting can do besides, which costs more than the digits.
fn push_digits(text: &mut String, number: u64, least: usize) {
    let mut shown = [b'0'; 20];
    let (mut from, mut left) = (shown.len(), number);
    while left > 0 || shown.len() - from < least {
        from -= 1;
        let digit = u8::try_from(left % 10).unwrap_or_default();
        shown[from] += digit;
        left /= 10;
    }
    text.push_str(std::str::from_utf8(&shown[from..]).unwrap_or_default());
}

/// Appends a parameter that is a time or a duration in seconds.
fn push_time(form: &mut String, name: &str, millis: i64) {
    form.push('&');
    form.push_str(name);
    form.push('=');
    push_seconds(form, millis);
}

/// Bytes that forms have as they are (`application/x-www-form-urlencoded`).
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        let mark = matches!(byte, b'*' | b'-' | b'.' | b'_');
        plain[byte as usize] = mark || byte.is_ascii_alphanumeric();
        byte += 1;
    }
    plain
};

/// Appends a value as forms have it: as `url` does, at a tenth of the cost.
fn push_encoded(form: &mut String, value: &str) {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or('0');
    for run in value
        .as_bytes()
        .split_inclusive(|byte| !PLAIN[usize::from(*byte)])
    {
        let (last, plain) = match run.split_last() {
            Some((last, plain)) if !PLAIN[usize::from(*last)] => (Some(*last), plain),
            _ => (None, run),
        };
        form.push_str(std::str::from_utf8(plain).unwrap_or_default());
        match last {
            None => {}
            Some(b' ') => form.push('+'),
            Some(other) => {
                form.push('%');
                form.push(digit(other >> 4).to_ascii_uppercase());
                form.push(digit(other & 15).to_ascii_uppercase());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::{PartitionMode, Pushdown};

    fn ask(times: Times) -> Ask {
        Ask {
            partition: 0,
            query: "up{a=\"b c\"}".into(),
            times,
            lookback: 300_000,
            selects: true,
            marks: false,
            further: Arc::default(),
            speech: None,
            others: Vec::new(),
        }
    }

    fn check(times: Times, text: &str) -> Result<Values, Failure> {
        let body = decode(text.as_bytes());
        ask(times).check(body.map_err(|error| Failure::new(error.to_string()))?, 3)
    }

    #[test]
    fn requests_by_dialect() {
        let left = Duration::from_millis(1500);
        let at = ask(Times::At(1_500)).request(EndpointKind::Prometheus, left, "");
        assert_eq!(
            (at.method, &*at.path),
            (
                "GET",
                "query?query=up%7Ba%3D%22b+c%22%7D&time=1.500&timeout=1.500&lookback_delta=300"
            )
        );
        let grid = Times::Grid {
            start: -1,
            end: 14,
            step: 15,
        };
        let grid = ask(grid).request(EndpointKind::VictoriaMetrics, left, "");
        assert_eq!(
            grid.path,
            "query_range?query=up%7Ba%3D%22b+c%22%7D&start=-0.001&end=0.014&step=0.015&timeout=1.500\
             &nocache=1&deny_partial_response=1"
        );
        let mut config = EndpointConfig::default();
        let thanos = |config: &EndpointConfig| {
            ask(Times::At(0)).request(EndpointKind::Thanos, left, &told(config))
        };
        let plain = thanos(&config).path;
        let wanted =
            "&lookback_delta=300&dedup=true&partial_response=false&max_source_resolution=0";
        assert!(plain.ends_with(wanted), "{plain}");
        config.max_source_resolution = Duration::from_millis(300_500);
        config.replica_labels = vec!["a".to_owned(), "b c".to_owned()];
        let full = thanos(&config).path;
        let wanted = "&max_source_resolution=300.500&replicaLabels%5B%5D=a&replicaLabels%5B%5D=b+c";
        assert!(full.ends_with(wanted), "{full}");
        let params = [("nocache", "1"), ("extra_label", "a=b c")];
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let more = Ask {
            further: further(&params),
            ..ask(Times::At(0))
        };
        let more = more.request(EndpointKind::Mimir, left, "");
        assert!(
            more.path.ends_with("&nocache=1&extra_label=a%3Db+c"),
            "{}",
            more.path
        );
        let long = Ask {
            query: "a".repeat(2000).into(),
            ..ask(Times::At(0))
        };
        let long = long.request(EndpointKind::Mimir, left, "");
        assert_eq!((long.method, &*long.path), ("POST", "query"));
        assert!(long.form.starts_with("query=aaa"));
    }

    #[test]
    fn many_times_are_asked_for_in_parts() {
        let grid = |start: i64, end: i64, step: i64| Times::Grid { start, end, step };
        let parts: Vec<Times> = grid(0, 22_005, 1).parts().collect();
        let wanted = [
            grid(0, 10_999, 1),
            grid(11_000, 21_999, 1),
            grid(22_000, 22_005, 1),
        ];
        assert_eq!(parts, wanted);
        let one: Vec<Times> = grid(0, 10_999, 1).parts().collect();
        assert_eq!(one, [grid(0, 10_999, 1)]);
        assert_eq!(Times::At(5).parts().collect::<Vec<_>>(), [Times::At(5)]);
        let mut endless = grid(i64::MAX - 1, i64::MAX, 1).parts();
        assert!(endless.next().is_some() && endless.next().is_none());
        assert_eq!(grid(0, i64::MAX, 1).parts().nth(1), Some(wanted[1]));
    }

    #[test]
    fn values_are_encoded_as_in_forms() {
        let all: String = (0..0x180_u32).filter_map(char::from_u32).collect();
        let mut form = String::new();
        push_encoded(&mut form, &all);
        let expect: String = url::form_urlencoded::byte_serialize(all.as_bytes()).collect();
        assert_eq!(form, expect);
    }

    #[test]
    fn only_the_times_asked_are_taken() {
        let vector = |time: &str| {
            format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[{time},"1"]}}]}}}}"#
            )
        };
        assert_eq!(check(Times::At(1_500), &vector("1.5")).unwrap().samples, 1);
        let other = check(Times::At(1_500), &vector("1.499")).unwrap_err();
        assert_eq!(
            other.reason,
            "its answer is about 1.499, which was not asked"
        );

        let matrix = |values: &str| {
            format!(
                r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{values}]}}]}}}}"#
            )
        };
        let grid = Times::Grid {
            start: 0,
            end: 30_000,
            step: 15_000,
        };
        assert!(check(grid, &matrix(r#"[0,"1"],[30,"1"]"#)).is_ok());
        for wrong in [
            r#"[1,"1"]"#,
            r#"[45,"1"]"#,
            r#"[30,"1"],[15,"1"]"#,
            r#"[15,"1"],[15,"1"]"#,
            "",
        ] {
            assert!(check(grid, &matrix(wrong)).is_err(), "{wrong}");
        }
        let window = Times::Window {
            from: 1_000,
            to: 9_000,
        };
        let values = check(window, &matrix(r#"[1,"1"],[2,"2"],[9,"3"]"#)).unwrap();
        assert_eq!(values.series[0].floats.times, [2_000, 9_000]);
        assert_eq!(values.samples, 2);
        assert!(
            check(window, &matrix(r#"[1,"1"]"#))
                .unwrap()
                .series
                .is_empty()
        );
        assert!(check(window, &matrix(r#"[0.999,"1"]"#)).is_err());
        assert!(check(window, &matrix(r#"[9.001,"1"]"#)).is_err());
        assert!(check(window, &matrix(r#"[2,"1"],[3,"1"],[4,"1"],[5,"1"]"#)).is_err());
        assert!(check(Times::At(2_000), &matrix(r#"[2,"1"]"#)).is_err());
        assert!(check(grid, &vector("0")).is_err());
    }

    #[test]
    fn a_nan_of_victoria_metrics_is_the_mark_of_an_end() {
        let speech = |dialect| Speech {
            dialect,
            mode: PartitionMode::Attach,
            pushdown: Pushdown::Aggregate,
        };
        let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{"a":"1"},"values":[[2,"1"],[3,"NaN"]]},{"metric":{"a":"2"},"values":[[1,"5"],[3,"NaN"]]}]}}"#;
        let window = Times::Window {
            from: 1_000,
            to: 9_000,
        };
        let of = |dialect| {
            let ask = Ask {
                speech: Some(speech(dialect)),
                ..ask(window)
            };
            ask.check(decode(text.as_bytes()).unwrap(), 5).unwrap()
        };
        let values = of(Dialect::VictoriaMetrics);
        assert_eq!(values.series.len(), 1);
        assert_eq!(values.series[0].floats.times, [2_000]);
        assert_eq!(values.series[0].floats.values, [1.0]);
        assert_eq!(values.samples, 1);
        // Elsewhere it is a sample.
        let values = of(Dialect::Prometheus3);
        assert_eq!((values.series.len(), values.samples), (2, 3));
    }

    #[test]
    fn partial_and_refused_answers() {
        let with = |rest: &str| {
            let text = format!(
                r#"{{"status":"success",{rest}"data":{{"resultType":"vector","result":[]}}}}"#
            );
            check(Times::At(0), &text)
        };
        assert!(with("").is_ok());
        assert!(with(r#""warnings":null,"isPartial":false,"#).is_ok());
        assert!(with(r#""isPartial":true,"#).is_err());
        assert!(with(r#""warnings":["store a is down"],"#).is_err());
        assert!(with(r#""infos":["something else"],"#).is_err());
        let values = with(
            r#""warnings":["PromQL warning: mixed (1:5)"],"infos":["PromQL info: no counter"],"#,
        );
        let remarks = values.unwrap().remarks;
        assert_eq!(
            remarks,
            ["PromQL warning: mixed (1:5)", "PromQL info: no counter"]
        );

        let error = check(
            Times::At(0),
            r#"{"status":"error","errorType":"execution","error":"many"}"#,
        );
        let error = error.unwrap_err();
        assert_eq!(
            (&*error.reason, error.cause),
            ("it refuses: execution: many", Cause::Query)
        );
        let error = check(
            Times::At(0),
            r#"{"status":"error","errorType":"execution","error":"expanding series: store a is away"}"#,
        );
        assert_eq!(error.unwrap_err().cause, Cause::Endpoint);
        let told = |kind: &str, error: &str| {
            let text = format!(r#"{{"status":"error","errorType":"{kind}","error":"{error}"}}"#);
            check(Times::At(0), &text).unwrap_err().cause
        };
        assert_eq!(told("timeout", "query timed out"), Cause::Time);
        assert_eq!(told("422", "cannot parse"), Cause::Query);
        assert_eq!(
            told("422", "timeout exceeded during query execution"),
            Cause::Time
        );
        assert_eq!(told("429", "too many requests"), Cause::Endpoint);
        assert_eq!(told("503", "a store is away"), Cause::Endpoint);
        assert!(check(Times::At(0), r#"{"status":""}"#).is_err());
        assert!(check(Times::At(0), r#"{"status":"success"}"#).is_err());
    }

    #[test]
    fn histograms_are_refused() {
        let text = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[0,{}]}]}}"#;
        assert_eq!(
            check(Times::At(0), text).unwrap_err().cause,
            Cause::Histograms
        );
    }
}
