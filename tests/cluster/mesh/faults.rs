//! Faults: what begins, what ends it, and what heals everything.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "most particulars concern one kind of fault only"
)]

use std::{sync::Arc, time::Duration};

use super::{chance::Chance, receiver::Answer, world::World};
use crate::sim::secs;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Kill,
    KillAll,
    PowerOff,
    LoseDisk,
    Stop,
    RollingRestart,
    Pause,
    Partition,
    Isolate,
    Asymmetric,
    Bridge,
    Swizzle,
    DatagramsBlocked,
    ClockJump,
    Egress,
    ReceiverFails,
    ReceiverUnclear,
    ReceiverSlow,
    Reload,
    Silence,
    /// A firewall refuses.
    Refuse,
    /// Large packets are swallowed.
    Swallow,
    HangDisk,
}

/// One fault.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    kind: Kind,
    hosts: Vec<usize>,
    others: Vec<usize>,
    pub(crate) lasts: Duration,
    jump: i64,
    receiver: usize,
    answer: Answer,
    gaps: Vec<Duration>,
    /// Whether both directions are concerned, and which payloads are swallowed: those of more bytes.
    wall: (bool, usize),
}

impl Fault {
    /// Of no story that was told before they were thought of.
    pub(crate) const AILMENTS: [Kind; 3] = [Kind::Refuse, Kind::Swallow, Kind::HangDisk];

    /// What goes wrong while nodes start for the first time.
    pub(crate) const OF_BIRTHS: [Kind; 14] = [
        Kind::Kill,
        Kind::KillAll,
        Kind::PowerOff,
        Kind::Stop,
        Kind::Pause,
        Kind::Partition,
        Kind::Isolate,
        Kind::Asymmetric,
        Kind::Bridge,
        Kind::Swizzle,
        Kind::DatagramsBlocked,
        Kind::Refuse,
        Kind::Swallow,
        Kind::HangDisk,
    ];

    pub(crate) const KINDS: [Kind; 20] = [
        Kind::Kill,
        Kind::KillAll,
        Kind::PowerOff,
        Kind::LoseDisk,
        Kind::Stop,
        Kind::RollingRestart,
        Kind::Pause,
        Kind::Partition,
        Kind::Isolate,
        Kind::Asymmetric,
        Kind::Bridge,
        Kind::Swizzle,
        Kind::DatagramsBlocked,
        Kind::ClockJump,
        Kind::Egress,
        Kind::ReceiverFails,
        Kind::ReceiverUnclear,
        Kind::ReceiverSlow,
        Kind::Reload,
        Kind::Silence,
    ];

    /// Draws the particulars.
    pub(crate) fn draw(kind: Kind, nodes: usize, longest: Duration, chance: &mut Chance) -> Self {
        let mut order: Vec<usize> = (0..nodes).collect();
        for at in (1..nodes).rev() {
            order.swap(at, chance.index(at + 1));
        }
        let first = match kind {
            Kind::Kill | Kind::Pause => 1 + chance.index(nodes.min(2)),
            Kind::Partition | Kind::Asymmetric | Kind::Refuse | Kind::Swallow => {
                1 + chance.index(nodes.max(2) - 1)
            }
            _ => 1,
        };
        let others = order.split_off(first.min(order.len()));
        let most = match kind {
            Kind::Pause => longest.min(secs(30)),
            _ => longest,
        };
        let answer = match kind {
            Kind::ReceiverSlow => Answer::Accept(chance.between(secs(1), secs(25))),
            Kind::ReceiverUnclear => chance.pick(&[
                Answer::ResetAfterAccept,
                Answer::SilentAfterAccept,
                Answer::Silent,
            ]),
            _ => chance.pick(&[Answer::Fail, Answer::Fail, Answer::Down, Answer::Refuse]),
        };
        Self {
            kind,
            hosts: order,
            others,
            lasts: chance.spread(Duration::from_millis(100), most.max(secs(1))),
            jump: chance.pick(&[-3600, -600, -30, 30, 600, 3600]),
            receiver: chance.index(3),
            answer,
            gaps: (0..nodes * 2)
                .map(|_| chance.between(Duration::ZERO, secs(4)))
                .collect(),
            wall: match kind {
                Kind::Refuse | Kind::Swallow => {
                    (chance.happens(0.6), chance.pick(&[0, 30, 60, 60, 100, 300]))
                }
                _ => (false, 0),
            },
        }
    }

    /// Has it happen at that time, and end before `until`.
    pub(crate) fn plan(self, world: &mut World, at: Duration, until: Duration) {
        let ends = (at + self.lasts).min(until);
        match self.kind {
            Kind::Swizzle => self.plan_swizzle(world, at, until),
            Kind::RollingRestart => self.plan_rolling(world, at),
            Kind::Reload => self.plan_reload(world, at),
            Kind::Silence => {
                let host = self.hosts[0];
                world.at(at, move |world| {
                    let names: Vec<_> = world.sources[0].alerts.keys().cloned().collect();
                    if let Some(name) = names.first() {
                        world.hush(host, name);
                    }
                });
            }
            _ => {
                let begin = self.clone();
                world.at(at, move |world| begin.begin(world));
                world.at(ends, move |world| self.end(world));
            }
        }
    }

    /// Links are clogged one by one and unclogged in another order.
    fn plan_swizzle(self, world: &mut World, at: Duration, until: Duration) {
        let all: Vec<usize> = self.hosts.iter().chain(&self.others).copied().collect();
        let mut ends = at + self.lasts;
        let mut begins = at;
        for (index, host) in all.iter().copied().enumerate() {
            let rest: Vec<usize> = all.iter().copied().filter(|it| *it != host).collect();
            let again = rest.clone();
            world.at(begins.min(until), move |world| world.cut(&[host], &rest));
            world.at(ends.min(until), move |world| world.mend(&[host], &again));
            begins += self.gaps[index];
            ends += self.gaps[all.len() + index];
        }
    }

    fn plan_rolling(self, world: &mut World, at: Duration) {
        let all: Vec<usize> = self.hosts.iter().chain(&self.others).copied().collect();
        let mut at = at;
        for (index, host) in all.into_iter().enumerate() {
            world.at(at, move |world| world.stop(host));
            at += secs(6) + self.gaps[index];
            world.at(at, move |world| world.start(host));
            at += secs(2) + self.gaps[index];
        }
    }

    /// Every node gets another configuration, one after the other; some a little late.
    fn plan_reload(self, world: &mut World, at: Duration) {
        let config = Arc::clone(&world.setup.other);
        let all: Vec<usize> = self.hosts.iter().chain(&self.others).copied().collect();
        let mut at = at;
        for (index, host) in all.into_iter().enumerate() {
            let config = Arc::clone(&config);
            world.at(at, move |world| world.reload(host, &config));
            at += self.gaps[index];
        }
    }

    fn begin(&self, world: &mut World) {
        let (hosts, others) = (&self.hosts, &self.others);
        let (kind, lasts) = (self.kind, self.lasts);
        world.trace.say(world.clock, || {
            format!("{kind:?} of {hosts:?} for {lasts:?}")
        });
        match kind {
            Kind::Kill => hosts.iter().for_each(|host| world.kill(*host)),
            Kind::KillAll => (0..world.hosts.len()).for_each(|host| world.kill(host)),
            Kind::PowerOff => world.power_off(hosts[0]),
            Kind::LoseDisk => {
                world.power_off(hosts[0]);
                world.lose_disk(hosts[0]);
            }
            Kind::Stop => world.stop(hosts[0]),
            Kind::Pause => hosts.iter().for_each(|host| world.pause(*host)),
            Kind::Partition | Kind::Isolate => world.cut(hosts, others),
            Kind::Asymmetric => world.cut_one_way(hosts, others),
            // The first host sees all others, which do not see each other.
            Kind::Bridge => {
                for host in others {
                    world.cut_one_way(&[*host], others);
                }
            }
            Kind::DatagramsBlocked => world.block_datagrams(true),
            Kind::ClockJump => {
                let ahead = world.hosts[hosts[0]].skew + self.jump;
                world.set_clock(hosts[0], ahead);
            }
            Kind::Egress => world.hosts[hosts[0]].egress = false,
            Kind::Refuse => self.for_both(|from, to| world.refuse(from, to, true)),
            Kind::Swallow => {
                self.for_both(|from, to| world.swallow(from, to, Some(self.wall.1)));
            }
            Kind::HangDisk => world.hang_disk(hosts[0], true),
            Kind::ReceiverFails | Kind::ReceiverUnclear | Kind::ReceiverSlow => {
                world.receivers[self.receiver].answer = self.answer;
            }
            Kind::Swizzle | Kind::RollingRestart | Kind::Reload | Kind::Silence => {}
        }
    }

    /// Concerns one direction, or both.
    fn for_both(&self, mut concerns: impl FnMut(&[usize], &[usize])) {
        concerns(&self.hosts, &self.others);
        if self.wall.0 {
            concerns(&self.others, &self.hosts);
        }
    }

    fn end(&self, world: &mut World) {
        let (hosts, others) = (&self.hosts, &self.others);
        match self.kind {
            Kind::Kill => hosts.iter().for_each(|host| world.start(*host)),
            Kind::KillAll => (0..world.hosts.len()).for_each(|host| world.start(host)),
            Kind::PowerOff | Kind::LoseDisk | Kind::Stop => world.start(hosts[0]),
            Kind::Pause => hosts.iter().for_each(|host| world.resume(*host)),
            Kind::Partition | Kind::Isolate => world.mend(hosts, others),
            Kind::Asymmetric => world.mend_one_way(hosts, others),
            Kind::Bridge => {
                for host in others {
                    world.mend_one_way(&[*host], others);
                }
            }
            Kind::DatagramsBlocked => world.block_datagrams(false),
            // Clocks are set right only in the end.
            Kind::ClockJump => {}
            Kind::Egress => world.hosts[hosts[0]].egress = true,
            Kind::Refuse => self.for_both(|from, to| world.refuse(from, to, false)),
            Kind::Swallow => self.for_both(|from, to| world.swallow(from, to, None)),
            Kind::HangDisk => world.hang_disk(hosts[0], false),
            Kind::ReceiverFails | Kind::ReceiverUnclear | Kind::ReceiverSlow => {
                world.receivers[self.receiver].answer = Answer::Accept(Duration::from_millis(5));
            }
            Kind::Swizzle | Kind::RollingRestart | Kind::Reload | Kind::Silence => {}
        }
    }
}

/// Ends all faults.
pub(crate) fn heal(world: &mut World) {
    world
        .trace
        .say(world.clock, || "everything heals".to_owned());
    let hosts = world.hosts.len();
    world.mend_all();
    world.block_datagrams(false);
    world.answer(Answer::Accept(Duration::from_millis(5)));
    for host in 0..hosts {
        world.hosts[host].egress = true;
        if world.hosts[host].disk.hangs {
            world.hang_disk(host, false);
        }
        world.set_clock(host, 0);
        world.resume(host);
        world.start(host);
        let config = Arc::clone(&world.setup.config);
        if !Arc::ptr_eq(&world.hosts[host].config, &config) {
            world.reload(host, &config);
        }
    }
    world.unhush();
}
