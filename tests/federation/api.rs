//! Asks a server for a query and compares answers.

use std::collections::BTreeMap;

use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::http;

/// By how much two numbers may differ, relative to the larger.
const EPSILON: f64 = 1e-9;

/// When a query is evaluated; Unix seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    At(i64),
    Range { start: i64, end: i64, step: i64 },
}

/// What a server answered: the values of each element by its labels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) kind: String,
    pub(crate) elements: BTreeMap<String, Vec<(f64, f64)>>,
    pub(crate) warnings: Vec<String>,
}

/// The parameters of a query.
pub(crate) fn parameters(query: &str, when: When) -> (&'static str, String) {
    let mut form = Serializer::new(String::new());
    form.append_pair("query", query);
    let path = match when {
        When::At(time) => {
            form.append_pair("time", &time.to_string());
            "query"
        }
        When::Range { start, end, step } => {
            form.append_pair("start", &start.to_string());
            form.append_pair("end", &end.to_string());
            form.append_pair("step", &step.to_string());
            "query_range"
        }
    };
    (path, form.finish())
}

#[expect(
    clippy::unwrap_in_result,
    reason = "an error is one that the server answers"
)]
/// Asks the server below `base`, which is before `/api/v1`. An error is the text of one that it answered.
pub(crate) fn ask(base: &str, query: &str, when: When) -> Result<Answer, String> {
    let (path, form) = parameters(query, when);
    let kind = [("Content-Type", "application/x-www-form-urlencoded")];
    let url = format!("{base}/api/v1/{path}");
    let answer = http::try_request("POST", &url, &kind, Some(form.into_bytes())).unwrap();
    let json = answer.json();
    if json["status"] != "success" {
        return Err(format!("{}: {}", json["errorType"], json["error"]));
    }
    Ok(read(query, &json))
}

fn read(query: &str, json: &Value) -> Answer {
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().into_iter().flatten();
        texts
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    };
    let mut found = Answer {
        kind: json["data"]["resultType"].as_str().unwrap().to_owned(),
        elements: BTreeMap::new(),
        warnings: texts(&json["warnings"]),
    };
    let result = &json["data"]["result"];
    if matches!(&*found.kind, "scalar" | "string") {
        found.elements.insert(String::new(), vec![pair(result)]);
        return found;
    }
    for element in result.as_array().unwrap() {
        let values = match element.get("value") {
            Some(one) => vec![pair(one)],
            None => element["values"]
                .as_array()
                .unwrap()
                .iter()
                .map(pair)
                .collect(),
        };
        // Members of an object are sorted.
        let labels = element["metric"].to_string();
        let before = found.elements.insert(labels, values);
        assert!(
            before.is_none(),
            "twice in the answer to {query}: {element}"
        );
    }
    found
}

fn pair(value: &Value) -> (f64, f64) {
    let number = value[1].as_str().unwrap();
    (value[0].as_f64().unwrap(), number.parse().unwrap())
}

/// What is different in an answer, if anything is.
pub(crate) fn difference(expected: &Answer, found: &Answer) -> Option<String> {
    if expected.kind != found.kind {
        return Some(format!("a {} instead of a {}", found.kind, expected.kind));
    }
    for (labels, wanted) in &expected.elements {
        let Some(values) = found.elements.get(labels) else {
            return Some(format!("{labels} is not there, which is {wanted:?}"));
        };
        let same = wanted.len() == values.len()
            && wanted
                .iter()
                .zip(values)
                .all(|(a, b)| a.0 == b.0 && close(a.1, b.1));
        if !same {
            return Some(format!("{labels} is {values:?} instead of {wanted:?}"));
        }
    }
    let more = found
        .elements
        .iter()
        .find(|(labels, _)| !expected.elements.contains_key(*labels));
    more.map(|(labels, values)| format!("{labels} is {values:?} and should not be there"))
}

fn close(a: f64, b: f64) -> bool {
    a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= EPSILON * a.abs().max(b.abs())
}
