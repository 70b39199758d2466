use super::*;

/// Parses with everything switched on.
fn parsed(input: &str) -> Expr {
    parse(input, Features::all()).unwrap_or_else(|error| panic!("{input}: {error}"))
}

/// The error that a query prints.
fn refused(input: &str) -> String {
    let features = Features {
        fill_modifiers: false,
        ..Features::all()
    };
    match parse(input, features) {
        Ok(expr) => panic!("{input} is taken: {expr:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn errors_are_those_of_prometheus() {
    for (input, error) in [
        ("", "unknown position: parse error: no expression found in input"),
        ("# nothing\n", "1:1: parse error: no expression found in input"),
        ("1+", "1:3: parse error: unexpected end of input"),
        ("a +\n *b", "2:2: parse error: unexpected <op:*>"),
        ("(1))", "1:5: parse error: unexpected right parenthesis ')'"),
        ("((1)", "1:5: parse error: unclosed left parenthesis"),
        ("1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"),
        ("1 !~ 1", "1:3: parse error: unexpected character after '!': '~'"),
        ("sum(1 2)", "1:7: parse error: unexpected number \"2\" in aggregation"),
        ("sum(x) by y", "1:11: parse error: unexpected identifier \"y\" in grouping opts, expected \"(\""),
        ("foo[5m1h]", "1:5: parse error: not a valid duration string: \"5m1h\""),
        ("foo[5y1hs]", "1:5: parse error: unknown unit \"hs\" in duration \"5y1hs\""),
        ("foo @ x", "1:7: parse error: unexpected identifier \"x\" in @, expected timestamp"),
        ("rate(x)", "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector"),
        ("a + fill (1) b", "1:1: parse error: binop fill modifiers are experimental and not enabled"),
        ("{a=\"\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"),
        ("a{__name__=\"b\"}", "1:1: parse error: metric name must not be set twice: \"a\" or \"b\""),
    ] {
        assert_eq!(refused(input), error, "{input}");
    }
}

#[test]
fn spans_reach_as_far_as_those_of_prometheus() {
    for (input, end) in [
        ("a{b=\"c\"} offset 5m", 18),
        ("a[5m] @ end() ", 13),
        ("sum(a) by (b)  ", 13),
        ("sum(a) ", 6),
        ("a[5m:1m] offset -1h", 19),
        ("a[5m:]  @ 3", 11),
    ] {
        assert_eq!(parsed(input).span, Span::new(0, end), "{input}");
    }
    let expr = parsed("(sum(a) )");
    assert_eq!(expr.unwrap_parens().span, Span::new(1, 7));
}
