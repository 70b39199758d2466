//! The tokens of PromQL, and how errors name them.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a place takes few of the kinds, and refuses all others alike"
)]

use crate::{
    labels::go_quote,
    promql::{
        Span,
        ast::{AggregateOp, BinaryOp},
    },
};

/// A piece of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    pub(super) fn span(self) -> Span {
        Span::new(self.start, self.end)
    }

    pub(super) fn text(self, query: &str) -> &str {
        query.get(self.start..self.end).unwrap_or_default()
    }

    /// As errors name it.
    pub(super) fn describe(self, query: &str) -> String {
        let text = self.text(query);
        match self.kind {
            Kind::Eof => "end of input".to_owned(),
            Kind::Identifier => format!("identifier {}", go_quote(text)),
            Kind::MetricIdentifier => format!("metric identifier {}", go_quote(text)),
            Kind::String => format!("string {}", shortened(text)),
            Kind::Number => format!("number {}", shortened(text)),
            Kind::Duration => format!("duration {}", shortened(text)),
            Kind::Op(_) | Kind::EqualsRegex | Kind::NotRegex | Kind::At => format!("<op:{text}>"),
            Kind::Aggregate(_) => format!("<aggr:{text}>"),
            kind if kind.is_keyword() => format!("<{text}>"),
            _ => shortened(text),
        }
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= 10 {
        return go_quote(text);
    }
    let start: String = text.chars().take(10).collect();
    format!("{}...", go_quote(&start))
}

/// The kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Eof,
    Identifier,
    /// With a colon.
    MetricIdentifier,
    String,
    Number,
    Duration,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    Equals,
    EqualsRegex,
    NotRegex,
    At,
    Op(BinaryOp),
    Aggregate(AggregateOp),
    Bool,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Offset,
    Smoothed,
    Anchored,
    Start,
    End,
    Step,
    Range,
    MinOf,
    MaxOf,
}

/// Longer than any keyword.
const LONGEST: usize = 16;

impl Kind {
    /// The kind of a word with a meaning, in whatever case it is written.
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let mut lower = [0; LONGEST];
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        Some(match &*lower {
            b"and" => Self::Op(BinaryOp::And),
            b"or" => Self::Op(BinaryOp::Or),
            b"unless" => Self::Op(BinaryOp::Unless),
            b"atan2" => Self::Op(BinaryOp::Atan2),
            b"offset" => Self::Offset,
            b"smoothed" => Self::Smoothed,
            b"anchored" => Self::Anchored,
            b"by" => Self::By,
            b"without" => Self::Without,
            b"on" => Self::On,
            b"ignoring" => Self::Ignoring,
            b"group_left" => Self::GroupLeft,
            b"group_right" => Self::GroupRight,
            b"fill" => Self::Fill,
            b"fill_left" => Self::FillLeft,
            b"fill_right" => Self::FillRight,
            b"bool" => Self::Bool,
            b"start" => Self::Start,
            b"end" => Self::End,
            b"step" => Self::Step,
            b"range" => Self::Range,
            b"max_of" => Self::MaxOf,
            b"min_of" => Self::MinOf,
            b"inf" | b"nan" => Self::Number,
            other => {
                let name = std::str::from_utf8(other).ok()?;
                return AggregateOp::from_name(name).map(Self::Aggregate);
            }
        })
    }

    fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Bool
                | Self::By
                | Self::Without
                | Self::On
                | Self::Ignoring
                | Self::GroupLeft
                | Self::GroupRight
                | Self::Fill
                | Self::FillLeft
                | Self::FillRight
                | Self::Offset
                | Self::Smoothed
                | Self::Anchored
        )
    }

    /// Words that name a function if a parenthesis follows, and mean something else elsewhere.
    pub(super) fn is_time_word(self) -> bool {
        matches!(
            self,
            Self::Start | Self::End | Self::Step | Self::Range | Self::MinOf | Self::MaxOf
        )
    }

    /// Whether it may name a metric.
    pub(super) fn is_metric_name(self) -> bool {
        self.is_time_word()
            || matches!(
                self,
                Self::Identifier
                    | Self::MetricIdentifier
                    | Self::Aggregate(_)
                    | Self::Op(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless)
                    | Self::By
                    | Self::Without
                    | Self::Fill
                    | Self::FillLeft
                    | Self::FillRight
                    | Self::Offset
                    | Self::Smoothed
                    | Self::Anchored
            )
    }

    /// Whether it may name a label in `by`, `on` and their like.
    pub(super) fn is_label_name(self) -> bool {
        self.is_metric_name() || self.is_keyword() || self == Self::Op(BinaryOp::Atan2)
    }

    /// Whether an expression may begin with it.
    pub(super) fn starts_expression(self) -> bool {
        self.is_metric_name()
            || matches!(
                self,
                Self::String
                    | Self::Number
                    | Self::Duration
                    | Self::LeftParen
                    | Self::LeftBrace
                    | Self::Op(BinaryOp::Add | BinaryOp::Sub)
            )
    }
}
