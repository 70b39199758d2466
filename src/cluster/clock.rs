//! Beats, and what they tell of another node's clock.
//!
//! Each beat carries when it was sent and when the last one of the other side was received: four timestamps make a
//! sample of how far the other clock is ahead and of how long the round trip took. Short round trips are believed.

use std::{collections::VecDeque, time::Duration};

use super::wire::{Reader, Writer};
use crate::time::Now;

/// How many samples are kept.
const SAMPLES: usize = 6;
/// The median is that of so many samples with the shortest round trips.
const BELIEVED: usize = 3;
/// A clock that moves against the monotonic one by more nanoseconds was set.
const STEP: u64 = 20_000_000;
/// How many beats may be on their way.
const UNANSWERED: usize = 8;

/// What a node says every few seconds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Beat {
    pub(super) number: u64,
    /// The sender's wall clock in nanoseconds since 1970.
    pub(super) sent: i64,
    /// The last beat of the other side, for the first time since.
    pub(super) echo: Option<Echo>,
    /// What the node gave, opaque; empty if that is what the last beat on this stream that was not empty carried.
    pub(super) payload: Vec<u8>,
}

/// When a beat of the other side was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Echo {
    pub(super) number: u64,
    /// The sender's wall clock in nanoseconds since 1970.
    pub(super) received: i64,
}

impl Beat {
    pub(super) fn write(&self, out: &mut Writer) {
        out.number(self.number).signed(self.sent);
        match self.echo {
            Some(echo) => out.byte(1).number(echo.number).signed(echo.received),
            None => out.byte(0),
        };
        out.rest(&self.payload);
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            number: from.number()?,
            sent: from.signed()?,
            echo: match from.byte()? {
                0 => None,
                1 => Some(Echo {
                    number: from.number()?,
                    received: from.signed()?,
                }),
                _ => return None,
            },
            payload: from.rest().to_vec(),
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    round_trip: Duration,
    ahead: i64,
}

impl Sample {
    /// Whether both can be true of one clock: each is wrong by at most half of its round trip. If they cannot, it was set.
    fn agrees(self, other: Self) -> bool {
        let slack = (self.round_trip + other.round_trip) / 2 + Duration::from_nanos(STEP);
        u128::from(self.ahead.abs_diff(other.ahead)) <= slack.as_nanos()
    }
}

/// The clock of one other node as seen from here.
#[derive(Debug, Default)]
pub(super) struct PeerClock {
    count: u64,
    /// Number, wall clock and monotonic clock of beats that were not answered yet.
    sent: VecDeque<(u64, i64, Duration)>,
    echo: Option<Echo>,
    samples: VecDeque<Sample>,
    /// See [`Self::ahead`].
    ahead: Option<i64>,
    /// Our wall clock less our monotonic clock, as of the last beat.
    base: Option<i64>,
}

impl PeerClock {
    /// Makes the next beat.
    pub(super) fn beat(&mut self, payload: Vec<u8>, now: Now) -> Beat {
        self.notice_step(now);
        self.count += 1;
        let wall = wall_nanos(now);
        if self.sent.len() >= UNANSWERED {
            self.sent.pop_front();
        }
        self.sent.push_back((self.count, wall, now.mono));
        Beat {
            number: self.count,
            sent: wall,
            echo: self.echo.take(),
            payload,
        }
    }

    /// Takes in a beat of the other node.
    pub(super) fn heard(&mut self, beat: &Beat, now: Now) {
        self.notice_step(now);
        let wall = wall_nanos(now);
        self.echo = Some(Echo {
            number: beat.number,
            received: wall,
        });
        let Some(echo) = beat.echo else { return };
        let Some(position) = self.sent.iter().position(|sent| sent.0 == echo.number) else {
            return;
        };
        let Some((_, sent_wall, sent_mono)) = self.sent.drain(..=position).next_back() else {
            return;
        };
        let held = u64::try_from(beat.sent.saturating_sub(echo.received)).unwrap_or(0);
        let round_trip = now
            .mono
            .saturating_sub(sent_mono)
            .saturating_sub(Duration::from_nanos(held));
        let there = i128::from(echo.received) - i128::from(sent_wall);
        let back = i128::from(beat.sent) - i128::from(wall);
        let ahead = i64::try_from((there + back) / 2).unwrap_or(0);
        let sample = Sample { round_trip, ahead };
        if self.samples.iter().any(|other| !sample.agrees(*other)) {
            self.samples.clear();
        }
        if self.samples.len() >= SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        self.ahead = self.believed();
    }

    /// The time of a round trip, the shortest of late.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.samples.iter().map(|sample| sample.round_trip).min()
    }

    /// How far the other clock is ahead of ours in nanoseconds.
    pub(super) fn ahead(&self) -> Option<i64> {
        self.ahead
    }

    fn believed(&self) -> Option<i64> {
        let mut samples: Vec<Sample> = self.samples.iter().copied().collect();
        samples.sort_by_key(|sample| sample.round_trip);
        samples.truncate(BELIEVED);
        samples.sort_by_key(|sample| sample.ahead);
        samples.get(samples.len() / 2).map(|sample| sample.ahead)
    }

    /// Corrects what was measured when our own clock is set.
    pub(super) fn notice_step(&mut self, now: Now) {
        let base = base_nanos(now);
        let step = self.base.map_or(0, |before| base.saturating_sub(before));
        if step.unsigned_abs() > STEP {
            for sample in &mut self.samples {
                sample.ahead = sample.ahead.saturating_sub(step);
            }
            self.ahead = self.believed();
            self.sent.clear();
            self.echo = None;
        }
        self.base = Some(base);
    }
}

/// Our wall clock less our monotonic clock.
fn base_nanos(now: Now) -> i64 {
    let mono = i64::try_from(now.mono.as_nanos()).unwrap_or(i64::MAX);
    wall_nanos(now).saturating_sub(mono)
}

/// Whether our clock was set between two moments.
pub(super) fn is_step(before: Now, now: Now) -> bool {
    base_nanos(now).abs_diff(base_nanos(before)) > STEP
}

fn wall_nanos(now: Now) -> i64 {
    let (seconds, nanos) = now.wall.unix_parts();
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(nanos))
}

/// The median of clocks by name, each as nanoseconds ahead of ours; of two the smaller name's.
pub(super) fn median(mut clocks: Vec<(&str, i64)>) -> i64 {
    if clocks.len() == 2 {
        return clocks.iter().min().map_or(0, |(_, ahead)| *ahead);
    }
    clocks.sort_by_key(|(_, ahead)| *ahead);
    let upper = clocks.len() / 2;
    let lower = clocks.len().saturating_sub(1) / 2;
    let at = |index: usize| clocks.get(index).map_or(0, |(_, ahead)| i128::from(*ahead));
    i64::try_from((at(lower) + at(upper)) / 2).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn now(mono_ms: u64, ahead_ms: i64) -> Now {
        let mono = Duration::from_millis(mono_ms);
        let wall = 1_700_000_000_000 + i64::try_from(mono_ms).unwrap() + ahead_ms;
        Now {
            mono,
            wall: Timestamp::from_millis(wall),
        }
    }

    #[test]
    fn four_timestamps_tell_offset_and_round_trip() {
        let (mut ours, mut theirs) = (PeerClock::default(), PeerClock::default());
        // Their clock is 90 s ahead, a way takes 20 ms, the second time 500 ms.
        for (round, way) in [(0, 20), (2_000, 500), (4_000, 20), (6_000, 20)] {
            let beat = ours.beat(Vec::new(), now(round, 0));
            theirs.heard(&beat, now(round + way, 90_000));
            let answer = theirs.beat(Vec::new(), now(round + 1_000, 90_000));
            ours.heard(&answer, now(round + 1_020, 0));
        }
        assert_eq!(ours.round_trip(), Some(Duration::from_millis(40)));
        assert_eq!(ours.ahead(), Some(90_000_000_000));
    }

    #[test]
    fn setting_our_clock_corrects_what_was_measured() {
        let (mut ours, mut theirs) = (PeerClock::default(), PeerClock::default());
        let beat = ours.beat(Vec::new(), now(0, 0));
        theirs.heard(&beat, now(10, 0));
        let answer = theirs.beat(Vec::new(), now(10, 0));
        ours.heard(&answer, now(20, 0));
        assert_eq!(ours.ahead(), Some(0));
        ours.beat(Vec::new(), now(30, 5_000));
        assert_eq!(ours.ahead(), Some(-5_000_000_000));
    }

    #[test]
    fn a_clock_that_was_set_is_known_with_the_next_sample() {
        let (mut ours, mut theirs) = (PeerClock::default(), PeerClock::default());
        for (round, ahead) in [(0, 0), (4_000, 0), (8_000, 0), (12_000, 7_000)] {
            let beat = ours.beat(Vec::new(), now(round, 0));
            theirs.heard(&beat, now(round + 10, ahead));
            let answer = theirs.beat(Vec::new(), now(round + 10, ahead));
            ours.heard(&answer, now(round + 20, 0));
        }
        assert_eq!(ours.ahead(), Some(7_000_000_000));
    }

    #[test]
    fn the_median_is_the_majoritys_clock() {
        assert_eq!(median(vec![("a", 0)]), 0);
        assert_eq!(median(vec![("b", 0), ("a", 7)]), 7);
        assert_eq!(median(vec![("a", 0), ("b", 7)]), 0);
        assert_eq!(median(vec![("a", 0), ("b", 600), ("c", 5)]), 5);
        assert_eq!(median(vec![("a", 0), ("b", 10), ("c", 20), ("d", 600)]), 15);
    }
}
