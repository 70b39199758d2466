//! What a queue keeps through crashes, and what it gives up.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    super::{
        mark::Position,
        queue::{Bounds, Lost, Queue, Round},
    },
    blocks::histogram,
    forgetful::Forgetful,
};
use crate::{
    labels::LabelSet,
    promql::{Point, Sample},
};

const BOUNDS: Bounds = Bounds {
    bytes: 1 << 20,
    segment: 600,
    labels: 1 << 20,
};

fn series(number: u64) -> LabelSet {
    LabelSet::from_pairs([("__name__", "up"), ("instance", &number.to_string())])
}

fn sample(number: u64, time: i64) -> Sample {
    let point = if time % 7 == 3 {
        Point::Histogram(histogram(1.0).into())
    } else {
        Point::Float(0.5)
    };
    Sample {
        labels: series(number),
        time,
        point,
    }
}

fn open(disk: Forgetful, bounds: Bounds) -> Queue<Forgetful> {
    Queue::open(disk, bounds).unwrap()
}

fn append(queue: &mut Queue<Forgetful>, samples: &[Sample]) {
    let mut left = samples;
    while !left.is_empty() {
        let done = queue
            .append(left, &mut |labels| Some(labels.clone()))
            .unwrap();
        left = &left[done.looked_at..];
    }
}

fn times(round: &Round) -> Vec<i64> {
    round.entries.iter().map(|entry| entry.time).collect()
}

/// Everything that is in the queue, taken.
fn drain(queue: &mut Queue<Forgetful>) -> Vec<i64> {
    let mut all = Vec::new();
    loop {
        let round = queue.next(17, i64::MIN).0;
        queue.taken(round.end).unwrap();
        if round.entries.is_empty() && queue.unread() == 0 {
            return all;
        }
        all.extend(times(&round));
    }
}

#[test]
fn samples_come_out_as_they_went_in() {
    let mut queue = open(Forgetful::default(), BOUNDS);
    let samples: Vec<_> = (0..500)
        .map(|time| sample(u64::try_from(time % 9).unwrap(), time))
        .collect();
    for some in samples.chunks(23) {
        append(&mut queue, some);
    }
    assert_eq!(queue.pending(), 500);
    let mut seen = 0;
    while queue.unread() > 0 {
        let round = queue.next(60, i64::MIN).0;
        for entry in &round.entries {
            let sent = &samples[seen];
            assert_eq!((&entry.labels, entry.time), (&sent.labels, sent.time));
            assert_eq!(entry.point, sent.point);
            seen += 1;
        }
        queue.taken(round.end).unwrap();
    }
    assert_eq!(
        (seen, queue.pending(), queue.take_lost()),
        (500, 0, Lost::default())
    );
    // All but the segment that is written are gone.
    assert_eq!(queue.into_disk().segments.len(), 1);
}

#[test]
fn a_record_that_is_torn_at_any_byte_costs_only_itself() {
    let mut queue = open(Forgetful::default(), BOUNDS);
    append(&mut queue, &[sample(1, 1), sample(2, 2)]);
    append(&mut queue, &[sample(1, 3)]);
    queue.sync().unwrap();
    append(&mut queue, &[sample(3, 4), sample(1, 5)]);
    let disk = queue.into_disk();
    let (number, whole) = disk.segments.first_key_value().unwrap();
    let unsure = whole.bytes.len() - whole.synced;
    assert!(unsure > 30);
    for kept in 0..=unsure {
        for garbage in [None, Some(0), Some(0xA5)] {
            let mut disk = disk.clone();
            disk.crash(|_| kept, garbage);
            let mut queue = open(disk, BOUNDS);
            let complete = kept == unsure && garbage.is_none();
            let expected = if complete {
                vec![1, 2, 3, 4, 5]
            } else {
                vec![1, 2, 3]
            };
            assert_eq!(
                drain(&mut queue),
                expected,
                "{kept} of {unsure}, {garbage:?}"
            );
            // It works on, in another segment.
            append(&mut queue, &[sample(1, 6)]);
            assert!(!queue.into_disk().segments.contains_key(number));
        }
    }
}

#[test]
fn each_flipped_byte_of_a_synced_segment_costs_only_what_follows() {
    let mut queue = open(Forgetful::default(), BOUNDS);
    for time in 0..4 {
        append(&mut queue, &[sample(1, time), sample(2, time)]);
    }
    queue.sync().unwrap();
    let disk = queue.into_disk();
    let length = disk.segments[&1].bytes.len();
    for at in 0..length {
        let mut disk = disk.clone();
        disk.segments.get_mut(&1).unwrap().bytes[at] ^= 0x40;
        let mut queue = open(disk, BOUNDS);
        append(&mut queue, &[sample(1, 9)]);
        let found = drain(&mut queue);
        assert_eq!(found.last(), Some(&9), "{at}");
        assert!(
            [0, 0, 1, 1, 2, 2, 3].starts_with(&found[..found.len() - 1]),
            "{at}: {found:?}"
        );
    }
}

#[test]
fn damage_while_it_runs_is_counted_and_passed() {
    let mut queue = open(Forgetful::default(), BOUNDS);
    append(&mut queue, &[sample(1, 1)]);
    queue.sync().unwrap();
    let mut disk = queue.into_disk();
    let mut queue = open(disk.clone(), BOUNDS);
    append(&mut queue, &[sample(1, 2)]);
    disk = queue.into_disk();
    let mut queue = open(disk, BOUNDS);
    // The first segment goes bad after it was opened.
    queue.disk_for_tests().segments.get_mut(&1).unwrap().bytes[20] ^= 1;
    assert_eq!(drain(&mut queue), [2]);
    assert_eq!(queue.take_lost().damaged, 1);
}

#[test]
fn when_the_disk_is_full_the_oldest_go() {
    let bounds = Bounds {
        bytes: 4000,
        ..BOUNDS
    };
    let mut queue = open(Forgetful::default(), bounds);
    let mut handed_out = queue.next(1, i64::MIN).0;
    for time in 0..2000 {
        append(
            &mut queue,
            &[sample(u64::try_from(time % 3).unwrap(), time)],
        );
        assert!(queue.bytes() <= 4000);
        if time == 50 {
            handed_out = queue.next(5, i64::MIN).0;
            assert_eq!(times(&handed_out), [0, 1, 2, 3, 4]);
        }
    }
    let lost = queue.take_lost().no_room;
    let left = drain(&mut queue);
    assert_eq!(lost + u64::try_from(left.len()).unwrap() + 5, 2000);
    assert!(left.len() > 20, "{}", left.len());
    let first = 2000 - i64::try_from(left.len()).unwrap();
    assert_eq!(left, (first..2000).collect::<Vec<_>>());
    // The server takes what was dropped meanwhile: nothing goes back.
    queue.taken(handed_out.end).unwrap();
    assert_eq!(queue.pending(), 0);
}

#[test]
fn a_bound_that_holds_nothing_is_borne() {
    let bounds = Bounds {
        bytes: 20,
        segment: 1,
        labels: 1,
    };
    let mut queue = open(Forgetful::default(), bounds);
    for time in 0..5 {
        append(&mut queue, &[sample(1, time)]);
    }
    assert_eq!(queue.take_lost().no_room, 5);
    assert!(queue.into_disk().segments.is_empty());
}

#[test]
fn samples_that_are_too_old_are_passed() {
    let mut queue = open(Forgetful::default(), BOUNDS);
    for time in 0..100 {
        append(&mut queue, &[sample(1, time)]);
    }
    let round = queue.next(10, 95).0;
    assert_eq!((times(&round), round.expired), (vec![], 64));
    queue.taken(round.end).unwrap();
    let round = queue.next(10, 95).0;
    assert_eq!(
        (times(&round), round.expired),
        (vec![95, 96, 97, 98, 99], 31)
    );
}

#[test]
fn series_that_are_dropped_are_relabelled_once() {
    let mut queue = open(Forgetful::default(), BOUNDS);
    let mut asked = 0;
    for time in 0..20 {
        let samples = [sample(1, time), sample(2, time)];
        let edit = &mut |labels: &LabelSet| {
            asked += 1;
            (*labels == series(2)).then(|| LabelSet::from_pairs([("b", "c")]))
        };
        assert_eq!(queue.append(&samples, edit).unwrap().dropped, 1);
    }
    assert!(asked < 2 * 20 / 2, "{asked}");
    let round = queue.next(100, i64::MIN).0;
    assert_eq!(round.entries.len(), 20);
    assert!(
        round
            .entries
            .iter()
            .all(|entry| entry.labels.get("b") == Some("c"))
    );
}

#[test]
fn a_disk_that_fails_costs_nothing_that_is_written_again() {
    for writes in 0..12 {
        let mut queue = open(Forgetful::default(), BOUNDS);
        queue.disk_for_tests().writes_left = Some(writes);
        let mut time = 0;
        let mut failed = false;
        while time < 8 {
            let done = queue.append(&[sample(1, time)], &mut |labels| Some(labels.clone()));
            if done.is_ok() {
                time += 1;
            } else {
                failed = true;
                queue.disk_for_tests().writes_left = None;
            }
        }
        assert_eq!(failed, writes < 10, "{writes}");
        queue.disk_for_tests().writes_left = None;
        assert_eq!(drain(&mut queue), (0..8).collect::<Vec<_>>(), "{writes}");
        queue.sync().unwrap();
        let mut again = open(queue.into_disk(), BOUNDS);
        assert_eq!(drain(&mut again), Vec::<i64>::new());
    }
}

#[test]
fn what_cannot_be_read_for_a_while_is_read_later() {
    let mut queue = open(Forgetful::default(), BOUNDS);
    for time in 0..100 {
        append(&mut queue, &[sample(1, time)]);
    }
    let mut seen = times(&queue.next(10, i64::MIN).0);
    queue.disk_for_tests().unreadable = true;
    for _ in 0..20 {
        let (round, read) = queue.next(1000, i64::MIN);
        seen.extend(times(&round));
        assert_eq!(
            read.unwrap_err().to_string(),
            "too many open files",
            "only what was read before is handed out"
        );
    }
    queue.disk_for_tests().unreadable = false;
    seen.extend(drain(&mut queue));
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
    assert_eq!(queue.take_lost(), Lost::default());
}

#[test]
fn what_stays_unreadable_is_given_up_by_the_segment() {
    let mut queue = open(Forgetful::default(), BOUNDS);
    for time in 0..100 {
        append(&mut queue, &[sample(1, time)]);
    }
    queue.disk_for_tests().unreadable = true;
    assert!(queue.next(1000, i64::MIN).1.is_err());
    queue.give_up_reading();
    queue.disk_for_tests().unreadable = false;
    let lost = queue.take_lost().damaged;
    assert!((1..100).contains(&lost), "{lost}");
    let left = drain(&mut queue);
    assert_eq!(left.len(), 100 - usize::try_from(lost).unwrap());
}

#[test]
fn damage_in_a_segment_that_was_whole_is_told_from_a_torn_end() {
    let mut queue = open(Forgetful::default(), BOUNDS);
    for time in 0..100 {
        append(&mut queue, &[sample(1, time)]);
    }
    let mut disk = queue.into_disk();
    let first = disk.segments.values_mut().next().unwrap();
    let length = first.bytes.len();
    first.bytes[..8].fill(0xFF);
    let mut queue = open(disk, BOUNDS);
    assert_eq!(queue.broken(), u64::try_from(length).unwrap());
    assert_eq!(queue.torn(), 0);
    assert!(!drain(&mut queue).is_empty());
}

/// What may happen to a queue.
#[derive(Clone, Debug)]
enum Event {
    Append(Vec<u8>),
    Sync,
    Next(usize),
    Taken,
    /// The process is killed; the disk keeps everything.
    Kill,
    /// The power fails; of what was not synced a part stays, perhaps garbled.
    Crash(usize, Option<u8>),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => prop::collection::vec(0_u8..5, 1..12).prop_map(Event::Append),
        2 => Just(Event::Sync),
        4 => (1_usize..20).prop_map(Event::Next),
        4 => Just(Event::Taken),
        1 => Just(Event::Kill),
        1 => (0_usize..300, prop::option::of(any::<u8>())).prop_map(|(kept, garbage)| Event::Crash(kept, garbage)),
    ];
    prop::collection::vec(event, 1..80)
}

/// What must be true of a queue, beside it.
#[derive(Default)]
struct Ledger {
    /// All samples by their time, which is their name: whether they are sure to survive.
    synced: BTreeMap<i64, bool>,
    /// How often each was handed out, and those that were taken for good.
    seen: BTreeMap<i64, u32>,
    taken: BTreeMap<i64, bool>,
    flight: Vec<i64>,
}

impl Ledger {
    fn hand_out(&mut self, round: &Round) {
        self.flight = times(round);
        assert!(self.flight.is_sorted(), "{:?}", self.flight);
        for time in &self.flight {
            assert!(
                !self.taken.contains_key(time),
                "{time} was taken and came again"
            );
            *self.seen.entry(*time).or_default() += 1;
        }
    }

    fn sync(&mut self) {
        self.synced.values_mut().for_each(|synced| *synced = true);
        self.taken.values_mut().for_each(|synced| *synced = true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn nothing_that_is_on_the_disk_is_lost_and_only_what_was_not_taken_comes_again(events in events()) {
        let mut queue = open(Forgetful::default(), BOUNDS);
        let mut ledger = Ledger::default();
        let mut clock = 0;
        let mut end: Option<Position> = None;
        for event in events {
            match event {
                Event::Append(series) => {
                    let samples: Vec<_> = series.iter().enumerate().map(|(place, series)| {
                        sample(u64::from(*series), clock + i64::try_from(place).unwrap())
                    }).collect();
                    clock += i64::try_from(samples.len()).unwrap();
                    append(&mut queue, &samples);
                    ledger.synced.extend(samples.iter().map(|sample| (sample.time, false)));
                }
                Event::Sync => {
                    queue.sync().unwrap();
                    ledger.sync();
                }
                Event::Next(most) => {
                    if end.is_none() {
                        let round = queue.next(most, i64::MIN).0;
                        ledger.hand_out(&round);
                        end = Some(round.end);
                    }
                }
                Event::Taken => {
                    if let Some(end) = end.take() {
                        queue.taken(end).unwrap();
                        let flight = std::mem::take(&mut ledger.flight);
                        ledger.taken.extend(flight.iter().map(|time| (*time, false)));
                    }
                }
                Event::Kill => {
                    end = None;
                    queue = open(queue.into_disk(), BOUNDS);
                }
                Event::Crash(kept, garbage) => {
                    end = None;
                    let mut disk = queue.into_disk();
                    disk.crash(|_| kept, garbage);
                    // What was told to be taken may be forgotten with the rest.
                    ledger.taken.retain(|_, synced| *synced);
                    ledger.synced.retain(|_, synced| *synced);
                    queue = open(disk, BOUNDS);
                    // Whatever is there after the crash is safe from now on.
                    queue.sync().unwrap();
                }
            }
        }
        for time in drain(&mut queue) {
            prop_assert!(!ledger.taken.contains_key(&time), "{} came again", time);
            *ledger.seen.entry(time).or_default() += 1;
        }
        for (time, synced) in &ledger.synced {
            prop_assert!(!synced || ledger.seen.contains_key(time), "{} was lost", time);
        }
        prop_assert_eq!(queue.take_lost(), Lost::default());
        prop_assert_eq!(queue.pending(), 0);
    }
}
