//! Files of rules (`rule_files`): Prometheus's, with what Thanos and vmalert add.

mod model;
mod raw;

mod load;

#[cfg(test)]
mod tests;

pub use load::{RuleOptions, load_rules};
pub use model::{OnPartial, Rule, RuleFile, RuleGroup, RuleKind};
