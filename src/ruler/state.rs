//! What is known of groups and rules between evaluations.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    alerting::Alerts,
    expand::Failure,
    holes::Holes,
    known::Known,
    recording::Alive,
    set::{GroupKey, RuleKey, RuleSet},
    unwritten::Unwritten,
    wave::UnderWay,
};
use crate::labels::LabelSet;

/// Whether a rule's last evaluation succeeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// It was not evaluated yet.
    #[default]
    Unknown,
    /// It succeeded.
    Ok,
    /// It failed.
    Err,
}

impl Health {
    /// As Prometheus's API has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Err => "err",
        }
    }
}

/// A rule between evaluations. Times are Unix milliseconds.
#[derive(Clone, Debug, Default)]
pub struct RuleState {
    /// Its alerts, if it is an alerting rule.
    pub alerts: Alerts,
    /// Alerts that were pending when this node took the rule, long after anybody had looked at them. The next answer says
    /// whether they are no more.
    pub(super) dropped: BTreeSet<LabelSet>,
    /// Its series that go on: those that it records, or those about its alerts.
    pub alive: Alive,
    /// What became of the last evaluation.
    pub health: Health,
    /// The error of the last evaluation; empty if there was none.
    pub last_error: String,
    /// What of its alerts' words could not be made, if anything.
    pub(super) failure: Failure,
    /// When it was last evaluated.
    pub last_evaluation: Option<i64>,
    /// How long that took; milliseconds.
    pub took: i64,
    /// The partitions that did not answer, with their reasons.
    pub missing: Vec<String>,
    /// How many elements are as they were because of them.
    pub held: usize,
    /// Since when each of them is missing, by the labels of what depends on it.
    pub(super) holes: Holes,
    /// How many slots passed without an evaluation, and were not made up for.
    pub missed: u64,
    /// How many of those since its last slot were made up for.
    pub(super) caught_up: u64,
    /// The slots whose results are here, where other rules read them.
    pub(super) known: Known,
    /// What it did not write of them.
    pub(super) unwritten: Unwritten,
    /// The last slot in which it began so early that it had time for endpoints that are slow.
    pub(super) had_time: Option<i64>,
    /// When what fires was last told to go on while an evaluation took long.
    pub(super) renewed: Option<i64>,
    /// Evaluations.
    pub evaluations: u64,
    /// Those that failed.
    pub failures: u64,
}

/// Who evaluates a group, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Counts the owners.
    pub epoch: u64,
    /// The node.
    pub owner: Arc<str>,
}

/// A group between evaluations.
#[derive(Clone, Debug, Default)]
pub struct GroupState {
    /// Who has it; `None` if nobody ever had.
    pub claim: Option<Claim>,
    /// The epoch under which this node evaluates it; `None` if it does not.
    pub owned: Option<u64>,
    /// Since when; Unix milliseconds.
    pub(super) owned_since: i64,
    /// Whether this node evaluated none of its slots yet since it has it.
    pub(super) first_of_epoch: bool,
    /// Whether nobody knew anything of it when this node began to evaluate it, and it was not evaluated since.
    pub(super) fresh: bool,
    /// Since when this node has its rules: slots before are nobody's fault. Unix milliseconds.
    pub(super) since: i64,
    /// Its last slot.
    pub last_slot: Option<i64>,
    /// What is left of its slot, after a reload; `None` while it is evaluated.
    pub(super) under_way: Option<UnderWay>,
    /// The last slot since that was gone through though it was missed.
    pub(super) made_up: Option<i64>,
    /// Why the first rule that could not be evaluated at a missed slot could not: its name, and the reason.
    pub(super) lapse: Option<(Arc<str>, String)>,
    /// How long that took, from its first rule to its last; milliseconds.
    pub took: i64,
    /// How long the slot before took; milliseconds.
    pub(super) took_before: i64,
    /// Slots that were evaluated.
    pub iterations: u64,
    /// Slots that passed without an evaluation.
    pub missed: u64,
    /// Evaluations of recording rules that made up for some of them.
    pub caught_up: u64,
    /// The same at the node that evaluates it, as far as that is told.
    pub missed_elsewhere: u64,
    /// The samples of the last slot.
    pub samples: usize,
    /// The endpoints that answered in it, by name: of replicas those that were used.
    pub endpoints: BTreeSet<Arc<str>>,
    /// Its rules, in order. Whoever looks at them shares them; what changes meanwhile is copied first.
    pub rules: Vec<Arc<RuleState>>,
}

/// The states of groups in the order of a [`RuleSet`].
#[derive(Clone, Debug, Default)]
pub struct States {
    /// In the order of the set's groups.
    pub groups: Vec<GroupState>,
    /// How often this node took over what another one evaluated, in components of groups.
    pub takeovers: u64,
    /// How many rulers of this process ended by a bug.
    pub ended_by_bugs: u64,
    /// How often templates of labels and annotations were expanded.
    pub expansions: u64,
    /// How often that failed.
    pub failed_expansions: u64,
}

/// States of rules that are no more.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// Each with the name of its group and its interval; milliseconds.
    pub(super) rules: Vec<(GroupKey, RuleKey, i64, RuleState)>,
}

/// The states of rules by what keeps them over reloads.
type Rules = BTreeMap<RuleKey, Arc<RuleState>>;

impl States {
    /// The states for a new set of rules: those of rules that stay are kept, whatever else changed.
    pub(super) fn carried_over(self, old: &RuleSet, new: &RuleSet) -> (Self, Gone) {
        let mut known: BTreeMap<GroupKey, (GroupState, Rules, i64)> = BTreeMap::new();
        let counts = Self {
            groups: Vec::new(),
            ..self
        };
        for (group, mut state) in old.groups.iter().zip(self.groups) {
            let states = std::mem::take(&mut state.rules);
            let keys = group.rules.iter().map(|rule| rule.key.clone());
            let rules = keys.zip(states).collect();
            let interval = group.cadence.interval();
            known.insert(group.key.clone(), (state, rules, interval));
        }
        let mut groups = Vec::with_capacity(new.groups.len());
        for group in &new.groups {
            let mut before = known.get_mut(&group.key);
            let mut take = |key: &RuleKey| match &mut before {
                Some((_, rules, _)) => rules.remove(key).unwrap_or_default(),
                None => Arc::default(),
            };
            let rules = group.rules.iter().map(|rule| take(&rule.key)).collect();
            let state = before.map(|(state, _, _)| state.clone());
            groups.push(GroupState {
                rules,
                ..state.unwrap_or_default()
            });
        }
        let gone = known.into_iter().flat_map(|(group, (_, rules, interval))| {
            let rules = rules.into_iter();
            rules.map(move |(rule, state)| {
                let state = Arc::unwrap_or_clone(state);
                (group.clone(), rule, interval, state)
            })
        });
        let gone = Gone {
            rules: gone.collect(),
        };
        let states = Self { groups, ..counts };
        (states, gone)
    }
}
