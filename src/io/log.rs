//! The log on stderr as `prometheus/common/promslog` prints it: logfmt or JSON, one line and one write per event.
//!
//! `time=… level=… source=file.rs:12 msg=…`, then the fields of the event and of the spans around it. Of other crates
//! only warnings and errors are printed: their own words at lower levels are not for operators.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    time::SystemTime,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

/// How lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value`
    #[default]
    Logfmt,
    /// One JSON object per line.
    Json,
}

/// Starts logging for the whole process; a second call changes nothing.
pub fn init(level: &str, format: LogFormat) {
    let level = match level {
        "debug" => Level::DEBUG,
        "warn" => Level::WARN,
        "error" => Level::ERROR,
        _ => Level::INFO,
    };
    let layer = Lines {
        level,
        format,
        write: |line: &str| {
            // Nothing can be done about a log that cannot be written.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        },
    };
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a panic without words");
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(
            place,
            reason = message,
            "this is a bug: the program panicked"
        );
    }));
}

struct Lines<W> {
    level: Level,
    format: LogFormat,
    write: W,
}

/// What a span said about itself, printed for each event in it.
struct SpanFields(String);

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: Fn(&str) + 'static,
{
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let ours = metadata.target().starts_with("watchfire");
        *metadata.level() <= self.level && (ours || *metadata.level() <= Level::WARN)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::new(self.format);
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields.text));
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new(self.format);
        record.record(&mut fields);
        if let Some(span) = context.span(id)
            && let Some(known) = span.extensions_mut().get_mut::<SpanFields>()
        {
            known.0.push_str(&fields.text);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new(self.format);
        event.record(&mut fields);
        if let Some(scope) = context.event_scope(event) {
            for span in scope.from_root() {
                if let Some(known) = span.extensions().get::<SpanFields>() {
                    fields.text.push_str(&known.0);
                }
            }
        }
        let line = line(self.format, wall_clock(), event.metadata(), &fields);
        (self.write)(&line);
    }
}

fn wall_clock() -> jiff::Timestamp {
    jiff::Timestamp::try_from(SystemTime::now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn line(
    format: LogFormat,
    time: jiff::Timestamp,
    metadata: &Metadata<'_>,
    fields: &Fields,
) -> String {
    let level = match *metadata.level() {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        _ => "DEBUG",
    };
    let file = metadata.file().unwrap_or("unknown");
    let file = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let number = metadata.line().unwrap_or(0);
    let mut out = String::with_capacity(128 + fields.message.len() + fields.text.len());
    match format {
        LogFormat::Logfmt => {
            let _ = write!(
                out,
                "time={time:.3} level={level} source={file}:{number} msg="
            );
            push_logfmt(&mut out, &fields.message);
            out.push_str(&fields.text);
        }
        LogFormat::Json => {
            let _ = write!(
                out,
                "{{\"time\":\"{time:.3}\",\"level\":\"{level}\",\"source\":\"{file}:{number}\",\"msg\":"
            );
            push_json(&mut out, &fields.message);
            out.push_str(&fields.text);
            out.push('}');
        }
    }
    out.push('\n');
    out
}

/// Collects fields in the format of the log.
struct Fields {
    format: LogFormat,
    message: String,
    text: String,
}

impl Fields {
    fn new(format: LogFormat) -> Self {
        Self {
            format,
            message: String::new(),
            text: String::new(),
        }
    }

    fn push_text(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
            return;
        }
        self.key(field);
        match self.format {
            LogFormat::Logfmt => push_logfmt(&mut self.text, value),
            LogFormat::Json => push_json(&mut self.text, value),
        }
    }

    fn push_plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.key(field);
        let _ = write!(self.text, "{value}");
    }

    fn key(&mut self, field: &Field) {
        let name = field.name();
        let _ = match self.format {
            LogFormat::Logfmt => write!(self.text, " {name}="),
            LogFormat::Json => write!(self.text, ",\"{name}\":"),
        };
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.push_text(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.push_plain(field, value);
        } else {
            self.push_text(field, &value.to_string());
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.push_text(field, &text);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push_text(field, &format!("{value:?}"));
    }
}

/// Quotes as log/slog does: what is empty or holds a space, `=`, `"`, or something that does not print.
fn push_logfmt(out: &mut String, value: &str) {
    let plain = |c: char| !matches!(c, ' ' | '=' | '"') && prints(c);
    if !value.is_empty() && value.chars().all(plain) {
        out.push_str(value);
        return;
    }
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if prints(c) => out.push(c),
            c if u32::from(c) < 0x80 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if u32::from(c) < 0x1_0000 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push('"');
}

/// Whether a character may stand in a line as it is; what steers terminals or hides text may not.
fn prints(c: char) -> bool {
    !c.is_control()
        && (c == ' ' || !c.is_whitespace())
        && !matches!(
            u32::from(c),
            0xAD | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xFFF9..=0xFFFB
        )
}

fn push_json(out: &mut String, value: &str) {
    match serde_json::to_string(value) {
        Ok(text) => out.push_str(&text),
        Err(_) => out.push_str("\"\""),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    fn logged(format: LogFormat, level: Level, act: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let layer = Lines {
            level,
            format,
            write: move |line: &str| sink.lock().unwrap().push(line.to_owned()),
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), act);
        let lines = lines.lock().unwrap();
        lines.concat()
    }

    /// Without what differs from run to run.
    fn after_source(line: &str) -> &str {
        &line[line.find("msg").unwrap()..]
    }

    #[test]
    fn a_line_is_that_of_slog() {
        let line = logged(LogFormat::Logfmt, Level::INFO, || {
            let span = tracing::info_span!("x", component = "mesh");
            let _guard = span.enter();
            tracing::info!(address = "[::]:9093", n = 3, empty = "", path = %"a b", "Listening on");
        });
        assert!(line.starts_with("time=20") && line.contains(" level=INFO source=log.rs:"));
        assert_eq!(
            after_source(&line),
            "msg=\"Listening on\" address=[::]:9093 n=3 empty=\"\" path=\"a b\" component=mesh\n"
        );
        let time = line
            .strip_prefix("time=")
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        assert_eq!((time.len(), time.ends_with('Z')), (24, true), "{time}");
    }

    #[test]
    fn json_lines_parse() {
        let line = logged(LogFormat::Json, Level::DEBUG, || {
            tracing::error!(
                reason = "a \"b\"\n",
                ok = true,
                ratio = f64::NAN,
                "went wrong"
            );
        });
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["reason"], "a \"b\"\n");
        assert_eq!(value["ok"], true);
        assert_eq!(value["ratio"], "NaN");
        assert_eq!(value["level"], "ERROR");
    }

    #[test]
    fn hostile_text_stays_on_its_line() {
        for (text, expect) in [
            ("a\nb", "\"a\\nb\""),
            ("\u{1b}[31m", "\"\\x1b[31m\""),
            ("\u{202e}x", "\"\\u202ex\""),
            ("ok\\", "ok\\"),
            ("日本", "日本"),
            ("a=b", "\"a=b\""),
        ] {
            let mut out = String::new();
            push_logfmt(&mut out, text);
            assert_eq!(out, expect);
        }
    }

    #[test]
    fn lower_levels_and_other_crates_are_left_out() {
        let lines = logged(LogFormat::Logfmt, Level::INFO, || {
            tracing::debug!("no");
            tracing::info!(target: "hyper", "no");
            tracing::warn!(target: "hyper", "yes");
        });
        assert_eq!(lines.lines().count(), 1, "{lines}");
    }
}
