//! The state of a parser: its look-ahead of one token, and the errors so far.
//!
//! Like Prometheus's, it goes on after errors of meaning and stops at the first one of syntax.

use super::{
    Features, MAX_DEPTH, MAX_PATTERNS, ParseError,
    chars::is_space,
    lex::{LexError, Lexer},
    token::{Kind, Token},
};
use crate::{
    labels::Matcher,
    promql::{Span, with_room},
    regex::Anchored,
};

/// Why parsing cannot go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The error is among those of the parser.
    Reported,
    /// A token that nothing fits; whoever knows where it stands reports it.
    Unexpected(Token),
}

pub(super) type Parsed<T> = Result<T, Stop>;

/// A part of the tree, and how many levels it has. It is boxed to keep the frames of the recursion small.
pub(super) struct Deep<T> {
    pub(super) node: Box<T>,
    pub(super) depth: u32,
}

pub(super) struct Parser<'a> {
    pub(super) input: &'a str,
    pub(super) features: Features,
    pub(super) errors: Vec<ParseError>,
    lexer: Lexer<'a>,
    ahead: Option<Token>,
    /// The end of the last token read, be it only looked at, that can end an expression.
    pub(super) last_closing: usize,
    /// The start of the last token read, be it only looked at.
    last_start: usize,
    open: u32,
    /// What compiling the regular expressions so far costs.
    patterns: u64,
}

impl<'a> Parser<'a> {
    pub(super) fn new(input: &'a str, features: Features) -> Self {
        Self {
            input,
            features,
            errors: Vec::new(),
            lexer: Lexer::new(input),
            ahead: None,
            last_closing: 0,
            last_start: 0,
            open: 0,
            patterns: 0,
        }
    }

    /// The next token, which stays the next one.
    pub(super) fn peek(&mut self) -> Parsed<Token> {
        if let Some(token) = self.ahead {
            return Ok(token);
        }
        let token = match self.lexer.next_token() {
            Ok(token) => token,
            Err(LexError { start, message }) => {
                self.error(Span::new(start, self.input.len()), message);
                return Err(Stop::Reported);
            }
        };
        if matches!(
            token.kind,
            Kind::RightBrace
                | Kind::RightParen
                | Kind::RightBracket
                | Kind::Duration
                | Kind::Number
        ) {
            self.last_closing = token.end;
        }
        self.last_start = token.start;
        self.ahead = Some(token);
        Ok(token)
    }

    pub(super) fn take(&mut self) -> Parsed<Token> {
        let token = self.peek()?;
        self.ahead = None;
        Ok(token)
    }

    /// Takes the next token if it is of this kind.
    pub(super) fn accept(&mut self, kind: Kind) -> Parsed<Option<Token>> {
        let token = self.peek()?;
        if token.kind == kind {
            self.ahead = None;
            return Ok(Some(token));
        }
        Ok(None)
    }

    pub(super) fn expect(&mut self, kind: Kind) -> Parsed<Token> {
        let token = self.peek()?;
        if token.kind == kind {
            self.ahead = None;
            return Ok(token);
        }
        Err(Stop::Unexpected(token))
    }

    /// The end of the input.
    pub(super) fn end(&mut self) -> Parsed<()> {
        self.expect(Kind::Eof).map(|_| ())
    }

    /// What the lexer has not read yet, and where it begins; nothing may be looked at.
    pub(super) fn rest(&self) -> (usize, &'a str) {
        self.lexer.rest()
    }

    pub(super) fn error(&mut self, span: Span, message: String) {
        self.errors.push(ParseError { span, message });
    }

    /// Reports an unexpected token that nobody reported yet.
    pub(super) fn report(&mut self, stop: Stop) {
        if let Stop::Unexpected(token) = stop {
            let message = format!("unexpected {}", token.describe(self.input));
            self.error(token.span(), message);
        }
    }

    /// Reports an unexpected token, with where it stands and perhaps what was expected.
    pub(super) fn unexpected(&mut self, token: Token, place: &str, expected: &str) -> Stop {
        let mut message = format!("unexpected {} in {place}", token.describe(self.input));
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        self.error(token.span(), message);
        Stop::Reported
    }

    /// Names the place of an unexpected token that nothing within has reported.
    pub(super) fn within<T>(
        &mut self,
        result: Parsed<T>,
        place: &str,
        expected: &str,
    ) -> Parsed<T> {
        match result {
            Err(Stop::Unexpected(token)) => Err(self.unexpected(token, place, expected)),
            other => other,
        }
    }

    /// Runs `read` one level deeper.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.open >= MAX_DEPTH {
            let token = self.peek()?;
            return Err(self.too_deep(token.span()));
        }
        self.open += 1;
        let result = with_room(|| read(self));
        self.open -= 1;
        result
    }

    /// Counts what the regular expression of a matcher costs; each alone is bounded, but there may be thousands.
    pub(super) fn count_pattern(&mut self, matcher: &Matcher, span: Span) -> Parsed<()> {
        let cost = matcher.regex().map_or(0, Anchored::cost);
        self.patterns = self.patterns.saturating_add(cost);
        if self.patterns > MAX_PATTERNS {
            let message = "the regular expressions of the query are too large together";
            self.error(span, message.to_owned());
            return Err(Stop::Reported);
        }
        Ok(())
    }

    /// The depth of a node above others of these depths.
    pub(super) fn depth(&mut self, below: u32, span: Span) -> Parsed<u32> {
        if below >= MAX_DEPTH {
            return Err(self.too_deep(span));
        }
        Ok(below + 1)
    }

    fn too_deep(&mut self, span: Span) -> Stop {
        let message = format!("the expression is nested deeper than {MAX_DEPTH} levels");
        self.error(span, message);
        Stop::Reported
    }

    /// The end of an aggregation after whose parenthesis one more token was looked at: if that is a parenthesis as well,
    /// the end of the one before.
    pub(super) fn end_before_lookahead(&self) -> usize {
        let bytes = self.input.as_bytes();
        if bytes.get(self.last_start) != Some(&b')') {
            return self.last_closing;
        }
        let before = bytes.get(1..self.last_start).unwrap_or_default();
        match before.iter().rposition(|byte| !is_space(*byte)) {
            Some(at) if before.get(at) == Some(&b')') => at + 2,
            _ => self.last_closing,
        }
    }
}
