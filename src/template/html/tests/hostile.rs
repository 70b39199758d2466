//! Templates that are made to exhaust the pass.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::compile;

/// As small as the stack of a worker thread gets.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(1024 * 1024)
        .spawn(test)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn chained_templates() {
    on_a_small_stack(|| {
        let mut source =
            String::from("<p title='{{ template \"t0\" . }}'>{{ template \"t0\" . }}</p>");
        for i in 0..3_000 {
            let _ = write!(
                source,
                "{{{{ define \"t{i}\" }}}}x{{{{ . }}}}{{{{ template \"t{}\" . }}}}{{{{ end }}}}",
                i + 1
            );
        }
        source.push_str("{{ define \"t3000\" }}end{{ end }}");
        compile(&source).unwrap();
        let missing = source.replace("{{ define \"t3000\" }}end{{ end }}", "");
        assert!(
            compile(&missing)
                .unwrap_err()
                .to_string()
                .ends_with("no such template \"t3000\"")
        );
    });
}

#[test]
fn chains_of_else_if() {
    on_a_small_stack(|| {
        let source = format!(
            "<a href=\"{{{{ if .X }}}}{}{{{{ end }}}}\">",
            "/{{ else if .X }}".repeat(100_000)
        );
        compile(&source).unwrap();
    });
}

#[test]
fn nested_loops() {
    on_a_small_stack(|| {
        for body in ["x", "?", "{{ . }}"] {
            let source = format!(
                "<a href=\"{}{body}{}\">",
                "{{ range . }}".repeat(150),
                "{{ end }}".repeat(150)
            );
            compile(&source).unwrap();
            let source = format!(
                "<a onclick=\"{}1{}\">",
                "{{ range . }}".repeat(150),
                "{{ end }}".repeat(150)
            );
            compile(&source).unwrap();
        }
    });
}

#[test]
fn contexts_without_end() {
    on_a_small_stack(|| {
        for (source, why) in [
            // Each call is in a context of its own: the literals nest deeper.
            (
                "<script>`{{ template \"t\" }}`</script>{{ define \"t\" }}${ `{{ template \"t\" }}` }{{ end }}",
                "template literals within each other",
            ),
            // Likewise with braces.
            (
                "<script>`${ {{ template \"t\" }} }`</script>{{ define \"t\" }}{ {{ template \"t\" }} }{{ end }}",
                "too many",
            ),
        ] {
            let told = compile(source).unwrap_err().to_string();
            assert!(told.contains(why), "{told}");
        }
    });
}

#[test]
fn recursive_templates() {
    on_a_small_stack(|| {
        compile("{{ template \"t\" . }}{{ define \"t\" }}<b>{{ template \"t\" . }}</b>{{ end }}")
            .unwrap();
        // Each of many templates calls all others.
        for (before, after) in [
            ("", ""),
            ("<p title='", "'>"),
            ("<a href='", "'>"),
            ("<script>", "</script>"),
        ] {
            let mut source = format!("{before}{{{{ template \"t0\" }}}}{after}");
            let calls: String = (0..60)
                .map(|i| format!("{{{{ if . }}}}{{{{ template \"t{i}\" }}}}{{{{ end }}}}"))
                .collect();
            for i in 0..60 {
                let _ = write!(
                    source,
                    "{{{{ define \"t{i}\" }}}}x{{{{ . }}}}{calls}{{{{ end }}}}"
                );
            }
            compile(&source).unwrap();
        }
    });
}

#[test]
fn guesses_that_fail_within_each_other() {
    on_a_small_stack(|| {
        // The end of each template must be guessed twice, each time with all further ones.
        let mut source = String::from("<script>x = {{ template \"t0\" }};</script>");
        for i in 0..40 {
            let _ = write!(
                source,
                "{{{{ define \"t{i}\" }}}}{{{{ if . }}}}{{{{ template \"t{i}\" }}}},{{{{ template \"t{}\" }}}}{{{{ end }}}}{{{{ . }}}}{{{{ end }}}}",
                i + 1
            );
        }
        source.push_str("{{ define \"t40\" }}{{ . }}{{ end }}");
        // Go would take longer than anybody waits.
        if let Err(error) = compile(&source) {
            assert!(error.to_string().contains("takes too long"), "{error}");
        }
    });
}

/// What opens, closes and ends things.
const PIECES: [&str; 48] = [
    "{{ . }}",
    "{{ if . }}",
    "{{ else }}",
    "{{ else if . }}",
    "{{ end }}",
    "{{ range . }}",
    "{{ break }}",
    "{{ continue }}",
    "{{ template \"t\" . }}",
    "{{ define \"t\" }}",
    "{{ . | html }}",
    "{{ with . }}",
    "<",
    ">",
    "'",
    "\"",
    "`",
    "=",
    " ",
    "\n",
    "/",
    "//",
    "/*",
    "*/",
    "\\",
    "${",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "url(",
    "?",
    "&#39;",
    "<!--",
    "-->",
    "<script>",
    "</script>",
    "<style>",
    "</style>",
    "<textarea>",
    "</textarea>",
    "<a href",
    "style=",
    "onclick=",
    "<meta content=",
    "é\u{2028}日",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_template_is_escaped_or_refused(picks in prop::collection::vec(0..PIECES.len(), 0..24)) {
        let source: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        let _ = compile(&source);
        // The same with all blocks ended, so that more of them can be parsed.
        let open = ["{{ if", "{{ range", "{{ with", "{{ define"]
            .iter()
            .map(|block| source.matches(block).count())
            .sum::<usize>();
        let closed = source.matches("{{ end }}").count();
        let _ = compile(&format!("{source}{}", "{{ end }}".repeat(open.saturating_sub(closed))));
    }
}
