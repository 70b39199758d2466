//! Expands a template for one sample.

use std::{cell::RefCell, fmt, sync::Arc};

use super::{
    super::{
        data::QuerySample,
        error::TemplateError,
        library::{Library, Mode, Template},
        scope::{Host, Limits, Scope},
        value::Value,
    },
    object::Dot,
};
use crate::{labels::LabelSet, time::Timestamp};

/// What Prometheus puts before each template, columns in errors included.
const PRELUDE: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
                       {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// Bounds of one expansion: labels and annotations are short.
const LIMITS: Limits = Limits {
    output: 1 << 20,
    steps: 2_000_000,
    depth: 10_000,
};

/// What a template of a rule can see.
#[derive(Clone, Debug)]
pub struct RuleData {
    /// The labels of the sample, its name among them: `$labels`.
    pub labels: LabelSet,
    /// The labels of the ruler: `$externalLabels`.
    pub external_labels: LabelSet,
    /// Where people reach the ruler: `$externalURL`.
    pub external_url: Arc<str>,
    /// The value of the sample: `$value`.
    pub value: Value,
    /// The time of the evaluation.
    pub now: Timestamp,
}

/// What is known of a query that a template asks for.
#[derive(Clone, Debug)]
pub enum QueryReply {
    /// Its result.
    Samples(Arc<[Arc<QuerySample>]>),
    /// It failed; why.
    Failed(String),
    /// Nothing yet.
    Unknown,
}

/// What became of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expanded {
    /// The text.
    Text(String),
    /// It failed; the text to show in its place, `<error expanding template: …>`.
    Failed(String),
    /// It needs the result of this query; it is to be expanded again when that is known.
    Needs(String),
}

/// The text of a label or an annotation, compiled. Clones are cheap.
#[derive(Clone, Debug)]
pub struct RuleTemplate {
    /// What errors call it.
    name: Arc<str>,
    text: Compiled,
}

#[derive(Clone, Debug)]
enum Compiled {
    /// A text without templates in it.
    Plain(Arc<str>),
    Template(Template),
    /// No template; why.
    Broken(Arc<str>),
}

impl RuleTemplate {
    /// Compiles a text of the alert of that name.
    ///
    /// # Errors
    /// When it is no template.
    pub fn new(alert: &str, text: &str) -> Result<Self, TemplateError> {
        let name: Arc<str> = format!("__alert_{alert}").into();
        let text = if text.contains("{{") {
            let source = format!("{PRELUDE}{text}");
            let template = Library::rules().compile(&name, &source, Mode::Text)?;
            Compiled::Template(template)
        } else {
            Compiled::Plain(text.into())
        };
        Ok(Self { name, text })
    }

    /// The same of a text that may be no template: each expansion fails then.
    #[must_use]
    pub fn lenient(alert: &str, text: &str) -> Self {
        Self::new(alert, text).unwrap_or_else(|error| Self {
            name: format!("__alert_{alert}").into(),
            text: Compiled::Broken(error.to_string().into()),
        })
    }

    /// What fails whenever it is expanded and gets there: fields that are not there, wrong arguments. Each with its line
    /// and its column in the text, both from 1.
    #[must_use]
    pub fn check(&self) -> Vec<(usize, usize, TemplateError)> {
        let Compiled::Template(template) = &self.text else {
            return Vec::new();
        };
        let place = |error: TemplateError| {
            let prelude = if error.line == 1 { PRELUDE.len() } else { 0 };
            let column = error.column.unwrap_or(prelude).saturating_sub(prelude) + 1;
            (error.line, column, error)
        };
        template.check_rule().into_iter().map(place).collect()
    }

    /// Expands it. `query` is asked for the results of queries in it, each time they occur.
    pub fn expand(&self, data: &RuleData, query: &mut dyn FnMut(&str) -> QueryReply) -> Expanded {
        let template = match &self.text {
            Compiled::Plain(text) => return Expanded::Text(text.to_string()),
            Compiled::Template(template) => template,
            Compiled::Broken(error) => {
                let name = &self.name;
                return failed(&format!("error parsing template {name}: {error}"));
            }
        };
        let host = RuleHost {
            external_url: Arc::clone(&data.external_url),
            asked: RefCell::new(Asked {
                query,
                missing: None,
            }),
        };
        let scope = Scope {
            limits: LIMITS,
            host: Some(&host),
            ..Scope::new(Value::Object(Arc::new(Dot(data.clone()))), data.now)
        };
        let rendered = template.render(&scope);
        let missing = host.asked.into_inner().missing;
        match (missing, rendered) {
            (Some(query), _) => Expanded::Needs(query),
            (None, Ok(text)) => Expanded::Text(text),
            (None, Err(error)) => {
                let name = &self.name;
                failed(&format!("error executing template {name}: {error}"))
            }
        }
    }
}

/// Compiles and expands a text at once.
pub fn expand_rule(
    alert: &str,
    text: &str,
    data: &RuleData,
    query: &mut dyn FnMut(&str) -> QueryReply,
) -> Expanded {
    RuleTemplate::lenient(alert, text).expand(data, query)
}

fn failed(error: &str) -> Expanded {
    Expanded::Failed(format!("<error expanding template: {error}>"))
}

/// Answers the functions that reach outside.
struct RuleHost<'q> {
    external_url: Arc<str>,
    asked: RefCell<Asked<'q>>,
}

struct Asked<'q> {
    query: &'q mut dyn FnMut(&str) -> QueryReply,
    /// The query whose result is not known.
    missing: Option<String>,
}

impl fmt::Debug for RuleHost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleHost")
            .field("external_url", &self.external_url)
            .finish_non_exhaustive()
    }
}

impl Host for RuleHost<'_> {
    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        match (name, args) {
            ("externalURL", _) => Ok(Value::Str(Arc::clone(&self.external_url))),
            ("pathPrefix", _) => Ok(path(&self.external_url).into()),
            ("query", [Value::Str(query)]) => self.query(query),
            _ => Err(format!("{name} is not available here")),
        }
    }
}

impl RuleHost<'_> {
    fn query(&self, text: &str) -> Result<Value, String> {
        let asked = &mut *self.asked.borrow_mut();
        match (asked.query)(text) {
            QueryReply::Samples(samples) => Ok(Value::Samples(samples)),
            QueryReply::Failed(why) => Err(why),
            QueryReply::Unknown => {
                asked.missing = Some(text.to_owned());
                Err("its result is not known yet".to_owned())
            }
        }
    }
}

/// The path of a URL.
fn path(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    let end = after.find(['?', '#']).unwrap_or(after.len());
    let after = after.get(..end).unwrap_or_default();
    after
        .find('/')
        .and_then(|start| after.get(start..))
        .unwrap_or_default()
}
