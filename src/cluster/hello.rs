//! The first frame of a stream, both ways: who is there, what it understands, whom it knows.

use std::sync::Arc;

use super::{
    Electors, NodeName,
    settings::MAX_NODES,
    wire::{Reader, Writer},
};

/// The versions of the frames that this program understands, oldest and newest. Version 2 knows lifelines.
pub(super) const PROTOCOL: (u64, u64) = (1, 2);

/// A node that another one has a stream to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: NodeName,
    /// The generation under which the membership protocol knows it.
    pub(super) generation: u64,
    /// Where it is reached, `host:port`.
    pub(super) address: Arc<str>,
}

/// Who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    /// The oldest and the newest version of the frames.
    pub(super) protocol: (u64, u64),
    pub(super) name: NodeName,
    pub(super) run: u64,
    /// The generation under which the membership protocol knows it.
    pub(super) generation: u64,
    pub(super) advertise: Arc<str>,
    /// The program's version.
    pub(super) version: Arc<str>,
    /// Counts the streams that its sender dialled in this run; 0 on those that it accepted.
    pub(super) dial: u64,
    /// Who votes, as its sender knows.
    pub(super) electors: Option<Arc<Electors>>,
    /// Whom its sender knows.
    pub(super) members: Vec<Member>,
}

impl Hello {
    pub(super) fn write(&self, out: &mut Writer) {
        out.number(self.protocol.0).number(self.protocol.1);
        out.text(&self.name)
            .number(self.run)
            .number(self.generation);
        out.text(&self.advertise)
            .text(&self.version)
            .number(self.dial);
        write_members(&self.members, out);
        write_electors(self.electors.as_deref(), out);
    }

    /// Reads one; what later versions append is passed over.
    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let protocol = (from.number()?, from.number()?);
        let mut hello = Self {
            protocol,
            name: read_name(from)?,
            run: from.number()?,
            generation: from.number()?,
            advertise: read_address(from)?,
            version: from.text()?,
            dial: from.number()?,
            members: read_members(from)?,
            electors: None,
        };
        hello.electors = read_electors(from)?.map(Arc::new);
        Some(hello)
    }

    /// Whether its sender knows what lifelines are.
    pub(super) fn knows_lifelines(&self) -> bool {
        self.protocol.1 >= 2
    }

    /// Whether both sides understand a common version.
    pub(super) fn is_understood(&self) -> bool {
        self.protocol.0 <= PROTOCOL.1 && PROTOCOL.0 <= self.protocol.1
    }
}

fn write_electors(electors: Option<&Electors>, out: &mut Writer) {
    let Some(electors) = electors else {
        out.byte(0);
        return;
    };
    let number = |size: usize| u64::try_from(size).unwrap_or(0);
    let count = electors.names.len().min(MAX_NODES);
    out.byte(1).number(electors.founding).number(electors.epoch);
    out.number(number(electors.at_least)).number(number(count));
    for name in electors.names.iter().take(count) {
        out.text(name);
    }
}

fn read_electors(from: &mut Reader<'_>) -> Option<Option<Electors>> {
    if from.byte()? == 0 {
        return Some(None);
    }
    let (founding, epoch) = (from.number()?, from.number()?);
    let at_least = usize::try_from(from.number()?).ok()?;
    let count = usize::try_from(from.number()?).ok()?;
    if count > MAX_NODES {
        return None;
    }
    let names = (0..count).map(|_| read_name(from)).collect::<Option<_>>()?;
    Some(Some(Electors {
        founding,
        epoch,
        names,
        at_least,
    }))
}

pub(super) fn write_members(members: &[Member], out: &mut Writer) {
    let count = members.len().min(MAX_NODES);
    out.number(u64::try_from(count).unwrap_or(0));
    for member in members.iter().take(count) {
        out.text(&member.name)
            .number(member.generation)
            .text(&member.address);
    }
}

pub(super) fn read_members(from: &mut Reader<'_>) -> Option<Vec<Member>> {
    let count = usize::try_from(from.number()?).ok()?;
    if count > MAX_NODES {
        return None;
    }
    (0..count)
        .map(|_| {
            Some(Member {
                name: read_name(from)?,
                generation: from.number()?,
                address: read_address(from)?,
            })
        })
        .collect()
}

/// A name that can stand in a log line.
pub(super) fn read_name(from: &mut Reader<'_>) -> Option<NodeName> {
    let name = from.text()?;
    (!name.is_empty() && !name.chars().any(char::is_control)).then_some(name)
}

fn read_address(from: &mut Reader<'_>) -> Option<Arc<str>> {
    let address = from.text()?;
    let (host, port) = address.rsplit_once(':')?;
    (!host.is_empty() && port.parse::<u16>().is_ok() && !host.chars().any(char::is_control))
        .then_some(address)
}
