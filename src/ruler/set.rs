//! The rules that are in force, as the ruler needs them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    alerting::Terms,
    cadence::{Cadence, spread},
    depend::{self, Component, Output, Read, Ties},
    horizon::horizons,
    record::{Contents, RuleHashes},
    words::Words,
};
use crate::{
    config::{OnPartial, Rule as Definition, RuleFile, RuleGroup, RuleKind},
    federation::keeps_elements,
    labels::LabelSet,
    promql::{ast::Expr, engine::Options, parse::Features},
};

/// What applies to all rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The interval of groups that name none.
    pub interval: Duration,
    /// The query offset of groups that name none.
    pub query_offset: Duration,
    /// What an incomplete answer does to rules that do not say it.
    pub on_partial: OnPartial,
    /// How long what is unknown stays as it is.
    pub hold_for: Duration,
    /// How often what fires is told again.
    pub resend_delay: Duration,
    /// Whether alerts that nobody knows anything of are pending for as long as their conditions held before.
    pub look_back: bool,
    /// Labels that alerts get if they have no such label.
    pub external_labels: LabelSet,
    /// The labels by which what rules wrote is known where it comes back from a server; empty if nothing is written.
    pub copied: LabelSet,
    /// The address that links in alerts begin with.
    pub external_url: Arc<str>,
    /// How expressions are evaluated.
    pub options: Options,
    /// The parts of PromQL that are on in queries of templates.
    pub features: Features,
}

/// All rules that are in force.
#[derive(Debug)]
pub struct RuleSet {
    /// What applies to all.
    pub settings: Settings,
    /// The groups in the order of their files.
    pub groups: Vec<Group>,
    /// Which groups belong together.
    pub components: Vec<Component>,
    /// By what nodes know the components; in their order.
    pub ids: Vec<ComponentId>,
    /// How far back each name that rules write and read is read; milliseconds.
    pub reach: BTreeMap<String, i64>,
    /// How far back each of them must be known when a node begins to evaluate its rules; milliseconds, not less.
    pub(super) recalled: BTreeMap<String, i64>,
    places: BTreeMap<GroupKey, usize>,
}

/// By what nodes know groups that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentId {
    /// The first of its groups in the order of names: an edit of a rule moves it to no other node.
    pub name: Arc<str>,
    /// A hash of all that decides what comes of its rules.
    pub hash: u64,
    /// Whether each node evaluates it for itself: its rules read what the node measures of itself.
    pub everywhere: bool,
}

/// A group.
#[derive(Debug)]
pub struct Group {
    /// Its file and name.
    pub key: GroupKey,
    /// Its slots.
    pub cadence: Cadence,
    /// How far before its slot it looks at the data; milliseconds.
    pub query_offset: i64,
    /// Its definition.
    pub definition: RuleGroup,
    /// Its rules, in order.
    pub rules: Vec<Arc<Rule>>,
    /// See [`ComponentId::everywhere`].
    pub everywhere: bool,
}

/// What identifies a group over reloads and nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    /// The path of its file.
    pub file: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// As the file has it.
    pub definition: Definition,
    /// What keeps its state over reloads: name, labels, and how many rules before it in the group have the same.
    pub key: RuleKey,
    /// What it reads and writes.
    pub ties: Ties,
    /// What an incomplete answer does.
    pub on_partial: OnPartial,
    /// `for`, `keep_firing_for`, the limit.
    pub terms: Terms,
    /// Whether other rules write what it reads.
    pub reads_own: bool,
    /// How many milliseconds back others need what it records, if it can be asked for all slots of that time at once.
    pub(super) recalled: Option<i64>,
    /// Whether what holds on a part of the data holds on all of it.
    pub grows: bool,
    /// The words of its alerts.
    pub words: Words,
}

/// What identifies a rule in its group over reloads, as in Prometheus's `CopyState`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleKey {
    /// Whether it is an alerting rule.
    pub alerting: bool,
    /// The name of the alert or of the series.
    pub name: Arc<str>,
    /// Its labels, with templates as they are written.
    pub labels: LabelSet,
    /// Its number among those of the same name and labels.
    pub number: usize,
}

impl GroupKey {
    /// `file;name`, as in the labels of Prometheus's metrics.
    #[must_use]
    pub fn joined(&self) -> String {
        format!("{};{}", self.file, self.name)
    }
}

impl RuleSet {
    /// The hashes of its components, by which other nodes know whether they have the same rules.
    #[must_use]
    pub fn hashes(&self) -> RuleHashes {
        Arc::new(self.ids.iter().map(|id| id.hash).collect())
    }

    /// The place of a group among [`Self::groups`].
    #[must_use]
    pub fn place_of(&self, group: &GroupKey) -> Option<usize> {
        self.places.get(group).copied()
    }

    /// Whether an expression may read what rules write.
    pub(super) fn reads_own(&self, expr: &Expr) -> bool {
        let ties = Ties {
            reads: depend::reads(expr, self.settings.options),
            outputs: Vec::new(),
        };
        self.reach.keys().any(|name| ties.may_name(name))
    }

    /// Makes the rules of files ready.
    #[must_use]
    pub fn new(files: Vec<RuleFile>, settings: Settings) -> Self {
        let mut groups = Vec::new();
        for file in files {
            let path: Arc<str> = file.path.into();
            for definition in file.groups {
                groups.push(Group::new(&path, definition, &settings));
            }
        }
        let ties: Vec<Vec<Ties>> = groups.iter().map(Group::ties).collect();
        let reach = depend::reach(ties.iter().flatten());
        let components = depend::components(&ties);
        let ids = spread_groups(&mut groups, &components, &settings);
        mark_readers(&mut groups, &reach);
        let recalled = find_recalled(&mut groups, &components, &reach, settings.options);
        let keys = groups.iter().map(|group| group.key.clone());
        Self {
            settings,
            places: keys.zip(0..).collect(),
            groups,
            components,
            ids,
            reach,
            recalled,
        }
    }
}

/// Identifies the components, and spreads the slots of their groups by that.
fn spread_groups(
    groups: &mut [Group],
    components: &[Component],
    settings: &Settings,
) -> Vec<ComponentId> {
    let mut ids = Vec::with_capacity(components.len());
    for component in components {
        let id = ComponentId::of(component, groups, settings);
        // What joins later moves the others seldom.
        let (offset, everywhere) = (spread(&id.name), id.everywhere);
        ids.push(id);
        for at in &component.groups {
            if let Some(group) = groups.get_mut(*at) {
                group.spread(offset);
                group.everywhere = everywhere;
            }
        }
    }
    ids
}

/// Marks the rules that may read what rules write; `reach` has the names of that.
fn mark_readers(groups: &mut [Group], reach: &BTreeMap<String, i64>) {
    for rule in groups.iter_mut().flat_map(|group| &mut group.rules) {
        let reads_own = reach.keys().any(|name| rule.ties.may_name(name));
        if let Some(rule) = Arc::get_mut(rule) {
            rule.reads_own = reads_own;
        }
    }
}

/// Marks the rules that can be asked for all slots that others need of them, and gives how far back each name must be known
/// then; milliseconds.
fn find_recalled(
    groups: &mut [Group],
    components: &[Component],
    reach: &BTreeMap<String, i64>,
    options: Options,
) -> BTreeMap<String, i64> {
    let mut recalled = reach.clone();
    for component in components {
        for (number, back) in horizons(component, groups, options) {
            let place = component.rules.get(number).copied();
            let rule = place.and_then(|(group, rule)| groups.get_mut(group)?.rules.get_mut(rule));
            let Some(rule) = rule.and_then(Arc::get_mut) else {
                continue;
            };
            rule.recalled = Some(back);
            let longest = recalled.entry(rule.key.name.to_string()).or_insert(0);
            *longest = back.max(*longest);
        }
    }
    recalled
}

impl ComponentId {
    fn of(component: &Component, groups: &[Group], settings: &Settings) -> Self {
        let mut contents = Contents::new();
        // Not where the node is reached, which differs by node.
        let common = (
            settings.hold_for,
            settings.resend_delay,
            &settings.external_labels,
            settings.options,
        );
        contents.text(&format!("{common:?}"));
        let groups = component.groups.iter().filter_map(|at| groups.get(*at));
        let (mut name, mut everywhere) = (None::<String>, false);
        for group in groups {
            let joined = group.key.joined();
            contents.text(&joined);
            let definition = &group.definition;
            let how = (
                group.cadence.interval(),
                group.query_offset,
                definition.eval_offset,
                definition.limit,
                &definition.params,
            );
            contents.text(&format!("{how:?}"));
            for rule in &group.rules {
                let of = &rule.definition;
                let what = (&of.kind, &of.text, &of.labels, rule.on_partial);
                contents.text(&format!("{what:?}"));
                everywhere |= rule.ties.reads.iter().any(Read::is_of_node);
            }
            name = Some(match name.take() {
                Some(first) => joined.min(first),
                None => joined,
            });
        }
        Self {
            name: name.unwrap_or_default().into(),
            hash: contents.finish(),
            everywhere,
        }
    }
}

impl Group {
    fn new(path: &Arc<str>, definition: RuleGroup, settings: &Settings) -> Self {
        let mut numbers: BTreeMap<RuleKey, usize> = BTreeMap::new();
        let interval = millis(definition.interval.unwrap_or(settings.interval));
        let rules = definition.rules.iter();
        let rules = rules.map(|rule| {
            let mut key = RuleKey::of(rule);
            let number = numbers.entry(key.clone()).or_insert(0);
            key.number = *number;
            *number += 1;
            Arc::new(Rule::new(rule.clone(), key, &definition, settings))
        });
        Self {
            key: GroupKey {
                file: Arc::clone(path),
                name: definition.name.as_str().into(),
            },
            cadence: Cadence::new(interval, 0),
            query_offset: millis(definition.query_offset.unwrap_or(settings.query_offset)),
            rules: rules.collect(),
            everywhere: false,
            definition,
        }
    }

    fn spread(&mut self, offset: i64) {
        let offset = self.definition.eval_offset.map_or(offset, millis);
        self.cadence = Cadence::new(self.cadence.interval(), offset);
    }

    /// What its rules read and write, as seen from their slots.
    fn ties(&self) -> Vec<Ties> {
        let ties = self.rules.iter().map(|rule| {
            let mut ties = rule.ties.clone();
            for read in &mut ties.reads {
                read.reach = read.reach.saturating_add(self.query_offset);
            }
            ties
        });
        ties.collect()
    }
}

impl Rule {
    fn new(definition: Definition, key: RuleKey, group: &RuleGroup, settings: &Settings) -> Self {
        let ties = Ties {
            reads: depend::reads(&definition.expr, settings.options),
            outputs: outputs(&definition),
        };
        let (hold, keep_firing_for) = match &definition.kind {
            RuleKind::Alerting {
                hold,
                keep_firing_for,
                ..
            } => (millis(*hold), millis(*keep_firing_for)),
            RuleKind::Recording { .. } => (0, 0),
        };
        let on_partial = definition.on_partial.or(group.on_partial);
        Self {
            key,
            ties,
            on_partial: on_partial.unwrap_or(settings.on_partial),
            terms: Terms {
                hold,
                keep_firing_for,
                limit: group.limit,
            },
            reads_own: false,
            recalled: None,
            grows: keeps_elements(&definition.expr),
            words: Words::of(&definition),
            definition,
        }
    }

    /// The name of the alert or of the series that it records.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.key.name
    }
}

impl RuleKey {
    fn of(rule: &Definition) -> Self {
        let (alerting, name) = match &rule.kind {
            RuleKind::Alerting { alert, .. } => (true, alert),
            RuleKind::Recording { record } => (false, record),
        };
        Self {
            alerting,
            name: name.as_str().into(),
            labels: LabelSet::from_pairs(&rule.labels),
            number: 0,
        }
    }
}

fn outputs(rule: &Definition) -> Vec<Output> {
    let plain = rule
        .labels
        .iter()
        .filter(|(_, value)| !value.contains("{{"));
    match &rule.kind {
        RuleKind::Recording { record } => vec![Output {
            name: record.clone(),
            fixed: LabelSet::from_pairs(&rule.labels),
        }],
        RuleKind::Alerting { alert, .. } => {
            let name = ("alertname", alert.as_str());
            let plain = plain.map(|(name, value)| (name.as_str(), value.as_str()));
            let fixed = LabelSet::from_pairs(plain.chain([name]));
            let output = |name: &str| Output {
                name: name.to_owned(),
                fixed: fixed.clone(),
            };
            vec![output("ALERTS"), output("ALERTS_FOR_STATE")]
        }
    }
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
