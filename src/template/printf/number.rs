//! Integers.

use std::fmt::Write as _;

use super::{
    super::value::Value,
    printer::Printer,
    text::{is_print, quote_char},
};

impl Printer<'_> {
    /// Writes an integer, given without its sign; `signed` tells whether it is negative, and whether its type has signs.
    pub(super) fn integer(
        &mut self,
        magnitude: u64,
        (negative, signed): (bool, bool),
        verb: char,
        value: &Value,
    ) {
        let sign = (negative, signed);
        match verb {
            'v' if self.flags.sharp_v && !signed => {
                let sharp = std::mem::replace(&mut self.flags.sharp, true);
                self.digits(magnitude, 16, sign, 'x');
                self.flags.sharp = sharp;
            }
            'v' | 'd' => self.digits(magnitude, 10, sign, verb),
            'b' => self.digits(magnitude, 2, sign, verb),
            'o' | 'O' => self.digits(magnitude, 8, sign, verb),
            'x' | 'X' => self.digits(magnitude, 16, sign, verb),
            'c' => {
                let c = code_point(magnitude, negative);
                self.pad(c.encode_utf8(&mut [0; 4]));
            }
            'q' => {
                let quoted = quote_char(code_point(magnitude, negative), self.flags.plus);
                self.pad(&quoted);
            }
            'U' => self.unicode(magnitude, negative),
            _ => self.bad_verb(value, verb),
        }
    }

    fn digits(&mut self, magnitude: u64, base: u32, (negative, _): (bool, bool), verb: char) {
        let flags = self.flags;
        let mut least = 0;
        if let Some(precision) = flags.precision {
            // Nothing but padding.
            if precision == 0 && magnitude == 0 {
                self.repeat(' ', flags.width.unwrap_or_default());
                return;
            }
            least = precision;
        } else if let (true, false, Some(width)) = (flags.zero, flags.minus, flags.width) {
            least = width;
            if negative || flags.plus || flags.space {
                least = least.saturating_sub(1);
            }
        }
        let digits = radix(magnitude, base, verb == 'X');
        let zeros = least.saturating_sub(digits.len());
        let mut text = String::new();
        if negative {
            text.push('-');
        } else if flags.plus {
            text.push('+');
        } else if flags.space {
            text.push(' ');
        }
        match (verb, base) {
            ('O', _) => text.push_str("0o"),
            (_, 2) if flags.sharp => text.push_str("0b"),
            (_, 8) if flags.sharp && zeros == 0 && !digits.starts_with('0') => text.push('0'),
            ('X', 16) if flags.sharp => text.push_str("0X"),
            (_, 16) if flags.sharp => text.push_str("0x"),
            _ => {}
        }
        text.extend(std::iter::repeat_n('0', zeros));
        text.push_str(&digits);
        // The zeros are there already.
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(&text);
        self.flags.zero = zero;
    }

    fn unicode(&mut self, magnitude: u64, negative: bool) {
        let code = if negative {
            magnitude.wrapping_neg()
        } else {
            magnitude
        };
        let least = self.flags.precision.unwrap_or(4).max(4);
        let digits = radix(code, 16, true);
        let mut text = String::from("U+");
        text.extend(std::iter::repeat_n('0', least.saturating_sub(digits.len())));
        text.push_str(&digits);
        if self.flags.sharp
            && let Some(c) = u32::try_from(code).ok().and_then(char::from_u32)
            && is_print(c)
        {
            let _ = write!(text, " '{c}'");
        }
        let zero = std::mem::replace(&mut self.flags.zero, false);
        self.pad(&text);
        self.flags.zero = zero;
    }
}

fn code_point(magnitude: u64, negative: bool) -> char {
    u32::try_from(magnitude)
        .ok()
        .filter(|_| !negative)
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn radix(magnitude: u64, base: u32, upper: bool) -> String {
    match base {
        2 => format!("{magnitude:b}"),
        8 => format!("{magnitude:o}"),
        16 if upper => format!("{magnitude:X}"),
        16 => format!("{magnitude:x}"),
        _ => magnitude.to_string(),
    }
}
