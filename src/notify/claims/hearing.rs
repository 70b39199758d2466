//! Whether those who vote acknowledge what they are asked.
//!
//! An open stream does not say so: a path may let small packets pass and swallow large ones, and a disk that hangs keeps a
//! process from promising anything while it goes on to say that it lives. So the oldest question of each voter is
//! watched, this node's own disk among them. Whoever leaves it open is probed by something large that must pass its disk
//! as well; whoever answered neither within [`PATIENCE`] does not count as in reach, until it answers in half that time
//! twice in a row: a disk that takes now one second, now eight, would start the minority delay anew for ever.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::Quorum;
use crate::{cluster::NodeName, nflog::LogKey};

/// An answer that takes longer is as good as none. It is many times what a round trip and a sync of a disk take, and a
/// fraction of the minority delay, in which whoever is only slow answers.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Whoever owes an answer for so long is probed, and then as often.
const PROBE: Duration = Duration::from_secs(1);

/// A node that does so much later what is due was held up.
const HELD_UP: Duration = Duration::from_secs(1);

/// Whoever did not count as in reach does after so many good answers in a row.
const OFTEN: u32 = 2;

/// The question that is watched.
#[derive(Debug)]
struct Open {
    since: Duration,
    /// About which notification; `None` if only a probe answers it.
    about: Option<(LogKey, u64)>,
}

/// One voter.
#[derive(Debug)]
struct Voter {
    run: u64,
    open: Option<Open>,
    /// Since when it does not count as in reach.
    mute: Option<Duration>,
    /// How often in a row it has answered well since then.
    prompt: u32,
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
                    if let Some(open) = voter.open.as_mut().filter(|_| was_cut) {
                        // A cut kept it from answering; it has until the next probe to do so.
                        open.since = open.since.max((now + PROBE).saturating_sub(PATIENCE));
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
                prompt: 0,
                next_probe: now,
                absent: None,
            });
            voter.open.get_or_insert_with(|| Open {
                since: now,
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
            let Some(open) = voter.open.as_ref().filter(|_| is_there(quorum, name)) else {
                continue;
            };
            if voter.mute.is_none() && now >= open.since + PATIENCE {
                voter.mute = Some(now);
                voter.prompt = 0;
                found.push((name.clone(), Found::Silent(open.since)));
            }
            if now >= voter.probe_due(open) {
                voter.next_probe = now + PROBE;
                probes.push(name.clone());
            }
        }
        (probes, found)
    }

    /// While a question is open there is something to do every second. If that was not done this node was held up itself,
    /// by a pause or by load: answers may wait to be heard, and that time is nobody's silence.
    fn wake(&mut self, now: Duration) {
        let before = std::mem::replace(&mut self.awake, now);
        let gap = now.saturating_sub(before);
        if gap < PROBE + HELD_UP {
            return;
        }
        let there = self.voters.values_mut().filter(|it| it.absent.is_none());
        let open = there.filter_map(|voter| voter.open.as_mut());
        open.for_each(|open| open.since = (open.since + gap).min(now));
    }

    /// When something is due.
    pub(super) fn next_due(&self, quorum: &Quorum) -> Option<Duration> {
        let voters = self
            .voters
            .iter()
            .filter(|(name, _)| is_there(quorum, name));
        let dues = voters.filter_map(|(_, voter)| {
            let open = voter.open.as_ref()?;
            let silent = voter.mute.is_none().then_some(open.since + PATIENCE);
            silent.into_iter().chain([voter.probe_due(open)]).min()
        });
        dues.min()
    }

    /// Those who do not count as in reach.
    pub(super) fn mute(&self) -> BTreeSet<NodeName> {
        let mute = self.voters.iter().filter(|(_, voter)| voter.mute.is_some());
        mute.map(|(name, _)| name.clone()).collect()
    }

    /// For how long each of them did not.
    pub(super) fn mute_for(&self, now: Duration) -> BTreeMap<NodeName, Duration> {
        let mute = self.voters.iter();
        let mute = mute.filter_map(|(name, voter)| Some((name.clone(), voter.mute?)));
        mute.map(|(name, since)| (name, now.saturating_sub(since) + PATIENCE))
            .collect()
    }
}

impl Voter {
    /// Takes in an answer to what was asked at `asked`.
    fn settle(&mut self, asked: Duration, now: Duration) -> Option<Found> {
        self.open = None;
        let since = self.mute?;
        let well = now.saturating_sub(asked) <= PATIENCE / 2;
        self.prompt = if well { self.prompt + 1 } else { 0 };
        if self.prompt >= OFTEN {
            self.mute = None;
            return Some(Found::Answers(now.saturating_sub(since) + PATIENCE));
        }
        // It is asked again at once.
        self.open = Some(Open {
            since: now,
            about: None,
        });
        self.next_probe = now;
        None
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
    use std::sync::Arc;

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
        hearing.asked(&all, &key("y"), 1, secs(12));
        for name in ["a", "c"] {
            assert_eq!(hearing.answered(&name.into(), &key("x"), 1, secs(10)), None);
        }
        hearing.answered(&"b".into(), &key("y"), 1, secs(12));
        hearing.answered(&"b".into(), &key("x"), 2, secs(12));
        assert_eq!(hearing.next_due(&all), Some(secs(11)));
        let (probes, found) = hearing.handle_timeout(&all, secs(11));
        assert_eq!((probes, found), (vec!["b".into()], Vec::new()));
        assert_eq!(hearing.next_due(&all), Some(secs(12)));
        for at in 12..15 {
            hearing.handle_timeout(&all, secs(at));
        }
        assert_eq!(mute(&hearing), "");
        let (_, found) = hearing.handle_timeout(&all, secs(15));
        assert_eq!(found, [("b".into(), Found::Silent(secs(10)))]);
        assert_eq!(mute(&hearing), "b");
        // Neither an answer that took too long nor a stream that is open again is enough.
        assert_eq!(hearing.answered(&"b".into(), &key("x"), 1, secs(17)), None);
        hearing.follow(&quorum(1, "c"), secs(17));
        assert_eq!(hearing.next_due(&quorum(1, "c")), None);
        hearing.follow(&all, secs(18));
        assert_eq!(mute(&hearing), "b");
        let (probes, _) = hearing.handle_timeout(&all, secs(18));
        assert_eq!(probes, ["b".into()]);
        assert_eq!(hearing.probed(&"b".into(), secs(14), secs(18)), None, "old");
        assert_eq!(
            hearing.probed(&"b".into(), secs(30), secs(18)),
            None,
            "to come"
        );
        assert_eq!(mute(&hearing), "b");
        assert_eq!(hearing.probed(&"b".into(), secs(18), secs(19)), None);
        assert_eq!(mute(&hearing), "b", "once is not enough");
        hearing.handle_timeout(&all, secs(19));
        let found = hearing.probed(&"b".into(), secs(19), secs(20));
        assert_eq!(found, Some(Found::Answers(secs(10))));
        assert_eq!(mute(&hearing), "");
        assert_eq!(hearing.next_due(&all), None);
    }

    #[test]
    fn the_next_run_owes_nothing_and_who_votes_no_more_is_forgotten() {
        let (all, mut hearing) = (quorum(1, "b c"), Hearing::default());
        hearing.asked(&all, &key("x"), 1, secs(0));
        for at in 1..=5 {
            hearing.handle_timeout(&all, secs(at));
        }
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
            for at in 1..5 - cut.as_secs().min(4) {
                hearing.handle_timeout(&all, secs(at));
            }
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
    fn slow_answers_do_not_bring_anybody_back() {
        let (all, mut hearing) = (quorum(1, "b"), Hearing::default());
        hearing.asked(&all, &key("x"), 1, secs(0));
        hearing.answered(&"a".into(), &key("x"), 1, secs(0));
        let mut sent = secs(5);
        for at in 1..=5 {
            hearing.handle_timeout(&all, secs(at));
        }
        for takes in [7, 1, 7, 4, 2, 3, 2] {
            hearing.handle_timeout(&all, sent);
            for later in 1..takes {
                hearing.handle_timeout(&all, sent + secs(later));
            }
            let noted = sent + secs(takes);
            assert_eq!(hearing.probed(&"b".into(), sent, noted), None);
            assert_eq!(mute(&hearing), "b", "{takes}");
            sent = noted;
        }
    }

    #[test]
    fn a_node_that_was_held_up_itself_calls_nobody_silent() {
        type Act = fn(&mut Hearing, &Quorum, Duration);
        let acts: [Act; 4] = [
            |hearing, all, now| drop(hearing.handle_timeout(all, now)),
            |hearing, all, now| hearing.asked(all, &key("y"), 1, now),
            |hearing, all, now| hearing.follow(all, now),
            |hearing, _, now| drop(hearing.answered(&"c".into(), &key("x"), 1, now)),
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
            for at in 110..=112 {
                hearing.handle_timeout(&all, secs(at));
            }
            assert_eq!(mute(&hearing), "", "they have the rest of their time");
            hearing.handle_timeout(&all, secs(113));
            assert!(mute(&hearing).contains('b'), "{}", mute(&hearing));
        }
    }
}
