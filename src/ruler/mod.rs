//! The ruler: rules evaluated slot by slot over answers that say what they lack, the life of their alerts, the series they
//! write, and the order in which rules read each other's results.
//!
//! Synchronous and deterministic: [`Ruler`] takes the time, results of evaluations and new rules, and gives out effects.

mod cadence;

mod alerting;
mod recording;

mod depend;
mod overlay;

mod set;
mod state;
mod wave;

mod effect;
mod expand;
mod words;

mod apply;
mod machine;

#[cfg(test)]
mod tests;

pub use alerting::{Alerts, Instance, Phase, Terms};
pub use cadence::Cadence;
pub use depend::{Component, Output, Read, Ties};
pub use effect::{Answered, Change, Effect, Evaluation, EvaluationId, Told, Word};
pub use machine::Ruler;
pub use overlay::Overlay;
pub use recording::{Alive, Written};
pub use set::{Group, GroupKey, Rule, RuleKey, RuleSet, Settings};
pub use state::{GroupState, Health, RuleState, States};
pub use words::Words;
