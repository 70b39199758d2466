//! Single cases whose outcome is not obvious, as Prometheus has them.

use super::{
    tests::{buckets, custom, exponential},
    *,
};

fn positive(schema: i32, zero: (f64, f64), spans: &[(i32, u32)], counts: &[f64]) -> FloatHistogram {
    exponential(schema, zero, buckets(spans, counts), Buckets::default())
}

fn both(a: &FloatHistogram, b: &FloatHistogram) -> String {
    let mut sum = a.clone();
    let _ = sum.add(b).unwrap();
    sum.to_string()
}

#[test]
fn bounds_are_powers_of_two_but_for_the_last() {
    let upper = |schema, index| bounds::exponential(index, schema);
    for (schema, index, bound) in [
        (0, 0, 1.0),
        (0, 1, 2.0),
        (0, -1, 0.5),
        (2, 1, 1.189_207_115_002_721),
        (-1, 1, 4.0),
        (-2, -1, 0.0625),
        (-4, 1, 65536.0),
        (8, -255, 0.501_355_637_525_101_3),
        (0, 1024, f64::MAX),
        (0, 1025, f64::INFINITY),
        (-2, 256, f64::MAX),
        (8, 262_144, f64::MAX),
        (0, -1074, 5e-324),
        (0, -1080, 0.0),
    ] {
        assert_eq!(
            upper(schema, index),
            bound,
            "schema {schema}, bucket {index}"
        );
    }
}

#[test]
fn logarithms_and_powers_of_two_undo_each_other() {
    for value in [1.0, 2.0, 0.5, 1e-310, 5e-324, 3.3, 7.0, 1e300, 1e308] {
        let log = scale::log2(value);
        assert!(
            (log - value.log2()).abs() <= 1e-12 * value.log2().abs(),
            "{value}: {log}"
        );
        let back = scale::exp2(log);
        assert!((back - value).abs() <= 1e-12 * value, "{value}: {back}");
    }
}

#[test]
fn a_zero_bucket_grows_to_the_end_of_a_populated_bucket() {
    let wide = positive(0, (1.5, 2.0), &[(3, 1)], &[1.0]);
    let narrow = positive(0, (0.5, 1.0), &[(0, 3)], &[1.0, 4.0, 8.0]);
    let expected = "{count:17, sum:2, [-2,2]:8, (2,4]:8, (4,8]:1}";
    assert_eq!(both(&wide, &narrow), expected);
    assert_eq!(both(&narrow, &wide), expected);
    let empty = positive(0, (0.5, 1.0), &[(0, 3)], &[1.0, 0.0, 8.0]);
    assert_eq!(
        both(&wide, &empty),
        "{count:13, sum:2, [-1.5,1.5]:4, (2,4]:8, (4,8]:1}"
    );
}

#[test]
fn across_schemas_the_zero_bucket_can_count_twice() {
    let fine = positive(0, (0.0, 0.0), &[(1, 1)], &[1.0]);
    let coarse = positive(-2, (1.3, 4.0), &[], &[]);
    assert_eq!(both(&fine, &coarse), "{count:5, sum:2, [-2,2]:5}");
    assert_eq!(both(&coarse, &fine), "{count:5, sum:2, [-2,2]:5, (1,16]:1}");
}

#[test]
fn new_buckets_extend_the_span_before_them_first() {
    let a = positive(0, (0.0, 0.0), &[(2, 2), (3, 3)], &[1.0; 5]);
    for (spans, expected) in [
        (&[(0, 2)][..], &[(0, 2), (0, 2), (3, 3)][..]),
        (&[(1, 1)], &[(1, 3), (3, 3)]),
        (&[(4, 1)], &[(2, 3), (2, 3)]),
        (&[(6, 1)], &[(2, 2), (2, 4)]),
        (&[(4, 3)], &[(2, 5), (0, 3)]),
        (&[(11, 2)], &[(2, 2), (3, 3), (1, 2)]),
    ] {
        let count = spans.iter().map(|(_, length)| *length as usize).sum();
        let mut sum = a.clone();
        let _ = sum
            .add(&positive(0, (0.0, 0.0), spans, &vec![1.0; count]))
            .unwrap();
        let expected = buckets(expected, &sum.positive.counts);
        assert_eq!(sum.positive, expected, "{spans:?}");
    }
}

#[test]
fn custom_bounds_become_those_that_both_have() {
    let a = custom(&[1.0, 2.0, 3.0, 4.0], &[(0, 5)], &[1.0, 2.0, 3.0, 4.0, 5.0]);
    let b = custom(&[2.0, 4.0, 6.0], &[(0, 1), (2, 1)], &[10.0, 20.0]);
    let mut sum = a.clone();
    let outcome = sum.add(&b).unwrap();
    assert!(outcome.nhcb_bounds_reconciled);
    assert_eq!(
        sum.to_string(),
        "{count:45, sum:2, [-Inf,2]:13, (2,4]:7, (4,+Inf]:25}"
    );
    let none = custom(&[7.0], &[(0, 1)], &[1.0]);
    assert_eq!(both(&a, &none), "{count:16, sum:2, [-Inf,+Inf]:16}");
    let exponential = positive(0, (0.0, 0.0), &[], &[]);
    assert_eq!(sum.add(&exponential), Err(IncompatibleSchemas));
}

#[test]
fn hints_of_sums() {
    use CounterResetHint::{Gauge, NotReset, Reset, Unknown};
    for (a, b, sum, collision) in [
        (Unknown, Unknown, Unknown, false),
        (Unknown, Reset, Unknown, false),
        (Reset, Unknown, Unknown, false),
        (Reset, Reset, Reset, false),
        (Reset, NotReset, Unknown, true),
        (NotReset, Reset, Unknown, true),
        (Gauge, Reset, Gauge, false),
        (NotReset, Gauge, Gauge, false),
    ] {
        let with = |counter_reset_hint| FloatHistogram {
            counter_reset_hint,
            ..Default::default()
        };
        let mut total = with(a);
        let outcome = total.add(&with(b)).unwrap();
        assert_eq!(total.counter_reset_hint, sum, "{a:?} {b:?}");
        assert_eq!(outcome.counter_reset_collision, collision, "{a:?} {b:?}");
        let mut many = HistogramSum::new(&with(a));
        many.add(&with(b)).unwrap();
        assert_eq!(
            many.outcome().counter_reset_collision,
            collision,
            "{a:?} {b:?}"
        );
    }
}

#[test]
fn multiples() {
    let h = positive(0, (0.0, 0.0), &[(0, 2)], &[2.0, 4.0]);
    assert_eq!(
        h.clone().mul(-0.5).to_test_expression(),
        "{{count:-3 sum:-0.5 counter_reset_hint:gauge buckets:[-1 -2]}}"
    );
    assert_eq!(
        h.clone().div(0.0).to_string(),
        "{count:+Inf, sum:+Inf, [-0,0]:NaN}"
    );
    assert_eq!(
        h.clone().div(4.0).to_test_expression(),
        "{{count:1.5 sum:0.25 buckets:[0.5 1]}}"
    );
}

#[test]
fn sums_do_not_lose_small_numbers_and_means_do_not_overflow() {
    let of = |count| positive(0, (0.0, 0.0), &[(0, 1)], &[count]);
    let mut sum = HistogramSum::new(&of(1.0));
    for count in [1e100, 1.0, -1e100] {
        sum.add(&of(count)).unwrap();
    }
    assert_eq!(sum.finish().positive.counts, [2.0]);
    let mut mean = HistogramMean::new(&of(1e308));
    for count in [1e308, 1e308, 1e308] {
        mean.add(&of(count)).unwrap();
    }
    assert!((mean.finish().positive.counts[0] / 1e308 - 1.0).abs() < 1e-12);
}

#[test]
fn compacting_fills_and_splits() {
    let h = positive(
        0,
        (0.0, 0.0),
        &[(-1, 6), (2, 1)],
        &[0.0, 1.0, 0.0, 0.0, 2.0, 0.0, 3.0],
    );
    for (most, spans, counts) in [
        (0, &[(0, 1), (2, 1), (3, 1)][..], &[1.0, 2.0, 3.0][..]),
        (2, &[(0, 4), (3, 1)], &[1.0, 0.0, 0.0, 2.0, 3.0]),
        (3, &[(0, 8)], &[1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 3.0]),
    ] {
        let compact = h.clone().compact(most).clone();
        assert_eq!(compact.positive, buckets(spans, counts), "at most {most}");
    }
}

#[test]
fn equal_are_the_same_buckets_with_the_same_bits() {
    let a = positive(0, (0.0, 0.0), &[(1, 2), (1, 1)], &[1.0, 2.0, 3.0]);
    let with = |spans, counts| FloatHistogram {
        positive: buckets(spans, counts),
        ..a.clone()
    };
    assert!(a.equals(&with(
        &[(0, 0), (1, 2), (1, 0), (0, 1), (7, 0)],
        &[1.0, 2.0, 3.0]
    )));
    assert!(!a.equals(&with(&[(1, 1), (0, 1), (1, 1)], &[1.0, 2.0, 3.0])));
    assert!(!a.equals(&with(&[(1, 2), (1, 1), (0, 1)], &[1.0, 2.0, 3.0, 0.0])));
    let nan = FloatHistogram {
        sum: f64::NAN,
        ..a.clone()
    };
    assert!(nan.equals(&nan.clone()));
}

#[test]
fn resets() {
    let before = positive(1, (0.5, 2.0), &[(1, 2)], &[1.0, 3.0]);
    let now = |change: &dyn Fn(&mut FloatHistogram)| {
        let mut now = before.clone();
        now.count += 10.0;
        change(&mut now);
        now.detect_reset(&before)
    };
    assert!(!now(&|_| {}));
    assert!(now(&|h| h.count = 5.0));
    assert!(!now(&|h| h.sum = -5.0));
    assert!(now(&|h| h.zero_count = 1.0));
    assert!(now(&|h| h.zero_threshold = 0.25));
    assert!(!now(&|h| h.zero_threshold = 0.75));
    assert!(now(&|h| h.zero_threshold = 1.5));
    assert!(now(&|h| h.schema = 2));
    assert!(now(&|h| h.positive = buckets(&[(2, 1)], &[3.0])));
    assert!(!now(&|h| {
        h.schema = 0;
        h.positive = buckets(&[(1, 1)], &[4.0]);
    }));
    assert!(now(&|h| h.schema = CUSTOM_BUCKETS_SCHEMA));
    assert!(!now(&|h| {
        h.count = 0.0;
        h.counter_reset_hint = CounterResetHint::NotReset;
    }));
    assert!(now(&|h| h.counter_reset_hint = CounterResetHint::Reset));
}

#[test]
fn resets_between_different_custom_bounds() {
    let before = custom(&[1.0, 2.0, 3.0], &[(0, 3)], &[1.0, 2.0, 3.0]);
    assert!(!custom(&[2.0, 3.0], &[(0, 3)], &[3.0, 3.0, 1.0]).detect_reset(&before));
    assert!(custom(&[2.0, 3.0], &[(0, 3)], &[2.0, 4.0, 1.0]).detect_reset(&before));
    assert!(!custom(&[7.0], &[(0, 1)], &[6.0]).detect_reset(&before));
}

#[test]
fn observations_of_nan_are_behind_all_buckets() {
    let mut h = positive(0, (0.0, 0.0), &[(0, 3)], &[1.0, 1.0, 1.0]);
    h.count = 4.0;
    h.sum = f64::NAN;
    let quantile = h.quantile(0.9);
    assert!(quantile.value.is_nan());
    assert_eq!(quantile.nan, Some(NanEffect::Result));
    assert_eq!(h.quantile(0.75).nan, Some(NanEffect::Skew));
    let fraction = h.fraction(f64::NEG_INFINITY, f64::INFINITY);
    assert!(fraction.excludes_nan && fraction.value == 0.75);
}

#[test]
fn custom_buckets_around_zero_differ_in_quantile_and_fraction() {
    let h = custom(&[-4.0, 4.0], &[(1, 1)], &[8.0]);
    assert_eq!(h.quantile(0.25).value, -2.0);
    assert_eq!(h.fraction(-4.0, -2.0).value, 0.0);
    assert_eq!(h.fraction(0.0, 2.0).value, 0.5);
}

#[test]
fn classic_buckets_are_made_monotonic() {
    let classic = |counts: &[(f64, f64)]| -> Vec<ClassicBucket> {
        (counts.iter())
            .map(|&(upper_bound, count)| ClassicBucket { upper_bound, count })
            .collect()
    };
    let inf = f64::INFINITY;
    let mut fallen = classic(&[(inf, 10.0), (1.0, 4.0), (2.0, 2.0), (3.0, 10.0), (4.0, 9.0)]);
    let quantile = bucket_quantile(0.5, &mut fallen);
    assert_eq!(
        quantile.forced,
        Some(ForcedMonotonicity {
            min_bucket: 2.0,
            max_bucket: 4.0,
            max_diff: 2.0
        })
    );
    assert_eq!(quantile.value, 2.0 + 1.0 / 6.0);
    let mut rounded = classic(&[(1.0, 10.0), (2.0, 10.0 - 1e-12), (inf, 10.0)]);
    assert_eq!(bucket_quantile(0.5, &mut rounded).forced, None);
    let mut twice = classic(&[(1.0, 1.0), (1.0, 2.0), (inf, 4.0)]);
    assert_eq!(bucket_fraction(0.0, 1.0, &mut twice), 0.75);
    assert!(
        bucket_quantile(0.5, &mut classic(&[(1.0, 1.0)]))
            .value
            .is_nan()
    );
    assert_eq!(
        bucket_quantile(0.5, &mut classic(&[(-1.0, 3.0), (inf, 4.0)])).value,
        -1.0
    );
}

#[test]
fn classic_histograms_become_native() {
    let convert = |buckets: &[(f64, f64)], count: Option<f64>| {
        let mut classic = ClassicHistogram::default();
        for (bound, count) in buckets {
            classic.set_bucket(*bound, *count);
        }
        classic.set_sum(5.0);
        if let Some(count) = count {
            classic.set_count(count);
        }
        match classic.convert() {
            Ok(native) => native.to_test_expression(),
            Err(error) => error.to_string(),
        }
    };
    let inf = f64::INFINITY;
    for (buckets, count, expected) in [
        (
            &[(inf, 6.0), (1.0, 2.0), (2.0, 2.0), (1.0, 9.0)][..],
            Some(6.0),
            "{{schema:-53 count:6 sum:5 custom_values:[1 2] buckets:[2 0 4]}}",
        ),
        (
            &[(1.0, 2.5)],
            None,
            "{{schema:-53 count:2.5 sum:5 custom_values:[1] buckets:[2.5]}}",
        ),
        (
            &[(1.0, 2.0)],
            Some(3.0),
            "{{schema:-53 count:3 sum:5 custom_values:[1] buckets:[2 1]}}",
        ),
        (
            &[(1.0, 2.0), (2.0, 1.0)],
            None,
            "count is not cumulative: 1 < 2",
        ),
        (
            &[(2.0, 1.0), (1.0, 2.0)],
            None,
            "count is not cumulative: 2 > 1",
        ),
        (
            &[(1.0, -1.0)],
            None,
            "bucket count must be non-negative: le=1, count=-1",
        ),
        (
            &[(inf, 2.0)],
            Some(3.0),
            "count mismatch: count=3 != le=+Inf count=2",
        ),
    ] {
        assert_eq!(convert(buckets, count), expected);
    }
}

#[test]
fn texts() {
    let h = FloatHistogram {
        sum: 1_234_567.0,
        ..exponential(
            1,
            (0.01, 5.5),
            buckets(&[(0, 1), (1, 1)], &[0.00001, 4.25]),
            buckets(&[(3, 2)], &[0.0, 123_456.0]),
        )
    };
    assert_eq!(
        h.to_string(),
        "{count:123465.75001, sum:1.234567e+06, [-4,-2.82842712474619):123456, [-0.01,0.01]:5.5, (0.7071067811865475,1]:1e-05, (1.414213562373095,2]:4.25}"
    );
    assert_eq!(
        h.to_test_expression(),
        "{{schema:1 count:123465.75001 sum:1.234567e+06 z_bucket:5.5 z_bucket_w:0.01 buckets:[1e-05 0 4.25] n_offset:4 n_buckets:[123456]}}"
    );
    let rules: Vec<_> = h
        .populated_buckets()
        .map(|bucket| bucket.boundary_rule())
        .collect();
    assert_eq!(rules, [1, 3, 0, 0]);
    assert_eq!(
        (h.byte_size(), h.size(), h.point_size()),
        (168 + 8 * 7, 14, 14)
    );
}

#[test]
fn what_is_invalid_is_said() {
    let h = positive(0, (0.0, 0.0), &[(-3, 1)], &[1.0]);
    let of = |change: &dyn Fn(&mut FloatHistogram)| {
        let mut h = h.clone();
        change(&mut h);
        h.validate().map_err(|error| error.to_string())
    };
    assert_eq!(of(&|_| {}), Ok(()));
    for (text, result) in [
        (
            "positive side: bucket number 1 has observation count of -1: histogram has a bucket whose observation count is negative",
            of(&|h| h.positive.counts = vec![-1.0]),
        ),
        (
            "positive side: spans need 1 buckets, have 2 buckets: histogram spans specify different number of buckets than provided",
            of(&|h| h.positive.counts.push(1.0)),
        ),
        (
            "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema 9",
            of(&|h| h.schema = 9),
        ),
        (
            "custom buckets: span number 1 with offset -3: histogram has a span whose offset is negative",
            of(&|h| h.schema = -53),
        ),
        (
            "custom buckets: previous bound is 2.000000 and current is 1.000000: histogram custom bounds must be in strictly increasing order",
            of(&|h| {
                h.schema = -53;
                h.custom_bounds = [2.0, 1.0].into();
            }),
        ),
    ] {
        assert_eq!(result, Err(text.to_owned()));
    }
}
