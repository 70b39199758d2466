//! Selectors, label sets and lists of label names.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a place takes few of the kinds, and refuses all others alike"
)]

use super::{
    number::unquote,
    parser::{Parsed, Parser, Stop},
    token::{Kind, Token},
};
use crate::{
    labels::{LabelSet, MatchOp, Matcher, go_quote},
    promql::ast::{BinaryOp, Extended, TimeShift, VectorSelector},
};

/// The label that holds the name of a metric.
pub(super) const METRIC_NAME: &str = "__name__";

impl Parser<'_> {
    /// A selector without modifiers.
    pub(super) fn vector_selector(&mut self) -> Parsed<VectorSelector> {
        let token = self.peek()?;
        let mut name = "";
        if token.kind.is_metric_name() {
            self.take()?;
            name = token.text(self.input);
        } else if token.kind != Kind::LeftBrace {
            return Err(Stop::Unexpected(token));
        }
        Ok(self.named_selector(name)?.0)
    }

    /// The selector of a name that is taken already, and where its braces end.
    pub(super) fn named_selector(&mut self, name: &str) -> Parsed<(VectorSelector, Option<usize>)> {
        let mut matchers = Vec::new();
        let mut end = None;
        if self.accept(Kind::LeftBrace)?.is_some() {
            self.matchers(&mut matchers)?;
            end = Some(self.last_closing);
        }
        if !name.is_empty() {
            matchers.extend(Matcher::new(MatchOp::Equal, METRIC_NAME, name));
        }
        let selector = VectorSelector {
            name: name.to_owned(),
            matchers,
            shift: TimeShift::default(),
            extended: Extended::No,
        };
        Ok((selector, end))
    }

    /// What stands between braces, and the one that closes.
    fn matchers(&mut self, matchers: &mut Vec<Matcher>) -> Parsed<()> {
        if self.accept(Kind::RightBrace)?.is_some() {
            return Ok(());
        }
        loop {
            self.matcher(matchers)?;
            let token = self.take()?;
            match token.kind {
                Kind::RightBrace => return Ok(()),
                Kind::Comma if self.accept(Kind::RightBrace)?.is_some() => return Ok(()),
                Kind::Comma => {}
                _ => return Err(self.unexpected(token, "label matching", "\",\" or \"}\"")),
            }
        }
    }

    fn matcher(&mut self, matchers: &mut Vec<Matcher>) -> Parsed<()> {
        const PLACE: &str = "label matching";
        let name = self.take()?;
        let label = match name.kind {
            Kind::Identifier => name.text(self.input).to_owned(),
            Kind::String => unquote(name.text(self.input)),
            _ => return Err(self.unexpected(name, PLACE, "identifier or \"}\"")),
        };
        let token = self.peek()?;
        let op = match token.kind {
            Kind::Equals => MatchOp::Equal,
            Kind::Op(BinaryOp::NotEqual) => MatchOp::NotEqual,
            Kind::EqualsRegex => MatchOp::Regex,
            Kind::NotRegex => MatchOp::NotRegex,
            _ if name.kind == Kind::String => {
                matchers.extend(Matcher::new(MatchOp::Equal, METRIC_NAME, &label));
                return Ok(());
            }
            _ => return Err(self.unexpected(token, PLACE, "label matching operator")),
        };
        self.take()?;
        let value = self.take()?;
        if value.kind != Kind::String {
            return Err(self.unexpected(value, PLACE, "string"));
        }
        match Matcher::new(op, &label, &unquote(value.text(self.input))) {
            Ok(matcher) => {
                self.count_pattern(&matcher, name.span().to(value.span()))?;
                matchers.push(matcher);
            }
            Err(error) => self.error(name.span().to(value.span()), error.to_string()),
        }
        Ok(())
    }

    /// A label set, perhaps after the name of a metric.
    pub(super) fn metric(&mut self) -> Parsed<LabelSet> {
        let name = self.peek()?;
        if name.kind.is_metric_name() {
            self.take()?;
        }
        let braces = self.peek()?.kind == Kind::LeftBrace;
        self.metric_of(name, braces)
    }

    /// The same before values of another language: nothing behind it is looked at.
    pub(super) fn metric_before_values(&mut self) -> Parsed<LabelSet> {
        let name = self.peek()?;
        let mut braces = name.kind == Kind::LeftBrace;
        if name.kind.is_metric_name() {
            self.take()?;
            braces = self.rest().1.starts_with('{');
        } else if !braces && name.kind != Kind::Eof {
            return Err(Stop::Unexpected(name));
        }
        self.metric_of(name, braces)
    }

    fn metric_of(&mut self, name: Token, braces: bool) -> Parsed<LabelSet> {
        let mut labels = Vec::new();
        if braces {
            self.take()?;
            self.labels(&mut labels)?;
        }
        if name.kind.is_metric_name() {
            labels.push((METRIC_NAME.to_owned(), name.text(self.input).to_owned()));
        }
        // A label without a value is none.
        labels.retain(|(_, value)| !value.is_empty());
        Ok(LabelSet::from_pairs(labels))
    }

    fn labels(&mut self, labels: &mut Vec<(String, String)>) -> Parsed<()> {
        const PLACE: &str = "label set";
        if self.closing_brace()? {
            return Ok(());
        }
        loop {
            self.label(labels)?;
            if self.closing_brace()? {
                return Ok(());
            }
            let token = self.take()?;
            if token.kind != Kind::Comma {
                return Err(self.unexpected(token, PLACE, "\",\" or \"}\""));
            }
            if self.closing_brace()? {
                return Ok(());
            }
        }
    }

    fn closing_brace(&mut self) -> Parsed<bool> {
        Ok(self.accept(Kind::RightBrace)?.is_some())
    }

    fn label(&mut self, labels: &mut Vec<(String, String)>) -> Parsed<()> {
        const PLACE: &str = "label set";
        let name = self.take()?;
        let label = match name.kind {
            Kind::Identifier => name.text(self.input).to_owned(),
            Kind::String => unquote(name.text(self.input)),
            _ => return Err(self.unexpected(name, PLACE, "identifier or \"}\"")),
        };
        let token = self.peek()?;
        if token.kind != Kind::Equals {
            if name.kind == Kind::String {
                labels.push((METRIC_NAME.to_owned(), label));
                return Ok(());
            }
            return Err(self.unexpected(token, PLACE, "\"=\""));
        }
        self.take()?;
        let value = self.take()?;
        if value.kind != Kind::String {
            return Err(self.unexpected(value, PLACE, "string"));
        }
        labels.push((label, unquote(value.text(self.input))));
        Ok(())
    }

    /// A list of label names between parentheses.
    pub(super) fn label_names(&mut self) -> Parsed<Vec<String>> {
        const PLACE: &str = "grouping opts";
        let open = self.expect(Kind::LeftParen);
        self.within(open, PLACE, "\"(\"")?;
        let mut names = Vec::new();
        if self.accept(Kind::RightParen)?.is_some() {
            return Ok(names);
        }
        loop {
            let token = self.take()?;
            if !token.kind.is_label_name() && token.kind != Kind::String {
                return Err(self.unexpected(token, PLACE, "label"));
            }
            names.push(self.label_name(token));
            let token = self.take()?;
            match token.kind {
                Kind::RightParen => return Ok(names),
                Kind::Comma if self.accept(Kind::RightParen)?.is_some() => return Ok(names),
                Kind::Comma => {}
                _ => return Err(self.unexpected(token, PLACE, "\",\" or \")\"")),
            }
        }
    }

    fn label_name(&mut self, token: Token) -> String {
        let text = token.text(self.input);
        if token.kind != Kind::String {
            return text.to_owned();
        }
        let name = unquote(text);
        if name.is_empty() {
            let message = format!("invalid label name for grouping: {}", go_quote(&name));
            self.error(token.span(), message);
        }
        name
    }
}
