//! Whether those who vote acknowledge what they are asked.
//!
//! An open stream does not say so: a path may let small packets pass and swallow large ones, and a disk that hangs keeps a
//! process from promising anything while it goes on to say that it lives. So the oldest question of each voter is
//! watched, this node's own disk among them. Whoever leaves it open is probed by something large that must pass its disk
//! as well; whoever answered neither within [`PATIENCE`] does not count as in reach until it answers.
//!
//! Whoever is only slow is waited for: who answered slowly lately has [`SLOW`] for it. Whoever takes longer than that does
//! not count until it answers in half of [`PATIENCE`] twice in a row: a disk that takes now one second, now twelve, would
//! start the minority delay anew for ever.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::Quorum;
use crate::{cluster::NodeName, nflog::LogKey};

/// An answer that takes longer is as good as none, unless it is known that its voter is slow. It is many times what a round
/// trip and a sync of a disk take, and a fraction of the minority delay, in which whoever is only slow answers.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The same for a voter that was slow lately: what two syncs of a bad disk take, and less than a lease.
const SLOW: Duration = Duration::from_secs(10);

/// For so long it is remembered that a voter was slow: disks are for hours, and pages are minutes apart. Each time that it is
/// forgotten costs whoever asks next a claim that is given up.
const LATELY: Duration = Duration::from_mins(10);

/// Whoever owes an answer for so long is probed, and then as often.
const PROBE: Duration = Duration::from_secs(1);

/// A node that does so much later what is due was held up.
const HELD_UP: Duration = Duration::from_secs(1);

/// So often in a row that is an excuse for whoever leaves a question open: between two of them there is time to hear it.
const EXCUSES: u32 = 3;

/// Whoever did not count as in reach does after so many good answers in a row.
const OFTEN: u32 = 2;

/// The question that is watched.
#[derive(Debug)]
struct Open {
    since: Duration,
    /// How often that it is open was put down to this node.
    forgiven: u32,
    /// About which notification; `None` if only a probe answers it.
    about: Option<(LogKey, u64)>,
}

/// One voter.
#[derive(Debug)]
struct Voter {
    run: u64,
    open: Option<Open>,
    /// Since when it leaves open what it is asked; then it does not count as in reach.
    mute: Option<Duration>,
    /// Whether it takes longer than whoever is only slow.
    hangs: bool,
    /// How often in a row it has answered well since then.
    prompt: u32,
    /// When it last gave an answer that was slow.
    slow: Option<Duration>,
    next_probe: Duration,
    /// Since when no stream to it is open.
    absent: Option<Duration>,
}

/// What is found out about a voter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// It leaves a question open since then.
    Silent(Duration),
    /// It answers again, after so long.
    Answers(Duration),
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    voters: BTreeMap<NodeName, Voter>,
    /// When it last did anything.
    awake: Duration,
}

impl Hearing {
    pub(super) fn len(&self) -> usize {
        self.voters.len()
    }

    /// Follows a change of who votes and who is there. What a run owed is owed no more by the next one; a stream that ended
    /// and is open again pays nothing.
    pub(super) fn follow(&mut self, quorum: &Quorum, now: Duration) {
        self.wake(now);
        self.voters.retain(|name, voter| {
            let votes = quorum
                .electors
                .as_ref()
                .is_some_and(|electors| electors.names.contains(name));
            let run = quorum.connected.get(name).copied();
            let run = run.or_else(|| (*name == quorum.me).then_some(quorum.run));
            votes && run.is_none_or(|run| run == voter.run)
        });
        for (name, voter) in &mut self.voters {
            match (is_there(quorum, name), voter.absent) {
                (false, absent) => voter.absent = Some(absent.unwrap_or(now)),
                (true, absent) => {
                    voter.absent = None;
                    let was_cut = absent.is_some_and(|since| now >= since + PATIENCE);
                    let patience = voter.patience();
                    if let Some(open) = voter.open.as_mut().filter(|_| was_cut) {
                        // A cut kept it from answering; it has until the next probe to do so.
                        open.since = open.since.max((now + PROBE).saturating_sub(patience));
                        voter.next_probe = now;
                    }
                }
            }
        }
    }

    /// Takes note that everybody who votes and is there is asked about a notification.
    pub(super) fn asked(&mut self, quorum: &Quorum, key: &LogKey, seq: u64, now: Duration) {
        self.wake(now);
        for (name, run) in reachable(quorum) {
            let voter = self.voters.entry(name.clone()).or_insert_with(|| Voter {
                run,
                open: None,
                mute: None,
                hangs: false,
                prompt: 0,
                slow: None,
                next_probe: now,
                absent: None,
            });
            voter.open.get_or_insert_with(|| Open {
                since: now,
                forgiven: 0,
                about: Some((key.clone(), seq)),
            });
        }
    }

    /// Takes in that a voter answered a question about a notification.
    pub(super) fn answered(
        &mut self,
        name: &NodeName,
        key: &LogKey,
        seq: u64,
        now: Duration,
    ) -> Option<Found> {
        self.wake(now);
        let voter = self.voters.get_mut(name)?;
        let open = voter.open.as_ref()?;
        let about = open.about.as_ref()?;
        if about.0 != *key || about.1 != seq {
            return None;
        }
        let since = open.since;
        voter.settle(since, now)
    }

    /// Takes in that a voter answered the probe that was sent then.
    pub(super) fn probed(
        &mut self,
        name: &NodeName,
        sent: Duration,
        now: Duration,
    ) -> Option<Found> {
        self.wake(now);
        let voter = self.voters.get_mut(name)?;
        let since = voter.open.as_ref()?.since;
        if sent < since || sent > now {
            return None;
        }
        voter.settle(sent, now)
    }

    /// Who is to be probed now, and what is found out by the time.
    pub(super) fn handle_timeout(
        &mut self,
        quorum: &Quorum,
        now: Duration,
    ) -> (Vec<NodeName>, Vec<(NodeName, Found)>) {
        self.wake(now);
        let (mut probes, mut found) = (Vec::new(), Vec::new());
        for (name, voter) in &mut self.voters {
            let patience = voter.patience();
            let Some(open) = voter.open.as_ref().filter(|_| is_there(quorum, name)) else {
                continue;
            };
            if voter.mute.is_none() && now >= open.since + patience {
                voter.mute = Some(open.since);
                voter.prompt = 0;
                found.push((name.clone(), Found::Silent(open.since)));
            }
            voter.hangs |= voter.mute.is_some() && now >= open.since + SLOW;
            if now >= voter.probe_due(open) {
                voter.next_probe = now + PROBE;
                probes.push(name.clone());
            }
        }
        (probes, found)
    }

    /// While a question is open there is something to do every second. If that was not done this node was held up itself,
    /// by a pause or by load: answers may wait to be heard, and that time is nobody's silence. A node that is late all the
    /// time hears no answer of whoever gives none all the same.
    fn wake(&mut self, now: Duration) {
        let before = std::mem::replace(&mut self.awake, now);
        let gap = now.saturating_sub(before);
        if gap < PROBE + HELD_UP {
            return;
        }
        let there = self.voters.values_mut().filter(|it| it.absent.is_none());
        let open = there.filter_map(|voter| voter.open.as_mut());
        for open in open.filter(|open| open.forgiven < EXCUSES) {
            open.forgiven += 1;
            open.since = (open.since + gap).min(now);
        }
    }

    /// When something is due.
    pub(super) fn next_due(&self, quorum: &Quorum) -> Option<Duration> {
        let voters = self
            .voters
            .iter()
            .filter(|(name, _)| is_there(quorum, name));
        let dues = voters.filter_map(|(_, voter)| {
            let open = voter.open.as_ref()?;
            let silent = open.since + voter.patience();
            let silent = voter.mute.is_none().then_some(silent);
            silent.into_iter().chain([voter.probe_due(open)]).min()
        });
        dues.min()
    }

    /// Those who do not count as in reach.
    pub(super) fn mute(&self) -> BTreeSet<NodeName> {
        let mute = self.voters.iter().filter(|(_, voter)| voter.mute.is_some());
        mute.map(|(name, _)| name.clone()).collect()
    }

    /// How much longer than usual a claim and its start may take: nothing, unless voters were slow lately.
    pub(super) fn slack(&self, now: Duration) -> Duration {
        let mut slow = self.voters.values().filter_map(|voter| voter.slow);
        if slow.any(|at| now < at + LATELY) {
            SLOW * 2
        } else {
            Duration::ZERO
        }
    }

    /// For how long each of them did not.
    pub(super) fn mute_for(&self, now: Duration) -> BTreeMap<NodeName, Duration> {
        let mute = self.voters.iter();
        let mute = mute.filter_map(|(name, voter)| Some((name.clone(), voter.mute?)));
        mute.map(|(name, since)| (name, now.saturating_sub(since)))
            .collect()
    }
}

impl Voter {
    /// Takes in an answer to what was asked at `asked`.
    fn settle(&mut self, asked: Duration, now: Duration) -> Option<Found> {
        self.open = None;
        let took = now.saturating_sub(asked);
        let well = took <= PATIENCE / 2;
        if !well && took <= SLOW {
            self.slow = Some(now);
        }
        let since = self.mute?;
        self.hangs |= took > SLOW;
        self.prompt = if well { self.prompt + 1 } else { 0 };
        if !self.hangs || self.prompt >= OFTEN {
            self.mute = None;
            self.hangs = false;
            return Some(Found::Answers(now.saturating_sub(since)));
        }
        // It is asked again at once.
        self.open = Some(Open {
            since: now,
            forgiven: 0,
            about: None,
        });
        self.next_probe = now;
        None
    }

    /// How long it may leave open what it is asked.
    fn patience(&self) -> Duration {
        let asked = self.open.as_ref().map(|open| open.since);
        let lately = self
            .slow
            .zip(asked)
            .is_some_and(|(at, asked)| asked < at + LATELY);
        if lately { SLOW } else { PATIENCE }
    }

    fn probe_due(&self, open: &Open) -> Duration {
        let first = match open.about {
            Some(_) => open.since + PROBE,
            None => open.since,
        };
        first.max(self.next_probe)
    }
}

/// Those who vote and can be asked, this node among them, with their runs.
fn reachable(quorum: &Quorum) -> impl Iterator<Item = (&NodeName, u64)> {
    let names = quorum.electors.iter().flat_map(|electors| &electors.names);
    names.filter_map(|name| {
        if *name == quorum.me {
            return quorum.may_vote.then_some((name, quorum.run));
        }
        let run = quorum.connected.get(name).copied();
        run.filter(|_| !quorum.silent.contains(name))
            .map(|run| (name, run))
    })
}

fn is_there(quorum: &Quorum, name: &NodeName) -> bool {
    *name == quorum.me || quorum.connected.contains_key(name)
}

#[cfg(test)]
mod tests {
    use std::{ops::Range, sync::Arc};

    use super::*;
    use crate::{cluster::Electors, nflog::ReceiverKey};

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn quorum(run: u64, others: &str) -> Quorum {
        let names = ["a", "b", "c"].map(NodeName::from);
        let electors = Electors {
            names: names.into(),
            ..Electors::default()
        };
        let others = others.split_whitespace();
        Quorum {
            me: "a".into(),
            run: 1,
            electors: Some(Arc::new(electors)),
            connected: others.map(|name| (name.into(), run)).collect(),
            may_vote: true,
            ..Quorum::default()
        }
    }

    fn key(group: &str) -> LogKey {
        LogKey {
            group_key: group.into(),
            receiver: ReceiverKey {
                group_name: "team".into(),
                integration: "webhook".into(),
                index: 0,
            },
        }
    }

    fn mute(hearing: &Hearing) -> String {
        hearing.mute().iter().map(|name| &**name).collect()
    }

    #[test]
    fn whoever_answers_neither_question_nor_probe_in_time_is_mute_until_it_does() {
        let (all, mut hearing) = (quorum(1, "b c"), Hearing::default());
        hearing.asked(&all, &key("x"), 1, secs(10));
        // Later questions do not make the first one younger, nor do answers to others.
        hearing.asked(&all, &key("y"), 1, secs(11));
        for name in ["a", "c"] {
            assert_eq!(hearing.answered(&name.into(), &key("x"), 1, secs(10)), None);
        }
        hearing.answered(&"b".into(), &key("y"), 1, secs(11));
        hearing.answered(&"b".into(), &key("x"), 2, secs(11));
        assert_eq!(hearing.next_due(&all), Some(secs(11)));
        let (probes, found) = hearing.handle_timeout(&all, secs(11));
        assert_eq!((probes, found), (vec!["b".into()], Vec::new()));
        assert_eq!(hearing.next_due(&all), Some(secs(12)));
        pass(&mut hearing, &all, 12..15);
        assert_eq!(mute(&hearing), "");
        let (_, found) = hearing.handle_timeout(&all, secs(15));
        assert_eq!(found, [("b".into(), Found::Silent(secs(10)))]);
        assert_eq!(mute(&hearing), "b");
        // Neither an answer that took too long nor a stream that is open again is enough.
        pass(&mut hearing, &all, 16..21);
        assert_eq!(hearing.answered(&"b".into(), &key("x"), 1, secs(21)), None);
        hearing.follow(&quorum(1, "c"), secs(21));
        assert_eq!(hearing.next_due(&quorum(1, "c")), None);
        hearing.follow(&all, secs(22));
        assert_eq!(mute(&hearing), "b");
        let (probes, _) = hearing.handle_timeout(&all, secs(22));
        assert_eq!(probes, ["b".into()]);
        assert_eq!(hearing.probed(&"b".into(), secs(14), secs(22)), None, "old");
        assert_eq!(
            hearing.probed(&"b".into(), secs(30), secs(22)),
            None,
            "to come"
        );
        assert_eq!(mute(&hearing), "b");
        assert_eq!(hearing.probed(&"b".into(), secs(22), secs(23)), None);
        assert_eq!(mute(&hearing), "b", "once is not enough");
        hearing.handle_timeout(&all, secs(23));
        let found = hearing.probed(&"b".into(), secs(23), secs(24));
        assert_eq!(found, Some(Found::Answers(secs(14))));
        assert_eq!(mute(&hearing), "");
        assert_eq!(hearing.next_due(&all), None);
    }

    /// Lets time pass, with all that is due.
    fn pass(hearing: &mut Hearing, all: &Quorum, seconds: Range<u64>) {
        for at in seconds {
            hearing.handle_timeout(all, secs(at));
        }
    }

    #[test]
    fn whoever_is_only_slow_is_waited_for() {
        let (all, mut hearing) = (quorum(1, "b"), Hearing::default());
        let ask = |hearing: &mut Hearing, group, at| {
            hearing.asked(&all, &key(group), 1, secs(at));
            hearing.answered(&"a".into(), &key(group), 1, secs(at));
        };
        ask(&mut hearing, "x", 0);
        pass(&mut hearing, &all, 1..6);
        assert_eq!(mute(&hearing), "b", "nobody knows that it is slow");
        let found = hearing.answered(&"b".into(), &key("x"), 1, secs(7));
        assert_eq!(found, Some(Found::Answers(secs(7))));
        assert_eq!(mute(&hearing), "");
        ask(&mut hearing, "y", 10);
        pass(&mut hearing, &all, 11..20);
        assert_eq!(mute(&hearing), "");
        pass(&mut hearing, &all, 20..21);
        assert_eq!(mute(&hearing), "b", "that is too slow");
        // It is one that hangs from then on, and then one that was slow ten minutes ago.
        pass(&mut hearing, &all, 21..22);
        assert_eq!(hearing.answered(&"b".into(), &key("y"), 1, secs(22)), None);
        for at in [22, 23] {
            hearing.handle_timeout(&all, secs(at));
            hearing.probed(&"b".into(), secs(at), secs(at + 1));
        }
        assert_eq!(mute(&hearing), "");
        ask(&mut hearing, "z", 600);
        pass(&mut hearing, &all, 601..606);
        assert_eq!(mute(&hearing), "", "it was ten minutes ago");
        hearing.answered(&"b".into(), &key("z"), 1, secs(606));
        ask(&mut hearing, "v", 1_206);
        pass(&mut hearing, &all, 1_207..1_212);
        assert_eq!(mute(&hearing), "b");
    }

    #[test]
    fn the_next_run_owes_nothing_and_who_votes_no_more_is_forgotten() {
        let (all, mut hearing) = (quorum(1, "b c"), Hearing::default());
        hearing.asked(&all, &key("x"), 1, secs(0));
        pass(&mut hearing, &all, 1..6);
        assert_eq!(mute(&hearing), "abc");
        hearing.follow(&quorum(2, "b"), secs(6));
        assert_eq!(mute(&hearing), "ac");
        let mut few = quorum(1, "b c");
        Arc::make_mut(few.electors.as_mut().unwrap())
            .names
            .remove("c");
        hearing.follow(&few, secs(6));
        assert_eq!(mute(&hearing), "a");
        assert_eq!(hearing.len(), 1);
    }

    #[test]
    fn whoever_was_cut_off_has_a_moment_to_answer() {
        for (cut, expected) in [(secs(20), ""), (secs(1), "b")] {
            let (all, mut hearing) = (quorum(1, "b"), Hearing::default());
            hearing.asked(&all, &key("x"), 1, secs(0));
            hearing.answered(&"a".into(), &key("x"), 1, secs(0));
            pass(&mut hearing, &all, 1..5 - cut.as_secs().min(4));
            hearing.follow(&quorum(1, ""), secs(5) - cut.min(secs(5)));
            let back = secs(5) - cut.min(secs(5)) + cut;
            hearing.follow(&all, back);
            hearing.handle_timeout(&all, back);
            assert_eq!(mute(&hearing), expected, "{cut:?}");
            hearing.handle_timeout(&all, back + secs(1));
            assert_eq!(mute(&hearing), "b");
        }
    }

    #[test]
    fn whoever_hangs_is_not_brought_back_by_an_answer_now_and_then() {
        let (all, mut hearing) = (quorum(1, "b"), Hearing::default());
        hearing.asked(&all, &key("x"), 1, secs(0));
        hearing.answered(&"a".into(), &key("x"), 1, secs(0));
        pass(&mut hearing, &all, 1..11);
        let mut sent = 10;
        for takes in [12, 1, 12, 4, 2, 3, 2] {
            pass(&mut hearing, &all, sent..sent + takes);
            let (asked, noted) = (secs(sent), secs(sent + takes));
            assert_eq!(hearing.probed(&"b".into(), asked, noted), None);
            assert_eq!(mute(&hearing), "b", "{takes}");
            sent += takes;
        }
    }

    #[test]
    fn a_node_that_was_held_up_itself_calls_nobody_silent() {
        type Act = fn(&mut Hearing, &Quorum, Duration);
        let acts: [Act; 4] = [
            |hearing, all, now| drop(hearing.handle_timeout(all, now)),
            |hearing, all, now| hearing.asked(all, &key("y"), 1, now),
            |hearing, all, now| hearing.follow(all, now),
            |hearing, _, now| {
                hearing.answered(&"c".into(), &key("x"), 1, now);
            },
        ];
        for act in acts {
            let (all, mut hearing) = (quorum(1, "b c"), Hearing::default());
            hearing.handle_timeout(&all, secs(90));
            hearing.asked(&all, &key("x"), 1, secs(100));
            hearing.handle_timeout(&all, secs(101));
            // Nothing is done for eight seconds, and then what comes first.
            act(&mut hearing, &all, secs(109));
            hearing.handle_timeout(&all, secs(109));
            assert_eq!(mute(&hearing), "");
            pass(&mut hearing, &all, 110..113);
            assert_eq!(mute(&hearing), "", "they have the rest of their time");
            hearing.handle_timeout(&all, secs(113));
            assert!(mute(&hearing).contains('b'), "{}", mute(&hearing));
        }
    }
    #[test]
    fn a_node_that_is_always_late_finds_out_who_is_silent_all_the_same() {
        let (all, mut hearing) = (quorum(1, "b"), Hearing::default());
        hearing.asked(&all, &key("x"), 1, secs(100));
        for round in 1..=5 {
            hearing.answered(&"a".into(), &key("x"), 1, secs(100 + round * 3));
            hearing.handle_timeout(&all, secs(100 + round * 3));
        }
        assert_eq!(mute(&hearing), "b");
    }
}
