//! Floating-point numbers (`strconv.FormatFloat` and what `fmt` does around it).

use super::{super::value::Value, printer::Printer};

/// More digits than any number has; what is beyond them is zeros.
const ALL_DIGITS: usize = 1100;

impl Printer<'_> {
    pub(super) fn float(&mut self, float: f64, verb: char, value: &Value) {
        match verb {
            'v' => self.formatted(float, 'g', None),
            'g' | 'G' | 'x' | 'X' | 'b' => self.formatted(float, verb, None),
            'f' | 'F' | 'e' | 'E' => {
                let verb = if verb == 'F' { 'f' } else { verb };
                self.formatted(float, verb, Some(6));
            }
            _ => self.bad_verb(value, verb),
        }
    }

    pub(super) fn complex(&mut self, (real, imaginary): (f64, f64), verb: char, value: &Value) {
        if !matches!(
            verb,
            'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E'
        ) {
            return self.bad_verb(value, verb);
        }
        self.push('(');
        self.float(real, verb, value);
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.float(imaginary, verb, value);
        self.flags.plus = plus;
        self.write("i)");
    }

    fn formatted(&mut self, float: f64, verb: char, default: Option<usize>) {
        let flags = self.flags;
        let precision = flags.precision.or(default);
        let mut digits = match verb {
            'e' | 'E' => exponential(float.abs(), precision),
            'f' => fixed(float.abs(), precision),
            'x' | 'X' => hexadecimal(float.abs(), precision),
            'b' => binary(float.abs()),
            _ => general(float.abs(), precision),
        };
        if flags.sharp && verb != 'b' && float.is_finite() {
            digits = with_point(&digits, verb, precision);
        }
        if verb.is_ascii_uppercase() {
            digits = digits.to_uppercase();
        }
        let negative = float.is_sign_negative() && !float.is_nan();
        let sign = match (negative, flags.plus, flags.space) {
            (true, _, _) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        if !float.is_finite() {
            let text = if float.is_nan() {
                format!("{sign}NaN")
            } else if sign.is_empty() {
                "+Inf".to_owned()
            } else {
                format!("{sign}Inf")
            };
            let zero = std::mem::replace(&mut self.flags.zero, false);
            self.pad(&text);
            self.flags.zero = zero;
            return;
        }
        let text = format!("{sign}{digits}");
        match flags.width {
            Some(width) if flags.zero && !flags.minus && width > text.len() && !sign.is_empty() => {
                self.write(sign);
                self.padding(width - text.len());
                self.write(&digits);
            }
            _ => self.pad(&text),
        }
    }
}

/// `%e` of a number that is not negative; without a precision the fewest digits that say which number it is.
fn exponential(float: f64, precision: Option<usize>) -> String {
    let text = match precision {
        None => format!("{float:e}"),
        Some(precision) => {
            let text = format!("{float:.*e}", precision.min(ALL_DIGITS));
            zeros_before(&text, 'e', precision.saturating_sub(ALL_DIGITS))
        }
    };
    go_exponent(&text)
}

fn fixed(float: f64, precision: Option<usize>) -> String {
    match precision {
        None => format!("{float}"),
        Some(precision) => {
            let text = format!("{float:.*}", precision.min(ALL_DIGITS));
            zeros_before(&text, '\0', precision.saturating_sub(ALL_DIGITS))
        }
    }
}

/// Puts zeros before a mark, or at the end.
fn zeros_before(text: &str, mark: char, count: usize) -> String {
    let (before, after) = text.split_at(text.find(mark).unwrap_or(text.len()));
    format!("{before}{}{after}", "0".repeat(count))
}

/// `1.5e7` as `1.5e+07`.
fn go_exponent(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text.to_owned();
    };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// The shortest `%g` of a number, as `%v` prints it.
pub(crate) fn shortest_g(float: f64) -> String {
    let mut out = String::new();
    let mut printer = Printer::new(&mut out, usize::MAX);
    printer.float(float, 'v', &Value::Nil);
    out
}

/// `%g`: an exponent where it is below -4 or not below the precision, else plain; no zeros at the end.
fn general(float: f64, precision: Option<usize>) -> String {
    let Some(precision) = precision else {
        let text = format!("{float:e}");
        let exponent = exponent_of(&text);
        // At its shortest the number decides as if it had six digits.
        return if (-4..6).contains(&exponent) {
            format!("{float}")
        } else {
            go_exponent(&text)
        };
    };
    let digits = precision.clamp(1, ALL_DIGITS);
    let text = format!("{float:.*e}", digits - 1);
    let exponent = exponent_of(&text);
    let limit = i32::try_from(digits).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= limit {
        let (mantissa, rest) = text.split_once('e').unwrap_or((&text, "0"));
        return go_exponent(&format!("{}e{rest}", without_zeros(mantissa)));
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or_default();
    without_zeros(&format!("{float:.decimals$}")).to_owned()
}

fn exponent_of(text: &str) -> i32 {
    text.split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or_default()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// The `#` flag: always a decimal point, and for `%g` the zeros at the end.
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    let mark = match verb {
        'x' | 'X' => 'p',
        _ => 'e',
    };
    let (mantissa, tail) = text.split_at(text.find(mark).unwrap_or(text.len()));
    let mut mantissa = mantissa.to_owned();
    if !mantissa.contains('.') {
        mantissa.push('.');
    }
    if matches!(verb, 'g' | 'G') {
        let wanted = precision.unwrap_or(6);
        let has = mantissa
            .trim_start_matches(['0', '.'])
            .chars()
            .filter(char::is_ascii_digit)
            .count()
            .max(1);
        mantissa.push_str(&"0".repeat(wanted.saturating_sub(has)));
    }
    format!("{mantissa}{tail}")
}

/// `%b`: mantissa and exponent of two.
fn binary(float: f64) -> String {
    let bits = float.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let exponent = i64::try_from(bits >> 52 & 0x7ff).unwrap_or_default();
    let (mantissa, exponent) = if exponent == 0 {
        (fraction, 1 - 1075)
    } else {
        (fraction | 1 << 52, exponent - 1075)
    };
    format!("{mantissa}p{exponent:+}")
}

/// `%x`: `0x1.8p+01`
fn hexadecimal(float: f64, precision: Option<usize>) -> String {
    let bits = float.to_bits();
    let mut fraction = bits & ((1 << 52) - 1);
    let mut exponent = i64::try_from(bits >> 52 & 0x7ff).unwrap_or_default() - 1023;
    let mut whole = 1;
    if float == 0.0 {
        (whole, exponent) = (0, 0);
    } else if exponent == -1023 {
        let shift = fraction.leading_zeros() - 11;
        fraction = (fraction << shift) & ((1 << 52) - 1);
        exponent = -1022 - i64::from(shift);
    }
    let mut digits = format!("{fraction:013x}");
    match precision {
        None => digits.truncate(digits.trim_end_matches('0').len()),
        Some(precision) if precision < 13 => {
            // Half to even, as Go rounds.
            let shift = 4 * u32::try_from(13 - precision).unwrap_or_default();
            let all = whole << 52 | fraction;
            let (mut kept, rest) = (all >> shift, all & ((1 << shift) - 1));
            let half = 1_u64 << (shift - 1);
            if rest > half || rest == half && kept & 1 == 1 {
                kept += 1;
            }
            let top = 52 - shift;
            if kept >> top > 1 {
                kept >>= 1;
                exponent += 1;
            }
            let low = kept & ((1 << top) - 1);
            digits = if precision == 0 {
                String::new()
            } else {
                format!("{low:0precision$x}")
            };
        }
        Some(precision) => digits.push_str(&"0".repeat(precision - 13)),
    }
    let point = if digits.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let exponent = exponent.abs();
    format!("0x{whole}{point}{digits}p{sign}{exponent:02}")
}
