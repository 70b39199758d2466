//! One Alertmanager, Watchfire or upstream's, on a free port with a directory of its own.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use serde_json::{Value, json};

use crate::{
    http::{self, Answer},
    needed,
    process::{self, Process},
};

/// Which Alertmanager to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The binary of this package, or the one that `WATCHFIRE_PEERS_SUBJECT` names.
    Subject,
    /// Debian's `prometheus-alertmanager` 0.25.
    Upstream,
}

impl Program {
    /// Where the program is; `None`, said on stderr, when it is not installed.
    pub(crate) fn path(self) -> Option<PathBuf> {
        match self {
            Self::Subject => Some(
                env::var("WATCHFIRE_PEERS_SUBJECT")
                    .unwrap_or_else(|_| env!("CARGO_BIN_EXE_watchfire").to_owned())
                    .into(),
            ),
            Self::Upstream => needed::installed_or_skip("prometheus-alertmanager"),
        }
    }
}

/// True while upstream stands in for Watchfire: what only Watchfire promises is not asked for then.
pub(crate) fn subject_is_upstream() -> bool {
    env::var("WATCHFIRE_PEERS_SUBJECT")
        .is_ok_and(|subject| subject.contains("prometheus-alertmanager"))
}

/// A configuration with one webhook receiver, groups of one `alertname` and short timers; repeats after an hour.
pub(crate) fn webhook_config(url: &str) -> String {
    format!(
        "route: {{receiver: sink, group_by: [alertname], group_wait: 200ms, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers: [{{name: sink, webhook_configs: [{{url: '{url}', send_resolved: true}}]}}]\n"
    )
}

/// A running Alertmanager.
pub(crate) struct Node {
    pub(crate) process: Process,
    address: String,
}

impl Node {
    /// Starts `program` (see [`Program::path`]) in `directory` with this configuration; its storage is `directory/data`.
    pub(crate) fn start(program: &Path, directory: &Path, config: &str, flags: &[&str]) -> Self {
        let file = directory.join("alertmanager.yml");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(program);
        command
            .current_dir(directory)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.path={}",
                directory.join("data").display()
            ))
            .args([
                "--web.listen-address=127.0.0.1:0",
                "--cluster.listen-address=",
            ])
            .args(flags);
        let mut process = Process::spawn(&mut command, &directory.join("alertmanager.log"));
        let address = process.listening_on();
        let node = Self { process, address };
        process::wait_for("readiness", process::SOON, || {
            let answer = http::try_request("GET", &node.url("/-/ready"), &[], None).ok()?;
            (answer.status == 200).then_some(())
        });
        node
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(&self.url(path))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        http::post(&self.url(path), &body.to_string())
    }

    /// Posts alerts that must be accepted.
    #[track_caller]
    pub(crate) fn post_alerts(&self, alerts: &Value) {
        self.post("/api/v2/alerts", alerts).expect(200);
    }

    /// Creates a silence and returns its id.
    #[track_caller]
    pub(crate) fn post_silence(&self, silence: &Value) -> String {
        let answer = self.post("/api/v2/silences", silence).expect(200).json();
        answer["silenceID"].as_str().unwrap().to_owned()
    }

    pub(crate) fn terminate(self) -> ExitStatus {
        self.process.terminate()
    }
}

/// A time `seconds` from the present, in the API's format.
pub(crate) fn in_seconds(seconds: i64) -> String {
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    format!("{at:.3}")
}

/// A silence from now for `seconds`, with one equality matcher.
pub(crate) fn silence(name: &str, value: &str, seconds: i64, comment: &str) -> Value {
    json!({
        "matchers": [{"name": name, "value": value, "isRegex": false, "isEqual": true}],
        "startsAt": in_seconds(0),
        "endsAt": in_seconds(seconds),
        "createdBy": "peers",
        "comment": comment,
    })
}
