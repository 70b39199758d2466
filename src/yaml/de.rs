//! The serde deserializer: walks the tree, notes every mistake and goes on with an empty value in its place.
//!
//! A mistake that serde itself finds (a `Deserialize` implementation that refuses a value) cannot be stepped over: it
//! is reported with its position and ends the list or file it stands in. Structs for files therefore hold strings,
//! numbers, booleans, lists, maps and [`super::Spanned`], and leave the meaning of strings to a later step.

use std::borrow::Cow;

use serde::{
    de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use super::{
    Error,
    access::{Fields, SpannedFields},
    go_type::go_type_name,
    node::{Document, Kind},
    spanned, value,
    walk::{De, Failure, Walk},
};

/// Reads the first document of a file and returns what it holds with all that is wrong with it, in the order of the
/// file. With errors the value is a best guess: what could not be read is empty.
#[must_use]
pub fn from_str<T: DeserializeOwned + Default>(text: &str) -> (T, Vec<Error>) {
    from_slice(text.as_bytes())
}

/// Like [`from_str`], for bytes that may not be UTF-8; UTF-16 is read if it begins with a byte order mark.
#[must_use]
pub fn from_slice<T: DeserializeOwned + Default>(bytes: &[u8]) -> (T, Vec<Error>) {
    let document = match Document::parse(bytes) {
        Ok(document) => document,
        Err(error) => return (T::default(), vec![error]),
    };
    let Some(root) = document.root else {
        return (T::default(), Vec::new());
    };
    let walk = Walk::new(document);
    let result = T::deserialize(De {
        walk: &walk,
        id: root,
        depth: 0,
        aliased: false,
    });
    let value = result.unwrap_or_else(|failure| {
        walk.note_failure(failure, root);
        T::default()
    });
    let mut errors = walk.errors.into_inner();
    errors.sort_by_key(|error| (error.line, error.column));
    (value, errors)
}

macro_rules! integers {
    ($($method:ident $visit:ident $type:ty => $go:literal,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let number = self.integer($go, <$type>::MIN.into(), <$type>::MAX.into())?;
            visitor.$visit(<$type>::try_from(number).unwrap_or_default())
        })*
    };
}

impl<'de> Deserializer<'de> for De<'de> {
    type Error = Failure;

    integers! {
        deserialize_i8 visit_i8 i8 => "int8",
        deserialize_i16 visit_i16 i16 => "int16",
        deserialize_i32 visit_i32 i32 => "int",
        deserialize_i64 visit_i64 i64 => "int64",
        deserialize_u8 visit_u8 u8 => "uint8",
        deserialize_u16 visit_u16 u16 => "uint16",
        deserialize_u32 visit_u32 u32 => "uint",
        deserialize_u64 visit_u64 u64 => "uint64",
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.visit_any(false, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_bool(self.bool()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.text()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == value::NAME {
            self.visit_any(true, visitor)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let de = self.entered_container()?;
        if !matches!(de.node().kind, Kind::Sequence(_)) && !de.is_null() {
            de.mismatch(&go_type_name::<V::Value>());
        }
        de.visit_items(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let de = self.entered_container()?;
        if !matches!(de.node().kind, Kind::Mapping(_)) && !de.is_null() {
            de.mismatch(&go_type_name::<V::Value>());
        }
        de.visit_map_entries(false, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        if name == spanned::NAME {
            return visitor.visit_map(SpannedFields { de: self, next: 0 });
        }
        let de = self.entered_container()?;
        let mut values = vec![None; fields.len()];
        if matches!(de.node().kind, Kind::Mapping(_)) {
            de.find_fields(name, fields, &mut values)?;
        } else if !de.is_null() {
            de.mismatch(name);
        }
        visitor.visit_map(Fields {
            fields: fields.iter().zip(values),
            value: None,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let text = self.text()?;
        let variant = variants.iter().copied().find(|v| *v == text);
        let Some(variant) = variant.or_else(|| {
            self.followed().mismatch(name);
            variants.first().copied()
        }) else {
            return Err(self.fatal(format!("no value fits {name}")));
        };
        let variant: StrDeserializer<'_, Failure> = variant.into_deserializer();
        visitor.visit_enum(variant)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::yaml::{Errors, Spanned, Value};

    #[derive(Debug, Default, PartialEq, Deserialize, serde::Serialize)]
    #[serde(default, rename = "main.T")]
    struct T {
        b: Option<bool>,
        i: Option<i64>,
        f: Option<f64>,
        s: Option<String>,
        l: Option<Vec<String>>,
        m: Option<BTreeMap<String, String>>,
        sub: Option<Sub>,
        subs: Option<Vec<Sub>>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize, serde::Serialize)]
    #[serde(default, rename = "main.Sub")]
    struct Sub {
        x: String,
        y: i64,
    }

    /// Cuts `line 3: ` out of the first line: for syntax errors `yaml.v2` often names the line before.
    fn without_line(message: &str) -> String {
        match message.split_once("yaml: line ") {
            Some((_, rest)) => {
                let rest = rest.split_once(": ").map_or(rest, |(_, rest)| rest);
                format!("yaml: {rest}")
            }
            None => message.to_owned(),
        }
    }

    #[test]
    fn agrees_with_yaml_v2() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/go/yaml.json");
        let Ok(text) = std::fs::read_to_string(path) else {
            eprintln!("skipped: ../shared/data is not here");
            return;
        };
        let data: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut wrong = Vec::new();
        for case in data["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let (value, errors): (T, _) = from_str(case["yaml"].as_str().unwrap());
            let message = case["error"].as_str();
            if !errors.is_empty() {
                let got = Errors(errors).to_string();
                if message.map(without_line) != Some(without_line(&got)) {
                    wrong.push(format!("{name}: {got:?}, expected {message:?}"));
                }
                continue;
            }
            let mut expect = case["value"].clone();
            if let Some(f) = expect["f"].as_f64() {
                expect["f"] = f.into();
            }
            let got = serde_json::to_value(&value).unwrap();
            // Infinity and NaN have no place in JSON.
            if message.is_some() || (got != expect && !case["value"].is_null()) {
                wrong.push(format!("{name}: {got}, expected {case}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename = "config.plain")]
    struct Config {
        route: Option<Route>,
        receivers: Vec<Option<Receiver>>,
        limits: BTreeMap<Spanned<String>, Spanned<i64>>,
        level: Level,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, rename = "config.plain")]
    struct Route {
        receiver: Spanned<String>,
        group_wait: Option<Spanned<String>>,
        matchers: Vec<Spanned<String>>,
        routes: Vec<Self>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default, rename = "config.Receiver")]
    struct Receiver {
        name: String,
        send_resolved: bool,
        payload: Value,
        max: u32,
    }

    impl Default for Receiver {
        fn default() -> Self {
            Self {
                name: "unnamed".into(),
                send_resolved: true,
                payload: Value::Null,
                max: 7,
            }
        }
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Level {
        #[default]
        Info,
        Debug,
    }

    fn errors_of(text: &str) -> Vec<String> {
        let (_, errors) = from_str::<Config>(text);
        errors
            .iter()
            .map(|e| format!("{}:{}: {}", e.line, e.column, e.message))
            .collect()
    }

    #[test]
    fn every_mistake_of_a_file_is_reported_at_its_place() {
        let text = "\
route:
  receiver: a
  group_weight: 30s
  matchers: team=\"x\"
  routes:
    - receiver: [b]
      receiver: c
      groupby: 1
receivers:
  - name: b
    max: -1
    send_resolved: 'yes'
  - null
  - name: &n c
    max: 99999999999
  - abcdefghijklm
limits:
  a: x
  b: 1
  a: 2
level: loud
level: info
mesages: []
";
        assert_eq!(
            errors_of(text),
            [
                "3:3: field group_weight not found in type config.plain",
                "4:13: cannot unmarshal !!str `team=\"x\"` into []string",
                "6:17: cannot unmarshal !!seq into string",
                "7:7: field receiver already set in type config.plain",
                "8:7: field groupby not found in type config.plain",
                "11:10: cannot unmarshal !!int `-1` into uint",
                "12:20: cannot unmarshal !!str `yes` into bool",
                "15:10: cannot unmarshal !!int `9999999...` into uint",
                "16:5: cannot unmarshal !!str `abcdefg...` into config.Receiver",
                "18:6: cannot unmarshal !!str `x` into int64",
                "20:3: key \"a\" already set in map",
                "21:8: cannot unmarshal !!str `loud` into Level",
                "22:1: field level already set in type config.plain",
                "23:1: field mesages not found in type config.plain",
            ]
        );
        let (config, errors) = from_str::<Config>(text);
        assert!(errors.iter().all(|error| !error.fatal));
        assert_eq!(config.receivers.len(), 4);
        assert_eq!(config.receivers[1], None);
        assert_eq!(config.receivers[2].as_ref().unwrap().name, "c");
        let printed = Errors(errors[..2].to_vec()).to_string();
        assert_eq!(
            printed,
            "yaml: unmarshal errors:\n  line 3: field group_weight not found in type config.plain\n  \
             line 4: cannot unmarshal !!str `team=\"x\"` into []string"
        );
    }

    #[test]
    fn positions_are_kept() {
        let (config, errors) = from_str::<Config>(
            "route:\n  group_wait: ~\n  receiver:\n    'ops'\n  matchers: [a, é, b]\nlimits: {x: 1}\n",
        );
        assert_eq!(errors, []);
        let route = config.route.unwrap();
        assert_eq!(route.group_wait, None);
        assert_eq!((route.receiver.line, route.receiver.column), (4, 5));
        let last = &route.matchers[2];
        assert_eq!((last.value.as_str(), last.line, last.column), ("b", 5, 20));
        let (name, limit) = config.limits.iter().next().unwrap();
        assert_eq!((name.line, name.column), (6, 10));
        assert_eq!((limit.value, limit.column), (1, 13));
    }

    #[test]
    fn null_is_the_zero_value_and_absence_the_default() {
        let (config, errors) = from_str::<Config>(
            "receivers:\n- {}\n- {name: ~, send_resolved: null, max: }\n-\nlimits:\nroute:\n",
        );
        assert_eq!(errors, []);
        assert_eq!(config.receivers[0], Some(Receiver::default()));
        let nulled = config.receivers[1].as_ref().unwrap();
        assert_eq!(
            (nulled.name.as_str(), nulled.send_resolved, nulled.max),
            ("", false, 0)
        );
        assert_eq!(config.receivers[2], None);
    }

    #[test]
    fn values_of_any_shape() {
        let (config, errors) = from_str::<Config>(
            "receivers:\n- payload:\n    b: [1, 1.5, yes, ~, 'yes', 2024-01-01, 18446744073709551615]\n    \
             a: {{{ 'x': y }: z}}\n",
        );
        assert_eq!(errors.len(), 1, "{errors:?}");
        let payload = &config.receivers[0].as_ref().unwrap().payload;
        let Value::Mapping(entries) = payload else {
            panic!("{payload:?}")
        };
        assert_eq!(entries[0].0.as_str(), Some("b"));
        let plain = |text: &str| Value::String {
            text: text.into(),
            plain: true,
        };
        assert_eq!(
            entries[0].1,
            Value::Sequence(vec![
                Value::Int(1),
                Value::Float(1.5),
                Value::Bool(true),
                Value::Null,
                Value::from("yes"),
                plain("2024-01-01"),
                Value::Uint(u64::MAX),
            ])
        );
        let (_, errors) = from_str::<Value>("{1: a, '1': b, 01: c, 1: d}");
        assert_eq!(errors.len(), 1);
        let (value, errors) = from_str::<Value>("a: 1\nb: [x]\n");
        assert_eq!(errors, []);
        assert_eq!(
            serde_json::to_string(&value).unwrap(),
            r#"{"a":1,"b":["x"]}"#
        );
    }

    #[test]
    fn merge_keys() {
        let (list, errors) = from_str::<Vec<Sub>>(
            "- &a {x: a, y: 1}\n- &b {x: b}\n- <<: *a\n  x: own\n- x: own\n  <<: [*b, *a]\n- '<<': 1\n- <<: 3\n",
        );
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert_eq!(errors[0].message, "field << not found in type main.Sub");
        assert_eq!(
            errors[1].message,
            "map merge requires map or sequence of maps as the value"
        );
        assert_eq!(list, [], "a fatal error leaves nothing");
        let (list, errors) = from_str::<Vec<Sub>>(
            "- &a {x: a, y: 1}\n- &b {x: b}\n- <<: *a\n  x: own\n- x: own\n  <<: [*b, *a]\n",
        );
        assert_eq!(errors, []);
        assert_eq!((list[2].x.as_str(), list[2].y), ("own", 1));
        assert_eq!((list[3].x.as_str(), list[3].y), ("b", 1));
    }

    #[test]
    fn hostile_files_are_errors() {
        let first_error = |text: &str| {
            let (_, errors) = from_str::<Value>(text);
            errors.first().map(|error| error.message.clone())
        };
        let too_deep = Some("exceeded max depth of 128".to_owned());
        assert_eq!(first_error(&"[".repeat(100_000)), too_deep);
        assert_eq!(first_error(&"{a: ".repeat(100_000)), too_deep);
        assert_eq!(first_error(&"- ".repeat(100_000)), too_deep);
        assert_eq!(first_error(&"? ".repeat(100_000)), too_deep);
        let nested = "[".repeat(128) + &"]".repeat(128);
        assert_eq!(first_error(&nested), None);

        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..10 {
            let before = n - 1;
            let items = vec![format!("*a{before}"); 10].join(",");
            bomb += &format!("a{n}: &a{n} [{items}]\n");
        }
        assert_eq!(
            first_error(&bomb),
            Some("document contains excessive aliasing".to_owned())
        );
        let mut tower = "a0: &a0 [x]\n".to_owned();
        for n in 1..200 {
            tower += &format!("a{n}: &a{n} [*a{}]\n", n - 1);
        }
        assert_eq!(first_error(&tower), too_deep);
        assert_eq!(
            first_error("&a [*a]"),
            Some("anchor 'a' value contains itself".to_owned())
        );
        assert_eq!(
            first_error("a: &a {<<: *a}"),
            Some("anchor 'a' value contains itself".to_owned())
        );
        let large = " ".repeat(17 << 20);
        assert!(first_error(&large).unwrap().contains("are not read"));
    }

    #[test]
    fn a_deep_route_tree_fits_the_stack_of_a_worker() {
        let mut text = "route:\n".to_owned();
        for level in 0..63 {
            let indent = "  ".repeat(level + 1);
            text += &format!("{indent}receiver: a\n{indent}routes:\n{indent}-\n");
        }
        std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(move || assert_eq!(from_str::<Config>(&text).1, []))
            .unwrap()
            .join()
            .unwrap();
    }

    #[test]
    fn odd_encodings() {
        for text in [
            "\u{feff}s: a\n",
            "s: a\r\nb: yes\r\n",
            "s: a",
            "s: a\n---\n}}",
        ] {
            let (value, errors) = from_str::<T>(text);
            assert_eq!(errors, [], "{text:?}");
            assert_eq!(value.s.as_deref(), Some("a"), "{text:?}");
        }
        let (_, errors) = from_slice::<T>(b"i: 1\ns: a\xff");
        assert_eq!(
            (errors[0].line, errors[0].column, errors[0].fatal),
            (2, 5, true)
        );
        let (_, errors) = from_str::<T>("i: 1\ns:\tb\n\tb: 1\n");
        assert_eq!((errors.len(), errors[0].line), (1, 3), "{errors:?}");
        assert_eq!(from_str::<T>(""), (T::default(), vec![]));
    }

    #[test]
    fn block_scalars_at_the_end_of_the_file() {
        for (text, expect) in [
            ("s: |\n  a", "a"),
            ("s: |\n  a\n", "a\n"),
            ("s: |\n  a\n  ", "a\n"),
            ("s: |+\n  a\n\n", "a\n\n"),
            ("s: |+\n  a", "a"),
            ("s: |-\n  a", "a"),
            ("s: >\n  a\n  b", "a b"),
            ("s: >\n  a\n  b\n#", "a b\n"),
            ("s: |", ""),
            ("s: >\n ", ""),
        ] {
            let (value, errors) = from_str::<T>(text);
            assert_eq!(errors, [], "{text:?}");
            assert_eq!(value.s.as_deref(), Some(expect), "{text:?}");
        }
        let (_, errors) = from_str::<Value>("a:\n  - [x, !tag, b]\n");
        assert_eq!((errors[0].line, errors[0].fatal), (2, true));
    }

    proptest::proptest! {
        /// Other programs read what is written with `serde_yaml`, and so does this one.
        #[test]
        fn what_serde_yaml_writes_is_read(
            texts in proptest::collection::vec("(yes|no|null|~|<<|1e3|0x1|2024-01-01|[-a-z:#{}\\[\\]&*!|>'\"%@`?, \t\n\\\\é\u{85}\u{2028}\u{feff}\u{0}]{0,8}){0,2}", 1..4),
        ) {
            let written = serde_yaml::to_string(&BTreeMap::from([("l", &texts)])).unwrap();
            let (read, errors) = from_str::<T>(&written);
            proptest::prop_assert_eq!(errors, vec![], "{}", written);
            proptest::prop_assert_eq!(read.l.as_ref(), Some(&texts), "{}", written);
        }

        #[test]
        fn no_text_panics(text in "[-\\[\\]{},:&*!|>'\"%@`?# \t\n\r<~ab01\u{0}\u{85}\u{feff}é]{0,60}") {
            let _ = from_str::<T>(&text);
            let _ = from_str::<Value>(&text);
            let _ = from_str::<Config>(&text);
        }
    }
}
