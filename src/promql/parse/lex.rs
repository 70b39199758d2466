//! Splits a query into tokens (`promql/parser/lex.go`).
//!
//! What a character means depends on where it stands: between braces keywords are names, between brackets words are
//! those of durations.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a place takes few of the kinds, and refuses all others alike"
)]

use super::{
    chars::{is_alpha, is_alphanumeric, is_space, quote_char, unicode_char},
    number,
    token::{Kind, Token},
};
use crate::{labels::go_quote, promql::ast::BinaryOp};

/// What cannot be a token, and where it begins. It reaches to the end of the query.
pub(super) struct LexError {
    pub(super) start: usize,
    pub(super) message: String,
}

type Lexed = Result<Token, LexError>;

/// Reads tokens one after the other.
pub(super) struct Lexer<'a> {
    input: &'a str,
    pos: usize,
    start: usize,
    open_parens: usize,
    in_braces: bool,
    in_brackets: bool,
    /// Directly after `[` or an operator after it, until the first number.
    in_duration: bool,
    colon_seen: bool,
    duration_seen: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self {
            input,
            pos: 0,
            start: 0,
            open_parens: 0,
            in_braces: false,
            in_brackets: false,
            in_duration: false,
            colon_seen: false,
            duration_seen: false,
        }
    }

    /// The next token; at the end [`Kind::Eof`].
    pub(super) fn next_token(&mut self) -> Lexed {
        self.skip();
        self.start = self.pos;
        if self.in_braces {
            self.inside_braces()
        } else if self.in_duration {
            self.inside_brackets()
        } else {
            self.statement()
        }
    }

    /// What is left behind the last token.
    pub(super) fn rest(&self) -> (usize, &'a str) {
        (self.pos, self.input.get(self.pos..).unwrap_or_default())
    }

    /// Skips space and comments.
    fn skip(&mut self) {
        while let Some(byte) = self.peek() {
            if is_space(byte) {
                self.pos += 1;
            } else if byte == b'#' && !self.in_duration {
                let rest = self.input.as_bytes().get(self.pos..).unwrap_or_default();
                let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                self.pos += end.unwrap_or(rest.len());
            } else {
                return;
            }
        }
    }

    fn statement(&mut self) -> Lexed {
        let Some(byte) = self.peek() else {
            return self.end();
        };
        match byte {
            b'=' => return self.equals(),
            b'!' => return self.not_equal(),
            b'<' => {
                return self.comparison(BinaryOp::Less, BinaryOp::LessOrEqual, BinaryOp::TrimUpper);
            }
            b'>' => {
                return self.comparison(
                    BinaryOp::Greater,
                    BinaryOp::GreaterOrEqual,
                    BinaryOp::TrimLower,
                );
            }
            b'"' | b'\'' => return self.string(byte),
            b'`' => return self.raw_string(),
            b'{' => {
                self.in_braces = true;
                return self.emit(1, Kind::LeftBrace);
            }
            b'[' => return self.left_bracket(),
            b']' => return self.right_bracket(),
            b'@' => return self.emit(1, Kind::At),
            _ => {}
        }
        if let Some(kind) = symbol(byte) {
            return self.symbol(kind);
        }
        if byte.is_ascii_digit()
            || (byte == b'.' && self.byte(1).is_some_and(|b| b.is_ascii_digit()))
        {
            return self.number();
        }
        if is_alpha(byte) || byte == b':' {
            return if self.in_brackets {
                self.word_in_brackets(byte)
            } else {
                Ok(self.word())
            };
        }
        let c = self.char();
        self.fail(format!("unexpected character: {}", quote_char(c)))
    }

    fn end(&self) -> Lexed {
        if self.open_parens > 0 {
            return self.fail("unclosed left parenthesis".to_owned());
        }
        if self.in_brackets {
            return self.fail("unclosed left bracket".to_owned());
        }
        Ok(self.token(Kind::Eof))
    }

    fn symbol(&mut self, kind: Kind) -> Lexed {
        self.pos += 1;
        match kind {
            Kind::LeftParen => self.open_parens += 1,
            Kind::RightParen => match self.open_parens.checked_sub(1) {
                Some(open) => self.open_parens = open,
                None => return self.fail_after("unexpected right parenthesis ')'"),
            },
            _ => {}
        }
        Ok(self.token(kind))
    }

    fn equals(&mut self) -> Lexed {
        match self.byte(1) {
            Some(b'=') => self.emit(2, Kind::Op(BinaryOp::Equal)),
            Some(b'~') => self.fail("unexpected character after '=': '~'".to_owned()),
            _ => self.emit(1, Kind::Equals),
        }
    }

    fn not_equal(&mut self) -> Lexed {
        self.pos += 1;
        if self.peek() == Some(b'=') {
            return self.emit(1, Kind::Op(BinaryOp::NotEqual));
        }
        let c = quote_char(self.char());
        self.fail(format!("unexpected character after '!': {c}"))
    }

    fn comparison(&mut self, bare: BinaryOp, or_equal: BinaryOp, trim: BinaryOp) -> Lexed {
        match self.byte(1) {
            Some(b'=') => self.emit(2, Kind::Op(or_equal)),
            Some(b'/') => self.emit(2, Kind::Op(trim)),
            _ => self.emit(1, Kind::Op(bare)),
        }
    }

    fn left_bracket(&mut self) -> Lexed {
        if self.in_brackets {
            return self.fail("unexpected left bracket '['".to_owned());
        }
        self.in_brackets = true;
        self.in_duration = true;
        self.colon_seen = false;
        self.emit(1, Kind::LeftBracket)
    }

    fn right_bracket(&mut self) -> Lexed {
        if !self.in_brackets {
            return self.fail("unexpected right bracket ']'".to_owned());
        }
        self.in_brackets = false;
        self.in_duration = false;
        self.emit(1, Kind::RightBracket)
    }

    fn inside_braces(&mut self) -> Lexed {
        let Some(byte) = self.peek() else {
            return self.fail("unexpected end of input inside braces".to_owned());
        };
        match byte {
            b',' => self.emit(1, Kind::Comma),
            b'"' | b'\'' => self.string(byte),
            b'`' => self.raw_string(),
            b'=' if self.byte(1) == Some(b'~') => self.emit(2, Kind::EqualsRegex),
            b'=' => self.emit(1, Kind::Equals),
            b'!' => match self.byte(1) {
                Some(b'~') => self.emit(2, Kind::NotRegex),
                Some(b'=') => self.emit(2, Kind::Op(BinaryOp::NotEqual)),
                _ => {
                    self.pos += 1;
                    let c = quote_char(self.char());
                    self.fail(format!("unexpected character after '!' inside braces: {c}"))
                }
            },
            b'{' => self.fail("unexpected left brace '{'".to_owned()),
            b'}' => {
                self.in_braces = false;
                self.emit(1, Kind::RightBrace)
            }
            _ if is_alpha(byte) => {
                self.run(is_alphanumeric);
                Ok(self.token(Kind::Identifier))
            }
            _ => {
                let c = quote_char(self.char());
                self.fail(format!("unexpected character inside braces: {c}"))
            }
        }
    }

    /// Between `[` and the first number.
    fn inside_brackets(&mut self) -> Lexed {
        let Some(byte) = self.peek() else {
            return self.fail("unexpected end of input in duration expression".to_owned());
        };
        match byte {
            b']' => return self.right_bracket(),
            b':' => return self.colon(),
            b'(' | b')' | b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b',' => {
                if let Some(kind) = symbol(byte) {
                    return self.symbol(kind);
                }
            }
            b'.' if !self.byte(1).is_some_and(|b| b.is_ascii_digit()) => {}
            b'0'..=b'9' | b'.' => {
                self.duration_seen = true;
                self.in_duration = false;
                return self.number();
            }
            _ => {
                if let Some(token) = self.duration_word() {
                    return Ok(token);
                }
            }
        }
        let c = quote_char(self.char());
        self.fail(format!("unexpected character in duration expression: {c}"))
    }

    fn colon(&mut self) -> Lexed {
        self.pos += 1;
        if !self.duration_seen {
            return self.fail_after("unexpected colon before duration in duration expression");
        }
        if self.colon_seen {
            return self.fail_after("unexpected repeated colon in duration expression");
        }
        self.colon_seen = true;
        Ok(self.token(Kind::Colon))
    }

    fn word_in_brackets(&mut self, byte: u8) -> Lexed {
        if byte == b':' {
            if self.colon_seen {
                return self.fail("unexpected colon ':'".to_owned());
            }
            self.colon_seen = true;
            return self.emit(1, Kind::Colon);
        }
        if let Some(token) = self.duration_word() {
            return Ok(token);
        }
        let c = quote_char(self.char());
        self.fail(format!("unexpected character: {c}, expected ':'"))
    }

    /// `step`, `range`, `min_of` or `max_of`.
    fn duration_word(&mut self) -> Option<Token> {
        let before = self.pos;
        self.run(is_alpha);
        let kind = Kind::of_word(self.text());
        if let Some(Kind::Step | Kind::Range | Kind::MinOf | Kind::MaxOf) = kind {
            return kind.map(|kind| self.token(kind));
        }
        self.pos = before;
        None
    }

    fn word(&mut self) -> Token {
        self.run(|byte| is_alphanumeric(byte) || byte == b':');
        let text = self.text();
        match Kind::of_word(text) {
            Some(Kind::Fill | Kind::FillLeft | Kind::FillRight) if !self.paren_follows() => {
                self.token(Kind::Identifier)
            }
            Some(kind) => self.token(kind),
            None if text.contains(':') => self.token(Kind::MetricIdentifier),
            None => self.token(Kind::Identifier),
        }
    }

    fn paren_follows(&self) -> bool {
        let rest = self.input.as_bytes().get(self.pos..).unwrap_or_default();
        rest.iter().find(|byte| !is_space(**byte)) == Some(&b'(')
    }

    fn number(&mut self) -> Lexed {
        let rest = self.input.as_bytes().get(self.pos..).unwrap_or_default();
        match number::scan(rest) {
            number::Scanned::Number(len) => self.emit(len, Kind::Number),
            number::Scanned::Duration(len) => self.emit(len, Kind::Duration),
            number::Scanned::Bad(len) => {
                // The last character may be of several bytes.
                let mut end = self.pos + len;
                while !self.input.is_char_boundary(end) {
                    end += 1;
                }
                let bad = self.input.get(self.pos..end).unwrap_or_default();
                self.fail(format!("bad number or duration syntax: {}", go_quote(bad)))
            }
        }
    }

    fn string(&mut self, quote: u8) -> Lexed {
        self.pos += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => {
                    self.pos += 1;
                    self.escape(quote)?;
                    continue;
                }
                b'\n' => break,
                _ if byte == quote => return self.emit(1, Kind::String),
                _ => self.no_replacement()?,
            }
            self.pos += 1;
        }
        self.fail("unterminated quoted string".to_owned())
    }

    fn raw_string(&mut self) -> Lexed {
        self.pos += 1;
        while let Some(byte) = self.peek() {
            if byte == b'`' {
                return self.emit(1, Kind::String);
            }
            self.no_replacement()?;
            self.pos += 1;
        }
        self.fail("unterminated raw string".to_owned())
    }

    /// Prometheus takes the replacement character for a broken one.
    fn no_replacement(&self) -> Result<(), LexError> {
        let rest = self.input.as_bytes().get(self.pos..).unwrap_or_default();
        if rest.starts_with("\u{fffd}".as_bytes()) {
            return self.fail("invalid UTF-8 rune".to_owned());
        }
        Ok(())
    }

    /// Checks what follows a backslash.
    fn escape(&mut self, quote: u8) -> Result<(), LexError> {
        let Some(byte) = self.peek() else {
            return self.fail("escape sequence not terminated".to_owned());
        };
        let (digits, radix, most) = match byte {
            b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' => {
                self.pos += 1;
                return Ok(());
            }
            _ if byte == quote => {
                self.pos += 1;
                return Ok(());
            }
            b'0'..=b'7' => (3, 8, 255),
            b'x' => (2, 16, 255),
            b'u' => (4, 16, 0x0010_FFFF),
            b'U' => (8, 16, 0x0010_FFFF),
            _ => {
                let c = unicode_char(self.char());
                return self.fail(format!("unknown escape sequence {c}"));
            }
        };
        if radix == 16 {
            self.pos += 1;
        }
        let mut value: u64 = 0;
        for _ in 0..digits {
            let Some(c) = self.char() else {
                return self.fail("escape sequence not terminated".to_owned());
            };
            let Some(digit) = c.to_digit(radix) else {
                let c = unicode_char(Some(c));
                return self.fail(format!("illegal character {c} in escape sequence"));
            };
            value = value * u64::from(radix) + u64::from(digit);
            self.pos += 1;
        }
        if value > most || (0xD800..0xE000).contains(&value) {
            return self.fail("escape sequence is an invalid Unicode code point".to_owned());
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.byte(0)
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.input.as_bytes().get(self.pos + ahead).copied()
    }

    fn char(&self) -> Option<char> {
        self.input
            .get(self.pos..)
            .and_then(|rest| rest.chars().next())
    }

    fn run(&mut self, fits: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&fits) {
            self.pos += 1;
        }
    }

    fn text(&self) -> &'a str {
        self.input.get(self.start..self.pos).unwrap_or_default()
    }

    fn emit(&mut self, len: usize, kind: Kind) -> Lexed {
        self.pos += len;
        Ok(self.token(kind))
    }

    fn token(&self, kind: Kind) -> Token {
        Token {
            kind,
            start: self.start,
            end: self.pos,
        }
    }

    fn fail<T>(&self, message: String) -> Result<T, LexError> {
        Err(LexError {
            start: self.start,
            message,
        })
    }

    fn fail_after<T>(&self, message: &str) -> Result<T, LexError> {
        Err(LexError {
            start: self.pos,
            message: message.to_owned(),
        })
    }
}

/// Characters that mean the same wherever a word may stand.
fn symbol(byte: u8) -> Option<Kind> {
    Some(match byte {
        b',' => Kind::Comma,
        b'*' => Kind::Op(BinaryOp::Mul),
        b'/' => Kind::Op(BinaryOp::Div),
        b'%' => Kind::Op(BinaryOp::Mod),
        b'+' => Kind::Op(BinaryOp::Add),
        b'-' => Kind::Op(BinaryOp::Sub),
        b'^' => Kind::Op(BinaryOp::Pow),
        b'(' => Kind::LeftParen,
        b')' => Kind::RightParen,
        _ => return None,
    })
}
