//! Figures of a cluster of three: how fast a silence is everywhere, what idling costs, how fast members come and go.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    lab::Lab,
    web::{get, get_json, post_json},
};

/// Silences whose way is timed.
const SILENCES: usize = 60;

/// How long traffic is counted.
const IDLE: Duration = Duration::from_secs(30);

const BOUND: Duration = Duration::from_secs(120);

/// All figures, one after another.
pub(crate) fn measure(lab: &mut Lab) -> Result<()> {
    silences(lab)?;
    idle(lab)?;
    restart(lab)?;
    detection(lab)?;
    healing(lab, 12)?;
    healing(lab, 40)
}

fn note(lab: &mut Lab, figure: &str, value: f64) {
    lab.run.figures.insert(figure.to_owned(), value);
}

/// From the answer to a post at one node until the silence is at each of the others.
fn silences(lab: &mut Lab) -> Result<()> {
    let mut times = Vec::new();
    for index in 0..SILENCES {
        let from = index % lab.cluster.len();
        let id = silence(lab, from)?;
        let posted = Instant::now();
        let mut missing: Vec<usize> = (0..lab.cluster.len()).filter(|n| *n != from).collect();
        while !missing.is_empty() && posted.elapsed() < BOUND {
            missing.retain(|node| {
                let is_there = has(lab, *node, &id);
                if is_there {
                    times.push(posted.elapsed().as_secs_f64() * 1000.0);
                }
                !is_there
            });
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len() - 1));
    let (half, most) = (at(50).copied(), at(99).copied());
    note(lab, "silence p50 ms", half.context("no silence arrived")?);
    note(lab, "silence p99 ms", most.context("no silence arrived")?);
    Ok(())
}

fn silence(lab: &Lab, node: usize) -> Result<String> {
    let now = Timestamp::now();
    let body = json!({
        "matchers": [{"name": "alertname", "value": "None", "isRegex": false, "isEqual": true}],
        "startsAt": now.to_string(),
        "endsAt": (now + SignedDuration::from_hours(1)).to_string(),
        "createdBy": "faults",
        "comment": "on its way",
    });
    let url = format!("{}/api/v2/silences", lab.cluster.url(node));
    let answer = post_json(&url, &body)?;
    let id = answer["silenceID"].as_str().context("no silenceID")?;
    Ok(id.to_owned())
}

fn has(lab: &Lab, node: usize, id: &str) -> bool {
    get(&format!("{}/api/v2/silence/{id}", lab.cluster.url(node))).is_ok()
}

fn idle(lab: &mut Lab) -> Result<()> {
    lab.wait(Duration::from_secs(3));
    let before = lab.network.bytes()?;
    lab.wait(IDLE);
    let after = lab.network.bytes()?;
    let all: u64 = after.iter().zip(&before).map(|(a, b)| a - b).sum();
    let nodes = u64::try_from(after.len())?;
    let rate = f64::from(u32::try_from(all / nodes)?) / IDLE.as_secs_f64();
    note(lab, "idle bytes/s per node", rate);
    Ok(())
}

fn restart(lab: &mut Lab) -> Result<()> {
    let all = lab.cluster.len();
    lab.cluster.terminate(&[1])?;
    lab.wait(Duration::from_secs(5));
    lab.cluster.start(1)?;
    let took = lab.cluster.ready(1, all)?;
    note(lab, "ready after restart s", took.as_secs_f64());
    Ok(())
}

/// From the loss of a host until another node leaves it out.
fn detection(lab: &mut Lab) -> Result<()> {
    let all = lab.cluster.len();
    for (figure, up, members) in [
        ("host seen down s", false, all - 1),
        ("host seen up s", true, all),
    ] {
        lab.network.link(lab.cluster.place(2), up)?;
        let took = lab.until(figure, BOUND, || sees(lab, 0, members))?;
        note(lab, figure, took.as_secs_f64());
        lab.wait(Duration::from_secs(5));
    }
    Ok(())
}

fn sees(lab: &Lab, node: usize, members: usize) -> bool {
    let status = get_json(&format!("{}/api/v2/status", lab.cluster.url(node)));
    status.is_ok_and(|status| {
        let peers = status["cluster"]["peers"].as_array();
        peers.is_some_and(|peers| peers.len() == members)
    })
}

/// From the end of a cut until all see all, and until what each side learned meanwhile is everywhere.
fn healing(lab: &mut Lab, seconds: u64) -> Result<()> {
    lab.cut(&[&[0], &[1, 2]])?;
    lab.wait(Duration::from_secs(seconds));
    let (first, second) = (silence(lab, 0)?, silence(lab, 1)?);
    lab.wait(Duration::from_secs(1));
    lab.network.heal()?;
    let healed = Instant::now();
    let all = lab.cluster.len();
    lab.until("all members", BOUND, || {
        (0..all).all(|node| sees(lab, node, all))
    })?;
    note(
        lab,
        &format!("members after {seconds} s cut s"),
        healed.elapsed().as_secs_f64(),
    );
    lab.until("all silences", BOUND, || {
        (0..all).all(|node| has(lab, node, &first) && has(lab, node, &second))
    })?;
    note(
        lab,
        &format!("state after {seconds} s cut s"),
        healed.elapsed().as_secs_f64(),
    );
    lab.wait(Duration::from_secs(5));
    Ok(())
}
