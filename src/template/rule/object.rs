//! What templates of rules see.

use std::sync::Arc;

use super::{
    super::value::{Object, Value},
    RuleData,
};

/// The Go type of the dot.
pub(crate) const RULE_DOT: &str = "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }";

/// The dot of a template of a rule.
#[derive(Debug)]
pub(super) struct Dot(pub(super) RuleData);

impl Object for Dot {
    fn go_type(&self) -> &str {
        RULE_DOT
    }

    fn fields(&self) -> Vec<(&str, Value)> {
        let data = &self.0;
        vec![
            ("Labels", Value::StringMap(data.labels.clone())),
            (
                "ExternalLabels",
                Value::StringMap(data.external_labels.clone()),
            ),
            ("ExternalURL", Value::Str(Arc::clone(&data.external_url))),
            ("Value", data.value.clone()),
        ]
    }
}

#[derive(Debug)]
struct Histogram(String);

impl Object for Histogram {
    fn go_type(&self) -> &str {
        "*histogram.FloatHistogram"
    }

    /// Its method `String`; a histogram is never taken apart in a template.
    fn fields(&self) -> Vec<(&str, Value)> {
        vec![("String", Value::from(&*self.0))]
    }

    fn text(&self) -> Option<&str> {
        Some(&self.0)
    }
}

/// A native histogram as a value of a sample; `text` is how it prints.
#[must_use]
pub fn native_histogram(text: String) -> Value {
    Value::Object(Arc::new(Histogram(text)))
}
