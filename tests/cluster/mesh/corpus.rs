//! Writes what nodes really say to each other into `tests/corpus/mesh`, one directory for each decoder, some of each kind.
//!
//! `tests/decoders.rs` feeds it to the decoders, changed in every way. Write it anew when formats change:
//! `cargo test --test cluster the_corpus_is_written -- --ignored`.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use prost::Message;
use watchfire::{
    decoder::Decoder,
    labels::LabelSet,
    nflog::{LogKey, ReceiverKey},
    node::Input,
    notify::claims::{ClaimMessage, Earlier, Promise},
    ruler::{
        Ailing, GroupKey, GroupSummary, Instance, Phase, RuleKey, RuleRecord, RuleRecordKey,
        RuleValue, Version,
    },
    storage::ReplicaMap,
};

use super::{
    receiver::Answer,
    scenes::{config, names, secs},
    trace::SWIM,
    world::{Setup, World},
};

/// Files of one kind.
const OF_A_KIND: usize = 3;

/// Longer messages say nothing more.
const LONGEST: usize = 4000;

/// The part of a message of replication in which records are.
#[derive(Clone, PartialEq, Eq, Message)]
struct Replication {
    #[prost(message, optional, tag = "1")]
    delta: Option<Delta>,
    #[prost(message, optional, tag = "4")]
    answer: Option<Records>,
    #[prost(message, optional, tag = "6")]
    repair: Option<Repair>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Delta {
    #[prost(message, repeated, tag = "2")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Records {
    #[prost(message, repeated, tag = "1")]
    records: Vec<Record>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Repair {
    #[prost(message, optional, tag = "6")]
    records: Option<Records>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Record {
    #[prost(uint32, tag = "1")]
    map: u32,
    #[prost(bytes = "vec", tag = "2")]
    body: Vec<u8>,
}

/// A cluster that says everything that nodes say: it forms, is told of alerts and silences, loses nodes, disks and
/// streams, and ends.
fn talk() -> World {
    let mut world = World::started(Setup::new(3, 1, config()));
    world.trace.heard = Some(Vec::new());
    world.run_for(secs(8));
    world.fire_all(&names());
    world.input(0, Input::KeepRules(rules(&world)));
    world.silence(0, "G00", secs(300)).unwrap();
    world.run_for(secs(40));
    world.answer(Answer::ResetAfterAccept);
    world.resolve_all(&names()[..10]);
    world.run_for(secs(3));
    world.kill(1);
    world.lose_disk(1);
    world.answer(Answer::Accept(secs(0)));
    world.run_for(secs(10));
    world.start(1);
    world.cut(&[0], &[1, 2]);
    world.block_datagrams(true);
    world.fire("Other");
    world.run_for(secs(30));
    world.mend_all();
    world.block_datagrams(false);
    world.run_for(secs(70));
    for host in 0..3 {
        world.power_off(host);
        world.run_for(secs(400));
        world.start(host);
        world.run_for(secs(20));
    }
    for host in 0..3 {
        world.stop(host);
        world.run_for(secs(5));
    }
    world
}

/// What a ruler says: of a group, of an alert, of one that is no more.
fn rules(world: &World) -> Vec<RuleRecord> {
    let slot = world.wall().unix_millis();
    let version = Version { epoch: 2, slot };
    let group = GroupKey {
        file: "rules/nodes.yml".into(),
        name: "nodes".into(),
    };
    let labels = |instance| LabelSet::from_pairs([("alertname", "Down"), ("instance", instance)]);
    let rule = RuleKey {
        alerting: true,
        name: "Down".into(),
        labels: LabelSet::from_pairs([("severity", "page")]),
        number: 0,
    };
    let key = |instance| RuleRecordKey::alert(None, group.clone(), rule.clone(), labels(instance));
    let instance = Instance {
        source: LabelSet::from_pairs([("instance", "a")]),
        annotations: LabelSet::from_pairs([("summary", "a is down")]),
        value: 0.5,
        phase: Phase::Firing,
        active_at: slot - 60_000,
        fired_at: Some(slot),
        keep_firing_since: None,
        resolved_at: None,
        last_sent: Some(slot),
        held_since: Some(slot),
        version: Version::default(),
    };
    let summary = GroupSummary {
        owner: "n1".into(),
        evaluated: true,
        took: 12,
        missed: 1,
        endpoints: vec!["eu-a".into()],
        ailing: vec![Ailing {
            rule: 1,
            error: "no endpoint answers".to_owned(),
            missing: vec!["eu: connection refused".to_owned()],
            held: 3,
        }],
    };
    let contents = [
        (key("a"), RuleValue::Alert(instance)),
        (
            RuleRecordKey::group(Some("n1".into()), group.clone()),
            RuleValue::Group(summary),
        ),
        (key("b"), RuleValue::Forgotten),
    ];
    let record = |(key, value)| RuleRecord {
        key,
        version,
        interval: 30_000,
        value,
    };
    contents.into_iter().map(record).collect()
}

/// What was said, by the name of its decoder.
#[derive(Default)]
struct Said(BTreeMap<&'static str, Vec<Vec<u8>>>);

impl Said {
    fn add(&mut self, decoder: &'static str, bytes: &[u8]) {
        self.0.entry(decoder).or_default().push(bytes.to_vec());
    }

    fn frame(&mut self, frame: &[u8]) {
        self.add("frame", frame);
        let Some((kind, body)) = frame.split_last() else {
            return;
        };
        match (*kind, body) {
            (5 | 6, [1, _, rest @ ..]) => {
                self.add("replication", body);
                self.replication(rest);
            }
            (5 | 6, [2, rest @ ..]) => self.add("claim", rest),
            (5 | 6, [3, rest @ ..]) => self.add("facts", rest),
            (8, _) => self.beat(body),
            (SWIM, _) => self.add("packet", body),
            (11, _) => self.add("vote", body),
            _ => {}
        }
    }

    fn replication(&mut self, bytes: &[u8]) {
        let Ok(message) = Replication::decode(bytes) else {
            return;
        };
        let records = [
            message.delta.map(|delta| delta.records),
            message.answer.map(|answer| answer.records),
            message
                .repair
                .and_then(|repair| Some(repair.records?.records)),
        ];
        for record in records.into_iter().flatten().flatten() {
            if let Some(map) = ReplicaMap::from_number(record.map) {
                self.add(map.as_str(), &record.body);
            }
        }
    }

    /// A beat's number and time, the other's last beat, then a vector.
    fn beat(&mut self, mut bytes: &[u8]) {
        fn skip(bytes: &mut &[u8]) {
            let length = bytes.iter().take_while(|byte| **byte >= 0x80).count() + 1;
            *bytes = bytes.get(length..).unwrap_or_default();
        }
        skip(&mut bytes);
        skip(&mut bytes);
        if bytes.split_off_first() == Some(&1) {
            skip(&mut bytes);
            skip(&mut bytes);
        }
        self.add("vector", bytes);
    }

    fn saved(&mut self, world: &World) {
        for host in &world.hosts {
            if let Some(bytes) = host.disk.mesh() {
                self.add("electorate", &bytes);
            }
        }
        let key = LogKey {
            group_key: "{}:{alertname=\"Down\"}".into(),
            receiver: ReceiverKey {
                group_name: "page".into(),
                integration: "webhook".into(),
                index: 1,
            },
        };
        let started = Earlier {
            owner: "n1".into(),
            run: 1_800_000_000_000,
            attempt: 2,
            idempotency_key: "PU2E4CQ7".into(),
            round: 7,
        };
        for started in [None, Some(started)] {
            let promise = Promise {
                seq: 1_800_000_000,
                attempt: 2,
                owner: "n1".into(),
                run: 1_800_000_000_000,
                until: Duration::ZERO,
                before: started.iter().cloned().collect(),
                started,
                clear: false,
                unclear_before: false,
                taken_back: Vec::new(),
            };
            self.add("promise", &promise.encode(&key));
        }
        let (seq, attempt) = (1_800_000_000, 2);
        let not_taken = ClaimMessage::NotTaken { key, seq, attempt };
        self.add("claim", &not_taken.encode());
    }

    /// What is rare: a frame that refuses and one with credit; of replication a part, a wish and its answer; a vote that
    /// is refused.
    fn rare(&mut self) {
        self.add("frame", &[1, 2, b'n', b'o', 3]);
        self.add("frame", &[0x80, 0x80, 0x40, 7]);
        self.add("frame", &[12]);
        self.add("frame", &[2, b'n', b'3', 0x80, 0xd0, 0xb9, 1, 13]);
        self.add(
            "claim",
            &[8, 10, 0x30, 0xc0, 0x84, 0x3d, 0x9a, 1, 4, 0, 0, 0, 0],
        );
        self.add("claim", &[8, 11, 0x30, 0xc0, 0x84, 0x3d]);
        let number = [9, 1, 2, 3, 4, 5, 6, 7, 8];
        let part = [
            &[1, 1, 0x12, 16][..],
            &number,
            &[0x10, 1, 0x18, 2, 0x22, 1, 7],
        ]
        .concat();
        self.add("replication", &part);
        self.add(
            "replication",
            &[&[1, 1, 0x1a, 10, 10, 8][..], &number[1..]].concat(),
        );
        self.add("replication", &[1, 1, 0x22, 6, 10, 4, 8, 3, 0x12, 0]);
        let base = [&[0x1a, 11][..], &number, &[0x10, 1]].concat();
        let ballots = [
            0x22, 5, 8, 1, 0x12, 1, b'a', 0x2a, 7, 10, 5, 8, 2, 0x12, 1, b'b',
        ];
        self.add("vote", &[&[8, 4][..], &base, &ballots].concat());
    }

    /// What is said before a stream is one.
    fn greetings(&mut self) {
        for (mode, label, keys) in [(0, "", 0), (1, "production", 2), (2, "", 0)] {
            let mut body = vec![1, 1, mode];
            body.extend([7; 32 + 8]);
            body.push(u8::try_from(label.len()).unwrap());
            body.extend(label.as_bytes());
            body.push(keys);
            body.extend((0..keys * 8).map(|byte| byte ^ 0x5a));
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            self.add(
                "preamble",
                &[&b"W\xF1MESH\r\n"[..], &length, &body].concat(),
            );
        }
        for length in [0, 40] {
            let counter = 5_u64.to_be_bytes();
            let payload = vec![9; length];
            self.add(
                "datagram",
                &[&b"WFD\x01"[..], &[3; 8], &counter, &payload].concat(),
            );
            let head = u32::try_from(length).unwrap().to_be_bytes();
            self.add("stream", &[&head[..], &payload].concat());
        }
    }
}

/// The first word, of a repair its step too, and of a packet its message: what tells kinds apart.
fn kind(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let first = words.first().copied().unwrap_or("empty");
    let field = match first {
        "Repair" => "step",
        "Header" => "message",
        _ => return first.to_lowercase(),
    };
    let at = words.iter().position(|word| *word == field).unwrap();
    format!("{first}-{}", words[at + 1]).to_lowercase()
}

fn write(decoder: &Decoder, said: &[Vec<u8>], root: &Path) {
    let place = root.join(decoder.name());
    drop(fs::remove_dir_all(&place));
    fs::create_dir_all(&place).unwrap();
    let mut kinds: BTreeMap<String, Vec<&Vec<u8>>> = BTreeMap::new();
    for bytes in said.iter().filter(|bytes| bytes.len() <= LONGEST) {
        let decoded = decoder.decode(bytes);
        let decoded = decoded.unwrap_or_else(|| panic!("{decoder:?} does not read {bytes:?}"));
        let of_kind = kinds.entry(kind(&decoded.text)).or_default();
        if of_kind.len() < OF_A_KIND && !of_kind.contains(&bytes) {
            of_kind.push(bytes);
        }
    }
    for (kind, list) in kinds {
        for (bytes, number) in list.into_iter().zip(1..) {
            fs::write(place.join(format!("{kind}-{number}.bin")), bytes).unwrap();
            // Cut in the middle, and with a length that nothing has.
            if number == 1 {
                fs::write(
                    place.join(format!("cut-{kind}.bin")),
                    &bytes[..bytes.len() / 2],
                )
                .unwrap();
                let endless = [&bytes[..bytes.len().min(1)], &[0xff; 9], &[1]].concat();
                fs::write(place.join(format!("endless-{kind}.bin")), endless).unwrap();
            }
        }
    }
}

#[test]
#[ignore = "writes the corpus"]
fn the_corpus_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/mesh");
    let world = talk();
    let mut said = Said::default();
    said.saved(&world);
    said.greetings();
    said.rare();
    for frame in world.trace.heard.unwrap_or_default() {
        said.frame(&frame);
    }
    let decoders = watchfire::cluster::decoders().into_iter();
    let decoders = decoders.chain(watchfire::notify::claims::decoders());
    let decoders = decoders.chain(watchfire::storage::decoders());
    let decoders = decoders.chain(watchfire::tenant::decoders());
    for decoder in decoders.chain(watchfire::io::decoders()) {
        let said = said.0.get(decoder.name());
        write(&decoder, said.map(Vec::as_slice).unwrap_or_default(), &root);
    }
}
