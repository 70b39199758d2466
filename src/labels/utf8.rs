//! The UTF-8 matcher syntax (`matcher/parse` of Alertmanager v0.34) with its error texts.
//!
//! Positions in the errors are columns in characters, from 0: `5:12` is where a token begins and ends.

use super::{MatchOp, Matcher, MatchersParseError, quote::go_unquote};

/// Parses exactly one matcher.
pub(super) fn parse_matcher(text: &str) -> Result<Matcher, MatchersParseError> {
    let mut matchers = parse_matchers(text)?;
    match matchers.len() {
        0 => Err(MatchersParseError("no matchers".to_owned())),
        1 => Ok(matchers.remove(0)),
        n => Err(MatchersParseError(format!("expected 1 matcher, found {n}"))),
    }
}

/// Parses matchers between commas, in a pair of braces or without.
pub(super) fn parse_matchers(text: &str) -> Result<Vec<Matcher>, MatchersParseError> {
    let mut parser = Parser {
        lexer: Lexer {
            rest: text,
            column: 0,
        },
        matchers: Vec::new(),
    };
    parser.parse().map_err(MatchersParseError)?;
    Ok(parser.matchers)
}

/// Whether a character ends a text without quotes.
pub(super) fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    OpenBrace,
    CloseBrace,
    Comma,
    Op(MatchOp),
    Quoted,
    Unquoted,
}

#[derive(Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    start: usize,
    end: usize,
}

impl Token<'_> {
    fn is_text(self) -> bool {
        matches!(self.kind, Kind::Quoted | Kind::Unquoted)
    }

    fn unexpected(self) -> String {
        format!("{}:{}: unexpected {}", self.start, self.end, self.text)
    }

    /// The text without its quotes.
    fn content(self) -> Result<String, String> {
        if self.kind != Kind::Quoted {
            return Ok(self.text.to_owned());
        }
        go_unquote(self.text)
            .ok_or_else(|| format!("{}:{}: {}: invalid input", self.start, self.end, self.text))
    }
}

#[derive(Clone, Copy)]
struct Lexer<'a> {
    rest: &'a str,
    /// Characters read so far.
    column: usize,
}

impl<'a> Lexer<'a> {
    fn next_char(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        self.column += 1;
        Some(c)
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.rest.starts_with(wanted);
        if found {
            self.next_char();
        }
        found
    }

    /// The next token; `None` at the end.
    fn scan(&mut self) -> Result<Option<Token<'a>>, String> {
        while self.rest.starts_with(char::is_whitespace) {
            self.next_char();
        }
        let begin = *self;
        let Some(c) = self.next_char() else {
            return Ok(None);
        };
        let kind = match c {
            '{' => Kind::OpenBrace,
            '}' => Kind::CloseBrace,
            ',' => Kind::Comma,
            '=' if self.accept('~') => Kind::Op(MatchOp::Regex),
            '=' => Kind::Op(MatchOp::Equal),
            '!' if self.accept('=') => Kind::Op(MatchOp::NotEqual),
            '!' if self.accept('~') => Kind::Op(MatchOp::NotRegex),
            '!' => return Err(self.half_operator(begin)),
            '"' => {
                if !self.skip_quoted() {
                    let (start, end) = (begin.column, self.column);
                    return Err(format!("{start}:{end}: {}: missing end \"", begin.rest));
                }
                Kind::Quoted
            }
            c if !is_reserved(c) => {
                while self.rest.starts_with(|c| !is_reserved(c)) {
                    self.next_char();
                }
                Kind::Unquoted
            }
            c => {
                let (start, end) = (begin.column, self.column);
                return Err(format!("{start}:{end}: {c}: invalid input"));
            }
        };
        Ok(Some(Token {
            kind,
            text: &begin.rest[..begin.rest.len() - self.rest.len()],
            start: begin.column,
            end: self.column,
        }))
    }

    /// Moves behind the closing quote; false if there is none.
    fn skip_quoted(&mut self) -> bool {
        let mut escaped = false;
        while let Some(c) = self.next_char() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return true,
                _ => {}
            }
        }
        false
    }

    fn half_operator(self, begin: Self) -> String {
        let (start, end) = (begin.column, self.column);
        if self.rest.is_empty() {
            format!("{start}:{end}: unexpected end of input, expected one of '=~'")
        } else {
            format!("{start}:{end}: !: expected one of '=~'")
        }
    }

    fn peek(mut self) -> Result<Option<Token<'a>>, String> {
        self.scan()
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    matchers: Vec<Matcher>,
}

impl<'a> Parser<'a> {
    fn parse(&mut self) -> Result<(), String> {
        let is = |token: Option<Token<'_>>, kind| token.is_some_and(|token| token.kind == kind);
        let Some(first) = self.lexer.peek()? else {
            return Ok(());
        };
        let braces = first.kind == Kind::OpenBrace;
        if braces {
            self.lexer.scan()?;
        }
        let next = self.lexer.peek()?;
        if next.is_some() && !is(next, Kind::CloseBrace) {
            self.parse_list()?;
        }
        if braces {
            if !is(self.lexer.scan()?, Kind::CloseBrace) {
                let column = self.lexer.column;
                return Err(format!("0:{column}: end of input: expected close brace"));
            }
        } else if is(self.lexer.peek()?, Kind::CloseBrace) {
            self.lexer.scan()?;
            let column = self.lexer.column;
            return Err(format!("0:{column}: }}: expected opening brace"));
        }
        let end = self.lexer.scan();
        match end.map_err(|error| format!("{error}: expected end of input"))? {
            None => Ok(()),
            Some(token) => Err(format!(
                "{}:{}: {}: expected end of input",
                token.start, token.end, token.text
            )),
        }
    }

    /// Matchers up to a closing brace, which is left, or up to the end.
    fn parse_list(&mut self) -> Result<(), String> {
        loop {
            self.parse_matcher()?;
            let expected = "expected a comma or close brace";
            match self.peek_or(expected)? {
                None => return Ok(()),
                Some(token) if token.kind == Kind::CloseBrace => return Ok(()),
                Some(token) if token.kind == Kind::Comma => {}
                Some(token) => return Err(format!("{}: {expected}", token.unexpected())),
            }
            self.lexer.scan()?;
            let expected = "expected a matcher or close brace after comma";
            match self.peek_or(expected)? {
                None => return Ok(()),
                Some(token) if token.kind == Kind::CloseBrace => return Ok(()),
                Some(token) if token.is_text() => {}
                Some(token) => return Err(format!("{}: {expected}", token.unexpected())),
            }
        }
    }

    fn parse_matcher(&mut self) -> Result<(), String> {
        let name = self.expect("expected label name", Token::is_text)?;
        let name = name.content()?;
        let expected = "expected an operator such as '=', '!=', '=~' or '!~'";
        let op = self.expect(expected, |token| matches!(token.kind, Kind::Op(_)))?;
        let value = self.expect("expected label value", Token::is_text)?;
        let value = value.content()?;
        if let Kind::Op(op) = op.kind {
            let matcher = Matcher::new(op, &name, &value)
                .map_err(|error| format!("failed to create matcher: {error}"))?;
            self.matchers.push(matcher);
        }
        Ok(())
    }

    fn peek_or(&self, expected: &str) -> Result<Option<Token<'a>>, String> {
        self.lexer
            .peek()
            .map_err(|error| format!("{error}: {expected}"))
    }

    fn expect(&mut self, expected: &str, fits: fn(Token<'a>) -> bool) -> Result<Token<'a>, String> {
        match self.peek_or(expected)? {
            None => Err(format!("end of input: {expected}")),
            Some(token) if fits(token) => {
                self.lexer.scan()?;
                Ok(token)
            }
            Some(token) => Err(format!("{}: {expected}", token.unexpected())),
        }
    }
}
