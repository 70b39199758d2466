//! What histograms must keep, whatever is in them.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// A histogram with `spans` of `(offset, length)` and counts.
pub(super) fn buckets(spans: &[(i32, u32)], counts: &[f64]) -> Buckets {
    Buckets {
        spans: (spans.iter())
            .map(|&(offset, length)| BucketSpan { offset, length })
            .collect(),
        counts: counts.to_vec(),
    }
}

pub(super) fn custom(bounds: &[f64], spans: &[(i32, u32)], counts: &[f64]) -> FloatHistogram {
    FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: counts.iter().sum(),
        sum: 1.0,
        positive: buckets(spans, counts),
        custom_bounds: bounds.into(),
        ..Default::default()
    }
}

pub(super) fn exponential(
    schema: i32,
    zero: (f64, f64),
    positive: Buckets,
    negative: Buckets,
) -> FloatHistogram {
    let counts = positive.counts.iter().chain(&negative.counts);
    FloatHistogram {
        schema,
        zero_threshold: zero.0,
        zero_count: zero.1,
        count: counts.sum::<f64>() + zero.1,
        sum: 1.0,
        positive,
        negative,
        ..Default::default()
    }
}

/// Buckets of small indices and counts.
fn some_buckets() -> impl Strategy<Value = Buckets> {
    prop::collection::vec((0i32..4, 1u32..4), 0..4).prop_flat_map(|mut spans| {
        if let Some(first) = spans.first_mut() {
            first.0 -= 5;
        }
        let total: u32 = spans.iter().map(|(_, length)| length).sum();
        prop::collection::vec(0u8..9, total as usize).prop_map(move |counts| {
            let counts: Vec<f64> = counts.into_iter().map(f64::from).collect();
            buckets(&spans, &counts)
        })
    })
}

/// Sound ones, without buckets that overlap the zero bucket.
pub(super) fn some_exponential() -> impl Strategy<Value = FloatHistogram> {
    (-2i32..4).prop_flat_map(some_of_schema)
}

/// Two of the same schema: across schemas, Prometheus counts what the wider zero bucket of a sum takes in
/// once more where the lower resolution's bucket reaches beyond it.
fn two_exponential() -> impl Strategy<Value = (FloatHistogram, FloatHistogram)> {
    (-2i32..4).prop_flat_map(|schema| (some_of_schema(schema), some_of_schema(schema)))
}

fn some_of_schema(schema: i32) -> impl Strategy<Value = FloatHistogram> {
    let zero = (
        prop::sample::select(vec![0.0, 0.001, 0.5, 1.0, 1.3]),
        0u8..5,
    );
    (zero, some_buckets(), some_buckets()).prop_map(move |(zero, positive, negative)| {
        let mut h = exponential(schema, (zero.0, f64::from(zero.1)), positive, negative);
        h.drop_buckets_in_zero_bucket();
        exponential(schema, (zero.0, f64::from(zero.1)), h.positive, h.negative)
    })
}

pub(super) fn some_custom() -> impl Strategy<Value = FloatHistogram> {
    prop::collection::btree_set(-4i8..9, 0..9).prop_flat_map(|bounds| {
        let bounds: Vec<f64> = bounds.into_iter().map(f64::from).collect();
        prop::collection::vec(0u8..9, bounds.len() + 1).prop_map(move |counts| {
            let counts: Vec<f64> = counts.into_iter().map(f64::from).collect();
            let length = u32::try_from(counts.len()).unwrap();
            custom(&bounds, &[(0, length)], &counts)
        })
    })
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        prop::sample::select(vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            5e-324,
            1e-128
        ]),
        any::<f64>(),
        -10.0..10.0,
    ]
}

fn any_buckets() -> impl Strategy<Value = Buckets> {
    let offset = prop_oneof![
        -3i32..5,
        any::<i32>(),
        prop::sample::select(vec![i32::MIN, i32::MAX])
    ];
    let length = prop_oneof![0u32..5, prop::sample::select(vec![u32::MAX, 1 << 31])];
    let spans = prop::collection::vec(
        (offset, length).prop_map(|(offset, length)| BucketSpan { offset, length }),
        0..5,
    );
    (spans, prop::collection::vec(any_number(), 0..9))
        .prop_map(|(spans, counts)| Buckets { spans, counts })
}

/// Anything, of which most is no histogram.
pub(super) fn anything() -> impl Strategy<Value = FloatHistogram> {
    let schema = prop_oneof![
        -4i32..9,
        Just(CUSTOM_BUCKETS_SCHEMA),
        any::<i32>(),
        prop::sample::select(vec![i32::MIN, i32::MAX, -9, 9, 52])
    ];
    let hint = prop::sample::select(vec![
        CounterResetHint::Unknown,
        CounterResetHint::Reset,
        CounterResetHint::NotReset,
        CounterResetHint::Gauge,
    ]);
    (
        (
            hint,
            schema,
            any_number(),
            any_number(),
            any_number(),
            any_number(),
        ),
        any_buckets(),
        any_buckets(),
        prop::collection::vec(any_number(), 0..6),
    )
        .prop_map(
            |((hint, schema, threshold, zero, count, sum), positive, negative, bounds)| {
                FloatHistogram {
                    counter_reset_hint: hint,
                    schema,
                    zero_threshold: threshold,
                    zero_count: zero,
                    count,
                    sum,
                    positive,
                    negative,
                    custom_bounds: Arc::from(bounds),
                }
            },
        )
}

fn observations(h: &FloatHistogram) -> f64 {
    h.buckets().map(|bucket| bucket.count).sum()
}

fn sum_of(a: &FloatHistogram, b: &FloatHistogram) -> FloatHistogram {
    let mut sum = a.clone();
    let _ = sum.add(b).unwrap();
    sum.compact(0);
    sum
}

proptest! {
    #[test]
    fn sums_do_not_depend_on_the_order((a, b) in two_exponential()) {
        let (ab, ba) = (sum_of(&a, &b), sum_of(&b, &a));
        prop_assert!(ab.equals(&ba), "{ab:?}\n{ba:?}");
    }

    #[test]
    fn custom_sums_do_not_depend_on_the_order(a in some_custom(), b in some_custom()) {
        let (ab, ba) = (sum_of(&a, &b), sum_of(&b, &a));
        prop_assert!(ab.equals(&ba), "{ab:?}\n{ba:?}");
        prop_assert_eq!(observations(&ab), observations(&a) + observations(&b));
    }

    #[test]
    fn what_is_added_can_be_subtracted((a, b) in two_exponential()) {
        let mut h = sum_of(&a, &b);
        let _ = h.sub(&b).unwrap();
        h.compact(0);
        let mut widened = a.clone();
        let mut nothing = b.clone();
        nothing.mul(0.0);
        if b.zero_threshold == a.zero_threshold {
            let _ = widened.add(&nothing).unwrap();
            widened.compact(0);
            prop_assert!(h.equals(&widened), "{h:?}\n{widened:?}");
        }
        prop_assert_eq!(h.count, a.count);
    }

    #[test]
    fn lower_resolution_keeps_observations(h in some_exponential(), steps in 1..4) {
        let mut lower = h.clone();
        lower.reduce_resolution(h.schema - steps).unwrap();
        prop_assert_eq!(observations(&lower), observations(&h));
        for bucket in h.populated_buckets().filter(|b| b.lower > h.zero_threshold) {
            let around = lower.populated_buckets()
                .any(|wide| wide.lower <= bucket.lower && wide.upper >= bucket.upper);
            prop_assert!(around);
        }
    }

    #[test]
    fn compacting_keeps_buckets(h in some_exponential(), max_empty in 0usize..4) {
        let mut compact = h.clone();
        compact.compact(max_empty);
        prop_assert!(compact.populated_buckets().eq(h.populated_buckets()));
        let once = compact.clone();
        compact.compact(max_empty);
        prop_assert_eq!(once, compact);
    }

    #[test]
    fn buckets_are_the_same_from_both_ends(h in prop_oneof![some_exponential(), some_custom()], split in 0usize..20) {
        let all: Vec<_> = h.buckets().collect();
        let mut reversed: Vec<_> = h.buckets().rev().collect();
        reversed.reverse();
        prop_assert_eq!(&all, &reversed);
        let mut both = h.buckets();
        let mut seen: Vec<_> = both.by_ref().take(split).collect();
        let mut end: Vec<_> = std::iter::from_fn(|| both.next_back()).collect();
        end.reverse();
        seen.extend(end);
        prop_assert_eq!(&all, &seen);
        prop_assert!(all.is_sorted_by(|a, b| a.upper <= b.upper));
    }

    #[test]
    fn a_counter_that_grows_was_not_reset((a, b) in two_exponential()) {
        let sum = sum_of(&a, &b);
        prop_assert!(!sum.detect_reset(&a), "{sum:?} {a:?}");
    }

    #[test]
    fn a_custom_counter_that_grows_was_not_reset(a in some_custom(), b in some_custom()) {
        prop_assert!(!sum_of(&a, &b).detect_reset(&a));
    }

    #[test]
    fn sums_and_means_of_many(all in prop::collection::vec(some_exponential(), 1..5)) {
        let mut plain = all[0].clone();
        let mut sum = HistogramSum::new(&plain);
        let mut mean = HistogramMean::new(&plain);
        for h in &all[1..] {
            let _ = plain.add(h).unwrap();
            sum.add(h).unwrap();
            mean.add(h).unwrap();
        }
        prop_assert_eq!(&sum.finish(), &plain);
        plain.div(all.len() as f64);
        prop_assert_eq!(mean.finish(), plain);
    }

    #[test]
    fn nothing_panics(a in anything(), b in anything(), factor in any_number(), schema in any::<i32>()) {
        for bucket in a.buckets().rev().chain(b.buckets()) {
            let _ = bucket.boundary_rule();
        }
        let _ = (a.size(), a.has_overflow(), a.equals(&b), a.detect_reset(&b), a.without_buckets(Some(&b)));
        let mut h = a.clone();
        let _ = h.reduce_resolution(schema);
        let mut h = a.clone();
        h.compact(0).mul(factor).div(factor);
        let _ = a.clone().add(&b);
        let _ = a.clone().sub(&b);
        let mut mean = HistogramMean::new(&a);
        let _ = mean.add(&b);
        let _ = mean.add(&a);
        let _ = mean.finish();
        let _ = (a.quantile(factor), a.quantile(0.3), a.quantile(0.9));
        let _ = (a.fraction(factor, 3.0), a.fraction(-1.0, factor), a.avg(), a.stdvar(), a.stddev());
        let _ = (a.clone().trim_upper(factor), a.clone().trim_lower(factor));
        let _ = a.validate().map_err(|error| error.to_string());
        let _ = (a.to_string(), a.to_test_expression());
    }

    #[test]
    fn no_classic_histogram_panics(buckets in prop::collection::vec((any_number(), any_number()), 0..6), q in any_number()) {
        let mut classic: Vec<_> = (buckets.iter())
            .map(|&(upper_bound, count)| ClassicBucket { upper_bound, count })
            .collect();
        let _ = bucket_quantile(0.4, &mut classic);
        let _ = (bucket_quantile(q, &mut classic), bucket_fraction(q, 2.0, &mut classic));
        let mut gathered = ClassicHistogram::default();
        for (bound, count) in buckets {
            gathered.set_bucket(bound, count);
        }
        gathered.set_sum(q);
        gathered.set_count(q);
        let _ = gathered.convert().map_err(|error| error.to_string());
    }

    #[test]
    fn a_quantile_is_where_so_many_observations_are(
        h in prop_oneof![some_exponential(), some_custom()], q in 0.001..0.999
    ) {
        prop_assume!(h.count > 0.0 && h.populated_buckets().all(|b| b.upper.is_finite() && b.lower.is_finite()));
        let at = h.quantile(q).value;
        let below: f64 = h.populated_buckets().filter(|b| b.upper < at).map(|b| b.count).sum();
        let up_to: f64 = h.populated_buckets().filter(|b| b.lower <= at).map(|b| b.count).sum();
        prop_assert!(below <= q * h.count * (1.0 + 1e-9) && up_to >= q * h.count * (1.0 - 1e-9), "{at}: {h}");
        let fraction = h.fraction(f64::NEG_INFINITY, at).value;
        let width = h.populated_buckets().filter(|b| b.lower < at && b.upper > at).count();
        // Of custom buckets around zero, a fraction takes the part above zero only.
        prop_assert!(width == 0 || h.is_custom() || (fraction - q).abs() < 1e-6, "{at} {fraction}: {h}");
    }

    #[test]
    fn both_parts_of_a_trimmed_histogram_are_the_whole(h in some_exponential(), bound in -9.0..9.0) {
        let (mut lower, mut upper) = (h.clone(), h.clone());
        lower.trim_upper(bound);
        upper.trim_lower(bound);
        prop_assert!((lower.count + upper.count - h.count).abs() < 1e-9, "{lower} {upper} {h}");
        prop_assert!(lower.validate().is_ok() && upper.validate().is_ok());
        prop_assert!(lower.populated_buckets().all(|b| b.lower < bound));
        prop_assert!(upper.populated_buckets().all(|b| b.upper > bound));
    }

    #[test]
    fn sound_histograms_are_valid(h in prop_oneof![some_exponential(), some_custom()]) {
        prop_assert_eq!(h.validate(), Ok(()));
    }

    #[test]
    fn classic_and_custom_quantiles_agree(h in some_custom(), q in 0.001..0.999) {
        prop_assume!(h.count > 0.0 && h.custom_bounds.len() > 1);
        let mut all = 0.0;
        let bounds = h.custom_bounds.iter().copied().chain([f64::INFINITY]);
        let mut classic: Vec<_> = (bounds.zip(&h.positive.counts))
            .map(|(upper_bound, count)| {
                all += count;
                ClassicBucket { upper_bound, count: all }
            })
            .collect();
        let mut gathered = ClassicHistogram::default();
        for bucket in &classic {
            gathered.set_bucket(bucket.upper_bound, bucket.count);
        }
        gathered.set_sum(h.sum);
        let native = gathered.convert().unwrap();
        prop_assert!(native.populated_buckets().eq(h.populated_buckets()));
        let classic = bucket_quantile(q, &mut classic);
        prop_assert!(classic.forced.is_none());
        let custom = h.quantile(q).value;
        prop_assert!((classic.value - custom).abs() < 1e-9, "{} {custom} {h}", classic.value);
    }
}
