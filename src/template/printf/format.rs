//! `fmt.Sprintf`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use super::{
    super::value::{Int, Uint, Value},
    printer::{Flags, Printer},
};

/// Go takes no greater width or precision.
const MAX_NUMBER: i64 = 1_000_000;

/// Formats the operands.
pub(crate) fn sprintf(format: &str, args: &[Value], limit: usize) -> Result<String, String> {
    let mut out = String::with_capacity(format.len() + 16);
    let mut formatter = Formatter {
        format,
        at: 0,
        args,
        arg: 0,
        reordered: false,
        good_index: true,
        after_index: false,
        printer: Printer::new(&mut out, limit),
    };
    while formatter.literal() {
        formatter.directive();
    }
    formatter.extra();
    formatter.printer.finish()?;
    Ok(out)
}

struct Formatter<'f, 'o> {
    format: &'f str,
    at: usize,
    args: &'f [Value],
    /// The operand that is next.
    arg: usize,
    /// Whether an operand was named by its number.
    reordered: bool,
    good_index: bool,
    after_index: bool,
    printer: Printer<'o>,
}

impl Formatter<'_, '_> {
    /// Writes up to the next `%`, which it skips; false at the end.
    fn literal(&mut self) -> bool {
        let rest = &self.format[self.at..];
        match rest.find('%') {
            Some(found) => {
                self.printer.write(&rest[..found]);
                self.at += found + 1;
                !self.printer.is_full()
            }
            None => {
                self.printer.write(rest);
                self.at = self.format.len();
                false
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.format.as_bytes().get(self.at).copied()
    }

    fn directive(&mut self) {
        self.good_index = true;
        self.after_index = false;
        self.printer.flags = Flags::default();
        self.read_flags();
        self.arg_number();
        self.width();
        self.precision();
        if !self.after_index {
            self.arg_number();
        }
        let Some(verb) = self.format[self.at..].chars().next() else {
            self.printer.write("%!(NOVERB)");
            return;
        };
        self.at += verb.len_utf8();
        if verb == '%' {
            self.printer.push('%');
        } else if !self.good_index {
            self.complain(verb, "(BADINDEX)");
        } else if let Some(arg) = self.args.get(self.arg) {
            let flags = &mut self.printer.flags;
            if verb == 'v' {
                flags.sharp_v = std::mem::take(&mut flags.sharp);
                flags.plus_v = std::mem::take(&mut flags.plus);
            }
            self.printer.arg(arg, verb);
            self.arg += 1;
        } else {
            self.complain(verb, "(MISSING)");
        }
    }

    fn complain(&mut self, verb: char, what: &str) {
        self.printer.write("%!");
        self.printer.push(verb);
        self.printer.write(what);
    }

    fn read_flags(&mut self) {
        let flags = &mut self.printer.flags;
        while let Some(byte) = self.format.as_bytes().get(self.at) {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
    }

    fn width(&mut self) {
        if self.peek() == Some(b'*') {
            self.at += 1;
            let width = self.int_arg();
            match width {
                None => self.printer.write("%!(BADWIDTH)"),
                Some(width) if width < 0 => self.printer.flags.minus = true,
                Some(_) => {}
            }
            self.printer.flags.width = width.and_then(|width| width.unsigned_abs().try_into().ok());
            self.after_index = false;
        } else {
            self.printer.flags.width = self.number();
            if self.after_index && self.printer.flags.width.is_some() {
                self.good_index = false;
            }
        }
    }

    fn precision(&mut self) {
        if self.peek() != Some(b'.') {
            return;
        }
        self.at += 1;
        if self.after_index {
            self.good_index = false;
        }
        self.arg_number();
        if self.peek() == Some(b'*') {
            self.at += 1;
            let precision = self
                .int_arg()
                .and_then(|precision| precision.try_into().ok());
            if precision.is_none() {
                self.printer.write("%!(BADPREC)");
            }
            self.printer.flags.precision = precision;
            self.after_index = false;
        } else {
            self.printer.flags.precision = Some(self.number().unwrap_or_default());
        }
    }

    /// A number in the format; one that is too great swallows the rest.
    fn number(&mut self) -> Option<usize> {
        let (number, end) = parse_number(self.format, self.at, self.format.len());
        self.at = end;
        number
    }

    /// The operand of a `*`.
    fn int_arg(&mut self) -> Option<i64> {
        let arg = self.args.get(self.arg)?;
        self.arg += 1;
        let number = match arg {
            Value::Int(Int::Int | Int::Int64, number)
            | Value::Duration(number)
            | Value::Month(number)
            | Value::Weekday(number) => *number,
            Value::Uint(Uint::Uint8 | Uint::Uint64, number) => i64::try_from(*number).ok()?,
            _ => return None,
        };
        (-MAX_NUMBER..=MAX_NUMBER)
            .contains(&number)
            .then_some(number)
    }

    /// `[2]`: which operand is next.
    fn arg_number(&mut self) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let close = rest.find(']').filter(|_| rest.len() >= 3);
        let Some(close) = close else {
            self.good_index = false;
            self.at += 1;
            return;
        };
        let (number, end) = parse_number(rest, 1, close);
        self.at += close + 1;
        let Some(number) = number.filter(|_| end == close) else {
            self.good_index = false;
            return;
        };
        self.after_index = true;
        match number
            .checked_sub(1)
            .filter(|index| *index < self.args.len())
        {
            Some(index) => self.arg = index,
            None => self.good_index = false,
        }
    }

    /// Tells of operands that no directive took.
    fn extra(&mut self) {
        let Some(rest) = self.args.get(self.arg..) else {
            return;
        };
        if self.reordered || rest.is_empty() {
            return;
        }
        self.printer.flags = Flags::default();
        self.printer.write("%!(EXTRA ");
        for (i, arg) in rest.iter().enumerate() {
            if i > 0 {
                self.printer.write(", ");
            }
            if let Value::Nil | Value::NilAny = arg {
                self.printer.write("<nil>");
            } else {
                self.printer.write(arg.type_name());
                self.printer.push('=');
                self.printer.arg(arg, 'v');
            }
        }
        self.printer.push(')');
    }
}

/// The number that begins at `from`, and where it ends; a number that is too great ends at `to`.
fn parse_number(text: &str, from: usize, to: usize) -> (Option<usize>, usize) {
    let digits = &text[from..to];
    let length = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    if length == 0 {
        return (None, from);
    }
    match digits[..length].parse::<i64>() {
        Ok(number) if number <= MAX_NUMBER => (usize::try_from(number).ok(), from + length),
        _ => (None, to),
    }
}
