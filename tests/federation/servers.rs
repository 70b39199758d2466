//! Servers that hold data: Prometheus and `VictoriaMetrics` from Debian, on ports of their own.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    data::{Line, json_lines, make_blocks},
    http,
    process::{self, Process},
    skipped::skipped,
};

/// For an endpoint whose requests are counted: one that is slow is not asked whether it is there.
pub(crate) const NO_LOOKS: &str = "hang_timeout: 0s";

/// A running server.
pub(crate) struct Server {
    process: Process,
    address: String,
    directory: PathBuf,
}

/// A number from the environment, such as a seed.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().unwrap())
}

/// What the servers of a test run; none, said on stderr, if one of them is not installed.
pub(crate) fn installed() -> Option<()> {
    let programs = ["prometheus", "promtool", "victoria-metrics"];
    let missing: Vec<_> = programs
        .into_iter()
        .filter(|program| process::installed(program).is_none())
        .collect();
    if missing.is_empty() {
        return Some(());
    }
    skipped(&format!(
        "nothing is compared with real servers: {} not installed; ./test installs what Debian has",
        missing.join(", ")
    ));
    None
}

impl Server {
    /// A Prometheus with these series, and nothing that it scrapes.
    pub(crate) fn prometheus(directory: &Path, lines: &[Line]) -> Self {
        Self::prometheus_with(directory, lines, "global: {}\n")
    }

    /// A Prometheus with these series and this configuration.
    pub(crate) fn prometheus_with(directory: &Path, lines: &[Line], config: &str) -> Self {
        fs::create_dir_all(directory).unwrap();
        make_blocks(lines, directory);
        fs::write(directory.join("prometheus.yml"), config).unwrap();
        Self::start_prometheus(directory.to_owned(), "127.0.0.1:0")
    }

    /// A Prometheus with the blocks below `directory/data`.
    pub(crate) fn prometheus_with_blocks(directory: &Path) -> Self {
        fs::write(directory.join("prometheus.yml"), "global: {}\n").unwrap();
        Self::start_prometheus(directory.to_owned(), "127.0.0.1:0")
    }

    fn start_prometheus(directory: PathBuf, address: &str) -> Self {
        let mut command = Command::new(process::installed("prometheus").unwrap());
        command.current_dir(&directory).args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--storage.tsdb.retention.time=100y",
            &format!("--web.listen-address={address}"),
        ]);
        let mut process = Process::spawn(&mut command, &directory.join("log"));
        let address = process.listening_on();
        let server = Self {
            process,
            address,
            directory,
        };
        server.wait("/-/ready");
        server
    }

    /// A `VictoriaMetrics` with these series.
    pub(crate) fn victoria_metrics(directory: &Path, lines: &[Line]) -> Self {
        fs::create_dir_all(directory).unwrap();
        let program = process::installed("victoria-metrics").unwrap();
        let server = process::wait_for("a port for VictoriaMetrics", process::SOON, || {
            Self::start_victoria_metrics(&program, directory)
        });
        let body = json_lines(lines).into_bytes();
        let imported = http::try_request("POST", &server.url("/api/v1/import"), &[], Some(body));
        imported.unwrap().expect(204);
        http::get(&server.url("/internal/force_flush")).expect(200);
        server
    }

    /// None if somebody else took the port: it does not tell which one it got, so that it cannot choose.
    fn start_victoria_metrics(program: &Path, directory: &Path) -> Option<Self> {
        let address = free_address();
        let mut command = Command::new(program);
        command.current_dir(directory).args([
            "-storageDataPath=data",
            "-retentionPeriod=100y",
            &format!("-httpListenAddr={address}"),
        ]);
        let process = Process::spawn(&mut command, &directory.join("log"));
        let mut server = Self {
            process,
            address,
            directory: directory.to_owned(),
        };
        let answers = process::wait_for("VictoriaMetrics", process::SOON, || {
            let answers = server.answers("/health");
            (answers || !server.process.is_running()).then_some(answers)
        });
        answers.then_some(server)
    }

    fn wait(&self, path: &str) {
        process::wait_for("a server's readiness", process::SOON, || {
            self.answers(path).then_some(())
        });
    }

    /// Whether it answers 200. Not by a client that keeps connections and is patient: the server may have been another.
    fn answers(&self, path: &str) -> bool {
        let ask = || -> io::Result<String> {
            let mut stream = TcpStream::connect(&self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.contains(" 200 OK"))
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Ends a Prometheus as a power cut would; [`Dead::rise`] starts it again in the same place.
    pub(crate) fn kill(self) -> Dead {
        self.process.kill();
        Dead {
            address: self.address,
            directory: self.directory,
        }
    }
}

/// A Prometheus that was killed.
pub(crate) struct Dead {
    address: String,
    directory: PathBuf,
}

impl Dead {
    pub(crate) fn rise(self) -> Server {
        Server::start_prometheus(self.directory, &self.address)
    }
}

/// An address on which nobody listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
