//! Files of rules (`rule_files`): Prometheus's, with what Thanos and vmalert add.

mod locate;
mod model;
mod raw;

mod about;
mod load;

#[cfg(test)]
mod tests;

pub use load::{RuleOptions, load_rules};
pub use model::{OnPartial, Rule, RuleFile, RuleGroup, RuleKind};
