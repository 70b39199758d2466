//! The body of `POST /api/v2/alerts`. It is the busiest input of the node, so it goes straight from text to label sets.

use std::{borrow::Cow, sync::Arc};

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    BodyError, ValidationError,
    go_json::{GoJsonError, Pairs, Text, decode, mismatch, refuse},
    uri,
};
use crate::{
    alert::PostedAlert,
    labels::{LabelSet, go_quote},
    time::Timestamp,
};

type Scratch<'de> = Vec<(Cow<'de, str>, Cow<'de, str>)>;

/// Reads the alerts; the first one that breaks the contract is the error.
pub(crate) fn parse_alerts(body: &str) -> Result<Vec<PostedAlert>, BodyError> {
    let mut invalid = None;
    let alerts = decode(
        body,
        Alerts {
            invalid: &mut invalid,
        },
    )?;
    match invalid {
        Some(error) => Err(BodyError::Invalid(error)),
        None => Ok(alerts),
    }
}

struct Alerts<'s> {
    invalid: &'s mut Option<ValidationError>,
}

impl Alerts<'_> {
    fn wanted(&self) -> &'static str {
        "value of type models.PostableAlerts"
    }
}

impl<'de> DeserializeSeed<'de> for Alerts<'_> {
    type Value = Vec<PostedAlert>;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Alerts<'_> {
    type Value = Vec<PostedAlert>;

    refuse!(
        visit_bool(bool) = "bool",
        visit_str(&str) = "string",
        visit_i64(i64) = "number",
        visit_u64(u64) = "number",
        visit_f64(f64) = "number",
        visit_map = "object"
    );

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut alerts = Vec::new();
        let mut scratch = Vec::new();
        let mut index = 0_usize;
        while let Some(element) = seq.next_element_seed(Element {
            scratch: &mut scratch,
        })? {
            match element.check(index) {
                Ok(alert) => alerts.push(alert),
                Err(error) => {
                    self.invalid.get_or_insert(error);
                }
            }
            index += 1;
        }
        Ok(alerts)
    }
}

/// What an element of the list holds before it is checked.
#[derive(Default)]
struct Draft<'de> {
    null: bool,
    labels: Option<LabelSet>,
    annotations: LabelSet,
    generator_url: Cow<'de, str>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
}

impl Draft<'_> {
    /// go-openapi reports the first error, and looks at the URL before the labels.
    fn check(self, index: usize) -> Result<PostedAlert, ValidationError> {
        if self.null {
            return Err(ValidationError::required(index));
        }
        if !self.generator_url.is_empty() && !uri::is_request_uri(&self.generator_url) {
            return Err(ValidationError {
                code: 601,
                message: format!(
                    "{index}.generatorURL in body must be of type uri: {}",
                    go_quote(&self.generator_url)
                ),
            });
        }
        let Some(labels) = self.labels else {
            return Err(ValidationError::required(format_args!("{index}.labels")));
        };
        Ok(PostedAlert {
            labels,
            annotations: self.annotations,
            generator_url: Arc::from(&*self.generator_url),
            starts_at: self.starts_at.unwrap_or(Timestamp::ZERO),
            ends_at: self.ends_at.unwrap_or(Timestamp::ZERO),
        })
    }
}

struct Element<'s, 'de> {
    scratch: &'s mut Scratch<'de>,
}

impl Element<'_, '_> {
    fn wanted(&self) -> &'static str {
        "value of type models.PostableAlert"
    }
}

impl<'de> DeserializeSeed<'de> for Element<'_, 'de> {
    type Value = Draft<'de>;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_, 'de> {
    type Value = Draft<'de>;

    refuse!(
        visit_bool(bool) = "bool",
        visit_str(&str) = "string",
        visit_i64(i64) = "number",
        visit_u64(u64) = "number",
        visit_f64(f64) = "number",
        visit_seq = "array"
    );

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Draft {
            null: true,
            ..Draft::default()
        })
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut draft = Draft::default();
        while let Some(key) = map.next_key_seed(Text("map key"))? {
            match Member::of(key.as_deref().unwrap_or_default()) {
                Some(Member::Labels) => {
                    draft.labels =
                        self.label_set(&mut map, "struct field Alert.labels of type string")?;
                }
                Some(Member::Annotations) => {
                    draft.annotations = self
                        .label_set(&mut map, "struct field .annotations of type string")?
                        .unwrap_or_default();
                }
                Some(Member::GeneratorUrl) => {
                    draft.generator_url = map
                        .next_value_seed(Text("struct field Alert.generatorURL of type string"))?
                        .unwrap_or_default();
                }
                Some(Member::StartsAt) => {
                    draft.starts_at =
                        map.next_value_seed(Date("struct field .startsAt of type string"))?;
                }
                Some(Member::EndsAt) => {
                    draft.ends_at =
                        map.next_value_seed(Date("struct field .endsAt of type string"))?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(draft)
    }
}

impl<'de> Element<'_, 'de> {
    fn label_set<A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        field: &'static str,
    ) -> Result<Option<LabelSet>, A::Error> {
        self.scratch.clear();
        let given = map.next_value_seed(Pairs {
            field,
            out: self.scratch,
        })?;
        Ok(given.then(|| LabelSet::from_scratch(self.scratch)))
    }
}

enum Member {
    Labels,
    Annotations,
    GeneratorUrl,
    StartsAt,
    EndsAt,
}

impl Member {
    /// Go takes names of members in any case.
    fn of(name: &str) -> Option<Self> {
        match name {
            "labels" => Some(Self::Labels),
            "annotations" => Some(Self::Annotations),
            "generatorURL" => Some(Self::GeneratorUrl),
            "startsAt" => Some(Self::StartsAt),
            "endsAt" => Some(Self::EndsAt),
            name if name.eq_ignore_ascii_case("labels") => Some(Self::Labels),
            name if name.eq_ignore_ascii_case("annotations") => Some(Self::Annotations),
            name if name.eq_ignore_ascii_case("generatorURL") => Some(Self::GeneratorUrl),
            name if name.eq_ignore_ascii_case("startsAt") => Some(Self::StartsAt),
            name if name.eq_ignore_ascii_case("endsAt") => Some(Self::EndsAt),
            _ => None,
        }
    }
}

/// A date as go-openapi's `strfmt` reads it, or `null`.
struct Date(&'static str);

impl<'de> DeserializeSeed<'de> for Date {
    type Value = Option<Timestamp>;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        let Some(text) = json.deserialize_any(Text(self.0))? else {
            return Ok(None);
        };
        parse_date(&text).map(Some).map_err(de::Error::custom)
    }
}

/// Reads a date as go-openapi's `strfmt` does; an empty one is 1970.
pub(super) fn parse_date(text: &str) -> Result<Timestamp, GoJsonError> {
    if let Ok(at) = Timestamp::parse(text) {
        return Ok(at);
    }
    if text.len() == 10
        && let Ok(at) = Timestamp::parse(&format!("{text}T00:00:00Z"))
    {
        return Ok(at);
    }
    let quoted = go_quote(text);
    Err(GoJsonError(format!(
        "parsing time {quoted} as \"2006-01-02 15:04:05\": cannot parse {quoted} as \"2006\""
    )))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(body: &str, expect: &Expect) {
        let got = match parse_alerts(body) {
            Ok(alerts) => format!("{alerts:?}"),
            Err(BodyError::Invalid(ValidationError { code, message })) => {
                format!("{code} {message}")
            }
            Err(BodyError::Json(error)) => error.to_string(),
        };
        expect.assert_eq(&got);
    }

    #[test]
    fn what_0_25_takes() {
        for body in ["null", "[]", "[] x"] {
            assert_eq!(parse_alerts(body), Ok(Vec::new()), "{body}");
        }
        check(
            r#"[{"LABELS":{"b":"1","a":"é","b":"2","n":null},"startsAt":"","endsAt":null,"x":[{}],
                "generatorURL":"http://p/g"}]"#,
            &expect![[
                r#"[PostedAlert { labels: {a="é", b="2", n=""}, annotations: {}, generator_url: "http://p/g", starts_at: 1970-01-01T00:00:00Z, ends_at: 0001-01-01T00:00:00Z }]"#
            ]],
        );
        for url in ["", "/rel/x", "foo:bar"] {
            let body = format!(r#"[{{"labels":{{"a":"b"}},"generatorURL":"{url}"}}]"#);
            assert!(parse_alerts(&body).is_ok(), "{url}");
        }
    }

    #[test]
    fn what_0_25_refuses() {
        check("", &expect!["EOF"]);
        check(
            "{}",
            &expect!["json: cannot unmarshal object into Go value of type models.PostableAlerts"],
        );
        check(
            "\"x\"",
            &expect!["json: cannot unmarshal string into Go value of type models.PostableAlerts"],
        );
        check("[{\"labels\":{\"a\":\"b\"}", &expect!["unexpected EOF"]);
        check("[{}]", &expect!["602 0.labels in body is required"]);
        check(
            r#"[{"labels":{"a":"b"}},{"labels":null},{}]"#,
            &expect!["602 1.labels in body is required"],
        );
        check("[null]", &expect!["602 0 in body is required"]);
        check(
            r#"[{"generatorURL":"not a url"}]"#,
            &expect![[r#"601 0.generatorURL in body must be of type uri: "not a url""#]],
        );
        check(
            r#"[{"labels":{"a":1}}]"#,
            &expect![
                "json: cannot unmarshal number into Go struct field Alert.labels of type string"
            ],
        );
        check(
            r#"[{"labels":{"a":"b"},"generatorURL":true}]"#,
            &expect![
                "json: cannot unmarshal bool into Go struct field Alert.generatorURL of type string"
            ],
        );
        check(
            r#"[{"labels":{"a":"b"},"startsAt":12}]"#,
            &expect!["json: cannot unmarshal number into Go struct field .startsAt of type string"],
        );
        check(
            r#"[{"labels":{"a":"b"},"startsAt":"yesterday"}]"#,
            &expect![[
                r#"parsing time "yesterday" as "2006-01-02 15:04:05": cannot parse "yesterday" as "2006""#
            ]],
        );
        check(
            "[[]]",
            &expect!["json: cannot unmarshal array into Go value of type models.PostableAlert"],
        );
    }
}
