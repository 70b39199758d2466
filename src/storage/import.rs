//! Alertmanager's snapshot files `nflog` and `silences`: messages one after the other, each behind its length as a varint.
//!
//! Alertmanager refuses to start on a damaged file. Here the part before the damage is used, with a warning; a silence
//! that does not compile is left out, with a warning (Alertmanager v0.34 keeps such a silence forever, unused).

use std::{error::Error, time::Duration};

use prost::Message;

use crate::{
    nflog::{NflogEntry, wire::MeshEntry},
    silence::{Silence, wire::MeshSilence},
};

/// What was read from a file.
#[derive(Debug)]
pub struct Imported<T> {
    /// What can be used, in the order of the file.
    pub items: Vec<T>,
    /// What cannot, for the log.
    pub warnings: Vec<String>,
}

/// Reads a file `silences`.
#[must_use]
pub fn read_silences_file(bytes: &[u8]) -> Imported<Silence> {
    read("silences", bytes, |mesh: MeshSilence| mesh.try_into())
}

/// Reads a file `nflog`.
#[must_use]
pub fn read_nflog_file(bytes: &[u8]) -> Imported<NflogEntry> {
    read("nflog", bytes, MeshEntry::into_entry)
}

/// Writes a file `silences` that Alertmanager 0.25 to 0.34 reads.
pub fn write_silences_file<'a>(silences: impl IntoIterator<Item = &'a Silence>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for silence in silences {
        append(&MeshSilence::from(silence), &mut bytes);
    }
    bytes
}

/// Writes a file `nflog` that Alertmanager 0.25 to 0.34 reads. Entries carry the expiry that Alertmanager gives them:
/// `retention` or twice the repeat interval, whichever is sooner.
pub fn write_nflog_file<'a>(
    entries: impl IntoIterator<Item = &'a NflogEntry>,
    retention: Duration,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        append(
            &MeshEntry::new(entry, entry.upstream_expiry(retention)),
            &mut bytes,
        );
    }
    bytes
}

fn append(message: &impl Message, bytes: &mut Vec<u8>) {
    prost::encode_length_delimiter(message.encoded_len(), bytes)
        .expect("a Vec grows as far as needed");
    message.encode_raw(bytes);
}

fn read<M: Message + Default, T, E: Error>(
    file: &str,
    bytes: &[u8],
    make: impl Fn(M) -> Result<T, E>,
) -> Imported<T> {
    let mut rest = bytes;
    let mut items = Vec::new();
    let mut warnings = Vec::new();
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        match M::decode_length_delimited(&mut rest) {
            Ok(message) => match make(message) {
                Ok(item) => items.push(item),
                Err(error) => warnings.push(format!(
                    "{file} file, record at byte {at} left out: {}",
                    with_causes(&error)
                )),
            },
            Err(error) => {
                warnings.push(format!(
                    "{file} file is damaged from byte {at} of {} on, the {} records before it are used: {error}",
                    bytes.len(),
                    items.len(),
                ));
                break;
            }
        }
    }
    Imported { items, warnings }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;

    /// Written by prometheus-alertmanager 0.25.0: three silences made with amtool, one of them expired.
    const SILENCES_0_25: &str = "\
        96010a85010a2464656437666163382d323464322d343561632d383064642d63353064336466636561393512101209616c65\
        72746e616d651a03466f6f121508011208696e7374616e63651a07686f73742d2e2b1a0c08e89a88d80610bcb885cc03220c\
        0888d388d8061080ceedc7032a0c08e89a88d80610bcb885cc034203616e6e4a056669727374120c088882a3d8061080ceed\
        c7039e010a8e010a2438313330653362622d323664662d346464612d393235332d393762656434643131323761120a080212\
        036a6f621a0178120d080312047465616d1a03617c62120b1203656e761a0470726f641a0b08e99a88d80610bec6d30c220b\
        0899ef88d8061080e3be0a2a0b08e99a88d80610bec6d30c4203626f624a12c3bc6ec3af636f6465202271756f7465642212\
        0b08999ea3d8061080e3be0a740a650a2437616362363139382d303635622d343632322d386363652d383666386264333333\
        31333812061201611a01621a0b08e99a88d80610f6dea420220b08e99a88d806109cd79a2e2a0b08e99a88d806109cd79a2e\
        420263794a0a74616b656e206261636b120b08e9c9a2d806109cd79a2e\
    ";

    /// Written by prometheus-alertmanager 0.25.0: two groups told to one webhook, repeat interval one hour.
    const NFLOG_0_25: &str = "\
        580a490a147b7d3a7b616c6572746e616d653d22426172227d120f0a047465616d1207776562686f6f6b2a0b08ea9a88d806\
        10ccc985513213f492d08585b2e08fe301febb8bbca3838bf750120b088ad388d80610ccc98551510a410a157b7d3a7b616c\
        6572746e616d653d22466f6f32227d120f0a047465616d1207776562686f6f6b2a0c08e99a88d806109ec6e3c8023209bbbf\
        8584c8b9c8d612120c0889d388d806109ec6e3c802\
    ";

    fn unhex(hex: &str) -> Vec<u8> {
        let digits: Vec<char> = hex.chars().filter(char::is_ascii_hexdigit).collect();
        digits
            .chunks_exact(2)
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
            .collect()
    }

    #[test]
    fn reads_silences_of_alertmanager_0_25() {
        let read = read_silences_file(&unhex(SILENCES_0_25));
        assert_eq!(read.warnings, Vec::<String>::new());
        let shown: Vec<String> = read
            .items
            .iter()
            .map(|s| {
                format!(
                    "{} {:?} {} {:?} by {} until {} kept until {}{}",
                    &s.id[..8],
                    s.matcher_sets,
                    s.starts_at,
                    s.comment,
                    s.created_by,
                    s.ends_at,
                    s.expires_at,
                    if s.expired_by_user { ", expired" } else { "" }
                )
            })
            .collect();
        expect_test::expect![[r#"
            ded7fac8 [[alertname="Foo", instance=~"host-.+"]] 2026-11-21T21:30:16.964779068Z "first" by ann until 2026-11-21T23:30:16.956Z kept until 2026-11-26T23:30:16.956Z
            8130e3bb [[job!="x", team!~"a|b", env="prod"]] 2026-11-21T21:30:17.026534718Z "ünïcode \"quoted\"" by bob until 2026-11-22T00:30:17.022Z kept until 2026-11-27T00:30:17.022Z
            7acb6198 [[a="b"]] 2026-11-21T21:30:17.067710838Z "taken back" by cy until 2026-11-21T21:30:17.09690614Z kept until 2026-11-26T21:30:17.09690614Z, expired"#]].assert_eq(&shown.join("\n"));
    }

    #[test]
    fn reads_the_log_of_alertmanager_0_25() {
        let read = read_nflog_file(&unhex(NFLOG_0_25));
        assert_eq!(read.warnings, Vec::<String>::new());
        let shown: Vec<String> = read
            .items
            .iter()
            .map(|e| {
                format!(
                    "{} at {} number {} firing {:016x?} resolved {:?} kept until {}",
                    e.key, e.timestamp, e.seq, e.firing, e.resolved, e.expires_at
                )
            })
            .collect();
        expect_test::expect![[r#"
            {}:{alertname="Bar"}:team/webhook/0 at 2026-11-21T21:30:18.169960652Z number 1795296618 firing [50ee2c1a3782ddfe, e31f819050b40974] resolved [] kept until 2026-11-21T23:30:18.169960652Z
            {}:{alertname="Foo2"}:team/webhook/0 at 2026-11-21T21:30:17.689496862Z number 1795296617 firing [12ad21cc80815fbb] resolved [] kept until 2026-11-21T23:30:17.689496862Z"#]].assert_eq(&shown.join("\n"));
    }

    #[test]
    fn what_is_written_back_is_what_was_read() {
        let silences = read_silences_file(&unhex(SILENCES_0_25)).items;
        let written = write_silences_file(&silences);
        assert_eq!(read_silences_file(&written).items, silences);
        let hour = Duration::from_secs(3600);
        let mut entries = read_nflog_file(&unhex(NFLOG_0_25)).items;
        for entry in &mut entries {
            entry.repeat_interval = hour;
        }
        // Only the order of the hashes, which means nothing, and the field's place may differ.
        assert_eq!(
            write_nflog_file(&entries, 120 * hour).len(),
            unhex(NFLOG_0_25).len()
        );
        let again = read_nflog_file(&write_nflog_file(&entries, hour)).items;
        for (again, entry) in again.iter().zip(&entries) {
            assert_eq!(again.expires_at, entry.timestamp.plus(hour));
            assert_eq!((&again.key, &again.firing), (&entry.key, &entry.firing));
        }
    }

    #[test]
    fn old_silences_are_read_and_sets_are_written_twice() {
        use crate::silence::wire::{MeshSilence, PbComment};
        let new = read_silences_file(&unhex(SILENCES_0_25)).items.remove(0);
        let mut mesh = MeshSilence::from(&new);
        let silence = mesh.silence.as_mut().unwrap();
        assert_eq!(silence.matchers, silence.matcher_sets[0].matchers);
        silence.matcher_sets.clear();
        silence.comments = vec![PbComment {
            author: "old".to_owned(),
            comment: "older".to_owned(),
        }];
        let mut bytes = Vec::new();
        append(&mesh, &mut bytes);
        let read = read_silences_file(&bytes).items.remove(0);
        assert_eq!(read.matcher_sets, new.matcher_sets);
        assert_eq!((&*read.created_by, &*read.comment), ("old", "older"));
    }

    #[test]
    fn damage_costs_the_rest_and_a_bad_pattern_one_silence() {
        let whole = unhex(SILENCES_0_25);
        let read = read_silences_file(&whole[..whole.len() - 3]);
        assert_eq!(read.items.len(), 2);
        expect_test::expect!["silences file is damaged from byte 312 of 426 on, the 2 records before it are used: failed to decode Protobuf message: buffer underflow"].assert_eq(&read.warnings.join("\n"));
        let text = b"host-.+";
        let at = whole.windows(7).position(|window| window == text).unwrap();
        let mut broken = whole;
        broken[at..at + 7].copy_from_slice(b"host-(+");
        let read = read_silences_file(&broken);
        assert_eq!(read.items.len(), 2);
        expect_test::expect![[r#"silences file, record at byte 0 left out: silence "ded7fac8-24d2-45ac-80dd-c50d3dfcea95" has a matcher that does not compile, instance=~"host-(+": error parsing regexp: missing argument to repetition operator: `+`"#]].assert_eq(&read.warnings.join("\n"));
        assert!(read_nflog_file(b"").items.is_empty());
    }

    proptest! {
        #[test]
        fn hostile_files_never_panic(
            mut bytes in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
            real in any::<bool>(),
        ) {
            if real && !bytes.is_empty() {
                let flip = bytes[0];
                bytes = unhex(if flip & 1 == 0 { SILENCES_0_25 } else { NFLOG_0_25 });
                let at = at.index(bytes.len());
                bytes[at] ^= flip;
            }
            let silences = read_silences_file(&bytes).items;
            let entries = read_nflog_file(&bytes).items;
            let now = Timestamp::EPOCH;
            prop_assert!(silences.iter().all(|s| !s.id.is_empty() && s.state_at(now).as_str() != ""));
            prop_assert_eq!(read_nflog_file(&write_nflog_file(&entries, Duration::MAX)).items.len(), entries.len());
        }
    }
}
