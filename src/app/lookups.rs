//! Which series, names, values and descriptions there are: the answers of all partitions put together.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::queries::labels;
use crate::{
    api::prometheus::{ApiFailure, ErrorType, Found, LookupScope},
    io::federation::{LookedUp, LookupAnswer, LookupRequest, Subject},
    labels::LabelSet,
    promql::parse::parse_selector,
};

/// The question about what is in a scope.
pub(super) fn request(subject: Subject, scope: &LookupScope) -> Result<LookupRequest, ApiFailure> {
    let mut selectors = Vec::new();
    for selector in &scope.selectors {
        let parsed = parse_selector(selector);
        let parsed =
            parsed.map_err(|error| ApiFailure::new(ErrorType::BadData, error.to_string()))?;
        selectors.push(parsed);
    }
    let seconds = |millis: i64| (millis as f64 / 1000.0).to_string();
    let start = scope.start.map(|time| ("start", seconds(time)));
    let end = scope.end.map(|time| ("end", seconds(time)));
    Ok(LookupRequest {
        subject,
        selectors,
        params: start.into_iter().chain(end).collect(),
        limit: scope.limit,
    })
}

/// Puts answers together, which may be large, where nothing waits for it: the mesh lives on the threads of requests.
pub(super) async fn put_together<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiFailure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| ApiFailure::new(ErrorType::Internal, error.to_string()))
}

/// What there is of series, names or values, sorted and no more than wanted, and what is to be said beside it.
pub(super) fn found(request: &LookupRequest, answers: Vec<LookupAnswer>) -> (Found, Vec<String>) {
    let most = request.limit.unwrap_or(usize::MAX);
    let mut warnings = missing(&answers);
    // What partitions have twice may hide that one of them had more to tell.
    let mut cut = answers.iter().any(|answer| {
        let data = answer.data.as_ref();
        data.is_ok_and(|data| length(data) > most)
    });
    let found = if request.subject == Subject::Series {
        let mut series = all_series(answers);
        cut |= series.len() > most;
        series.truncate(most);
        Found::Series(series)
    } else {
        let mut texts = match &request.subject {
            Subject::LabelValues(_) => all_texts(answers, |_| Vec::new()),
            Subject::Series | Subject::LabelNames | Subject::Metadata | Subject::Exemplars => {
                all_names(answers)
            }
        };
        cut |= texts.len() > most;
        texts.truncate(most);
        Found::Texts(texts)
    };
    if cut {
        warnings.push("results truncated due to limit".to_owned());
    }
    (found, warnings)
}

fn length(data: &LookedUp) -> usize {
    match data {
        LookedUp::Series(sets) => sets.len(),
        LookedUp::Texts(texts) => texts.len(),
        LookedUp::Json(_) => 0,
    }
}

fn missing(answers: &[LookupAnswer]) -> Vec<String> {
    let failed = answers.iter().filter_map(|answer| {
        let reason = answer.data.as_ref().err()?;
        Some(format!(
            "partition {} is missing: {reason}",
            answer.partition
        ))
    });
    failed.collect()
}

/// The label sets of all answers, with the labels of their partitions.
fn all_series(answers: Vec<LookupAnswer>) -> Vec<LabelSet> {
    let mut all: Vec<LabelSet> = Vec::new();
    for answer in answers {
        let Ok(LookedUp::Series(sets)) = answer.data else {
            continue;
        };
        if !answer.attach || answer.partition.is_empty() {
            all.extend(sets);
            continue;
        }
        let attached = &answer.partition;
        let sets = sets.iter();
        all.extend(sets.map(|set| LabelSet::from_pairs(set.iter().chain(attached))));
    }
    all.sort_by(|a, b| a.iter().cmp(b.iter()));
    all.dedup();
    all
}

/// The texts of all answers, and with those of a partition that has any what `of_partition` says.
fn all_texts(
    answers: Vec<LookupAnswer>,
    of_partition: impl Fn(&LookupAnswer) -> Vec<String>,
) -> Vec<String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    for answer in answers {
        let Ok(LookedUp::Texts(texts)) = &answer.data else {
            continue;
        };
        if !texts.is_empty() {
            all.extend(of_partition(&answer));
        }
        all.extend(texts.iter().cloned());
    }
    all.into_iter().collect()
}

fn all_names(answers: Vec<LookupAnswer>) -> Vec<String> {
    all_texts(answers, |answer| {
        let attached = answer.partition.iter().filter(|_| answer.attach);
        attached.map(|(name, _)| name.to_owned()).collect()
    })
}

/// The exemplars of each series, with the labels of its partition, sorted, and what is missing.
pub(super) fn exemplars(answers: &[LookupAnswer]) -> (Value, Vec<String>) {
    let mut all: HashMap<LabelSet, Vec<Value>> = HashMap::new();
    for answer in answers {
        let Ok(LookedUp::Json(Value::Array(elements))) = &answer.data else {
            continue;
        };
        for element in elements {
            let of = element.get("seriesLabels").and_then(Value::as_object);
            let exemplars = element.get("exemplars").and_then(Value::as_array);
            let (Some(of), Some(exemplars)) = (of, exemplars) else {
                continue;
            };
            let pairs = of.iter();
            let pairs = pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
            let attached = answer.partition.iter().filter(|_| answer.attach);
            let known = all.entry(LabelSet::from_pairs(pairs.chain(attached)));
            known.or_default().extend(exemplars.iter().cloned());
        }
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by(|(a, _), (b, _)| a.iter().cmp(b.iter()));
    let all = all.into_iter().map(
        |(series, exemplars)| json!({"seriesLabels": labels(&series), "exemplars": exemplars}),
    );
    (Value::Array(all.collect()), missing(answers))
}

/// The descriptions of each metric, each once, and what is missing.
pub(super) fn metadata(answers: Vec<LookupAnswer>) -> (Value, Vec<String>) {
    let missing = missing(&answers);
    let mut all: Map<String, Value> = Map::new();
    for answer in answers {
        let Ok(LookedUp::Json(Value::Object(metrics))) = answer.data else {
            continue;
        };
        for (name, entries) in metrics {
            let known = all.entry(name).or_insert_with(|| json!([]));
            let (Some(known), Value::Array(entries)) = (known.as_array_mut(), entries) else {
                continue;
            };
            for entry in entries {
                if !known.contains(&entry) {
                    known.push(entry);
                }
            }
        }
    }
    (Value::Object(all), missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(cluster: &str, data: LookedUp) -> LookupAnswer {
        LookupAnswer {
            partition: LabelSet::from_pairs([("cluster", cluster)]),
            attach: true,
            data: Ok(data),
        }
    }

    fn texts(cluster: &str, texts: &[&str]) -> LookupAnswer {
        let texts = texts.iter().map(|text| (*text).to_owned());
        answer(cluster, LookedUp::Texts(texts.collect()))
    }

    fn series(cluster: &str, sets: &[&[(&str, &str)]]) -> LookupAnswer {
        let sets = sets.iter();
        let sets = sets.map(|pairs| LabelSet::from_pairs(pairs.iter().copied()));
        answer(cluster, LookedUp::Series(sets.collect()))
    }

    /// What is found, as text, of no more than so many.
    fn shown(
        subject: Subject,
        limit: Option<usize>,
        answers: &[LookupAnswer],
    ) -> (String, Vec<String>) {
        let request = LookupRequest {
            subject,
            selectors: Vec::new(),
            params: Vec::new(),
            limit,
        };
        match found(&request, answers.to_vec()) {
            (Found::Series(sets), warnings) => {
                let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
                (sets.join(" "), warnings)
            }
            (Found::Texts(texts), warnings) => (texts.join(" "), warnings),
        }
    }

    #[test]
    fn what_partitions_know_is_put_together() {
        let a: &[(&str, &str)] = &[("__name__", "up"), ("job", "a")];
        let away = LookupAnswer {
            data: Err("it does not answer in time".to_owned()),
            ..texts("ap", &[])
        };
        let all = [series("eu", &[a]), series("us", &[a]), away];
        assert_eq!(
            shown(Subject::Series, None, &all),
            (
                r#"{__name__="up", cluster="eu", job="a"} {__name__="up", cluster="us", job="a"}"#
                    .to_owned(),
                vec![
                    r#"partition {cluster="ap"} is missing: it does not answer in time"#.to_owned()
                ]
            )
        );
        let names = [texts("eu", &["job"]), texts("us", &["job", "instance"])];
        let (names, _) = shown(Subject::LabelNames, None, &names);
        assert_eq!(names, "cluster instance job");
        // Where there is nothing, there is nothing with the partition's labels either.
        let none = [texts("eu", &[])];
        assert_eq!(shown(Subject::LabelNames, None, &none).0, "");
        let of = || Subject::LabelValues("cluster".to_owned());
        assert_eq!(shown(of(), None, &none).0, "");
        assert_eq!(shown(of(), None, &[texts("eu", &["eu"])]).0, "eu");
    }

    #[test]
    fn what_is_left_out_is_told() {
        let truncated = vec!["results truncated due to limit".to_owned()];
        let job = || Subject::LabelValues("job".to_owned());
        let both = [texts("eu", &["a", "b"]), texts("us", &["b", "c"])];
        assert_eq!(
            shown(job(), Some(3), &both),
            ("a b c".to_owned(), Vec::new())
        );
        assert_eq!(
            shown(job(), Some(2), &both),
            ("a b".to_owned(), truncated.clone())
        );
        // Both are one series with the label of the partition; what else there is was not told.
        let same: &[&[(&str, &str)]] = &[&[("cluster", "x")], &[("cluster", "y")]];
        let (found, warnings) = shown(Subject::Series, Some(1), &[series("eu", same)]);
        assert_eq!((found.as_str(), warnings), (r#"{cluster="eu"}"#, truncated));
    }

    #[test]
    fn exemplars_and_descriptions_are_put_together() {
        let exemplar = json!({"labels": {"trace": "t"}, "value": "6", "timestamp": 1.5});
        let has = json!([{"seriesLabels": {"__name__": "x", "job": "b"}, "exemplars": [exemplar]}]);
        let has = |cluster: &str| answer(cluster, LookedUp::Json(has.clone()));
        let (found, _) = exemplars(&[has("us"), has("eu")]);
        assert_eq!(
            found,
            json!([
                {"seriesLabels": {"__name__": "x", "cluster": "eu", "job": "b"}, "exemplars": [exemplar]},
                {"seriesLabels": {"__name__": "x", "cluster": "us", "job": "b"}, "exemplars": [exemplar]},
            ])
        );
        let described = |kinds: Value| answer("eu", LookedUp::Json(json!({"up": kinds})));
        let (found, _) = metadata(vec![described(json!([1])), described(json!([1, 2]))]);
        assert_eq!(found, json!({"up": [1, 2]}));
    }
}
