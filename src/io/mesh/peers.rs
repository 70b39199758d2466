//! `--cluster.peer`: addresses, SRV names and files of them, looked up at the start and for ever.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinSet;

use super::{dial, shell::TellMesh, srv};
use crate::{
    cluster::{GivenPeer, MeshInput},
    io::server::split_host_port,
};

/// How often peers are looked up again, as Alertmanager does.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Lines of a file that count.
const MAX_LINES: usize = 256;

/// Files of peers are small.
const MAX_FILE: u64 = 64 << 10;

/// One `--cluster.peer`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerSpec {
    /// `host:port`
    Address(Arc<str>),
    /// An SRV name: `_name._tcp.domain`, or `srv:` and any name.
    Srv(Arc<str>),
    /// `file:PATH` or `@PATH`, with one of the others per line.
    File(PathBuf),
}

impl PeerSpec {
    /// Reads one.
    ///
    /// # Errors
    /// If it is none; with the words to say so.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = ["file:", "@"]
            .iter()
            .find_map(|kind| text.strip_prefix(kind))
        {
            if path.is_empty() {
                return Err(format!("{text:?} names no file"));
            }
            return Ok(Self::File(path.into()));
        }
        Self::parse_line(text)
    }

    fn parse_line(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("srv:") {
            return Ok(Self::Srv(name.into()));
        }
        if text.starts_with('_') && text.contains("._tcp.") {
            return Ok(Self::Srv(text.into()));
        }
        let (host, port) = split_host_port(text).map_err(|error| error.to_string())?;
        if host.is_empty() || port == 0 {
            return Err(format!("address {text}: a host and a port are expected"));
        }
        Ok(Self::Address(text.into()))
    }

    /// Whether it is certain that it is on this host; of a file, all that stands in it now.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Address(text) => is_loopback(text),
            Self::Srv(_) => false,
            Self::File(path) => read(path).is_ok_and(|text| {
                read_lines(&text).all(|line| line.is_ok_and(|line| line.is_loopback()))
            }),
        }
    }

    fn given(&self) -> Arc<str> {
        match self {
            Self::Address(text) | Self::Srv(text) => Arc::clone(text),
            Self::File(path) => format!("file:{}", path.display()).into(),
        }
    }

    async fn look_up(&self) -> Result<Vec<SocketAddr>, String> {
        match self {
            Self::Address(text) => dial::look_up(text).await,
            Self::Srv(name) => {
                let mut found = Vec::new();
                for target in srv::look_up(name).await? {
                    // One target without an address does not hide the others.
                    found.extend(dial::look_up(&target).await.unwrap_or_default());
                }
                match found.is_empty() {
                    true => Err(format!("no target of {name} has an address")),
                    false => Ok(found),
                }
            }
            Self::File(path) => Err(format!("{} is no address", path.display())),
        }
    }
}

/// Whether an address can only mean this host.
pub(super) fn is_loopback(address: &str) -> bool {
    split_host_port(address).is_ok_and(|(host, _)| {
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// Looks all peers up, again and again, and tells what came of it.
pub(super) async fn keep_looking(peers: Vec<PeerSpec>, within: Duration, core: Arc<dyn TellMesh>) {
    let tell = |peers: &[GivenPeer]| core.tell(MeshInput::Peers(peers.to_vec()), None);
    // The first time, what resolves does not wait for what does not.
    let mut known = look_up_all(peers.clone(), within, tell).await;
    let mut failing = BTreeSet::new();
    loop {
        report(&known, &mut failing);
        tell(&known);
        tokio::time::sleep(LOOK_EVERY).await;
        known = look_up_all(peers.clone(), within, |_| {}).await;
    }
}

/// Logs which peers do not resolve, once each.
fn report(peers: &[GivenPeer], failing: &mut BTreeSet<Arc<str>>) {
    for peer in peers {
        match &peer.error {
            Some(error) if failing.insert(Arc::clone(&peer.given)) => tracing::warn!(
                component = "cluster",
                peer = &*peer.given,
                error,
                "a --cluster.peer does not resolve; it is looked up again every {} s",
                LOOK_EVERY.as_secs()
            ),
            None if failing.remove(&peer.given) => {
                tracing::info!(
                    component = "cluster",
                    peer = &*peer.given,
                    "a --cluster.peer resolves now"
                );
            }
            Some(_) | None => {}
        }
    }
    failing.retain(|given| peers.iter().any(|peer| peer.given == *given));
}

/// Looks all peers up at once and shows what is known whenever one is found; those that take too long have failed.
async fn look_up_all(
    peers: Vec<PeerSpec>,
    within: Duration,
    show: impl Fn(&[GivenPeer]),
) -> Vec<GivenPeer> {
    let read = tokio::task::spawn_blocking(move || with_files(peers)).await;
    let mut lookups = JoinSet::new();
    let mut known = Vec::new();
    for (place, peer) in read.unwrap_or_default().into_iter().enumerate() {
        let (given, error) = match &peer {
            Ok(spec) => (spec.given(), "it is being looked up"),
            Err((given, error)) => (Arc::clone(given), error.as_str()),
        };
        known.push(GivenPeer {
            given,
            addresses: Vec::new(),
            error: Some(error.to_owned()),
        });
        if let Ok(spec) = peer {
            lookups.spawn(async move {
                let found = tokio::time::timeout(within, spec.look_up()).await;
                let late = |_elapsed| Err(format!("no answer within {within:?}"));
                (place, found.unwrap_or_else(late))
            });
        }
    }
    while let Some(done) = lookups.join_next().await {
        let Ok((place, found)) = done else { continue };
        let peer = &mut known[place];
        match found {
            Ok(addresses) => {
                peer.addresses = addresses;
                peer.error = None;
                show(&known);
            }
            Err(error) => peer.error = Some(error),
        }
    }
    known
}

/// A peer, or what is wrong with it.
type Line = Result<PeerSpec, (Arc<str>, String)>;

/// Replaces files by what stands in them.
fn with_files(peers: Vec<PeerSpec>) -> Vec<Line> {
    let mut lines = Vec::new();
    for peer in peers {
        match &peer {
            PeerSpec::Address(_) | PeerSpec::Srv(_) => lines.push(Ok(peer)),
            PeerSpec::File(path) => match read(path) {
                Ok(text) => lines.extend(read_lines(&text)),
                Err(error) => lines.push(Err((peer.given(), error))),
            },
        }
    }
    lines
}

fn read(path: &Path) -> Result<String, String> {
    let explain = |error: std::io::Error| format!("{}: {error}", path.display());
    if fs::metadata(path).map_err(explain)?.len() > MAX_FILE {
        return Err(format!("{}: larger than 64 KiB", path.display()));
    }
    fs::read_to_string(path).map_err(explain)
}

fn read_lines(text: &str) -> impl Iterator<Item = Line> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .take(MAX_LINES)
        .map(|line| PeerSpec::parse_line(line).map_err(|error| (line.into(), error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_addresses_srv_names_and_files() {
        for (text, expect) in [
            ("am-1:9094", PeerSpec::Address("am-1:9094".into())),
            ("[fd00::1]:9094", PeerSpec::Address("[fd00::1]:9094".into())),
            ("srv:mesh.example", PeerSpec::Srv("mesh.example".into())),
            (
                "_mesh._tcp.example",
                PeerSpec::Srv("_mesh._tcp.example".into()),
            ),
            ("file:/etc/peers", PeerSpec::File("/etc/peers".into())),
            ("@peers", PeerSpec::File("peers".into())),
        ] {
            assert_eq!(PeerSpec::parse(text), Ok(expect));
        }
        for wrong in ["am-1", ":9094", "am-1:", "fd00::1:9094", "@", "a:b"] {
            assert!(PeerSpec::parse(wrong).is_err(), "{wrong}");
        }
        assert!(PeerSpec::parse("127.0.0.3:1").unwrap().is_loopback());
        assert!(PeerSpec::parse("[::1]:1").unwrap().is_loopback());
        assert!(!PeerSpec::parse("10.0.0.1:1").unwrap().is_loopback());
        assert!(!PeerSpec::parse("@/does/not/exist").unwrap().is_loopback());
    }

    #[test]
    fn a_file_is_on_this_host_if_everything_in_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("peers");
        for (text, expect) in [
            ("127.0.0.1:1\nlocalhost:2 # the second\n", true),
            ("# none yet\n", true),
            ("127.0.0.1:1\nam-1:9094\n", false),
            ("127.0.0.1:1\nsrv:mesh.example\n", false),
            ("127.0.0.1:1\nnonsense\n", false),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(PeerSpec::File(path.clone()).is_loopback(), expect, "{text}");
        }
    }

    #[tokio::test]
    async fn files_are_read_and_errors_stay_with_their_peer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("peers");
        fs::write(
            &path,
            "# ours\n127.0.0.1:1\n\n[::1]:2 # second\nnonsense\n@other\n",
        )
        .unwrap();
        let peers = vec![
            PeerSpec::parse("localhost:3").unwrap(),
            PeerSpec::File(path),
            PeerSpec::parse("@/does/not/exist").unwrap(),
            PeerSpec::parse("does-not-exist.invalid:1").unwrap(),
        ];
        let found = look_up_all(peers, Duration::from_secs(10), |_| {}).await;
        let given: Vec<&str> = found.iter().map(|peer| &*peer.given).collect();
        assert_eq!(
            given,
            [
                "localhost:3",
                "127.0.0.1:1",
                "[::1]:2",
                "nonsense",
                "@other",
                "file:/does/not/exist",
                "does-not-exist.invalid:1"
            ]
        );
        assert!(!found[0].addresses.is_empty());
        assert_eq!(found[1].addresses, ["127.0.0.1:1".parse().unwrap()]);
        assert_eq!(found[2].addresses, ["[::1]:2".parse().unwrap()]);
        for wrong in &found[3..] {
            assert!(
                wrong.addresses.is_empty() && wrong.error.is_some(),
                "{wrong:?}"
            );
        }
    }
}
