//! Every row of the table: what befalls a cluster while alerts fire.

use std::{path::Path, time::Duration};

use anyhow::Result;
use jiff::SignedDuration;

use super::{
    cluster::Program,
    lab::{Lab, groups},
    measures,
    receiver::Manner,
    tally::Run,
};

/// One row.
pub(crate) struct Row {
    /// For command lines.
    pub(crate) name: &'static str,
    /// For readers.
    pub(crate) title: &'static str,
    pub(crate) nodes: usize,
    /// `group_wait` and `group_interval` in seconds.
    pub(crate) timers: (u32, u32),
    pub(crate) flags: &'static [&'static str],
    /// The receiver is said to drop what has a known `Idempotency-Key`; only Watchfire can be told.
    pub(crate) idempotent: bool,
    act: fn(&mut Lab) -> Result<()>,
}

impl Row {
    const fn new(name: &'static str, title: &'static str, act: fn(&mut Lab) -> Result<()>) -> Self {
        Self {
            name,
            title,
            nodes: 3,
            timers: (1, 300),
            flags: &[],
            idempotent: false,
            act,
        }
    }

    const fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    const fn timers(mut self, wait: u32, interval: u32) -> Self {
        self.timers = (wait, interval);
        self
    }

    const fn flags(mut self, flags: &'static [&'static str]) -> Self {
        self.flags = flags;
        self
    }

    const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// The configuration of every node.
    pub(crate) fn config(&self, url: &str, program: &Program) -> String {
        let (wait, interval) = self.timers;
        let delivery = if self.idempotent && program.is_watchfire() {
            ", delivery: {idempotent: true}"
        } else {
            ""
        };
        format!(
            "route: {{receiver: hook, group_by: [alertname], group_wait: {wait}s, group_interval: {interval}s, repeat_interval: 4h}}\n\
             receivers: [{{name: hook, webhook_configs: [{{url: '{url}', send_resolved: true{delivery}}}]}}]\n"
        )
    }
}

/// Runs a row in an enclosure; whatever goes wrong is in the result.
pub(crate) fn run_row(row: &Row, program: &Program, directory: &Path, patience: Duration) -> Run {
    match Lab::set_up(program, directory, row, patience) {
        Err(error) => Run {
            error: Some(format!("{error:#}")),
            ..Run::default()
        },
        Ok(mut lab) => {
            let outcome = (row.act)(&mut lab);
            lab.finish(outcome)
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// Large packets, in the words of iptables, as a tunnel loses them that is too narrow and does not say so.
const LARGE: &str = "-m length --length 1281:65535";

/// All rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    Row::new("healthy", "nothing happens", |lab| {
        lab.fire();
        lab.watch();
        Ok(())
    }),
    Row::new(
        "owner-killed",
        "owner killed (-9) just before the alerts",
        |lab| {
            lab.cluster.kill(0)?;
            lab.fire();
            lab.watch();
            Ok(())
        },
    ),
    Row::new("owner-killed-12s", "owner killed 12 s before", |lab| {
        lab.cluster.kill(0)?;
        lab.wait(12 * SECOND);
        lab.fire();
        lab.watch();
        Ok(())
    }),
    Row::new(
        "owner-host-lost",
        "owner's host lost just before the alerts",
        |lab| {
            lab.network.link(lab.cluster.place(0), false)?;
            lab.fire();
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "split",
        "partition 0 / 1 2 of 25 s, alerts 10 s into it",
        |lab| split(lab, &[&[0], &[1, 2]], 10, 15),
    ),
    Row::new(
        "split-at-once",
        "partition 0 / 1 2 of 25 s, alerts at the same moment",
        |lab| split(lab, &[&[0], &[1, 2]], 0, 25),
    ),
    Row::new(
        "split-long",
        "partition 0 / 1 2 of 70 s, alerts 10 s into it",
        |lab| split(lab, &[&[0], &[1, 2]], 10, 60),
    ),
    Row::new(
        "split3",
        "partition 0 / 1 / 2 of 25 s, alerts 10 s into it",
        |lab| split(lab, &[&[0], &[1], &[2]], 10, 15),
    ),
    Row::new(
        "split3-long",
        "partition 0 / 1 / 2 of 70 s, alerts 10 s into it",
        |lab| split(lab, &[&[0], &[1], &[2]], 10, 60),
    ),
    Row::new(
        "split3-idempotent",
        "partition 0 / 1 / 2 of 70 s, receiver deduplicates",
        |lab| split(lab, &[&[0], &[1], &[2]], 10, 60),
    )
    .idempotent(),
    Row::new(
        "udp-blocked",
        "UDP between the nodes blocked, TCP open",
        |lab| {
            lab.network.drop_between("-p udp")?;
            lab.wait(10 * SECOND);
            lab.fire();
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "loss",
        "30 % of all packets between the nodes lost",
        |lab| {
            lab.network
                .drop_between("-m statistic --mode random --probability 0.3")?;
            lab.wait(10 * SECOND);
            lab.fire();
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "large-lost-one",
        "packets of more than 1,280 bytes to and from the owner lost",
        |lab| {
            let owner = lab.cluster.place(0);
            lab.network.single_segments()?;
            lab.network.around(owner, &format!("{LARGE} -j DROP"))?;
            lab.wait(10 * SECOND);
            lab.fire();
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "large-lost",
        "packets of more than 1,280 bytes between all nodes lost",
        |lab| {
            lab.network.single_segments()?;
            lab.network.drop_between(LARGE)?;
            lab.wait(10 * SECOND);
            lab.fire();
            lab.watch();
            Ok(())
        },
    ),
    Row::new("far", "100 to 200 ms between the nodes, each way", |lab| {
        let (least, most) = (Duration::from_millis(100), Duration::from_millis(200));
        lab.network.delay_between(least, most)?;
        lab.wait(10 * SECOND);
        lab.fire();
        lab.watch();
        Ok(())
    }),
    Row::new("slow", "receiver answers after 20 s", |lab| {
        lab.answer_after(20 * SECOND);
        lab.fire();
        lab.wait(20 * SECOND);
        lab.watch();
        Ok(())
    }),
    Row::new("refusing", "receiver says 500 for 40 s", |lab| {
        lab.receiver.behave(Manner {
            status: 500,
            ..Manner::WELL
        });
        lab.fire();
        lab.wait(40 * SECOND);
        lab.receiver.behave(Manner::WELL);
        lab.watch();
        Ok(())
    }),
    Row::new(
        "breaking",
        "receiver takes each request and breaks the connection, for 3 s",
        breaking,
    ),
    Row::new(
        "breaking-idempotent",
        "requests taken and connections broken, receiver deduplicates",
        breaking,
    )
    .idempotent(),
    Row::new(
        "killed-in-flight",
        "owner killed with its requests in flight",
        in_flight,
    ),
    Row::new(
        "killed-in-flight-idempotent",
        "owner killed with its requests in flight, receiver deduplicates",
        in_flight,
    )
    .idempotent(),
    Row::new(
        "killed-unread",
        "owner stopped (SIGSTOP) with its requests in flight, and killed",
        killed_unread,
    ),
    Row::new(
        "killed-after",
        "owner killed right after the last 200",
        |lab| {
            lab.fire_and_tell()?;
            let last = lab.receiver.requests().last().map_or(0, |last| last.node);
            let node = lab.cluster.at(last).unwrap_or(0);
            lab.cluster.kill(node)?;
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "owner-paused",
        "owner paused (SIGSTOP) for 10 s just before the alerts",
        |lab| {
            lab.cluster.signal(0, "STOP")?;
            lab.fire();
            lab.wait(10 * SECOND);
            lab.cluster.signal(0, "CONT")?;
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "paused-in-flight",
        "owner paused for 10 s with its requests in flight",
        |lab| {
            lab.answer_after(3 * SECOND);
            lab.fire();
            let node = lab.in_flight()?;
            lab.note_in_flight(node);
            lab.cluster.signal(node, "STOP")?;
            lab.wait(10 * SECOND);
            lab.cluster.signal(node, "CONT")?;
            lab.answer_after(Duration::ZERO);
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "paused-killed",
        "owner paused just before the alerts, killed (-9) 2 s later",
        |lab| {
            lab.cluster.signal(0, "STOP")?;
            lab.fire();
            // What comes to it meanwhile is never read, so that its system resets its connections.
            lab.wait(2 * SECOND);
            lab.cluster.kill(0)?;
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "refused-in-flight",
        "a firewall resets what comes to the owner, for 8 s with its requests in flight",
        |lab| {
            lab.answer_after(10 * SECOND);
            lab.fire();
            let node = lab.in_flight()?;
            lab.note_in_flight(node);
            lab.network.refuse(lab.cluster.place(node))?;
            lab.wait(8 * SECOND);
            lab.network.heal()?;
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "rolling",
        "rolling restart (SIGTERM), storage kept",
        |lab| rolling(lab, false),
    ),
    Row::new(
        "rolling-wiped",
        "rolling restart, storage wiped one by one",
        |lab| rolling(lab, true),
    ),
    Row::new("all-killed", "all killed (-9) and started again", |lab| {
        lab.fire_and_tell()?;
        lab.wait(2 * SECOND);
        for node in 0..lab.cluster.len() {
            lab.cluster.kill(node)?;
        }
        lab.cluster.start_all()?;
        lab.wait(10 * SECOND);
        lab.watch();
        Ok(())
    }),
    Row::new(
        "all-terminated",
        "all ended (SIGTERM) and started again",
        |lab| {
            lab.fire_and_tell()?;
            lab.wait(2 * SECOND);
            stop_all(lab)?;
            lab.cluster.start_all()?;
            lab.wait(10 * SECOND);
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "flap",
        "resolve race: resolved while a later position waits",
        |lab| {
            lab.fire();
            lab.wait(8 * SECOND);
            lab.source.resolve("");
            lab.wait(20 * SECOND);
            lab.watch();
            Ok(())
        },
    )
    .timers(5, 12)
    .flags(&["--cluster.peer-timeout=10s"]),
    Row::new(
        "missed-resolve",
        "resolved while all were down, never told; fires anew later",
        |lab| missed_resolve(lab, true),
    )
    .timers(1, 10),
    Row::new(
        "late-resolve",
        "resolved while all were down, told after the start; fires anew later",
        |lab| missed_resolve(lab, false),
    )
    .timers(1, 10),
    Row::new(
        "one-hears",
        "alerts reach one node only, which is killed 0.5 s later",
        |lab| {
            lab.source.fire_only_to(groups(), 0);
            lab.wait(SECOND / 2);
            lab.cluster.kill(0)?;
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "two-of-three-killed",
        "two of three killed just before the alerts",
        |lab| {
            lab.cluster.kill(0)?;
            lab.cluster.kill(1)?;
            lab.fire();
            lab.watch();
            Ok(())
        },
    ),
    Row::new(
        "two-first-killed",
        "two nodes: the smaller name killed just before the alerts",
        |lab| {
            lab.cluster.kill(0)?;
            lab.fire();
            lab.watch();
            Ok(())
        },
    )
    .nodes(2),
    Row::new(
        "two-last-killed",
        "two nodes: the larger name killed just before the alerts",
        |lab| {
            lab.cluster.kill(1)?;
            lab.fire();
            lab.watch();
            Ok(())
        },
    )
    .nodes(2),
    Row::new(
        "two-split",
        "two nodes: partition of 25 s, alerts 10 s into it",
        |lab| split(lab, &[&[0], &[1]], 10, 15),
    )
    .nodes(2),
    Row::new("five", "five nodes: nothing happens", |lab| {
        lab.fire();
        lab.watch();
        lab.watch();
        Ok(())
    })
    .nodes(5),
    Row::new(
        "five-two-killed",
        "five nodes: two killed just before the alerts",
        |lab| {
            lab.cluster.kill(0)?;
            lab.cluster.kill(1)?;
            lab.fire();
            lab.watch();
            lab.watch();
            Ok(())
        },
    )
    .nodes(5),
    Row::new(
        "five-split",
        "five nodes: partition 0 1 / 2 3 4 of 25 s, alerts 10 s into it",
        |lab| {
            split(lab, &[&[0, 1], &[2, 3, 4]], 10, 15)?;
            lab.watch();
            Ok(())
        },
    )
    .nodes(5),
    Row::new(
        "figures",
        "silences, traffic, detection, restart, healing",
        measures::measure,
    ),
];

/// Alerts fire a while after a cut, which is healed a while later.
fn split(lab: &mut Lab, sides: &[&[usize]], before: u32, after: u32) -> Result<()> {
    lab.cut(sides)?;
    lab.wait(before * SECOND);
    lab.fire();
    lab.wait(after * SECOND);
    lab.network.heal()?;
    lab.watch();
    Ok(())
}

/// The first requests are taken, but their senders learn nothing of it.
fn breaking(lab: &mut Lab) -> Result<()> {
    lab.receiver.behave(Manner {
        breaks: true,
        ..Manner::WELL
    });
    lab.fire();
    lab.wait(3 * SECOND);
    lab.receiver.behave(Manner::WELL);
    lab.watch();
    Ok(())
}

fn in_flight(lab: &mut Lab) -> Result<()> {
    lab.answer_after(5 * SECOND);
    lab.fire();
    let node = lab.in_flight()?;
    lab.note_in_flight(node);
    lab.cluster.kill(node)?;
    lab.answer_after(Duration::ZERO);
    lab.watch();
    Ok(())
}

/// What the others say to it waits unread when it is killed, so that its system resets their streams.
fn killed_unread(lab: &mut Lab) -> Result<()> {
    lab.receiver.behave(Manner {
        delay: 5 * SECOND,
        status: 503,
        ..Manner::WELL
    });
    lab.fire();
    let node = lab.in_flight()?;
    lab.note_in_flight(node);
    let held = lab.held_by(node);
    lab.cluster.signal(node, "STOP")?;
    lab.wait(SECOND);
    lab.receiver.behave(Manner::WELL);
    lab.cluster.kill(node)?;
    let bound = 60 * SECOND;
    let took = lab.until("what the dead node held", bound, || lab.are_told(&held))?;
    lab.run
        .figures
        .insert("held told after s".to_owned(), took.as_secs_f64());
    lab.watch();
    Ok(())
}

fn rolling(lab: &mut Lab, wipes: bool) -> Result<()> {
    lab.fire_and_tell()?;
    let all = lab.cluster.len();
    for node in 0..all {
        lab.cluster.terminate(&[node])?;
        if wipes {
            lab.cluster.wipe(node)?;
        }
        lab.wait(SECOND);
        lab.cluster.start(node)?;
        lab.cluster.ready(node, all)?;
        lab.wait(3 * SECOND);
    }
    lab.watch();
    Ok(())
}

fn stop_all(lab: &mut Lab) -> Result<()> {
    let all: Vec<usize> = (0..lab.cluster.len()).collect();
    lab.cluster.terminate(&all)
}

/// An incident ends while nobody hears it, and another of the same labels begins after the restart.
fn missed_resolve(lab: &mut Lab, forgotten: bool) -> Result<()> {
    lab.source.set_life(SignedDuration::from_secs(20));
    lab.fire_and_tell()?;
    lab.wait(2 * SECOND);
    stop_all(lab)?;
    if forgotten {
        lab.source.forget();
    }
    lab.wait(5 * SECOND);
    lab.cluster.start_all()?;
    if !forgotten {
        lab.wait(2 * SECOND);
        lab.source.resolve("");
    }
    lab.wait(60 * SECOND);
    lab.fire();
    lab.watch();
    Ok(())
}
