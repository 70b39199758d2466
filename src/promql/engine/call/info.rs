//! `info`: adds labels of info metrics such as `target_info` to the series of the same job and instance
//! (`promql/info.go`).

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    EvalError, Steps,
    evaluate::{Evaluated, Evaluator},
    matching::NAME,
    plan::{CallNode, Instant},
    room::Room,
    select::{Cursor, Latest},
    table::{Row, Table},
};
use crate::{
    labels::{LabelSet, Matcher},
    promql::Series,
};

/// The labels that tell which info series belongs to which series.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// What the second argument asks for.
struct Wanted<'a> {
    names: Vec<&'a Matcher>,
    /// Matchers of data labels; none for all labels.
    data: Vec<&'a Matcher>,
}

impl<'a> Wanted<'a> {
    fn new(matchers: &'a [Matcher]) -> Self {
        let (names, data) = matchers.iter().partition(|matcher| matcher.name() == NAME);
        Self { names, data }
    }

    /// Whether a name is that of an info metric.
    fn is_info(&self, name: &str) -> bool {
        self.names.iter().all(|matcher| matcher.matches_value(name))
    }

    fn wants(&self, label: &str) -> bool {
        self.data.is_empty() || self.data.iter().any(|matcher| matcher.name() == label)
    }

    /// Whether a series without info series is left as it is.
    fn allows_none(&self) -> bool {
        self.data.iter().all(|matcher| matcher.matches_value(""))
    }
}

/// The values of each identifying label that series to be enriched have. Other info series are not looked at, and what is
/// wrong with them is not told.
struct Identified<'a>([BTreeSet<&'a str>; 2]);

impl<'a> Identified<'a> {
    fn of(base: &'a Table, wanted: &Wanted<'_>) -> Self {
        let mut values = [BTreeSet::new(), BTreeSet::new()];
        let enriched = |labels: &&LabelSet| !wanted.is_info(labels.value(NAME));
        for labels in base.rows.iter().map(|row| &row.labels).filter(enriched) {
            for (values, label) in values.iter_mut().zip(IDENTIFYING) {
                values.extend(labels.get(label));
            }
        }
        Self(values)
    }

    fn allows(&self, labels: &LabelSet) -> bool {
        let mut all = self.0.iter().zip(IDENTIFYING);
        self.0.iter().any(|values| !values.is_empty())
            && all.all(|(values, label)| values.is_empty() || values.contains(labels.value(label)))
    }
}

/// An info series and when its sample of each step was taken.
struct InfoSeries<'a> {
    labels: &'a LabelSet,
    times: Vec<Option<i64>>,
}

impl Evaluator<'_> {
    pub(super) fn info(&mut self, call: &CallNode, steps: Steps) -> Result<Evaluated, EvalError> {
        let base = self.arg(call, 0, steps)?.vector()?;
        let Some(instant) = &call.info else {
            return Ok(Evaluated::Vector(base));
        };
        let wanted = Wanted::new(&instant.matchers);
        let series = self.series(instant.selection);
        let identified = Identified::of(&base, &wanted);
        let found = self.info_series(series, instant, &identified, steps)?;
        refuse_duplicates(&base, &found)?;
        let mut groups: BTreeMap<Vec<&str>, Vec<&InfoSeries<'_>>> = BTreeMap::new();
        for info in &found {
            groups.entry(identity(info.labels)).or_default().push(info);
        }
        let mut result = Table::with_capacity(steps.count(), base.len());
        for (row, head) in base.rows.iter().enumerate() {
            if wanted.is_info(head.labels.value(NAME)) {
                result.push_from(&base, row);
                continue;
            }
            let key = identity(&head.labels);
            let identified = key.iter().any(|value| !value.is_empty());
            let infos = groups.get(&key).filter(|_| identified);
            let infos = infos.map(Vec::as_slice).unwrap_or_default();
            self.go_on()?;
            enrich(&mut result, &base, row, infos, &wanted, self.room())?;
        }
        result.drop_empty_rows();
        result.merge_equal_rows()?;
        Ok(Evaluated::Vector(result))
    }

    fn info_series<'a>(
        &self,
        series: &'a [Series],
        instant: &Instant,
        identified: &Identified<'_>,
        steps: Steps,
    ) -> Result<Vec<InfoSeries<'a>>, EvalError> {
        let mut all = Vec::new();
        for series in series.iter().filter(|one| identified.allows(&one.labels)) {
            self.go_on()?;
            let mut cursor = Cursor::new(series);
            let mut times = Vec::with_capacity(steps.count());
            for step in steps.iter() {
                let time = instant.shift.apply(step);
                let found = cursor.latest(time, self.options.lookback);
                if let Some(found) = &found
                    && matches!(found.value, Latest::Histogram(_))
                {
                    return Err(EvalError::failed(format!(
                        "this should be an info metric, with float samples: {}",
                        series.labels
                    )));
                }
                times.push(found.map(|found| found.time));
            }
            all.push(InfoSeries {
                labels: &series.labels,
                times,
            });
        }
        Ok(all)
    }
}

fn identity(labels: &LabelSet) -> Vec<&str> {
    IDENTIFYING
        .iter()
        .map(|label| labels.value(label))
        .collect()
}

/// Adds a series with the labels of its info series, which may differ from step to step.
fn enrich(
    result: &mut Table,
    base: &Table,
    row: usize,
    infos: &[&InfoSeries<'_>],
    wanted: &Wanted<'_>,
    room: Room,
) -> Result<(), EvalError> {
    let Some(head) = base.rows.get(row) else {
        return Ok(());
    };
    let mut rows: BTreeMap<Vec<(String, String)>, usize> = BTreeMap::new();
    for step in 0..base.steps() {
        let Some(point) = base.point(row, step) else {
            continue;
        };
        let current = current(infos, step);
        if current.is_empty() && !wanted.allows_none() {
            continue;
        }
        let added = added_labels(&head.labels, &current, wanted)?;
        let at = match rows.get(&added) {
            Some(at) => *at,
            None => {
                room.check(result.len() + 1, result.steps())?;
                let pairs = head.labels.iter();
                let more = added
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()));
                let at = result.push(Row {
                    labels: LabelSet::from_pairs(pairs.chain(more)),
                    drop_name: head.drop_name,
                });
                rows.insert(added, at);
                at
            }
        };
        result.set(at, step, Some(point));
    }
    Ok(())
}

/// The newest info series of each name at a step.
fn current<'a>(infos: &[&'a InfoSeries<'a>], step: usize) -> Vec<&'a LabelSet> {
    let mut newest: BTreeMap<&str, (i64, &LabelSet)> = BTreeMap::new();
    for info in infos {
        let Some(time) = info.times.get(step).copied().flatten() else {
            continue;
        };
        let name = info.labels.value(NAME);
        if newest.get(name).is_none_or(|(other, _)| *other < time) {
            newest.insert(name, (time, info.labels));
        }
    }
    newest.into_values().map(|(_, labels)| labels).collect()
}

/// Refuses two info series of one name and the same identifying labels, if none of them is newer, at a step at which
/// there is anything to enrich.
fn refuse_duplicates(base: &Table, infos: &[InfoSeries<'_>]) -> Result<(), EvalError> {
    let steps =
        (0..base.steps()).filter(|step| (0..base.len()).any(|row| base.present(row, *step)));
    let steps: Vec<usize> = steps.collect();
    let mut groups: BTreeMap<(&str, Vec<&str>), Vec<&InfoSeries<'_>>> = BTreeMap::new();
    for info in infos {
        let key = (info.labels.value(NAME), identity(info.labels));
        groups.entry(key).or_default().push(info);
    }
    for group in groups.values().filter(|group| group.len() > 1) {
        for step in &steps {
            let mut newest: Option<(i64, &LabelSet)> = None;
            for info in group {
                let Some(time) = info.times.get(*step).copied().flatten() else {
                    continue;
                };
                match newest {
                    Some((other, existing)) if other == time => {
                        return Err(EvalError::failed(format!(
                            "found duplicate series for info metric: existing {existing} @ {other}, new {} @ {time}",
                            info.labels
                        )));
                    }
                    Some((other, _)) if other > time => {}
                    _ => newest = Some((time, info.labels)),
                }
            }
        }
    }
    Ok(())
}

/// The labels that info series add to those that a series has.
fn added_labels(
    base: &LabelSet,
    infos: &[&LabelSet],
    wanted: &Wanted<'_>,
) -> Result<Vec<(String, String)>, EvalError> {
    let mut added: BTreeMap<&str, &str> = BTreeMap::new();
    let pairs = infos.iter().flat_map(|labels| labels.iter());
    for (name, value) in pairs {
        if name == NAME || !wanted.wants(name) {
            continue;
        }
        if added.get(name).is_some_and(|other| *other != value) {
            return Err(EvalError::failed(format!("conflicting label: {name}")));
        }
        if base.get(name).is_none() {
            added.insert(name, value);
        }
    }
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(added.into_iter().map(owned).collect())
}
