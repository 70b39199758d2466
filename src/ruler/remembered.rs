//! What a recording rule wrote at slots that are past, made of its expression over them.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{effect::Answered, expand::labelled, holes::depends, recording::SameSeries, set::Rule};
use crate::{
    config::OnPartial,
    labels::LabelSet,
    promql::{STALE, Series},
};

/// What a rule wrote.
#[derive(Debug)]
pub(super) struct Remembered {
    pub(super) series: Vec<Series>,
    /// The labels of series that are not among them, as partitions are missing.
    pub(super) holes: Vec<LabelSet>,
    /// Which partitions, and why.
    pub(super) reason: String,
}

impl Remembered {
    /// Ends each series where it has no sample `interval` milliseconds after one, up to the time `last`.
    pub(super) fn end_series(&mut self, interval: i64, last: i64) {
        for series in &mut self.series {
            let mut times = series.floats.times.clone();
            times.extend(&series.histograms.times);
            times.sort_unstable();
            let following = times.iter().skip(1).copied().chain([i64::MAX]);
            let after = times.iter().map(|time| time.saturating_add(interval));
            let ends = after.zip(following);
            let ends = ends.filter(|(after, next)| after < next && *after <= last);
            let ends: Vec<(i64, f64)> = ends.map(|(after, _)| (after, STALE)).collect();
            series.floats.put_between(ends);
        }
    }
}

/// Makes an answer about several slots what the rule writes. `unknown` are the labels of elements that depend on what is
/// not known of other rules.
///
/// # Errors
/// When nothing of it is certain, or it is what no rule writes.
pub(super) fn remembered(
    rule: &Rule,
    answered: Answered,
    unknown: Vec<LabelSet>,
) -> Result<Remembered, String> {
    let mut holes = unknown;
    if rule.on_partial != OnPartial::Accept {
        holes.extend(answered.certainty.holes().iter().cloned());
    }
    let missing = answered.missing.join("; ");
    let reason = match missing.is_empty() {
        true => "what it reads of other rules is not known".to_owned(),
        false => missing,
    };
    // What the rule writes over its elements' labels does not tell them apart.
    let kept =
        |hole: &LabelSet| hole.filter_pairs(|name, _| !rule.definition.labels.contains_key(name));
    let holes: Vec<LabelSet> = holes.iter().map(kept).collect();
    let aborts = rule.on_partial == OnPartial::Abort && !holes.is_empty();
    if aborts || holes.iter().any(LabelSet::is_empty) {
        return Err(reason);
    }
    let mut series: BTreeMap<LabelSet, Series> = BTreeMap::new();
    for one in answered.series {
        let labels = labelled(rule, &one.labels);
        if holes.iter().any(|hole| depends(&labels, hole)) {
            continue;
        }
        match series.entry(labels.clone()) {
            Entry::Vacant(place) => {
                place.insert(Series { labels, ..one });
            }
            Entry::Occupied(mut place) => join(place.get_mut(), one)?,
        }
    }
    within_limit(rule.terms.limit, &series)?;
    Ok(Remembered {
        series: series.into_values().collect(),
        holes,
        reason,
    })
}

/// Elements may become one series that are never there together.
fn join(series: &mut Series, other: Series) -> Result<(), String> {
    let mut times: Vec<i64> = series.floats.times.clone();
    for more in [
        &series.histograms.times,
        &other.floats.times,
        &other.histograms.times,
    ] {
        times.extend(more);
    }
    let count = times.len();
    times.sort_unstable();
    times.dedup();
    if times.len() < count {
        return Err(SameSeries.to_string());
    }
    let (floats, histograms) = (other.floats, other.histograms);
    let floats = floats.times.into_iter().zip(floats.values);
    series.floats.put_between(floats.collect());
    let histograms = histograms.times.into_iter().zip(histograms.values);
    series.histograms.put_between(histograms.collect());
    Ok(())
}

fn within_limit(limit: usize, series: &BTreeMap<LabelSet, Series>) -> Result<(), String> {
    if limit == 0 || series.len() <= limit {
        return Ok(());
    }
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    for one in series.values() {
        for time in one.floats.times.iter().chain(&one.histograms.times) {
            *counts.entry(*time).or_default() += 1;
        }
    }
    match counts.into_values().max() {
        Some(most) if most > limit => Err(format!("exceeded limit of {limit} with {most} series")),
        Some(_) | None => Ok(()),
    }
}
