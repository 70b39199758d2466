//! What is not as a test expects it.

use std::fmt;

use crate::time::format_prom_duration;

/// Something that is not as a test expects it. Times are from the start of the test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The test itself is wrong.
    Test(String),
    /// A rule could not be evaluated.
    Rule {
        /// The name of the alert or of the recorded series.
        name: String,
        /// When; milliseconds.
        at: u64,
        /// Why.
        reason: String,
    },
    /// An expression could not be evaluated.
    Query {
        /// The expression.
        expr: String,
        /// When; milliseconds.
        at: u64,
        /// Why.
        reason: String,
    },
    /// Other alerts fire than are expected.
    Alerts {
        /// The name of the alerts.
        alertname: String,
        /// When; milliseconds.
        at: u64,
        /// Those that are expected, each in lines.
        expected: Vec<String>,
        /// Those that fire.
        got: Vec<String>,
    },
    /// An expression is something else than is expected.
    Samples {
        /// The expression.
        expr: String,
        /// When; milliseconds.
        at: u64,
        /// The elements that are expected, each a line.
        expected: Vec<String>,
        /// Those that it has.
        got: Vec<String>,
    },
}

impl Failure {
    /// The failure with what is missing and what is too much in place of both lists.
    #[must_use]
    pub fn diff(&self) -> String {
        let (Self::Alerts { expected, got, .. } | Self::Samples { expected, got, .. }) = self
        else {
            return self.to_string();
        };
        let mut text = format!("{},\n      - expected\n      + got", self.head());
        let mut left = got.clone();
        let mut common = Vec::new();
        let mut lines = Vec::new();
        for one in expected {
            match left.iter().position(|other| other == one) {
                Some(place) => common.push(("  ", left.remove(place))),
                None => lines.push(("- ", one.clone())),
            }
        }
        lines.extend(left.into_iter().map(|one| ("+ ", one)));
        for (sign, one) in common.into_iter().chain(lines) {
            for line in one.lines() {
                text.push_str(&format!("\n      {sign}{line}"));
            }
        }
        text
    }

    fn head(&self) -> String {
        let time = |at: &u64| format_prom_duration(std::time::Duration::from_millis(*at));
        match self {
            Self::Test(reason) => format!("    {reason}"),
            Self::Rule { name, at, .. } => format!("    rule: {name}, time: {}", time(at)),
            Self::Query { expr, at, .. } | Self::Samples { expr, at, .. } => {
                format!("    expr: {expr:?}, time: {}", time(at))
            }
            Self::Alerts { alertname, at, .. } => {
                format!("    alertname: {alertname}, time: {}", time(at))
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head())?;
        match self {
            Self::Test(_) => Ok(()),
            Self::Rule { reason, .. } | Self::Query { reason, .. } => write!(f, ", err: {reason}"),
            Self::Alerts { expected, got, .. } | Self::Samples { expected, got, .. } => {
                list(f, "exp", expected)?;
                list(f, "got", got)
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, name: &str, all: &[String]) -> fmt::Result {
    if all.is_empty() {
        return write!(f, ",\n        {name}: nothing");
    }
    write!(f, ",\n        {name}:")?;
    for one in all {
        for (at, line) in one.lines().enumerate() {
            let mark = if at == 0 { "- " } else { "  " };
            write!(f, "\n          {mark}{line}")?;
        }
    }
    Ok(())
}
