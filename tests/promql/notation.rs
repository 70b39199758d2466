//! The notation of Prometheus's `.test` files: lines to commands.

use std::sync::LazyLock;

use regex::Regex;
use watchfire::{
    labels::{LabelSet, go_unquote},
    promql::parse::SeriesValue,
    time::parse_prom_duration,
};

use crate::{language, starts};

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).unwrap());
    };
}

pattern!(LOAD, r"^load(?:_(with_nhcb))?\s+(.+?)$");
pattern!(
    INSTANT,
    r"^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$"
);
pattern!(
    RANGE,
    r"^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$"
);
pattern!(
    EXPECT,
    r"^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$"
);
pattern!(
    EXPECT_RANGE_VECTOR,
    r"^expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$"
);

/// A command and the line, counted from 1, on which it begins.
#[derive(Debug)]
pub(crate) struct Command {
    pub line: usize,
    pub kind: CommandKind,
}

#[derive(Debug)]
pub(crate) enum CommandKind {
    Clear,
    Load(Load),
    Eval(Box<Eval>),
}

/// Adds samples.
#[derive(Debug)]
pub(crate) struct Load {
    /// Milliseconds between two samples; the first is at 0.
    pub step: i64,
    /// Whether classic histograms are added as native ones with custom bounds, too.
    pub with_nhcb: bool,
    pub series: Vec<LoadedSeries>,
}

#[derive(Debug)]
pub(crate) struct LoadedSeries {
    pub labels: LabelSet,
    pub items: Vec<SeriesValue>,
    /// When the counter started, relative to each sample; empty if the file does not say.
    pub starts: Vec<Option<i64>>,
}

/// Evaluates an expression, and says what must come of it.
#[derive(Debug)]
pub(crate) struct Eval {
    pub query: String,
    pub times: Times,
    pub expected: Expected,
}

/// All in Unix milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Times {
    Instant(i64),
    /// An instant evaluation at `end` of an expression that yields samples of `start..=end`.
    Window(Steps),
    Range(Steps),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub start: i64,
    pub end: i64,
    pub step: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub ordered: bool,
    pub fail: Vec<Text>,
    pub warn: Vec<Text>,
    pub info: Vec<Text>,
    pub no_warn: bool,
    pub no_info: bool,
    pub string: Option<String>,
    pub scalar: Option<f64>,
    /// In the order of the file.
    pub series: Vec<(LabelSet, Vec<SeriesValue>)>,
}

/// What a message must be.
#[derive(Debug)]
pub(crate) enum Text {
    Any,
    Is(String),
    Matches(Regex),
}

impl Text {
    pub(crate) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(wanted) => wanted == text,
            Self::Matches(pattern) => pattern.is_match(text),
        }
    }

    fn pattern(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let pattern = Regex::new(text).map_err(|error| format!("invalid regex {text}: {error}"))?;
        Ok(Self::Matches(pattern))
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("anything"),
            Self::Is(text) => write!(f, "{text:?}"),
            Self::Matches(pattern) => write!(f, "/{pattern}/"),
        }
    }
}

/// A block of a file that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub line: usize,
    pub is_eval: bool,
    pub why: String,
}

/// Reads a file. What cannot be read is left out to the end of its block.
pub(crate) fn read(text: &str) -> (Vec<Command>, Vec<Unreadable>) {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .map(|line| if line.starts_with('#') { "" } else { line })
        .collect();
    let mut reader = Reader { lines, at: 0 };
    let (mut commands, mut unreadable) = (Vec::new(), Vec::new());
    while let Some(head) = reader.lines.get(reader.at).copied() {
        reader.at += 1;
        if head.is_empty() {
            continue;
        }
        let line = reader.at;
        match reader.command(head) {
            Ok(kind) => commands.push(Command { line, kind }),
            Err(why) => {
                unreadable.push(Unreadable {
                    line: reader.at.max(line),
                    is_eval: head.starts_with("eval"),
                    why,
                });
                while reader.next_of_block().is_some() {}
            }
        }
    }
    (commands, unreadable)
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    /// Index of the line to be read next, hence the number of the last one.
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next line, unless the block ends here.
    fn next_of_block(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.at).filter(|line| !line.is_empty())?;
        self.at += 1;
        Some(line)
    }

    fn command(&mut self, head: &str) -> Result<CommandKind, String> {
        let word = head.split([' ', '\t']).next().unwrap_or_default();
        let word = word.to_ascii_lowercase();
        if word == "clear" {
            Ok(CommandKind::Clear)
        } else if word.starts_with("load") {
            self.load(head).map(CommandKind::Load)
        } else if word.starts_with("eval") {
            self.eval(head)
                .map(|eval| CommandKind::Eval(Box::new(eval)))
        } else {
            Err(format!("invalid command {head:?}"))
        }
    }

    fn load(&mut self, head: &str) -> Result<Load, String> {
        let parts = LOAD
            .captures(head)
            .ok_or("invalid load command. (load[_with_nhcb] <step:duration>)")?;
        let mut load = Load {
            step: millis(&parts[2])?,
            with_nhcb: parts.get(1).is_some(),
            series: Vec::new(),
        };
        let mut pending: Option<(LabelSet, Vec<Option<i64>>)> = None;
        let orphan = "@st line has no following sample line";
        while let Some(line) = self.next_of_block() {
            if starts::is_line(line) {
                if pending.is_some() {
                    return Err(orphan.to_owned());
                }
                pending = Some(starts::read(line)?);
                continue;
            }
            let (labels, items) = language::series(line)?;
            let starts = starts::matching(pending.take(), &labels, items.len())?;
            // A series that stands twice in one block has the samples of the last line.
            load.series.retain(|earlier| earlier.labels != labels);
            load.series.push(LoadedSeries {
                labels,
                items,
                starts,
            });
        }
        match pending {
            Some(_) => Err(orphan.to_owned()),
            None => Ok(load),
        }
    }

    fn eval(&mut self, head: &str) -> Result<Eval, String> {
        let (modifier, times, query) = eval_head(head)?;
        let mut eval = Eval {
            query,
            times,
            expected: Expected::default(),
        };
        match modifier.as_str() {
            "ordered" => eval.expected.ordered = true,
            "fail" => eval.expected.fail.push(Text::Any),
            "warn" => eval.expected.warn.push(Text::Any),
            "info" => eval.expected.info.push(Text::Any),
            _ => {}
        }
        while let Some(line) = self.next_of_block() {
            if eval.line(line, modifier == "fail")? {
                break;
            }
        }
        Ok(eval)
    }
}

/// What stands in the first line of an evaluation: the deprecated modifier, the times, the expression.
fn eval_head(head: &str) -> Result<(String, Times, String), String> {
    let modifier = |parts: &regex::Captures<'_>| {
        parts
            .get(1)
            .map_or_else(String::new, |part| part.as_str().to_owned())
    };
    if let Some(parts) = INSTANT.captures(head) {
        let at = parts.get(2).map_or("", |part| part.as_str());
        let times = Times::Instant(millis(at)?);
        return Ok((modifier(&parts), times, parts[3].to_owned()));
    }
    let parts = RANGE.captures(head).ok_or(
        "invalid evaluation command. Must be 'eval instant [at <offset>] <query>' \
         or 'eval range from <from> to <to> step <step> <query>'",
    )?;
    let times = Times::Range(steps(&parts[2], &parts[3], &parts[4])?);
    Ok((modifier(&parts), times, parts[5].to_owned()))
}

impl Eval {
    /// Takes a line below the first; says whether it ends the block.
    fn line(&mut self, line: &str, deprecated_fail: bool) -> Result<bool, String> {
        if deprecated_fail && let Some(text) = line.strip_prefix("expected_fail_message") {
            self.expected.fail = vec![Text::Is(text.trim().to_owned())];
            return Ok(true);
        }
        if deprecated_fail && let Some(text) = line.strip_prefix("expected_fail_regexp") {
            self.expected.fail = vec![Text::pattern(text)?];
            return Ok(true);
        }
        if line.starts_with("expect range vector") {
            let parts = EXPECT_RANGE_VECTOR
                .captures(line)
                .ok_or_else(|| format!("invalid range vector definition {line:?}"))?;
            self.times = Times::Window(steps(&parts[1], &parts[2], &parts[3])?);
        } else if let Some(literal) = line.strip_prefix("expect string") {
            self.expected.string = Some(unquote(literal.trim_start())?);
        } else if line.split(' ').next() == Some("expect") {
            self.expected.line(line)?;
        } else if let Some(number) = number(line) {
            self.expected.scalar = Some(number);
            return Ok(true);
        } else {
            self.series_line(line)?;
        }
        Ok(false)
    }

    fn series_line(&mut self, line: &str) -> Result<(), String> {
        let (labels, items) = language::series(line)?;
        if items.len() > 1 && matches!(self.times, Times::Instant(_)) {
            return Err(format!(
                "{line:?}: multiple values in instant evaluation not allowed without 'expect range vector'"
            ));
        }
        let series = &mut self.expected.series;
        series.retain(|(earlier, _)| *earlier != labels);
        series.push((labels, items));
        Ok(())
    }
}

impl Expected {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let parts = EXPECT.captures(line).ok_or_else(|| {
            format!(
                "invalid expect statement {line:?}, must be `expect <type> <match_type>: <string>`"
            )
        })?;
        let rest = parts.get(3).map_or("", |part| part.as_str());
        let text = match parts.get(2).map(|part| part.as_str()) {
            Some("msg") => Text::Is(rest.trim().to_owned()),
            Some(_) => Text::pattern(rest)?,
            None => Text::Any,
        };
        match &parts[1] {
            "ordered" => self.ordered = true,
            "fail" => self.fail.push(text),
            "warn" => self.warn.push(text),
            "info" => self.info.push(text),
            "no_warn" => self.no_warn = true,
            _ => self.no_info = true,
        }
        if !self.info.is_empty() && self.no_info {
            return Err("info and no_info cannot be used together".to_owned());
        }
        if !self.warn.is_empty() && self.no_warn {
            return Err("warn and no_warn cannot be used together".to_owned());
        }
        if self.fail.len() > 1 {
            return Err("multiple expect fail lines are not allowed".to_owned());
        }
        Ok(())
    }
}

/// A Prometheus duration in milliseconds.
pub(crate) fn millis(text: &str) -> Result<i64, String> {
    let duration = parse_prom_duration(text).map_err(|error| error.to_string())?;
    i64::try_from(duration.as_millis()).map_err(|error| error.to_string())
}

fn steps(from: &str, to: &str, step: &str) -> Result<Steps, String> {
    let (start, end, step) = (millis(from)?, millis(to)?, millis(step)?);
    if end < start {
        return Err(format!("end {to} is before start {from}"));
    }
    Ok(Steps { start, end, step })
}

/// A number alone on its line.
fn number(line: &str) -> Option<f64> {
    let unsigned = line.trim_start_matches(['-', '+']);
    let hex = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"));
    if let Some(digits) = hex {
        let value = f64::from(u32::from_str_radix(digits, 16).ok()?);
        return Some(if line.starts_with('-') { -value } else { value });
    }
    line.parse().ok()
}

fn unquote(literal: &str) -> Result<String, String> {
    let raw = literal
        .strip_prefix('`')
        .and_then(|rest| rest.strip_suffix('`'))
        .filter(|inner| !inner.contains('`'));
    raw.map(str::to_owned)
        .or_else(|| go_unquote(literal))
        .ok_or_else(|| format!("expected string literal not valid: {literal}"))
}
