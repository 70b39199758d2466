//! Endpoints that hang: what fires goes on, and what waits for nobody is not late.

use std::collections::BTreeSet;

use super::harness::{Harness, of};
use crate::ruler::{Phase, Told};

const TWO: &str = "groups: [{name: g, interval: 30s, eval_offset: 0s, rules: [{alert: A, expr: x > 0}, {alert: B, expr: y > 0}]}]";
const X: &[(&[(&str, &str)], f64)] = &[(&[("job", "j")], 3.0)];

fn ends(told: &Told) -> i64 {
    told.ends_at.unix_millis()
}

/// Of an alert what was told when, as (when, until when), in seconds.
fn lasts(world: &Harness, name: &str) -> Vec<(i64, i64)> {
    let told = world.told.iter();
    let told = told.filter(|(_, told)| told.labels.value("alertname") == name);
    told.map(|(at, told)| (at / 1000, ends(told) / 1000))
        .collect()
}

/// The first time at which an alert had run out, though it was told again afterwards.
fn ran_out(world: &Harness, name: &str, until: i64) -> Option<i64> {
    let mut told = lasts(world, name);
    told.push((until, i64::MAX));
    let mut pairs = told.windows(2);
    pairs
        .find(|pair| pair[1].0 >= pair[0].1)
        .map(|pair| pair[0].1)
}

#[test]
fn what_fires_goes_on_while_endpoints_hang() {
    let mut world = Harness::new(TWO);
    world.run(60, |_| of(X));
    let before = world.alerts();
    let asked = world.hang(1200);
    // The second slot never ended.
    assert_eq!(asked.len(), 2);
    for name in ["A", "B"] {
        assert_eq!(
            ran_out(&world, name, 1200),
            None,
            "{:?}",
            lasts(&world, name)
        );
    }
    // Not at every look, and nobody else needs to know.
    assert!(
        lasts(&world, "A").len() <= 1 + 1200 / 60,
        "{:?}",
        lasts(&world, "A")
    );
    assert_eq!(world.alerts(), before);
    // What ended is told at once, as of its slot, and once.
    let count = lasts(&world, "A").len();
    world.answer_one(&asked[0], || of(&[]));
    assert_eq!(lasts(&world, "A")[count..], [(1200, 90)]);
    assert_eq!(
        world
            .alerts()
            .values()
            .filter(|one| one.phase == Phase::Firing)
            .count(),
        1
    );
}

#[test]
fn whoever_answers_in_time_is_told_of_no_more_than_before() {
    let mut world = Harness::new(TWO);
    world.run(0, |_| of(X));
    for slot in 1..40 {
        let asked = world.hang(slot * 30);
        // Each answer takes up to a third of the interval.
        for (at, one) in (1..).zip(&asked) {
            world.now = (slot * 30 + at * 5) * 1000;
            world.answer_one(one, || of(X));
        }
    }
    for name in ["A", "B"] {
        let told = lasts(&world, name);
        let mut gaps = told[1..].windows(2).map(|pair| pair[1].0 - pair[0].0);
        assert!(gaps.all(|gap| gap == 90), "{told:?}");
        assert!(told.len() > 10);
    }
}

#[test]
fn a_slot_of_many_rules_ends_in_time_however_slow_endpoints_are() {
    let rules: String = (0..30)
        .map(|at| format!("{{alert: A{at}, expr: x{at} > 0}},"))
        .collect();
    let mut world = Harness::new(&format!(
        "groups: [{{name: g, interval: 30s, eval_offset: 0s, rules: [{rules}]}}]"
    ));
    let mut asked = world.hang(0);
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|one| one.within == 24_000), "{asked:?}");
    // Each answer comes when its time is over.
    let mut turns = 0;
    while let Some(longest) = asked.iter().map(|one| one.within).max() {
        world.now += longest;
        turns += 1;
        asked = world.answer_all(&asked, || of(X));
    }
    assert_eq!(turns, 8);
    assert_eq!(world.now, 24_000 + 7 * 1_000);
    let group = &world.ruler.states().groups[0];
    assert_eq!((group.iterations, group.missed), (1, 0));
}

#[test]
fn where_time_is_short_it_is_the_turn_of_each_rule() {
    let rules: String = (0..30)
        .map(|at| format!("{{alert: A{at}, expr: x{at} > 0}},"))
        .collect();
    let mut world = Harness::new(&format!(
        "groups: [{{name: g, interval: 30s, eval_offset: 0s, rules: [{rules}]}}]"
    ));
    // Four at a time, of which one turn fits into a slot.
    let whole = world.run_slowly(8 * 30, 20_000, |_| of(X));
    let asked: BTreeSet<String> = whole.iter().map(|one| one.expr.to_string()).collect();
    assert_eq!(asked.len(), 30, "{asked:?}");
    assert_eq!(world.ruler.states().groups[0].missed, 0);
}

#[test]
fn an_owner_that_stopped_does_not_go_on_telling() {
    let mut world = Harness::new(TWO);
    world.run(60, |_| of(X));
    world.hang(100);
    let told = world.told.len();
    let nobody = crate::ruler::Members {
        ready: false,
        ..crate::ruler::Members::alone("a")
    };
    let now = super::harness::now(world.now);
    world.ruler.members(nobody, now);
    world.hang(2000);
    assert_eq!(world.told.len(), told);
}
