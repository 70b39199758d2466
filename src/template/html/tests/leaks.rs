//! No value leaves the place where it is printed.

use proptest::prelude::*;

use super::super::{
    context::{Context, State},
    entity,
    escaper::{Escaper, push_escaped},
    join::nudge,
    pipeline::escapers,
    text::escape_text,
};
use crate::template::value::{Safe, Value};

/// Texts around a value, for all kinds of places.
const PLACES: [(&str, &str); 38] = [
    ("", ""),
    ("<p>", "</p>"),
    ("<textarea>", "</textarea>"),
    ("<title>a", "b</title>"),
    ("<p title=\"", "\">"),
    ("<p title='a", "b'>"),
    ("<p title=", " id=x>"),
    ("<p title=a", ">"),
    ("<p ", ">"),
    ("<p ", "=x>"),
    ("<p data-", "=\"x\">"),
    ("<p on", "='x'>"),
    ("<h", ">"),
    ("<a href=\"", "\">"),
    ("<a href='", "'>"),
    ("<a href=", ">"),
    ("<a href=\"/x/", "/y\">"),
    ("<a href=\"/x?y=", "&z=1\">"),
    ("<a href='/x#", "'>"),
    ("<img srcset=\"", " 2x\">"),
    ("<meta content='0;url=", "'>"),
    ("<meta content='", "'>"),
    ("<a onclick=\"f(", ")\">"),
    ("<a onclick='f(\"", "\")'>"),
    ("<a onclick=f(", ")>"),
    ("<script>a = ", ";</script>"),
    ("<script>a = \"", "\";</script>"),
    ("<script>a = '", "';</script>"),
    ("<script>a = `", "`;</script>"),
    ("<script>a = `${", "}`;</script>"),
    ("<script>a = /", "/;</script>"),
    ("<script type='application/json'>", "</script>"),
    ("<p style=\"color: ", "\">"),
    ("<p style=\"font: '", "'\">"),
    ("<style>a { b: ", " }</style>"),
    ("<style>a { b: \"", "\" }</style>"),
    ("<style>a { b: url(", ") }</style>"),
    ("<style>a { b: url('/x?", "') }</style>"),
];

/// Pieces that mean something to one of the languages.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[ -~]",
        prop::sample::select(vec![
            "<",
            ">",
            "\"",
            "'",
            "`",
            "&",
            "/",
            "\\",
            "\0",
            "\n",
            "\r",
            "\u{c}",
            "\t",
            " ",
            "=",
            "+",
            "(",
            ")",
            "{",
            "}",
            "${",
            ";",
            ":",
            ",",
            "#",
            "?",
            "%",
            "--",
            "-->",
            "<!--",
            "*/",
            "//",
            "/*",
            "</script>",
            "<script",
            "</style>",
            "</textarea>",
            "</title ",
            "javascript:",
            "JaVaScRiPt:",
            "data:",
            "vbscript:",
            "expression(",
            "\\3c",
            "\\65",
            "&quot;",
            "&#34;",
            "&lt;",
            "\u{2028}",
            "\u{2029}",
            "\u{feff}",
            "\u{a0}",
            "\u{fffd}",
            "onload=",
            "url(",
            "alert(1)",
            "x",
            "http://a",
            "]]>",
            "<![CDATA[",
            "@import",
        ])
        .prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn after(text: &str) -> Context {
    escape_text(Context::default(), text).0
}

fn printed(before: &str, value: &Value) -> String {
    let chain = escapers(&nudge(after(before))).unwrap();
    let mut out = String::new();
    push_escaped(&chain, value, &mut out, usize::MAX).unwrap();
    out
}

fn through(escaper: Escaper, text: &str) -> String {
    let mut out = String::new();
    push_escaped(&[escaper], &Value::from(text), &mut out, usize::MAX).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_document_goes_on_as_with_a_harmless_value(place in 0..PLACES.len(), text in hostile()) {
        let (before, behind) = PLACES[place];
        let here = after(before).state;
        let mut values = vec![Value::from(text.as_str())];
        // What is trusted in its own place may do there what it wants.
        if here != State::Text {
            values.push(Value::Safe(Safe::Html, text.as_str().into()));
        }
        if !before.contains("script") && !before.contains("onclick") {
            values.push(Value::Safe(Safe::JsStr, text.as_str().into()));
        }
        for value in values {
            let out = printed(before, &value);
            // Go leaves nothing, not even its word, where trusted HTML in a value without quotes has no text.
            if out.is_empty() && matches!(value, Value::Safe(..)) {
                continue;
            }
            let expected = after(&format!("{before}x{behind}"));
            let document = format!("{before}{out}{behind}");
            let got = after(&document);
            prop_assert_eq!(
                (got.state, got.delim, got.element, got.attr, got.braces),
                (expected.state, expected.delim, expected.element, expected.attr, expected.braces),
                "{}", document
            );
        }
    }

    #[test]
    fn text_is_text_again(text in hostile()) {
        let whole = text.replace('\0', "\u{fffd}");
        for escaper in [Escaper::Text, Escaper::Rcdata, Escaper::Attr, Escaper::PredefinedHtml] {
            let out = through(escaper, &text);
            prop_assert!(!out.contains(['<', '>', '"', '\'', '\0']), "{}", out);
            prop_assert_eq!(String::from_utf8(entity::unescape(out.as_bytes())).unwrap(), whole.clone());
        }
        let out = through(Escaper::UnquotedAttr, &text);
        prop_assert!(!out.is_empty());
        prop_assert!(!out.contains(['<', '>', '"', '\'', '\0', ' ', '\t', '\n', '\r', '\u{c}', '=', '`']), "{}", out);
        if !text.is_empty() {
            prop_assert_eq!(String::from_utf8(entity::unescape(out.as_bytes())).unwrap(), whole);
        }
    }

    #[test]
    fn names_are_plain(text in hostile()) {
        let out = through(Escaper::Name, &text);
        prop_assert!(!out.is_empty() && out.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{}", out);
    }

    #[test]
    fn strings_of_scripts_are_the_same_strings(text in hostile()) {
        for (escaper, end) in [
            (Escaper::JsString, '"'),
            (Escaper::JsString, '\''),
            (Escaper::JsTemplate, '`'),
            (Escaper::JsRegexp, '/'),
        ] {
            let out = through(escaper, &text);
            prop_assert!(!out.contains(['<', '>', '"', '\'', '&', '\n', '\r', '\0', '\u{2028}', '\u{2029}']), "{}", out);
            let mut escaped = false;
            for c in out.chars() {
                prop_assert!(escaped || c != end, "{}", out);
                prop_assert!(escaped || escaper != Escaper::JsTemplate || c != '$', "{}", out);
                escaped = !escaped && c == '\\';
            }
            prop_assert!(!escaped, "{}", out);
        }
        // `\/` and `\u00xx` are JSON as well.
        let out = through(Escaper::JsString, &text);
        prop_assert_eq!(serde_json::from_str::<String>(&format!("\"{out}\"")).unwrap(), text.clone());
        let value = through(Escaper::JsValue, &text);
        prop_assert!(!value.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{}", value);
        prop_assert_eq!(serde_json::from_str::<String>(&value).unwrap(), text);
    }

    #[test]
    fn styles_stay_in_their_place(text in hostile()) {
        let out = through(Escaper::CssString, &text);
        prop_assert!(!out.contains(['<', '>', '"', '\'', '&', '\n', '\r', '\u{c}', '\0', '(', ')', '{', '}', ';', ':']), "{}", out);
        let decoded = String::from_utf8(super::super::style::decode(out.as_bytes())).unwrap();
        prop_assert_eq!(decoded, text.clone());
        let out = through(Escaper::CssValue, &text);
        prop_assert!(
            !out.contains(['<', '>', '"', '\'', '\0', '(', ')', '{', '}', ';', '@', '[', ']', '\\', '`', '/']),
            "{}", out
        );
        prop_assert!(!out.contains("--") && !out.to_lowercase().contains("expression"), "{}", out);
    }

    #[test]
    fn schemes_do_not_change(text in hostile()) {
        for before in ["<a href=\"", "<a href=", "<img srcset='", "<meta content='0;url=", "<p style='a: url("] {
            let out = printed(before, &Value::from(text.as_str()));
            let shown = String::from_utf8(entity::unescape(out.as_bytes())).unwrap();
            for url in shown.split(',').filter(|_| before.contains("srcset")).chain([shown.as_str()]) {
                // Browsers leave these out before they look for the scheme.
                let url: String = url
                    .trim_start_matches(|c: char| c <= ' ')
                    .chars()
                    .filter(|c| !matches!(c, '\t' | '\n' | '\r'))
                    .collect();
                if let Some((scheme, _)) = url.split_once(':')
                    && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                    && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
                {
                    let scheme = scheme.to_ascii_lowercase();
                    prop_assert!(matches!(scheme.as_str(), "http" | "https" | "mailto"), "{} {}", before, out);
                }
            }
        }
        let out = through(Escaper::UrlQuery, &text);
        prop_assert!(out.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{}", out);
    }
}
