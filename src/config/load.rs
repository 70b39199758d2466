//! From the text of a configuration file to a [`Config`], or to everything that is wrong with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use md5::{Digest as _, Md5};

use super::{
    Config, LoadEnv, LoadErrors, Route, Texts,
    file::RawConfig,
    global::{check_global, find_zone},
    print::print,
    raw_route::{RawRoute, check_intervals, check_receivers, check_root},
    read::{Place, Placed, Position, Reader, Stage},
    warn::warn,
};
use crate::{labels::go_quote, timeinterval::TimeInterval, yaml::Document};

/// Reads a configuration file.
///
/// # Errors
/// With everything that is wrong with it.
pub fn load(text: &[u8], env: &LoadEnv) -> Result<Config, LoadErrors> {
    let document = Document::parse(text).map_err(|error| LoadErrors::syntax(&env.file, &error))?;
    let mut reader = Reader::new(env);
    let mut raw = RawConfig::default();
    let place = reader.document(&document, &mut raw);
    reader.stage = Stage::Whole;
    let mut global = raw.global.take().unwrap_or_else(|| Placed {
        value: super::global::Global::default(),
        place: Place {
            sound: true,
            ..Place::default()
        },
    });
    check_whole(&mut raw, &mut global, &place, &mut reader);
    if let Some(errors) = reader.errors() {
        return Err(errors);
    }
    raw.global = Some(global);
    Ok(build(raw, text, reader))
}

/// Upstream's `Config.UnmarshalYAML`, and what `Load` checks after it.
fn check_whole(
    raw: &mut RawConfig,
    global: &mut Placed<super::global::Global>,
    place: &Place,
    reader: &mut Reader<'_>,
) {
    if global.place.sound {
        check_global(&global.value, &global.place, reader);
    }
    let mut names = BTreeSet::new();
    let mut names_are_sound = place.sound || place.has("receivers");
    for receiver in &mut raw.receivers {
        let name = receiver.value.name.clone();
        names_are_sound &= !name.is_empty();
        if names.contains(&name) && !name.is_empty() {
            let message = format!("notification config name {} is not unique", go_quote(&name));
            reader.deny(receiver.place.of("name"), message);
        }
        receiver
            .value
            .inherit(&global.value, global.place.sound, reader);
        names.insert(name);
    }
    let Some(route) = &raw.route else {
        if place.at == Position::default() {
            reader.deny(place.at, "no route provided in config");
        } else if place.sound || !place.keys.is_empty() && !place.has("route") {
            reader.deny(place.at, "no routes provided");
        }
        return;
    };
    check_root(route, reader);
    if names_are_sound {
        check_receivers(route, &|name| names.contains(name), reader);
    }
    check_interval_names(raw, route, reader);
    if route.value.continue_matching {
        reader.deny(
            route.place.of("continue"),
            "cannot have continue in root route",
        );
    }
}

fn check_interval_names(raw: &RawConfig, route: &Placed<RawRoute>, reader: &mut Reader<'_>) {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mute = raw.mute_time_intervals.iter();
    let mute = mute.map(|interval| ("mute time interval", &interval.value.name, &interval.place));
    let usual = raw.time_intervals.iter();
    let usual = usual.map(|interval| ("time interval", &interval.value.name, &interval.place));
    for (what, name, place) in mute.chain(usual) {
        if !names.insert(name) && !name.is_empty() {
            let message = format!("{what} {} is not unique", go_quote(name));
            reader.deny(place.of("name"), message);
        }
    }
    check_intervals(route, &|name| names.contains(name), reader);
}

fn build(raw: RawConfig, text: &[u8], mut reader: Reader<'_>) -> Config {
    let original = print(&raw);
    let route = raw
        .route
        .as_ref()
        .map(|route| route.value.resolve(&Route::default()))
        .unwrap_or_default();
    warn(&raw, &route, &mut reader);
    let time_intervals = time_intervals(&raw);
    let global = raw.global.unwrap_or_default().value;
    let timezone = find_zone(&global.timezone, &reader).unwrap_or(jiff::tz::TimeZone::UTC);
    let mentions = global.mention_map.into_iter();
    let mentions = mentions.map(super::mention::RawMention::mention).collect();
    let texts = Texts::new(timezone, global.language, mentions);
    let mut warnings = std::mem::take(&mut reader.warnings);
    warnings.sort_by_key(|warning| (warning.line, warning.column));
    Config {
        resolve_timeout: global.resolve_timeout,
        route,
        inhibit_rules: raw
            .inhibit_rules
            .iter()
            .map(|rule| Arc::new(rule.rule()))
            .collect(),
        time_intervals,
        receivers: raw
            .receivers
            .into_iter()
            .map(|receiver| Arc::new(receiver.value.receiver()))
            .collect(),
        templates: raw.templates,
        original,
        hash: hash(text),
        texts: Arc::new(texts),
        references: reader.references,
        warnings,
    }
}

fn time_intervals(raw: &RawConfig) -> BTreeMap<Arc<str>, Arc<[TimeInterval]>> {
    let mute = raw.mute_time_intervals.iter();
    let mute = mute.map(|interval| (&interval.value.name, &interval.value.time_intervals));
    let usual = raw.time_intervals.iter();
    let usual = usual.map(|interval| (&interval.value.name, &interval.value.time_intervals));
    mute.chain(usual)
        .map(|(name, intervals)| (Arc::from(&**name), Arc::from(&**intervals)))
        .collect()
}

/// `md5HashAsMetricValue` of upstream's config/coordinator.go: the first 48 bits, little endian.
fn hash(text: &[u8]) -> u64 {
    let digest = Md5::digest(text);
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&digest[..6]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn shared(path: &str) -> Option<PathBuf> {
        let path = PathBuf::from(format!(
            "{}/../shared/data/{path}",
            env!("CARGO_MANIFEST_DIR")
        ));
        if !path.exists() {
            println!("skipped: ../shared/data is not here");
            return None;
        }
        Some(path)
    }

    /// The file that `data/api/status.json` shows, whose `config.original` Alertmanager printed.
    const SHOWN: &str = "\
route:
  receiver: hook
  group_by: [alertname]
  group_wait: 1s
  group_interval: 3s
  repeat_interval: 1h
  routes:
  - matchers: [team=db]
    receiver: dbhook
    mute_time_intervals: ['off']
inhibit_rules:
- name: crit
  source_matchers: [severity=critical]
  target_matchers: [severity=warning]
  equal: [alertname]
receivers:
- name: hook
  webhook_configs: [{url: 'http://127.0.0.1/hook'}]
- name: dbhook
  webhook_configs: [{url: 'http://127.0.0.1/db'}]
templates: [/etc/alertmanager/templates/*.tmpl]
time_intervals:
- name: 'off'
  time_intervals:
  - times: [{start_time: '00:00', end_time: '24:00'}]
";

    #[test]
    fn it_is_printed_as_upstream_prints_it() {
        let Some(path) = shared("api/status.json") else {
            return;
        };
        let status: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let config = load(SHOWN.as_bytes(), &LoadEnv::default()).unwrap();
        assert_eq!(
            Some(&*config.original),
            status["config"]["original"].as_str()
        );
    }

    const EXAMPLE: &str = include_str!("../../config/alertmanager.yml");

    #[test]
    fn the_example_loads_without_a_word() {
        let config = load(EXAMPLE.as_bytes(), &LoadEnv::default()).unwrap();
        assert_eq!(config.warnings, []);
        assert!(config.receivers[0].integrations.is_empty());
    }

    #[test]
    fn the_example_loads_with_all_that_it_shows() {
        let shown = |line: &str| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with("  ") || rest.starts_with(['t']) => {
                if rest.starts_with("   watchfire") || rest.starts_with("   systemctl") {
                    String::new()
                } else {
                    rest.to_owned()
                }
            }
            _ => line.to_owned(),
        };
        let text: Vec<String> = EXAMPLE.lines().map(shown).collect();
        let config = load(text.join("\n").as_bytes(), &LoadEnv::default()).unwrap();
        let names: Vec<&str> = config
            .receivers
            .iter()
            .map(|receiver| &*receiver.name)
            .collect();
        assert_eq!(names, ["nobody", "mail", "wechat", "dingtalk", "pagerduty"]);
        assert_eq!(config.route.routes.len(), 4);
        assert_eq!(config.time_intervals.len(), 1);
        assert!(
            config
                .warnings
                .iter()
                .all(|warning| warning.message.contains("not built")),
            "{:?}",
            config.warnings
        );
    }

    #[test]
    fn what_is_printed_loads_again_and_prints_the_same() {
        let Some(directory) = shared("") else {
            return;
        };
        let mut files: Vec<PathBuf> = fs::read_dir(directory.join("alertmanager-config"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.push(directory.join("wire/config.yml"));
        let mut loaded = 0;
        for file in files {
            let Ok(config) = load(&fs::read(&file).unwrap(), &LoadEnv::default()) else {
                assert!(!file.ends_with("wire/config.yml"));
                continue;
            };
            let again = load(config.original.as_bytes(), &LoadEnv::default());
            let again = again.unwrap_or_else(|errors| {
                panic!("{}: {errors}\n{}", file.display(), config.original)
            });
            assert_eq!(again.original, config.original, "{}", file.display());
            assert!(!config.original.contains("hunter2") && !config.original.contains("mysecret"));
            loaded += 1;
        }
        assert!(loaded > 20);
    }

    #[test]
    fn every_key_is_in_the_documentation() {
        use crate::config::{
            ClusterTlsConfig, HttpConfig, IntegrationKind, ServerTlsConfig, TlsConfig, WebConfig,
            global::Global, raw_inhibit::RawInhibitRule, read::Section,
        };

        let text = include_str!("../../docs/configuration.md");
        let mut keys = [
            RawConfig::keys(),
            Global::keys(),
            RawRoute::keys(),
            RawInhibitRule::keys(),
            TimeInterval::keys(),
            HttpConfig::keys(),
            TlsConfig::keys(),
            WebConfig::keys(),
            ServerTlsConfig::keys(),
            ClusterTlsConfig::keys(),
        ]
        .concat();
        for kind in IntegrationKind::ALL {
            keys.extend(kind.keys());
        }
        let words: BTreeSet<&str> = text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .collect();
        let missing: BTreeSet<&str> = keys
            .into_iter()
            .filter(|key| !words.contains(key))
            .collect();
        assert_eq!(missing, BTreeSet::new());
    }

    #[test]
    fn the_hash_is_upstreams() {
        // MD5 of nothing is d41d8cd98f00…
        assert_eq!(hash(b""), 0x0000_008f_d98c_1dd4);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_files_never_panic(at in 0..EXAMPLE.len(), with in "[\\[\\]{}:,&*!|>'\"%@`#a \n-]{0,3}") {
            let mut text = EXAMPLE.replace("\n#  ", "\n  ");
            if text.is_char_boundary(at) {
                text.insert_str(at, &with);
            }
            if let Err(errors) = load(text.as_bytes(), &LoadEnv::default()) {
                proptest::prop_assert!(!errors.upstream().is_empty());
            }
        }
    }

    #[test]
    fn verdicts_are_upstreams() {
        let Some(directory) = shared("alertmanager-config") else {
            return;
        };
        let verdicts = fs::read_to_string(directory.join("verdicts.txt")).unwrap();
        for verdict in verdicts.lines() {
            let mut parts = verdict.splitn(3, '|');
            let (_, name, message) = (parts.next(), parts.next().unwrap(), parts.next().unwrap());
            let text = fs::read(directory.join(name)).unwrap();
            let expect = message.split_once("FAILED: ").map(|(_, message)| message);
            let found = load(&text, &LoadEnv::for_file(name));
            let found = found.map_err(|errors| errors.upstream());
            // The verdicts are those of 0.33, which has no route labels.
            if name == "route_labels.yml" {
                assert!(found.is_ok());
                continue;
            }
            match (expect, found) {
                (None, found) => assert!(found.is_ok(), "{name}: {found:?}"),
                (Some(expect), Err(found)) => {
                    assert_eq!(found.lines().next(), Some(expect), "{name}");
                }
                (Some(expect), Ok(_)) => panic!("{name} loads, not: {expect}"),
            }
        }
    }
}
