//! The processes of a cluster, each in its namespace, started with the flags that Alertmanager has too.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{
    network::{address, inside},
    web,
};

/// Longest time for a process to end when asked to, and for a cluster to form.
const BOUND: Duration = Duration::from_secs(45);

/// What the nodes run.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
}

impl Program {
    /// By path, or by a name that a shell would find.
    pub(crate) fn find(name: &str) -> Result<Self> {
        let direct = Path::new(name);
        if direct.is_file() {
            return Ok(Self {
                path: direct.canonicalize()?,
            });
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .chain(["/usr/bin".into(), "/usr/local/bin".into()])
            .map(|directory| directory.join(name))
            .find(|candidate| candidate.is_file());
        Ok(Self {
            path: found.with_context(|| format!("{name} is not installed"))?,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it knows what only Watchfire has.
    pub(crate) fn is_watchfire(&self) -> bool {
        let said = Command::new(&self.path).arg("--version").output();
        said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).starts_with("watchfire"))
    }
}

/// One node; its process may be gone.
struct Node {
    /// Which namespace it is in.
    place: usize,
    /// What it calls itself in the cluster.
    name: String,
    directory: PathBuf,
    child: Option<Child>,
}

/// All nodes, in the order of their names: the first one is Alertmanager's position 0.
pub(crate) struct Cluster {
    /// What is started from now on.
    pub(crate) program: Program,
    flags: Vec<String>,
    nodes: Vec<Node>,
}

impl Cluster {
    /// Prepares nodes that are not running yet.
    pub(crate) fn prepare(
        program: &Program,
        directory: &Path,
        count: usize,
        config: &str,
        flags: &[String],
    ) -> Result<Self> {
        let nodes = (0..count).map(|place| {
            let directory = directory.join(format!("node{place}"));
            fs::create_dir_all(&directory)?;
            fs::write(directory.join("alertmanager.yml"), config)?;
            Ok(Node {
                place,
                name: String::new(),
                directory,
                child: None,
            })
        });
        Ok(Self {
            program: program.clone(),
            flags: flags.to_vec(),
            nodes: nodes.collect::<Result<_>>()?,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Which namespace a node is in.
    pub(crate) fn place(&self, node: usize) -> usize {
        self.nodes[node].place
    }

    /// The node in a namespace.
    pub(crate) fn at(&self, place: usize) -> Option<usize> {
        self.nodes.iter().position(|node| node.place == place)
    }

    /// The base URL of a node.
    pub(crate) fn url(&self, node: usize) -> String {
        format!("http://{}:9093", address(self.nodes[node].place))
    }

    /// Starts every node.
    pub(crate) fn start_all(&mut self) -> Result<()> {
        for node in 0..self.len() {
            self.start(node)?;
            // Alertmanager's names begin with the millisecond of their start.
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Starts a node that is not running.
    pub(crate) fn start(&mut self, node: usize) -> Result<()> {
        let own = address(self.nodes[node].place);
        let peers = (0..self.len())
            .filter(|other| *other != self.nodes[node].place)
            .map(|other| format!("--cluster.peer={}:9094", address(other)));
        let peers: Vec<String> = peers.collect();
        let subject = &mut self.nodes[node];
        ensure!(subject.child.is_none(), "node {node} runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(subject.directory.join("log"))?;
        let inside = inside(subject.place);
        let mut words = inside.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .arg(self.program.path())
            .arg("--config.file=alertmanager.yml")
            .arg("--storage.path=data")
            .arg(format!("--web.listen-address={own}:9093"))
            .arg(format!("--cluster.listen-address={own}:9094"))
            .args(peers)
            .args(&self.flags)
            .current_dir(&subject.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        subject.child = Some(command.spawn()?);
        Ok(())
    }

    /// Waits until every running node says that it is ready and sees all others; then orders them by name.
    pub(crate) fn form(&mut self) -> Result<()> {
        for node in 0..self.len() {
            self.ready(node, self.len())?;
        }
        // Watchfire's nodes take each other among those that vote one by one.
        let started = Instant::now();
        let all = f64::from(u32::try_from(self.len() * self.len())?);
        while self.program.is_watchfire() && self.metric("watchfire_cluster_electors") < all {
            ensure!(
                started.elapsed() < BOUND,
                "not all nodes vote within {BOUND:?}"
            );
            thread::sleep(Duration::from_millis(20));
        }
        self.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(())
    }

    /// Waits until a node is ready and sees that many members, itself included; returns how long that took.
    pub(crate) fn ready(&mut self, node: usize, members: usize) -> Result<Duration> {
        let started = Instant::now();
        loop {
            let status = self.status(node);
            if let Ok(status) = &status
                && status["cluster"]["status"] == "ready"
                && self.members(status) == members
            {
                let name = status["cluster"]["name"].as_str();
                self.nodes[node].name = name.unwrap_or_default().to_owned();
                return Ok(started.elapsed());
            }
            self.still_runs(node)?;
            if started.elapsed() > BOUND {
                let shown = status.map_or_else(|e| e.to_string(), |s| s["cluster"].to_string());
                bail!("node {node} did not see {members} members within {BOUND:?}: {shown}");
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn members(&self, status: &Value) -> usize {
        status["cluster"]["peers"].as_array().map_or(0, Vec::len)
    }

    fn still_runs(&mut self, node: usize) -> Result<()> {
        let child = self.nodes[node].child.as_mut();
        let ended = child.context("not started")?.try_wait()?;
        match ended {
            None => Ok(()),
            Some(status) => bail!(
                "node {node} ended with {status}: see {}",
                self.nodes[node].directory.display()
            ),
        }
    }

    /// What `/api/v2/status` says.
    pub(crate) fn status(&self, node: usize) -> Result<Value> {
        web::get_json(&format!("{}/api/v2/status", self.url(node)))
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, node: usize) -> Result<()> {
        let mut child = self.nodes[node].child.take().context("not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks these nodes at the same time to end, and waits for them.
    pub(crate) fn terminate(&mut self, nodes: &[usize]) -> Result<()> {
        for node in nodes {
            self.signal(*node, "TERM")?;
        }
        for node in nodes {
            let mut child = self.nodes[*node].child.take().context("not running")?;
            let started = Instant::now();
            while child.try_wait()?.is_none() {
                if started.elapsed() > BOUND {
                    child.kill()?;
                    child.wait()?;
                    bail!("node {node} did not end within {BOUND:?} after SIGTERM");
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, node: usize, name: &str) -> Result<()> {
        let child = self.nodes[node].child.as_ref().context("not running")?;
        let kill = format!("kill -{name} {}", child.id());
        let status = Command::new("sh").args(["-c", &kill]).status()?;
        ensure!(status.success(), "{kill}");
        Ok(())
    }

    /// Empties the storage of a node that does not run.
    pub(crate) fn wipe(&self, node: usize) -> Result<()> {
        fs::remove_dir_all(self.nodes[node].directory.join("data"))?;
        Ok(())
    }

    /// The sum of a counter over all nodes that answer.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let pages = (0..self.len())
            .filter_map(|node| web::get(&format!("{}/metrics", self.url(node))).ok());
        pages
            .map(|page| {
                let values = page
                    .lines()
                    .filter_map(|line| line.strip_prefix(name))
                    .filter(|rest| rest.starts_with([' ', '{']))
                    .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok());
                values.sum::<f64>()
            })
            .sum()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().filter_map(|node| node.child.as_mut()) {
            // Both fail harmlessly when the process ended before.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
