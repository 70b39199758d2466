//! This program again, alone in namespaces of its own: its network, its mounts, its processes.
//!
//! Whatever it starts inside ends with it, and nothing outside can be reached from there.

use std::{
    io::Read as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// `program` in namespaces of its own.
pub(crate) fn enclosed(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.arg("--map-root-user");
    }
    command
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child"])
        .args(["--mount-proc", "--"])
        .arg(program);
    command
}

/// Why this machine cannot do what the rows need; `None` when it can.
pub(crate) fn impossible() -> Option<String> {
    let script = "mount -t tmpfs none /run && mkdir /run/netns && ip netns add a \
         && ip link add name br0 type bridge && ip link add name v1 type veth peer name eth0 netns a \
         && nsenter --net=/run/netns/a iptables -A INPUT -p udp -m statistic --mode random --probability 0.3 -j DROP";
    match enclosed(Path::new("sh")).args(["-c", script]).output() {
        Err(error) => Some(format!("unshare: {error}")),
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Runs a command to its end, at most for `bound`, and returns what it wrote to its output.
pub(crate) fn wait_bounded(command: &mut Command, bound: Duration) -> Result<String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("unshare")?;
    let mut output = child.stdout.take().context("no output")?;
    let reader = thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let ended = wait(&mut child, bound);
    if ended.is_err() {
        // Everything inside dies with it.
        child.kill()?;
        child.wait()?;
    }
    let text = reader
        .join()
        .ok()
        .context("the reader of the output panicked")??;
    ended.with_context(|| format!("it wrote {text:?}"))?;
    Ok(text)
}

fn wait(child: &mut Child, bound: Duration) -> Result<()> {
    let started = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => bail!("ended with {status}"),
            None if started.elapsed() > bound => bail!("did not end within {bound:?}"),
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
}
