//! Where Watchfire answers another thing than Alertmanager 0.25, with the reason: versions between 0.25 and 0.34
//! changed it, or it is a decision of Watchfire's own.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;
use serde_json::{Value, json};

/// One step of the script that is answered differently on purpose.
pub(crate) struct Difference {
    /// The title of the step.
    pub(crate) step: &'static str,
    pub(crate) reason: &'static str,
    /// Our status, and what our body begins with.
    pub(crate) ours: (u16, &'static str),
}

impl Difference {
    /// Whether a comparable answer is the one that is listed.
    pub(crate) fn is_seen(&self, answer: &str) -> bool {
        let Some((head, body)) = answer.split_once("\n    ") else {
            return false;
        };
        head.starts_with(&self.ours.0.to_string()) && body.starts_with(self.ours.1)
    }
}

/// Everything that is answered differently, beyond what [`modernize`] and [`shorten`] describe.
pub(crate) const DIFFERENCES: &[Difference] = &[];

/// Brings a body of 0.25 to the form of 0.34, for what changed everywhere.
pub(crate) fn modernize(path: &str, status: u16, body: &mut Value) {
    if status != 200 {
        return;
    }
    if path.starts_with("/api/v2/alerts/groups") {
        for group in body.as_array_mut().into_iter().flatten() {
            // Route labels came with 0.34.
            group["routeLabels"] = json!({});
            group["alerts"]
                .as_array_mut()
                .into_iter()
                .flatten()
                .for_each(with_muted_by);
        }
    } else if path.starts_with("/api/v2/alerts") {
        body.as_array_mut()
            .into_iter()
            .flatten()
            .for_each(with_muted_by);
    } else if path.starts_with("/api/v2/silence") {
        // Silences have had annotations since 0.34.
        match body {
            Value::Array(silences) => silences.iter_mut().for_each(with_annotations),
            silence if silence["matchers"].is_array() => with_annotations(silence),
            _ => {}
        }
    } else if path.starts_with("/api/v2/receivers") {
        for receiver in body.as_array_mut().into_iter().flatten() {
            // Receivers have had labels since 0.33, their name at least.
            receiver["labels"] = json!({"name": receiver["name"]});
        }
    }
}

fn with_annotations(silence: &mut Value) {
    silence["annotations"] = json!({});
}

/// Time intervals have shown up in `mutedBy` since 0.28.
fn with_muted_by(alert: &mut Value) {
    alert["status"]["mutedBy"] = json!([]);
}

/// Brings headers of 0.25 to those of 0.34: no answer of the API is to be cached.
pub(crate) fn modernize_headers(path: &str, status: u16, headers: &mut BTreeMap<String, String>) {
    let redirects = status == 301;
    let preflight = headers
        .get("vary")
        .is_some_and(|vary| vary.contains("Request-Method"));
    if path.starts_with("/api/v2/") && !redirects && !preflight {
        headers.insert("cache-control".to_owned(), "no-store".to_owned());
    }
}

static METHODS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"but \[([A-Z,]+)\] are").unwrap());

/// Takes out what no client can rely on: the order of a Go map, and the wording of Go's JSON parser.
pub(crate) fn shorten(body: &str) -> String {
    let body = METHODS.replace(body, |found: &regex::Captures<'_>| {
        let mut methods = found[1].split(',').collect::<Vec<_>>();
        methods.sort_unstable();
        format!("but [{}] are", methods.join(","))
    });
    match body.split_once("failed, because ") {
        Some((before, _)) => format!("{before}failed, because …"),
        None => body.into_owned(),
    }
}
