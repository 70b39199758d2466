//! Which hosts reach each other and since when, and which of them know what was told.

use std::time::Duration;

use super::{receiver::Sent, world::World};

/// A node learns only after this long that another one is there or gone.
pub(crate) const GRACE: Duration = Duration::from_secs(5);

/// Since when hosts reach each other.
#[derive(Debug)]
pub(crate) struct Reach(Vec<Vec<Option<Duration>>>);

impl Reach {
    pub(crate) fn new(hosts: usize) -> Self {
        Self(vec![vec![None; hosts]; hosts])
    }

    /// Takes in who reaches whom now; tells whether somebody does that did not before.
    fn update(&mut self, reaches: impl Fn(usize, usize) -> bool, now: Duration) -> bool {
        let mut news = false;
        for (one, row) in self.0.iter_mut().enumerate() {
            for (other, since) in row.iter_mut().enumerate() {
                let holds = one != other && reaches(one, other);
                news |= holds && since.is_none();
                *since = holds.then(|| since.unwrap_or(now));
            }
        }
        news
    }

    /// Since when one reaches another; `None` if it does not.
    pub(crate) fn since(&self, one: usize, other: usize) -> Option<Duration> {
        self.0[one][other]
    }
}

impl World {
    /// Notes who reaches whom, and who has learnt by now what was told.
    pub(super) fn note_reach(&mut self) {
        self.spread();
        self.spread_rumours();
        let mut reach = std::mem::replace(&mut self.reach, Reach::new(0));
        let lives = |host: usize| self.hosts[host].is_up() && !self.hosts[host].paused;
        let reaches = |one, other| lives(one) && lives(other) && !self.is_cut(one, other);
        let news = reach.update(reaches, self.clock);
        self.reach = reach;
        if news {
            self.at(self.clock + GRACE, Self::note);
        }
    }

    /// What one host knows of what was told, another has learnt once they reached each other for long enough.
    fn spread(&mut self) {
        let (now, takes) = (self.clock, GRACE + self.slack());
        for sent in self.sent.iter_mut().filter(|sent| sent.taken.is_some()) {
            for _ in 0..self.hosts.len() {
                let mut news = Vec::new();
                for (one, learnt) in &sent.known {
                    for other in (0..self.hosts.len()).filter(|it| !sent.known.contains_key(it)) {
                        let since = self.reach.since(*one, other);
                        let at = since.map(|since| since.max(*learnt) + takes);
                        news.extend(at.filter(|at| *at <= now).map(|at| (other, at)));
                    }
                }
                if news.is_empty() {
                    break;
                }
                sent.known.extend(news);
            }
        }
    }

    /// Notes who may have heard by now of what is told.
    pub(super) fn spread_rumours(&mut self) {
        let hosts = 0..self.hosts.len();
        let up: Vec<usize> = hosts.filter(|host| self.hosts[*host].is_up()).collect();
        let lost_none = |sent: &&mut Sent| !sent.lost && sent.heard.len() < self.hosts.len();
        for sent in self.sent.iter_mut().filter(lost_none) {
            for _ in 0..up.len() {
                let passes = |other: &&usize| {
                    let mut heard = sent.heard.iter();
                    heard.any(|one| self.network.may_pass(*one, **other))
                };
                let heard: Vec<usize> = up.iter().filter(passes).copied().collect();
                let before = sent.heard.len();
                sent.heard.extend(heard);
                if sent.heard.len() == before {
                    break;
                }
            }
        }
    }

    /// A process ends whose disk took nothing: nobody knows of what nobody else heard of.
    pub(super) fn note_unsaved(&mut self, host: usize) {
        let Some(since) = self.hosts[host].disk.hangs_since else {
            return;
        };
        self.spread_rumours();
        for sent in self.sent.iter_mut().filter(|sent| sent.began >= since) {
            if sent.heard.remove(&host) && sent.heard.is_empty() {
                sent.lost = true;
                sent.known.clear();
            }
        }
    }

    /// With its disk a host loses what it knew of what was told.
    pub(super) fn forget_told(&mut self, host: usize) {
        for sent in self.sent.iter_mut().filter(|sent| sent.taken.is_some()) {
            sent.known.remove(&host);
        }
    }
}
