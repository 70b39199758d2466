//! Objects and arrays written member by member, in the order of the calls, as Go's encoder writes a struct.

use std::fmt::Write as _;

use super::{push_str, push_value};

/// An object as one line with its line feed, which is how Go's `json.Encoder` writes a document.
#[must_use]
pub fn document(write: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
    let mut out = String::with_capacity(512);
    push_object(&mut out, write);
    out.push('\n');
    out
}

/// Appends an object.
pub fn push_object(out: &mut String, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.push('{');
    write(&mut ObjectWriter { out, first: true });
    out.push('}');
}

/// Appends an array.
pub fn push_array(out: &mut String, write: impl FnOnce(&mut ArrayWriter<'_>)) {
    out.push('[');
    write(&mut ArrayWriter { out, first: true });
    out.push(']');
}

/// The members of an object. Strings are escaped as Go's default, for HTML.
#[derive(Debug)]
pub struct ObjectWriter<'a> {
    out: &'a mut String,
    first: bool,
}

impl ObjectWriter<'_> {
    /// Writes the name; the caller appends exactly one value.
    pub fn member(&mut self, name: &str) -> &mut String {
        separate(self.out, &mut self.first);
        push_str(self.out, name, true);
        self.out.push(':');
        self.out
    }

    /// A string.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        push_str(self.member(name), value, true);
        self
    }

    /// A string that is left out if it is empty (`omitempty`).
    pub fn text_if_any(&mut self, name: &str, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.text(name, value);
        }
        self
    }

    /// A truth value.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.member(name)
            .push_str(if value { "true" } else { "false" });
        self
    }

    /// A truth value that is left out if it is false (`omitempty`).
    pub fn flag_if_set(&mut self, name: &str, value: bool) -> &mut Self {
        if value {
            self.flag(name, true);
        }
        self
    }

    /// A whole number.
    pub fn number(&mut self, name: &str, value: impl Into<i128>) -> &mut Self {
        let _ = write!(self.member(name), "{}", value.into());
        self
    }

    /// `null`
    pub fn null(&mut self, name: &str) -> &mut Self {
        self.raw(name, "null")
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.member(name).push_str(json);
        self
    }

    /// A tree.
    pub fn value(&mut self, name: &str, value: &serde_json::Value) -> &mut Self {
        push_value(self.member(name), value);
        self
    }

    /// An object.
    pub fn object(&mut self, name: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) -> &mut Self {
        push_object(self.member(name), write);
        self
    }

    /// An array.
    pub fn array(&mut self, name: &str, write: impl FnOnce(&mut ArrayWriter<'_>)) -> &mut Self {
        push_array(self.member(name), write);
        self
    }

    /// An array of strings.
    pub fn texts<T: AsRef<str>>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        self.array(name, |array| {
            for value in values {
                array.text(value.as_ref());
            }
        })
    }

    /// An object of strings, in the order of the pairs.
    pub fn pairs<K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        name: &str,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> &mut Self {
        self.object(name, |object| {
            for (name, value) in pairs {
                object.text(name.as_ref(), value.as_ref());
            }
        })
    }
}

/// The elements of an array. Strings are escaped as Go's default, for HTML.
#[derive(Debug)]
pub struct ArrayWriter<'a> {
    out: &'a mut String,
    first: bool,
}

impl ArrayWriter<'_> {
    /// Separates; the caller appends exactly one value.
    pub fn element(&mut self) -> &mut String {
        separate(self.out, &mut self.first);
        self.out
    }

    /// A string.
    pub fn text(&mut self, value: &str) -> &mut Self {
        push_str(self.element(), value, true);
        self
    }

    /// A whole number.
    pub fn number(&mut self, value: impl Into<i128>) -> &mut Self {
        let _ = write!(self.element(), "{}", value.into());
        self
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, json: &str) -> &mut Self {
        self.element().push_str(json);
        self
    }

    /// An object.
    pub fn object(&mut self, write: impl FnOnce(&mut ObjectWriter<'_>)) -> &mut Self {
        push_object(self.element(), write);
        self
    }

    /// An array.
    pub fn array(&mut self, write: impl FnOnce(&mut ArrayWriter<'_>)) -> &mut Self {
        push_array(self.element(), write);
        self
    }
}

fn separate(out: &mut String, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_in_the_order_of_the_calls() {
        let written = document(|object| {
            object
                .text("z", "<b>")
                .text_if_any("none", "")
                .text_if_any("some", "x")
                .flag("yes", true)
                .flag("no", false)
                .flag_if_set("absent", false)
                .flag_if_set("present", true)
                .number("n", 10_038_562_u32)
                .number("m", -1_i64)
                .null("nothing")
                .raw("raw", "1.5")
                .texts("list", ["a", "b"])
                .texts("empty", Vec::<String>::new())
                .pairs("map", [("k", "v"), ("a", "&")])
                .object("o", |_| {})
                .array("a", |array| {
                    array
                        .text("t")
                        .number(7_u8)
                        .raw("null")
                        .object(|object| {
                            object.text("x", "y");
                        })
                        .array(|array| {
                            array.number(1_u8);
                        });
                });
        });
        let expect = concat!(
            r#"{"z":"\u003cb\u003e","some":"x","yes":true,"no":false,"present":true,"n":10038562,"m":-1,"#,
            r#""nothing":null,"raw":1.5,"list":["a","b"],"empty":[],"map":{"k":"v","a":"\u0026"},"#,
            r#""o":{},"a":["t",7,null,{"x":"y"},[1]]}"#,
            "\n"
        );
        assert_eq!(written, expect);
    }
}
