//! Writes values for a verb, with flags, width and precision, up to a bound.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use std::borrow::Cow;

use super::super::{
    funcs::too_long,
    object,
    value::{Uint, Value},
};

/// Where to write, and what the verb says of how.
pub(super) struct Printer<'o> {
    pub(super) out: &'o mut String,
    /// Bytes that may be written in all.
    limit: usize,
    /// Whether something was left out because of the limit.
    full: bool,
    pub(super) flags: Flags,
    /// Within an error such as `%!d(string=x)` no method is called.
    erroring: bool,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`
    pub(super) plus_v: bool,
    /// `%#v`
    pub(super) sharp_v: bool,
}

/// Writes a value as `fmt.Fprint`.
pub(crate) fn display(value: &Value, out: &mut String, limit: usize) -> Result<(), String> {
    let mut printer = Printer::new(out, limit);
    // A template prints what a pointer points to.
    printer.value(value, 'v', usize::from(matches!(value, Value::Data(_))));
    printer.finish()
}

/// `fmt.Sprint`: spaces between operands of which neither is a string.
pub(crate) fn sprint(args: &[Value], limit: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut printer = Printer::new(&mut out, limit);
    let mut after_string = true;
    for (i, arg) in args.iter().enumerate() {
        let is_string = matches!(arg, Value::Str(_) | Value::Safe(..));
        if i > 0 && !is_string && !after_string {
            printer.push(' ');
        }
        printer.arg(arg, 'v');
        after_string = is_string;
    }
    printer.finish()?;
    Ok(out)
}

/// `fmt.Sprintln`
pub(crate) fn sprintln(args: &[Value], limit: usize) -> Result<String, String> {
    let mut out = String::new();
    let mut printer = Printer::new(&mut out, limit);
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            printer.push(' ');
        }
        printer.arg(arg, 'v');
    }
    printer.push('\n');
    printer.finish()?;
    Ok(out)
}

impl<'o> Printer<'o> {
    pub(super) fn new(out: &'o mut String, limit: usize) -> Self {
        Self {
            out,
            limit,
            full: false,
            flags: Flags::default(),
            erroring: false,
        }
    }

    pub(super) fn finish(self) -> Result<(), String> {
        if self.full {
            Err(too_long(self.limit))
        } else {
            Ok(())
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    pub(super) fn push(&mut self, c: char) {
        self.write(c.encode_utf8(&mut [0; 4]));
    }

    pub(super) fn write(&mut self, text: &str) {
        if self.full || self.out.len() + text.len() > self.limit {
            self.full = true;
        } else {
            self.out.push_str(text);
        }
    }

    pub(super) fn repeat(&mut self, c: char, times: usize) {
        if self.full || self.out.len().saturating_add(times) > self.limit {
            self.full = true;
        } else {
            self.out.extend(std::iter::repeat_n(c, times));
        }
    }

    /// Writes the padding that is missing to the width.
    pub(super) fn padding(&mut self, times: usize) {
        let zeros = self.flags.zero && !self.flags.minus;
        self.repeat(if zeros { '0' } else { ' ' }, times);
    }

    /// Writes a text at the width.
    pub(super) fn pad(&mut self, text: &str) {
        let missing = match self.flags.width {
            None | Some(0) => 0,
            Some(width) => width.saturating_sub(text.chars().count()),
        };
        if missing == 0 {
            self.write(text);
        } else if self.flags.minus {
            self.write(text);
            self.padding(missing);
        } else {
            self.padding(missing);
            self.write(text);
        }
    }

    /// One operand.
    pub(super) fn arg(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Nil | Value::NilAny, 'T' | 'v') => self.pad("<nil>"),
            (Value::Nil | Value::NilAny, _) => self.bad_verb(value, verb),
            (_, 'T') => self.text(value.type_name(), 's', value),
            (_, 'p') => self.bad_verb(value, verb),
            _ => self.value(value, verb, 0),
        }
    }

    /// A value at a depth within others.
    pub(super) fn value(&mut self, value: &Value, verb: char, depth: usize) {
        if self.full || self.by_method(value, verb) {
            return;
        }
        match value {
            Value::Nil | Value::NilAny if self.flags.sharp_v => self.write("interface {}(nil)"),
            Value::Nil | Value::NilAny => self.write("<nil>"),
            Value::Bool(truth) => match verb {
                't' | 'v' => self.pad(if *truth { "true" } else { "false" }),
                _ => self.bad_verb(value, verb),
            },
            Value::Int(_, int) | Value::Duration(int) | Value::Month(int) | Value::Weekday(int) => {
                self.integer(int.unsigned_abs(), (*int < 0, true), verb, value);
            }
            Value::Uint(Uint::Uint8 | Uint::Uint64, uint) => {
                self.integer(*uint, (false, false), verb, value);
            }
            Value::Float(float) => self.float(*float, verb, value),
            Value::Complex(real, imaginary) => self.complex((*real, *imaginary), verb, value),
            Value::Str(text) | Value::Safe(_, text) => self.text(text, verb, value),
            Value::Time(_)
            | Value::Zone(_)
            | Value::Strings(_)
            | Value::NamedStrings(_)
            | Value::List(_)
            | Value::Map(_)
            | Value::StringMap(_)
            | Value::Kv(_)
            | Value::Pairs(_)
            | Value::Pair(_)
            | Value::Alerts(_)
            | Value::AlertSlice(_)
            | Value::Alert(_)
            | Value::Data(_)
            | Value::Samples(_)
            | Value::Sample(_)
            | Value::Object(_) => self.composite(value, verb, depth),
        }
    }

    /// Prints by the value's own `String` or `GoString`, if it has one and the verb asks for it.
    fn by_method(&mut self, value: &Value, verb: char) -> bool {
        if self.erroring {
            return false;
        }
        let text: Cow<'_, str> = match value {
            Value::Time(time) if self.flags.sharp_v => {
                let text = time.go_string();
                self.pad(&text);
                return true;
            }
            _ if self.flags.sharp_v || !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') => {
                return false;
            }
            Value::Kv(labels) => object::pairs_text(&object::sorted_pairs(labels)).into(),
            Value::Pairs(pairs) => object::pairs_text(pairs).into(),
            Value::Time(time) => time.to_string().into(),
            Value::Duration(nanos) => super::super::gotime::duration_text(*nanos).into(),
            Value::Month(month) => super::super::gotime::month_text(*month),
            Value::Weekday(day) => super::super::gotime::weekday_text(*day),
            Value::Zone(zone) => zone.name().to_owned().into(),
            Value::Object(object) => match object.text() {
                Some(text) => text.into(),
                None => return false,
            },
            _ => return false,
        };
        self.text(&text, verb, value);
        true
    }

    /// `%!d(string=x)`
    pub(super) fn bad_verb(&mut self, value: &Value, verb: char) {
        self.erroring = true;
        self.write("%!");
        self.push(verb);
        match value {
            Value::Nil | Value::NilAny => self.write("(<nil>"),
            _ => {
                self.push('(');
                self.write(value.type_name());
                self.push('=');
                self.value(value, 'v', 0);
            }
        }
        self.push(')');
        self.erroring = false;
    }
}
