//! The body of `POST /api/v2/silences`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    BodyError, ValidationError,
    alerts::parse_date,
    go_json::{self, GoJsonError},
};
use crate::time::Timestamp;

/// A silence as it is posted; not yet judged by the rules of silences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PostedSilence {
    /// Empty for a new one.
    pub(crate) id: String,
    pub(crate) matchers: Vec<PostedMatcher>,
    pub(crate) starts_at: Timestamp,
    pub(crate) ends_at: Timestamp,
    pub(crate) created_by: String,
    pub(crate) comment: String,
    pub(crate) annotations: BTreeMap<String, String>,
}

/// One matcher of a posted silence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PostedMatcher {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) is_regex: bool,
    pub(crate) is_equal: bool,
}

/// Reads a silence; of several errors the one of the first field in alphabetical order is reported, as go-openapi does.
pub(crate) fn parse_silence(body: &str) -> Result<PostedSilence, BodyError> {
    let value = go_json::decode(body, go_json::Tree)?;
    let silence = Members::of(&value, "value of type models.PostableSilence")?;
    let comment = silence.text("comment", "struct field Silence.comment of type string")?;
    let created_by = silence.text("createdBy", "struct field Silence.createdBy of type string")?;
    let ends_at = silence.date("endsAt", "struct field Silence.endsAt of type string")?;
    let starts_at = silence.date("startsAt", "struct field Silence.startsAt of type string")?;
    let id = silence.text("id", "struct field .id of type string")?;
    let annotations = silence.annotations()?;
    let matchers = silence.matchers()?;

    let comment = comment.ok_or_else(|| ValidationError::required("comment"))?;
    let created_by = created_by.ok_or_else(|| ValidationError::required("createdBy"))?;
    let ends_at = ends_at.ok_or_else(|| ValidationError::required("endsAt"))?;
    let matchers = required_matchers(matchers)?;
    let starts_at = starts_at.ok_or_else(|| ValidationError::required("startsAt"))?;
    Ok(PostedSilence {
        id: id.unwrap_or_default(),
        matchers,
        starts_at,
        ends_at,
        created_by,
        comment,
        annotations,
    })
}

/// A matcher whose members may be missing; `None` stands for `null`.
type MatcherDraft = Option<(Option<String>, Option<String>, Option<bool>, Option<bool>)>;

fn required_matchers(
    drafts: Option<Vec<MatcherDraft>>,
) -> Result<Vec<PostedMatcher>, ValidationError> {
    let drafts = drafts.ok_or_else(|| ValidationError::required("matchers"))?;
    if drafts.is_empty() {
        return Err(ValidationError {
            code: 612,
            message: "matchers in body should have at least 1 items".to_owned(),
        });
    }
    let matcher = |(index, draft): (usize, MatcherDraft)| {
        let missing =
            |field: &str| ValidationError::required(format_args!("matchers.{index}{field}"));
        let (name, value, is_regex, is_equal) = draft.ok_or_else(|| missing(""))?;
        let is_regex = is_regex.ok_or_else(|| missing(".isRegex"))?;
        Ok(PostedMatcher {
            name: name.ok_or_else(|| missing(".name"))?,
            value: value.ok_or_else(|| missing(".value"))?,
            is_regex,
            is_equal: is_equal.unwrap_or(true),
        })
    };
    drafts.into_iter().enumerate().map(matcher).collect()
}

/// The members of a JSON object by Go's rules: names in any case, `null` as if it were missing.
struct Members<'v>(Option<&'v Map<String, Value>>);

impl<'v> Members<'v> {
    fn of(value: &'v Value, wanted: &str) -> Result<Self, GoJsonError> {
        match value {
            Value::Null => Ok(Self(None)),
            Value::Object(members) => Ok(Self(Some(members))),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(mismatch(value, wanted))
            }
        }
    }

    fn get(&self, name: &str) -> Option<&'v Value> {
        let members = self.0?;
        let exact = members.get(name);
        let value = exact.or_else(|| {
            members
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        })?;
        (!value.is_null()).then_some(value)
    }

    fn text(&self, name: &str, wanted: &str) -> Result<Option<String>, GoJsonError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let text = value.as_str().ok_or_else(|| mismatch(value, wanted))?;
        Ok(Some(text.to_owned()))
    }

    fn flag(&self, name: &str, wanted: &str) -> Result<Option<bool>, GoJsonError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let flag = value.as_bool().ok_or_else(|| mismatch(value, wanted))?;
        Ok(Some(flag))
    }

    fn date(&self, name: &str, wanted: &str) -> Result<Option<Timestamp>, GoJsonError> {
        match self.text(name, wanted)? {
            None => Ok(None),
            Some(text) => parse_date(&text).map(Some),
        }
    }

    fn annotations(&self) -> Result<BTreeMap<String, String>, GoJsonError> {
        let wanted = "struct field Silence.annotations of type string";
        let Some(value) = self.get("annotations") else {
            return Ok(BTreeMap::new());
        };
        let pairs = Self::of(value, wanted)?.0.into_iter().flatten();
        pairs
            .map(|(name, value)| {
                let text = if value.is_null() {
                    Some("")
                } else {
                    value.as_str()
                };
                let text = text.ok_or_else(|| mismatch(value, wanted))?;
                Ok((name.clone(), text.to_owned()))
            })
            .collect()
    }

    fn matchers(&self) -> Result<Option<Vec<MatcherDraft>>, GoJsonError> {
        let Some(value) = self.get("matchers") else {
            return Ok(None);
        };
        let wanted = "struct field Silence.matchers of type models.Matchers";
        let elements = value.as_array().ok_or_else(|| mismatch(value, wanted))?;
        let draft = |element: &Value| {
            if element.is_null() {
                return Ok(None);
            }
            let members = Members::of(
                element,
                "struct field Silence.matchers of type models.Matcher",
            )?;
            Ok(Some((
                members.text("name", "struct field Matcher.matchers.name of type string")?,
                members.text(
                    "value",
                    "struct field Matcher.matchers.value of type string",
                )?,
                members.flag(
                    "isRegex",
                    "struct field Matcher.matchers.isRegex of type bool",
                )?,
                members.flag(
                    "isEqual",
                    "struct field Matcher.matchers.isEqual of type bool",
                )?,
            )))
        };
        elements
            .iter()
            .map(draft)
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

fn mismatch(got: &Value, wanted: &str) -> GoJsonError {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    GoJsonError(format!("json: cannot unmarshal {got} into Go {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = r#""startsAt":"2026-11-21T20:00:00Z","endsAt":"2030-01-01T00:00:00Z","createdBy":"","comment":"c""#;

    fn check(body: &str, expect: &str) {
        let got = match parse_silence(body) {
            Ok(silence) => panic!("{silence:?}"),
            Err(BodyError::Invalid(error)) => format!("{} {error}", error.code),
            Err(BodyError::Json(error)) => error.to_string(),
        };
        assert_eq!(got, expect, "{body}");
    }

    #[test]
    fn takes_what_0_25_takes() {
        let body = format!(
            r#"{{"matchers":[{{"name":"a","value":"","isRegex":false}},{{"NAME":"b","value":"x","isRegex":true,"isEqual":false}}],{REST},"annotations":{{"k":"v"}},"extra":[]}} tail"#
        );
        let silence = parse_silence(&body).unwrap();
        assert_eq!(silence.matchers.len(), 2);
        assert!(silence.matchers[0].is_equal && !silence.matchers[1].is_equal);
        assert_eq!(silence.annotations["k"], "v");
        assert_eq!((silence.id.as_str(), silence.created_by.as_str()), ("", ""));
    }

    #[test]
    fn refuses_what_0_25_refuses_in_its_words() {
        check("{}", "602 comment in body is required");
        check("null", "602 comment in body is required");
        check(
            "[]",
            "json: cannot unmarshal array into Go value of type models.PostableSilence",
        );
        for (matchers, expect) in [
            ("[]", "612 matchers in body should have at least 1 items"),
            ("null", "602 matchers in body is required"),
            ("[null]", "602 matchers.0 in body is required"),
            ("[{}]", "602 matchers.0.isRegex in body is required"),
            (
                r#"[{"isRegex":true}]"#,
                "602 matchers.0.name in body is required",
            ),
            (
                r#"[{"name":"a","value":"b","isRegex":"no"}]"#,
                "json: cannot unmarshal string into Go struct field Matcher.matchers.isRegex of type bool",
            ),
        ] {
            check(&format!(r#"{{"matchers":{matchers},{REST}}}"#), expect);
        }
        check(r#"{"comment":"c"}"#, "602 createdBy in body is required");
        check(
            r#"{"comment":"c","createdBy":"me","startsAt":"x"}"#,
            "parsing time \"x\" as \"2006-01-02 15:04:05\": cannot parse \"x\" as \"2006\"",
        );
        check(&"[".repeat(100_000), "exceeded max depth");
    }
}
