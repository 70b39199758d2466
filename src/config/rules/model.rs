//! What a file of rules says.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    config::{Warning, read::Named},
    labels::go_quote,
    promql::{Place, ast::Expr},
};

/// A file of rules that is valid.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleFile {
    /// The file, as it was named.
    pub path: String,
    /// Its groups in the order of the file; their names are unique in it.
    pub groups: Vec<RuleGroup>,
    /// What loads but deserves a word to the operator.
    pub warnings: Vec<Warning>,
}

/// Rules that are evaluated together, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleGroup {
    /// Its name, not empty.
    pub name: String,
    /// How often it is evaluated; `evaluation_interval` if `None`. Never zero.
    pub interval: Option<Duration>,
    /// How long before its slot the data are looked at; `rule_query_offset` if `None`.
    pub query_offset: Option<Duration>,
    /// How long after a multiple of the interval its slots are; spread by name if `None`. Less than the interval if that is given.
    pub eval_offset: Option<Duration>,
    /// Most results of one rule; 0 for no limit.
    pub limit: usize,
    /// Labels for the results of all its rules; they are in [`Rule::labels`] already.
    pub labels: BTreeMap<String, String>,
    /// Rules that are evaluated at a time, of those that do not need each other; the ruler's own bound if `None`.
    pub concurrency: Option<usize>,
    /// Parameters of the requests to endpoints, in the order of their names.
    pub params: Vec<(String, String)>,
    /// What is done with partial answers; the ruler's default if `None`.
    pub on_partial: Option<OnPartial>,
    /// Its rules in their order.
    pub rules: Vec<Rule>,
}

/// What is done when an answer lacks partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnPartial {
    /// What the partitions that are missing could change stays as it is.
    #[default]
    Hold,
    /// The evaluation fails.
    Abort,
    /// The partial answer is taken as if it were complete.
    Accept,
}

impl Named for OnPartial {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("hold", Self::Hold),
        ("abort", Self::Abort),
        ("accept", Self::Accept),
    ];

    fn unknown(word: &str) -> String {
        format!(
            "on_partial must be hold, abort or accept, not {}",
            go_quote(word)
        )
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What becomes of its result.
    pub kind: RuleKind,
    /// The expression as it is written.
    pub text: String,
    /// The expression.
    pub expr: Arc<Expr>,
    /// Labels for its results, those of the group under its own. One with an empty value removes the label. Those of an
    /// alerting rule are templates.
    pub labels: BTreeMap<String, String>,
    /// What is done with partial answers, if not as the group says.
    pub on_partial: Option<OnPartial>,
    /// Where it stands in the file; the column in characters.
    pub place: Place,
}

/// What becomes of a rule's result.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleKind {
    /// Each series is recorded under a new name.
    Recording {
        /// The name.
        record: String,
    },
    /// Each series is an alert.
    Alerting {
        /// Its name.
        alert: String,
        /// How long a series must be there before its alert fires (`for`).
        hold: Duration,
        /// How long the alert fires when the series is gone.
        keep_firing_for: Duration,
        /// Texts about the alert; templates.
        annotations: BTreeMap<String, String>,
    },
}

impl Rule {
    /// The name of the alert or of the recorded series.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            RuleKind::Recording { record } => record,
            RuleKind::Alerting { alert, .. } => alert,
        }
    }
}
