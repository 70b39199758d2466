//! Go's regular expressions compiled by the `regex` crate.

use super::{ast::Ast, parse::parse};

/// Most memory that one compiled pattern may take. Go's bound (128 MB) is no bound for a program that keeps thousands.
const SIZE_LIMIT: usize = 4 << 20;

/// A pattern that Go refuses, with Go's message (`error parsing regexp: …`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {message}: `{fragment}`")]
pub struct RegexError {
    /// What is wrong, in Go's words.
    pub message: String,
    /// The part of the pattern that is at fault.
    pub fragment: String,
}

/// Writes a Go pattern in the syntax of the `regex` crate, with Go's meaning.
///
/// # Errors
/// When Go refuses the pattern.
pub fn translate(pattern: &str) -> Result<String, RegexError> {
    Ok(parse(pattern)?.to_string())
}

/// Compiles a Go pattern.
///
/// # Errors
/// When Go refuses the pattern, or when it takes more than 4 MB.
pub fn compile(pattern: &str) -> Result<regex::Regex, RegexError> {
    compile_ast(&parse(pattern)?, pattern)
}

pub(super) fn compile_ast(ast: &Ast, pattern: &str) -> Result<regex::Regex, RegexError> {
    compile_translated(&ast.to_string()).map_err(|error| RegexError {
        message: if let regex::Error::CompiledTooBig(_) = error {
            "expression too large".to_owned()
        } else {
            error.to_string()
        },
        fragment: pattern.to_owned(),
    })
}

/// Compiles a pattern that is in the syntax of the `regex` crate.
pub(super) fn compile_translated(translated: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(translated)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(DFA_LIMIT)
        .nest_limit(NEST_LIMIT)
        .build()
}

/// Cache of one pattern's automaton while it runs; the crate's 2 MB would add up over thousands of patterns.
const DFA_LIMIT: usize = 256 << 10;
/// The parser has bounded the nesting; a level of it may print as several.
const NEST_LIMIT: u32 = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_go() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/go/regex.json");
        let Ok(text) = std::fs::read_to_string(path) else {
            eprintln!("skipped: ../shared/data is not here");
            return;
        };
        let data: serde_json::Value = serde_json::from_str(&text).unwrap();
        let strings: Vec<&str> = data["strings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s.as_str().unwrap())
            .collect();
        for case in data["cases"].as_array().unwrap() {
            let pattern = case["pattern"].as_str().unwrap();
            let bits = |matches: &dyn Fn(&str) -> bool| -> String {
                let bit = |s: &&str| if matches(s) { '1' } else { '0' };
                strings.iter().map(bit).collect()
            };
            match compile(pattern) {
                Err(error) => {
                    assert_eq!(Some(&*error.to_string()), case["error"].as_str());
                    assert!(super::super::Anchored::new(pattern).is_err());
                }
                Ok(regex) => {
                    assert!(case["error"].is_null(), "{pattern}: {}", case["error"]);
                    let found = bits(&|s| regex.is_match(s));
                    assert_eq!(Some(&*found), case["match"].as_str(), "{pattern}");
                    let anchored = super::super::Anchored::new(pattern).unwrap();
                    let found = bits(&|s| anchored.is_match(s));
                    assert_eq!(Some(&*found), case["match_anchored"].as_str(), "{pattern}");
                }
            }
        }
    }

    #[test]
    fn refusals_are_in_the_words_of_go() {
        for (pattern, expect) in [
            ("(", "missing closing ): `(`"),
            ("a)", "unexpected ): `a)`"),
            ("[a", "missing closing ]: `[a`"),
            ("x[", "missing closing ]: `[`"),
            ("[]", "missing closing ]: `[]`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            ("a\\", "trailing backslash at end of expression: ``"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a*?+", "invalid nested repetition operator: `*?+`"),
            ("a|*", "missing argument to repetition operator: `*`"),
            ("(?i)*", "missing argument to repetition operator: `*`"),
            ("(+?)", "missing argument to repetition operator: `+?`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{2,1}", "invalid repeat count: `{2,1}`"),
            ("a{99999999999}", "invalid repeat count: `{99999999999}`"),
            ("(a{50}){50}?", "invalid repeat count: `{50}?`"),
            ("(?i", "invalid or unsupported Perl syntax: `(?i`"),
            ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
            ("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"),
            ("(?<=a)b", "invalid named capture: `(?<=a)b`"),
            ("(?<n-m>a)", "invalid named capture: `(?<n-m>`"),
            ("(?P=n)", "invalid or unsupported Perl syntax: `(?P`"),
            ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
            (r"(a)\1", r"invalid escape sequence: `\1`"),
            (r"\8", r"invalid escape sequence: `\8`"),
            (r"\x{110000}", r"invalid escape sequence: `\x{110000`"),
            (r"\x{}", r"invalid escape sequence: `\x{}`"),
            (r"\xé", r"invalid escape sequence: `\xé`"),
            (
                r"\p{Alphabetic}",
                r"invalid character class range: `\p{Alphabetic}`",
            ),
            (r"\pX", r"invalid character class range: `\pX`"),
            (r"\é", r"invalid escape sequence: `\é`"),
        ] {
            let message = translate(pattern).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("error parsing regexp: {expect}"),
                "{pattern}"
            );
        }
        let deep = "(".repeat(100_000);
        assert!(
            translate(&deep)
                .unwrap_err()
                .to_string()
                .contains("nests too deeply")
        );
        let deep = "(?:".repeat(250) + &")*".repeat(250);
        assert!(
            translate(&deep)
                .unwrap_err()
                .to_string()
                .contains("nests too deeply")
        );
        for pattern in [
            "(".repeat(190) + &")*".repeat(9) + &")".repeat(181),
            "(a|".repeat(190) + &")".repeat(190),
        ] {
            assert!(super::super::Anchored::new(&pattern).is_ok());
            assert!(compile(&pattern).is_ok());
        }
        let large = compile(r"(\pL\pN){500}").unwrap_err();
        assert!(large.to_string().contains("expression too large"));
    }

    #[test]
    fn oddities_that_go_takes() {
        for (pattern, yes, no) in [
            ("a(?i)b|c", "C", "A"),
            ("(?i:a)b", "Ab", "AB"),
            ("(?i)[^k]", "x", "\u{212a}"),
            (r"a\Q*\E+", "a**", "aaa"),
            (r"a*\Q\E*", "aa", "b"),
            ("a(?i)*", "aaa", "A"),
            ("(?)a", "a", "b"),
            ("(?s-s:.)", "a", "\n"),
            ("(?-s)a.b", "axb", "a\nb"),
            ("a{,2}", "a{,2}", "aa"),
            ("a{02}", "a{02}", "aa"),
            ("[]a]+", "]a", "b"),
            ("[^]a]", "b", "]"),
            ("[a-]", "-", "b"),
            ("[--/]", ".", "a"),
            ("[[:^alpha:]]", "1", "a"),
            (r"[^\D]", "1", "a"),
            (r"[\x{d800}-\x{e000}]", "\u{e000}", "a"),
            (r"[^\x{d800}]", "a", ""),
            (r"\p{^Greek}", "a", "α"),
            (r"\P{^greek}", "α", "a"),
            (r"\07", "\u{7}", "7"),
            (r"\0777", "\u{3f}7", "7"),
            ("(?U)a+?", "aa", ""),
            ("(?P<1>a)", "a", "1"),
            ("a){0}(b|c", "c", "a"),
        ] {
            let regex = compile(&format!("^(?:{pattern})$")).unwrap();
            assert!(regex.is_match(yes), "{pattern} {yes:?}");
            assert!(!regex.is_match(no), "{pattern} {no:?}");
        }
        let regex = compile("(?P<n>a)(?P<n>b)(?P<m>c)").unwrap();
        let captures = regex.captures("abc").unwrap();
        assert_eq!(
            (&captures["n"], &captures["m"], &captures[2]),
            ("a", "c", "b")
        );
        assert_eq!(compile("(?U)a+").unwrap().find("aa").unwrap().as_str(), "a");
    }

    proptest::proptest! {
        /// Whatever the parser takes compiles, or is too large.
        #[test]
        fn translations_compile(pattern in r"(\\[a-zA-Z0-9{}]|\[:[a-z]{3}:\]|\(\?[imsU:-]|[\[\]()|*+?{},^$.\\a-c1-3:é&~\-<>P ]){0,16}") {
            if let Err(error) = compile(&pattern) {
                proptest::prop_assert!(
                    parse(&pattern).is_err() || error.message == "expression too large",
                    "{pattern}: {error}"
                );
            }
        }
    }
}
