//! What a host certainly knows of what another one knew: who meets tells it, what a crash takes is gone, unless
//! somebody else tells it again.

use std::time::Duration;

use super::ruling::Ruling;

/// How long two nodes that see each other take to tell each other what they know.
const MEETING: Duration = Duration::from_secs(2);

/// After so long in the memory of a process that is well it is with the system: a kill does not take it.
const WRITTEN: Duration = Duration::from_millis(500);

/// After so long it is on the disk: a power cut does not take it.
const SYNCED: Duration = Duration::from_millis(5500);

/// Enough to be after the end of something.
const TICK: Duration = Duration::from_micros(1);

/// What ended a process without warning, and what goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) enum Loss {
    /// What the process held.
    Killed,
    /// What the system held, too.
    PowerCut,
    /// Everything.
    Disk,
}

/// It happened to a host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    pub(super) at: Duration,
    pub(super) host: usize,
    pub(super) loss: Loss,
}

impl Ruling {
    /// Whether a host knew at `until` what another knew since `since`, whatever happened to both meanwhile: from it, or
    /// from whoever met it while both were well and nobody was divided.
    pub(super) fn knew(&self, host: usize, until: Duration, from: usize, since: Duration) -> bool {
        let mut known = vec![None; self.hosts()];
        let mut lost = vec![Duration::ZERO; self.hosts()];
        known[from] = Some(since);
        let losses = self.losses.iter();
        for loss in losses.filter(|loss| (since..=until).contains(&loss.at)) {
            self.spread(&mut known, &lost, loss.at);
            known[loss.host] = known[loss.host].filter(|at| self.survives(loss, *at));
            lost[loss.host] = loss.at;
        }
        self.spread(&mut known, &lost, until);
        known[host].is_some_and(|at| at <= until)
    }

    /// Takes in what hosts told each other until then, each what it learnt since it last lost something.
    fn spread(&self, known: &mut [Option<Duration>], lost: &[Duration], until: Duration) {
        // Each round takes what is known one host further.
        for _ in 0..known.len() {
            for one in 0..known.len() {
                for other in 0..known.len() {
                    let Some(since) = known[one].filter(|_| one != other) else {
                        continue;
                    };
                    let met = self.met(one, other, since.max(lost[other]));
                    if met <= until {
                        known[other] = Some(known[other].map_or(met, |at| at.min(met)));
                    }
                }
            }
        }
    }

    /// Whether a host still has what it knew since then.
    fn survives(&self, lost: &Lost, since: Duration) -> bool {
        let takes = match lost.loss {
            Loss::Killed => WRITTEN,
            Loss::PowerCut => SYNCED,
            Loss::Disk => return false,
        };
        since + takes <= lost.at && self.was_well(lost.host, since, since + WRITTEN)
    }

    /// When two hosts have told each other what one knew since `since`; [`Duration::MAX`] if never.
    fn met(&self, one: usize, other: usize, since: Duration) -> Duration {
        let mut best = Duration::MAX;
        for (from, to) in self.well(one) {
            for (begin, end) in self.well(other) {
                let both = since.max(*from).max(*begin);
                let over = to
                    .unwrap_or(Duration::MAX)
                    .min(end.unwrap_or(Duration::MAX));
                for at in self.healed_after(both).chain([both]) {
                    let told = at.saturating_add(MEETING);
                    if told <= over && !self.was_divided(at + TICK, told) {
                        best = best.min(told);
                    }
                }
            }
        }
        best
    }
}
