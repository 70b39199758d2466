//! The tokens of a file with a place in them, and the errors that are told there.

use std::sync::Arc;

use super::super::{
    error::TemplateError,
    funcs::FuncMap,
    lex::{Kind, Token, Tokens},
    patterns::Patterns,
};
use crate::labels::go_quote;

/// The state of the parser beside the blocks that are open.
pub(super) struct Stream<'s> {
    pub(super) file: Arc<str>,
    pub(super) functions: &'s FuncMap,
    tokens: Tokens<'s>,
    next: usize,
    /// The last token that was looked at: Go's errors name its line.
    furthest: usize,
    /// The variables that are declared, the innermost last.
    pub(super) variables: Vec<Arc<str>>,
    /// The line of the action that is being read; 0 outside.
    pub(super) action_line: usize,
    /// How many `range` surround the place within its template.
    pub(super) ranges: usize,
    pub(super) parentheses: usize,
    /// Constant patterns.
    pub(super) patterns: Patterns,
}

impl<'s> Stream<'s> {
    pub(super) fn new(file: Arc<str>, tokens: Tokens<'s>, functions: &'s FuncMap) -> Self {
        Self {
            file,
            functions,
            tokens,
            next: 0,
            furthest: 0,
            variables: vec!["$".into()],
            action_line: 0,
            ranges: 0,
            parentheses: 0,
            patterns: Patterns::default(),
        }
    }

    pub(super) fn peek(&mut self) -> Token<'s> {
        let last = self.tokens.list.len() - 1;
        let at = self.next.min(last);
        self.furthest = self.furthest.max(at);
        self.tokens.list[at]
    }

    pub(super) fn next(&mut self) -> Token<'s> {
        let token = self.peek();
        self.next += 1;
        token
    }

    pub(super) fn back(&mut self) {
        self.next -= 1;
    }

    /// A place to come back to with [`Self::go_to`].
    pub(super) fn place(&self) -> usize {
        self.next
    }

    pub(super) fn go_to(&mut self, place: usize) {
        self.next = place;
    }

    pub(super) fn peek_non_space(&mut self) -> Token<'s> {
        while self.peek().kind == Kind::Space {
            self.next += 1;
        }
        self.peek()
    }

    pub(super) fn next_non_space(&mut self) -> Token<'s> {
        self.peek_non_space();
        self.next()
    }

    pub(super) fn expect(&mut self, kind: Kind, context: &str) -> Result<Token<'s>, TemplateError> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            Err(self.unexpected(token, context))
        }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> TemplateError {
        let line = self.tokens.list[self.furthest].line;
        TemplateError::parse(&self.file, line, message)
    }

    /// Bytes before the furthest token in its line.
    pub(super) fn column(&self, source: &str) -> usize {
        let pos = self.tokens.list[self.furthest].pos.min(source.len());
        let before = &source.as_bytes()[..pos];
        let newline = before.iter().rposition(|byte| *byte == b'\n');
        newline.map_or(pos, |newline| pos - newline - 1)
    }

    pub(super) fn unexpected(&self, token: Token<'_>, context: &str) -> TemplateError {
        if token.kind != Kind::Error {
            return self.error(format!("unexpected {} in {context}", shown(token)));
        }
        let mut message = self.tokens.error.clone();
        if self.action_line != 0 && self.action_line != token.line {
            let in_action = if message.ends_with(" action") {
                ""
            } else {
                " in action"
            };
            message.push_str(in_action);
            message.push_str(&format!(" started at {}:{}", self.file, self.action_line));
        }
        self.error(message)
    }
}

/// A token as Go's errors show it.
fn shown(token: Token<'_>) -> String {
    match token.kind {
        Kind::Eof => "EOF".to_owned(),
        Kind::Dot | Kind::Keyword(_) => format!("<{}>", token.text),
        Kind::Error
        | Kind::Bool
        | Kind::Char
        | Kind::CharConstant
        | Kind::Complex
        | Kind::Assign
        | Kind::Declare
        | Kind::Field
        | Kind::Identifier
        | Kind::LeftDelim
        | Kind::LeftParen
        | Kind::Number
        | Kind::Pipe
        | Kind::RawString
        | Kind::RightDelim
        | Kind::RightParen
        | Kind::Space
        | Kind::String
        | Kind::Text
        | Kind::Variable => {
            if token.text.len() > 10 {
                let cut: String = token.text.chars().take(10).collect();
                format!("{}...", go_quote(&cut))
            } else {
                go_quote(token.text)
            }
        }
    }
}
