//! Fully anchored patterns, `^(?:…)$`, as matchers use them.

use std::sync::OnceLock;

use super::{
    RegexError,
    parse::parse,
    re2::{compile_ast, compile_translated},
    shape::Shape,
};

/// Patterns of at most this cost compile within the limits, which the tests show; so they may be compiled when needed.
const LAZY_COST: u64 = 5000;

/// A pattern that must match a whole value.
///
/// A compiled pattern takes tens of kilobytes and most are never needed, since their shape tells what they match or the
/// index rules them out. So one is compiled at its first use, in a `OnceLock`: matchers are shared between the event
/// loop and its workers, and the cell, unlike other locks, can neither be held nor change a result.
#[derive(Debug)]
pub struct Anchored {
    translated: Box<str>,
    matching: Matching,
    cost: u64,
}

#[derive(Debug)]
enum Matching {
    Shape(Shape),
    Regex(Box<OnceLock<Option<regex::Regex>>>),
}

impl Anchored {
    /// Checks a Go pattern as `^(?:pattern)$`.
    ///
    /// # Errors
    /// When Go refuses the pattern, or when it is too large.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        let anchored = format!("^(?:{pattern})$");
        let ast = parse(&anchored)?;
        let matching = if let Some(shape) = Shape::of(&ast) {
            Matching::Shape(shape)
        } else if ast.cost() <= LAZY_COST {
            Matching::Regex(Box::default())
        } else {
            let regex = compile_ast(&ast, &anchored)?;
            Matching::Regex(Box::new(OnceLock::from(Some(regex))))
        };
        let cost = match matching {
            Matching::Shape(_) => 0,
            Matching::Regex(_) => ast.cost(),
        };
        Ok(Self {
            translated: ast.to_string().into(),
            matching,
            cost,
        })
    }

    /// A rough measure of the memory and the time that compiling it takes; one is less than a kilobyte.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// Whether the whole of `value` matches.
    #[must_use]
    pub fn is_match(&self, value: &str) -> bool {
        match &self.matching {
            Matching::Shape(shape) => shape.is_match(value),
            Matching::Regex(cell) => cell
                .get_or_init(|| {
                    compile_translated(&self.translated)
                        .inspect_err(|error| {
                            tracing::error!(pattern = %self.translated, %error, "pattern does not compile; it matches nothing");
                        })
                        .ok()
                })
                .as_ref()
                .is_some_and(|regex| regex.is_match(value)),
        }
    }

    /// The pattern with its anchors in the syntax of the `regex` crate, for sets of patterns.
    #[must_use]
    pub fn translated(&self) -> &str {
        &self.translated
    }

    /// All values that match, sorted, if the pattern is a list of them.
    #[must_use]
    pub fn literals(&self) -> Option<&[Box<str>]> {
        match &self.matching {
            Matching::Shape(Shape::Strings(strings)) => Some(strings),
            Matching::Shape(Shape::Glob(_) | Shape::Any(_)) | Matching::Regex(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_patterns_have_a_shape() {
        for (pattern, yes, no) in [
            ("", vec![""], vec!["a", "\n"]),
            ("api", vec!["api"], vec!["apis", "ap", ""]),
            ("a|b|cc", vec!["a", "b", "cc"], vec!["c", "ab", ""]),
            ("(a|b)", vec!["a", "b"], vec!["ab"]),
            ("(?:web|db)-[1-3]", vec!["web-1", "db-3"], vec!["web-4"]),
            ("dbs?", vec!["db", "dbs"], vec!["dbss"]),
            ("a|", vec!["a", ""], vec!["b"]),
            (r"10\.0\.0\.1", vec!["10.0.0.1"], vec!["10a0.0.1"]),
            ("^api$", vec!["api"], vec!["^api$"]),
            (
                "web-.*",
                vec!["web-", "web-1"],
                vec!["web", "web-\n", "a\nweb-"],
            ),
            (".*-db", vec!["-db", "x-db"], vec!["db", "a\n-db", "x-db "]),
            (".*mid.*", vec!["mid", "amidb"], vec!["mi", "a\nmid"]),
            (".*", vec!["", "é"], vec!["\n", "a\nb"]),
            (".+", vec!["é", "ab"], vec!["", "\n"]),
            ("(?s).*", vec!["", "a\nb"], vec![]),
            ("(?s).+", vec!["\n"], vec![""]),
            ("a.+b", vec!["axb", "abb", "aéb"], vec!["ab", "a\nb"]),
            ("ab.*ba", vec!["abba", "abxba"], vec!["aba"]),
            ("a.*b.*c", vec!["abc", "axbxc"], vec!["acb", "ac"]),
            (
                "(web|db).*(prod|dev)",
                vec!["webprod", "db-x-dev"],
                vec!["webpro", "xdev"],
            ),
            ("web-.*|.*-db", vec!["web-1", "x-db"], vec!["web"]),
            (".*(foo|bar).+", vec!["foox", "xbarx"], vec!["foo", "xx"]),
        ] {
            let anchored = Anchored::new(pattern).unwrap();
            assert!(matches!(anchored.matching, Matching::Shape(_)), "{pattern}");
            let regex = compile_translated(anchored.translated()).unwrap();
            for (values, expect) in [(yes, true), (no, false)] {
                for value in values {
                    assert_eq!(anchored.is_match(value), expect, "{pattern} {value:?}");
                    assert_eq!(regex.is_match(value), expect, "{pattern} {value:?}");
                }
            }
        }
    }

    #[test]
    fn literals_are_complete() {
        let literals = |pattern: &str| -> Option<Vec<String>> {
            let anchored = Anchored::new(pattern).unwrap();
            let list = anchored.literals()?;
            Some(list.iter().map(ToString::to_string).collect())
        };
        assert_eq!(literals("b|a|a[12]").unwrap(), ["a", "a1", "a2", "b"]);
        assert_eq!(literals("(?i)10"), Some(vec!["10".to_owned()]));
        for pattern in ["(?i)a", "a.*", "a|b.*", r"\d", "[^a]", "a*", r"\ba", "a$|b"] {
            assert_eq!(literals(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn errors_show_the_anchored_pattern_as_upstream_does() {
        let message = |pattern: &str| Anchored::new(pattern).unwrap_err().to_string();
        assert_eq!(
            message("(foo"),
            "error parsing regexp: missing closing ): `^(?:(foo)$`"
        );
        assert_eq!(
            message("*"),
            "error parsing regexp: missing argument to repetition operator: `*`"
        );
    }

    #[test]
    fn large_patterns_are_bounded() {
        let names: Vec<String> = (0..10_000).map(|n| format!("host-{n:05}")).collect();
        let listed = Anchored::new(&names.join("|")).unwrap();
        assert_eq!(listed.literals().map(<[_]>::len), Some(10_000));
        assert!(listed.is_match("host-09999") && !listed.is_match("host-10000"));

        let literal = "x".repeat(500_000);
        assert!(Anchored::new(&literal).unwrap().is_match(&literal));
        for pattern in [
            "[a-p]{8}".to_owned(),
            "(a|b)".repeat(1000),
            format!("({}){}", names[..2000].join("|"), "y".repeat(100_000)),
            format!(".*{}", ".*x".repeat(2000)),
            "(?:a?b?c?d?e?f?g?h?)+".repeat(500),
        ] {
            if let Ok(anchored) = Anchored::new(&pattern) {
                assert!(!anchored.is_match("z"));
            }
        }
    }

    /// The anchors are text, so a pattern may close their group.
    #[test]
    fn unbalanced_alternatives_mean_what_they_mean_in_go() {
        let anchored = Anchored::new("a)|(?:b").unwrap();
        assert!(anchored.is_match("axxx"));
        assert!(anchored.is_match("xxxb"));
        assert!(!anchored.is_match("xax"));
    }

    #[test]
    fn the_dearest_lazy_patterns_compile() {
        for unit in [
            r"[a-z]",
            r"(?i)é",
            r"[^a-z]",
            r".",
            r"(?i)[à-ÿ]",
            r"\w+",
            r"(?:ab|c)?",
        ] {
            let (mut low, mut high) = (1, 1000);
            while low < high {
                let middle = (low + high + 1) / 2;
                let ast = parse(&format!("^(?:({unit}){{{middle}}}x)$")).unwrap();
                if ast.cost() <= LAZY_COST {
                    low = middle;
                } else {
                    high = middle - 1;
                }
            }
            let ast = parse(&format!("^(?:({unit}){{{low}}}x)$")).unwrap();
            compile_ast(&ast, unit).unwrap_or_else(|error| panic!("{unit}{{{low}}}: {error}"));
        }
        let ast = parse(r"^(?:\pL\PL)$").unwrap();
        assert!(ast.cost() <= LAZY_COST);
        compile_ast(&ast, "").unwrap();
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(600))]
        /// Shapes are a shortcut, never another meaning.
        #[test]
        fn shapes_match_what_the_compiled_pattern_matches(
            pattern in r"(a|b|ab|\.\*|\.\+|\(|\)|\||\[ab\]|\?|\(\?s\)|\(\?i\)|\n|c|\^|\$|\.){1,10}",
            values in proptest::collection::vec("[abcA\n]{0,6}", 20),
        ) {
            if let Ok(anchored) = Anchored::new(&pattern) {
                let regex = compile_translated(anchored.translated()).unwrap();
                for value in values {
                    proptest::prop_assert_eq!(
                        anchored.is_match(&value), regex.is_match(&value), "{} {:?}", &pattern, value
                    );
                    if let Some(literals) = anchored.literals() {
                        let listed = literals.iter().any(|s| **s == *value);
                        proptest::prop_assert_eq!(listed, regex.is_match(&value));
                    }
                }
            }
        }
    }
}
