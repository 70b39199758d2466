//! A real Prometheus with the same data, on loopback, with one core.

use std::{
    fs,
    io::{BufWriter, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use watchfire::promql::{Series, engine::Steps};

/// Runs until it is dropped.
pub(crate) struct Prometheus {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl Prometheus {
    pub(crate) fn start(program: &str, promtool: &str, all: &[Series]) -> Self {
        let directory =
            std::env::temp_dir().join(format!("watchfire-promql-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let metrics = directory.join("data.om");
        write(&metrics, all);
        let blocks = directory.join("data");
        let made = Command::new(promtool)
            .args([
                "tsdb",
                "create-blocks-from",
                "openmetrics",
                "--max-block-duration=8760h",
            ])
            .args([&metrics, &blocks])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "promtool makes blocks");
        let config = directory.join("prometheus.yml");
        fs::write(&config, "global: {}\n").unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let child = Command::new(program)
            .env("GOMAXPROCS", "1")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", blocks.display()))
            .arg("--storage.tsdb.retention.time=100y")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--log.level=error")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let peer = Self {
            child,
            port,
            directory,
        };
        let began = Instant::now();
        while !peer
            .get("/-/ready")
            .is_some_and(|answer| answer.contains("200 OK"))
        {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "Prometheus starts"
            );
            thread::yield_now();
        }
        peer
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Its own time for a query: the least of some runs; none if it does not know the query.
    pub(crate) fn time(&self, expr: &str, steps: Steps, runs: u32) -> Option<Duration> {
        let expr: String = expr.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let seconds = |millis: i64| millis as f64 / 1000.0;
        let path = if steps.step == 0 {
            format!(
                "/api/v1/query?stats=all&query={expr}&time={}",
                seconds(steps.start)
            )
        } else {
            format!(
                "/api/v1/query_range?stats=all&query={expr}&start={}&end={}&step={}",
                seconds(steps.start),
                seconds(steps.end),
                seconds(steps.step)
            )
        };
        let times = (0..runs).map(|_| {
            let answer = self.get(&path)?;
            let (_, json) = answer.split_once("\r\n\r\n")?;
            let json: serde_json::Value = serde_json::from_str(json).ok()?;
            let time = json
                .pointer("/data/stats/timings/evalTotalTime")?
                .as_f64()?;
            Some(Duration::from_secs_f64(time))
        });
        times.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn write(path: &std::path::Path, all: &[Series]) {
    let mut file = BufWriter::new(fs::File::create(path).unwrap());
    for series in all {
        let name = series.labels.value("__name__");
        let labels: Vec<String> = series
            .labels
            .iter()
            .filter(|(label, _)| *label != "__name__")
            .map(|(label, value)| format!("{label}=\"{value}\""))
            .collect();
        for (time, value) in series.floats.times.iter().zip(&series.floats.values) {
            let time = *time as f64 / 1000.0;
            writeln!(file, "{name}{{{}}} {value} {time}", labels.join(",")).unwrap();
        }
    }
    writeln!(file, "# EOF").unwrap();
}
