//! Nodes on loopback.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::web;

/// Nothing takes longer than this to come true.
const BOUND: Duration = Duration::from_secs(120);

/// Where a node is.
pub(crate) struct Place {
    web: u16,
    mesh: u16,
}

/// A running node.
pub(crate) struct Node {
    pub(crate) url: String,
    child: Child,
}

impl Place {
    /// Ports that were free a moment ago.
    pub(crate) fn find() -> Result<Self> {
        let port = || -> Result<(TcpListener, u16)> {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        };
        let ((_first, web), (_second, mesh)) = (port()?, port()?);
        Ok(Self { web, mesh })
    }
}

impl Node {
    /// Starts a node in a directory of its own, without a mesh if it has no place in one.
    pub(crate) fn start(
        program: &Path,
        directory: &Path,
        config: &str,
        places: &[Place],
        own: usize,
    ) -> Result<Self> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("alertmanager.yml"), config)?;
        let log = File::create(directory.join("log"))?;
        let place = &places[own];
        let others = places.iter().filter(|other| other.mesh != place.mesh);
        let peers: Vec<String> = others
            .map(|other| format!("--cluster.peer=127.0.0.1:{}", other.mesh))
            .collect();
        let mesh = if peers.is_empty() {
            String::new()
        } else {
            format!("127.0.0.1:{}", place.mesh)
        };
        let child = Command::new(program)
            .arg("--config.file=alertmanager.yml")
            .arg("--storage.path=data")
            .arg(format!("--web.listen-address=127.0.0.1:{}", place.web))
            .arg(format!("--cluster.listen-address={mesh}"))
            .args(peers)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self {
            url: format!("http://127.0.0.1:{}", place.web),
            child,
        })
    }

    /// The sum of a metric over all its labels.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        Ok(self
            .metrics(name)?
            .into_iter()
            .map(|(_, value)| value)
            .sum())
    }

    /// What a metric says, by its labels as they are printed.
    pub(crate) fn metrics(&self, name: &str) -> Result<Vec<(String, f64)>> {
        let page = web::get(&format!("{}/metrics", self.url))?;
        let lines = page.lines().filter_map(|line| line.strip_prefix(name));
        let lines = lines.filter(|rest| rest.starts_with([' ', '{']));
        lines
            .map(|line| {
                let (labels, value) = line.rsplit_once(' ').context("no value")?;
                Ok((labels.to_owned(), value.parse()?))
            })
            .collect()
    }

    /// Waits until something is true of the node; says how long that took.
    pub(crate) fn until(
        &mut self,
        what: &str,
        is_true: impl Fn(&Self) -> Result<bool>,
    ) -> Result<Duration> {
        let started = Instant::now();
        loop {
            if is_true(self).unwrap_or_default() {
                return Ok(started.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}", self.url);
            }
            ensure!(started.elapsed() < BOUND, "{}: not {what}", self.url);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the node is ready and that many nodes vote.
    pub(crate) fn until_ready(&mut self, voters: usize) -> Result<Duration> {
        let voters = f64::from(u32::try_from(voters)?);
        self.until("ready", |node| {
            web::get(&format!("{}/-/ready", node.url))?;
            Ok(voters < 2.0 || node.metric("watchfire_cluster_electors")? >= voters)
        })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
