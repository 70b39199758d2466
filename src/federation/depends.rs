//! Which elements of a result depend on series that are not known.

use super::{
    Dialect, Partition, PartitionMode, Pushdown, Speech, World,
    scope::{Scope, Scopes},
};
use crate::{labels::LabelSet, promql::ast::Expr};

/// The labels by which elements of an expression are known that depend on series with such labels: none of them where any
/// element may. `None` if no element does.
#[must_use]
pub fn depends_by(expr: &Expr, labels: &LabelSet) -> Option<LabelSet> {
    let others = labels
        .iter()
        .map(|(name, value)| (name, format!("{value} ")));
    let world = World {
        partitions: vec![
            partition(labels.clone()),
            partition(LabelSet::from_pairs(others)),
        ],
    };
    match Scopes::of(&world, expr).own {
        Scope::Union(reach) if reach.partitions.contains(&0) => {
            Some(labels.filter_pairs(|name, _| reach.carried.iter().any(|own| own == name)))
        }
        Scope::Global(partitions) if partitions.contains(&0) => Some(LabelSet::empty()),
        Scope::Local | Scope::Union(_) | Scope::Global(_) => None,
    }
}

fn partition(labels: LabelSet) -> Partition {
    let speech = Speech {
        dialect: Dialect::Prometheus3,
        mode: PartitionMode::Present,
        pushdown: Pushdown::Selector,
    };
    Partition::new(labels, speech)
}

#[cfg(test)]
mod tests {
    use super::depends_by;
    use crate::{
        labels::LabelSet,
        promql::parse::{Features, parse},
    };

    #[test]
    fn elements_are_known_by_the_labels_that_they_still_have() {
        let eu = LabelSet::from_pairs([("cluster", "eu"), ("shard", "1")]);
        for (text, known) in [
            ("r", Some("{cluster=\"eu\", shard=\"1\"}")),
            (
                "avg_over_time(r[1h]) > 0.05",
                Some("{cluster=\"eu\", shard=\"1\"}"),
            ),
            ("sum by (cluster) (r)", Some("{cluster=\"eu\"}")),
            ("max(avg_over_time(r[1h]))", Some("{}")),
            ("r{cluster=\"us\"}", None),
            ("sum(r{cluster!=\"eu\"})", None),
            ("vector(1)", None),
            ("absent(r)", Some("{}")),
        ] {
            let expr = parse(text, Features::default());
            let expr = expr.unwrap_or_else(|error| panic!("{text}: {error}"));
            let by = depends_by(&expr, &eu).map(|labels| labels.to_string());
            assert_eq!(by.as_deref(), known, "{text}");
        }
        let any = depends_by(
            &parse("sum(r)", Features::default()).unwrap(),
            &LabelSet::empty(),
        );
        assert_eq!(any, Some(LabelSet::empty()));
    }
}
