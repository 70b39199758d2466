//! Reads PromQL (`promql/parser`): expressions, selectors, metrics, and the series of tests.

mod chars;
mod check;
mod duration;
mod expr;
mod lex;
mod modifier;
mod number;
mod parser;
mod selector;
mod series;
mod series_histogram;
mod token;

#[cfg(test)]
mod tests;

use std::fmt;

use self::parser::Parser;
pub use self::series::{SeriesValue, parse_series};
use super::{Span, ast::Expr};
use crate::labels::{LabelSet, Matcher};

/// Longer queries are refused.
pub const MAX_BYTES: usize = 64 * 1024;

/// Expressions that are nested deeper are refused, so that no walk over a tree runs out of stack.
pub const MAX_DEPTH: u32 = 1000;

/// What compiling the regular expressions of a query may cost together, in [`Anchored::cost`](crate::regex::Anchored::cost).
pub(super) const MAX_PATTERNS: u64 = 250_000;

/// The parts of the language that are off unless they are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// `promql-experimental-functions`
    pub experimental_functions: bool,
    /// `promql-duration-expr`
    pub duration_expressions: bool,
    /// `promql-extended-range-selectors`
    pub extended_range_selectors: bool,
    /// `promql-binop-fill-modifiers`
    pub fill_modifiers: bool,
}

impl Features {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self {
            experimental_functions: true,
            duration_expressions: true,
            extended_range_selectors: true,
            fill_modifiers: true,
        }
    }

    /// Only what is stable.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }
}

/// One mistake in a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Where it is.
    pub span: Span,
    /// What is wrong.
    pub message: String,
}

/// What is wrong with a query; there is at least one error. It prints the first one, as Prometheus does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ParseErrors {
    query: String,
    errors: Vec<ParseError>,
}

impl ParseErrors {
    /// All errors in the order in which they were found.
    #[must_use]
    pub fn errors(&self) -> &[ParseError] {
        &self.errors
    }
}

impl fmt::Display for ParseErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(error) = self.errors.first() else {
            return f.write_str("error contains no error message");
        };
        if self.query.is_empty() {
            f.write_str("unknown position")?;
        } else {
            write!(f, "{}", error.span.place(&self.query))?;
        }
        write!(f, ": parse error: {}", error.message)
    }
}

/// Parses an expression and checks its types.
///
/// # Errors
/// With the texts of Prometheus, or when the query is too long or nested too deeply.
pub fn parse(input: &str, features: Features) -> Result<Expr, ParseErrors> {
    run(input, features, |parser| {
        let mut expr = parser.query()?;
        if parser.errors.is_empty() {
            check::check(&mut expr, parser);
        }
        Ok(expr)
    })
}

/// Parses a selector of series, such as those of `match[]`: its matchers.
///
/// # Errors
/// As [`parse`].
pub fn parse_selector(input: &str) -> Result<Vec<Matcher>, ParseErrors> {
    run(input, Features::none(), |parser| {
        let selector = parser.vector_selector()?;
        parser.end()?;
        Ok(selector.matchers)
    })
}

/// Parses a metric: `up{job="a"}`.
///
/// # Errors
/// As [`parse`].
pub fn parse_metric(input: &str) -> Result<LabelSet, ParseErrors> {
    run(input, Features::none(), |parser| {
        let metric = parser.metric()?;
        parser.end()?;
        Ok(metric)
    })
}

fn run<T>(
    input: &str,
    features: Features,
    read: impl FnOnce(&mut Parser<'_>) -> parser::Parsed<T>,
) -> Result<T, ParseErrors> {
    let failed = |errors| ParseErrors {
        query: input.to_owned(),
        errors,
    };
    if input.len() > MAX_BYTES {
        let message = format!(
            "the query has {} bytes, more than the {MAX_BYTES} that are allowed",
            input.len()
        );
        let span = Span::default();
        return Err(failed(vec![ParseError { span, message }]));
    }
    let mut parser = Parser::new(input, features);
    let result = read(&mut parser);
    match result.map_err(|stop| parser.report(stop)) {
        Ok(result) if parser.errors.is_empty() => Ok(result),
        _ => Err(failed(parser.errors)),
    }
}
