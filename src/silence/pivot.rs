//! What a label must look like for a set of matchers to match at all: the handles by which the index finds a silence.
//!
//! Every pivot is a necessary condition, never a sufficient one: what it finds is verified in full.

use std::sync::Arc;

use regex_syntax::hir::{
    Hir, HirKind,
    literal::{ExtractKind, Extractor, Seq},
};

use crate::{
    labels::{MatchOp, Matcher},
    regex::translate,
};

/// More alternatives than this make a pattern no better than one without literals.
const MAX_LITERALS: usize = 64;

/// Inner literals that are offered to the index, the longest first.
const MAX_INNER: usize = 4;

/// A condition on the value of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pivot {
    /// The label.
    pub(super) name: Arc<str>,
    /// What its value must look like.
    pub(super) need: Need,
}

/// What a value must look like. Bytes, because a literal may be cut inside a character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// One of these values.
    Exact(Vec<Box<[u8]>>),
    /// Begins with one of these.
    Prefix(Vec<Box<[u8]>>),
    /// Ends with one of these.
    Suffix(Vec<Box<[u8]>>),
    /// Has this somewhere.
    Contains(Box<[u8]>),
    /// Is not empty.
    Present,
}

/// All pivots of a set; none if it matches alerts that have none of its labels.
pub(super) fn pivots(set: &[Matcher]) -> Box<[Pivot]> {
    let mut found = Vec::new();
    for matcher in set.iter().filter(|m| !m.matches_value("")) {
        let name: Arc<str> = matcher.name().into();
        let mut push = |need| {
            found.push(Pivot {
                name: name.clone(),
                need,
            });
        };
        match matcher.op() {
            MatchOp::Equal => push(Need::Exact(vec![matcher.value().as_bytes().into()])),
            MatchOp::Regex => {
                for need in needs_of_pattern(matcher.value()) {
                    push(need);
                }
                push(Need::Present);
            }
            MatchOp::NotEqual | MatchOp::NotRegex => push(Need::Present),
        }
    }
    found.into()
}

fn needs_of_pattern(pattern: &str) -> Vec<Need> {
    let Some(hir) = translate(pattern)
        .ok()
        .and_then(|translated| regex_syntax::parse(&translated).ok())
    else {
        return Vec::new();
    };
    let prefixes = extract(&hir, ExtractKind::Prefix);
    if prefixes.is_exact()
        && let Some(values) = texts(&prefixes)
    {
        return vec![Need::Exact(values)];
    }
    let mut needs = Vec::new();
    if let Some(texts) = texts(&prefixes) {
        needs.push(Need::Prefix(texts));
    }
    if let Some(texts) = texts(&extract(&hir, ExtractKind::Suffix)) {
        needs.push(Need::Suffix(texts));
    }
    let mut inner = Vec::new();
    inner_literals(&hir, &mut inner);
    inner.sort_by_key(|text| std::cmp::Reverse(text.len()));
    inner.truncate(MAX_INNER);
    needs.extend(inner.into_iter().map(|text| Need::Contains(text.into())));
    needs
}

fn extract(hir: &Hir, kind: ExtractKind) -> Seq {
    let mut seq = Extractor::new()
        .kind(kind)
        .limit_total(MAX_LITERALS)
        .extract(hir);
    seq.sort();
    seq.dedup();
    seq
}

/// The literals, unless there are too many or one of them is empty.
fn texts(seq: &Seq) -> Option<Vec<Box<[u8]>>> {
    let literals = seq.literals()?;
    if literals
        .iter()
        .any(regex_syntax::hir::literal::Literal::is_empty)
    {
        return None;
    }
    Some(literals.iter().map(|l| l.as_bytes().into()).collect())
}

/// The texts that stand in every match, as far as the top of the pattern shows them.
fn inner_literals<'a>(hir: &'a Hir, out: &mut Vec<&'a [u8]>) {
    match hir.kind() {
        HirKind::Literal(literal) => out.push(&literal.0),
        HirKind::Capture(capture) => inner_literals(&capture.sub, out),
        HirKind::Concat(parts) => parts.iter().for_each(|part| inner_literals(part, out)),
        HirKind::Repetition(repetition) if repetition.min > 0 => {
            inner_literals(&repetition.sub, out);
        }
        HirKind::Empty
        | HirKind::Class(_)
        | HirKind::Look(_)
        | HirKind::Repetition(_)
        | HirKind::Alternation(_) => {}
    }
}
