//! Three nodes that answer each other at once: what is known of claims that were given up.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{ClaimEvent, ClaimOutput, Claims, Promise, Quorum, Terms};
use crate::{
    cluster::{Electors, NodeName},
    nflog::{LogKey, Nflog, ReceiverKey},
};

const NAMES: [&str; 3] = ["a", "b", "c"];
const NOW: Duration = Duration::from_secs(100);
const SEQ: u64 = 5;

struct Trio {
    claims: [Claims; 3],
    /// What the disk of each has.
    disks: [Option<Vec<u8>>; 3],
    /// Who hears nothing and says nothing.
    cut: Option<usize>,
    /// Whose disk takes nothing.
    hangs: Option<usize>,
}

fn key() -> LogKey {
    LogKey {
        group_key: "{}:{}".into(),
        receiver: ReceiverKey {
            group_name: "team".into(),
            integration: "webhook".into(),
            index: 0,
        },
    }
}

fn quorum(node: usize, run: u64) -> Quorum {
    let electors = Electors {
        founding: 1,
        epoch: 1,
        names: NAMES.into_iter().map(NodeName::from).collect(),
        at_least: 0,
    };
    let others = NAMES.into_iter().filter(|name| *name != NAMES[node]);
    Quorum {
        me: NAMES[node].into(),
        run,
        electors: Some(Arc::new(electors)),
        connected: others.map(|name| (name.into(), 1)).collect(),
        may_vote: true,
        ..Quorum::default()
    }
}

fn terms(idempotent: bool) -> Terms {
    Terms {
        idempotency_key: "K".into(),
        idempotent,
        drops: !idempotent,
        minority_delay: None,
        order: Duration::ZERO,
    }
}

impl Trio {
    fn new() -> Self {
        Self {
            claims: [0, 1, 2].map(|node| Claims::new(quorum(node, 1))),
            disks: [None, None, None],
            cut: None,
            hangs: None,
        }
    }

    /// Carries everything out that is to be said and saved.
    fn settle(&mut self) {
        let log = Nflog::new();
        while let Some((from, output)) =
            (0..3).find_map(|node| Some((node, self.claims[node].poll_output()?)))
        {
            let said = match output {
                ClaimOutput::Send { to, message } => Some((to, message)),
                ClaimOutput::Save { .. } if self.hangs == Some(from) => None,
                ClaimOutput::Save { promise, then, .. } => {
                    self.disks[from] = promise;
                    if then.is_some() {
                        self.claims[from].saved(&key());
                    }
                    then
                }
            };
            let Some((to, message)) = said else { continue };
            let to = NAMES.iter().position(|name| **name == *to).unwrap();
            if to == from || ![Some(from), Some(to)].contains(&self.cut) {
                self.claims[to].handle(&NAMES[from].into(), message, &log, NOW);
            }
        }
    }

    fn claim(&mut self, node: usize, idempotent: bool) {
        self.claims[node].claim(&key(), SEQ, terms(idempotent), &Nflog::new(), NOW);
        self.settle();
    }

    fn events(&mut self, node: usize) -> Vec<ClaimEvent> {
        std::iter::from_fn(|| self.claims[node].poll_event()).collect()
    }

    /// The first node starts again from what its disk has, and the others meet it.
    fn restart_first(&mut self) {
        let mut next = Claims::new(quorum(0, 2));
        let (saved, promise) = Promise::decode(self.disks[0].as_deref().unwrap()).unwrap();
        next.restore(saved, promise, NOW);
        self.claims[0] = next;
        self.cut = None;
        for node in [1, 2] {
            let mut seen = quorum(node, 1);
            seen.connected.insert("a".into(), 2);
            seen.ended = BTreeMap::from([("a".into(), 1)]);
            self.claims[node].set_quorum(seen, NOW);
            self.claims[0].joined(&NAMES[node].into(), NOW);
        }
        self.settle();
    }

    /// How many may have sent it, as the second node hears when it holds it.
    fn starts_known_to_second(&mut self) -> usize {
        self.claim(1, false);
        let events = self.events(1);
        let [.., ClaimEvent::Held { earlier, .. }] = &events[..] else {
            panic!("{events:?}");
        };
        earlier.len()
    }

    /// How many think that a notification to a receiver that recognises repeats may have been sent.
    fn suspects(&self) -> usize {
        let suspects = self.claims.iter();
        let suspects = suspects.filter(|claims| claims.may_have_been_sent(&key(), SEQ, true));
        suspects.count()
    }
}

#[test]
fn what_was_claimed_and_given_up_was_not_sent() {
    let mut trio = Trio::new();
    trio.claim(0, true);
    assert_eq!(trio.suspects(), 2);
    trio.claims[0].release(&key(), false);
    trio.settle();
    assert_eq!(trio.suspects(), 0);
    trio.claim(1, true);
    trio.claims[1].start(&key(), &"K".into(), NOW);
    trio.settle();
    assert!(matches!(
        trio.events(1)[..],
        [.., ClaimEvent::Held { .. }, ClaimEvent::Started(_)]
    ));
    // Nobody knows what became of the request.
    trio.claims[1].release(&key(), false);
    trio.settle();
    assert_eq!(trio.suspects(), 3);
    trio.claim(2, true);
    trio.claims[2].release(&key(), false);
    trio.settle();
    assert_eq!(
        trio.suspects(),
        2,
        "who sends nothing does not speak for the one before"
    );
}

#[test]
fn the_next_run_says_that_a_start_was_taken_back() {
    for (taken_back, expected) in [(true, 0), (false, 1)] {
        let mut trio = Trio::new();
        trio.claim(0, false);
        trio.claims[0].start(&key(), &"K".into(), NOW);
        trio.settle();
        trio.cut = Some(0);
        if taken_back {
            trio.claims[0].not_taken(&key());
            trio.claims[0].release(&key(), false);
            trio.settle();
            // It asks again, and nobody hears it.
            trio.claim(0, false);
        }
        trio.restart_first();
        assert_eq!(trio.starts_known_to_second(), expected);
    }
}

/// What the first node took back it starts anew, and is told so by all but its own disk, which hangs, or knows of another
/// node's promise. It sends, and dies. Its next run must not say of that start what its disk knows of the one before.
#[test]
fn a_start_that_the_own_disk_does_not_know_of_is_not_taken_back_by_the_next_run() {
    for hangs in [true, false] {
        let mut trio = Trio::new();
        if !hangs {
            // The first node promised it to a run of the second one that is gone with its disk.
            trio.cut = Some(2);
            trio.claim(1, false);
            trio.claims[1] = Claims::new(quorum(1, 1));
            trio.cut = None;
        }
        trio.claim(0, false);
        trio.claims[0].start(&key(), &"K".into(), NOW);
        trio.settle();
        let events = trio.events(0);
        assert!(matches!(events[..], [.., ClaimEvent::Started(_)]));
        trio.claims[0].not_taken(&key());
        trio.settle();
        if hangs {
            trio.hangs = Some(0);
            trio.claims[0].quorum.mute.insert("a".into());
        }
        trio.claims[0].start(&key(), &"K".into(), NOW);
        trio.settle();
        let events = trio.events(0);
        assert!(
            matches!(events[..], [.., ClaimEvent::Lost { .. }]),
            "{events:?}"
        );
        trio.claim(0, false);
        trio.claims[0].start(&key(), &"K".into(), NOW);
        trio.settle();
        let events = trio.events(0);
        assert!(
            matches!(events[..], [.., ClaimEvent::Started(_)]),
            "another attempt may start: {events:?}"
        );
        trio.hangs = None;
        trio.restart_first();
        assert_eq!(trio.starts_known_to_second(), 1, "hangs: {hangs}");
    }
}
