//! Parsed RE2 patterns with every flag resolved, and their text in the syntax of the `regex` crate.

use std::fmt::{self, Write as _};

/// A pattern. Its depth is bounded by the parser, so that walking and dropping it may recurse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ast {
    /// One character; `fold` ignores case.
    Literal {
        c: char,
        fold: bool,
    },
    Class(Class),
    /// `.`
    Dot {
        newline: bool,
    },
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordBoundary,
    NoWordBoundary,
    Capture {
        name: Option<String>,
        inner: Box<Self>,
    },
    Repeat {
        inner: Box<Self>,
        min: u32,
        max: Option<u32>,
        greedy: bool,
    },
    Concat(Vec<Self>),
    Alternate(Vec<Self>),
}

/// A set of characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Class {
    pub(super) negated: bool,
    pub(super) fold: bool,
    pub(super) items: Vec<ClassItem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ClassItem {
    /// Code points, ends included; surrogates may be named but no text has them.
    Range(u32, u32),
    /// A named ASCII class: its ranges.
    Ascii {
        ranges: &'static [(char, char)],
        negated: bool,
    },
    /// A Unicode class in the syntax of the `regex` crate, such as `\p{gc=Lu}`; `None` for surrogates.
    Unicode {
        property: Option<String>,
        negated: bool,
    },
}

impl fmt::Display for Ast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal { c, fold: false } => write_char(f, *c),
            Self::Literal { c, fold: true } => {
                f.write_str("(?i:")?;
                write_char(f, *c)?;
                f.write_char(')')
            }
            Self::Class(class) => class.fmt(f),
            Self::Dot { newline: false } => f.write_char('.'),
            Self::Dot { newline: true } => f.write_str("(?s:.)"),
            Self::TextStart => f.write_str(r"\A"),
            Self::TextEnd => f.write_str(r"\z"),
            Self::LineStart => f.write_str("(?m:^)"),
            Self::LineEnd => f.write_str("(?m:$)"),
            Self::WordBoundary => f.write_str(r"(?-u:\b)"),
            Self::NoWordBoundary => f.write_str(r"(?-u:\B)"),
            Self::Capture { name: None, inner } => write!(f, "({inner})"),
            Self::Capture {
                name: Some(name),
                inner,
            } => write!(f, "(?P<{name}>{inner})"),
            Self::Repeat {
                inner,
                min,
                max,
                greedy,
            } => {
                inner.write_operand(f)?;
                match (min, max) {
                    (0, None) => f.write_char('*')?,
                    (1, None) => f.write_char('+')?,
                    (0, Some(1)) => f.write_char('?')?,
                    (min, None) => write!(f, "{{{min},}}")?,
                    (min, Some(max)) if min == max => write!(f, "{{{min}}}")?,
                    (min, Some(max)) => write!(f, "{{{min},{max}}}")?,
                }
                f.write_str(if *greedy { "" } else { "?" })
            }
            Self::Concat(parts) => {
                for part in parts {
                    if matches!(part, Self::Alternate(_)) {
                        write!(f, "(?:{part})")?;
                    } else {
                        part.fmt(f)?;
                    }
                }
                Ok(())
            }
            Self::Alternate(branches) => {
                for (n, branch) in branches.iter().enumerate() {
                    f.write_str(if n == 0 { "" } else { "|" })?;
                    branch.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

impl Ast {
    /// Writes the pattern so that a repetition behind it takes all of it.
    fn write_operand(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal { .. } | Self::Class(_) | Self::Dot { .. } | Self::Capture { .. } => {
                fmt::Display::fmt(self, f)
            }
            Self::TextStart
            | Self::TextEnd
            | Self::LineStart
            | Self::LineEnd
            | Self::WordBoundary
            | Self::NoWordBoundary
            | Self::Repeat { .. }
            | Self::Concat(_)
            | Self::Alternate(_) => write!(f, "(?:{self})"),
        }
    }

    /// A rough measure of the compiled size: states, with large Unicode classes counted as such.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Literal { .. } | Self::Dot { .. } => 4,
            Self::Class(class) => class.cost(),
            Self::TextStart
            | Self::TextEnd
            | Self::LineStart
            | Self::LineEnd
            | Self::WordBoundary
            | Self::NoWordBoundary => 1,
            Self::Capture { inner, .. } => 2 + inner.cost(),
            Self::Repeat {
                inner, min, max, ..
            } => (2 + inner.cost()).saturating_mul(u64::from(max.unwrap_or(*min).max(1))),
            Self::Concat(parts) | Self::Alternate(parts) => parts
                .iter()
                .fold(1, |sum, part| sum.saturating_add(part.cost())),
        }
    }
}

impl Class {
    fn cost(&self) -> u64 {
        let items = self.items.iter().map(|item| match item {
            ClassItem::Range(_, high) if *high > 0x7f => 40,
            ClassItem::Range(..) | ClassItem::Ascii { .. } => 4,
            ClassItem::Unicode { .. } => 2000,
        });
        let negated = if self.negated { 40 } else { 0 };
        let folded = if self.fold { 40 } else { 0 };
        items.sum::<u64>() + negated + folded
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fold {
            f.write_str("(?i:")?;
        }
        f.write_str(if self.negated { "[^" } else { "[" })?;
        let mut empty = true;
        for item in &self.items {
            empty &= !item.write(f)?;
        }
        if empty {
            // A class of surrogates only: no character is in it.
            f.write_str(NOTHING)?;
        }
        f.write_char(']')?;
        f.write_str(if self.fold { ")" } else { "" })
    }
}

const NOTHING: &str = r"[^\x00-\x{10FFFF}]";

impl ClassItem {
    /// Writes the item; false if there was nothing to write.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> Result<bool, fmt::Error> {
        match self {
            Self::Range(low, high) => {
                let mut written = false;
                for (low, high) in [
                    (*low, (*high).min(0xd7ff)),
                    ((*low).max(0xe000), (*high).min(0x10_ffff)),
                ] {
                    if low <= high {
                        write!(f, "\\x{{{low:X}}}-\\x{{{high:X}}}")?;
                        written = true;
                    }
                }
                return Ok(written);
            }
            Self::Ascii { ranges, negated } => {
                f.write_str(if *negated { "[^" } else { "[" })?;
                for (low, high) in *ranges {
                    write!(f, "\\x{:02X}-\\x{:02X}", u32::from(*low), u32::from(*high))?;
                }
                f.write_char(']')?;
            }
            Self::Unicode {
                property: Some(property),
                negated,
            } => {
                let letter = if *negated { 'P' } else { 'p' };
                write!(f, "\\{letter}{{{property}}}")?;
            }
            Self::Unicode {
                property: None,
                negated: true,
            } => f.write_str(r"\x00-\x{10FFFF}")?,
            Self::Unicode {
                property: None,
                negated: false,
            } => return Ok(false),
        }
        Ok(true)
    }
}

/// Backslashes stand before the crate's special characters only: `\<` has a meaning of its own there.
fn write_char(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    if r"\.+*?()|[]{}^$#&-~".contains(c) {
        write!(f, "\\{c}")
    } else if c.is_control() {
        write!(f, "\\x{{{:X}}}", u32::from(c))
    } else {
        f.write_char(c)
    }
}
