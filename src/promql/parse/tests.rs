//! Expressions, their errors and places, and series, as Prometheus reads them.

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
        (
            "",
            "unknown position: parse error: no expression found in input",
        ),
        (
            "# nothing\n",
            "1:1: parse error: no expression found in input",
        ),
        ("1+", "1:3: parse error: unexpected end of input"),
        ("a +\n *b", "2:2: parse error: unexpected <op:*>"),
        ("(1))", "1:5: parse error: unexpected right parenthesis ')'"),
        ("((1)", "1:5: parse error: unclosed left parenthesis"),
        (
            "1 == 1",
            "1:3: parse error: comparisons between scalars must use BOOL modifier",
        ),
        (
            "1 !~ 1",
            "1:3: parse error: unexpected character after '!': '~'",
        ),
        (
            "sum(1 2)",
            "1:7: parse error: unexpected number \"2\" in aggregation",
        ),
        (
            "sum(x) by y",
            "1:11: parse error: unexpected identifier \"y\" in grouping opts, expected \"(\"",
        ),
        (
            "foo[5m1h]",
            "1:5: parse error: not a valid duration string: \"5m1h\"",
        ),
        (
            "foo[5y1hs]",
            "1:5: parse error: unknown unit \"hs\" in duration \"5y1hs\"",
        ),
        (
            "foo @ x",
            "1:7: parse error: unexpected identifier \"x\" in @, expected timestamp",
        ),
        (
            "rate(x)",
            "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
        ),
        (
            "a + fill (1) b",
            "1:1: parse error: binop fill modifiers are experimental and not enabled",
        ),
        (
            "{a=\"\"}",
            "1:1: parse error: vector selector must contain at least one non-empty matcher",
        ),
        (
            "a{__name__=\"b\"}",
            "1:1: parse error: metric name must not be set twice: \"a\" or \"b\"",
        ),
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

/// The values of a series, in short.
fn series(input: &str) -> Result<String, String> {
    let (labels, values) = parse_series(input).map_err(|error| error.to_string())?;
    let shown = values.iter().map(|value| match value {
        SeriesValue::Omitted => "_".to_owned(),
        SeriesValue::Float(value) if crate::promql::is_stale(*value) => "stale".to_owned(),
        SeriesValue::Float(value) => value.to_string(),
        SeriesValue::Histogram {
            histogram,
            hint_given,
        } => format!(
            "[{} {} {:?} {hint_given}]",
            histogram.schema, histogram.sum, histogram.positive.counts
        ),
    });
    let shown: Vec<_> = shown.collect();
    Ok(format!("{} {}", labels.len(), shown.join(" ")))
}

#[test]
fn series_have_values() {
    for (input, expected) in [
        ("", "0 "),
        ("up", "1 "),
        ("{} 1 2 3", "0 1 2 3"),
        ("m{a=\"b\"} 1 2 3-10x4  ", "2 1 2 3 -7 -17 -27 -37"),
        (
            "{\"http.requests\", \"service.name\"=\"x\"}\t\t0+50x2",
            "2 0 50 100",
        ),
        (
            "m 1 3 _ stale _x2 -Inf NaN 1x2",
            "1 1 3 _ stale _ _ -inf NaN 1 1 1",
        ),
        ("m 1e3 .5 1e-3+1x1", "1 1000 0.5 0.001 1.001"),
        ("{} {{}} {{ }}", "0 [0 0 [] false] [0 0 [] false]"),
        (
            "{} {{schema:1 sum:-0.3 buckets:[5.1 10  7 ] counter_reset_hint:gauge }}x1",
            "0 [1 -0.3 [5.1, 10.0, 7.0] true] [1 -0.3 [5.1, 10.0, 7.0] true]",
        ),
        (
            "{} {{sum:1}}+{{sum:1}}x2",
            "0 [0 1 [] false] [0 2 [] false] [0 3 [] false]",
        ),
        (
            "{} {{buckets:[5 10]}}-{{buckets:[1 2]}}x1",
            "0 [0 0 [5.0, 10.0] false] [0 0 [4.0, 8.0] false]",
        ),
    ] {
        assert_eq!(series(input), Ok(expected.to_owned()), "{input}");
    }
}

#[test]
fn mistakes_in_series_are_found() {
    for (input, error) in [
        (
            "{} 1+1",
            "1:7: parse error: unexpected end of input in series values",
        ),
        (
            "m 5 _a4",
            "1:6: parse error: unexpected \"a\" in series values",
        ),
        (
            "m -3-3 -3",
            "1:7: parse error: unexpected \" \" in series values",
        ),
        (
            "m -3 3+3x4-4",
            "1:11: parse error: unexpected \"-\" in series values",
        ),
        (
            "{} {{schema:1 schema:1}}",
            "1:1: parse error: duplicate key \"schema\" in histogram",
        ),
        (
            "{} {{foo:1}}",
            "1:6: parse error: bad histogram descriptor found: \"foo\"",
        ),
        (
            "{} {{schema :1}}",
            "1:6: parse error: missing `:` for histogram descriptor",
        ),
        (
            "{} {{schema: 1}}",
            "1:13: parse error: unexpected \" \" in series values",
        ),
        (
            "{} {{buckets:[5 10 7] schema:1}}+{{buckets:[1 2 3] schema:0}}x2",
            "1:63: parse error: error combining histograms: cannot merge from schema 0 to 1",
        ),
        (
            "m 1x99999999",
            "1:13: parse error: a series of more than 1000000 values",
        ),
        (
            "{\"http.requests\"xx}\t\t0+50x2",
            "1:17: parse error: unexpected identifier \"xx\" in label set, expected \",\" or \"}\"",
        ),
    ] {
        assert_eq!(series(input), Err(error.to_owned()), "{input}");
    }
}
