//! What endpoints remark beside their answers.

use crate::promql::Severity;

/// A remark about a query, without prefix and place.
pub(super) type Note = (Severity, String);

const MENDED: &str = ", from buckets ";

/// The remark in one of the `warnings` or `infos` of an answer, if it is one about the query; others are about the data.
pub(super) fn note(text: &str) -> Option<Note> {
    let (severity, rest) = match text.strip_prefix("PromQL warning: ") {
        Some(rest) => (Severity::Warning, rest),
        None => (Severity::Info, text.strip_prefix("PromQL info: ")?),
    };
    let rest = without_place(rest);
    // How much was mended, and how often, is told of each answer, not of all together.
    let text = rest.split_once(MENDED).map_or(rest, |(text, _)| text);
    let text = without_count(text);
    Some((severity, text.to_owned()))
}

/// The text without a `(1:23)` at its end: a place in a query that nobody wrote.
fn without_place(text: &str) -> &str {
    let place = |text: &str| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.split_once(':')
            .is_some_and(|(line, column)| digits(line) && digits(column))
    };
    let cut = text
        .strip_suffix(')')
        .and_then(|text| text.rsplit_once(" ("));
    match cut {
        Some((before, inside)) if place(inside) => before,
        _ => text,
    }
}

/// The text without a ` (3 occurrences)` at its end.
fn without_count(text: &str) -> &str {
    let cut = text.strip_suffix(" occurrences)");
    let cut = cut.and_then(|text| text.rsplit_once(" ("));
    match cut {
        Some((before, count)) if count.bytes().all(|b| b.is_ascii_digit()) => before,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_lose_prefix_and_place() {
        let of = |text| note(text).map(|(severity, text)| (severity == Severity::Info, text));
        let text = |text: &str| text.to_owned();
        assert_eq!(
            of("PromQL info: metric might not be a counter: \"a\" (1:6)"),
            Some((true, text("metric might not be a counter: \"a\"")))
        );
        assert_eq!(
            of("PromQL warning: odd (x)"),
            Some((false, text("odd (x)")))
        );
        assert_eq!(
            of(
                "PromQL info: needed to be fixed, from buckets 5 to +Inf, with a max diff of 3 (1:1)"
            ),
            Some((true, text("needed to be fixed")))
        );
        assert_eq!(
            of("PromQL warning: overlap for metric \"a\" (12 occurrences) (1:6)"),
            Some((false, text("overlap for metric \"a\"")))
        );
        assert_eq!(of("fetch series: store is down"), None);
    }
}
