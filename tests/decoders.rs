//! Every decoder of what other nodes send and save, and of samples as endpoints store them, fed with what nodes and
//! servers really say, and with that changed in every way.
//!
//! The corpus of the mesh is written by `the_corpus_is_written` in `tests/cluster`; that of samples was recorded of
//! Prometheus 2.42, but for the histograms of `read-samples`, which it leaves out. `MUTATIONS` is how often each file is changed.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::{
    alloc::System,
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use watchfire::{decoder::Decoder, rng::Rng};

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// All decoders, and the kinds of messages of which there must be files.
const DECODERS: [(&str, &[&str]); 23] = [
    (
        "frame",
        &[
            "hello", "adopt", "refused", "goodbye", "urgent", "bulk", "credit", "beat", "members",
            "swim", "vote", "parting", "over",
        ],
    ),
    ("packet", &["header-ping", "header-ack", "header-gossip"]),
    (
        "vote",
        &[
            "tell", "found", "founding", "prepare", "promise", "refuse", "accept", "accepted",
            "known", "recall", "recalled",
        ],
    ),
    ("electorate", &["saved"]),
    (
        "claim",
        &[
            "claim",
            "promised",
            "refused",
            "starting",
            "startnoted",
            "nottaken",
            "done",
            "donenoted",
            "released",
            "probe",
            "probenoted",
        ],
    ),
    ("promise", &["logkey"]),
    ("silences", &[]),
    ("nflog", &[]),
    ("alerts", &[]),
    ("schedules", &[]),
    ("refreshes", &[]),
    ("history", &[]),
    ("rules", &[]),
    (
        "replication",
        &[
            "delta",
            "part",
            "ask",
            "answer",
            "want",
            "repair-open",
            "repair-digests",
            "repair-lists",
            "repair-need",
            "repair-records",
            "repair-end",
        ],
    ),
    ("vector", &["vector"]),
    ("facts", &["facts"]),
    ("preamble", &["preamble"]),
    ("datagram", &[]),
    ("stream", &[]),
    ("read-stream", &["floats", "histograms"]),
    ("read-chunks", &["floats", "histograms"]),
    ("read-samples", &["floats", "histograms"]),
    ("read-snappy", &["floats", "histograms"]),
];

/// How much reading may allocate, all together: a record of a few bytes is larger in memory, and a frame is read into as
/// many bytes as may come.
fn may_allocate(bytes: &[u8]) -> usize {
    256 * 1024 + 300 * bytes.len()
}

fn decoders() -> Vec<Decoder> {
    let mut all = watchfire::cluster::decoders();
    all.extend(watchfire::notify::claims::decoders());
    all.extend(watchfire::storage::decoders());
    all.extend(watchfire::tenant::decoders());
    all.extend(watchfire::io::decoders());
    all.extend(watchfire::federation::decoders());
    all
}

fn corpus(decoder: &str) -> BTreeMap<String, Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let of_samples = decoder.starts_with("read-");
    let root = root.join(if of_samples { "samples" } else { "mesh" });
    let files = fs::read_dir(root.join(decoder)).unwrap();
    let files = files.map(|file| {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, fs::read(path).unwrap())
    });
    files.collect()
}

/// Bytes changed in one of many ways.
fn mutate(bytes: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut pick = |bound: usize| {
        usize::try_from(rng.next_u64() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    };
    let mut out = bytes.to_vec();
    for _ in 0..=pick(3) {
        let at = pick(out.len());
        let to = at + pick(out.len().saturating_sub(at));
        match pick(8) {
            0 if !out.is_empty() => out[at] ^= 1 << pick(8),
            1 if !out.is_empty() => out[at] = u8::try_from(pick(256)).unwrap(),
            2 => out.truncate(at),
            3 => drop(out.drain(at..to)),
            // A piece of another message.
            4 => {
                let from = pick(other.len());
                let piece = other[from..from + pick(other.len() - from)].to_vec();
                drop(out.splice(at..to, piece));
            }
            // The same again and again.
            5 => {
                let piece = out[at..to].repeat(1 + pick(20));
                drop(out.splice(at..at, piece));
            }
            // A length or a number that nothing has.
            6 => {
                let number = [
                    vec![0xff; 1 + pick(9)],
                    vec![u8::try_from(pick(128)).unwrap()],
                ]
                .concat();
                drop(out.splice(at..(at + 1).min(to), number));
            }
            _ => out.extend(vec![u8::try_from(pick(256)).unwrap(); pick(300)]),
        }
    }
    out
}

/// Feeds a decoder; tells whether it read the bytes.
fn feed(decoder: &Decoder, bytes: &[u8], what: &str) -> bool {
    let region = Region::new(MEMORY);
    let reads = decoder.reads(bytes);
    let allocated = region.change().bytes_allocated;
    assert!(
        allocated <= may_allocate(bytes),
        "{decoder:?}, {what}: {allocated} bytes were allocated for {}: {bytes:?}",
        bytes.len()
    );
    if let Some(decoded) = decoder.decode(bytes) {
        assert_eq!(
            decoded.again.as_ref(),
            Some(&decoded.text),
            "{decoder:?}, {what}: written and read again it is another: {bytes:?}"
        );
    }
    reads
}

/// A decoder that believes lengths, and one that forgets something, are noticed.
fn assert_mistakes_are_noticed() {
    let believe = |bytes: &[u8]| {
        let length = u32::from_be_bytes(*bytes.first_chunk()?);
        Some(Vec::<u8>::with_capacity(usize::try_from(length).unwrap()))
    };
    let believing = Decoder::new("believing", believe, |_| vec![1, 0, 0, 0]);
    let forgetting = Decoder::new(
        "forgetting",
        |bytes| Some(bytes.to_vec()),
        |bytes| bytes.into_iter().skip(1).collect(),
    );
    for mistaken in [believing, forgetting] {
        let feeding = || feed(&mistaken, &[1, 0, 0, 0], "a mistake");
        assert!(catch_unwind(AssertUnwindSafe(feeding)).is_err());
    }
}

#[test]
fn every_decoder_bears_everything() {
    let mutations =
        std::env::var_os("MUTATIONS").map_or(4000, |text| text.to_str().unwrap().parse().unwrap());
    assert_mistakes_are_noticed();
    let decoders = decoders();
    let names: Vec<_> = decoders.iter().map(Decoder::name).collect();
    assert_eq!(names.len(), DECODERS.len(), "{names:?}");
    let mut fed = 0_u64;
    for (name, kinds) in DECODERS {
        let decoder = decoders.iter().find(|decoder| decoder.name() == name);
        let decoder = decoder.unwrap_or_else(|| panic!("no decoder is called {name}"));
        let corpus = corpus(name);
        for kind in kinds {
            let file = format!("{kind}-1");
            assert!(corpus.contains_key(&file), "{name}: no file {file}");
        }
        let mut rng = Rng::from_seed(1).child(name);
        let all: Vec<&Vec<u8>> = corpus.values().collect();
        for (file, bytes) in &corpus {
            let is_read = feed(decoder, bytes, file);
            let is_said = !file.starts_with("cut-") && !file.starts_with("endless-");
            assert!(is_read || !is_said, "{name}: {file} cannot be read");
            // More than anything that is ever said.
            let long = bytes.repeat(1 + 200_000 / bytes.len().max(1));
            feed(decoder, &long, file);
            for _ in 0..mutations {
                let other = usize::try_from(rng.next_u64()).unwrap() % all.len();
                feed(decoder, &mutate(bytes, all[other], &mut rng), file);
                fed += 1;
            }
        }
        assert!(corpus.keys().any(|file| file.ends_with("-1")), "{name}");
    }
    println!("{fed} inputs");
}
