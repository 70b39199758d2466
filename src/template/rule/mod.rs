//! Templates of rules: labels and annotations of alerts, with Prometheus's functions and variables.

mod expand;

mod object;

#[cfg(test)]
mod tests;

pub use expand::{Expanded, QueryReply, RuleData, RuleTemplate, expand_rule};
pub(crate) use object::RULE_DOT;
pub use object::native_histogram;
