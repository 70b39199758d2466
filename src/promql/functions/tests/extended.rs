//! Tests of `anchored` and `smoothed`.

use super::*;

fn with(extended: Extended, start: i64, end: i64) -> WindowContext<'static> {
    WindowContext {
        extended,
        ..context(start, end)
    }
}

/// 1 2 3 4 5 and 9 10 11 12 13 after a gap; the growth of a minute that ends at 5 s, 20 s, ... 125 s.
#[test]
fn growth_of_a_minute() {
    let samples = every(15, &[1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 10.0, 11.0, 12.0, 13.0]);
    let anchored = [0.0, 1.0, 2.0, 3.0, 4.0, 7.0, 7.0, 7.0, 7.0];
    let smoothed = [
        1.0 / 3.0,
        4.0 / 3.0,
        7.0 / 3.0,
        10.0 / 3.0,
        5.0,
        7.0,
        7.0,
        7.0,
        6.0,
    ];
    for (at, (anchored, smoothed)) in anchored.into_iter().zip(smoothed).enumerate() {
        let end = 5 + 15 * at as i64;
        let grown = |extended| {
            over(
                FunctionId::Increase,
                &samples,
                &with(extended, end - 60, end),
            )
        };
        assert_near(grown(Extended::Anchored), anchored);
        assert_near(grown(Extended::Smoothed), smoothed);
    }
}

#[test]
fn a_window_after_all_samples_has_no_result() {
    let samples = every(15, &[1.0, 2.0]);
    for extended in [Extended::Anchored, Extended::Smoothed] {
        for id in [FunctionId::Rate, FunctionId::Delta] {
            assert_eq!(over(id, &samples, &with(extended, 15, 60)), None);
            assert_eq!(over(id, &samples, &with(extended, -90, -30)), None);
        }
    }
    assert_eq!(
        over(
            FunctionId::Changes,
            &samples,
            &with(Extended::Anchored, 15, 60)
        ),
        None
    );
}

#[test]
fn resets_at_the_ends_count_from_zero() {
    let samples = every(10, &[10.0, 2.0, 8.0, 4.0]);
    let grown = |start, end| {
        over(
            FunctionId::Increase,
            &samples,
            &with(Extended::Smoothed, start, end),
        )
    };
    // From the middle of a fall: half of 2 is gained before, half of it within.
    assert_near(grown(5, 10), 1.0);
    assert_near(grown(5, 20), 7.0);
    assert_near(grown(10, 25), 8.0);
    let delta = over(
        FunctionId::Delta,
        &samples,
        &with(Extended::Smoothed, 5, 25),
    );
    assert_near(delta, 0.0);
}

#[test]
fn changes_are_counted_from_the_anchor() {
    let samples = every(10, &[1.0, 2.0, 2.0, 1.0, 3.0]);
    for (start, end, changes, resets) in [(5, 40, 3.0, 1.0), (10, 20, 0.0, 0.0), (20, 40, 2.0, 1.0)]
    {
        let context = with(Extended::Anchored, start, end);
        assert_eq!(over(FunctionId::Changes, &samples, &context), Some(changes));
        assert_eq!(over(FunctionId::Resets, &samples, &context), Some(resets));
    }
}

#[test]
fn selectors_get_samples_at_both_ends() {
    let samples = every(10, &[0.0, 1.0, 2.0, 3.0]);
    let extended = |extended, start: i64, end: i64| {
        let context = with(extended, start, end);
        let ends = (context.start, context.end);
        extend(window(&samples, &context), ends, extended).expect("no histograms")
    };
    let anchored = extended(Extended::Anchored, 5, 25);
    assert_eq!(anchored.times, [5_000, 10_000, 20_000, 25_000]);
    assert_eq!(anchored.values, [0.0, 1.0, 2.0, 2.0]);
    let smoothed = extended(Extended::Smoothed, 5, 25);
    assert_eq!(smoothed.times, [5_000, 10_000, 20_000, 25_000]);
    assert_eq!(smoothed.values, [0.5, 1.0, 2.0, 2.5]);
    let aligned = extended(Extended::Smoothed, 10, 20);
    assert_eq!(aligned.times, [10_000, 20_000]);
    assert_eq!(extended(Extended::Smoothed, 40, 50).times, [0_i64; 0]);
}

#[test]
fn an_instant_is_interpolated() {
    let samples = every(10, &[0.0, 1.0, 4.0]);
    let at = |seconds: i64| {
        let mut notes = Annotations::default();
        let context = with(Extended::Smoothed, seconds, seconds);
        smoothed_at(
            window(&samples, &context),
            seconds * 1000,
            &context,
            &mut notes,
        )
    };
    assert_eq!(at(-1), None);
    assert_eq!(at(0), Some(Point::Float(0.0)));
    assert_eq!(at(5), Some(Point::Float(0.5)));
    assert_eq!(at(15), Some(Point::Float(2.5)));
    assert_eq!(at(20), Some(Point::Float(4.0)));
    assert_eq!(at(30), Some(Point::Float(4.0)));
    assert_eq!(at(330), None);
}

#[test]
fn few_functions_know_the_modifiers() {
    let refused = |extended, id| {
        check_function(extended, id, "deriv")
            .err()
            .map(|e| e.to_string())
    };
    assert_eq!(refused(Extended::No, FunctionId::Deriv), None);
    assert_eq!(refused(Extended::Smoothed, FunctionId::Rate), None);
    assert_eq!(refused(Extended::Anchored, FunctionId::Resets), None);
    let text = "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with deriv";
    assert_eq!(
        refused(Extended::Anchored, FunctionId::Deriv).as_deref(),
        Some(text)
    );
    let text = "smoothed modifier can only be used with: delta, increase, rate - not with deriv";
    assert_eq!(
        refused(Extended::Smoothed, FunctionId::Resets).as_deref(),
        Some(text)
    );
}

proptest::proptest! {
    /// What grows in a window is what grows in its parts.
    #[test]
    fn smoothed_growth_adds_up(steps in proptest::collection::vec(0..50_u32, 3..30), cut in 1..1000_i64) {
        let values = steps.iter().scan(0.0, |sum, step| { *sum += f64::from(*step); Some(*sum) });
        let samples = every(10, &values.collect::<Vec<_>>());
        let end = 10 * (steps.len() as i64 - 1);
        let middle = cut * end / 1000;
        proptest::prop_assume!(middle > 0 && middle < end);
        let grown = |start, end| {
            over(FunctionId::Increase, &samples, &with(Extended::Smoothed, start, end)).expect("samples")
        };
        let difference = grown(0, end) - grown(0, middle) - grown(middle, end);
        proptest::prop_assert!(difference.abs() < 1e-9, "{}", difference);
    }
}
