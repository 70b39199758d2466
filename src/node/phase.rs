//! Who votes and who is in reach, for claims; and whether this node may begin to notify.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{Effect, Node, mesh::MeshSide};
use crate::{
    cluster::{Electors, NodeName},
    notify::claims::Quorum,
    ruler::RulerNews,
    tenant::Phase,
    time::Now,
};

/// Clocks that differ by less, in nanoseconds, are left as they are.
const CLOCK_TOLERANCE: u64 = 5_000_000_000;

/// A node that did nothing for so long stood still: its process was stopped, or its machine paused. What ended meanwhile as far as
/// it knows may go on as far as others do.
const STOOD_STILL: Duration = Duration::from_secs(15);

/// By how many nanoseconds a correction may change until the ruler is told: its slots are whole seconds apart.
const RULER_TOLERANCE: u64 = 1_000_000_000;

/// What the node keeps of its way up.
#[derive(Debug)]
pub(super) struct Rising {
    pub(super) phase: Phase,
    /// Runs of other nodes that are over, by name: the highest.
    ended: BTreeMap<NodeName, u64>,
    /// Monotonic time at which the node is ready, whatever it knows by then.
    by: Duration,
    /// Who this node is.
    me: NodeName,
    run: u64,
    /// Whether this node may vote.
    votes: bool,
    /// By how many nanoseconds the clock is put forward.
    clock_ahead: i64,
    /// The same, as the ruler was told.
    ruler_ahead: i64,
    /// How long it takes to be ready at most.
    settle: Duration,
    /// When this node last did something, by its own clock.
    awake: Now,
}

impl Rising {
    pub(super) fn new(me: NodeName, run: u64, settle: Duration, now: Now) -> Self {
        Self {
            phase: Phase::Starting,
            ended: BTreeMap::new(),
            by: now.mono + settle,
            me,
            run,
            votes: false,
            clock_ahead: 0,
            ruler_ahead: 0,
            settle,
            awake: now,
        }
    }

    /// When the node is ready at the latest.
    pub(super) fn due(&self) -> Option<Duration> {
        matches!(self.phase, Phase::Starting | Phase::Syncing).then_some(self.by)
    }
}

impl Node {
    /// A run of another node is over.
    pub(super) fn run_ended(&mut self, name: NodeName, run: u64) {
        if let Some(side) = &mut self.mesh {
            let known = side.rising.ended.entry(name).or_default();
            *known = (*known).max(run);
        }
    }

    /// Tells the tenant who votes and who is in reach now.
    pub(super) fn refresh_quorum(&mut self, now: Now) {
        let Some(side) = &self.mesh else { return };
        let mesh = &side.mesh;
        let may_vote = mesh.may_vote(now);
        let connected: BTreeMap<NodeName, u64> = mesh
            .connected()
            .filter_map(|name| Some((NodeName::clone(name), mesh.run_of(name)?)))
            .collect();
        let mut electors = mesh.electors().cloned();
        if self.mutations.electorate_differs
            && let Some(electors) = &mut electors
        {
            let me = &side.rising.me;
            Arc::make_mut(electors).names.retain(|name| name == me);
        }
        let names = electors.iter().flat_map(|electors| &electors.names);
        let down = names.filter(|name| mesh.is_down(name)).cloned().collect();
        let quorum = Quorum {
            me: Arc::clone(&side.rising.me),
            run: side.rising.run,
            down,
            connected,
            ended: side.rising.ended.clone(),
            silent: BTreeSet::new(),
            mute: BTreeSet::new(),
            may_vote,
            voting_since: None,
            lost_since: None,
            stuck_since: None,
            electors,
        };
        self.tenant.set_quorum(quorum, now);
        if let Some(side) = &mut self.mesh {
            side.rising.votes = may_vote;
        }
    }

    /// Takes note when this node may begin, or must cease, to vote.
    pub(super) fn check_vote(&mut self, now: Now) {
        let Some(side) = &self.mesh else { return };
        if side.mesh.may_vote(now) != side.rising.votes {
            self.refresh_quorum(now);
        }
    }

    /// Moves on to the next phase if it is time.
    pub(super) fn check_phase(&mut self, now: Now) {
        let stopping = self.is_stopping();
        let Some(side) = &mut self.mesh else { return };
        let before = side.rising.phase;
        let settled = |side: &MeshSide| {
            side.synchronised && side.mesh.electors().is_some() && side.mesh.knows_clocks()
        };
        let phase = match before {
            _ if stopping => Phase::Draining,
            Phase::Starting | Phase::Syncing if now.mono >= side.rising.by || settled(side) => {
                Phase::Ready
            }
            Phase::Starting if side.mesh.has_met_peers() => Phase::Syncing,
            Phase::Starting | Phase::Syncing | Phase::Ready | Phase::Draining => before,
        };
        if phase == before {
            return;
        }
        side.rising.phase = phase;
        tracing::info!(
            component = "cluster",
            from = before.as_str(),
            to = phase.as_str(),
            "{}",
            match phase {
                Phase::Starting => "This node looks for its peers",
                Phase::Syncing =>
                    "This node takes over what its peers know; it does not notify yet",
                Phase::Ready => "This node is ready: it notifies when it is its turn",
                Phase::Draining =>
                    "This node stops: it finishes what is on its way, others take over the rest",
            }
        );
        if phase == Phase::Ready {
            self.refresh_quorum(now);
            self.effects.push_back(Effect::Ready);
        }
        self.tenant.set_ready(phase == Phase::Ready, now);
    }

    /// Takes note that this node does something. One that stood still hears what the others know before it tells anything, as after
    /// a start.
    pub(super) fn stir(&mut self, by_own_clock: Now, now: Now) {
        let stopping = self.is_stopping();
        let Some(side) = &mut self.mesh else { return };
        let before = std::mem::replace(&mut side.rising.awake, by_own_clock);
        // Of a machine that is paused the monotonic clock may stand as well. Whoever corrects its clock does not stand still.
        let still = by_own_clock.mono.saturating_sub(before.mono);
        let still = still.max(by_own_clock.wall.since(before.wall));
        let others = side.mesh.electors().is_some_and(|of| of.names.len() > 1);
        if still < STOOD_STILL || !others || stopping {
            return;
        }
        tracing::warn!(
            component = "cluster",
            for_seconds = still.as_secs(),
            "This node stood still: its process was stopped, or its machine was paused or had no time for it, or its clock was set. It \
             hears what the others know before it notifies"
        );
        side.synchronised = false;
        side.rising.by = now.mono + side.rising.settle.max(STOOD_STILL);
        let was_ready = side.rising.phase == Phase::Ready;
        if was_ready {
            side.rising.phase = Phase::Syncing;
        }
        self.tenant.stood_still(now);
        if was_ready {
            self.tenant.set_ready(false, now);
        }
    }

    /// The time by the clock of the majority, where this node's own is wrong: alerts end and silences begin at the same
    /// moment on all nodes.
    pub(super) fn corrected(&mut self, now: Now) -> Now {
        if let Some(side) = &mut self.mesh
            && side.mesh.notice_clock(now)
        {
            self.check_clock();
        }
        let ahead = self.clock_correction();
        let by = Duration::from_nanos(ahead.unsigned_abs());
        let wall = if ahead < 0 {
            now.wall.minus(by)
        } else {
            now.wall.plus(by)
        };
        Now { wall, ..now }
    }

    /// By how many nanoseconds this node's clock is put forward; 0 if it is right.
    pub(super) fn clock_correction(&self) -> i64 {
        self.mesh.as_ref().map_or(0, |side| side.rising.clock_ahead)
    }

    /// Looks at the clocks of the others again.
    pub(super) fn check_clock(&mut self) {
        let Some(side) = &mut self.mesh else { return };
        let ahead = side.mesh.clock_ahead();
        let wrong = ahead.unsigned_abs() >= CLOCK_TOLERANCE;
        let before = std::mem::replace(&mut side.rising.clock_ahead, if wrong { ahead } else { 0 });
        if wrong && before == 0 {
            tracing::error!(
                component = "cluster",
                off_by_seconds = ahead / -1_000_000_000,
                "The clock of this node is wrong; it follows the other nodes' clocks until it is set right (check NTP)"
            );
        } else if !wrong && before != 0 {
            tracing::info!(
                component = "cluster",
                "The clock of this node is right again"
            );
        }
        self.correct_ruler();
    }

    /// Has the ruler go by the clock of the majority, where this node's own is wrong: it would look at another time than now, and
    /// what it tells of alerts would be over, or not yet begun.
    fn correct_ruler(&mut self) {
        let Some(side) = &mut self.mesh else { return };
        let (ahead, told) = (side.rising.clock_ahead, side.rising.ruler_ahead);
        let is_news = (ahead == 0) != (told == 0) || ahead.abs_diff(told) >= RULER_TOLERANCE;
        if is_news {
            side.rising.ruler_ahead = ahead;
            let news = RulerNews::Clock(ahead / 1_000_000);
            self.effects.push_back(Effect::Ruler(news));
        }
    }

    /// Whether this node knows who votes.
    #[doc(hidden)]
    #[must_use]
    pub fn has_voters(&self) -> bool {
        let mesh = self.mesh.as_ref();
        mesh.is_none_or(|side| side.mesh.electors().is_some())
    }

    /// Who votes, as this node knows.
    #[doc(hidden)]
    #[must_use]
    pub fn electors(&self) -> Option<Arc<Electors>> {
        self.mesh.as_ref()?.mesh.electors().cloned()
    }

    /// Where the node is on its way.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.mesh {
            _ if self.is_stopping() => Phase::Draining,
            Some(side) => side.rising.phase,
            None => Phase::Ready,
        }
    }
}
