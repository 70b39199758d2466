//! Parses patterns as Go's `regexp/syntax` does with its Perl flags: what it takes, what it refuses, in its words.
//!
//! Open groups live on a heap stack and nesting is bounded, so that no pattern exhausts the stack.

use std::collections::BTreeSet;

use super::{
    RegexError,
    ast::{Ast, Class, ClassItem},
    class,
};

/// Deepest nesting of groups and repetitions. Go allows 1,000; real patterns have less than ten.
const MAX_DEPTH: usize = 200;
/// Highest repetition count, and highest product of nested counts.
const MAX_REPEAT: u32 = 1000;

/// Parses a pattern.
pub(super) fn parse(pattern: &str) -> Result<Ast, RegexError> {
    let mut parser = Parser {
        whole: pattern,
        rest: pattern,
        flags: Flags::default(),
        frames: vec![Frame::default()],
        names: BTreeSet::new(),
    };
    parser.run()
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_newline: bool,
    ungreedy: bool,
}

/// A pattern with what the limits need to know of it.
struct Item {
    ast: Ast,
    depth: usize,
    /// Largest product of counted repetitions from here to a leaf.
    repeats: u32,
}

impl From<Ast> for Item {
    fn from(ast: Ast) -> Self {
        Self {
            ast,
            depth: 1,
            repeats: 1,
        }
    }
}

/// A group that is not closed yet, or the whole pattern.
#[derive(Default)]
struct Frame {
    /// Flags to return to behind the group.
    flags: Flags,
    /// For a capturing group: its name, if any.
    capture: Option<Option<String>>,
    branches: Vec<Ast>,
    items: Vec<Item>,
    depth: usize,
    repeats: u32,
}

impl Frame {
    fn end_branch(&mut self) {
        let mut parts: Vec<Ast> = Vec::with_capacity(self.items.len());
        for item in self.items.drain(..) {
            self.depth = self.depth.max(item.depth);
            self.repeats = self.repeats.max(item.repeats);
            parts.push(item.ast);
        }
        let branch = match parts.len() {
            1 => parts.remove(0),
            _ => Ast::Concat(parts),
        };
        self.branches.push(branch);
    }

    fn close(mut self) -> Item {
        self.end_branch();
        let inner = match self.branches.len() {
            1 => self.branches.remove(0),
            _ => Ast::Alternate(self.branches),
        };
        let ast = match self.capture {
            Some(name) => Ast::Capture {
                name,
                inner: Box::new(inner),
            },
            None => inner,
        };
        Item {
            ast,
            depth: self.depth + 1,
            repeats: self.repeats.max(1),
        }
    }
}

struct Parser<'p> {
    whole: &'p str,
    rest: &'p str,
    flags: Flags,
    frames: Vec<Frame>,
    names: BTreeSet<String>,
}

fn error(message: &str, fragment: &str) -> RegexError {
    RegexError {
        message: message.to_owned(),
        fragment: fragment.to_owned(),
    }
}

/// The beginning of `before` that was read when `after` is what is left of it.
fn consumed<'p>(before: &'p str, after: &str) -> &'p str {
    &before[..before.len() - after.len()]
}

impl<'p> Parser<'p> {
    fn run(&mut self) -> Result<Ast, RegexError> {
        let mut last_repeat = None;
        while let Some(c) = self.rest.chars().next() {
            let before = self.rest;
            let mut repeat = None;
            match c {
                '(' if before.starts_with("(?") => self.open_perl_group()?,
                '(' => {
                    self.advance(1);
                    self.open(Some(None))?;
                }
                '|' => {
                    self.advance(1);
                    self.top().end_branch();
                }
                ')' => {
                    self.advance(1);
                    self.close()?;
                }
                '[' => self.bracket_class()?,
                '*' | '+' | '?' | '{' => {
                    if self.repetition(c, last_repeat)? {
                        repeat = Some(before);
                    } else {
                        self.literal(c);
                    }
                }
                '\\' => self.escape()?,
                '.' => {
                    let newline = self.flags.dot_newline;
                    self.single(Ast::Dot { newline });
                }
                '^' if self.flags.multi_line => self.single(Ast::LineStart),
                '^' => self.single(Ast::TextStart),
                '$' if self.flags.multi_line => self.single(Ast::LineEnd),
                '$' => self.single(Ast::TextEnd),
                c => self.literal(c),
            }
            last_repeat = repeat;
        }
        match self.frames.pop() {
            Some(frame) if self.frames.is_empty() => Ok(frame.close().ast),
            _ => Err(error("missing closing )", self.whole)),
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn top(&mut self) -> &mut Frame {
        self.frames
            .last_mut()
            .expect("the frame of the whole pattern is never closed before the end")
    }

    fn push(&mut self, item: impl Into<Item>) {
        self.top().items.push(item.into());
    }

    /// Takes one ASCII character that stands for `ast`.
    fn single(&mut self, ast: Ast) {
        self.advance(1);
        self.push(ast);
    }

    fn literal(&mut self, c: char) {
        self.advance(c.len_utf8());
        let fold = self.flags.fold;
        self.push(Ast::Literal { c, fold });
    }

    fn open(&mut self, capture: Option<Option<String>>) -> Result<(), RegexError> {
        if self.frames.len() > MAX_DEPTH {
            return Err(error("expression nests too deeply", self.whole));
        }
        self.frames.push(Frame {
            flags: self.flags,
            capture,
            ..Frame::default()
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), RegexError> {
        if self.frames.len() < 2 {
            return Err(error("unexpected )", self.whole));
        }
        let Some(frame) = self.frames.pop() else {
            return Ok(());
        };
        self.flags = frame.flags;
        let item = frame.close();
        self.push_checked(item)
    }

    fn push_checked(&mut self, item: Item) -> Result<(), RegexError> {
        if item.depth > MAX_DEPTH {
            return Err(error("expression nests too deeply", self.whole));
        }
        self.push(item);
        Ok(())
    }

    /// Reads a repetition operator; false if a brace is none and stands for itself.
    fn repetition(&mut self, c: char, last_repeat: Option<&'p str>) -> Result<bool, RegexError> {
        let before = self.rest;
        let (min, max) = match c {
            '*' => (0, None),
            '+' => (1, None),
            '?' => (0, Some(1)),
            _ => {
                let Some((min, max, after)) = counted_repetition(before) else {
                    return Ok(false);
                };
                let Some((min, max)) = valid_counts(min, max) else {
                    return Err(error("invalid repeat count", consumed(before, after)));
                };
                self.rest = after;
                self.repeat(min, max, true, before, last_repeat)?;
                return Ok(true);
            }
        };
        self.advance(1);
        self.repeat(min, max, false, before, last_repeat)?;
        Ok(true)
    }

    /// Applies a repetition whose operator has been read, but for a `?` behind it.
    fn repeat(
        &mut self,
        min: u32,
        max: Option<u32>,
        counted: bool,
        before: &'p str,
        last_repeat: Option<&'p str>,
    ) -> Result<(), RegexError> {
        let lazy = self.rest.starts_with('?');
        if lazy {
            self.advance(1);
        }
        let rest = self.rest;
        if let Some(last) = last_repeat {
            let message = "invalid nested repetition operator";
            return Err(error(message, consumed(last, rest)));
        }
        let Some(item) = self.top().items.pop() else {
            let message = "missing argument to repetition operator";
            return Err(error(message, consumed(before, rest)));
        };
        let repeats = match max {
            _ if !counted => item.repeats,
            Some(0) => 0,
            max => item.repeats.saturating_mul(max.unwrap_or(min).max(1)),
        };
        let counts = min >= 2 || max.is_some_and(|max| max >= 2);
        if counted && counts && repeats > MAX_REPEAT {
            return Err(error("invalid repeat count", consumed(before, rest)));
        }
        let greedy = lazy == self.flags.ungreedy;
        self.push_checked(Item {
            depth: item.depth + 1,
            repeats,
            ast: Ast::Repeat {
                inner: Box::new(item.ast),
                min,
                max,
                greedy,
            },
        })
    }

    /// `(?P<name>`, `(?<name>`, `(?flags)` or `(?flags:`.
    fn open_perl_group(&mut self) -> Result<(), RegexError> {
        let start = self.rest;
        let name_at = if start.len() > 4 && start.starts_with("(?P<") {
            Some(4)
        } else if start.len() > 3 && start.starts_with("(?<") {
            Some(3)
        } else {
            None
        };
        if let Some(name_at) = name_at {
            let Some(end) = start.find('>') else {
                return Err(error("invalid named capture", start));
            };
            let name = &start[name_at..end];
            let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(valid) {
                return Err(error("invalid named capture", &start[..=end]));
            }
            self.advance(end + 1);
            // Go takes names that begin with a digit or come twice; the regex crate does not.
            let kept = !name.starts_with(|c: char| c.is_ascii_digit())
                && self.names.insert(name.to_owned());
            return self.open(Some(kept.then(|| name.to_owned())));
        }
        let mut flags = self.flags;
        let (mut on, mut saw_flag) = (true, false);
        self.advance(2);
        while let Some(c) = self.rest.chars().next() {
            self.advance(c.len_utf8());
            match c {
                'i' => flags.fold = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_newline = on,
                'U' => flags.ungreedy = on,
                '-' if on => {
                    on = false;
                    saw_flag = false;
                    continue;
                }
                ':' | ')' if on || saw_flag => {
                    if c == ':' {
                        self.open(None)?;
                    }
                    self.flags = flags;
                    return Ok(());
                }
                _ => break,
            }
            saw_flag = true;
        }
        let message = "invalid or unsupported Perl syntax";
        Err(error(message, consumed(start, self.rest)))
    }

    /// A backslash outside of brackets.
    fn escape(&mut self) -> Result<(), RegexError> {
        let assertion = match self.rest.as_bytes().get(1) {
            Some(b'A') => Some(Ast::TextStart),
            Some(b'z') => Some(Ast::TextEnd),
            Some(b'b') => Some(Ast::WordBoundary),
            Some(b'B') => Some(Ast::NoWordBoundary),
            _ => None,
        };
        if let Some(ast) = assertion {
            self.advance(2);
            self.push(ast);
            return Ok(());
        }
        if let Some(quoted) = self.rest.strip_prefix(r"\Q") {
            let (text, rest) = quoted.split_once(r"\E").unwrap_or((quoted, ""));
            self.rest = rest;
            let fold = self.flags.fold;
            for c in text.chars() {
                self.push(Ast::Literal { c, fold });
            }
            return Ok(());
        }
        let fold = self.flags.fold;
        if let Some(item) = self.named_class()? {
            self.push(Ast::Class(Class {
                negated: false,
                fold,
                items: vec![item],
            }));
            return Ok(());
        }
        let (code, rest) = escaped_char(self.rest)?;
        self.rest = rest;
        self.push(match char::from_u32(code) {
            Some(c) => Ast::Literal { c, fold },
            None => Ast::Class(Class {
                items: vec![ClassItem::Range(code, code)],
                ..Class::default()
            }),
        });
        Ok(())
    }

    /// `\pL`, `\p{Greek}`, `\d` and the like, if the rest begins so.
    fn named_class(&mut self) -> Result<Option<ClassItem>, RegexError> {
        let start = self.rest;
        let mut chars = start.chars();
        let (Some('\\'), Some(letter)) = (chars.next(), chars.next()) else {
            return Ok(None);
        };
        if !matches!(letter, 'p' | 'P') {
            let item = class::perl(letter);
            if item.is_some() {
                self.advance(2);
            }
            return Ok(item);
        }
        let range_error = |fragment| error("invalid character class range", fragment);
        let (name, rest) = match chars.next() {
            None => return Err(range_error(start)),
            Some('{') => {
                let Some(end) = start.find('}') else {
                    return Err(range_error(start));
                };
                (&start[3..end], &start[end + 1..])
            }
            Some(_) => (
                &start[2..start.len() - chars.as_str().len()],
                chars.as_str(),
            ),
        };
        let (name, inverted) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let item = class::unicode(name, (letter == 'P') != inverted)
            .ok_or_else(|| range_error(consumed(start, rest)))?;
        self.rest = rest;
        Ok(Some(item))
    }

    /// `[…]`
    fn bracket_class(&mut self) -> Result<(), RegexError> {
        let whole = self.rest;
        self.advance(1);
        let negated = self.rest.starts_with('^');
        if negated {
            self.advance(1);
        }
        let mut items = Vec::new();
        while items.is_empty() || !self.rest.starts_with(']') {
            if let Some(name_end) = self
                .rest
                .strip_prefix("[:")
                .and_then(|rest| rest.find(":]"))
            {
                let written = &self.rest[..name_end + 4];
                let item = class::posix(&written[2..name_end + 2])
                    .ok_or_else(|| error("invalid character class range", written))?;
                items.push(item);
                self.advance(written.len());
                continue;
            }
            if let Some(item) = self.named_class()? {
                items.push(item);
                continue;
            }
            let range = self.rest;
            let low = self.class_char(whole)?;
            let mut high = low;
            if self.rest.starts_with('-') && self.rest.len() >= 2 && !self.rest.starts_with("-]") {
                self.advance(1);
                high = self.class_char(whole)?;
                if high < low {
                    let written = consumed(range, self.rest);
                    return Err(error("invalid character class range", written));
                }
            }
            items.push(ClassItem::Range(low, high));
        }
        self.advance(1);
        let fold = self.flags.fold;
        self.push(Ast::Class(Class {
            negated,
            fold,
            items,
        }));
        Ok(())
    }

    fn class_char(&mut self, whole: &str) -> Result<u32, RegexError> {
        match self.rest.chars().next() {
            None => Err(error("missing closing ]", whole)),
            Some('\\') => {
                let (code, rest) = escaped_char(self.rest)?;
                self.rest = rest;
                Ok(code)
            }
            Some(c) => {
                self.advance(c.len_utf8());
                Ok(c.into())
            }
        }
    }
}

/// Reads `{2}`, `{2,}` or `{2,5}`; where it is none of them the brace is a literal.
fn counted_repetition(text: &str) -> Option<(&str, Option<&str>, &str)> {
    let (inside, after) = text.strip_prefix('{')?.split_once('}')?;
    let (min, max) = match inside.split_once(',') {
        Some((min, max)) => (min, Some(max)),
        None => (inside, Some(inside)),
    };
    let number = |digits: &str| {
        !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'))
    };
    let max = max.filter(|max| !max.is_empty());
    (number(min) && max.is_none_or(number)).then_some((min, max, after))
}

fn valid_counts(min: &str, max: Option<&str>) -> Option<(u32, Option<u32>)> {
    let count = |digits: &str| digits.parse().ok().filter(|n| *n <= MAX_REPEAT);
    let min = count(min)?;
    let Some(max) = max else {
        return Some((min, None));
    };
    let max = count(max)?;
    (min <= max).then_some((min, Some(max)))
}

/// Reads an escape that stands for one character; the number may be that of a surrogate.
fn escaped_char(text: &str) -> Result<(u32, &str), RegexError> {
    let mut chars = text[1..].chars();
    let Some(c) = chars.next() else {
        return Err(error("trailing backslash at end of expression", ""));
    };
    let rest = chars.as_str();
    let code = match c {
        '0'..='7' => {
            let digits = text[1..]
                .bytes()
                .take(3)
                .take_while(|b| matches!(b, b'0'..=b'7'))
                .count();
            if c != '0' && digits == 1 {
                return Err(error("invalid escape sequence", consumed(text, rest)));
            }
            let code = u32::from_str_radix(&text[1..=digits], 8).unwrap_or_default();
            return Ok((code, &text[1 + digits..]));
        }
        'x' => return hexadecimal(text),
        'a' => 7,
        'f' => 12,
        'n' => 10,
        'r' => 13,
        't' => 9,
        'v' => 11,
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => c.into(),
        _ => return Err(error("invalid escape sequence", consumed(text, rest))),
    };
    Ok((code, rest))
}

/// `\x41` or `\x{41}`.
fn hexadecimal(text: &str) -> Result<(u32, &str), RegexError> {
    let mut chars = text[2..].chars();
    let refuse = |rest: &str| Err(error("invalid escape sequence", consumed(text, rest)));
    let Some(first) = chars.next() else {
        return refuse("");
    };
    if first != '{' {
        let second = chars.next();
        let rest = chars.as_str();
        return match (first.to_digit(16), second.and_then(|c| c.to_digit(16))) {
            (Some(high), Some(low)) => Ok((high * 16 + low, rest)),
            _ => refuse(rest),
        };
    }
    let (mut code, mut digits) = (0u32, 0);
    loop {
        let next = chars.next();
        let rest = chars.as_str();
        match next {
            Some('}') if digits > 0 => return Ok((code, rest)),
            Some(c) => match c.to_digit(16) {
                Some(digit) if code * 16 + digit <= 0x10_ffff => code = code * 16 + digit,
                _ => return refuse(rest),
            },
            None => return refuse(rest),
        }
        digits += 1;
    }
}
