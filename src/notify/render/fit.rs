//! Keeps messages within the limits of vendors.

/// The most that a vendor takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Unicode scalar values, what Go calls runes.
    Chars(usize),
    /// Bytes of UTF-8.
    Bytes(usize),
    /// Bytes of UTF-8 inside a JSON string with Go's escapes.
    Json(usize),
}

impl Limit {
    /// Whether the text is within the limit.
    #[must_use]
    pub fn holds(self, text: &str) -> bool {
        self.measure(text) <= self.most()
    }

    /// The text's size in the limit's unit.
    #[must_use]
    pub fn measure(self, text: &str) -> usize {
        match self {
            Self::Chars(_) => text.chars().count(),
            Self::Bytes(_) => text.len(),
            Self::Json(_) => text.chars().map(json_len).sum(),
        }
    }

    /// Cuts the end off if the text is too long, with an ellipsis in its place where there is room for one
    /// (`TruncateInRunes` and `TruncateInBytes` of `notify/util.go`).
    #[must_use]
    pub fn cut(self, text: &str) -> String {
        if self.holds(text) {
            return text.to_owned();
        }
        match self {
            Self::Chars(most) if most <= 3 => text.chars().take(most).collect(),
            Self::Chars(most) => text.chars().take(most - 1).chain(['…']).collect(),
            Self::Bytes(most) if most <= 3 => text[..text.floor_char_boundary(most)].to_owned(),
            Self::Bytes(most) => {
                let kept = &text[..text.floor_char_boundary(most - '…'.len_utf8())];
                format!("{kept}…")
            }
            Self::Json(most) => {
                let ellipsis = if most > 3 { "…" } else { "" };
                let mut left = most - ellipsis.len();
                let fits = |c: &char| {
                    let rest = left.checked_sub(json_len(*c));
                    left = rest.unwrap_or_default();
                    rest.is_some()
                };
                let kept: String = text.chars().take_while(fits).collect();
                kept + ellipsis
            }
        }
    }

    /// What is left after a text of that kind.
    pub(super) fn less(self, text: &str) -> Self {
        let left = self.most().saturating_sub(self.measure(text));
        match self {
            Self::Chars(_) => Self::Chars(left),
            Self::Bytes(_) => Self::Bytes(left),
            Self::Json(_) => Self::Json(left),
        }
    }

    fn most(self) -> usize {
        match self {
            Self::Chars(most) | Self::Bytes(most) | Self::Json(most) => most,
        }
    }
}

/// How many bytes `json::push_str` writes for a character.
fn json_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '<' | '>' | '&' | '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json;

    proptest! {
        #[test]
        fn knows_how_long_json_is(text in any::<String>(), most in 0_usize..80) {
            let mut written = String::new();
            json::push_str(&mut written, &text, true);
            let limit = Limit::Json(most);
            prop_assert_eq!(limit.measure(&text), written.len() - 2);
            let cut = limit.cut(&text);
            prop_assert!(limit.holds(&cut));
            prop_assert!(text == cut || text.starts_with(cut.trim_end_matches('…')));
        }
    }

    #[test]
    fn cuts_as_upstream_on_boundaries() {
        for (limit, text, expect) in [
            (Limit::Chars(4), "abcd", "abcd"),
            (Limit::Chars(4), "abcde", "abc…"),
            (Limit::Chars(3), "abcde", "abc"),
            (Limit::Chars(4), "日本語でも", "日本語…"),
            (Limit::Bytes(8), "日本語", "日…"),
            (Limit::Bytes(9), "日本語", "日本語"),
            (Limit::Bytes(2), "日", ""),
            (Limit::Json(6), "<", "<"),
            (Limit::Json(9), "<ab<", "<…"),
            (Limit::Json(8), "<ab<", "…"),
            (Limit::Json(3), "日本", "日"),
        ] {
            assert_eq!(limit.cut(text), expect);
            assert!(limit.holds(expect));
        }
    }
}
