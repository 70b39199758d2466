//! What the answer to a question must be, so that it counts.

use super::{
    decode::{Body, Found, decode},
    question::{Ask, Cause, Failure, Times, Values},
    request::seconds,
};
use crate::{
    federation::{Dialect, drops_histograms},
    promql::Samples,
};

impl Ask {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::{PartitionMode, Pushdown, Speech};

    fn ask(times: Times) -> Ask {
        Ask {
            times,
            ..Ask::nothing(0, 300_000)
        }
    }

    fn check(times: Times, text: &str) -> Result<Values, Failure> {
        let body = decode(text.as_bytes());
        ask(times).check(body.map_err(|error| Failure::new(error.to_string()))?, 3)
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
