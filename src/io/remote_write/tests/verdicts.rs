//! What answers of servers mean.

use std::time::Duration;

use RemoteWriteMessage::{V1, V2};

use super::super::{
    entry::Counts,
    verdict::{Backoff, Verdict, judge},
};
use crate::{config::RemoteWriteMessage, notify::integration::HttpResponse, time::Timestamp};

const SENT: Counts = Counts {
    numbers: 5,
    histograms: 2,
};

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> HttpResponse {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    HttpResponse {
        status,
        headers: headers.iter().map(own).collect(),
        body: body.as_bytes().to_vec(),
        received_at: Timestamp::EPOCH,
    }
}

fn apart(status: u16, body: &str) -> bool {
    let verdict = judge(V1, SENT, &answer(status, &[], body));
    let Verdict::Refused { apart, why, .. } = verdict else {
        panic!("{status}: {verdict:?}");
    };
    assert!(
        why.contains(body) && why.contains(&status.to_string()),
        "{why}"
    );
    apart
}

#[test]
fn servers_say_in_many_words_that_they_refuse_some_samples() {
    for words in [
        "out of order sample",
        "out of bounds",
        "duplicate sample for timestamp",
        "too old sample",
        "failed pushing to ingester: user=x: the sample has been rejected (err-mimir-sample-out-of-order)",
        "server returned HTTP status: label name too long: \"x\"",
        "invalid metric name or labels, got {a=\"b\"}",
        "maxFailure (quorum) on a given error family, ... Out_Of_Order_Samples",
    ] {
        assert!(apart(400, words), "{words}");
    }
    assert!(apart(409, "conflict") && apart(413, ""));
    for (status, words) in [
        (400, "Bad request"),
        (410, "duplicate"),
        (451, ""),
        (400, "snappy: corrupt input"),
    ] {
        assert!(!apart(status, words), "{status} {words}");
    }
}

#[test]
fn what_may_pass_is_tried_again() {
    for status in [
        500, 502, 503, 504, 599, 429, 302, 401, 403, 404, 405, 407, 408,
    ] {
        let verdict = judge(V1, SENT, &answer(status, &[], "later"));
        let why = format!("server returned HTTP status {status}: later");
        assert_eq!(verdict, Verdict::Later { after: None, why });
    }
    for (value, seconds) in [
        ("7", 7),
        ("99999", 300),
        ("Thu, 01 Jan 1970 00:00:09 GMT", 9),
    ] {
        let verdict = judge(V2, SENT, &answer(503, &[("retry-after", value)], ""));
        let after = Some(Duration::from_secs(seconds));
        let why = "server returned HTTP status 503".to_owned();
        assert_eq!(verdict, Verdict::Later { after, why });
    }
}

#[test]
fn success_is_what_the_server_says_that_it_wrote() {
    let none = Counts::default();
    let wrote = &[
        ("x-prometheus-remote-write-samples-written", "4"),
        ("x-prometheus-remote-write-histograms-written", "2"),
    ];
    let missing = Counts {
        numbers: 1,
        histograms: 0,
    };
    assert_eq!(
        judge(V2, SENT, &answer(204, wrote, "")),
        Verdict::Taken { missing }
    );
    assert_eq!(
        judge(V1, SENT, &answer(200, wrote, "")),
        Verdict::Taken { missing }
    );
    assert_eq!(
        judge(V1, SENT, &answer(204, &[], "")),
        Verdict::Taken { missing: none }
    );
    let page = judge(
        V1,
        SENT,
        &answer(
            200,
            &[("content-type", "text/html; charset=utf-8")],
            "Log in",
        ),
    );
    assert!(matches!(page, Verdict::Later { .. }), "{page:?}");
    let nothing = &[("x-prometheus-remote-write-samples-written", "0")];
    let verdict = judge(V2, SENT, &answer(204, nothing, ""));
    assert!(
        matches!(verdict, Verdict::Refused { apart: false, .. }),
        "{verdict:?}"
    );
    // A server of 1.0 that takes a message of 2.0 for an empty one.
    assert_eq!(
        judge(V2, SENT, &answer(204, &[], "")),
        Verdict::FirstVersion
    );
    let partial = judge(V2, SENT, &answer(400, wrote, "out of order sample"));
    let Verdict::Refused { written, apart, .. } = partial else {
        panic!("{partial:?}");
    };
    assert_eq!((SENT.without(written), apart), (missing, true));
    assert_eq!(
        judge(V2, SENT, &answer(415, &[], "")),
        Verdict::FirstVersion
    );
    assert!(!apart_of(&judge(V1, SENT, &answer(415, &[], "label name"))));
}

fn apart_of(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refused { apart: true, .. })
}

#[test]
fn waits_double_up_to_the_longest() {
    let seconds = Duration::from_secs;
    let mut backoff = Backoff::new(seconds(1), seconds(5));
    let asked = [None, Some(seconds(9)), Some(seconds(0)), None, None];
    let waits: Vec<_> = asked
        .into_iter()
        .map(|asked| backoff.wait(asked).as_secs())
        .collect();
    assert_eq!(waits, [1, 9, 4, 5, 5]);
}
