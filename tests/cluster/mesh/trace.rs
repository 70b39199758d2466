//! What happened in a world: a hash of every step, and words for whoever replays a seed.

#![expect(
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "it is for reading"
)]

use std::{fmt, time::Duration};

use watchfire::{
    cluster::MeshInput,
    node::{Input, Request},
};

/// The last byte of a frame that is a packet of the membership protocol.
pub(crate) const SWIM: u8 = 10;

/// The trace of one world.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    /// Whether words are printed.
    pub(crate) prints: bool,
    /// Whether steps are printed too.
    pub(crate) steps: bool,
    /// Frames, and datagrams as frames, that nodes took in, if somebody wants them.
    pub(crate) heard: Option<Vec<Vec<u8>>>,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            prints: std::env::var_os("SEED").is_some_and(|_| {
                print_the_log();
                true
            }),
            steps: std::env::var_os("STEPS").is_some(),
            heard: None,
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// A node takes in an input.
    pub(crate) fn step(&mut self, clock: Duration, host: usize, input: &Input) {
        self.add(&clock.as_nanos().to_le_bytes());
        self.add(&host.to_le_bytes());
        self.add(input.name().as_bytes());
        match (&mut self.heard, input) {
            (Some(heard), Input::Mesh(MeshInput::Frame { bytes, .. })) => heard.push(bytes.clone()),
            (Some(heard), Input::Mesh(MeshInput::Datagram { bytes, .. })) => {
                heard.push([&**bytes, &[SWIM]].concat());
            }
            _ => {}
        }
        if let Input::Mesh(MeshInput::Frame { bytes, .. } | MeshInput::Datagram { bytes, .. }) =
            input
        {
            self.add(bytes);
        }
        if self.steps && !matches!(input, Input::Mesh(MeshInput::Datagram { .. })) {
            let words = match input {
                Input::Mesh(MeshInput::Frame { conn, bytes }) => {
                    format!("frame of {} bytes on {}", bytes.len(), conn.0)
                }
                Input::Mesh(other) => format!("{other:?}"),
                Input::Command {
                    request: Request::PostAlerts { alerts, .. },
                    ..
                } => format!("post of {} alerts", alerts.len()),
                other => other.name().to_owned(),
            };
            println!("{:12.6} n{} <- {words}", clock.as_secs_f64(), host + 1);
        }
    }

    /// Something that a reader of the trace wants to know.
    pub(crate) fn say(&mut self, clock: Duration, words: impl FnOnce() -> String) {
        let words = words();
        self.add(words.as_bytes());
        if self.prints {
            println!("{:12.6} {words}", clock.as_secs_f64());
        }
    }
}

/// Prints what nodes log.
struct Print;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Print {
    fn on_event(
        &self,
        event: &tracing::Event<'_>,
        _context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        struct Words(String);
        impl tracing::field::Visit for Words {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                self.0.push_str(&format!(" {field}={value:?}"));
            }
        }
        let mut words = Words(String::new());
        event.record(&mut words);
        println!("{:>14} {}{}", "log", event.metadata().level(), words.0);
    }
}

/// Prints the logs of all nodes from now on.
fn print_the_log() {
    use tracing_subscriber::layer::SubscriberExt as _;
    // Another test may have done so already.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Print));
}
