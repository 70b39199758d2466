//! The ruler: rules evaluated slot by slot over answers that say what they lack, the life of their alerts, the series they
//! write, and the order in which rules read each other's results.
//!
//! Synchronous and deterministic: [`Ruler`] takes the time, results of evaluations and new rules, and gives out effects.

mod agenda;
mod cadence;

mod alerting;
mod holes;
mod recording;

mod depend;
mod horizon;
mod overlay;
mod own;

mod set;
mod state;
mod wave;

mod effect;
mod expand;
mod words;

mod record;

mod known;
mod reader;

mod gap;
mod lack;
mod recall;
mod remembered;
mod unwritten;

mod apply;
mod attend;
mod machine;
mod owner;
mod past;
mod reload;

#[cfg(test)]
mod tests;

pub use alerting::{Alerts, Instance, Phase, Terms, Version};
pub use cadence::Cadence;
pub use depend::{Component, Output, Read, Ties};
pub use effect::{Answered, Effect, Evaluation, EvaluationId, Told, Word};
pub use horizon::differs_over_a_range;
pub use machine::Ruler;
pub use overlay::Overlay;
pub use own::NODE_LABEL;
pub use owner::Members;
pub use record::{
    Ailing, GroupSummary, RuleCopy, RuleEnd, RuleHashes, RuleRecord, RuleRecordKey, RuleValue,
    RuleVersion, RulerNews,
};
pub use recording::{Alive, Written};
pub use set::{ComponentId, Group, GroupKey, Rule, RuleKey, RuleSet, Settings};
pub use state::{Claim, GroupState, Health, RuleState, States};
pub use words::Words;
