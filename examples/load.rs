//! Drives an Alertmanager with many alerts and silences and prints what it costs: CPU, latency, memory.
//!
//! `load URL --pid N` measures a server that runs already; `load --spawn 'COMMAND'` starts one itself, on free ports
//! of the loopback interface, with a configuration, storage and webhook of its own, and ends it by its id. With two
//! `--spawn`s both are measured in one run and compared. CPU and memory come from `/proc`. Alerts, time and
//! connections are bounded, nothing but loopback addresses is contacted, and the program stops by itself.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a command-line program that measures real time"
)]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs::{self, File},
    net::{IpAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use axum::{Router, body::Bytes, extract::State, routing};
use reqwest::{Client, Url};
use serde_json::json;

/// Kernel clock ticks per second, as `/proc/PID/stat` counts CPU time: 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// No step waits longer than this for a server.
const STEP_LIMIT: Duration = Duration::from_secs(600);

/// Repetitions of each read; the median is reported.
const READS: usize = 5;

/// A server has no mesh, unless its command says where it listens.
const MESH_FLAG: &str = "--cluster.listen-address";

const USAGE: &str = "\
usage: load URL --pid N [OPTION]…                measure the server at URL, whose process id is N
       load --spawn 'COMMAND' [--spawn 'COMMAND'] [OPTION]…   start a server; two are compared

The usual flags (configuration, storage, addresses) are appended to COMMAND; clustering is switched off unless COMMAND
has --cluster.listen-address.

  --alerts N      number of alerts (100000)
  --labels N      labels of each alert, its name among them (8)
  --silences N    number of silences, all by regular expressions (1000)
  --groups N      number of aggregation groups (200)
  --batch N       alerts in each POST; Prometheus sends 64 or 256 (256)
  --group-wait N  group wait of a spawned server in seconds: everything before the first flush
                  has to fit (60)";

/// What to measure, and how much of it.
struct Options {
    url: Option<Url>,
    pid: Option<u32>,
    spawn: Vec<String>,
    alerts: usize,
    labels: usize,
    silences: usize,
    groups: usize,
    batch: usize,
    /// In seconds.
    group_wait: u64,
}

impl Options {
    /// Reads the command line; `None` when help was asked for.
    fn read(mut words: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            url: None,
            pid: None,
            spawn: Vec::new(),
            alerts: 100_000,
            labels: 8,
            silences: 1000,
            groups: 200,
            batch: 256,
            group_wait: 60,
        };
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .with_context(|| format!("{word} needs a value"))
            };
            let number = |value: String| {
                value
                    .parse::<usize>()
                    .with_context(|| format!("{word}: {value:?} is no number"))
            };
            match word.as_str() {
                "--help" | "-h" => return Ok(None),
                "--pid" => options.pid = Some(u32::try_from(number(value()?)?)?),
                "--spawn" => options.spawn.push(value()?),
                "--alerts" => options.alerts = number(value()?)?,
                "--labels" => options.labels = number(value()?)?,
                "--silences" => options.silences = number(value()?)?,
                "--groups" => options.groups = number(value()?)?,
                "--batch" => options.batch = number(value()?)?,
                "--group-wait" => options.group_wait = u64::try_from(number(value()?)?)?,
                url if !url.starts_with('-') && options.url.is_none() => {
                    options.url = Some(Url::parse(url).with_context(|| format!("{url:?}"))?);
                }
                _ => bail!("unexpected {word:?}\n{USAGE}"),
            }
        }
        options.check()?;
        Ok(Some(options))
    }

    fn check(&self) -> Result<()> {
        let spawns = self.spawn.len();
        ensure!(
            self.url.is_some() != (spawns > 0),
            "a URL or --spawn is needed\n{USAGE}"
        );
        ensure!(spawns <= 2, "at most two servers can be compared");
        ensure!(
            self.url.is_some() == self.pid.is_some(),
            "a URL needs --pid: CPU and memory are read from /proc"
        );
        ensure!(
            (1..=1_000_000).contains(&self.alerts),
            "--alerts is not in 1 to 1000000"
        );
        ensure!(
            (4..=60).contains(&self.labels),
            "--labels is not in 4 to 60"
        );
        ensure!(self.silences <= 100_000, "--silences is above 100000");
        ensure!(
            (1..=self.alerts).contains(&self.groups),
            "--groups is not in 1 to the number of alerts"
        );
        ensure!(
            (1..=10_000).contains(&self.batch),
            "--batch is not in 1 to 10000"
        );
        ensure!(
            (5..=600).contains(&self.group_wait),
            "--group-wait is not in 5 to 600"
        );
        if let Some(url) = &self.url {
            let loopback = url.host_str().is_some_and(|host| {
                let host = host.trim_matches(['[', ']']);
                host == "localhost"
                    || host
                        .parse::<IpAddr>()
                        .is_ok_and(|address| address.is_loopback())
            });
            ensure!(
                loopback,
                "{url} is not on this machine: this program floods, and reads /proc"
            );
        }
        Ok(())
    }

    fn config(&self, sink: &str) -> String {
        format!(
            "route:\n  receiver: sink\n  group_by: [alertname, group]\n  group_wait: {}s\n  \
             group_interval: 1h\n  repeat_interval: 4h\n\
             receivers:\n- name: sink\n  webhook_configs: [{{url: '{sink}'}}]\n",
            self.group_wait
        )
    }
}

/// Figures in the order in which they are printed: what, unit, value.
#[derive(Default)]
struct Figures(Vec<(String, &'static str, f64)>);

impl Figures {
    fn add(&mut self, what: impl Into<String>, unit: &'static str, value: f64) {
        let what = what.into();
        eprintln!("  {what}: {} {unit}", rounded(value));
        self.0.push((what, unit, value));
    }
}

/// A server, ours to end only if it was spawned.
struct Server {
    name: String,
    url: String,
    pid: u32,
    child: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself, and then there is nothing to do.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Server {
    /// CPU time that the process has used since it started.
    fn cpu(&self) -> Result<Duration> {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.pid)).context("the server is gone")?;
        let (_, fields) = stat
            .rsplit_once(')')
            .context("an unknown format of /proc/PID/stat")?;
        // Fields 14 and 15 of proc(5), user and system time; behind the name comes field 3.
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u32>);
        let ticks = ticks.sum::<Result<u32, _>>()?;
        Ok(Duration::from_secs_f64(f64::from(ticks) / TICKS_PER_SECOND))
    }

    /// Memory in MB: resident (`VmRSS`), or the highest so far (`VmHWM`).
    fn memory(&self, line: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))
            .context("the server is gone")?;
        let found = status
            .lines()
            .find_map(|found| found.strip_prefix(line)?.strip_prefix(':'))
            .context("an unknown format of /proc/PID/status")?;
        Ok(found.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
    }

    /// Waits until the server uses next to no CPU for half a second; returns what it has used in all.
    async fn cpu_at_rest(&self) -> Result<Duration> {
        let started = Instant::now();
        let mut before = self.cpu()?;
        while started.elapsed() < STEP_LIMIT {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = self.cpu()?;
            if now - before <= Duration::from_millis(10) {
                return Ok(now);
            }
            before = now;
        }
        bail!("{} does not come to rest", self.name)
    }
}

/// What the webhook saw.
#[derive(Default)]
struct Seen {
    groups: BTreeSet<String>,
    alerts: usize,
    bytes: usize,
}

type Sink = Arc<Mutex<Seen>>;

async fn receive(State(sink): State<Sink>, body: Bytes) {
    let Ok(message) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return;
    };
    let mut seen = sink.lock().unwrap_or_else(PoisonError::into_inner);
    seen.groups
        .insert(message["groupKey"].as_str().unwrap_or_default().to_owned());
    seen.alerts += message["alerts"].as_array().map_or(0, Vec::len);
    seen.bytes += body.len();
}

/// Starts the webhook and returns where it is.
async fn start_sink() -> Result<(String, Sink)> {
    let sink = Sink::default();
    let router = Router::new()
        .route("/", routing::post(receive))
        .layer(axum::extract::DefaultBodyLimit::max(256 << 20))
        .with_state(Arc::clone(&sink));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((url, sink))
}

/// Starts a server with an empty store and waits until it is ready; returns how long that took.
async fn spawn(
    command: &str,
    config: &str,
    directory: &Path,
    client: &Client,
) -> Result<(Server, Duration)> {
    let file = directory.join("alertmanager.yml");
    fs::write(&file, config)?;
    // Free a moment ago; nothing else on this machine takes it in that moment but by ill luck.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut words = command.split_whitespace();
    let program = words.next().context("--spawn needs a command")?;
    let log = File::create(directory.join("log"))?;
    let started = Instant::now();
    let child = Command::new(program)
        .args(words)
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.path={}",
            directory.join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args((!command.contains(MESH_FLAG)).then(|| format!("{MESH_FLAG}=")))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let url = format!("http://127.0.0.1:{port}");
    let mut server = Server {
        name: command.to_owned(),
        url,
        pid: child.id(),
        child: Some(child),
    };
    let ready = format!("{}/-/ready", server.url);
    while !client
        .get(&ready)
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
    {
        let ended = server
            .child
            .as_mut()
            .map(Child::try_wait)
            .transpose()?
            .flatten();
        if ended.is_some() || started.elapsed() > Duration::from_secs(60) {
            bail!(
                "{command} does not serve:\n{}",
                fs::read_to_string(directory.join("log"))?
            );
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok((server, started.elapsed()))
}

/// The alerts as bodies of requests. Alert `i` is in group `i % groups`; 100 alerts share an instance.
fn batches(options: &Options, starts_at: &str, ends_at: &str) -> Vec<String> {
    let all = (0..options.alerts).collect::<Vec<_>>();
    let alert = |i: &usize| {
        let group = i % options.groups;
        let mut labels = json!({
            "alertname": format!("LoadAlert{}", group % 20),
            "group": format!("g-{group:04}"),
            "instance": format!("host-{:04}.example.org:9100", i / 100),
            "series": format!("{i:07}"),
        });
        for extra in 4..options.labels {
            labels[format!("label_{extra}")] = json!(format!("value-{}-{}", extra, i % 10));
        }
        json!({
            "labels": labels,
            "annotations": {
                "summary": format!("series {i} is out of bounds"),
                "runbook": "https://runbooks.example.org/load",
            },
            "startsAt": starts_at,
            "endsAt": ends_at,
            "generatorURL": "http://prometheus.example.org/graph?g0.expr=load+%3E+5&g0.tab=1",
        })
    };
    all.chunks(options.batch)
        .map(|chunk| json!(chunk.iter().map(alert).collect::<Vec<_>>()).to_string())
        .collect()
}

/// A silence as people write it: an alternation of names and a pattern of hosts. Three of them match one alert in ten
/// of ten hosts each, when there are many hosts; no group is silenced as a whole.
fn silence(i: usize, options: &Options, starts_at: &str, ends_at: &str) -> String {
    let matches = i.is_multiple_of(100) && i < 300 && options.alerts >= 10_000;
    let (names, hosts) = if matches {
        (
            "LoadAlert3|LoadAlert4",
            format!("host-{:03}[0-9].*", i / 100),
        )
    } else {
        (
            "BatchJobFailed|BatchJobLate",
            format!("host-{}[0-9]{{2}}.*", i % 100),
        )
    };
    json!({
        "matchers": [
            {"name": "alertname", "value": format!("{names}|Job{i}"), "isRegex": true, "isEqual": true},
            {"name": "instance", "value": hosts, "isRegex": true, "isEqual": true},
        ],
        "startsAt": starts_at,
        "endsAt": ends_at,
        "createdBy": "load",
        "comment": format!("silence {i}"),
    })
    .to_string()
}

async fn post(client: &Client, url: &str, body: String) -> Result<Duration> {
    let started = Instant::now();
    let request = client
        .post(url)
        .header("Content-Type", "application/json")
        .body(body);
    let answer = request
        .send()
        .await
        .with_context(|| format!("POST {url}"))?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "POST {url}: {status} {text}");
    Ok(started.elapsed())
}

/// Posts all bodies one after the other and waits for rest; returns the CPU time and the sorted latencies.
async fn post_all(
    client: &Client,
    server: &Server,
    path: &str,
    bodies: Vec<String>,
) -> Result<(Duration, Vec<Duration>)> {
    let before = server.cpu_at_rest().await?;
    let url = format!("{}{path}", server.url);
    let mut latencies = Vec::with_capacity(bodies.len());
    for body in bodies {
        latencies.push(post(client, &url, body).await?);
    }
    let cpu = server.cpu_at_rest().await?.saturating_sub(before);
    latencies.sort_unstable();
    Ok((cpu, latencies))
}

/// The latency in ms that `percent` of 100 requests do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let position = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(position).map_or(0.0, Duration::as_secs_f64) * 1e3
}

/// What a read costs.
struct Read {
    /// The median, in ms.
    time: f64,
    /// The mean, in ms; on a busy machine it says more than the time.
    cpu: f64,
    /// The length of the list that it yields.
    entries: usize,
}

async fn read(client: &Client, server: &Server, path: &str) -> Result<Read> {
    let before = server.cpu_at_rest().await?;
    let url = format!("{}{path}", server.url);
    let mut times = Vec::new();
    let mut entries = 0;
    for _ in 0..READS {
        let started = Instant::now();
        let answer = client.get(&url).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        times.push(started.elapsed());
        ensure!(status.is_success(), "GET {url}: {status}");
        entries = serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&body)?.len();
    }
    times.sort_unstable();
    let cpu = server.cpu_at_rest().await?.saturating_sub(before);
    Ok(Read {
        time: percentile(&times, 50),
        cpu: cpu.as_secs_f64() * 1e3 / float(READS),
        entries,
    })
}

fn moment(seconds: i64) -> String {
    format!(
        "{:.3}",
        jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)
    )
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
fn float(number: usize) -> f64 {
    number as f64
}

/// What writes cost.
async fn measure_writes(
    client: &Client,
    server: &Server,
    options: &Options,
    figures: &mut Figures,
) -> Result<()> {
    let (starts, ends) = (moment(0), moment(7200));
    let silences = (0..options.silences)
        .map(|i| silence(i, options, &starts, &ends))
        .collect();
    let (cpu, latencies) = post_all(client, server, "/api/v2/silences", silences).await?;
    let per = |cpu: Duration, number: usize| cpu.as_secs_f64() * 1e6 / float(number.max(1));
    figures.add("CPU per new silence", "µs", per(cpu, options.silences));
    figures.add("POST of a silence, p50", "ms", percentile(&latencies, 50));
    figures.add("POST of a silence, p99", "ms", percentile(&latencies, 99));
    for (what, ends) in [
        ("new alert", moment(3600)),
        ("refreshed alert", moment(3660)),
    ] {
        let bodies = batches(options, &starts, &ends);
        let (cpu, latencies) = post_all(client, server, "/api/v2/alerts", bodies).await?;
        figures.add(format!("CPU per {what}"), "µs", per(cpu, options.alerts));
        let posts = format!("POST of {} {what}s", options.batch);
        figures.add(format!("{posts}, p50"), "ms", percentile(&latencies, 50));
        figures.add(format!("{posts}, p99"), "ms", percentile(&latencies, 99));
        figures.add(
            format!("memory after {what}s"),
            "MB",
            server.memory("VmRSS")?,
        );
    }
    Ok(())
}

/// What reads cost; they come last, since Alertmanager keeps the silences of an alert once it looked them up.
async fn measure_reads(client: &Client, server: &Server, figures: &mut Figures) -> Result<()> {
    let filtered = "/api/v2/alerts?filter=instance%3D%22host-0000.example.org%3A9100%22";
    for (what, path) in [
        ("GET /alerts", "/api/v2/alerts"),
        ("GET /alerts?filter=instance=…", filtered),
        ("GET /alerts/groups", "/api/v2/alerts/groups"),
        ("GET /silences", "/api/v2/silences"),
    ] {
        let Read { time, cpu, entries } = read(client, server, path).await?;
        figures.add(format!("{what}, {entries} entries"), "ms", time);
        figures.add(format!("{what}, CPU"), "ms", cpu);
    }
    figures.add("memory after reads", "MB", server.memory("VmRSS")?);
    Ok(())
}

/// Waits for the first flush of all groups and measures what it takes.
async fn measure_flush(
    server: &Server,
    options: &Options,
    sink: &Sink,
    since: Instant,
    figures: &mut Figures,
) -> Result<()> {
    let groups = || {
        sink.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .groups
            .len()
    };
    let before = server.cpu_at_rest().await?;
    ensure!(
        groups() == 0,
        "the first flush began before the other steps ended: raise --group-wait"
    );
    let wait = Duration::from_secs(options.group_wait);
    eprintln!(
        "  waiting {} s for the flush",
        wait.saturating_sub(since.elapsed()).as_secs()
    );
    while groups() < options.groups {
        ensure!(
            since.elapsed() < wait + STEP_LIMIT,
            "only {} groups were notified",
            groups()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let cpu = server.cpu_at_rest().await?.saturating_sub(before);
    figures.add(
        format!("CPU to flush {} groups", options.groups),
        "s",
        cpu.as_secs_f64(),
    );
    {
        let seen = sink.lock().unwrap_or_else(PoisonError::into_inner);
        figures.add("alerts in these notifications", "", float(seen.alerts));
        figures.add("their size", "MB", float(seen.bytes) / 1e6);
    }
    figures.add("memory after the flush", "MB", server.memory("VmRSS")?);
    Ok(())
}

async fn measure_spawned(command: &str, options: &Options, client: &Client) -> Result<Figures> {
    eprintln!("{command}");
    let directory = tempfile::tempdir()?;
    let (url, sink) = start_sink().await?;
    let mut figures = Figures::default();
    let config = options.config(&url);
    let (server, ready) = spawn(command, &config, directory.path(), client).await?;
    figures.add("ready with an empty store", "ms", ready.as_secs_f64() * 1e3);
    server.cpu_at_rest().await?;
    figures.add("memory when idle", "MB", server.memory("VmRSS")?);
    // No group can be older than this.
    let since = Instant::now();
    measure_writes(client, &server, options, &mut figures).await?;
    measure_flush(&server, options, &sink, since, &mut figures).await?;
    measure_reads(client, &server, &mut figures).await?;
    figures.add("highest memory", "MB", server.memory("VmHWM")?);
    if let Some(step) = slow_step(client, &server).await? {
        figures.add("99 % of the loop's steps take at most", "ms", step);
    }
    Ok(figures)
}

/// The bound in ms below which 99 of 100 steps of the server's loop stay, where it tells.
async fn slow_step(client: &Client, server: &Server) -> Result<Option<f64>> {
    let metrics = client
        .get(format!("{}/metrics", server.url))
        .send()
        .await?
        .text()
        .await?;
    let buckets = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("watchfire_loop_step_duration_seconds_bucket{le=\""))
        .filter_map(|line| {
            let (bound, count) = line.split_once("\"} ")?;
            Some((bound.parse::<f64>().ok()?, count.parse::<f64>().ok()?))
        })
        .collect::<Vec<_>>();
    let all = buckets.iter().map(|(_, count)| *count).fold(0.0, f64::max);
    let bound = buckets.iter().find(|(_, count)| *count >= 0.99 * all);
    Ok(bound.map(|(bound, _)| bound * 1e3))
}

fn rounded(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// A Markdown table; with two servers its last column says how many times less the second needs.
fn table(names: &[String], all: &[Figures]) -> String {
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for (what, unit, _) in all.iter().flat_map(|figures| &figures.0) {
        if !rows.iter().any(|(known, _)| known == what) {
            rows.push((what, unit));
        }
    }
    let mut lines = vec![
        format!("| | {} |", names.join(" | ")),
        format!("|---|{}", "--:|".repeat(all.len())),
    ];
    for (what, unit) in rows {
        let mut values = Vec::new();
        let mut line = format!("| {what} |");
        for figures in all {
            let value = figures
                .0
                .iter()
                .find_map(|(known, _, value)| (known == what).then_some(*value));
            values.extend(value);
            let cell = value.map_or_else(
                || "–".to_owned(),
                |value| format!("{} {unit}", rounded(value)),
            );
            let _ = write!(line, " {} |", cell.trim());
        }
        if let [_, _] = all {
            let ratio = match values[..] {
                [one, other] if other > 0.0 => format!("{:.1}", one / other),
                _ => "–".to_owned(),
            };
            let _ = write!(line, " {ratio} |");
        }
        lines.push(line);
    }
    if let [_, _] = all {
        lines[0].push_str(" ratio |");
        lines[1].push_str("--:|");
    }
    lines.join("\n")
}

async fn run() -> Result<()> {
    let Some(options) = Options::read(std::env::args().skip(1))? else {
        println!("{USAGE}");
        return Ok(());
    };
    // No TLS is spoken, but the client wants a provider; an error says that it has one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().timeout(STEP_LIMIT).build()?;
    let mut names = options.spawn.clone();
    let mut all = Vec::new();
    for command in &options.spawn {
        all.push(measure_spawned(command, &options, &client).await?);
    }
    if let (Some(url), Some(pid)) = (&options.url, options.pid) {
        let url = url.as_str().trim_end_matches('/').to_owned();
        let server = Server {
            name: url.clone(),
            url: url.clone(),
            pid,
            child: None,
        };
        let mut figures = Figures::default();
        measure_writes(&client, &server, &options, &mut figures).await?;
        measure_reads(&client, &server, &mut figures).await?;
        all.push(figures);
        names.push(url);
    }
    println!(
        "{} alerts of {} labels in {} groups, {} regex silences, batches of {}, {} CPUs\n",
        options.alerts,
        options.labels,
        options.groups,
        options.silences,
        options.batch,
        std::thread::available_parallelism()?
    );
    println!("{}", table(&names, &all));
    Ok(())
}

fn main() -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run())
}
