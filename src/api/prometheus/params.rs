//! Parameters of requests: of the address, and of a form that is posted (`web/api/v1/api.go`).

use super::respond::ApiFailure;
use crate::{
    api::query::Query,
    labels::{Matcher, go_quote},
    promql::{engine::Steps, parse::parse_selector},
    time::{Timestamp, parse_prom_duration},
};

/// Points per series that a range query may yield.
const MOST_POINTS: i64 = 11_000;

/// A parameter cannot be used.
fn invalid(name: &str, why: &str) -> ApiFailure {
    ApiFailure::bad_data(format!("invalid parameter {}: {why}", go_quote(name)))
}

/// A point in time: Unix seconds, or RFC 3339; milliseconds.
fn time(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>()
        && seconds.is_finite()
    {
        #[expect(clippy::cast_possible_truncation, reason = "`as` ends at the bounds")]
        let millis = (seconds * 1000.0).round() as i64;
        return Ok(millis);
    }
    if let Some((_, millis)) = BOUNDS.iter().find(|(bound, _)| *bound == text) {
        return Ok(*millis);
    }
    let parsed = Some(text).filter(|text| is_rfc3339(text));
    let parsed = parsed.and_then(|text| Timestamp::parse(text).ok());
    let parsed = parsed.map(Timestamp::unix_millis);
    parsed.ok_or_else(|| format!("cannot parse {} to a valid timestamp", go_quote(text)))
}

/// What Prometheus's own clients send for the first and the last time that there is, and how many milliseconds it takes
/// them for.
const BOUNDS: [(&str, i64); 2] = [
    ("-292273086-05-16T16:47:06Z", -9_223_309_901_257_974_000),
    (
        "292277025-08-18T07:12:54.999999999Z",
        9_223_309_901_257_974_999,
    ),
];

/// Whether a text has the shape of RFC 3339, with a time zone, as Go reads it.
fn is_rfc3339(text: &str) -> bool {
    let Some((seconds, rest)) = text.split_at_checked(19) else {
        return false;
    };
    let shape = "dddd-dd-ddTdd:dd:dd".bytes().zip(seconds.bytes());
    let mut shape = shape.map(|(kind, byte)| match kind {
        b'd' => byte.is_ascii_digit(),
        mark => byte == mark,
    });
    let zone = rest.strip_prefix('.').map_or(rest, |fraction| {
        fraction.trim_start_matches(|c: char| c.is_ascii_digit())
    });
    let offset = || {
        let zone = zone.as_bytes();
        matches!(zone, [b'+' | b'-', a, b, b':', c, d] if [a, b, c, d].iter().all(|one| one.is_ascii_digit()))
    };
    shape.all(|fits| fits) && (zone == "Z" || offset())
}

/// A duration: seconds, or `1m30s`; milliseconds.
fn duration(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        let millis = seconds * 1000.0;
        if !(-9.2e15..=9.2e15).contains(&millis) {
            return Err(format!(
                "cannot parse {} to a valid duration. It overflows int64",
                go_quote(text)
            ));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        let millis = millis as i64;
        return Ok(millis);
    }
    let parsed = parse_prom_duration(text);
    let parsed =
        parsed.map_err(|_why| format!("cannot parse {} to a valid duration", go_quote(text)))?;
    Ok(i64::try_from(parsed.as_millis()).unwrap_or(i64::MAX))
}

/// The time of an instant query; now if it is not given.
pub(super) fn instant(query: &Query, now: i64) -> Result<Steps, ApiFailure> {
    let time = optional_time(query, "time")?.unwrap_or(now);
    Ok(Steps::instant(time))
}

/// A time that may be missing; milliseconds.
pub(super) fn optional_time(query: &Query, name: &str) -> Result<Option<i64>, ApiFailure> {
    let parsed = query.first(name).map(time).transpose();
    parsed.map_err(|why| invalid(name, &format!("invalid time value for '{name}': {why}")))
}

/// The first or last time of what is looked for; none for all of it.
pub(super) fn bound(query: &Query, name: &str) -> Result<Option<i64>, ApiFailure> {
    let time = optional_time(query, name)?;
    Ok(time.filter(|time| BOUNDS.iter().all(|(_, all)| time != all)))
}

/// The selectors of `match[]`, of which each must ask for something, or what is wrong with one.
pub(super) fn selectors(query: &Query) -> Result<Vec<Vec<Matcher>>, String> {
    let parsed = query.all("match[]").map(parse_selector);
    let parsed: Result<Vec<_>, _> = parsed.collect();
    let parsed = parsed.map_err(|error| error.to_string())?;
    let is_empty = |one: &Vec<Matcher>| one.iter().all(|matcher| matcher.matches_value(""));
    if parsed.iter().any(is_empty) {
        return Err("match[] must contain at least one non-empty matcher".to_owned());
    }
    Ok(parsed)
}

/// The steps of a range query.
pub(super) fn range(query: &Query) -> Result<Steps, ApiFailure> {
    let at = |name: &str| {
        let text = query.first(name).unwrap_or_default();
        time(text).map_err(|why| invalid(name, &why))
    };
    let (start, end) = (at("start")?, at("end")?);
    if end < start {
        return Err(invalid(
            "end",
            "end timestamp must not be before start time",
        ));
    }
    let step = duration(query.first("step").unwrap_or_default());
    let step = step.map_err(|why| invalid("step", &why))?;
    if step <= 0 {
        return Err(invalid(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if end.saturating_sub(start) / step > MOST_POINTS {
        return Err(ApiFailure::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    Ok(Steps { start, end, step })
}

/// How many series are wanted at most; none for all.
pub(super) fn limit(query: &Query) -> Result<Option<usize>, ApiFailure> {
    let Some(text) = query.first("limit") else {
        return Ok(None);
    };
    let parsed = text.parse::<i64>();
    let parsed = parsed.map_err(|_why| {
        let text = go_quote(text);
        invalid(
            "limit",
            &format!("strconv.Atoi: parsing {text}: invalid syntax"),
        )
    })?;
    match usize::try_from(parsed) {
        Ok(0) => Ok(None),
        Ok(limit) => Ok(Some(limit)),
        Err(_negative) => Err(invalid("limit", "limit must be non-negative")),
    }
}

/// How long a query may take, if that is said; milliseconds.
pub(super) fn timeout(query: &Query) -> Result<Option<i64>, ApiFailure> {
    let parsed = query.first("timeout").map(duration).transpose();
    parsed.map_err(|why| invalid("timeout", &why))
}

/// How far instant selectors look back, if that is said; milliseconds.
pub(super) fn lookback(query: &Query) -> Result<Option<i64>, ApiFailure> {
    let parsed = query.first("lookback_delta").map(duration).transpose();
    parsed.map_err(|why| {
        ApiFailure::bad_data(format!("error parsing lookback delta duration: {why}"))
    })
}

/// A number of things to answer at most; `None` for all.
pub(super) fn most(params: &Query, name: &str) -> Result<Option<usize>, ApiFailure> {
    let text = params.first(name).filter(|text| !text.is_empty());
    let number = text.map(str::parse::<i64>).transpose();
    let number = number.map_err(|_why| ApiFailure::bad_data(format!("{name} must be a number")))?;
    Ok(number.and_then(|number| usize::try_from(number).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T: std::fmt::Debug>(result: Result<T, ApiFailure>) -> String {
        match result {
            Ok(value) => format!("{value:?}"),
            Err(failure) => failure.text,
        }
    }

    #[test]
    fn times_and_durations_are_read_as_prometheus_reads_them() {
        let query = |text: &str| Query::parse(text);
        assert_eq!(
            text(instant(&query("time=1.5"), 7)),
            "Steps { start: 1500, end: 1500, step: 0 }"
        );
        assert_eq!(
            text(instant(&query(""), 7)),
            "Steps { start: 7, end: 7, step: 0 }"
        );
        assert_eq!(
            text(instant(&query("time=2015-07-01T20:10:51.781Z"), 7)),
            "Steps { start: 1435781451781, end: 1435781451781, step: 0 }"
        );
        assert_eq!(
            text(instant(&query("time=x"), 7)),
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid timestamp"
        );
        assert_eq!(
            text(range(&query("start=0&end=60&step=1m"))),
            "Steps { start: 0, end: 60000, step: 60000 }"
        );
        assert_eq!(
            text(range(&query("start=1&end=0&step=1"))),
            "invalid parameter \"end\": end timestamp must not be before start time"
        );
        assert_eq!(
            text(range(&query("end=1&step=1"))),
            "invalid parameter \"start\": cannot parse \"\" to a valid timestamp"
        );
        for unlike in [
            "2015-07-01T20:10:51.781",
            "2015-07-01 20:10:51Z",
            "2015-07-01",
            "2015-07-01T20:10Z",
            "2015-07-01T20:10:51z",
            "2015-07-01T20:10:51+0200",
        ] {
            let refused = text(instant(&query(&format!("time={unlike}")), 7));
            assert!(
                refused.contains("to a valid timestamp"),
                "{unlike}: {refused}"
            );
        }
        assert_eq!(
            text(instant(&query("time=2015-07-01T22:10:51%2B02:00"), 7)),
            "Steps { start: 1435781451000, end: 1435781451000, step: 0 }"
        );
        assert_eq!(
            text(optional_time(
                &query("start=-292273086-05-16T16:47:06Z"),
                "start"
            )),
            "Some(-9223309901257974000)"
        );
        assert_eq!(
            text(bound(&query("start=-292273086-05-16T16:47:06Z"), "start")),
            "None"
        );
        assert_eq!(text(bound(&query("start=1"), "start")), "Some(1000)");
        assert!(
            text(range(&query(
                "start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z&step=1"
            )))
            .contains("11,000 points")
        );
        assert!(text(range(&query("start=-1e300&end=1e300&step=1"))).contains("11,000 points"));
        assert!(text(range(&query("start=0&end=60&step=0"))).contains("zero or negative"));
        assert!(text(range(&query("start=0&end=60000&step=1"))).contains("11,000 points"));
        assert_eq!(
            text(limit(&query("limit=-1"))),
            "invalid parameter \"limit\": limit must be non-negative"
        );
        assert_eq!(text(limit(&query("limit=2"))), "Some(2)");
        assert_eq!(text(timeout(&query("timeout=1m"))), "Some(60000)");
    }

    #[test]
    fn selectors_ask_for_something() {
        let of = |text: &str| selectors(&Query::parse(text)).map(|all| all.len());
        assert_eq!(of("match[]=up&match[]={job=%22a%22}"), Ok(2));
        assert_eq!(of(""), Ok(0));
        let refused = Err("match[] must contain at least one non-empty matcher".to_owned());
        assert_eq!(of("match[]={job=~%22.*%22}"), refused);
        assert_eq!(of("match[]=up&match[]={job!=%22a%22}"), refused);
        assert!(of("match[]=up{").is_err());
    }
}
