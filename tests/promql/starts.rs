//! Lines of start timestamps: `name{labels}@st -1m _x2 -30s-1mx3`.

use watchfire::labels::LabelSet;

use crate::{language, notation::millis};

pub(crate) fn is_line(line: &str) -> bool {
    let head = line.split_once([' ', '\t']).map(|(head, _)| head);
    head.is_some_and(|head| head.ends_with("@st"))
}

/// The series, and for each of its samples when its counter started: milliseconds relative to the sample.
pub(crate) fn read(line: &str) -> Result<(LabelSet, Vec<Option<i64>>), String> {
    let (head, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let metric = head.trim_end_matches("@st");
    let (labels, _) = language::series(&format!("{metric} _"))
        .map_err(|error| format!("invalid @st line metric {metric:?}: {error}"))?;
    let mut starts = Vec::new();
    for text in rest.split_whitespace() {
        item(text, &mut starts).map_err(|why| format!("invalid ST item {text:?}: {why}"))?;
    }
    Ok((labels, starts))
}

/// The starts of a line of samples, of which there must be as many.
pub(crate) fn matching(
    pending: Option<(LabelSet, Vec<Option<i64>>)>,
    labels: &LabelSet,
    samples: usize,
) -> Result<Vec<Option<i64>>, String> {
    let Some((metric, starts)) = pending else {
        return Ok(Vec::new());
    };
    if metric != *labels {
        return Err("@st metric does not match the following sample line metric".to_owned());
    }
    if starts.len() != samples {
        return Err(format!(
            "@st line has {} values but sample line has {samples}",
            starts.len()
        ));
    }
    Ok(starts)
}

fn item(text: &str, out: &mut Vec<Option<i64>>) -> Result<(), String> {
    if text == "_" {
        out.push(None);
        return Ok(());
    }
    if let Some(count) = text.strip_prefix("_x") {
        match repeats(count)? {
            0 => return Err("invalid repeat count".to_owned()),
            count => out.extend(std::iter::repeat_n(None, count)),
        }
        return Ok(());
    }
    let (base, rest) = signed(text)?;
    let Some(sign) = rest.chars().next() else {
        out.push(Some(base));
        return Ok(());
    };
    let (delta, rest) = match sign {
        'x' => (0, rest),
        '+' => signed(&rest[1..])?,
        '-' => signed(&rest[1..]).map(|(delta, rest)| (-delta, rest))?,
        other => return Err(format!("unexpected character {other:?} after duration")),
    };
    let count = rest
        .strip_prefix('x')
        .ok_or("expected 'x<count>' after step duration")?;
    let mut start = base;
    for _ in 0..=repeats(count)? {
        out.push(Some(start));
        start += delta;
    }
    Ok(())
}

fn repeats(text: &str) -> Result<usize, String> {
    text.parse()
        .map_err(|error| format!("invalid repeat count: {error}"))
}

/// A duration of one unit with a sign before it, and what follows.
fn signed(text: &str) -> Result<(i64, &str), String> {
    let negative = text.starts_with('-');
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let unit = rest[digits..]
        .find(|c: char| !c.is_ascii_alphabetic() || c == 'x')
        .unwrap_or(rest.len() - digits);
    let (duration, rest) = rest.split_at(digits + unit);
    let duration = millis(duration)?;
    Ok((if negative { -duration } else { duration }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_read() {
        let read = |text: &str| {
            let mut out = Vec::new();
            item(text, &mut out).map(|()| out)
        };
        assert_eq!(read("_"), Ok(vec![None]));
        assert_eq!(read("_x2"), Ok(vec![None, None]));
        assert_eq!(read("-1m"), Ok(vec![Some(-60_000)]));
        assert_eq!(read("-0msx1"), Ok(vec![Some(0), Some(0)]));
        assert_eq!(read("0-1mx1"), Ok(vec![Some(0), Some(-60_000)]));
        assert_eq!(read("-30s+10sx1"), Ok(vec![Some(-30_000), Some(-20_000)]));
        assert!(read("_x0").is_err() && read("1m+1m").is_err() && read("x2").is_err());
        assert!(is_line("a{b=\"c\"}@st -1m") && !is_line("a@st") && !is_line("a 1 b@st"));
    }
}
