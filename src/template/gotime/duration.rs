//! `time.Duration`, in nanoseconds with a sign.

use std::time::Duration;

use crate::time::format_go_duration;

/// `time.Duration.String`
pub(crate) fn duration_text(nanos: i64) -> String {
    let text = format_go_duration(Duration::from_nanos(nanos.unsigned_abs()));
    if nanos < 0 { format!("-{text}") } else { text }
}

/// `time.Duration.Seconds`
pub(crate) fn duration_seconds(nanos: i64) -> f64 {
    in_units(nanos, 1_000_000_000)
}

/// A duration in greater units, with the accuracy that Go's methods have.
#[expect(clippy::cast_precision_loss, reason = "as in Go")]
pub(super) fn in_units(nanos: i64, unit: i64) -> f64 {
    (nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64
}

/// `time.Duration.Truncate`
pub(super) fn truncate(nanos: i64, unit: i64) -> i64 {
    if unit <= 0 {
        nanos
    } else {
        nanos - nanos % unit
    }
}

/// `time.Duration.Round`: half away from zero.
pub(super) fn round(nanos: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanos;
    }
    let rest = nanos % unit;
    let (down, up) = (nanos - rest, nanos.signum().saturating_mul(unit));
    if rest.unsigned_abs().saturating_mul(2) < unit.unsigned_abs() {
        down
    } else {
        down.saturating_add(up)
    }
}
