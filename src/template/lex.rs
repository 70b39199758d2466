//! Splits the source into tokens, with Go's rules for delimiters, trim markers and comments.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The message is [`Tokens::error`]; it is the last token.
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Dot,
    Keyword(Keyword),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'s> {
    pub(crate) kind: Kind,
    /// Bytes from the beginning of the source.
    pub(crate) pos: usize,
    /// Counts from 1.
    pub(crate) line: usize,
    pub(crate) text: &'s str,
}

/// All of a source; the last token is [`Kind::Eof`] or [`Kind::Error`].
#[derive(Debug)]
pub(crate) struct Tokens<'s> {
    pub(crate) list: Vec<Token<'s>>,
    pub(crate) error: String,
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";

struct Lexer<'s> {
    source: &'s str,
    pos: usize,
    start: usize,
    /// The line of `start`.
    line: usize,
    parens: usize,
    list: Vec<Token<'s>>,
}

/// Splits a source.
pub(crate) fn lex(source: &str) -> Tokens<'_> {
    let mut lexer = Lexer {
        source,
        pos: 0,
        start: 0,
        line: 1,
        parens: 0,
        list: Vec::new(),
    };
    let error = lexer.run().err().unwrap_or_default();
    if !error.is_empty() {
        lexer.push(Kind::Error);
    }
    Tokens {
        list: lexer.list,
        error,
    }
}

impl<'s> Lexer<'s> {
    fn run(&mut self) -> Result<(), String> {
        while self.text()? {
            while self.inside_action()? {}
        }
        Ok(())
    }

    /// Reads text up to and including the next left delimiter; false at the end.
    fn text(&mut self) -> Result<bool, String> {
        loop {
            let Some(found) = self.rest().find(LEFT) else {
                self.pos = self.source.len();
                if self.pos > self.start {
                    self.push(Kind::Text);
                }
                self.push(Kind::Eof);
                return Ok(false);
            };
            self.pos += found;
            let delim = self.pos;
            let trims = has_left_trim_marker(&self.source[delim + LEFT.len()..]);
            if trims {
                self.pos = self.start + trim_end(&self.source[self.start..delim]).len();
            }
            if self.pos > self.start {
                self.push(Kind::Text);
            }
            self.pos = delim;
            self.ignore();
            let marker = if trims { 2 } else { 0 };
            self.pos += LEFT.len();
            if self.source[self.pos + marker..].starts_with("/*") {
                self.pos += marker;
                self.ignore();
                self.comment()?;
                continue;
            }
            self.push(Kind::LeftDelim);
            self.pos += marker;
            self.ignore();
            self.parens = 0;
            return Ok(true);
        }
    }

    fn comment(&mut self) -> Result<(), String> {
        let Some(end) = self.source[self.pos + 2..].find("*/") else {
            return Err("unclosed comment".to_owned());
        };
        self.pos += 2 + end + 2;
        let Some(trims) = self.at_right_delim() else {
            return Err("comment ends before closing delimiter".to_owned());
        };
        self.pos += RIGHT.len();
        if trims {
            self.pos += 2;
            self.pos += self.rest().len() - trim_start(self.rest()).len();
        }
        self.ignore();
        Ok(())
    }

    /// Whether the action is closed here, and if so, whether with a trim marker.
    fn at_right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if has_right_trim_marker(rest) && rest[2..].starts_with(RIGHT) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn right_delim(&mut self, trims: bool) {
        if trims {
            self.pos += 2;
            self.ignore();
        }
        self.pos += RIGHT.len();
        self.push(Kind::RightDelim);
        if trims {
            self.pos += self.rest().len() - trim_start(self.rest()).len();
            self.ignore();
        }
    }

    /// Reads one token of an action; false after its right delimiter.
    fn inside_action(&mut self) -> Result<bool, String> {
        if let Some(trims) = self.at_right_delim() {
            if self.parens > 0 {
                return Err("unclosed left paren".to_owned());
            }
            self.right_delim(trims);
            return Ok(false);
        }
        let Some(c) = self.next() else {
            return Err("unclosed action".to_owned());
        };
        match c {
            c if is_space(c) => self.space(),
            '=' => self.push(Kind::Assign),
            ':' if self.rest().starts_with('=') => {
                self.pos += 1;
                self.push(Kind::Declare);
            }
            ':' => return Err("expected :=".to_owned()),
            '|' => self.push(Kind::Pipe),
            '"' => self.quote('"', Kind::String, "unterminated quoted string")?,
            '\'' => self.quote('\'', Kind::CharConstant, "unterminated character constant")?,
            '`' => {
                let Some(end) = self.rest().find('`') else {
                    return Err("unterminated raw quoted string".to_owned());
                };
                self.pos += end + 1;
                self.push(Kind::RawString);
            }
            '$' => self.name(Kind::Variable)?,
            '.' if !self.rest().starts_with(|c: char| c.is_ascii_digit()) => {
                self.name(Kind::Field)?;
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.pos -= 1;
                self.number()?;
            }
            c if is_alphanumeric(c) => self.identifier()?,
            '(' => {
                self.parens += 1;
                self.push(Kind::LeftParen);
            }
            ')' if self.parens == 0 => return Err("unexpected right paren".to_owned()),
            ')' => {
                self.parens -= 1;
                self.push(Kind::RightParen);
            }
            ' '..='~' => self.push(Kind::Char),
            c => {
                return Err(format!(
                    "unrecognized character in action: {}",
                    code_point(c)
                ));
            }
        }
        Ok(true)
    }

    /// The first space has been read. The last one may belong to a trim marker.
    fn space(&mut self) {
        let rest = self.rest();
        self.pos += rest.len() - trim_start(rest).len();
        let last = &self.source[self.pos - 1..];
        if has_right_trim_marker(last) && last[2..].starts_with(RIGHT) {
            self.pos -= 1;
        }
        if self.pos > self.start {
            self.push(Kind::Space);
        }
    }

    /// The opening quote has been read.
    fn quote(&mut self, quote: char, kind: Kind, unterminated: &str) -> Result<(), String> {
        loop {
            let mut c = self.next();
            if c == Some('\\') {
                c = self.next().filter(|c| *c != '\n');
                if c.is_some() {
                    continue;
                }
            }
            match c {
                None | Some('\n') => return Err(unterminated.to_owned()),
                Some(c) if c == quote => break,
                Some(_) => {}
            }
        }
        self.push(kind);
        Ok(())
    }

    fn identifier(&mut self) -> Result<(), String> {
        self.skip_alphanumeric()?;
        let kind = match &self.source[self.start..self.pos] {
            "block" => Kind::Keyword(Keyword::Block),
            "break" => Kind::Keyword(Keyword::Break),
            "continue" => Kind::Keyword(Keyword::Continue),
            "define" => Kind::Keyword(Keyword::Define),
            "else" => Kind::Keyword(Keyword::Else),
            "end" => Kind::Keyword(Keyword::End),
            "if" => Kind::Keyword(Keyword::If),
            "nil" => Kind::Keyword(Keyword::Nil),
            "range" => Kind::Keyword(Keyword::Range),
            "template" => Kind::Keyword(Keyword::Template),
            "with" => Kind::Keyword(Keyword::With),
            "true" | "false" => Kind::Bool,
            _ => Kind::Identifier,
        };
        self.push(kind);
        Ok(())
    }

    /// A field or variable; its dot or dollar has been read.
    fn name(&mut self, kind: Kind) -> Result<(), String> {
        if self.at_terminator() {
            self.push(if kind == Kind::Field { Kind::Dot } else { kind });
            return Ok(());
        }
        self.skip_alphanumeric()?;
        self.push(kind);
        Ok(())
    }

    fn skip_alphanumeric(&mut self) -> Result<(), String> {
        let rest = self.rest();
        self.pos += rest.find(|c| !is_alphanumeric(c)).unwrap_or(rest.len());
        if self.at_terminator() {
            return Ok(());
        }
        let c = self.rest().chars().next().unwrap_or_default();
        Err(format!("bad character {}", code_point(c)))
    }

    /// Whether a name may end here.
    fn at_terminator(&self) -> bool {
        let rest = self.rest();
        rest.is_empty()
            || rest.starts_with(|c| is_space(c) || ".,|:)(".contains(c))
            || rest.starts_with(RIGHT)
    }

    /// Not a perfect scanner of numbers: the parser refuses what it lets through.
    fn number(&mut self) -> Result<(), String> {
        let mut well_formed = self.scan_number();
        let mut kind = Kind::Number;
        if well_formed && self.rest().starts_with(['+', '-']) {
            well_formed = self.scan_number() && self.source[..self.pos].ends_with('i');
            kind = Kind::Complex;
        }
        if !well_formed {
            let text = crate::labels::go_quote(&self.source[self.start..self.pos]);
            return Err(format!("bad number syntax: {text}"));
        }
        self.push(kind);
        Ok(())
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEX: &str = "0123456789abcdefABCDEF_";
        self.accept("+-");
        let mut digits = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                digits = HEX;
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if digits == DECIMAL && self.accept("eE") || digits == HEX && self.accept("pP") {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        let Some(c) = self.rest().chars().next().filter(|c| is_alphanumeric(*c)) else {
            return true;
        };
        self.pos += c.len_utf8();
        false
    }

    fn rest(&self) -> &'s str {
        &self.source[self.pos..]
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest().chars().next()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, valid: &str) -> bool {
        let found = self.rest().starts_with(|c| valid.contains(c));
        if found {
            self.pos += 1;
        }
        found
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    fn push(&mut self, kind: Kind) {
        self.list.push(Token {
            kind,
            pos: self.start,
            line: self.line,
            text: &self.source[self.start..self.pos],
        });
        self.ignore();
    }

    fn ignore(&mut self) {
        let skipped = &self.source.as_bytes()[self.start..self.pos];
        self.line += skipped.iter().filter(|byte| **byte == b'\n').count();
        self.start = self.pos;
    }
}

/// Go's `%#U`.
fn code_point(c: char) -> String {
    format!("U+{:04X} '{c}'", u32::from(c))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_space)
}

fn has_left_trim_marker(text: &str) -> bool {
    text.strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(is_space))
}

fn has_right_trim_marker(text: &str) -> bool {
    text.starts_with(is_space) && text[1..].starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> String {
        let tokens = lex(source);
        let mut out: Vec<String> = tokens
            .list
            .iter()
            .map(|token| format!("{:?}@{}:{}", token.kind, token.line, token.text))
            .collect();
        out.push(tokens.error);
        out.join(" ")
    }

    #[test]
    fn trim_markers_eat_space_on_both_sides() {
        assert_eq!(
            shown("a \n{{- .X -}}\n b"),
            "Text@1:a LeftDelim@2:{{ Field@2:.X RightDelim@2:}} Text@3:b Eof@3: "
        );
        assert_eq!(
            shown("a {{- /* c */ -}} b{{-3}}"),
            "Text@1:a Text@1:b LeftDelim@1:{{ Number@1:-3 RightDelim@1:}} Eof@1: "
        );
        assert_eq!(
            shown("{{ 1  -}}"),
            "LeftDelim@1:{{ Space@1:  Number@1:1 Space@1:  RightDelim@1:}} Eof@1: "
        );
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        for (source, expect) in [
            ("{{", "unclosed action"),
            ("{{ \"a", "unterminated quoted string"),
            ("{{ \"a\\", "unterminated quoted string"),
            ("{{ `a", "unterminated raw quoted string"),
            ("{{ 'a", "unterminated character constant"),
            ("{{ (1 }}", "unclosed left paren"),
            ("{{ ) }}", "unexpected right paren"),
            ("{{ 0xg }}", "bad number syntax: \"0xg\""),
            ("{{ 1+2 }}", "bad number syntax: \"1+2\""),
            ("{{ .a\u{7f} }}", "bad character U+007F '\u{7f}'"),
            ("{{ a-b }}", "bad character U+002D '-'"),
            (
                "{{ \u{1} }}",
                "unrecognized character in action: U+0001 '\u{1}'",
            ),
            ("{{ : }}", "expected :="),
            ("{{/* a }}", "unclosed comment"),
            ("{{/* a */ }}", "comment ends before closing delimiter"),
        ] {
            assert_eq!(lex(source).error, expect, "{source}");
        }
    }
}
