//! What remote write costs: CPU at a steady rate, and bytes on disk while the server is away.
//!
//! `cargo run --release --example remote_write -- --seconds 60` sends 10,000 samples a second to a server in another
//! process, which answers and decodes nothing. `--outage 36000000` writes so many samples while there is no server.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails ends"
)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it measures real time"
)]

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use jiff::SignedDuration;
use watchfire::{
    config::{RemoteWriteConfig, RemoteWriteMessage},
    io::{Clock, HttpClients, remote_write::RemoteWriter},
    labels::LabelSet,
    promql::{Point, Sample},
};

/// Evaluations of a series are so many seconds apart.
const INTERVAL: usize = 30;

/// Samples of a second.
const RATE: usize = 10_000;

#[derive(Parser)]
struct Options {
    /// How long to send.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Samples to write while there is no server, instead of sending.
    #[arg(long)]
    outage: Option<usize>,
    /// Use remote write 2.0.
    #[arg(long)]
    second: bool,
    /// Be the server.
    #[arg(long)]
    serve: bool,
}

fn main() {
    let options = Options::parse();
    if options.serve {
        serve();
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut server = options.outage.is_none().then(Server::start);
    let address = server
        .as_ref()
        .map_or("127.0.0.1:9", |server| &server.address);
    let mut target = RemoteWriteConfig {
        name: "measured".to_owned(),
        url: format!("http://{address}/api/v1/write").as_str().into(),
        ..RemoteWriteConfig::default()
    };
    if options.second {
        target.protobuf_message = RemoteWriteMessage::V2;
    }
    let clock = Clock::start(SignedDuration::ZERO);
    let series = series();
    let before = resident();
    let writer = RemoteWriter::open(
        &[target],
        &BTreeMap::new(),
        directory.path(),
        Arc::new(HttpClients::new(clock)),
        clock,
        runtime.handle().clone(),
    )
    .unwrap();
    match options.outage {
        Some(samples) => runtime.block_on(outage(&writer, &series, samples, directory.path())),
        None => runtime.block_on(steady(&writer, &series, options.seconds)),
    }
    println!(
        "memory: {} MB more than before",
        resident().saturating_sub(before) >> 20
    );
    runtime.block_on(writer.close(Duration::from_secs(10)));
    let target = &writer.stats().targets();
    drop(server.take());
    println!("targets left: {}", target.len());
}

/// 300,000 series as rules over a large cluster make them: some alerts, the rest numbers of all kinds.
fn series() -> Vec<(LabelSet, f64)> {
    let one = |number: usize| {
        let pod = format!("checkout-{:05x}-{:04x}", number % 7919, number % 104_729);
        let name = [
            "ALERTS",
            "job:requests:rate5m",
            "pod:cpu:ratio",
            "instance:errors:rate5m",
        ];
        let labels = LabelSet::from_pairs([
            ("__name__", name[number % 4]),
            ("cluster", ["eu-1", "eu-2", "us-1"][number % 3]),
            ("namespace", &format!("team-{}", number % 97)),
            ("pod", &pod),
            (
                "instance",
                &format!(
                    "10.{}.{}.{}:9100",
                    number % 200,
                    number / 200 % 250,
                    number % 250
                ),
            ),
            ("job", "kubernetes-pods"),
        ]);
        (
            labels,
            if number.is_multiple_of(4) {
                0.0
            } else {
                (number as f64).sqrt()
            },
        )
    };
    (0..RATE * INTERVAL).map(one).collect()
}

/// What the groups of one second yield.
fn second(series: &[(LabelSet, f64)], second: usize, time: i64) -> Vec<Sample> {
    let from = second % INTERVAL * RATE;
    let sample = |(labels, base): &(LabelSet, f64)| Sample {
        labels: labels.clone(),
        time,
        point: Point::Float(if *base == 0.0 {
            1.0
        } else {
            base + (second as f64).sin()
        }),
    };
    series[from..from + RATE].iter().map(sample).collect()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

async fn steady(writer: &RemoteWriter, series: &[(LabelSet, f64)], seconds: u64) {
    // One interval to begin with, in which all series are new.
    let stats = Arc::clone(&writer.stats().targets()[0]);
    let warm = u64::try_from(INTERVAL).unwrap();
    let begun = Instant::now();
    let mut cpu = Duration::ZERO;
    for passed in 0..warm + seconds {
        if passed == warm {
            println!(
                "first interval: {:?} of CPU a second",
                used().div_f64(begun.elapsed().as_secs_f64())
            );
            cpu = used();
        }
        let samples = second(series, usize::try_from(passed).unwrap(), now());
        for group in samples.chunks(500) {
            writer.append(group.to_vec());
        }
        let next = begun + Duration::from_secs(passed + 1);
        tokio::time::sleep_until(next.into()).await;
    }
    let cpu = used() - cpu;
    println!(
        "{RATE} samples a second for {seconds} s: {:.1} ms of CPU a second, {:.2} us a sample",
        cpu.as_secs_f64() * 1e3 / seconds as f64,
        cpu.as_secs_f64() * 1e6 / (seconds as f64 * RATE as f64),
    );
    println!(
        "sent {} samples in {} bytes by {} requests; {} wait, {} bytes on disk",
        stats.sent.numbers.load(Relaxed),
        stats.bytes.load(Relaxed),
        stats.duration.count(),
        stats.pending.load(Relaxed),
        stats.disk_bytes.load(Relaxed),
    );
}

async fn outage(writer: &RemoteWriter, series: &[(LabelSet, f64)], samples: usize, path: &Path) {
    let stats = Arc::clone(&writer.stats().targets()[0]);
    let (begun, cpu) = (Instant::now(), used());
    let start = now();
    let seconds = samples / RATE;
    for passed in 0..seconds {
        // As many milliseconds as there are seconds, so that nothing is too old.
        let time = start + i64::try_from(passed).unwrap();
        for group in second(series, passed, time).chunks(500) {
            writer.append(group.to_vec());
        }
        if passed.is_multiple_of(5) {
            assert!(writer.sync().await);
        }
    }
    assert!(writer.sync().await);
    let cpu = used() - cpu;
    println!(
        "{samples} samples: {} bytes on disk, {:.2} a sample; {:.2} us of CPU a sample, {:?} in all",
        size(path),
        size(path) as f64 / samples as f64,
        cpu.as_secs_f64() * 1e6 / samples as f64,
        begun.elapsed(),
    );
    println!("{} wait", stats.pending.load(Relaxed));
}

fn size(path: &Path) -> u64 {
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.metadata().unwrap() {
            directory if directory.is_dir() => size(&entry.path()),
            file => file.len(),
        })
        .sum()
}

/// CPU time of this process, in hundredths of a second.
fn used() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// The server, in another process.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .arg("--serve")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut address)
            .unwrap();
        Self {
            child,
            address: address.trim().to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        thread::spawn(move || while answer(stream.as_ref().unwrap()).is_some() {});
    }
}

/// Reads a request and says that all of it was written.
fn answer(mut stream: &TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    let head =
        "HTTP/1.1 204 No Content\r\nx-prometheus-remote-write-samples-written: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).ok()
}
