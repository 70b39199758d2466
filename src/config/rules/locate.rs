//! Finds in the text of a file what stands at some place of a value of it.

use crate::config::read::Position;

/// The place of byte `offset` of a value that begins at `start`; `start` itself where the value is written in another way,
/// such as with escapes.
pub(super) fn locate(file: &str, start: Position, value: &str, offset: usize) -> Position {
    find(file, start, value, offset).unwrap_or(start)
}

fn find(file: &str, start: Position, value: &str, offset: usize) -> Option<Position> {
    let mut source = Source::at(file, start)?;
    source.enter();
    for c in value.get(..offset)?.chars() {
        source.pass(c)?;
    }
    // What follows may be behind an indentation.
    if let Some(next) = value.get(offset..).and_then(|rest| rest.chars().next()) {
        let mut ahead = source.clone();
        ahead.pass(next)?;
        source.skip_to(next);
    }
    Some(source.position)
}

/// The file from some place on.
#[derive(Clone)]
struct Source<'f> {
    rest: &'f str,
    position: Position,
    quote: Option<char>,
}

impl<'f> Source<'f> {
    fn at(file: &'f str, start: Position) -> Option<Self> {
        let line = usize::try_from(start.line.checked_sub(1)?).ok()?;
        let column = usize::try_from(start.column.checked_sub(1)?).ok()?;
        let mut rest = file.strip_prefix('\u{feff}').unwrap_or(file);
        for _ in 0..line {
            rest = rest.split_once('\n')?.1;
        }
        let (at, _) = rest.char_indices().nth(column)?;
        Some(Self {
            rest: rest.get(at..)?,
            position: start,
            quote: None,
        })
    }

    /// Passes what is before the first character of the value.
    fn enter(&mut self) {
        match self.rest.chars().next() {
            Some('|' | '>') => while self.next().is_some_and(|c| c != '\n') {},
            Some(quote @ ('\'' | '"')) => {
                self.next();
                self.quote = Some(quote);
            }
            _ => {}
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..)?;
        if c == '\n' {
            self.position.line += 1;
            self.position.column = 1;
        } else {
            self.position.column += 1;
        }
        Some(c)
    }

    /// Passes a character of the value; space of a value stands for any space of the file.
    fn pass(&mut self, c: char) -> Option<()> {
        if c == '\n' && self.rest.starts_with('\\') {
            return None;
        }
        if c.is_whitespace() {
            let blank = self.rest.chars().next()?.is_whitespace();
            return blank.then(|| {
                self.next();
            });
        }
        self.skip_to(c);
        (self.next()? == c).then_some(())
    }

    /// Passes what YAML has before a character: indentation, and the quote that is written twice or escaped.
    fn skip_to(&mut self, c: char) {
        while self.rest.starts_with([' ', '\t', '\n', '\r']) && !c.is_whitespace() {
            self.next();
        }
        let escape = match self.quote {
            Some('\'') => '\'',
            Some(_) => '\\',
            None => return,
        };
        if self.rest.starts_with(escape) && (c == '\'' || c == '"' || c == '\\') {
            self.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in the file where the value has `what`, and the place.
    fn found(file: &str, start: (u32, u32), value: &str, what: &str) -> String {
        let (line, column) = start;
        let start = Position { line, column };
        let at = locate(file, start, value, value.find(what).unwrap());
        let text = file.lines().nth(at.line as usize - 1).unwrap_or_default();
        let text: String = text.chars().skip(at.column as usize - 1).take(2).collect();
        format!("{}:{} {text}", at.line, at.column)
    }

    #[test]
    fn all_styles_of_yaml() {
        for (file, start, value, what, expect) in [
            ("e: sum(xy)", (1, 4), "sum(xy)", "xy", "1:8 xy"),
            ("e: 'sum(xy)'", (1, 4), "sum(xy)", "xy", "1:9 xy"),
            ("e: 'it''s xy'", (1, 4), "it's xy", "xy", "1:11 xy"),
            (
                r#"e: "a{b=\"c\"} xy""#,
                (1, 4),
                r#"a{b="c"} xy"#,
                "xy",
                "1:16 xy",
            ),
            (
                "e: |\n  sum(\n    xy)\n",
                (1, 4),
                "sum(\n  xy)\n",
                "xy",
                "3:5 xy",
            ),
            (
                "e: |-\n  xy + é\n  - b\n",
                (1, 4),
                "xy + é\n- b",
                "- b",
                "3:3 - ",
            ),
            ("e: >\n  a +\n  xy\n", (1, 4), "a + xy\n", "xy", "3:3 xy"),
            ("e: a +\n  xy", (1, 4), "a + xy", "xy", "2:3 xy"),
            ("- e:\n    xy", (2, 5), "xy", "xy", "2:5 xy"),
            // A place that cannot be found is that of the value.
            (r#"e: "\x61 xy""#, (1, 4), "a xy", "xy", "1:4 \"\\"),
            ("", (3, 4), "xy", "xy", "3:4 "),
        ] {
            assert_eq!(found(file, start, value, what), expect, "{file:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(file in ".{0,40}", line in 0u32..4, column in 0u32..20, value in ".{0,20}", offset in 0usize..30) {
            let start = Position { line, column };
            let _ = locate(&file, start, &value, offset);
        }
    }
}
