//! Child processes that end with the test: started with their output in a file, signalled by id, killed on drop.

use std::{
    env,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longest wait for anything a healthy process does at once; generous, since test machines are slow and shared.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// How much of the end of a log is shown when a test failed.
const SHOWN_LINES: usize = 40;

/// Polls until `attempt` yields a value and panics with `what` when `bound` has passed.
pub(crate) fn wait_for<T>(
    what: &str,
    bound: Duration,
    mut attempt: impl FnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(
            started.elapsed() < bound,
            "waited {bound:?} in vain for {what}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// Finds a program as a shell would, and in the directories that a test's PATH may lack.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let path = env::var("PATH").ok()?;
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/bin"), PathBuf::from("/usr/local/bin")])
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

/// A running child process and the file that holds what it prints.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    /// Where in `log` this process began: a restart appends to the same file.
    log_start: u64,
}

impl Process {
    /// Starts `command` with its output appended to `log`.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        let log_start = output.metadata().unwrap().len();
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
        Self {
            child,
            log: log.to_owned(),
            log_start,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What this process printed so far.
    pub(crate) fn printed(&self) -> String {
        let mut file = File::open(&self.log).unwrap();
        file.seek(SeekFrom::Start(self.log_start)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for the address that the process says it listens on.
    pub(crate) fn listening_on(&mut self) -> String {
        wait_for("the line `Listening on`", SOON, || {
            let printed = self.printed();
            let line = printed
                .lines()
                .find(|line| line.contains("msg=\"Listening on\""));
            if let Some(line) = line {
                let (_, address) = line.split_once("address=").unwrap();
                return Some(address.split_whitespace().next().unwrap().to_owned());
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended with {status} before it listened:\n{printed}");
            }
            None
        })
    }

    /// Asks the process to end, and returns how it did.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        wait_for("the end after SIGTERM", SOON, || {
            self.child.try_wait().unwrap()
        })
    }

    /// Ends the process as a power cut of its machine would, without a chance to write.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.id());
        assert!(
            Command::new("sh")
                .args(["-c", &kill])
                .status()
                .unwrap()
                .success(),
            "{kill}"
        );
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail harmlessly when the process ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            // Only the end: a long log would bury what failed.
            let printed = self.printed();
            let lines = printed.lines().collect::<Vec<_>>();
            let left_out = lines.len().saturating_sub(SHOWN_LINES);
            eprintln!("--- {}, without {left_out} lines ---", self.log.display());
            eprintln!("{}", lines[left_out..].join("\n"));
        }
    }
}
