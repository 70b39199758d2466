//! Go's number and character constants, each read as all types that it fits.

use super::{
    super::{
        ast::{Number, Pos},
        lex::Kind,
    },
    unquote::{Unit, unquote_char},
};
use crate::labels::go_quote;

/// Reads a constant.
pub(super) fn number(pos: Pos, text: &str, kind: Kind) -> Result<Number, String> {
    let mut number = Number {
        pos,
        text: text.into(),
        int: None,
        uint: None,
        float: None,
        complex: None,
    };
    if kind == Kind::CharConstant {
        let code = character(text)?;
        number.int = Some(code.into());
        number.uint = Some(code.into());
        number.float = Some(code.into());
        return Ok(number);
    }
    if kind == Kind::Complex {
        let value = complex(text).ok_or("expected complex number")?;
        set_complex(&mut number, value);
        return Ok(number);
    }
    if let Some(imaginary) = text.strip_suffix('i').and_then(parse_float) {
        set_complex(&mut number, (0.0, imaginary));
        return Ok(number);
    }
    number.uint = parse_uint(text);
    number.int = parse_int(text);
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    if let Some(float) = as_float(&number) {
        number.float = Some(float);
    } else if let Some(float) = parse_float(text) {
        // It looks like an integer, but fits none.
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", go_quote(text)));
        }
        set_float(&mut number, float);
    } else {
        return Err(format!("illegal number syntax: {}", go_quote(text)));
    }
    Ok(number)
}

#[expect(clippy::cast_precision_loss, reason = "as Go's conversion")]
fn as_float(number: &Number) -> Option<f64> {
    number
        .int
        .map(|int| int as f64)
        .or_else(|| number.uint.map(|uint| uint as f64))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "the conversions are taken only if they are exact"
)]
fn set_float(number: &mut Number, float: f64) {
    number.float = Some(float);
    // Go's conversion of what is out of range gives another number; Rust's saturates, so the edge must be left out.
    let (int, uint) = (float as i64, float as u64);
    number.int = (int as f64 == float && int != i64::MAX).then_some(int);
    number.uint = (uint as f64 == float && uint != u64::MAX).then_some(uint);
}

fn set_complex(number: &mut Number, value: (f64, f64)) {
    number.complex = Some(value);
    if value.1 == 0.0 {
        set_float(number, value.0);
    }
}

fn character(text: &str) -> Result<u32, String> {
    let inside = text.strip_prefix('\'').unwrap_or(text);
    let Some((unit, tail)) = unquote_char(inside, '\'') else {
        return Err("invalid syntax".to_owned());
    };
    if tail != "'" {
        return Err(format!("malformed character constant: {text}"));
    }
    Ok(match unit {
        Unit::Char(c) => c.into(),
        Unit::Byte(byte) => byte.into(),
    })
}

/// `1+2i`: the sign that parts it is the last one that belongs to no exponent.
fn complex(text: &str) -> Option<(f64, f64)> {
    let body = text.strip_suffix('i')?;
    let split = body
        .char_indices()
        .rev()
        .find(|(at, c)| {
            matches!(c, '+' | '-') && *at > 0 && !body[..*at].ends_with(['e', 'E', 'p', 'P'])
        })?
        .0;
    Some((parse_float(&body[..split])?, parse_float(&body[split..])?))
}

/// `strconv.ParseUint` with base 0.
fn parse_uint(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    if !underscores_fit(digits, radix != 10) || digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(&digits.replace('_', ""), radix).ok()
}

/// `strconv.ParseInt` with base 0.
fn parse_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let value = i128::from(parse_uint(digits)?);
    i64::try_from(if text.starts_with('-') { -value } else { value }).ok()
}

/// Underscores stand between digits only, or after the prefix of a base.
fn underscores_fit(digits: &str, after_prefix: bool) -> bool {
    !digits.ends_with('_') && !digits.contains("__") && (after_prefix || !digits.starts_with('_'))
}

/// `strconv.ParseFloat`, which reads hexadecimal numbers as well.
fn parse_float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    let hex = digits.starts_with("0x") || digits.starts_with("0X");
    // Names of numbers that are no numbers cannot get here.
    let value = if hex {
        parse_hex_float(&digits[2..])?
    } else {
        let plain = digits
            .split(['e', 'E', '.'])
            .all(|part| underscores_fit(part, false));
        let starts = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        if !plain || !starts {
            return None;
        }
        let value: f64 = digits.replace('_', "").parse().ok()?;
        // Go refuses what is out of range.
        if value.is_infinite() {
            return None;
        }
        value
    };
    Some(if negative { -value } else { value })
}

/// `1.8p3`: the exponent is a must.
fn parse_hex_float(digits: &str) -> Option<f64> {
    let (mantissa, exponent) = digits.split_once(['p', 'P'])?;
    let exponent: i32 = exponent.replace('_', "").parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0_f64;
    for c in whole.chars().filter(|c| *c != '_') {
        value = value.mul_add(16.0, f64::from(c.to_digit(16)?));
    }
    let mut scale = 1.0_f64;
    for c in fraction.chars().filter(|c| *c != '_') {
        scale /= 16.0;
        value = f64::from(c.to_digit(16)?).mul_add(scale, value);
    }
    let value = value * 2.0_f64.powi(exponent);
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_all_that_they_fit() {
        for (text, int, uint, float) in [
            ("0x1F", Some(31), Some(31), Some(31.0)),
            ("1_000", Some(1000), Some(1000), Some(1000.0)),
            ("1e3", Some(1000), Some(1000), Some(1000.0)),
            ("-5", Some(-5), None, Some(-5.0)),
            ("-0", Some(0), Some(0), Some(0.0)),
            ("017", Some(15), Some(15), Some(15.0)),
            ("0b11", Some(3), Some(3), Some(3.0)),
            ("1.5", None, None, Some(1.5)),
            ("0x1.8p1", Some(3), Some(3), Some(3.0)),
            (
                "18446744073709551615",
                None,
                Some(u64::MAX),
                Some(18_446_744_073_709_551_615.0),
            ),
        ] {
            let read = number(0, text, Kind::Number).unwrap();
            assert_eq!(
                (read.int, read.uint, read.float),
                (int, uint, float),
                "{text}"
            );
        }
        for (text, expect) in [
            ("089", "integer overflow: \"089\""),
            (
                "99999999999999999999",
                "integer overflow: \"99999999999999999999\"",
            ),
            ("1__0", "illegal number syntax: \"1__0\""),
            (".", "illegal number syntax: \".\""),
            ("1e999", "illegal number syntax: \"1e999\""),
            ("+", "illegal number syntax: \"+\""),
        ] {
            assert_eq!(number(0, text, Kind::Number).unwrap_err(), expect);
        }
        let char = |text| number(0, text, Kind::CharConstant).map(|number| number.int);
        assert_eq!(char("'a'"), Ok(Some(97)));
        assert_eq!(char("'\\n'"), Ok(Some(10)));
        assert_eq!(
            char("'ab'"),
            Err("malformed character constant: 'ab'".to_owned())
        );
        let complex = number(0, "1.5e+1-2i", Kind::Complex).unwrap();
        assert_eq!(complex.complex, Some((15.0, -2.0)));
        assert_eq!(
            number(0, "2i", Kind::Number).unwrap().complex,
            Some((0.0, 2.0))
        );
    }
}
