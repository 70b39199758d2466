//! A network, a cluster, a receiver and a source: what a row works with.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use super::{
    cluster::{Cluster, Program},
    network::Network,
    receiver::{Manner, Receiver, Request},
    rows::Row,
    source::Source,
    tally::Run,
};

/// Alerts of a row, each of a group of its own.
const GROUPS: usize = 20;

/// Their alerts' names.
pub(crate) fn groups() -> impl Iterator<Item = String> {
    (0..GROUPS).map(|group| format!("Group{group:02}"))
}

/// Everything of one row; it lives in an enclosure.
pub(crate) struct Lab {
    pub(crate) network: Network,
    pub(crate) cluster: Cluster,
    pub(crate) receiver: Receiver,
    pub(crate) source: Source,
    pub(crate) run: Run,
    /// How long to look for what comes too late or twice.
    pub(crate) patience: Duration,
    /// Where logs are.
    directory: PathBuf,
    began: Instant,
}

impl Lab {
    /// Makes the network and starts a cluster that has formed.
    pub(crate) fn set_up(
        program: &Program,
        directory: &Path,
        row: &Row,
        patience: Duration,
    ) -> Result<Self> {
        let directory = &directory.join(row.name);
        fs::create_dir_all(directory)?;
        let network = Network::build(row.nodes)?;
        let receiver = Receiver::start()?;
        let config = row.config(&receiver.url(), program);
        let mut flags: Vec<String> = row.flags.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push("--log.level=debug".to_owned());
        let mut cluster = Cluster::prepare(program, directory, row.nodes, &config, &flags)?;
        cluster.start_all()?;
        cluster.form()?;
        let targets = (0..cluster.len()).map(|node| cluster.url(node)).collect();
        Ok(Self {
            network,
            cluster,
            receiver,
            source: Source::start(targets),
            run: Run::default(),
            patience,
            directory: directory.clone(),
            began: Instant::now(),
        })
    }

    /// Every group has a new alert.
    pub(crate) fn fire(&self) {
        self.source.fire(groups());
    }

    /// Every group has a new alert, and each was told.
    pub(crate) fn fire_and_tell(&self) -> Result<()> {
        let before = self.receiver.requests().len();
        self.fire();
        self.told(before + GROUPS)
    }

    /// Waits until that many requests were answered well.
    pub(crate) fn told(&self, count: usize) -> Result<()> {
        let well = |requests: &[Request]| {
            let done = requests
                .iter()
                .filter(|request| request.taken && request.answered);
            done.count() >= count
        };
        let told = self.receiver.wait(Duration::from_secs(60), well);
        ensure!(told, "not all groups were told within a minute");
        Ok(())
    }

    /// Waits until all groups' requests wait for their answers; returns the node that sent most of them.
    pub(crate) fn in_flight(&self) -> Result<usize> {
        let all =
            |requests: &[Request]| Receiver::in_flight(requests).values().sum::<usize>() >= GROUPS;
        let reached = self.receiver.wait(Duration::from_secs(20), all);
        ensure!(reached, "not all groups were in flight at once");
        let waiting = Receiver::in_flight(&self.receiver.requests());
        let busiest = waiting.into_iter().max_by_key(|(_, count)| *count);
        let (place, _) = busiest.context("nobody sent anything")?;
        self.cluster.at(place).context("no such node")
    }

    /// The requests that wait for an answer from now on, told in the row's figures.
    pub(crate) fn note_in_flight(&mut self, node: usize) {
        let waiting = Receiver::in_flight(&self.receiver.requests());
        let count = waiting.get(&self.cluster.place(node)).copied();
        let count = u32::try_from(count.unwrap_or(0)).unwrap_or(u32::MAX);
        self.run
            .figures
            .insert("in flight".to_owned(), f64::from(count));
    }

    /// The alerts that a node has requests for that wait for an answer.
    pub(crate) fn held_by(&self, node: usize) -> BTreeSet<String> {
        let place = self.cluster.place(node);
        let requests = self.receiver.requests();
        let waiting = requests
            .iter()
            .filter(|it| !it.answered && it.node == place);
        waiting.filter_map(alert_of).collect()
    }

    /// Whether the receiver took a request for each of these alerts.
    pub(crate) fn are_told(&self, alerts: &BTreeSet<String>) -> bool {
        let requests = self.receiver.requests();
        let taken = requests.iter().filter(|request| request.taken);
        let told: BTreeSet<String> = taken.filter_map(alert_of).collect();
        told.is_superset(alerts)
    }

    /// Answers take this long from now on.
    pub(crate) fn answer_after(&self, delay: Duration) {
        self.receiver.behave(Manner {
            delay,
            ..Manner::WELL
        });
    }

    /// Separates nodes, named in the order of their names.
    pub(crate) fn cut(&self, sides: &[&[usize]]) -> Result<()> {
        let places: Vec<Vec<usize>> = sides
            .iter()
            .map(|side| side.iter().map(|node| self.cluster.place(*node)).collect())
            .collect();
        let places: Vec<&[usize]> = places.iter().map(Vec::as_slice).collect();
        self.network.cut(&places)
    }

    /// Looks on for as long as something may still come.
    pub(crate) fn watch(&self) {
        self.wait(self.patience);
    }

    pub(crate) fn wait(&self, time: Duration) {
        thread::sleep(time);
    }

    /// Waits until `attempt` is true and returns how long that took.
    pub(crate) fn until(
        &self,
        what: &str,
        bound: Duration,
        mut attempt: impl FnMut() -> bool,
    ) -> Result<Duration> {
        let started = Instant::now();
        while !attempt() {
            ensure!(
                started.elapsed() < bound,
                "waited {bound:?} in vain for {what}"
            );
            thread::sleep(Duration::from_millis(2));
        }
        Ok(started.elapsed())
    }

    /// Counts everything.
    pub(crate) fn finish(mut self, outcome: Result<()>) -> Run {
        let mut run = Run::count(&self.source.changes(), &self.receiver.requests());
        run.figures = std::mem::take(&mut self.run.figures);
        for (figure, metric) in [
            ("ambiguous", "watchfire_notifications_ambiguous_total"),
            ("minority", "watchfire_notifications_minority_total"),
        ] {
            let count = self.cluster.metric(metric);
            if count > 0.0 {
                run.figures.insert(figure.to_owned(), count);
            }
        }
        // Who wants to know why reads this beside the logs.
        let _ = fs::write(self.directory.join("requests"), self.protocol());
        run.error = outcome.err().map(|error| format!("{error:#}"));
        run
    }

    /// A line per request, in the order in which they came.
    fn protocol(&self) -> String {
        let lines = self.receiver.requests().into_iter().map(|request| {
            let at = request.at.saturating_duration_since(self.began);
            let told = &request.body["alerts"][0];
            format!(
                "{:9.3} node{} {} {} {} taken={} key={} seq={}\n",
                at.as_secs_f64(),
                request.node,
                told["labels"]["alertname"],
                told["status"],
                told["startsAt"],
                request.taken,
                request.key.as_deref().unwrap_or("-"),
                request.sequence.as_deref().unwrap_or("-"),
            )
        });
        let began = format!(
            "seconds since {}\n",
            jiff::Timestamp::now()
                - jiff::SignedDuration::try_from(self.began.elapsed()).unwrap_or_default()
        );
        [began].into_iter().chain(lines).collect()
    }
}

fn alert_of(request: &Request) -> Option<String> {
    let name = &request.body["alerts"][0]["labels"]["alertname"];
    name.as_str().map(ToOwned::to_owned)
}
