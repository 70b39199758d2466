//! Recognises the patterns that people write (`a|b`, `web-.*`, `.*db.*`) and matches them without an automaton.
//!
//! A shape is lists of literals with gaps (`.*`, `.+`) between them. It matches exactly what the pattern matches;
//! `anchored` tests that against the compiled pattern. Whatever is not recognised has no shape.

use super::ast::{Ast, Class, ClassItem};

/// Most strings that are multiplied out of a shorter pattern.
const MAX_PRODUCT: usize = 2000;
/// Most memory of a list of strings; a list that somebody wrote out is never much longer than its pattern.
const MAX_BYTES: usize = 1 << 20;
/// Most strings in one place of a pattern with gaps; beyond it the automaton is faster.
const MAX_CHOICES: usize = 16;

/// The texts that a pattern matches as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Exactly these, sorted.
    Strings(Box<[Box<str>]>),
    Glob(Box<Glob>),
    /// Whatever one of these matches.
    Any(Box<[Self]>),
}

/// A beginning, gaps with texts between them, and an end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Glob {
    beginnings: Box<[Box<str>]>,
    /// Every gap with the fewest characters it takes; behind all but the last one of these texts must follow.
    gaps: Box<[usize]>,
    middles: Box<[Box<[Box<str>]>]>,
    endings: Box<[Box<str>]>,
    /// Whether gaps take line feeds.
    newline: bool,
}

impl Shape {
    /// The shape of a pattern that is anchored on both sides.
    pub(super) fn of(anchored: &Ast) -> Option<Self> {
        let mut parts = Vec::new();
        flatten(anchored, &mut parts);
        let start = parts.iter().take_while(|part| ***part == Ast::TextStart);
        let start = start.count();
        let end = parts
            .iter()
            .rev()
            .take_while(|part| ***part == Ast::TextEnd);
        let end = parts.len().checked_sub(end.count())?;
        if start == 0 || end == parts.len() || start > end {
            return None;
        }
        Self::of_parts(&parts[start..end])
    }

    fn of_parts(parts: &[&Ast]) -> Option<Self> {
        if let [Ast::Alternate(branches)] = parts
            && strings_of(parts[0]).is_none()
        {
            let shapes = branches.iter().map(|branch| {
                let mut parts = Vec::new();
                flatten(branch, &mut parts);
                Self::of_parts(&parts)
            });
            return Some(Self::Any(shapes.collect::<Option<_>>()?));
        }
        let mut lists = vec![vec![String::new()]];
        let mut gaps: Vec<(usize, bool)> = Vec::new();
        for part in parts {
            if let Some((min, newline)) = gap_of(part) {
                match (gaps.last_mut(), lists.last()) {
                    (Some(gap), Some(list)) if *list == [""] && gap.1 == newline => gap.0 += min,
                    _ => {
                        gaps.push((min, newline));
                        lists.push(vec![String::new()]);
                    }
                }
            } else {
                let list = lists.pop()?;
                lists.push(product(list, &strings_of(part)?)?);
            }
        }
        let Some(&(_, newline)) = gaps.first() else {
            return Some(Self::Strings(sorted(lists.pop()?)));
        };
        let usable = |list: &Vec<String>| {
            list.len() <= MAX_CHOICES && (newline || list.iter().all(|s| !s.contains('\n')))
        };
        if !lists.iter().all(usable) || gaps.iter().any(|gap| gap.1 != newline) {
            return None;
        }
        let endings = sorted(lists.pop()?);
        let mut lists = lists.into_iter().map(sorted);
        Some(Self::Glob(Box::new(Glob {
            beginnings: lists.next()?,
            gaps: gaps.iter().map(|gap| gap.0).collect(),
            middles: lists.collect(),
            endings,
            newline,
        })))
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Strings(strings) => strings.binary_search_by(|s| (**s).cmp(text)).is_ok(),
            Self::Glob(glob) => glob.is_match(text),
            Self::Any(shapes) => shapes.iter().any(|shape| shape.is_match(text)),
        }
    }
}

impl Glob {
    fn is_match(&self, text: &str) -> bool {
        if !self.newline && text.contains('\n') {
            return false;
        }
        self.beginnings.iter().any(|beginning| {
            text.strip_prefix(&**beginning).is_some_and(|rest| {
                self.endings.iter().any(|ending| {
                    rest.strip_suffix(&**ending)
                        .is_some_and(|inside| self.fits_inside(inside))
                })
            })
        })
    }

    /// Places every middle as early as it can end, which leaves the most room for the next.
    fn fits_inside(&self, mut text: &str) -> bool {
        for (&min, texts) in self.gaps.iter().zip(&self.middles) {
            let Some(rest) = skip_chars(text, min) else {
                return false;
            };
            let end = texts
                .iter()
                .filter_map(|middle| rest.find(&**middle).map(|at| at + middle.len()))
                .min();
            let Some(end) = end else {
                return false;
            };
            text = &rest[end..];
        }
        let last = self.gaps.last().copied().unwrap_or_default();
        skip_chars(text, last).is_some()
    }
}

/// The text behind its first `count` characters, if it has so many.
fn skip_chars(text: &str, count: usize) -> Option<&str> {
    let mut chars = text.chars();
    for _ in 0..count {
        chars.next()?;
    }
    Some(chars.as_str())
}

/// The parts that follow each other, without groups.
fn flatten<'a>(ast: &'a Ast, parts: &mut Vec<&'a Ast>) {
    match ast {
        Ast::Concat(inner) => inner.iter().for_each(|part| flatten(part, parts)),
        Ast::Capture { inner, .. } => flatten(inner, parts),
        Ast::Literal { .. }
        | Ast::Class(_)
        | Ast::Dot { .. }
        | Ast::TextStart
        | Ast::TextEnd
        | Ast::LineStart
        | Ast::LineEnd
        | Ast::WordBoundary
        | Ast::NoWordBoundary
        | Ast::Repeat { .. }
        | Ast::Alternate(_) => parts.push(ast),
    }
}

/// `.*` and the like: the fewest characters and whether they may be line feeds.
fn gap_of(ast: &Ast) -> Option<(usize, bool)> {
    let Ast::Repeat {
        inner,
        min,
        max: None,
        ..
    } = ast
    else {
        return None;
    };
    let Ast::Dot { newline } = **inner else {
        return None;
    };
    Some((usize::try_from(*min).ok()?, newline))
}

/// All strings that a pattern stands for, if they are few.
fn strings_of(ast: &Ast) -> Option<Vec<String>> {
    match ast {
        Ast::Literal { c, fold } if !*fold || is_caseless(*c) => Some(vec![c.to_string()]),
        Ast::Class(class) => chars_of(class),
        Ast::Capture { inner, .. } => strings_of(inner),
        Ast::Repeat {
            inner,
            min,
            max: Some(max),
            ..
        } if *max <= 8 => {
            let once = strings_of(inner)?;
            let mut strings = Vec::new();
            let mut repeated = vec![String::new()];
            for count in 0..=*max {
                if count >= *min {
                    strings.extend_from_slice(&repeated);
                }
                if count < *max {
                    repeated = product(repeated, &once)?;
                }
            }
            bounded(strings)
        }
        Ast::Concat(parts) => parts.iter().try_fold(vec![String::new()], |list, part| {
            product(list, &strings_of(part)?)
        }),
        Ast::Alternate(branches) => {
            let mut strings = Vec::new();
            for branch in branches {
                strings.extend(strings_of(branch)?);
            }
            bounded(strings)
        }
        Ast::Literal { .. }
        | Ast::Dot { .. }
        | Ast::TextStart
        | Ast::TextEnd
        | Ast::LineStart
        | Ast::LineEnd
        | Ast::WordBoundary
        | Ast::NoWordBoundary
        | Ast::Repeat { .. } => None,
    }
}

/// Whether ignoring case makes no difference for the character.
fn is_caseless(c: char) -> bool {
    c.is_ascii() && !c.is_ascii_alphabetic()
}

fn chars_of(class: &Class) -> Option<Vec<String>> {
    if class.negated {
        return None;
    }
    let mut chars = Vec::new();
    for item in &class.items {
        let ClassItem::Range(low, high) = *item else {
            return None;
        };
        if high - low >= 16 || chars.len() > 16 {
            return None;
        }
        chars.extend((low..=high).filter_map(char::from_u32));
    }
    if class.fold && !chars.iter().copied().all(is_caseless) {
        return None;
    }
    Some(chars.into_iter().map(String::from).collect())
}

/// Every string of `left` before every string of `right`.
fn product(mut left: Vec<String>, right: &[String]) -> Option<Vec<String>> {
    if let [right] = right {
        left.iter_mut().for_each(|string| string.push_str(right));
        return bounded(left);
    }
    if left.len() > 1 && left.len().saturating_mul(right.len()) > MAX_PRODUCT {
        return None;
    }
    let pairs = left
        .iter()
        .flat_map(|a| right.iter().map(move |b| format!("{a}{b}")));
    bounded(pairs.collect())
}

fn bounded(strings: Vec<String>) -> Option<Vec<String>> {
    let bytes: usize = strings.iter().map(|s| size_of::<String>() + s.len()).sum();
    (bytes <= MAX_BYTES).then_some(strings)
}

fn sorted(mut strings: Vec<String>) -> Box<[Box<str>]> {
    strings.sort_unstable();
    strings.dedup();
    strings.into_iter().map(String::into_boxed_str).collect()
}
