//! What truly happened to each host, for judging what it did.

use std::time::Duration;

use super::reach::GRACE;
use crate::sim::secs;

/// How often addresses are dialled that refuse for long (`--cluster.reconnect-interval`).
const REDIALLED: Duration = Duration::from_secs(10);

/// A time in which something held.
pub(crate) type Span = (Duration, Duration);

/// When a host had too few others.
#[derive(Debug, Default)]
struct Lack {
    since: Option<Duration>,
    over: Vec<Span>,
}

impl Lack {
    /// Takes note of whether there are enough from now on; `blind_since` as in [`Ledger::majority`].
    fn note(&mut self, enough: bool, blind_since: Option<Duration>, now: Duration) {
        let is_new = !enough && self.since.is_none();
        let goes_on = self.over.pop_if(|(_, ended)| {
            is_new && now <= *ended + GRACE && blind_since.is_some_and(|since| since <= *ended)
        });
        match goes_on {
            Some((began, _)) => self.since = Some(began),
            None => note(&mut self.since, &mut self.over, !enough, now),
        }
    }

    fn spans(&self) -> impl DoubleEndedIterator<Item = Span> {
        let open = self.since.map(|since| (since, Duration::MAX));
        self.over.iter().copied().chain(open)
    }

    /// For how long there had been too few at that time, or were `lately`, however shortly there were enough in between.
    fn at(&self, at: Duration, lately: Duration) -> Duration {
        let hit = self
            .spans()
            .rfind(|(since, until)| *since <= at && at <= until.saturating_add(lately));
        hit.map_or(Duration::ZERO, |(since, _)| at - since)
    }
}

/// What happened to one host.
#[derive(Debug, Default)]
struct Page {
    minority: Lack,
    /// While no majority could promise anything.
    unpromised: Lack,
    paused_since: Option<Duration>,
    paused: Vec<Span>,
    misled_since: Option<Duration>,
    misled: Vec<Span>,
    /// When its processes ended without warning.
    crashes: Vec<Duration>,
}

/// What happened to all.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pages: Vec<Page>,
    disturbed_since: Option<Duration>,
    disturbed: Vec<Span>,
    /// When the last copy of something may have been lost: a disk was lost while another host could not answer.
    pub(crate) forgotten: Vec<Duration>,
}

impl Ledger {
    pub(crate) fn new(hosts: usize) -> Self {
        Self {
            pages: (0..hosts).map(|_| Page::default()).collect(),
            ..Self::default()
        }
    }

    /// Whether a host sees a majority, from now on. `blind_since` says since when its process runs, if that has no streams
    /// with a majority: ways that were open for a moment, in which nobody dialled, changed nothing for it.
    pub(crate) fn majority(
        &mut self,
        host: usize,
        sees: bool,
        blind_since: Option<Duration>,
        now: Duration,
    ) {
        let minority = &mut self.pages[host].minority;
        minority.note(sees, blind_since, now);
    }

    /// Whether those that a host sees, and it itself, could promise it something as a majority, from now on.
    pub(crate) fn promised(
        &mut self,
        host: usize,
        could: bool,
        blind_since: Option<Duration>,
        now: Duration,
    ) {
        let unpromised = &mut self.pages[host].unpromised;
        unpromised.note(could, blind_since, now);
    }

    /// Whether a host is down, stands still or is cut off from another, from now on.
    pub(crate) fn disturbed(&mut self, disturbed: bool, now: Duration) {
        note(
            &mut self.disturbed_since,
            &mut self.disturbed,
            disturbed,
            now,
        );
    }

    /// Whether anything was out of order at some time.
    pub(crate) fn disturbed_within(&self, span: Span) -> bool {
        let open = self.disturbed_since.map(|since| (since, Duration::MAX));
        let mut spans = self.disturbed.iter().copied().chain(open);
        spans.any(|(began, ended)| began <= span.1 && span.0 <= ended)
    }

    /// Whether the clock that a host goes by is ahead, from now on.
    pub(crate) fn misled(&mut self, host: usize, misled: bool, now: Duration) {
        let page = &mut self.pages[host];
        note(&mut page.misled_since, &mut page.misled, misled, now);
    }

    /// Whether a host went by a clock that was ahead; it learns only after a while which others there are.
    pub(crate) fn misled_at(&self, host: usize, at: Duration) -> bool {
        let page = &self.pages[host];
        let span = (at.saturating_sub(GRACE), at);
        longest(page.misled_since, &page.misled, span) > Duration::ZERO
    }

    pub(crate) fn paused(&mut self, host: usize, paused: bool, now: Duration) {
        let page = &mut self.pages[host];
        note(&mut page.paused_since, &mut page.paused, paused, now);
    }

    pub(crate) fn crashed(&mut self, host: usize, now: Duration) {
        self.pages[host].crashes.push(now);
    }

    /// How often processes of one host ended without warning, at most.
    pub(crate) fn most_crashes(&self) -> usize {
        let crashes = self.pages.iter().map(|page| page.crashes.len());
        crashes.max().unwrap_or_default()
    }

    pub(crate) fn crashed_within(&self, host: usize, span: Span) -> bool {
        self.pages[host]
            .crashes
            .iter()
            .any(|at| (span.0..=span.1).contains(at))
    }

    /// The longest pause that touches this time.
    pub(crate) fn pause_within(&self, host: usize, span: Span) -> Duration {
        let page = &self.pages[host];
        longest(page.paused_since, &page.paused, span)
    }

    /// The longest time without a majority that touches this time.
    pub(crate) fn minority_within(&self, host: usize, span: Span) -> Duration {
        let page = &self.pages[host];
        longest(page.minority.since, &page.minority.over, span)
    }

    /// Whether a host saw no majority at some moment from then on, for so long.
    pub(crate) fn cut_off_within(&self, host: usize, at: Duration, time: Duration) -> bool {
        let page = &self.pages[host];
        let mut spans = page.minority.spans();
        spans.any(|(since, until)| since <= at + time && at <= until)
    }

    /// Whether a host saw no majority all that time, but for moments.
    pub(crate) fn cut_off_through(&self, host: usize, span: Span) -> bool {
        let page = &self.pages[host];
        let mut spans = page.minority.spans();
        spans.any(|(since, until)| since <= span.0 && span.1 <= until.saturating_add(GRACE))
    }

    /// For how long a host had seen no majority at that time, however shortly it saw one in between.
    pub(crate) fn minority_at(&self, host: usize, at: Duration) -> Duration {
        self.pages[host].minority.at(at, GRACE)
    }

    /// As [`Self::unpromised_at`], of one without streams to a majority: what is refused for long is not dialled all the time.
    pub(crate) fn unfound_at(&self, host: usize, at: Duration) -> Duration {
        let unfound = self.pages[host].minority.at(at, REDIALLED + GRACE);
        unfound.max(self.unpromised_at(host, at))
    }

    /// For how long a host had been without a majority that could promise it something at that time, or without one at all.
    /// Those who may promise something at last are waited for.
    pub(crate) fn unpromised_at(&self, host: usize, at: Duration) -> Duration {
        let alone = self.minority_at(host, at);
        alone.max(self.pages[host].unpromised.at(at, Duration::ZERO))
    }
}

fn note(since: &mut Option<Duration>, spans: &mut Vec<Span>, holds: bool, now: Duration) {
    match (*since, holds) {
        (None, true) => *since = Some(now),
        (Some(began), false) => {
            spans.push((began, now));
            *since = None;
        }
        (None, false) | (Some(_), true) => {}
    }
}

fn longest(since: Option<Duration>, spans: &[Span], span: Span) -> Duration {
    let open = since.map(|since| (since, Duration::MAX));
    let touching = spans
        .iter()
        .copied()
        .chain(open)
        .filter(|(began, ended)| *began <= span.1 && span.0 <= *ended);
    touching
        .map(|(began, ended)| ended.saturating_sub(began))
        .max()
        .unwrap_or_default()
}

#[test]
fn ways_that_open_for_a_moment_end_no_cut_unless_somebody_dials() {
    let since_start = Some(Duration::ZERO);
    // When the ways are cut again after they opened at 20, since when the process runs, and how long it is alone at 30.
    for (again, blind_since, alone) in [
        (21, since_start, 20),
        (21, None, 9),
        (21, Some(secs(20)), 20),
        (21, Some(secs(21)), 9),
        (26, since_start, 4),
    ] {
        let mut ledger = Ledger::new(1);
        ledger.majority(0, true, None, secs(0));
        ledger.majority(0, false, None, secs(10));
        ledger.majority(0, true, since_start, secs(20));
        ledger.majority(0, false, blind_since, secs(again));
        assert_eq!(ledger.minority_at(0, secs(30)), secs(alone), "{again}");
    }
}
