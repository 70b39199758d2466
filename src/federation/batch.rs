//! Several questions to one endpoint as one query: `label_replace(a,"…","0","","") or label_replace(b,"…","1","","")`.
//!
//! The label tells their elements apart, so that `or` keeps all of them as they are, metric names included, and none of
//! the functions looks at values. That is so in all dialects but MetricsQL, and in that of Prometheus 2 if there are no native
//! histograms. An endpoint evaluates such a query over one view of its data, so that its parts are about the same samples.

use super::Dialect;
use crate::promql::Series;

/// The label that says which question an element answers; no series has it.
const MARK: &str = "__q__";

/// Whether an endpoint of a dialect may be asked so; `lacks_histograms` says that it is known to have no native ones.
#[must_use]
pub fn may_be_joined(dialect: Dialect, lacks_histograms: bool) -> bool {
    match dialect {
        Dialect::VictoriaMetrics => false,
        // The `label_replace` of Prometheus 2.42 makes a 0 of a native histogram.
        Dialect::Prometheus2 => lacks_histograms,
        Dialect::Prometheus3
        | Dialect::EarlyPrometheus3
        | Dialect::Thanos
        | Dialect::Cortex
        | Dialect::Mimir => true,
    }
}

/// Which of the questions in one query have the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// All: an element without it belongs to nobody.
    All,
    /// All but the first one, whose elements stay as they are, however many they are.
    ButFirst,
}

/// One query for the values of some at the same times.
#[must_use]
pub fn joined(queries: &[&str], marks: Marks) -> String {
    let numbered = queries.iter().enumerate();
    let marked = numbered.map(|(number, query)| match (marks, number) {
        // Nothing binds less than `or`.
        (Marks::ButFirst, 0) => (*query).to_owned(),
        _ => format!("label_replace({query}, \"{MARK}\", \"{number}\", \"\", \"\")"),
    });
    marked.collect::<Vec<_>>().join(" or ")
}

/// The elements of each of `many` queries that were [joined]; none if an element does not say whose it is.
#[must_use]
pub fn parted(series: Vec<Series>, many: usize, marks: Marks) -> Option<Vec<Vec<Series>>> {
    let mut parts: Vec<Vec<Series>> = (0..many).map(|_| Vec::new()).collect();
    for mut one in series {
        let number: usize = match (one.labels.get(MARK), marks) {
            (Some(mark), _) => mark.parse().ok()?,
            (None, Marks::ButFirst) => 0,
            (None, Marks::All) => return None,
        };
        let part = parts.get_mut(number)?;
        if one.labels.get(MARK).is_some() {
            one.labels = one.labels.filter_pairs(|name, _| name != MARK);
        }
        part.push(one);
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        labels::LabelSet,
        promql::{
            ast::ExprKind,
            parse::{Features, parse},
        },
    };

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
            joined(&["sum(x)", "y"], Marks::All),
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
            Marks::All,
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
        for marks in [Marks::All, Marks::ButFirst] {
            assert_eq!(parted(vec![series(&[(MARK, "1")])], 1, marks), None);
            assert_eq!(parted(vec![series(&[(MARK, "x")])], 1, marks), None);
        }
        let unmarked = vec![series(&[("a", "b")])];
        assert_eq!(parted(unmarked.clone(), 1, Marks::All), None);
        assert_eq!(
            parted(unmarked.clone(), 1, Marks::ButFirst),
            Some(vec![unmarked])
        );
    }

    #[test]
    fn what_others_stand_beside_stays_as_it_is() {
        let text = joined(&["a unless b or c", "max(y)"], Marks::ButFirst);
        assert_eq!(
            text,
            "a unless b or c or label_replace(max(y), \"__q__\", \"1\", \"\", \"\")"
        );
        let expr = parse(&text, Features::none()).unwrap();
        let ExprKind::Binary(binary) = &expr.kind else {
            panic!("{expr:?}");
        };
        assert_eq!(binary.lhs.to_string(), "a unless b or c");
        let parts = parted(
            vec![series(&[("a", "b")]), series(&[(MARK, "1")]), series(&[])],
            2,
            Marks::ButFirst,
        );
        let expect = vec![vec![series(&[("a", "b")]), series(&[])], vec![series(&[])]];
        assert_eq!(parts, Some(expect));
    }
}
