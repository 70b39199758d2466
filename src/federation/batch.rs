//! Several questions to one endpoint as one query: `label_replace(a,"…","0","","") or label_replace(b,"…","1","","")`.
//!
//! The label tells their elements apart, so that `or` keeps all of them as they are, metric names included, and none of
//! the functions looks at values. That is so in all dialects but MetricsQL, and in that of Prometheus 2 if there are no native
//! histograms.

use std::borrow::Cow;

use super::Dialect;
use crate::{labels::LabelSet, promql::Series};

/// The label that says which question an element answers; no series has it.
const MARK: &str = "__q__";

/// Whether an endpoint of a dialect may be asked so; `lacks_histograms` says that it is known to have no native ones.
#[must_use]
pub fn may_be_joined(dialect: Dialect, lacks_histograms: bool) -> bool {
    match dialect {
        Dialect::VictoriaMetrics => false,
        // The `label_replace` of Prometheus 2.42 makes a 0 of a native histogram.
        Dialect::Prometheus2 => lacks_histograms,
        Dialect::Prometheus3 | Dialect::Thanos | Dialect::Cortex | Dialect::Mimir => true,
    }
}

/// One query for the values of some at the same time.
#[must_use]
pub fn joined(queries: &[&str]) -> String {
    let numbered = queries.iter().enumerate();
    let marked = numbered.map(|(number, query)| {
        format!("label_replace({query}, \"{MARK}\", \"{number}\", \"\", \"\")")
    });
    marked.collect::<Vec<_>>().join(" or ")
}

/// The elements of each of `many` queries that were [joined]; none if an element does not say whose it is.
#[must_use]
pub fn parted(series: Vec<Series>, many: usize) -> Option<Vec<Vec<Series>>> {
    let mut parts: Vec<Vec<Series>> = (0..many).map(|_| Vec::new()).collect();
    for mut one in series {
        let number: usize = one.labels.get(MARK)?.parse().ok()?;
        let part = parts.get_mut(number)?;
        let own = one.labels.iter().filter(|(name, _)| *name != MARK);
        let mut own: Vec<_> = own
            .map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)))
            .collect();
        one.labels = LabelSet::from_scratch(&mut own);
        part.push(one);
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(pairs: &[(&str, &str)]) -> Series {
        Series {
            labels: LabelSet::from_pairs(pairs.iter().copied()),
            ..Series::default()
        }
    }

    #[test]
    fn dialects_that_would_change_values_are_not_asked_so() {
        for lacks in [false, true] {
            assert!(!may_be_joined(Dialect::VictoriaMetrics, lacks));
            assert_eq!(may_be_joined(Dialect::Prometheus2, lacks), lacks);
            assert!(may_be_joined(Dialect::Prometheus3, lacks));
        }
    }

    #[test]
    fn elements_go_to_the_question_that_they_answer() {
        assert_eq!(
            joined(&["sum(x)", "y"]),
            "label_replace(sum(x), \"__q__\", \"0\", \"\", \"\") or \
             label_replace(y, \"__q__\", \"1\", \"\", \"\")"
        );
        let parts = parted(
            vec![
                series(&[(MARK, "1"), ("__name__", "y"), ("a", "b")]),
                series(&[(MARK, "0")]),
                series(&[(MARK, "1"), ("__name__", "y")]),
            ],
            3,
        );
        let expect = vec![
            vec![series(&[])],
            vec![
                series(&[("__name__", "y"), ("a", "b")]),
                series(&[("__name__", "y")]),
            ],
            vec![],
        ];
        assert_eq!(parts, Some(expect));
        assert_eq!(parted(vec![series(&[("a", "b")])], 1), None);
        assert_eq!(parted(vec![series(&[(MARK, "1")])], 1), None);
        assert_eq!(parted(vec![series(&[(MARK, "x")])], 1), None);
    }
}
