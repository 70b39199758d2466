//! Who is alive, as the nodes find out among each other: foca, with remedies for what it lacks.
//!
//! - A suspicion that was refuted still ends in a forced re-join, since foca does not look at the member again when the
//!   timer fires: such timers are dropped here.
//! - The number of transmissions that it derives from the size of small meshes is too low for news to reach everybody.
//! - A node whose peers all went down never calls them again: the mesh announces it every second.
//! - A ping that datagrams leave unanswered is repeated on the stream.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    num::{NonZeroU8, NonZeroUsize},
    time::Duration,
};

use foca::{
    AccumulatingRuntime, Codec as _, Config, Error, Foca, Member, Message, NoCustomBroadcast,
    OwnedNotification, PeriodicParams, State, Timer,
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    MeshSettings, NodeName, PeerState,
    identity::{Id, PacketCodec},
};
use crate::rng::Rng;

/// The largest packet; sealing and the session make it at most 1200 bytes.
const MAX_PACKET: usize = 1150;
/// More members than that are no mesh of ours: the list is begun anew.
const MAX_MEMBERS: usize = 256;
/// Members that are not probed for so long never will be.
const UNPROBED: Duration = Duration::from_secs(10);
/// How long the dead are remembered.
const REMEMBER_DEAD: Duration = Duration::from_hours(1);

/// What is done beyond foca. Tests turn each off to see what for it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remedies {
    /// Timers of refuted suspicions are dropped.
    pub(super) drops_stale_suspicions: bool,
    /// News is sent ten times.
    #[cfg_attr(not(test), expect(dead_code, reason = "only a test turns it off"))]
    pub(super) transmits_often: bool,
    /// Nodes that are connected but not seen are called every second.
    pub(super) announces_again: bool,
    /// What datagrams leave unanswered is sent on the stream.
    pub(super) repeats_on_stream: bool,
}

impl Default for Remedies {
    fn default() -> Self {
        Self {
            drops_stale_suspicions: true,
            transmits_often: true,
            announces_again: true,
            repeats_on_stream: true,
        }
    }
}

/// What the protocol asks for or tells.
#[derive(Debug)]
pub(super) enum Said {
    /// Send a packet; `joining` ones are too rare and too important to be lost.
    Packet {
        to: NodeName,
        bytes: Vec<u8>,
        joining: bool,
    },
    /// Datagrams left a ping unanswered: send it on the stream.
    Repeat {
        to: NodeName,
        bytes: Vec<u8>,
    },
    Up(NodeName),
    Down(NodeName),
    /// This node was held for dead and had to come back.
    Rejoined,
}

/// The protocol and its timers.
pub(super) struct Membership {
    foca: Foca<Id, PacketCodec, ChaCha8Rng, NoCustomBroadcast>,
    config: Config,
    rng: Rng,
    /// By when they are due, the order foca asks for at one time, and a counter.
    timers: BTreeMap<(Duration, u8, u64), Timer<Id>>,
    sequence: u64,
    said: VecDeque<Said>,
    /// Pings without an answer.
    pings: BTreeMap<NodeName, (u8, Vec<u8>)>,
    /// Since when there are members that nobody probes.
    unprobed: Option<Duration>,
    left: bool,
    pub(super) remedies: Remedies,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("identity", self.foca.identity())
            .field("members", &self.foca.num_members())
            .field("timers", &self.timers.len())
            .finish_non_exhaustive()
    }
}

impl Membership {
    pub(super) fn new(settings: &MeshSettings, mut rng: Rng) -> Self {
        let config = config(settings);
        let id = Id {
            name: NodeName::clone(&settings.name),
            generation: settings.run,
        };
        let stream = ChaCha8Rng::seed_from_u64(rng.next_u64());
        Self {
            foca: Foca::new(id, config.clone(), stream, PacketCodec),
            config,
            rng,
            timers: BTreeMap::new(),
            sequence: 0,
            said: VecDeque::new(),
            pings: BTreeMap::new(),
            unprobed: None,
            left: false,
            remedies: Remedies::default(),
        }
    }

    /// Sets what is done beyond foca.
    #[cfg(test)]
    pub(super) fn set_remedies(&mut self, remedies: Remedies) {
        self.remedies = remedies;
        if !remedies.transmits_often {
            // What foca's own `Config::new_lan` gives three nodes.
            self.config.max_transmissions = NonZeroU8::MIN.saturating_add(1);
            assert!(self.foca.set_config(self.config.clone()).is_ok());
        }
    }

    /// How many timers the protocol asked for.
    pub(super) fn timers(&self) -> usize {
        self.timers.len()
    }

    /// The generation under which this node is known.
    pub(super) fn generation(&self) -> u64 {
        self.foca.identity().generation
    }

    /// The generation under which another node is known, dead or alive.
    pub(super) fn generation_of(&self, name: &str) -> Option<u64> {
        self.member(name).map(|member| member.id().generation)
    }

    pub(super) fn state_of(&self, name: &str) -> Option<PeerState> {
        self.member(name).map(|member| match member.state() {
            State::Alive => PeerState::Alive,
            State::Suspect => PeerState::Suspect,
            State::Down => PeerState::Down,
        })
    }

    /// Whether a node is held for alive, suspected or not.
    pub(super) fn sees(&self, name: &str) -> bool {
        self.state_of(name)
            .is_some_and(|state| state != PeerState::Down)
    }

    fn member(&self, name: &str) -> Option<&Member<Id>> {
        self.foca
            .iter_membership_state()
            .find(|member| *member.id().name == *name)
    }

    pub(super) fn poll(&mut self) -> Option<Said> {
        self.said.pop_front()
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.timers.keys().next().map(|key| key.0)
    }

    /// Takes in a packet; gives the number of the ping that it answers.
    pub(super) fn packet(
        &mut self,
        from: &NodeName,
        bytes: &[u8],
        now: Duration,
    ) -> Result<Option<u8>, Error> {
        let message = PacketCodec
            .decode_header(bytes)
            .ok()
            .map(|header| header.message);
        let answered = if let Some(Message::Ack(number)) = message {
            Some(number)
        } else {
            None
        };
        if let Some(number) = answered
            && self.pings.get(from).is_some_and(|ping| ping.0 == number)
        {
            self.pings.remove(from);
        }
        let mut runtime = AccumulatingRuntime::new();
        let result = self.foca.handle_data(bytes, &mut runtime);
        self.take_in(runtime, now);
        self.look_after_itself(now);
        result.map(|()| answered)
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Duration) {
        while let Some(entry) = self
            .timers
            .first_entry()
            .filter(|entry| entry.key().0 <= now)
        {
            let timer = entry.remove();
            if let Timer::SendIndirectProbe { probed_id, .. } = &timer {
                self.repeat_ping(&NodeName::clone(&probed_id.name));
            }
            if self.is_stale(&timer) {
                continue;
            }
            let mut runtime = AccumulatingRuntime::new();
            let result = self.foca.handle_timer(timer, &mut runtime);
            self.take_in(runtime, now);
            match result {
                // foca itself starts the next probe after an incomplete one.
                Ok(()) | Err(Error::IncompleteProbeCycle) => {}
                Err(error) => self.begin_anew(&error.to_string(), now),
            }
        }
        self.look_after_itself(now);
    }

    /// Whether a timer belongs to a suspicion that was refuted. foca would tell a healthy member that it is dead.
    fn is_stale(&self, timer: &Timer<Id>) -> bool {
        if let Timer::ChangeSuspectToDown {
            member_id,
            incarnation,
            ..
        } = timer
            && self.remedies.drops_stale_suspicions
        {
            return !self.foca.iter_membership_state().any(|member| {
                member.id() == member_id
                    && member.incarnation() == *incarnation
                    && member.state() == State::Suspect
            });
        }
        false
    }

    fn repeat_ping(&mut self, to: &NodeName) {
        if self.remedies.repeats_on_stream
            && let Some((_, bytes)) = self.pings.get(to)
        {
            let (to, bytes) = (NodeName::clone(to), bytes.clone());
            self.said.push_back(Said::Repeat { to, bytes });
        }
    }

    /// Calls a node: it answers with whom it knows.
    pub(super) fn announce(&mut self, name: &NodeName, generation: u64, now: Duration) {
        let id = Id {
            name: NodeName::clone(name),
            generation,
        };
        self.call(now, |foca, runtime| foca.announce(id, runtime));
    }

    /// Tells everybody that a process is gone.
    pub(super) fn declare_down(&mut self, name: &str, now: Duration) {
        let Some(member) = self.member(name).cloned() else {
            return;
        };
        self.pings.remove(name);
        if member.state() != State::Down {
            let down = Member::new(member.id().clone(), member.incarnation(), State::Down);
            self.call(now, |foca, runtime| {
                foca.apply_many(std::iter::once(down), true, runtime)
            });
        }
    }

    /// Makes this node's generation higher than what others remember of its name.
    pub(super) fn exceed(&mut self, generation: u64, now: Duration) {
        if generation > self.generation()
            && let Some(generation) = generation.checked_add(1)
        {
            let id = Id {
                name: NodeName::clone(&self.foca.identity().name),
                generation,
            };
            self.call(now, |foca, runtime| foca.change_identity(id, runtime));
        }
    }

    /// Tells everybody that this node goes.
    pub(super) fn leave(&mut self, now: Duration) {
        self.call(now, |foca, runtime| foca.leave_cluster(runtime));
        self.timers.clear();
        self.left = true;
    }

    fn call(
        &mut self,
        now: Duration,
        call: impl FnOnce(
            &mut Foca<Id, PacketCodec, ChaCha8Rng, NoCustomBroadcast>,
            &mut AccumulatingRuntime<Id>,
        ) -> Result<(), Error>,
    ) {
        let mut runtime = AccumulatingRuntime::new();
        let result = call(&mut self.foca, &mut runtime);
        self.take_in(runtime, now);
        if let Err(error) = result {
            self.begin_anew(&error.to_string(), now);
        }
    }

    fn take_in(&mut self, mut runtime: AccumulatingRuntime<Id>, now: Duration) {
        while let Some((after, timer)) = runtime.to_schedule() {
            let tie = match timer {
                Timer::SendIndirectProbe { .. } => 0,
                Timer::ProbeRandomMember(_) => 1,
                Timer::ChangeSuspectToDown { .. } => 2,
                Timer::PeriodicAnnounce(_)
                | Timer::PeriodicAnnounceDown(_)
                | Timer::PeriodicGossip(_)
                | Timer::RemoveDown(_) => 3,
            };
            self.sequence += 1;
            self.timers.insert((now + after, tie, self.sequence), timer);
        }
        while let Some((to, bytes)) = runtime.to_send() {
            self.send(to.name, bytes.to_vec());
        }
        while let Some(notification) = runtime.to_notify() {
            match notification {
                OwnedNotification::MemberUp(id) => self.said.push_back(Said::Up(id.name)),
                OwnedNotification::MemberDown(id) => {
                    self.pings.remove(&id.name);
                    self.said.push_back(Said::Down(id.name));
                }
                OwnedNotification::Rejoin(_) => self.said.push_back(Said::Rejoined),
                OwnedNotification::Rename(..)
                | OwnedNotification::Active
                | OwnedNotification::Idle
                | OwnedNotification::Defunct => {}
            }
        }
    }

    fn send(&mut self, to: NodeName, bytes: Vec<u8>) {
        let message = PacketCodec
            .decode_header(&bytes[..])
            .map(|header| header.message);
        let mut joining = false;
        match message {
            Ok(Message::Ping(number)) => {
                self.pings
                    .insert(NodeName::clone(&to), (number, bytes.clone()));
            }
            Ok(Message::Announce | Message::Feed | Message::TurnUndead) => joining = true,
            Ok(_) | Err(_) => {}
        }
        self.said.push_back(Said::Packet { to, bytes, joining });
    }

    /// What must never be: members that nobody probes, or more of them than a mesh has.
    fn look_after_itself(&mut self, now: Duration) {
        let probes = self
            .timers
            .values()
            .any(|timer| matches!(timer, Timer::ProbeRandomMember(_)));
        if self.left {
            return;
        }
        if self.foca.num_members() == 0 || probes {
            self.unprobed = None;
        }
        // After a new identity foca probes again only once it hears from somebody.
        else if now.saturating_sub(*self.unprobed.get_or_insert(now)) > UNPROBED {
            self.begin_anew("no probe is under way", now);
        }
        if self.foca.iter_membership_state().len() > MAX_MEMBERS {
            self.begin_anew("too many members", now);
        }
    }

    /// Begins with an empty list and a new identity; whoever is connected is called again.
    fn begin_anew(&mut self, why: &str, now: Duration) {
        tracing::error!(
            err = why,
            "The membership protocol cannot go on and begins anew. This is a bug; the streams are not affected"
        );
        let seen: Vec<Id> = self
            .foca
            .iter_members()
            .map(|member| member.id().clone())
            .collect();
        let id = Id {
            name: NodeName::clone(&self.foca.identity().name),
            generation: self.generation().saturating_add(1),
        };
        let stream = ChaCha8Rng::seed_from_u64(self.rng.next_u64());
        self.foca = Foca::new(id, self.config.clone(), stream, PacketCodec);
        self.timers.clear();
        self.unprobed = None;
        self.pings.clear();
        self.said.push_back(Said::Rejoined);
        for id in seen.into_iter().take(super::MAX_NODES) {
            let mut runtime = AccumulatingRuntime::new();
            // An error here would be found again at the next packet.
            let _sent = self.foca.announce(id, &mut runtime).is_ok();
            self.take_in(runtime, now);
        }
    }
}

fn config(settings: &MeshSettings) -> Config {
    let suspicion = if settings.probe_interval <= Duration::from_millis(500) {
        Duration::from_millis(1500)
    } else {
        settings.probe_interval * 3
    };
    let at_least = |duration: Duration| duration.max(Duration::from_millis(10));
    let probe_period = at_least(settings.probe_interval);
    let some = |number: usize| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
    Config {
        probe_period,
        // foca wants to be able to ask others before the period is over.
        probe_rtt: at_least(settings.probe_timeout).min(probe_period * 2 / 3),
        num_indirect_probes: some(3),
        max_transmissions: NonZeroU8::MIN.saturating_add(9),
        suspect_to_down_after: suspicion,
        remove_down_after: Some(REMEMBER_DEAD),
        max_packet_size: some(MAX_PACKET),
        notify_down_members: true,
        periodic_announce: Some(PeriodicParams {
            frequency: Duration::from_secs(30),
            num_members: some(1),
        }),
        periodic_announce_to_down_members: None,
        periodic_gossip: Some(PeriodicParams {
            frequency: at_least(settings.gossip_interval),
            num_members: some(3),
        }),
    }
}
