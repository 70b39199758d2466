//! Reads JSON the way Go's `encoding/json` does, and complains in its words: names of members in any case, `null` for
//! nothing, text after the first value ignored, bytes that are not UTF-8 replaced.

use std::borrow::Cow;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Why a body is not what it should be, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct GoJsonError(pub(crate) String);

/// Reads one value with `seed` from the beginning of `body`.
pub(crate) fn decode<'de, S: DeserializeSeed<'de>>(
    body: &'de str,
    seed: S,
) -> Result<S::Value, GoJsonError> {
    let mut json = serde_json::Deserializer::from_str(body);
    seed.deserialize(&mut json)
        .map_err(|error| go_error(body, &error))
}

/// The body as text; Go reads bytes that are not UTF-8 as U+FFFD.
pub(crate) fn text(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body)
}

fn go_error(body: &str, error: &serde_json::Error) -> GoJsonError {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => {
            // Go checks the syntax of the whole value before it looks at types.
            let mut json = serde_json::Deserializer::from_str(body);
            if let Err(earlier) = de::Deserialize::deserialize(&mut json).map(|IgnoredAny| ())
                && earlier.classify() != Category::Data
            {
                return go_error(body, &earlier);
            }
            GoJsonError(without_position(error))
        }
        Category::Eof if body.trim_ascii().is_empty() => GoJsonError("EOF".to_owned()),
        Category::Eof => GoJsonError("unexpected EOF".to_owned()),
        Category::Syntax => GoJsonError(syntax(body, error)),
        Category::Io => GoJsonError(error.to_string()),
    }
}

fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).unwrap_or(&text).to_owned()
}

/// Go names the character and what it looked for.
fn syntax(body: &str, error: &serde_json::Error) -> String {
    let message = without_position(error);
    let state = match message.as_str() {
        "expected value" => "looking for beginning of value",
        "expected `,` or `]`" => "after array element",
        "expected `,` or `}`" => "after object key:value pair",
        "expected `:`" => "after object key",
        "key must be a string" => "looking for beginning of object key string",
        "trailing comma" => "looking for beginning of value",
        "control character (\\u0000-\\u001F) found while parsing a string" => "in string literal",
        "invalid escape" => "in string escape code",
        "invalid number" => "in numeric literal",
        "expected ident" => "in literal",
        "recursion limit exceeded" => return "exceeded max depth".to_owned(),
        _ => return error.to_string(),
    };
    let line = body.split('\n').nth(error.line().saturating_sub(1));
    let at = error.column().saturating_sub(1);
    match line.and_then(|line| line.get(at..)?.chars().next()) {
        Some(c) => format!("invalid character {} {state}", go_char(c)),
        None => error.to_string(),
    }
}

fn go_char(c: char) -> String {
    match c {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        c => format!("'{}'", c.escape_debug().to_string().replace("\\\"", "\"")),
    }
}

/// The error for a value of the wrong type, as Go words it.
pub(crate) fn mismatch<E: de::Error>(got: &str, wanted: &str) -> E {
    E::custom(format_args!(
        "json: cannot unmarshal {got} into Go {wanted}"
    ))
}

/// Takes no value but what the listed method takes, and says the rest in Go's words.
macro_rules! refuse {
    ($($method:ident $(($ty:ty))? = $name:literal),* $(,)?) => {
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.wanted())
        }
        $(refuse!(@ $method $(($ty))? = $name);)*
    };
    (@ visit_seq = $name:literal) => {
        fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(mismatch($name, self.wanted()))
        }
    };
    (@ visit_map = $name:literal) => {
        fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(mismatch($name, self.wanted()))
        }
    };
    (@ $method:ident($ty:ty) = $name:literal) => {
        fn $method<E: de::Error>(self, _: $ty) -> Result<Self::Value, E> {
            Err(mismatch($name, self.wanted()))
        }
    };
}
pub(crate) use refuse;

/// A string or `null`; the field is what Go calls the place.
pub(crate) struct Text(pub(crate) &'static str);

impl Text {
    fn wanted(&self) -> &'static str {
        self.0
    }
}

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    refuse!(
        visit_bool(bool) = "bool",
        visit_i64(i64) = "number",
        visit_u64(u64) = "number",
        visit_f64(f64) = "number",
        visit_seq = "array",
        visit_map = "object"
    );

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Any value as a tree, for small bodies.
pub(crate) struct Tree;

impl<'de> DeserializeSeed<'de> for Tree {
    type Value = serde_json::Value;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        de::Deserialize::deserialize(json)
    }
}

/// An object of strings, or `null`; the pairs go to a list that the caller owns, so that it can be used again.
pub(crate) struct Pairs<'s, 'de> {
    pub(crate) field: &'static str,
    pub(crate) out: &'s mut Vec<(Cow<'de, str>, Cow<'de, str>)>,
}

impl Pairs<'_, '_> {
    fn wanted(&self) -> &'static str {
        self.field
    }
}

impl<'de> DeserializeSeed<'de> for Pairs<'_, 'de> {
    /// Whether there was an object.
    type Value = bool;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pairs<'_, 'de> {
    type Value = bool;

    refuse!(
        visit_bool(bool) = "bool",
        visit_str(&str) = "string",
        visit_i64(i64) = "number",
        visit_u64(u64) = "number",
        visit_f64(f64) = "number",
        visit_seq = "array"
    );

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        self.out.clear();
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // A member that is given twice adds to the map in Go; so it does here.
        while let Some(name) = map.next_key_seed(Text("map key"))? {
            let value = map.next_value_seed(Text(self.field))?.unwrap_or_default();
            self.out.push((name.unwrap_or_default(), value));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_gos() {
        for (body, expect) in [
            ("", "EOF"),
            ("  ", "EOF"),
            ("\"x", "unexpected EOF"),
            (
                "garbage",
                "invalid character 'g' looking for beginning of value",
            ),
            (
                "12",
                "json: cannot unmarshal number into Go value of type string",
            ),
            (
                "[1,2]",
                "json: cannot unmarshal array into Go value of type string",
            ),
            ("[1,2", "unexpected EOF"),
            ("[1;2]", "invalid character ';' after array element"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            (
                "{a:1}",
                "invalid character 'a' looking for beginning of object key string",
            ),
        ] {
            let got = decode(body, Text("value of type string"));
            assert_eq!(got, Err(GoJsonError(expect.to_owned())), "{body}");
        }
        assert_eq!(
            decode("\"x\" and more", Text("string")),
            Ok(Some("x".into()))
        );
        assert_eq!(decode("null", Text("string")), Ok(None));
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let body = "[".repeat(100_000);
        assert!(decode(&body, Text("string")).is_err());
        let body = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(decode(&body, Text("string")).is_err());
    }
}
