//! The binary as a process: how it starts, reloads and stops, and what it says when it cannot.

#![expect(clippy::unwrap_used, reason = "test code")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests run a real process and wait for conditions with a bound"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

mod skipped;

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG: &str = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";

/// A node in a directory of its own.
struct Node {
    child: Child,
    lines: Receiver<String>,
    address: String,
    seen: Vec<String>,
}

impl Node {
    fn start(directory: &Path, flags: &[&str]) -> Self {
        let mut child = command(directory)
            .args([
                "--web.listen-address=127.0.0.1:0",
                "--cluster.listen-address=127.0.0.1:0",
            ])
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut node = Self {
            child,
            lines,
            address: String::new(),
            seen: Vec::new(),
        };
        let line = node.wait_for("msg=\"Listening on\"");
        line.rsplit_once("address=")
            .unwrap()
            .1
            .clone_into(&mut node.address);
        node.wait_for("msg=\"Ready for alerts\"");
        node
    }

    /// The next line with these words.
    fn wait_for(&mut self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self
                .lines
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("no line with {words} in {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {pid}")])
            .status();
        assert!(sent.unwrap().success());
    }

    fn stop(mut self) -> Vec<String> {
        self.signal("TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.seen.extend(self.lines.iter());
        std::mem::take(&mut self.seen)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchfire"));
    command.current_dir(directory);
    command
}

fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("alertmanager.yml"), CONFIG).unwrap();
    directory
}

fn fails(directory: &Path, flags: &[&str]) -> String {
    let Output { status, stderr, .. } = command(directory).args(flags).output().unwrap();
    assert_eq!(status.code(), Some(1), "{flags:?}");
    String::from_utf8(stderr).unwrap()
}

#[test]
fn a_wrong_command_line_is_one_line_and_exit_code_1() {
    let directory = directory();
    for (flags, expect) in [
        (
            &["--x"][..],
            "watchfire: error: unknown long flag '--x', try --help\n",
        ),
        (&["x"], "watchfire: error: unexpected x, try --help\n"),
        (
            &["serve", "--web.timeout=x"],
            "watchfire: error: time: invalid duration \"x\", try --help\n",
        ),
        (
            &["--log.level=loud"],
            "watchfire: error: unrecognized log level loud, try --help\n",
        ),
        (
            &["check", "config", "no.yml"],
            "watchfire: error: path 'no.yml' does not exist, try --help\n",
        ),
    ] {
        assert_eq!(fails(directory.path(), flags), expect);
    }
    let version = command(directory.path()).arg("--version").output().unwrap();
    assert!(version.status.success() && version.stdout.starts_with(b"watchfire, version "));
}

#[test]
fn what_prevents_a_start_is_told() {
    let directory = directory();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let web = format!("--web.listen-address={taken}");
    let mesh = format!("--cluster.listen-address={taken}");
    fs::write(directory.path().join("bad.yml"), "route: {}\nx: 1\n").unwrap();
    let off = "--cluster.listen-address=";
    for (flags, expect) in [
        (&[off, web.as_str()][..], "bind: address already in use"),
        (&[mesh.as_str()], "unable to initialize gossip mesh: "),
        (
            &[off, "--config.file=bad.yml"],
            "error loading configuration file: bad.yml:",
        ),
        (
            &[off, "--config.file=no.yml"],
            "open no.yml: no such file or directory",
        ),
        (
            &[off, "--data.retention=0s"],
            "--data.retention must be positive",
        ),
        (
            &[
                off,
                "--web.listen-address=127.0.0.1:0",
                "--web.external-url=x",
            ],
            "failed to determine external URL: ",
        ),
        (
            &[off, "--enable-feature=x"],
            "unknown option 'x' for --enable-feature",
        ),
    ] {
        let told = fails(directory.path(), flags);
        let last = told.lines().last().unwrap();
        assert!(
            last.contains("level=ERROR") && last.contains(expect),
            "{flags:?}: {told}"
        );
    }
}

#[test]
fn it_starts_reloads_and_stops() {
    let directory = directory();
    let file = directory.path().join("alertmanager.yml");
    let mut node = Node::start(directory.path(), &[]);
    assert!(node.ask("GET", "/-/ready").starts_with("HTTP/1.1 200"));
    let status = node.ask("GET", "/api/v2/status");
    assert!(
        status.contains("\"status\":\"ready\"") && status.contains("\"address\":\"127.0.0.1:"),
        "{status}"
    );

    assert!(node.ask("POST", "/-/reload").starts_with("HTTP/1.1 200"));
    let refused = node.ask("GET", "/-/reload");
    assert!(
        refused.contains("405 Method Not Allowed\r\n")
            && refused.contains("Allow: OPTIONS, POST\r\n"),
        "{refused}"
    );
    fs::write(&file, format!("{CONFIG}x: 1\n")).unwrap();
    let broken = node.ask("POST", "/-/reload");
    assert!(
        broken.starts_with("HTTP/1.1 500")
            && broken.contains("failed to reload config: ")
            && broken.contains("field x not found"),
        "{broken}"
    );
    assert!(
        node.ask("GET", "/metrics")
            .contains("alertmanager_config_last_reload_successful 0\n")
    );
    node.signal("HUP");
    node.wait_for("configuration reload failed");
    fs::write(&file, CONFIG).unwrap();
    node.signal("HUP");
    node.wait_for("Completed loading of configuration file");
    while node
        .ask("GET", "/metrics")
        .contains("alertmanager_config_last_reload_successful 0\n")
    {}

    let log = node.stop();
    let listening = log
        .iter()
        .filter(|line| line.contains("Listening on"))
        .count();
    assert_eq!(listening, 1, "{log:#?}");
    assert!(
        directory.path().join("data/silences").exists()
            && directory.path().join("data/nflog").exists()
    );
}

#[test]
fn it_notices_a_changed_file_and_a_second_process() {
    let directory = directory();
    let mut node = Node::start(directory.path(), &["--config.auto-reload-interval=20ms"]);
    let changed = CONFIG.replace("nobody", "somebody");
    fs::write(directory.path().join("alertmanager.yml"), changed).unwrap();
    node.wait_for("Completed loading of configuration file");
    let deadline = Instant::now() + PATIENCE;
    while !node.ask("GET", "/api/v2/receivers").contains("somebody") {
        assert!(Instant::now() < deadline);
    }
    let flags = [
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ];
    let second = fails(directory.path(), &flags);
    assert!(second.contains("in use by another process"), "{second}");
}

/// Waits until the node has an alert with these words.
fn wait_for_alert(node: &Node, words: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let alerts = node.ask("GET", "/api/v2/alerts");
        if alerts.contains(words) {
            return;
        }
        assert!(Instant::now() < deadline, "no {words} in {alerts}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn without_a_file_the_shipped_ones_are_used_and_a_rule_fires() {
    let directory = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    fs::create_dir_all(directory.path().join("config/rules")).unwrap();
    for file in ["alertmanager.yml", "ruler.yml", "rules/watchfire.yml"] {
        fs::copy(
            shipped.join(file),
            directory.path().join("config").join(file),
        )
        .unwrap();
    }
    let node = Node::start(directory.path(), &[]);
    wait_for_alert(&node, "\"alertname\":\"Watchdog\"");
    let rules = node.ask("GET", "/prometheus/api/v1/rules");
    assert!(!rules.contains("\"health\":\"err\""), "{rules}");
    // Alerts link to a page that says what their expression is worth now.
    assert!(rules.contains("\"query\":\"vector(1)\""), "{rules}");
    let page = node.ask("GET", "/prometheus/graph?g0.expr=vector%281%29&g0.tab=1");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let value = node.ask("GET", "/prometheus/api/v1/query?query=vector(1)");
    assert!(value.contains("\"resultType\":\"vector\""), "{value}");
    let log = node.stop();
    assert!(
        log.iter()
            .any(|line| line.contains("the shipped example is used")),
        "{log:#?}"
    );
}

#[test]
fn rules_read_what_the_node_measures_of_itself() {
    let directory = directory();
    let write = |file: &str, text: &str| fs::write(directory.path().join(file), text).unwrap();
    write(
        "query.yml",
        "endpoints: [{name: gone, url: 'http://127.0.0.1:1', partition: {cluster: dead}}]\n",
    );
    write("ruler.yml", "rule_files: [rules.yml]\n");
    write(
        "rules.yml",
        "groups: [{name: partitions, interval: 1s, rules: [\
         {alert: PartitionDown, expr: watchfire_partition_up == 0}]}, {name: own, interval: 1s, rules: [\
         {alert: Works, expr: 'process_cpu_seconds_total{watchfire=\"self\"} > 0'},\
         {alert: Never, expr: process_cpu_seconds_total > 0}]}]\n",
    );
    let flags = [
        "--query.config-file=query.yml",
        "--ruler.config-file=ruler.yml",
    ];
    let node = Node::start(directory.path(), &flags);
    wait_for_alert(
        &node,
        "{\"alertname\":\"PartitionDown\",\"cluster\":\"dead\"}",
    );
    // With the name of the node.
    wait_for_alert(
        &node,
        "{\"alertname\":\"Works\",\"watchfire\":\"self\",\"watchfire_node\":\"",
    );
    assert!(!node.ask("GET", "/api/v2/alerts").contains("Never"));
    let asked = node.ask(
        "GET",
        "/prometheus/api/v1/query?query=count(watchfire_partition_up)",
    );
    assert!(
        asked.contains("\"result\":[{") && !asked.contains("warnings"),
        "{asked}"
    );
    node.stop();
}

#[test]
fn a_reload_takes_both_files_or_none() {
    let directory = directory();
    let write = |receiver: &str, endpoint: &str| {
        let routes =
            format!("route: {{receiver: {receiver}}}\nreceivers: [{{name: {receiver}}}]\n");
        fs::write(directory.path().join("alertmanager.yml"), routes).unwrap();
        let endpoints = format!("endpoints: [{{name: {endpoint}, url: 'http://127.0.0.1:1'}}]\n");
        fs::write(directory.path().join("query.yml"), endpoints).unwrap();
    };
    write("first", "one");
    let node = Node::start(directory.path(), &["--query.config-file=query.yml"]);
    let in_force = |receiver: &str, endpoint: &str| {
        let receivers = node.ask("GET", "/api/v2/receivers");
        let metrics = node.ask("GET", "/metrics");
        receivers.contains(&format!("{{\"name\":\"{receiver}\"}}"))
            && metrics.contains(&format!(
                "watchfire_endpoint_failures_total{{endpoint=\"{endpoint}\"}}"
            ))
    };
    let reloaded = || node.ask("POST", "/-/reload").starts_with("HTTP/1.1 200");
    assert!(in_force("first", "one"));

    // The endpoints are wrong, the routes are not.
    write("second", "''");
    assert!(!reloaded() && in_force("first", "one"));
    // The routes are wrong, the endpoints are not.
    write("third", "three");
    fs::write(
        directory.path().join("alertmanager.yml"),
        "route: {receiver: x}\n",
    )
    .unwrap();
    assert!(!reloaded() && in_force("first", "one"));
    write("fourth", "four");
    assert!(reloaded() && in_force("fourth", "four"));
    node.stop();
}

/// How much of the system a compromised node would reach, of 100.
const EXPOSURE: u32 = 15;

#[test]
fn the_unit_gives_away_little() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/watchfire.service");
    let checked = Command::new("systemd-analyze")
        .args(["security", "--offline=true"])
        .arg(format!("--threshold={EXPOSURE}"))
        .arg(&unit)
        .output();
    let Ok(checked) = checked else {
        skipped::skipped("the unit is not checked: systemd-analyze is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{said}");
    assert!(said.contains("Overall exposure level"), "{said}");
}
