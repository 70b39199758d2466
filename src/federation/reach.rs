//! Which partitions a value comes from, and which of their labels it still has.

use super::World;

/// The partitions that a value is the union of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    /// By their places in the world, sorted.
    pub(super) partitions: Vec<usize>,
    /// Names of partition labels that the elements have as their partitions have them; sorted.
    pub(super) carried: Vec<String>,
}

/// Labels that are compared or kept: these, or all but these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept<'a> {
    pub(super) labels: &'a [String],
    pub(super) without: bool,
}

impl Kept<'_> {
    fn keeps(&self, name: &str) -> bool {
        self.labels.iter().any(|label| label == name) != self.without
    }

    /// Those of some names that are kept.
    pub(super) fn of(&self, names: &[String]) -> Vec<String> {
        let kept = names.iter().filter(|name| self.keeps(name));
        kept.cloned().collect()
    }
}

impl Reach {
    /// What a selector reaches in some partitions.
    pub(super) fn of_selector(world: &World, partitions: Vec<usize>) -> Self {
        let labels = partitions.iter().filter_map(|at| world.partitions.get(*at));
        let names = labels.flat_map(|partition| partition.labels.iter().map(|(name, _)| name));
        let mut carried: Vec<String> = names.map(str::to_owned).collect();
        carried.sort_unstable();
        carried.dedup();
        Self {
            partitions,
            carried,
        }
    }

    /// The same partitions, with fewer labels.
    pub(super) fn carrying(&self, carried: Vec<String>) -> Self {
        Self {
            partitions: self.partitions.clone(),
            carried,
        }
    }

    pub(super) fn is_single(&self) -> bool {
        self.partitions.len() == 1
    }

    /// Whether two elements of different partitions always differ in one of these labels.
    pub(super) fn is_apart(&self, world: &World, names: &[String]) -> bool {
        let labels = |at: &usize| world.partitions.get(*at).map(|partition| &partition.labels);
        let all: Vec<_> = self.partitions.iter().filter_map(labels).collect();
        let differ = |a: usize, b: usize| {
            let (Some(a), Some(b)) = (all.get(a), all.get(b)) else {
                return false;
            };
            names.iter().any(|name| {
                let (a, b) = (a.get(name), b.get(name));
                a.is_some() && b.is_some() && a != b
            })
        };
        (0..all.len()).all(|a| (0..a).all(|b| differ(a, b)))
    }

    /// Whether any of the partitions gets its labels only here.
    pub(super) fn attaches(&self, world: &World) -> bool {
        self.attached(world, |_| true)
    }

    /// Whether any of the partitions gets this label only here.
    pub(super) fn attaches_label(&self, world: &World, name: &str) -> bool {
        self.attached(world, |own| own == name)
    }

    fn attached(&self, world: &World, is: impl Fn(&str) -> bool) -> bool {
        let partitions = self.partitions.iter();
        let mut partitions = partitions.filter_map(|at| world.partitions.get(*at));
        partitions.any(|partition| partition.ever_attached().iter().any(|(name, _)| is(name)))
    }
}

/// All of two sorted lists, each once.
pub(super) fn union<T: Ord + Clone>(a: &[T], b: &[T]) -> Vec<T> {
    let mut all: Vec<T> = a.iter().chain(b).cloned().collect();
    all.sort_unstable();
    all.dedup();
    all
}
