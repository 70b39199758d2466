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
        let (head, body) = answer.split_once("\n    ").unwrap_or((answer, ""));
        head.starts_with(&self.ours.0.to_string()) && body.starts_with(self.ours.1)
    }
}

/// Everything that is answered differently, beyond what [`modernize`], [`modernize_headers`] and [`shorten`] describe.
pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        step: "healthy, HEAD",
        reason: "HEAD has the headers of GET",
        ours: (200, ""),
    },
    Difference {
        step: "ready, HEAD",
        reason: "HEAD has the headers of GET",
        ours: (200, ""),
    },
    Difference {
        step: "api v1 status",
        reason: "API v1 is gone since 0.27",
        ours: (410, ""),
    },
    Difference {
        step: "api v1 alerts",
        reason: "API v1 is gone since 0.27",
        ours: (410, ""),
    },
    Difference {
        step: "two bad alerts",
        reason: "one error a line, since 0.28",
        ours: (
            400,
            "\"at least one label pair required\\nstart time must be before end time\"\\n",
        ),
    },
    Difference {
        step: "a null alert",
        reason: "an error where 0.25 panics and breaks the connection",
        ours: (422, "{\"code\":602,\"message\":\"0 in body is required\"}"),
    },
    Difference {
        step: "silence: null matcher",
        reason: "an error where 0.25 panics and breaks the connection",
        ours: (
            422,
            "{\"code\":602,\"message\":\"matchers.0 in body is required\"}",
        ),
    },
    Difference {
        step: "filter in braces",
        reason: "the parser since 0.27 names the braces",
        ours: (400, "\"unexpected open or close brace: {alertname=Full}\""),
    },
    Difference {
        step: "filter with an open brace",
        reason: "the parser since 0.27 names the braces",
        ours: (400, "\"unexpected open or close brace: {alertname=Full\""),
    },
    Difference {
        step: "groups, bad filter",
        reason: "the parser since 0.27 names the braces",
        ours: (400, "\"unexpected open or close brace: {{\""),
    },
    Difference {
        step: "silences by two matchers in one",
        reason: "the parser since 0.27 names the braces",
        ours: (400, "\"unexpected open or close brace: {a=x,c!=\\\"\\\"}\""),
    },
    Difference {
        step: "a semicolon in the query",
        reason: "Go drops a parameter with a semicolon, and so shows all alerts; here it is part of the value",
        ours: (200, "[]"),
    },
    Difference {
        step: "a bad percent escape",
        reason: "Go drops a parameter that it cannot decode, and so shows all alerts; here it is an error",
        ours: (400, "\"bad matcher format: %zz\""),
    },
    Difference {
        step: "a percent escape that is no UTF-8",
        reason: "decoded with a replacement character, which nothing matches",
        ours: (200, "[]"),
    },
    Difference {
        step: "silences without pending ones",
        reason: "the parameters came with 0.34; 0.25 shows all",
        ours: (200, "[{\"annotations\":{},\"comment\":\"\""),
    },
    Difference {
        step: "silences without active ones",
        reason: "the parameters came with 0.34; 0.25 shows all",
        ours: (
            200,
            "[{\"annotations\":{},\"comment\":\"why\",\"createdBy\":\"me\",\"endsAt\":\"<+120 min, 3 digitsZ>\",\"id\":\"<pending>\"",
        ),
    },
    Difference {
        step: "only expired ones",
        reason: "the parameters came with 0.34; 0.25 shows all",
        ours: (200, "[{\"annotations\":{},\"comment\":\"why\""),
    },
    Difference {
        step: "delete an unknown silence",
        reason: "not found is 404 since 0.28",
        ours: (404, ""),
    },
    Difference {
        step: "silence: empty name",
        reason: "errors are worded differently since 0.32, which has sets of matchers",
        ours: (
            400,
            "\"invalid silence: invalid label matcher 0 in set 0: invalid label name \\\"\\\"\"",
        ),
    },
    Difference {
        step: "silence: matches everything",
        reason: "errors are worded differently since 0.32, which has sets of matchers",
        ours: (
            400,
            "\"invalid silence: matcher set 0: at least one matcher must not match the empty string\"",
        ),
    },
    Difference {
        step: "silence: matches everything by expression",
        reason: "errors are worded differently since 0.32, which has sets of matchers",
        ours: (
            400,
            "\"invalid silence: matcher set 0: at least one matcher",
        ),
    },
    Difference {
        step: "silence: matches everything by two",
        reason: "errors are worded differently since 0.32, which has sets of matchers",
        ours: (
            400,
            "\"invalid silence: matcher set 0: at least one matcher",
        ),
    },
    Difference {
        step: "silence: bad expression",
        reason: "errors are worded differently since 0.32, which has sets of matchers",
        ours: (
            400,
            "\"invalid silence: invalid label matcher 0 in set 0: invalid regular expression \\\"(\\\": error parsing regexp: missing closing ): `(`\"",
        ),
    },
    Difference {
        step: "silence: look-ahead",
        reason: "errors are worded differently since 0.32, which has sets of matchers",
        ours: (
            400,
            "\"invalid silence: invalid label matcher 0 in set 0: invalid regular expression \\\"(?=x)\\\": error parsing regexp: invalid or unsupported Perl syntax: `(?=`\"",
        ),
    },
    Difference {
        step: "preflight for GET",
        reason: "its CORS library answers 204 now",
        ours: (204, ""),
    },
    Difference {
        step: "preflight for POST with a header",
        reason: "its CORS library answers 204 now, and repeats the headers as they came",
        ours: (204, ""),
    },
    Difference {
        step: "preflight for DELETE",
        reason: "its CORS library answers 204 now",
        ours: (204, ""),
    },
    Difference {
        step: "a space in a label name",
        reason: "names may be any UTF-8 since 0.27",
        ours: (200, ""),
    },
    Difference {
        step: "a digit first in a label name",
        reason: "names may be any UTF-8 since 0.27",
        ours: (200, ""),
    },
    Difference {
        step: "a letter with dots in a label name",
        reason: "names may be any UTF-8 since 0.27",
        ours: (200, ""),
    },
    Difference {
        step: "a dot in an annotation name",
        reason: "names may be any UTF-8 since 0.27",
        ours: (200, ""),
    },
    Difference {
        step: "silence: bad name",
        reason: "names may be any UTF-8 since 0.27",
        ours: (200, "{\"silenceID\""),
    },
    Difference {
        step: "a moment with a space",
        reason: "more forms of a date are read since 0.29, and here also with a zone",
        ours: (200, ""),
    },
    Difference {
        step: "a date only",
        reason: "more forms of a date are read since 0.29",
        ours: (200, ""),
    },
    Difference {
        step: "a zone without colon",
        reason: "more forms of a zone are read since 0.29, and here also without a fraction",
        ours: (200, ""),
    },
    Difference {
        step: "a half surrogate",
        reason: "refused: half a character cannot be stored, and Go puts another in its place",
        ours: (400, "{\"code\":400,\"message\":\"parsing alerts body"),
    },
    Difference {
        step: "the moment with a zone",
        reason: "moments are told in UTC; 0.25 and 0.34 repeat the zone in which they came",
        ours: (
            200,
            "[{\"annotations\":{},\"endsAt\":\"2099-01-01T05:00:00.000Z\"",
        ),
    },
    Difference {
        step: "the page",
        reason: "the page is Watchfire's own",
        ours: (200, ""),
    },
    Difference {
        step: "HEAD of the page",
        reason: "the page is Watchfire's own, and HEAD of a page is common",
        ours: (200, ""),
    },
    Difference {
        step: "POST to the page",
        reason: "HEAD is allowed too",
        ours: (405, ""),
    },
];

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
        if body["matchers"].is_array() {
            with_annotations(body);
        }
        body.as_array_mut()
            .into_iter()
            .flatten()
            .for_each(with_annotations);
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
