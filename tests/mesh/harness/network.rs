//! Network namespaces joined by a bridge, and what is cut between them.
//!
//! Only for a process that runs enclosed: it makes a bridge in its own namespace, where receiver and source live.

use std::{fs, net::Ipv4Addr, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::delay::delay;

/// One namespace per node, and the bridge.
pub(crate) struct Network {
    nodes: usize,
}

/// Where receiver and source are.
pub(crate) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 254);

impl Network {
    /// Makes everything; it ends with the enclosure.
    pub(crate) fn build(nodes: usize) -> Result<Self> {
        let mut script = format!(
            "mount -t tmpfs none /run; mkdir /run/netns; ip link set lo up; \
             ip link add name br0 type bridge; ip link set br0 addrgenmode none up; ip addr add {OUTSIDE}/24 dev br0\n"
        );
        for node in 0..nodes {
            let (inside, address) = (inside(node), address(node));
            script.push_str(&format!(
                "ip netns add n{node}; ip link add name v{node} type veth peer name eth0 netns n{node}; \
                 ip link set v{node} master br0 addrgenmode none up; \
                 {inside} ip link set lo up; {inside} ip link set eth0 addrgenmode none up; \
                 {inside} ip addr add {address}/24 dev eth0\n"
            ));
        }
        run(&script)?;
        Ok(Self { nodes })
    }

    /// Drops everything between nodes of different sides.
    pub(crate) fn cut(&self, sides: &[&[usize]]) -> Result<()> {
        let mut script = String::new();
        for side in sides {
            let others = sides.iter().filter(|other| *other != side);
            for other in others.flat_map(|other| other.iter()) {
                for node in *side {
                    let (inside, from) = (inside(*node), address(*other));
                    script.push_str(&format!(
                        "{inside} iptables -w -A INPUT -s {from} -j DROP\n"
                    ));
                }
            }
        }
        run(&script)
    }

    /// Resets what comes to a node of others, as a firewall that refuses does.
    pub(crate) fn refuse(&self, node: usize) -> Result<()> {
        let inside = inside(node);
        let others = (0..self.nodes).filter(|other| *other != node);
        let rules = others.map(|other| {
            let rule = "-p tcp -j REJECT --reject-with tcp-reset";
            format!(
                "{inside} iptables -w -A INPUT -s {} {rule}\n",
                address(other)
            )
        });
        run(&rules.collect::<String>())
    }

    /// Drops what `matches` (in the words of iptables) of all traffic between nodes.
    pub(crate) fn drop_between(&self, matches: &str) -> Result<()> {
        self.between(&format!("{matches} -j DROP"))
    }

    /// Has packets be as large as on a wire: virtual links carry many segments in one otherwise.
    pub(crate) fn single_segments(&self) -> Result<()> {
        let links = (0..self.nodes).map(|node| {
            let inside = inside(node);
            format!("{inside} ip link set dev eth0 gso_max_segs 1\n")
        });
        run(&links.collect::<String>())
    }

    /// Does `what` (a match and a target, in the words of iptables) with all traffic between a node and the others.
    pub(crate) fn around(&self, node: usize, what: &str) -> Result<()> {
        let mut script = String::new();
        for other in (0..self.nodes).filter(|other| *other != node) {
            for (to, from) in [(node, other), (other, node)] {
                let (inside, from) = (inside(to), address(from));
                script.push_str(&format!("{inside} iptables -w -A INPUT -s {from} {what}\n"));
            }
        }
        run(&script)
    }

    /// Everything between nodes takes this long, one way.
    pub(crate) fn delay_between(&self, least: Duration, most: Duration) -> Result<()> {
        for node in 0..self.nodes {
            delay(node, least, most)?;
        }
        self.between("-j NFQUEUE --queue-num 0")
    }

    fn between(&self, rule: &str) -> Result<()> {
        let mut script = String::new();
        for node in 0..self.nodes {
            let inside = inside(node);
            for other in (0..self.nodes).filter(|other| *other != node) {
                let from = address(other);
                script.push_str(&format!("{inside} iptables -w -A INPUT -s {from} {rule}\n"));
            }
        }
        run(&script)
    }

    /// Nothing is dropped any more.
    pub(crate) fn heal(&self) -> Result<()> {
        let rules = (0..self.nodes).map(|node| format!("{} iptables -w -F INPUT\n", inside(node)));
        run(&rules.collect::<String>())
    }

    /// Pulls the cable of a node, or plugs it in.
    pub(crate) fn link(&self, node: usize, up: bool) -> Result<()> {
        run(&format!(
            "ip link set v{node} {}",
            if up { "up" } else { "down" }
        ))
    }

    /// Bytes sent and received by each node since its start, with Ethernet headers.
    pub(crate) fn bytes(&self) -> Result<Vec<u64>> {
        let table = fs::read_to_string("/proc/self/net/dev")?;
        (0..self.nodes)
            .map(|node| {
                let name = format!("v{node}:");
                let line = table
                    .lines()
                    .find_map(|line| line.trim().strip_prefix(&*name));
                let fields: Vec<&str> = line.context("no such link")?.split_whitespace().collect();
                ensure!(fields.len() > 8, "/proc/net/dev has another format");
                Ok(fields[0].parse::<u64>()? + fields[8].parse::<u64>()?)
            })
            .collect()
    }
}

/// Where a node listens.
pub(crate) fn address(node: usize) -> Ipv4Addr {
    let last = u8::try_from(node + 1).unwrap_or(u8::MAX);
    Ipv4Addr::new(10, 77, 0, last)
}

/// Which node has this address.
pub(crate) fn node_at(address: Ipv4Addr) -> usize {
    usize::from(address.octets()[3]).saturating_sub(1)
}

/// What runs a command in a node's namespace.
pub(crate) fn inside(node: usize) -> String {
    format!("nsenter --net=/run/netns/n{node}")
}

fn run(script: &str) -> Result<()> {
    let output = Command::new("sh").args(["-ec", script]).output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{told} in {script}");
    Ok(())
}
