//! Which rules read what other rules write: the order within a slot, and the groups that belong together.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    federation::{Local as _, OwnMetrics, PartitionsUp},
    labels::{LabelSet, MatchOp, Matcher},
    promql::{
        ast::{Duration, Expr, ExprKind},
        engine::{Options, Steps, prepare},
    },
};

/// A selector of a rule.
#[derive(Clone, Debug)]
pub struct Read {
    matchers: Vec<Matcher>,
    /// How far before the time of the evaluation its samples may lie; milliseconds.
    pub reach: i64,
}

/// Series that a rule writes: their name, and the labels that all of them have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Output {
    /// The metric name.
    pub name: String,
    /// Labels with values that no element of a result changes.
    pub fixed: LabelSet,
}

/// What the order of a rule depends on.
#[derive(Clone, Debug, Default)]
pub struct Ties {
    /// What it reads.
    pub reads: Vec<Read>,
    /// What it writes.
    pub outputs: Vec<Output>,
}

/// Groups that read each other's results, with the order of their rules. Places of groups and rules are those in the
/// lists that were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Component {
    /// The groups, in the order given.
    pub groups: Vec<usize>,
    /// Their rules, group by group: the group and the place in it.
    pub rules: Vec<(usize, usize)>,
    /// For each of `rules` those of `rules` that come before it, if they are evaluated in the same slot.
    pub needs: Vec<Vec<usize>>,
    /// The same from the other side: for each of `rules` those that come after it.
    pub followers: Vec<Vec<usize>>,
    /// For each of `rules` those of `rules` that may write what it reads, whether they come before it or not.
    pub reads: Vec<Vec<usize>>,
}

impl Component {
    /// The latest slot of a rule whose results another one reads at a slot: what does not come before it in the slot was
    /// read as of the slot before.
    pub(super) fn latest(&self, reader: usize, writer: usize, slot: i64) -> i64 {
        let needed = self.needs.get(reader);
        match needed.is_some_and(|all| all.contains(&writer)) {
            true => slot,
            false => slot.saturating_sub(1),
        }
    }
}

/// What an expression reads at an instant.
pub(super) fn reads(expr: &Expr, options: Options) -> Vec<Read> {
    let Ok(prepared) = prepare(expr, Steps::instant(0), options) else {
        return Vec::new();
    };
    let steps = steps_of_subqueries(expr, options);
    let selections = prepared.selections().iter();
    selections
        .map(|selection| {
            let reach = selection.from.saturating_neg().max(0);
            Read::new(selection.matchers.clone(), reach.saturating_add(steps))
        })
        .collect()
}

/// By how much the first step of a subquery may lie further back than at another time: its steps are multiples.
fn steps_of_subqueries(expr: &Expr, options: Options) -> i64 {
    let (mut all, mut left) = (0_i64, vec![expr]);
    while let Some(expr) = left.pop() {
        if let ExprKind::Subquery(subquery) = &expr.kind {
            all = all.saturating_add(match subquery.step {
                Some(Duration::Fixed(step)) => step,
                Some(Duration::Expr(_)) | None => options.subquery_step,
            });
        }
        left.extend(expr.children());
    }
    all
}

impl Read {
    pub(super) fn new(matchers: Vec<Matcher>, reach: i64) -> Self {
        Self { matchers, reach }
    }

    /// Whether it names the metric that it reads.
    #[must_use]
    pub(super) fn is_named(&self) -> bool {
        let mut names = self.matchers.iter().filter(|one| one.name() == "__name__");
        names.any(|matcher| !matcher.matches_value(""))
    }

    /// Whether it reads what the node that evaluates measures of itself ([`crate::federation::OwnMetrics`]).
    #[must_use]
    pub(super) fn is_of_node(&self) -> bool {
        let own = OwnMetrics::default().claim();
        own.is_some_and(|claim| claim.takes(&self.matchers))
    }

    /// Whether it reads what the node that evaluates measures, of itself or of partitions.
    pub(super) fn is_measured(&self) -> bool {
        let up = PartitionsUp::of(&OwnMetrics::default()).claim();
        self.is_of_node() || up.is_some_and(|claim| claim.takes(&self.matchers))
    }

    /// Whether series of an output may be among those that it reads.
    #[must_use]
    pub(super) fn may_read(&self, output: &Output) -> bool {
        self.matchers.iter().all(|matcher| match matcher.name() {
            "__name__" => matcher.matches_value(&output.name),
            name => match output.fixed.get(name) {
                Some(value) => matcher.matches_value(value),
                None => true,
            },
        })
    }
}

impl Ties {
    /// Whether it may read what another rule writes. A selector without a name ties rules of one group only; it would
    /// tie all to all.
    fn need(&self, other: &Self, same_group: bool) -> bool {
        let reads = self.reads.iter();
        let mut reads = reads.filter(|read| same_group || read.is_named());
        reads.any(|read| other.outputs.iter().any(|output| read.may_read(output)))
    }
}

/// How far back each name that some rule reads and some rule writes is read; milliseconds.
pub(super) fn reach<'a>(rules: impl Iterator<Item = &'a Ties> + Clone) -> BTreeMap<String, i64> {
    let mut reach = BTreeMap::new();
    for output in rules.clone().flat_map(|ties| &ties.outputs) {
        for read in rules.clone().flat_map(|ties| &ties.reads) {
            if read.may_read(output) {
                let longest = reach.entry(output.name.clone()).or_insert(0);
                *longest = read.reach.max(*longest);
            }
        }
    }
    reach
}

/// The components of groups, each given by its rules in order.
pub(super) fn components(groups: &[Vec<Ties>]) -> Vec<Component> {
    let edges = edges(groups);
    let mut roots: Vec<usize> = (0..groups.len()).collect();
    for (reader, writer) in &edges {
        let (one, other) = (root(&roots, reader.0), root(&roots, writer.0));
        if let Some(place) = roots.get_mut(one.max(other)) {
            *place = one.min(other);
        }
    }
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for group in 0..groups.len() {
        members.entry(root(&roots, group)).or_default().push(group);
    }
    let mut within: BTreeMap<usize, Vec<(Place, Place)>> = BTreeMap::new();
    for (reader, writer) in edges {
        let edges = within.entry(root(&roots, reader.0)).or_default();
        edges.push((reader, writer));
    }
    let component = |(root, of): (usize, Vec<usize>)| {
        let edges = within.get(&root).map_or(&[][..], Vec::as_slice);
        Component::new(of, groups, edges)
    };
    members.into_iter().map(component).collect()
}

type Place = (usize, usize);

/// Pairs of a rule and one that it reads.
fn edges(groups: &[Vec<Ties>]) -> Vec<(Place, Place)> {
    let mut writers: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
    for (group, rules) in groups.iter().enumerate() {
        for (rule, ties) in rules.iter().enumerate() {
            for output in &ties.outputs {
                writers.entry(&output.name).or_default().push((group, rule));
            }
        }
    }
    let mut edges = BTreeSet::new();
    for (group, rules) in groups.iter().enumerate() {
        for (rule, ties) in rules.iter().enumerate() {
            for place in ties.reads.iter().flat_map(|read| read.candidates(&writers)) {
                let other = groups.get(place.0).and_then(|rules| rules.get(place.1));
                if other.is_some_and(|other| ties.need(other, group == place.0)) {
                    edges.insert(((group, rule), place));
                }
            }
        }
    }
    edges.into_iter().collect()
}

impl Ties {
    /// Whether it may read a metric of this name.
    #[must_use]
    pub(super) fn may_name(&self, name: &str) -> bool {
        self.reads.iter().any(|read| read.may_name(name))
    }
}

impl Read {
    fn may_name(&self, name: &str) -> bool {
        let mut of_name = self.matchers.iter().filter(|one| one.name() == "__name__");
        of_name.all(|matcher| matcher.matches_value(name))
    }

    /// The rules that write a name which it may mean.
    fn candidates(&self, writers: &BTreeMap<&str, Vec<Place>>) -> Vec<Place> {
        let of_name = |matcher: &&Matcher| matcher.name() == "__name__";
        let exact = self.matchers.iter().filter(of_name);
        let mut exact = exact.filter(|matcher| matcher.op() == MatchOp::Equal);
        if let Some(name) = exact.next() {
            return writers.get(name.value()).cloned().unwrap_or_default();
        }
        let matching = writers.iter().filter(|(name, _)| self.may_name(name));
        matching
            .flat_map(|(_, places)| places.iter().copied())
            .collect()
    }
}

fn root(roots: &[usize], mut at: usize) -> usize {
    while let Some(up) = roots.get(at).copied()
        && up != at
    {
        at = up;
    }
    at
}

impl Component {
    fn new(members: Vec<usize>, groups: &[Vec<Ties>], edges: &[(Place, Place)]) -> Self {
        let rules: Vec<Place> = members
            .iter()
            .flat_map(|group| {
                let count = groups.get(*group).map_or(0, Vec::len);
                (0..count).map(|rule| (*group, rule))
            })
            .collect();
        let numbers: BTreeMap<Place, usize> = rules
            .iter()
            .enumerate()
            .map(|(at, place)| (*place, at))
            .collect();
        let mut component = Self {
            groups: members,
            needs: vec![Vec::new(); rules.len()],
            followers: vec![Vec::new(); rules.len()],
            reads: vec![Vec::new(); rules.len()],
            rules,
        };
        for (reader, writer) in edges {
            if let (Some(reader), Some(writer)) = (numbers.get(reader), numbers.get(writer))
                && let Some(reads) = component.reads.get_mut(*reader)
            {
                reads.push(*writer);
            }
        }
        // A rule that reads itself or a later one of its group reads what that wrote in the slot before, as in Prometheus.
        let within = edges
            .iter()
            .filter(|(reader, writer)| reader.0 == writer.0 && writer.1 < reader.1);
        // Among groups what is read comes first, unless that would be a circle.
        let among = edges.iter().filter(|(reader, writer)| reader.0 != writer.0);
        for (reader, writer) in within.chain(among) {
            let (Some(reader), Some(writer)) = (numbers.get(reader), numbers.get(writer)) else {
                continue;
            };
            if !component.needs_all(*writer, *reader) {
                component.tie(*reader, *writer);
            }
        }
        component
    }

    fn tie(&mut self, reader: usize, writer: usize) {
        if let Some(needs) = self.needs.get_mut(reader) {
            needs.push(writer);
        }
        if let Some(followers) = self.followers.get_mut(writer) {
            followers.push(reader);
        }
    }

    /// Whether a rule comes after another one, or is it.
    fn needs_all(&self, rule: usize, other: usize) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![rule];
        while let Some(at) = open.pop() {
            if at == other {
                return true;
            }
            if seen.insert(at) {
                open.extend(self.needs.get(at).into_iter().flatten());
            }
        }
        false
    }
}
