//! One template rendered twice.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use watchfire::{
    notify::sample,
    template::{self, Language, Library, Scope},
    time::Timestamp,
};

/// The data of both; its times are fixed, so nothing depends on the clock.
pub(crate) const DATA: &str = r#"{
  "receiver": "team-x", "status": "firing", "externalURL": "http://am:9093",
  "alerts": [
    {"status": "firing", "startsAt": "2026-03-01T09:30:15.123456789Z", "endsAt": "0001-01-01T00:00:00Z",
     "labels": {"alertname": "HighCPU", "instance": "web-1:9100", "severity": "critical", "job": "node"},
     "annotations": {"summary": "CPU high on web-1:9100", "description": "load <b>99</b> & \"rising\""},
     "generatorURL": "http://prom:9090/graph?g0.expr=up+%3D%3D+0&g0.tab=1", "fingerprint": "deadbeef00000001"},
    {"status": "firing", "startsAt": "2026-03-01T09:30:15.5Z", "endsAt": "0001-01-01T00:00:00Z",
     "labels": {"alertname": "HighCPU", "instance": "web-2:9100", "severity": "warning", "job": "node"},
     "annotations": {"summary": "日本語 'single' back\\slash", "description": "javascript:alert(1)"},
     "generatorURL": "javascript:alert('x')", "fingerprint": "deadbeef00000002"},
    {"status": "resolved", "startsAt": "2026-03-01T09:30:15Z", "endsAt": "2026-03-01T11:00:15Z",
     "labels": {"alertname": "HighCPU", "instance": "web-3:9100", "severity": "warning", "job": "node"},
     "annotations": {"summary": "", "description": "ok\nnow </script> <!-- x -->\u2028"},
     "generatorURL": "", "fingerprint": "deadbeef00000003"}],
  "groupLabels": {"alertname": "HighCPU"},
  "commonLabels": {"alertname": "HighCPU", "job": "node"},
  "commonAnnotations": {"runbook": "http://wiki/r?a=1&b=2"}
}"#;

/// How a template is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Text,
    Html,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rendered {
    Output(String),
    Error(String),
}

/// amtool, with the data in a file.
#[derive(Debug)]
pub(crate) struct Oracle {
    amtool: PathBuf,
    directory: TempDir,
    library: Library,
}

impl Oracle {
    /// Debian's amtool, if it is there.
    pub(crate) fn installed() -> Option<Self> {
        let amtool = Path::new("/usr/bin/amtool");
        if !amtool.exists() {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("data.json"), DATA).unwrap();
        fs::write(directory.path().join("empty.tmpl"), "").unwrap();
        Some(Self {
            amtool: amtool.to_owned(),
            directory,
            library: Library::new(Language::English, []).unwrap(),
        })
    }

    /// Says how the two renderings differ, if they do. Errors must be errors; their words may differ. Where a map of
    /// labels is printed nothing is compared: since Alertmanager 0.28 that is `a=b, c=d`.
    pub(crate) fn difference(&self, mode: Mode, template: &str) -> Option<String> {
        let (ours, theirs) = (self.ours(mode, template), self.theirs(mode, template));
        let alike = match (&ours, &theirs) {
            (_, Rendered::Output(theirs)) if theirs.contains("map[") => true,
            (Rendered::Output(ours), Rendered::Output(theirs)) => ours == theirs,
            (Rendered::Error(_), Rendered::Error(_)) => true,
            (Rendered::Output(_), Rendered::Error(_))
            | (Rendered::Error(_), Rendered::Output(_)) => false,
        };
        (!alike).then(|| format!("{mode:?} {template:?}\n  ours   {ours:?}\n  theirs {theirs:?}"))
    }

    fn ours(&self, mode: Mode, text: &str) -> Rendered {
        let now = Timestamp::parse("2026-03-01T10:00:00Z").unwrap();
        let data = sample::data(&serde_json::from_str(DATA).unwrap(), now).unwrap();
        let mode = match mode {
            Mode::Text => template::Mode::Text,
            Mode::Html => template::Mode::Html,
        };
        let rendered = self
            .library
            .compile("", text, mode)
            .and_then(|template| template.render(&Scope::new(data, now)));
        match rendered {
            Ok(output) => Rendered::Output(output),
            Err(error) => Rendered::Error(error.to_string()),
        }
    }

    /// As amtool renders it.
    pub(crate) fn theirs(&self, mode: Mode, text: &str) -> Rendered {
        let kind = match mode {
            Mode::Text => "text",
            Mode::Html => "html",
        };
        let output = Command::new(&self.amtool)
            .args(["template", "render", "--template.glob=empty.tmpl"])
            .args(["--template.data=data.json", "--template.type", kind])
            .arg(format!("--template.text={text}"))
            .env("TZ", "UTC")
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        if output.status.success() {
            Rendered::Output(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Rendered::Error(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}
