//! Notices that the ruler's thread does not come round: it hangs, and nobody would evaluate its groups.
//!
//! What it waits for is no hang: messages, the next slot, the node while it stands back. All else that it does waits for
//! nobody ([`RemoteWriter::append`](crate::io::remote_write::RemoteWriter::append), the queues of alerts and of the node are
//! in memory), so whatever keeps it counts: a bug, or a log that nobody reads.
//!
//! The time that it takes is counted in looks of the watcher, which are a second apart: a process that is stopped or a
//! machine that is paused does not look either, and so hangs nothing, however late it goes on.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{io::Handle, ruler::RuleHashes};

/// How often the watcher looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks that find the thread in one and the same round before it is given up.
pub(super) const LOOKS: u32 = 30;

/// After so many looks more the log is told again.
const REMINDED: u32 = 600;

/// The rounds of the thread.
#[derive(Debug, Default)]
pub(super) struct Rounds(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Counts them.
    round: u64,
    /// Whether the thread works, and does not wait for something to do.
    works: bool,
    /// Whether its groups were handed over since the round began.
    given_up: bool,
    /// How often that was.
    hangs: u64,
}

impl Rounds {
    /// The thread begins to work.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.round += 1;
        (state.works, state.given_up) = (true, false);
    }

    /// The thread is about to wait; false if its groups were handed over, and it must not go on with them.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state();
        state.works = false;
        !state.given_up
    }

    /// Whether the thread may go on.
    pub(super) fn holds(&self) -> bool {
        !self.state().given_up
    }

    /// How often the thread hung, and whether it does.
    pub(super) fn hangs(&self) -> (u64, bool) {
        let state = self.state();
        (state.hangs, state.works && state.given_up)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks whether the thread comes round.
pub(super) struct Watcher {
    rounds: Arc<Rounds>,
    node: Handle,
    round: u64,
    /// How often the thread was found in that round.
    looks: u32,
}

impl Watcher {
    pub(super) fn new(rounds: Arc<Rounds>, node: Handle) -> Self {
        Self {
            rounds,
            node,
            round: 0,
            looks: 0,
        }
    }

    /// Looks for as long as the process runs.
    pub(super) async fn run(mut self) {
        loop {
            // However late it is, that is one look.
            tokio::time::sleep(EVERY).await;
            self.look();
        }
    }

    /// Hands the groups over to other nodes if the thread was in one round for too long.
    pub(super) fn look(&mut self) {
        let mut state = self.rounds.state();
        if !state.works || state.round != self.round {
            (self.round, self.looks) = (state.round, 0);
            return;
        }
        self.looks += 1;
        let since = EVERY.saturating_mul(self.looks);
        if self.looks == LOOKS {
            state.given_up = true;
            state.hangs += 1;
            // Before the thread can say otherwise; and before the log, for which it may wait.
            self.node.describe_rules(RuleHashes::default());
            drop(state);
            tracing::error!(
                ?since,
                "this is a bug, or the log is not read: the ruler hangs; other nodes take over its groups. If it does not \
                 go on, please report the stacks of all threads (gdb -p PID -batch -ex 'thread apply all bt') and restart \
                 this node"
            );
        } else if self.looks > LOOKS && (self.looks - LOOKS).is_multiple_of(REMINDED) {
            drop(state);
            tracing::error!(?since, "the ruler hangs still: restart this node");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::channel;

    #[test]
    fn who_works_for_long_hangs_and_who_waits_or_goes_on_does_not() {
        let rounds = Arc::new(Rounds::default());
        let (node, _inbox) = channel();
        let mut watcher = Watcher::new(Arc::clone(&rounds), node);
        let mut look = |times: u32| (0..times).for_each(|_| watcher.look());
        rounds.begin();
        assert!(rounds.end());
        look(1_000);
        assert_eq!(rounds.hangs(), (0, false), "it waits");
        for _ in 0..10 {
            rounds.begin();
            look(LOOKS);
            assert!(rounds.end(), "one look less than in the round");
        }
        rounds.begin();
        look(LOOKS + 1);
        assert_eq!(rounds.hangs(), (1, true));
        look(10_000);
        assert_eq!(rounds.hangs(), (1, true), "once for each time");
        assert!(!rounds.holds() && !rounds.end());
        assert_eq!(rounds.hangs(), (1, false));
        rounds.begin();
        assert!(rounds.holds());
        look(LOOKS + 1);
        assert_eq!(rounds.hangs(), (2, true));
    }
}
