//! What must hold of every history, and the named exceptions from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use super::{
    receiver::Sent,
    source::{Source, Targets},
    world::World,
};

/// How long a lease lasts.
const LEASE: Duration = Duration::from_secs(15);

/// Nodes tell each other of refreshes after this long, at the latest.
const BATCHES_WITHIN: Duration = Duration::from_secs(30);

/// Why something was told twice, or late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exception {
    /// The sender's process ended between its first byte and the moment at which a majority knew of the answer.
    CrashInFlight,
    /// The receiver took it and did not say so.
    OutcomeUnknown,
    /// The sender stood still for longer than its lease while it sent.
    PausedInFlight,
    /// The sender was cut off while it sent.
    CutInFlight,
    /// The sender saw no majority for longer than the minority delay.
    Minority,
    /// The receiver recognises repeats, so both sides of a cut told it at once, and each numbered by itself what it told.
    NumberedApart,
    /// Two sides of a cut told different things, and nobody can know which of them told last.
    ToldApart,
    /// A disk was lost while another host that knew could not say so, or all that heard of it ended while theirs hung.
    Forgotten,
    /// The sender was cut off from those that heard that the alert still fires, for longer than it knew it to fire.
    RefreshedElsewhere,
    /// The clock that the sender went by was ahead: its own with no other in reach, or that of most in reach. By it the
    /// alert was over, since its source says until when it holds.
    ClockAhead,
}

/// Something that must not be.
#[derive(Debug, Clone)]
pub(crate) struct Violation(pub(crate) String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a history came to.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) notifications: usize,
    pub(crate) exceptions: BTreeMap<Exception, u64>,
    pub(crate) violations: Vec<Violation>,
}

impl Findings {
    fn wrong(&mut self, text: String) {
        self.violations.push(Violation(text));
    }
}

impl World {
    /// Judges everything that was told so far, and whether the last words are true.
    pub(crate) fn judge(&self) -> Findings {
        let mut findings = Findings::default();
        let visible: Vec<&Sent> = self.visible().collect();
        findings.notifications = visible.len();
        let mut groups: BTreeMap<(usize, &str), Vec<&Sent>> = BTreeMap::new();
        for sent in &visible {
            let group = groups.entry((sent.integration, &sent.group)).or_default();
            group.push(sent);
        }
        for ((integration, group), told) in &groups {
            self.judge_group(*integration, group, told, &mut findings);
        }
        self.judge_last_words(&visible, &mut findings);
        self.judge_silences(&visible, &mut findings);
        self.judge_resolves(&visible, &mut findings);
        findings
    }

    /// Nothing is told twice, and nothing in the wrong order.
    fn judge_group(
        &self,
        integration: usize,
        group: &str,
        told: &[&Sent],
        findings: &mut Findings,
    ) {
        let mut state: BTreeMap<&str, (bool, &Sent)> = BTreeMap::new();
        let mut last: Option<&Sent> = None;
        for sent in told {
            let news = sent.alerts.iter().any(|(name, (fires, starts_at))| {
                state.get(name.as_str()).is_none_or(|(told, by)| {
                    told != fires || (*fires && by.alerts[name].1 != *starts_at)
                })
            });
            if !news && sent.reason != "repeat interval elapsed" {
                let firsts: BTreeSet<_> = sent
                    .alerts
                    .keys()
                    .map(|name| state[name.as_str()].1.began)
                    .collect();
                let first = state
                    .values()
                    .map(|(_, by)| *by)
                    .find(|by| firsts.contains(&by.began));
                let exception = first.and_then(|first| {
                    self.exception(first, sent)
                        .or_else(|| self.other_word_between(first, sent))
                        .or_else(|| self.end_between(first, sent))
                        .or_else(|| self.told_apart(first, sent))
                });
                match exception {
                    Some(exception) => *findings.exceptions.entry(exception).or_default() += 1,
                    None => findings.wrong(format!(
                        "told twice: [{integration}] {group}: {} after {}",
                        sent.text(),
                        first.map(Sent::text).unwrap_or_default()
                    )),
                }
            }
            if let Some(last) = last
                && sent.seq < last.seq
            {
                match self.exception(last, sent) {
                    Some(exception) => *findings.exceptions.entry(exception).or_default() += 1,
                    None => findings.wrong(format!(
                        "in the wrong order: [{integration}] {group}: {} after {}",
                        sent.text(),
                        last.text()
                    )),
                }
            }
            for (name, (fires, _)) in &sent.alerts {
                state.insert(name, (*fires, sent));
            }
            last = Some(sent);
        }
    }

    /// Why an end may be told again though the receiver took nothing since it was told: in between some side of a cut tried
    /// to tell that the alert fires, and the others can know that it tried, but not that nothing was taken.
    fn other_word_between(&self, first: &Sent, second: &Sent) -> Option<Exception> {
        let fired = |sent: &&Sent| {
            sent.integration == second.integration
                && sent.group == second.group
                && (first.began..second.began).contains(&sent.began)
                && sent.alerts.values().any(|(fires, _)| *fires)
        };
        let ends = second.alerts.values().all(|(fires, _)| !fires);
        let mut tried = self.sent.iter().filter(|_| ends).filter(fired);
        // Also where what is unknown counts as taken: then its end is told.
        let unclear = |sent: &Sent| self.unknown(sent).or_else(|| self.excuse(sent, sent));
        tried.find_map(unclear)
    }

    /// Why it may be told again that something fires though the receiver took no end of it: somebody tried to tell one, and
    /// nobody knows whether it was taken. That there was none to tell is judged as an end that is none.
    fn end_between(&self, first: &Sent, second: &Sent) -> Option<Exception> {
        let fires = second.alerts.values().all(|(fires, _)| *fires);
        let mut tried = self.sent.iter().filter(|sent| {
            (sent.integration, &sent.group) == (second.integration, &second.group)
                && (first.began..second.began).contains(&sent.began)
                && second.alerts.keys().all(|name| {
                    let told = sent.alerts.get(name);
                    told.is_some_and(|(fires, _)| !fires)
                })
        });
        tried.find_map(|sent| self.unknown(sent)).filter(|_| fires)
    }

    /// Why something may be told again after a cut: one of two who told different things saw no majority, and whoever told
    /// later did not know of the other yet.
    fn told_apart(&self, first: &Sent, second: &Sent) -> Option<Exception> {
        let mut others = self.sent.iter().filter(|other| {
            (other.integration, &other.group) == (second.integration, &second.group)
                && other.began < second.began
                && other.alerts.iter().any(|(name, (fires, _))| {
                    second.alerts.get(name).is_some_and(|told| told.0 != *fires)
                })
        });
        let recognises = self.receivers[second.integration].idempotent;
        let lone = |sent: &Sent| {
            let alone = self.ledger.minority_at(sent.host, sent.began) > Duration::ZERO;
            recognises && alone || self.excuse(sent, sent) == Some(Exception::Minority)
        };
        let knew = |later: &Sent, earlier: &Sent| {
            let learnt = earlier.known.get(&later.host);
            learnt.is_some_and(|at| *at <= later.began)
        };
        let apart = others.any(|other| {
            let (earlier, later) = if other.began < first.began {
                (other, first)
            } else {
                (first, other)
            };
            (lone(earlier) || lone(later)) && !knew(later, earlier)
        });
        apart.then_some(Exception::ToldApart)
    }

    /// Whether both sides of a cut told a receiver that recognises repeats, each by its own numbers.
    fn numbered_apart(&self, first: &Sent, second: &Sent) -> bool {
        let span = (first.began, second.began);
        self.receivers[first.integration].idempotent
            && first.host != second.host
            && [first, second]
                .into_iter()
                .any(|sent| self.ledger.cut_off_through(sent.host, span))
    }

    /// Whether the last word on an alert may be missing: somebody sent it and the outcome was unknown, or died or was
    /// cut off when it was about to, and that counts as taken.
    pub(super) fn may_be_dropped(
        &self,
        integration: usize,
        name: &str,
        fires: bool,
        since: Duration,
    ) -> bool {
        let says_so = |sent: &&Sent| {
            sent.integration == integration
                && sent.began >= since
                && sent.alerts.get(name).is_some_and(|told| told.0 == fires)
        };
        let unclear = |sent: &Sent| sent.unknown || sent.answered.is_none();
        // What was said before holds if nobody had to tell anything else in between.
        let about =
            |sent: &&Sent| sent.integration == integration && sent.alerts.contains_key(name);
        let said = self.sent.iter().rfind(about);
        let cut = self.starts.last_cut_short(integration, name);
        let cut_last = cut
            .is_some_and(|(at, fired)| fired == fires && said.is_none_or(|sent| sent.began <= at));
        let said = said.filter(|sent| sent.alerts[name].0 == fires);
        self.receivers[integration].drops
            && (said.is_some_and(unclear)
                || self.sent.iter().filter(says_so).any(unclear)
                || cut_last
                || self.starts.was_cut_short(integration, name, since)
                || self
                    .starts
                    .was_cut_off((integration, name), since, &self.ledger))
    }

    /// Nobody is told that an alert is resolved which fired all the time.
    fn judge_resolves(&self, visible: &[&Sent], findings: &mut Findings) {
        for source in self
            .sources
            .iter()
            .filter(|source| !matches!(source.targets, Targets::Some(_)))
        {
            for (name, alert) in source
                .alerts
                .iter()
                .filter(|(_, alert)| alert.ended.is_none())
            {
                let wrong = visible.iter().copied().filter(|sent| {
                    let told = sent.alerts.get(name);
                    sent.began > alert.since + Duration::from_secs(5)
                        && told.is_some_and(|(fires, since)| !fires && *since == alert.starts_at)
                });
                let (misled, wrong): (Vec<&Sent>, Vec<&Sent>) =
                    wrong.partition(|sent| self.ledger.misled_at(sent.host, sent.began));
                let (unheard, wrong): (Vec<&Sent>, Vec<&Sent>) = wrong
                    .into_iter()
                    .partition(|sent| self.could_not_hear(source, alert.since, sent));
                let misled = misled.iter().map(|_| Exception::ClockAhead);
                let unheard = unheard.iter().map(|_| Exception::RefreshedElsewhere);
                for exception in misled.chain(unheard) {
                    *findings.exceptions.entry(exception).or_default() += 1;
                }
                if let Some(sent) = wrong.first() {
                    findings.wrong(format!(
                        "resolved, although it fires since {:.3}: {}",
                        alert.since.as_secs_f64(),
                        sent.text()
                    ));
                }
            }
        }
    }

    /// Whether the sender could not know that an alert still fired: without a majority in reach, all that it can have heard
    /// of it, itself or by the batches of refreshes that others told before that, was over.
    fn could_not_hear(&self, source: &Source, since: Duration, sent: &Sent) -> bool {
        let alone = self.ledger.minority_at(sent.host, sent.began);
        let alone_since = sent.began - alone;
        let told_within = BATCHES_WITHIN.min(source.life() / 3) + self.slack();
        let heard = |(at, host): &&(Duration, usize)| {
            *at >= since
                && if *host == sent.host {
                    *at <= sent.began
                } else {
                    *at + told_within <= alone_since
                }
        };
        let last = source.posts.iter().filter(heard).map(|(at, _)| *at).max();
        alone > Duration::ZERO && last.is_none_or(|last| last + source.life() <= sent.began)
    }

    /// Nobody is told that an alert fires which is silenced on all nodes.
    fn judge_silences(&self, visible: &[&Sent], findings: &mut Findings) {
        let known_after = Duration::from_secs(1) + self.slack();
        for hush in &self.hushes {
            let Some((set, _)) = hush.set else { continue };
            let known = set + known_after;
            // Streams need a moment after whatever was wrong.
            let since = set.saturating_sub(Duration::from_secs(20));
            if self.ledger.disturbed_within((since, known)) {
                continue;
            }
            let told = visible.iter().find(|sent| {
                sent.began > known
                    && sent.began < hush.ended
                    && sent.alerts.get(&hush.name).is_some_and(|it| it.0)
            });
            if let Some(sent) = told {
                findings.wrong(format!(
                    "silenced since {:.3}, told all the same: {}",
                    set.as_secs_f64(),
                    sent.text()
                ));
            }
        }
    }

    /// Why `second` may repeat `first`.
    fn exception(&self, first: &Sent, second: &Sent) -> Option<Exception> {
        // Where what is unknown counts as taken, it is no excuse; another may hold all the same.
        let drops = self.receivers[first.integration].drops;
        let unknown = self.unknown(first).filter(|_| !drops);
        unknown.or_else(|| self.excuse(first, second))
    }

    /// Why nobody may know what became of a request.
    fn unknown(&self, first: &Sent) -> Option<Exception> {
        let slack = self.slack();
        let answered = first.answered.unwrap_or(Duration::MAX / 4);
        let window = (first.began, answered.saturating_add(slack));
        if first.unknown {
            return Some(Exception::OutcomeUnknown);
        }
        let crashed = self.ledger.crashed_within(first.host, window);
        (first.answered.is_none() || crashed).then_some(Exception::CrashInFlight)
    }

    fn excuse(&self, first: &Sent, second: &Sent) -> Option<Exception> {
        let slack = self.slack();
        let answered = first.answered.unwrap_or(Duration::MAX / 4);
        let window = (first.began, answered.saturating_add(slack));
        let ledger = &self.ledger;
        let delay = self.setup.minority_delay.unwrap_or(Duration::MAX);
        // After that, those who are left vote among themselves.
        let delay = delay.min(self.setup.evict_after);
        let delay = delay.saturating_sub(Duration::from_secs(1));
        for sent in [first, second] {
            let span = (sent.began, sent.taken.unwrap_or(sent.began));
            let alone = if self.is_majority(sent.streams + 1) {
                ledger.unpromised_at(sent.host, span.1)
            } else {
                ledger.unfound_at(sent.host, span.1)
            };
            // Whoever is not to wait sends as soon as its streams break, even if they are there again at once.
            let broken = delay.is_zero() && !self.is_majority(sent.streams + 1);
            // One that never met those who vote, because names did not resolve, say, is alone as well.
            // So is one that cannot know that there are others, and finds nobody at its very first start.
            let first_ever = sent.stranger && self.setup.expected_size.is_none();
            let lost = !sent.has_voters || first_ever && self.hosts.len() > 1;
            if alone > Duration::ZERO && alone >= delay || broken || lost {
                return Some(Exception::Minority);
            }
        }
        let lease = LEASE.saturating_sub(slack);
        for sent in [first, second] {
            let until = sent.answered.unwrap_or(sent.began).saturating_add(slack);
            let span = (sent.began.saturating_sub(slack), until);
            if ledger.pause_within(sent.host, span) > lease {
                return Some(Exception::PausedInFlight);
            }
        }
        let cut = ledger.minority_within(first.host, window) > Duration::ZERO;
        if cut && first.answered.is_some() {
            return Some(Exception::CutInFlight);
        }
        if self.numbered_apart(first, second) {
            return Some(Exception::NumberedApart);
        }
        let forgotten = ledger
            .forgotten
            .iter()
            .any(|at| first.began <= *at && *at <= second.began);
        (forgotten || first.lost).then_some(Exception::Forgotten)
    }

    /// Whether so many of all hosts are a majority.
    pub(super) fn is_majority(&self, hosts: usize) -> bool {
        let all = self.hosts.len();
        if all == 2 {
            hosts == 2
        } else {
            hosts * 2 > all
        }
    }

    /// In what time a majority hears of something on this network, and has it on disk.
    pub(super) fn slack(&self) -> Duration {
        let slowest = self.hosts.iter().map(|host| host.disk.slowest_sync).max();
        let latency = self.setup.link.latency;
        let lost = if self.setup.link.loss > 0.0 {
            Duration::from_secs(3)
        } else {
            Duration::ZERO
        };
        Duration::from_millis(600) + slowest.unwrap_or_default() * 3 + latency * 20 + lost
    }

    /// Every receiver's last word on each alert is what its source says.
    fn judge_last_words(&self, visible: &[&Sent], findings: &mut Findings) {
        for (integration, _) in self.receivers.iter().enumerate() {
            let mut last: BTreeMap<&str, (bool, &Sent)> = BTreeMap::new();
            for sent in visible
                .iter()
                .filter(|sent| sent.integration == integration)
            {
                for (name, (fires, _)) in &sent.alerts {
                    last.insert(name, (*fires, sent));
                }
            }
            for source in &self.sources {
                for name in source.alerts.keys() {
                    let told = last.get(name.as_str());
                    let fires = source.fires(name);
                    let since = source.alerts[name].since;
                    let dropped = || self.may_be_dropped(integration, name, fires, since);
                    // With the disks of all that knew goes that it was told that it fires; then its end is no news, as
                    // for a node that never heard of it: limit 6 of docs/ha.md.
                    let forgotten = told.is_some_and(|(told, sent)| *told && sent.known.is_empty());
                    if forgotten && !fires {
                        *findings.exceptions.entry(Exception::Forgotten).or_default() += 1;
                    } else if told.is_some_and(|(told, _)| *told) != fires && !dropped() {
                        let word = told.map(|(_, sent)| sent.text());
                        let word = word.unwrap_or_else(|| "none".to_owned());
                        let truth = if fires { "fires" } else { "is resolved" };
                        findings.wrong(format!(
                            "lost: {name} {truth} since {:.3}, but the last word to [{integration}] is: {word}",
                            source.alerts[name].since.as_secs_f64()
                        ));
                    }
                }
            }
        }
    }
}
