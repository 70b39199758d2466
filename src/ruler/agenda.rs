//! Which component of groups is due when: an answer to one costs nothing for all the others that only wait.

use std::collections::BTreeSet;

/// Components by the time of their next slot.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// Unix milliseconds, and the component.
    due: BTreeSet<(i64, usize)>,
    /// By component: what is in `due`.
    of: Vec<Option<i64>>,
}

impl Agenda {
    /// No component is due, of so many.
    pub(super) fn empty(components: usize) -> Self {
        Self {
            due: BTreeSet::new(),
            of: vec![None; components],
        }
    }

    /// Says when a component is due; `None` if it is not, as one that is being evaluated.
    pub(super) fn put(&mut self, component: usize, due: Option<i64>) {
        let Some(place) = self.of.get_mut(component) else {
            return;
        };
        if *place == due {
            return;
        }
        if let Some(before) = std::mem::replace(place, due) {
            self.due.remove(&(before, component));
        }
        self.due.extend(due.map(|due| (due, component)));
    }

    /// When the first is due; Unix milliseconds.
    pub(super) fn next(&self) -> Option<i64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Those that are due at `now`, in the order of their numbers.
    pub(super) fn due(&self, now: i64) -> BTreeSet<usize> {
        let due = self.due.range(..=(now, usize::MAX));
        due.map(|(_, component)| *component).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_due_once() {
        let mut agenda = Agenda::empty(3);
        agenda.put(2, Some(5));
        agenda.put(0, Some(7));
        agenda.put(1, Some(8));
        assert_eq!(agenda.next(), Some(5));
        assert_eq!(agenda.due(7).into_iter().collect::<Vec<_>>(), [0, 2]);
        agenda.put(2, None);
        agenda.put(0, Some(9));
        agenda.put(7, Some(1));
        assert_eq!(agenda.next(), Some(8));
        assert_eq!(agenda.due(9).into_iter().collect::<Vec<_>>(), [0, 1]);
    }
}
