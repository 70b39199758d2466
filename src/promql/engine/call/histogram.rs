//! `histogram_quantile`, `histogram_quantiles` and `histogram_fraction`, of native and of classic histograms.

use std::sync::Arc;

use super::{
    super::{
        EvalError, Steps,
        evaluate::{Evaluated, Evaluator},
        matching::{NAME, with_label},
        plan::CallNode,
        table::{Row, Table},
    },
    span_of, text_of,
};
use crate::{
    labels::{LabelSet, go_quote},
    promql::{
        Annotations, FloatHistogram, FunctionId, Mended, STALE, Span,
        functions::{check_quantile, general},
        hash::FastMap,
        histogram::{ClassicBucket, NanEffect, bucket_fraction, bucket_quantile},
        is_stale,
    },
};

/// The label of classic buckets.
const LE: &str = "le";

/// What is asked of a histogram at a step.
#[derive(Clone, Copy)]
enum Question {
    Quantile(f64),
    Fraction(f64, f64),
}

/// The rows of one histogram.
struct Family {
    labels: LabelSet,
    /// Classic buckets: upper bound and row.
    classic: Vec<(f64, usize)>,
    native: Vec<usize>,
}

impl Evaluator<'_> {
    pub(super) fn histogram_call(
        &mut self,
        call: &CallNode,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        let id = call.function.id;
        let at = match id {
            FunctionId::HistogramFraction => 2,
            FunctionId::HistogramQuantile => 1,
            _ => 0,
        };
        let span = span_of(call, at);
        let mut params = Vec::new();
        let mut table = None;
        for index in 0..call.args.len() {
            if index == at {
                table = Some(self.arg(call, index, steps)?.vector()?);
            } else if id != FunctionId::HistogramQuantiles || index != 1 {
                params.push((
                    self.arg(call, index, steps)?.scalar()?,
                    span_of(call, index),
                ));
            }
        }
        let table = table.unwrap_or_else(|| Table::new(steps.count()));
        let families = self.families(&table, span);
        let mut result = Table::new(steps.count());
        match id {
            FunctionId::HistogramFraction => {
                let param = |at: usize, step: usize| param(&params, at, step);
                let question = |step| Question::Fraction(param(0, step), param(1, step));
                self.answer(&families, &table, steps, span, &question, None, &mut result)?;
            }
            FunctionId::HistogramQuantile => {
                self.check_quantiles(&params);
                let question = |step| Question::Quantile(param(&params, 0, step));
                self.answer(&families, &table, steps, span, &question, None, &mut result)?;
            }
            _ => {
                self.check_quantiles(&params);
                let label = text_of(call, 1);
                for at in 0..params.len() {
                    let q = param(&params, at, 0);
                    let text = open_metrics_float(q);
                    let question = |step| Question::Quantile(param(&params, at, step));
                    let extra = Some((label, text.as_str()));
                    self.answer(
                        &families,
                        &table,
                        steps,
                        span,
                        &question,
                        extra,
                        &mut result,
                    )?;
                }
            }
        }
        result.drop_empty_rows();
        self.drop_names(&mut result)?;
        Ok(Evaluated::Vector(result))
    }

    fn check_quantiles(&mut self, params: &[(Vec<f64>, Span)]) {
        for (values, span) in params {
            for value in values {
                check_quantile(&mut self.notes, *value, *span);
            }
        }
    }

    /// Sorts rows by the histograms that they belong to.
    fn families(&mut self, table: &Table, span: Span) -> Vec<Family> {
        let mut places: FastMap<LabelSet, usize> = FastMap::default();
        let mut families: Vec<Family> = Vec::new();
        for (row, head) in table.rows.iter().enumerate() {
            let floats = table.floats(row).iter().any(|value| !is_stale(*value));
            let histograms = table.histograms(row).iter().any(Option::is_some);
            if histograms {
                let labels = head.labels.clone();
                family_of(&mut families, &mut places, labels, |family| {
                    family.native.push(row);
                });
            }
            if !floats {
                continue;
            }
            let le = head.labels.value(LE);
            let Ok(bound) = le.parse::<f64>() else {
                self.warn_of_bucket(&head.labels, le, span);
                continue;
            };
            let labels = head.labels.filter_pairs(|name, _| name != LE);
            family_of(&mut families, &mut places, labels, |family| {
                family.classic.push((bound, row));
            });
        }
        families
    }

    fn name_for_notes<'a>(&self, labels: &'a LabelSet) -> &'a str {
        if self.options.delayed_name_removal {
            labels.value(NAME)
        } else {
            ""
        }
    }

    fn warn_of_bucket(&mut self, labels: &LabelSet, le: &str, span: Span) {
        let text = format!(
            "bucket label \"le\" is missing or has a malformed value of {}",
            go_quote(le)
        );
        let text = of_metric(&text, self.name_for_notes(labels));
        self.notes.warn(span, text);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "they are what one question needs"
    )]
    fn answer(
        &mut self,
        families: &[Family],
        table: &Table,
        steps: Steps,
        span: Span,
        question: &dyn Fn(usize) -> Question,
        extra: Option<(&str, &str)>,
        result: &mut Table,
    ) -> Result<(), EvalError> {
        let mut buckets = Vec::new();
        let room = self.room();
        for family in families {
            self.go_on()?;
            room.check(result.len() + 1, result.steps())?;
            let labels = match extra {
                Some((name, value)) => with_label(&family.labels, name, value),
                None => family.labels.clone(),
            };
            let at = result.push(Row {
                labels,
                drop_name: true,
            });
            let name = self.name_for_notes(&family.labels).to_owned();
            for (step, time) in steps.iter().enumerate() {
                gather(&mut buckets, family, table, step);
                let native = native(family, table, step);
                let notes = &mut self.notes;
                let value = match (native, buckets.is_empty()) {
                    (Some(_), false) => {
                        let text = "vector contains a mix of classic and native histograms";
                        notes.warn(span, of_metric(text, &name));
                        continue;
                    }
                    (Some(histogram), true) => {
                        of_native(&histogram, question(step), &name, span, notes)
                    }
                    (None, false) => {
                        of_classic(&mut buckets, question(step), &name, (span, time), notes)
                    }
                    (None, true) => continue,
                };
                if let Some(place) = result.floats_mut(at).get_mut(step) {
                    *place = value;
                }
            }
        }
        Ok(())
    }
}

/// Changes the family of a label set, which is made if it is new.
fn family_of(
    families: &mut Vec<Family>,
    places: &mut FastMap<LabelSet, usize>,
    labels: LabelSet,
    change: impl FnOnce(&mut Family),
) {
    let at = *places.entry(labels).or_insert_with_key(|labels| {
        families.push(Family {
            labels: labels.clone(),
            classic: Vec::new(),
            native: Vec::new(),
        });
        families.len() - 1
    });
    if let Some(family) = families.get_mut(at) {
        change(family);
    }
}

fn param(params: &[(Vec<f64>, Span)], at: usize, step: usize) -> f64 {
    let values = params.get(at).map(|(values, _)| values);
    values
        .and_then(|values| values.get(step))
        .copied()
        .unwrap_or(f64::NAN)
}

fn of_metric(text: &str, name: &str) -> String {
    if name.is_empty() {
        text.to_owned()
    } else {
        format!("{text} for metric name {}", go_quote(name))
    }
}

/// The classic buckets of a family at a step.
fn gather(buckets: &mut Vec<ClassicBucket>, family: &Family, table: &Table, step: usize) {
    buckets.clear();
    for (upper_bound, row) in &family.classic {
        let count = table.floats(*row).get(step).copied().unwrap_or(STALE);
        if !is_stale(count) {
            buckets.push(ClassicBucket {
                upper_bound: *upper_bound,
                count,
            });
        }
    }
}

fn native(family: &Family, table: &Table, step: usize) -> Option<Arc<FloatHistogram>> {
    let mut rows = family.native.iter();
    rows.find_map(|row| table.histograms(*row).get(step)?.clone())
}

fn of_native(
    histogram: &FloatHistogram,
    question: Question,
    name: &str,
    span: Span,
    notes: &mut Annotations,
) -> f64 {
    match question {
        Question::Quantile(q) => {
            let quantile = histogram.quantile(q);
            let effect = quantile.nan.map(|effect| match effect {
                NanEffect::Result => "result is NaN",
                NanEffect::Skew => "result is skewed higher",
            });
            if let Some(effect) = effect {
                let text = format!("input to histogram_quantile has NaN observations, {effect}");
                notes.info(span, of_metric(&text, name));
            }
            quantile.value
        }
        Question::Fraction(lower, upper) => {
            let fraction = histogram.fraction(lower, upper);
            if fraction.excludes_nan {
                let text = "input to histogram_fraction has NaN observations, which are excluded from all fractions";
                notes.info(span, of_metric(text, name));
            }
            fraction.value
        }
    }
}

fn of_classic(
    buckets: &mut [ClassicBucket],
    question: Question,
    name: &str,
    (span, time): (Span, i64),
    notes: &mut Annotations,
) -> f64 {
    let q = match question {
        Question::Fraction(lower, upper) => return bucket_fraction(lower, upper, buckets),
        Question::Quantile(q) => q,
    };
    let quantile = bucket_quantile(q, buckets);
    if let Some(forced) = quantile.forced {
        let text = "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
        let mended = Mended {
            first: time,
            last: time,
            least_bucket: forced.min_bucket,
            most_bucket: forced.max_bucket,
            difference: forced.max_diff,
            steps: 1,
        };
        notes.mended(span, of_metric(text, name), mended);
    }
    quantile.value
}

/// A number as `OpenMetrics` writes it: with a point if it is whole (`labels.FormatOpenMetricsFloat`).
fn open_metrics_float(value: f64) -> String {
    let text = general(value);
    if text.contains(['.', 'e']) || !value.is_finite() {
        text
    } else {
        format!("{text}.0")
    }
}
