//! The two notations of durations.

use std::time::Duration;

use super::{Codec, Content, Cursor, Reader};
use crate::{
    time::{format_go_duration, format_prom_duration, parse_go_duration, parse_prom_duration},
    yaml::{Resolved, Value},
};

/// `model.Duration`: `5m`, `1d12h`.
pub(crate) struct PromDuration;

impl Codec for PromDuration {
    type Value = Duration;

    fn go_type() -> String {
        "model.Duration".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Duration> {
        let text = reader.text(node, "string")?;
        match parse_prom_duration(&text) {
            Ok(duration) => Some(duration),
            Err(error) => {
                reader.deny(node.position(), error.to_string());
                None
            }
        }
    }

    fn null() -> Duration {
        Duration::ZERO
    }

    fn print(duration: &Duration) -> Value {
        Value::from(&*format_prom_duration(*duration))
    }

    fn is_empty(duration: &Duration) -> bool {
        duration.is_zero()
    }
}

/// `time.Duration`: `1.5h`, and bare numbers of nanoseconds. Negative ones count as zero, as senders treat them.
pub(crate) struct GoDuration;

impl Codec for GoDuration {
    type Value = Duration;

    fn go_type() -> String {
        "time.Duration".to_owned()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<Duration> {
        let found = match node.content() {
            Content::Scalar(_, Ok(Resolved::Int(nanos))) => {
                Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)))
            }
            Content::Scalar(text, Ok(Resolved::String)) => {
                parse_go_duration(text, false)
                    .ok()
                    .map(
                        |(duration, negative)| {
                            if negative { Duration::ZERO } else { duration }
                        },
                    )
            }
            Content::Scalar(..) | Content::List(_) | Content::Map(_) | Content::Cycle(_) => None,
        };
        if found.is_none() {
            reader.mismatch(node, "time.Duration");
        }
        found
    }

    fn null() -> Duration {
        Duration::ZERO
    }

    fn print(duration: &Duration) -> Value {
        Value::from(&*format_go_duration(*duration))
    }

    fn is_empty(duration: &Duration) -> bool {
        duration.is_zero()
    }
}
