//! Query strings, and the filters that they hold.

use std::sync::Arc;

use super::error::ApiError;
use crate::{
    config::Receiver,
    labels::{LabelSet, MatchOp, Matcher, MatcherMode, parse_matcher},
    regex::Anchored,
};

/// A query string taken apart.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = url::form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Self { pairs }
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.pairs
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The value of a parameter; the last one counts, an empty one is none.
    pub(crate) fn last(&self, name: &str) -> Option<&str> {
        let (_, value) = self.pairs.iter().rfind(|(key, _)| key == name)?;
        (!value.is_empty()).then_some(value)
    }

    /// The value of a parameter; the first one counts, an empty one is none.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        let (_, value) = self.pairs.iter().find(|(key, _)| key == name)?;
        (!value.is_empty()).then_some(value)
    }

    /// Adds a parameter after all others.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.pairs.push((name.to_owned(), value.to_owned()));
    }

    /// A boolean, true if it is not given; what is not a known word for true is false (`swag.ConvertBool`).
    pub(crate) fn flag(&self, name: &str) -> bool {
        const TRUE: [&str; 10] = [
            "true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled",
        ];
        self.last(name)
            .is_none_or(|value| TRUE.iter().any(|word| value.eq_ignore_ascii_case(word)))
    }

    /// The matchers of `filter`.
    pub(crate) fn filter(&self, mode: MatcherMode) -> Result<Vec<Matcher>, ApiError> {
        self.matchers("filter", mode).map_err(ApiError::bad_request)
    }

    fn matchers(&self, name: &str, mode: MatcherMode) -> Result<Vec<Matcher>, String> {
        self.all(name)
            .map(|text| parse_matcher(text, mode).map_err(|error| error.to_string()))
            .collect()
    }
}

/// Which receivers a client wants to see: `receiver` and `receiver_matchers`.
#[derive(Debug, Default)]
pub(crate) struct ReceiverFilter {
    name: Option<Anchored>,
    matchers: Vec<Matcher>,
}

impl ReceiverFilter {
    pub(crate) fn parse(query: &Query, mode: MatcherMode) -> Result<Self, ApiError> {
        let name = match query.last("receiver") {
            None => None,
            Some(pattern) => Some(Anchored::new(pattern).map_err(|error| {
                ApiError::bad_request(format!("failed to parse receiver param: {error}"))
            })?),
        };
        Ok(Self {
            name,
            ..Self::matchers_only(query, mode)?
        })
    }

    /// Without `receiver`, which `GET /receivers` does not know.
    pub(crate) fn matchers_only(query: &Query, mode: MatcherMode) -> Result<Self, ApiError> {
        let matchers = query.matchers("receiver_matchers", mode).map_err(|error| {
            ApiError::bad_request(format!("failed to parse receiver_matchers param: {error}"))
        })?;
        Ok(Self {
            name: None,
            matchers,
        })
    }

    /// Whether it lets everything pass.
    pub(crate) fn is_open(&self) -> bool {
        self.name.is_none() && self.matchers.is_empty()
    }

    pub(crate) fn accepts_labels(&self, receiver: &Receiver) -> bool {
        let label = |name: &str| receiver.labels.get(name).map(|value| &**value);
        self.matchers
            .iter()
            .all(|matcher| accepts(matcher, label(matcher.name())))
    }

    /// Whether the receivers of an alert pass: one fits the name, and one, the same or another, fits the matchers.
    pub(crate) fn accepts_any(
        &self,
        receivers: &[Arc<str>],
        by_name: impl Fn(&str) -> Option<Arc<Receiver>>,
    ) -> bool {
        let name_fits =
            |name: &Arc<str>| self.name.as_ref().is_none_or(|regex| regex.is_match(name));
        let labels_fit =
            |name: &Arc<str>| by_name(name).is_some_and(|receiver| self.accepts_labels(&receiver));
        receivers.iter().any(name_fits)
            && (self.matchers.is_empty() || receivers.iter().any(labels_fit))
    }
}

/// Whether an alert passes `filter` (`api/v2/api.go` `matchFilterLabels`).
pub(crate) fn accepts_all(matchers: &[Matcher], labels: &LabelSet) -> bool {
    matchers
        .iter()
        .all(|matcher| accepts(matcher, labels.get(matcher.name())))
}

/// `x!=""` and `x!~""` pass where there is a label `x`, even an empty one; `x=""` and `x=~""` where there is none.
fn accepts(matcher: &Matcher, value: Option<&str>) -> bool {
    if matcher.value().is_empty() {
        let special = match matcher.op() {
            MatchOp::NotEqual | MatchOp::NotRegex => value.is_some(),
            MatchOp::Equal | MatchOp::Regex => value.is_none(),
        };
        if special {
            return true;
        }
    }
    matcher.matches_value(value.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_swags() {
        for (query, expect) in [
            ("", true),
            ("active=", true),
            ("active=true", true),
            ("active=TRUE", true),
            ("active=Enabled", true),
            ("active=1", true),
            ("active=0", false),
            ("active=maybe", false),
            ("active=false&active=y", true),
        ] {
            assert_eq!(Query::parse(query).flag("active"), expect, "{query}");
        }
    }

    #[test]
    fn filters_are_upstreams() {
        let labels = LabelSet::from_pairs([("a", "x"), ("e", "")]);
        for (filter, expect) in [
            ("a=x", true),
            ("a=y", false),
            ("a!=y", true),
            ("a!=\"\"", true),
            ("e!=\"\"", true),
            ("b!=\"\"", false),
            ("b=\"\"", true),
            ("e=\"\"", true),
            ("a=\"\"", false),
            ("b=~\"\"", true),
            ("a=~\"\"", false),
            ("e!~\"\"", true),
            ("b!~\"\"", false),
            ("a=~\"x|y\"", true),
            ("b=~\".+\"", false),
        ] {
            let query = Query {
                pairs: vec![("filter".to_owned(), filter.to_owned())],
            };
            let matchers = query.filter(MatcherMode::Fallback).unwrap();
            assert_eq!(accepts_all(&matchers, &labels), expect, "{filter}");
        }
    }
}
