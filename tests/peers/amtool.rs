//! amtool 0.25 against the API: the same commands at Alertmanager and at Watchfire, the same output and exit codes.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    needed,
    node::{Node, Program, webhook_config},
    normal::Normalizer,
};

const CONFIG: &str = "
route:
  receiver: sink
  routes:
  - {matchers: ['team=\"db\"'], receiver: db, continue: true}
  - {match_re: {service: 'web.*'}, receiver: web}
receivers: [{name: sink}, {name: db}, {name: web}]
";

/// One amtool against one server.
struct Session {
    amtool: PathBuf,
    directory: PathBuf,
    url: String,
    normalizer: Normalizer,
    /// What the last command printed, as it came.
    printed: String,
}

impl Session {
    /// Runs one command (words are split at spaces, `{last}` is the output before) and returns its normalized outcome.
    fn run(&mut self, command: &str) -> String {
        let last = self.printed.trim().to_owned();
        let words = command.split(' ').map(|word| word.replace("{last}", &last));
        let output = Command::new(&self.amtool)
            .current_dir(&self.directory)
            .env("HOME", &self.directory)
            .arg(format!("--alertmanager.url={}", self.url))
            .args(words)
            .output()
            .unwrap();
        self.printed = String::from_utf8(output.stdout).unwrap();
        let printed = self.normalizer.text(&self.printed);
        let errors = String::from_utf8(output.stderr).unwrap();
        let errors = errors
            .lines()
            .filter(|line| !line.starts_with("Warning: amtool version"))
            .collect::<Vec<_>>();
        format!(
            "exit {}\n{printed}{}",
            output.status.code().unwrap(),
            self.normalizer.text(&errors.join("\n"))
        )
    }

    /// Keeps what the last command printed as a file for later ones.
    fn save(&self, name: &str) {
        std::fs::write(self.directory.join(name), &self.printed).unwrap();
    }
}

/// Commands whose outcome must be the same; the second part must be in it, so that equal failures do not pass.
const COMMANDS: &[(&str, &str)] = &[
    (
        "alert add alertname=Foo severity=page --annotation=summary=<b>&x --generator-url=http://g/",
        "exit 0",
    ),
    ("alert add Bar x=1", "exit 0"),
    (
        "alert add Baz team=db --start=2026-11-01T00:00:00Z --end=2099-01-01T00:00:00Z",
        "exit 0",
    ),
    ("alert add 1bad=x", "exit 0"),
    ("alert", "Bar "),
    ("alert query", "Foo "),
    ("alert Foo", "<b>&x"),
    (
        "alert query severity=page -o json",
        "\"fingerprint\":\"0679d9f3651bb4ee\"",
    ),
    (
        "alert query severity=~pa.* -o json",
        "\"fingerprint\":\"0679d9f3651bb4ee\"",
    ),
    ("alert query severity!=page -o simple", "Bar "),
    ("alert -o extended", "http://g/"),
    ("alert --receiver=db", "Baz"),
    ("alert --receiver=(", "exit 1"),
    ("silence add alertname=Foo -c first -a me -d 2h", "<id 0>"),
    ("silence query -o json", "\"state\":\"active\""),
    ("alert", "Bar "),
    ("alert --silenced", "suppressed"),
    ("alert --silenced -o json", "\"silencedBy\":[\"<id 0>\"]"),
    (
        "alert --active --inhibited --silenced --unprocessed",
        "suppressed",
    ),
    (
        "silence add instance=~a.* team!=x -c later -a me --start=2096-01-01T00:00:00Z --end=2096-01-02T00:00:00Z",
        "<id 1>",
    ),
    ("silence query", "instance=~\"a.*\""),
    ("silence query -o extended", "Updated At"),
    ("silence query -o json", "\"isEqual\":false"),
    ("silence query -q alertname=Foo", "<id 0>"),
    ("silence update -d 3h -c second {last}", "second"),
    ("silence query -q alertname=Foo", "<id 0>"),
    ("silence expire {last}", "exit 0"),
    ("silence query --expired", "second"),
    ("silence query --expired --within=1h", "second"),
    ("silence query --created-by=nobody", "exit 0"),
    (
        "silence add a=b -c x -a me --start=2096-01-01T00:00:00Z --end=2095-01-02T00:00:00Z",
        "exit 1",
    ),
    ("silence add -c x -a me", "exit 1"),
    ("silence add b=c a=~( -c x -a me", "exit 1"),
    ("silence add a=~.* -c x -a me", "exit 1"),
    ("silence add a=b -a me", "exit 1"),
    ("silence expire not-an-id", "exit 1"),
    ("silence expire", "exit 1"),
    ("alert b=c alertname=~(", "exit 1"),
    ("cluster show", "disabled"),
    ("check-config good.yml", "SUCCESS"),
];

fn start(program: &Path, amtool: &Path, directory: &Path, config: &str) -> (Node, Session) {
    let node = Node::start(program, directory, config, &[]);
    std::fs::write(
        directory.join("good.yml"),
        webhook_config("http://127.0.0.1:1/"),
    )
    .unwrap();
    let session = Session {
        amtool: amtool.to_owned(),
        directory: directory.to_owned(),
        url: node.url(""),
        normalizer: Normalizer::new(jiff::Timestamp::now(), node.address()),
        printed: String::new(),
    };
    (node, session)
}

#[test]
fn amtool_cannot_tell_the_servers_apart() {
    let Some(amtool) = needed::installed_or_skip("amtool") else {
        return;
    };
    let Some(upstream) = Program::Upstream.path() else {
        return;
    };
    let Some(subject) = Program::Subject.path() else {
        return;
    };
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (_upstream, mut theirs) = start(&upstream, &amtool, directories[0].path(), CONFIG);
    let (_subject, mut ours) = start(&subject, &amtool, directories[1].path(), CONFIG);

    let mut different = Vec::new();
    for (command, expected) in COMMANDS {
        let (theirs, ours) = (theirs.run(command), ours.run(command));
        // Errors of silences are worded differently since 0.32, which has sets of matchers.
        let ours = ours.replace("invalid silence: matcher set 0: ", "silence invalid: ");
        assert!(
            theirs.contains(expected),
            "amtool {command}: expected {expected:?} of Alertmanager:\n{theirs}"
        );
        if theirs != ours {
            different.push(format!(
                "amtool {command}\n  Alertmanager: {theirs}\n  Watchfire:    {ours}"
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} commands differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

#[test]
fn amtool_exports_imports_and_reads_the_configuration() {
    let Some(amtool) = needed::installed_or_skip("amtool") else {
        return;
    };
    let Some(subject) = Program::Subject.path() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (_node, mut session) = start(&subject, &amtool, directory.path(), CONFIG);
    for i in 0..20 {
        let added = session.run(&format!(
            "silence add alertname=Foo{i} i!~x|y -c many -a me -d 2h"
        ));
        assert!(added.starts_with("exit 0\n<id "), "{added}");
    }
    assert!(
        session
            .run("silence query -o json")
            .starts_with("exit 0\n[{")
    );
    session.save("silences.json");
    // The same ids: nothing new. Forced: everything again under new ids.
    assert!(
        session
            .run("silence import silences.json")
            .starts_with("exit 0\n")
    );
    session.run("silence query -q");
    assert_eq!(session.printed.lines().count(), 20, "{}", session.printed);
    assert!(
        session
            .run("silence import --force silences.json")
            .starts_with("exit 0\n")
    );
    session.run("silence query -q");
    assert_eq!(session.printed.lines().count(), 40, "{}", session.printed);

    // amtool has read the configuration back from the server from its first version on; 0.25 does not know the newer
    // defaults of 0.34 and says so.
    let shown = session.run("config show");
    assert!(
        shown.starts_with("exit 0\n") && shown.contains("receiver: db"),
        "{shown}"
    );
    for (command, expected) in [
        (
            "config routes show",
            "{service=~\"^(?:web.*)$\"}  receiver: web",
        ),
        ("config routes test team=db service=webshop", "db,web"),
        ("config routes test team=x", "sink"),
    ] {
        let outcome = session.run(command);
        let newer =
            outcome.starts_with("exit 1\n") && outcome.contains("not found in type config.plain");
        assert!(
            newer || outcome.starts_with("exit 0\n") && outcome.contains(expected),
            "{command}: {outcome}"
        );
    }
}
