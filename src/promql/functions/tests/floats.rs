//! Tests of functions over windows of numbers.

use super::*;

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

#[track_caller]
fn assert_same(got: Option<f64>, expected: Option<f64>) {
    let bits = |value: Option<f64>| {
        value.map(|value| {
            if value.is_nan() {
                NAN.to_bits()
            } else {
                value.to_bits()
            }
        })
    };
    assert_eq!(bits(got), bits(expected), "{got:?} instead of {expected:?}");
}

/// The functions over all of some numbers, one a minute.
#[track_caller]
fn of_all(id: FunctionId, values: &[f64], params: &[f64]) -> Option<f64> {
    let samples = every(60, values);
    let all = WindowContext {
        params,
        ..context(-1, 60 * (values.len() as i64 - 1))
    };
    over(id, &samples, &all)
}

#[test]
fn over_time() {
    use FunctionId::*;
    let max = f64::MAX;
    let cases: &[(FunctionId, &[f64], &[f64], f64)] = &[
        (SumOverTime, &[1.0, 1e100, 1.0, -1e100], &[], 2.0),
        (SumOverTime, &[1.0, INF, -INF], &[], NAN),
        (SumOverTime, &[max, max], &[], INF),
        (SumOverTime, &[-0.0], &[], 0.0),
        (AvgOverTime, &[1.0, 2.0, 6.0], &[], 3.0),
        (AvgOverTime, &[max, max], &[], max),
        (AvgOverTime, &[INF], &[], INF),
        (AvgOverTime, &[INF, 1.0, 2.0], &[], INF),
        (AvgOverTime, &[INF, -INF], &[], NAN),
        (AvgOverTime, &[1.0, 1e100, 1.0, -1e100], &[], 0.5),
        (MinOverTime, &[NAN, 3.0, 2.0, NAN], &[], 2.0),
        (MaxOverTime, &[NAN, 3.0, 4.0, NAN], &[], 4.0),
        (MaxOverTime, &[NAN, NAN], &[], NAN),
        (TsOfMinOverTime, &[2.0, 1.0, 1.0, 3.0], &[], 120.0),
        (TsOfMaxOverTime, &[3.0, 1.0, 3.0, NAN], &[], 120.0),
        (TsOfFirstOverTime, &[3.0, 1.0], &[], 0.0),
        (TsOfLastOverTime, &[3.0, 1.0], &[], 60.0),
        (FirstOverTime, &[3.0, 1.0], &[], 3.0),
        (LastOverTime, &[3.0, 1.0], &[], 1.0),
        (CountOverTime, &[3.0, NAN], &[], 2.0),
        (PresentOverTime, &[NAN], &[], 1.0),
        (AbsentOverTime, &[NAN], &[], 1.0),
        (
            StdvarOverTime,
            &[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0],
            &[],
            4.0,
        ),
        (StddevOverTime, &[1.0, 3.0], &[], 1.0),
        (StddevOverTime, &[1.0, INF], &[], NAN),
        (QuantileOverTime, &[0.0, 1.0, 2.0, 3.0], &[0.75], 2.25),
        (
            MadOverTime,
            &[4.0, 6.0, 2.0, 1.0, 999.0, 1.0, 2.0],
            &[],
            1.0,
        ),
        (MadOverTime, &[4.0, NAN], &[], NAN),
        (Changes, &[1.0, 2.0, 2.0, NAN, NAN, 0.0, -0.0], &[], 3.0),
        (Resets, &[1.0, 2.0, 0.0, NAN, -1.0, 5.0], &[], 1.0),
        (Irate, &[9.0, 1.0, 4.0], &[], 0.05),
        (Irate, &[9.0, 6.0], &[], 0.1),
        (Idelta, &[0.0, 9.0, 6.0], &[], -3.0),
        (Deriv, &[0.0, 60.0, 120.0], &[], 1.0),
        (Deriv, &[7.0, 7.0], &[], 0.0),
        (Deriv, &[INF, INF], &[], NAN),
        (PredictLinear, &[0.0, 60.0, 120.0], &[60.0], 180.0),
        (
            DoubleExponentialSmoothing,
            &[1.0, 2.0, 3.0, 4.0],
            &[0.5, 0.25],
            4.0,
        ),
        (
            DoubleExponentialSmoothing,
            &[0.0, 4.0, 0.0],
            &[0.5, 0.5],
            4.0,
        ),
    ];
    for (id, values, params, expected) in cases {
        let got = of_all(*id, values, params);
        assert_same(got, Some(*expected));
    }
}

#[test]
fn one_number_is_too_few_for_some() {
    use FunctionId::*;
    for id in [
        Rate,
        Increase,
        Delta,
        Irate,
        Idelta,
        Deriv,
        PredictLinear,
        DoubleExponentialSmoothing,
    ] {
        assert_eq!(of_all(id, &[1.0], &[0.5, 0.5]), None, "{id:?}");
    }
    for id in [Changes, Resets, StddevOverTime, StdvarOverTime, MadOverTime] {
        assert_eq!(of_all(id, &[1.0], &[]), Some(0.0), "{id:?}");
    }
}

#[test]
fn nothing_has_no_result() {
    for function in Function::all() {
        if resolve(function.id).is_some() {
            assert_eq!(
                over(function.id, &Samples::default(), &context(0, 60)),
                None
            );
        }
    }
}

#[test]
fn growth_is_extrapolated_to_the_window() {
    use FunctionId::*;
    let samples = every(15, &[1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 10.0, 11.0, 12.0, 13.0]);
    let minute = |id, end| over(id, &samples, &context(end - 60, end));
    assert_eq!(minute(Increase, 5), None);
    for (end, expected) in [
        // To the time at which the counter was zero, or half a distance, whichever is nearer; and to the end.
        (20, 11.0 / 6.0),
        (35, 17.0 / 6.0),
        (65, 4.0),
        (80, 8.0),
    ] {
        assert_near(minute(Increase, end), expected);
        assert_near(minute(Rate, end), expected / 60.0);
    }
    // Far from the ends half a distance is added: 30 s are sampled, 15 s added.
    let few = every(15, &[10.0, 12.0, 14.0]);
    assert_near(over(Increase, &few, &context(-60, 90)), 6.0);
    assert_near(over(Delta, &few, &context(-60, 90)), 6.0);
    // A counter is not extrapolated below zero, other numbers are.
    let from_zero = every(15, &[0.0, 2.0, 4.0]);
    assert_near(over(Increase, &from_zero, &context(-60, 90)), 5.0);
    assert_near(over(Delta, &from_zero, &context(-60, 90)), 6.0);
}

#[test]
fn resets_are_added() {
    let samples = every(10, &[5.0, 10.0, 3.0, 6.0, 1.0]);
    // 5 + 3 + 3 + 1 in 40 s that are the whole window.
    let all = WindowContext {
        start: 0,
        ..context(0, 40)
    };
    let window = Window {
        floats: samples.slice(0, 5),
        histograms: none(),
    };
    let mut notes = Annotations::default();
    let got = over_window(FunctionId::Increase, window, &all, &mut notes);
    assert_eq!(got, Ok(Some(Point::Float(12.0))));
}

#[test]
fn start_timestamps_mark_resets() {
    let mut samples = every(60, &[10.0, 20.0, 30.0, 40.0]);
    samples.starts = vec![-60_000, -60_000, 90_000, 90_000];
    let plain = context(-1, 180);
    let started = WindowContext {
        use_start_timestamps: true,
        ..plain
    };
    assert_eq!(over(FunctionId::Resets, &samples, &plain), Some(0.0));
    assert_eq!(over(FunctionId::Resets, &samples, &started), Some(1.0));
    assert_near(
        over(FunctionId::Delta, &samples, &started),
        30.0 * (181.0 / 180.0),
    );
    assert_near(
        over(FunctionId::Increase, &samples, &started),
        50.0 * (181.0 / 180.0),
    );
    samples.starts = vec![0, 0, 0, 120_001];
    assert_near(over(FunctionId::Irate, &samples, &plain), 10.0 / 60.0);
    assert_near(over(FunctionId::Irate, &samples, &started), 40.0 / 60.0);
}

#[test]
fn a_start_in_the_window_is_a_sample_of_zero() {
    let mut samples = every(60, &[1.0, 2.0]);
    let started = WindowContext {
        use_start_timestamps: true,
        ..context(-60, 60)
    };
    samples.starts = vec![-30_000, -30_000];
    assert_near(over(FunctionId::Increase, &samples, &started), 2.0);
    // One sample is enough then.
    let one = WindowContext { end: 0, ..started };
    assert_near(over(FunctionId::Increase, &samples, &one), 1.0);
    samples.starts = vec![-60_000, -60_000];
    assert_eq!(over(FunctionId::Increase, &samples, &one), None);
    samples.starts = vec![1, 1];
    assert_eq!(over(FunctionId::Increase, &samples, &one), None);
}

#[test]
fn overlapping_starts_are_remarked() {
    let mut samples = every(60, &[1.0, 2.0, 3.0]);
    let started = WindowContext {
        use_start_timestamps: true,
        ..context(-1, 120)
    };
    for (starts, overlaps) in [
        (vec![-1, -1, -1], false),
        (vec![-1, 0, 0], false),
        (vec![-1, 0, 60_000], false),
        (vec![-1, -1, 59_999], true),
        (vec![-1, -2, -2], true),
    ] {
        samples.starts = starts;
        let mut notes = Annotations::default();
        over_window(
            FunctionId::Rate,
            window(&samples, &started),
            &started,
            &mut notes,
        )
        .expect("a rate");
        let texts: Vec<_> = notes.iter().map(|note| note.text.clone()).collect();
        let text =
            r#"sample has start time that overlaps with previous sample timestamp for metric "m""#;
        assert_eq!(
            texts,
            vec![text.to_owned(); usize::from(overlaps)],
            "{:?}",
            samples.starts
        );
    }
}

#[test]
fn parameters_are_checked() {
    let samples = every(60, &[1.0, 2.0]);
    let mut notes = Annotations::default();
    let mut of = |id, params: &[f64]| {
        let context = WindowContext {
            params,
            ..context(-1, 60)
        };
        over_window(id, window(&samples, &context), &context, &mut notes)
    };
    let text = |result: Result<_, crate::promql::engine::EvalError>| {
        result.expect_err("an error").to_string()
    };
    let smoothing = FunctionId::DoubleExponentialSmoothing;
    assert_eq!(
        text(of(smoothing, &[1.0, 0.5])),
        "invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000"
    );
    assert_eq!(
        text(of(smoothing, &[0.5, -0.5])),
        "invalid trend factor. Expected: 0 < tf < 1, got: -0.500000"
    );
    assert_eq!(
        of(FunctionId::QuantileOverTime, &[2.0]),
        Ok(Some(Point::Float(INF)))
    );
    let texts: Vec<_> = notes.iter().map(|note| note.to_text("")).collect();
    assert_eq!(
        texts,
        ["PromQL warning: quantile value should be between 0 and 1, got 2"]
    );
}

#[test]
fn a_loop_may_use_the_function_of_numbers() {
    for function in Function::all() {
        let Some(resolved) = resolve(function.id) else {
            continue;
        };
        use FunctionId::*;
        let checked = matches!(function.id, QuantileOverTime | DoubleExponentialSmoothing);
        assert_eq!(
            resolved.floats(false).is_none(),
            checked,
            "{}",
            function.name
        );
        let overlaps = matches!(function.id, Rate | Increase);
        assert_eq!(
            resolved.floats(true).is_none(),
            checked || overlaps,
            "{}",
            function.name
        );
    }
}

proptest::proptest! {
    /// Sums of whole numbers are exact, so those of two parts make that of all.
    #[test]
    fn sums_of_parts_add_up(values in proptest::collection::vec(-1000..1000_i32, 2..50), cut in 1_usize..50) {
        let values: Vec<_> = values.into_iter().map(f64::from).collect();
        let (left, right) = values.split_at(cut.min(values.len() - 1));
        for id in [FunctionId::SumOverTime, FunctionId::CountOverTime] {
            let [all, left, right] = [&values, left, right].map(|part| of_all(id, part, &[]).expect("a sum"));
            proptest::prop_assert_eq!(all, left + right);
        }
    }

    /// Another unit, a power of two, gives the same rate in that unit.
    #[test]
    fn rates_scale(values in proptest::collection::vec(0..1000_u32, 2..50), power in -20..20_i32) {
        let scale = 2f64.powi(power);
        let values: Vec<_> = values.into_iter().map(f64::from).collect();
        let scaled: Vec<_> = values.iter().map(|value| value * scale).collect();
        use FunctionId::*;
        for id in [Rate, Increase, Delta, Irate, Idelta, Deriv, AvgOverTime, StddevOverTime] {
            let (plain, scaled) = (of_all(id, &values, &[]), of_all(id, &scaled, &[]));
            proptest::prop_assert_eq!(plain.map(|value| value * scale), scaled);
        }
    }

    #[test]
    fn means_lie_between_the_extremes(values in proptest::collection::vec(-1e300..1e300_f64, 1..50)) {
        use FunctionId::*;
        let [least, mean, most] = [MinOverTime, AvgOverTime, MaxOverTime].map(|id| of_all(id, &values, &[]).expect("a number"));
        let slack = 1e-12 * least.abs().max(most.abs());
        proptest::prop_assert!(least - slack <= mean && mean <= most + slack);
    }
}
