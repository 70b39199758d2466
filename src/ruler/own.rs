//! What of rules is of one node: a group that reads what nodes measure of themselves is evaluated by each of them, over
//! other data. So all that comes of it says of which node it is: it would be one alert, or one series, of several
//! truths otherwise.

use super::{effect::Answered, machine::Ruler};
use crate::labels::LabelSet;

/// The label of alerts and series that are of one node, with its name.
pub const NODE_LABEL: &str = "watchfire_node";

impl Ruler {
    /// The result of an expression of a group, with the name of this node if each evaluates the group for itself. What has
    /// such a label keeps it, as series that another node wrote. A node outside of meshes has no name.
    pub(super) fn named(&self, group: usize, mut answered: Answered) -> Answered {
        let everywhere = self.set.groups.get(group).is_some_and(|of| of.everywhere);
        let me = self.me();
        if !everywhere || me.is_empty() {
            return answered;
        }
        let elements = answered.elements.iter_mut();
        let elements = elements.map(|element| &mut element.labels);
        let series = answered.series.iter_mut().map(|one| &mut one.labels);
        for labels in elements.chain(series) {
            if labels.get(NODE_LABEL).is_none() {
                *labels = LabelSet::from_pairs(labels.iter().chain([(NODE_LABEL, &*me)]));
            }
        }
        answered
    }
}
