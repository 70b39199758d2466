//! What functions and operators remark, in Prometheus's words (`util/annotations`).

use super::window::WindowContext;
use crate::{
    labels::go_quote,
    promql::{Annotations, Span},
};

/// What was done to histograms, for remarks about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistogramOperation {
    /// They were added.
    Addition,
    /// One was subtracted from another.
    Subtraction,
    /// They were aggregated.
    Aggregation,
}

impl HistogramOperation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        }
    }
}

fn warn_name(notes: &mut Annotations, context: &WindowContext<'_>, text: &str) {
    notes.warn(context.span, format!("{text} {}", go_quote(context.name)));
}

/// There are numbers and histograms where only one kind can be.
pub(super) fn mixed_floats_histograms(notes: &mut Annotations, context: &WindowContext<'_>) {
    let text = "encountered a mix of histograms and floats for metric name";
    warn_name(notes, context, text);
}

/// A histogram marked as a gauge stands where a counter is needed.
pub(super) fn not_counter(notes: &mut Annotations, context: &WindowContext<'_>) {
    warn_name(
        notes,
        context,
        "this native histogram metric is not a counter:",
    );
}

/// A histogram not marked as a gauge stands where a gauge is needed.
pub(super) fn not_gauge(notes: &mut Annotations, context: &WindowContext<'_>) {
    warn_name(
        notes,
        context,
        "this native histogram metric is not a gauge:",
    );
}

/// Histograms with exponential buckets and with custom ones have no result together.
pub(super) fn mixed_exponential_custom(notes: &mut Annotations, context: &WindowContext<'_>) {
    let text = "vector contains a mix of histograms with exponential and custom buckets schemas for metric name";
    warn_name(notes, context, text);
}

/// Histograms were left out.
pub(super) fn histogram_ignored(notes: &mut Annotations, context: &WindowContext<'_>) {
    let text =
        "ignored histograms in a range containing both floats and histograms for metric name";
    notes.info(context.span, format!("{text} {}", go_quote(context.name)));
}

/// A sample says that it started before the one before it was taken.
pub(super) fn start_time_overlap(notes: &mut Annotations, context: &WindowContext<'_>) {
    let text = "sample has start time that overlaps with previous sample timestamp for metric";
    let text = format!("{text} {}", go_quote(context.name));
    notes.warn_of_each(context.span, text);
}

/// Remarks that a quantile is not between 0 and 1, if so.
pub fn check_quantile(notes: &mut Annotations, q: f64, span: Span) {
    if !(0.0..=1.0).contains(&q) {
        let text = "quantile value should be between 0 and 1, got";
        notes.warn(span, format!("{text} {}", general(q)));
    }
}

/// Histograms with conflicting hints of resets came together.
pub fn reset_collision(notes: &mut Annotations, span: Span, operation: HistogramOperation) {
    let text = "conflicting counter resets during histogram";
    notes.warn(span, format!("{text} {}", operation.as_str()));
}

/// Histograms with different custom bounds came together.
pub fn bounds_reconciled(notes: &mut Annotations, span: Span, operation: HistogramOperation) {
    let text = "mismatched custom buckets were reconciled during";
    notes.info(span, format!("{text} {}", operation.as_str()));
}

/// Remarks that a counter has an unusual name, as `rate` and `increase` do once for each series with a result that is a
/// number; with `type_label`, that of `__type__`, that counts instead of the name.
pub fn check_counter_name(
    notes: &mut Annotations,
    name: &str,
    type_label: Option<&str>,
    span: Span,
) {
    const ENDINGS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];
    if name.is_empty() {
        return;
    }
    let doubt = "metric might not be a counter,";
    if let Some(label) = type_label {
        if label != "counter" && label != "histogram" {
            let wanted = r#"__type__ label is not set to "counter" or "histogram""#;
            let (label, name) = (go_quote(label), go_quote(name));
            notes.info(span, format!("{doubt} {wanted}, got {label}: {name}"));
        }
    } else if !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        let wanted = "name does not end in _total/_sum/_count/_bucket:";
        notes.info(span, format!("{doubt} {wanted} {}", go_quote(name)));
    }
}

/// A number as Go's `%g` prints it.
#[must_use]
pub fn general(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
    } else {
        format!("{value}")
    }
}

/// A number as Prometheus writes it in labels: with all digits, never with an exponent.
#[must_use]
pub fn go_float(value: f64) -> String {
    if value.is_finite() {
        format!("{value}")
    } else {
        general(value)
    }
}

/// A number as Go's `%f` prints it.
pub(super) fn fixed(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.6}")
    } else {
        general(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_go_prints_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (-0.0001, "-0.0001"),
            (0.000_012, "1.2e-05"),
            (1e100, "1e+100"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, text) in cases {
            assert_eq!(general(value), text);
        }
        assert_eq!(go_float(1e21), "1000000000000000000000");
        assert_eq!(go_float(f64::INFINITY), "+Inf");
        assert_eq!(fixed(0.5), "0.500000");
        assert_eq!(fixed(f64::INFINITY), "+Inf");
    }

    #[test]
    fn counters_are_known_by_their_names() {
        let texts = |name: &str, label: Option<&str>| {
            let mut notes = Annotations::default();
            check_counter_name(&mut notes, name, label, Span::default());
            notes
                .iter()
                .map(|note| note.to_text(""))
                .collect::<Vec<_>>()
        };
        assert!(texts("", None).is_empty());
        assert!(texts("a_total", None).is_empty());
        assert!(texts("a", Some("histogram")).is_empty());
        let named = "name does not end in _total/_sum/_count/_bucket: \"a\"";
        assert_eq!(
            texts("a", None),
            [format!(
                "PromQL info: metric might not be a counter, {named}"
            )]
        );
        let labelled =
            r#"__type__ label is not set to "counter" or "histogram", got "": "a_total""#;
        assert_eq!(
            texts("a_total", Some("")),
            [format!(
                "PromQL info: metric might not be a counter, {labelled}"
            )]
        );
    }
}
