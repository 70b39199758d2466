//! One entry of a list such as `webhook_configs`: what all types share, around what is the type's own.

use std::{sync::Arc, time::Duration};

use super::Settings;
use crate::{
    config::{
        Ambiguous, Delivery, HttpConfig, Integration, RateLimit, Secret,
        global::Global,
        read::{
            Beside, Cursor, Name, Named, Place, Position, PromDuration, Reader, Section, Shown,
            nearest,
        },
        section::section,
    },
    yaml::Value,
};

/// How `http_config` of an entry is written.
pub(crate) type HttpField = Shown<Beside<Arc<HttpConfig>>>;

/// What a type of integration adds to its section.
pub(crate) trait Inherit: Section {
    /// The default of `send_resolved`.
    const SEND_RESOLVED: bool = true;

    /// Takes what it leaves out from `global`, and checks that it is complete then, as `Config.UnmarshalYAML` of
    /// upstream's config/config.go.
    fn inherit(&mut self, global: &Global, place: &Place, reader: &mut Reader<'_>);

    /// What to write for a key that it does not have, but that people make up or know from other notifiers. The key
    /// is in lower case without `_` and `-`.
    fn meant(_key: &str) -> Option<&'static str> {
        None
    }

    /// Whether the receiver recognises repeats by their key.
    fn is_idempotent(&self) -> bool {
        false
    }
}

section! {
    /// The keys that every type has.
    pub(crate) Common in "config.plain" {
        /// Whether it is told of resolved alerts.
        send_resolved: bool as Shown<bool>,
        /// Whether a resolve that happened while muted is told when the mute ends.
        resolve_when_muted: bool as OurTrue = true,
        /// What to do where delivery is uncertain.
        delivery: RawDelivery,
        /// How often it may be told.
        rate_limit: Option<RawRateLimit>,
        /// Whether a plain message is sent when its template fails.
        fallback_text: bool as OurTrue = true,
    }

    /// `delivery`
    #[derive(Eq)]
    pub(crate) RawDelivery in "config.Delivery" {
        /// How long a node without a majority waits.
        minority_delay: Option<Duration> as Option<PromDuration>,
        /// What to do after a request whose outcome is unknown.
        ambiguous: Ambiguous as Name<Ambiguous>,
        /// Whether the receiver recognises repeats.
        idempotent: Option<bool>,
    }

    /// `rate_limit`
    #[derive(Eq)]
    pub(crate) RawRateLimit in "config.RateLimit", check check_rate_limit {
        /// How many messages may be sent.
        messages: u32 = 20u32,
        /// In which time.
        per: Duration as PromDuration = Duration::from_secs(60),
    }
}

fn check_rate_limit(limit: &mut RawRateLimit, place: &Place, reader: &mut Reader<'_>) {
    if limit.messages == 0 {
        reader.deny(place.of("messages"), "rate_limit messages cannot be zero");
    }
    if limit.per.is_zero() {
        reader.deny(place.of("per"), "rate_limit per cannot be zero");
    }
}

impl Named for Ambiguous {
    const NAMES: &'static [(&'static str, Self)] = &[("retry", Self::Retry), ("drop", Self::Drop)];

    fn unknown(word: &str) -> String {
        format!("delivery.ambiguous must be retry or drop, not {word:?}")
    }
}

/// A switch that upstream does not have and that is on unless it is set: only `false` is printed.
pub(crate) struct OurTrue;

impl crate::config::read::Codec for OurTrue {
    type Value = bool;

    fn go_type() -> String {
        bool::go_type()
    }

    fn read(node: Cursor<'_>, reader: &mut Reader<'_>) -> Option<bool> {
        bool::read(node, reader)
    }

    fn null() -> bool {
        true
    }

    fn print(value: &bool) -> Value {
        Value::Bool(*value)
    }

    fn is_empty(value: &bool) -> bool {
        *value
    }
}

/// An entry with the fields of its type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry<S> {
    common: Common,
    settings: S,
}

impl<S: Inherit> Default for Entry<S> {
    fn default() -> Self {
        Self {
            common: Common {
                send_resolved: S::SEND_RESOLVED,
                ..Common::default()
            },
            settings: S::default(),
        }
    }
}

impl<S: Inherit> Section for Entry<S> {
    const GO: &'static str = S::GO;

    fn keys() -> Vec<&'static str> {
        [Common::keys(), S::keys()].concat()
    }

    fn read_key(&mut self, key: &str, node: Cursor<'_>, reader: &mut Reader<'_>) -> bool {
        self.common.read_key(key, node, reader) || self.settings.read_key(key, node, reader)
    }

    fn print_keys(&self, out: &mut Vec<(Value, Value)>) {
        self.common.print_keys(out);
        self.settings.print_keys(out);
    }

    fn add_secrets(&self, out: &mut Vec<Secret>) {
        self.settings.add_secrets(out);
    }

    fn check(&mut self, place: &Place, reader: &mut Reader<'_>) {
        self.settings.check(place, reader);
    }

    fn unknown(key: &str, at: Position, reader: &mut Reader<'_>) {
        let plain = key.to_ascii_lowercase().replace(['_', '-'], "");
        let hint = S::meant(&plain).map(|right| format!("write {right}"));
        let near = || nearest(key, &Self::keys()).map(|near| format!("did you mean {near}?"));
        reader.unknown_key(key, Self::GO, at, hint.or_else(near));
    }
}

/// An entry as read, before it inherits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawIntegration {
    pub(crate) common: Common,
    pub(crate) settings: Settings,
    pub(crate) place: Place,
    /// Whether it is null.
    pub(crate) null: bool,
}

/// Reads an entry over its defaults; a null entry is its defaults.
pub(super) fn read_entry<S: Inherit + Into<Settings>>(
    node: Cursor<'_>,
    reader: &mut Reader<'_>,
    mut entry: Entry<S>,
) -> Option<RawIntegration> {
    let before = reader.problems.len();
    let mut place = if node.is_null() {
        Place {
            at: node.position(),
            sound: true,
            ..Place::default()
        }
    } else {
        reader.section(node, &mut entry)
    };
    place.sound &= reader.problems.len() == before;
    Some(RawIntegration {
        common: entry.common,
        settings: entry.settings.into(),
        place,
        null: node.is_null(),
    })
}

impl RawIntegration {
    /// Prints the entry, inherited fields included.
    pub(crate) fn print(&self) -> Value {
        let mut out = Vec::new();
        self.common.print_keys(&mut out);
        self.settings.print_keys(&mut out);
        Value::Mapping(out)
    }

    /// The integration at a place among those of its type.
    pub(crate) fn integration(mut self, index: u32) -> Integration {
        if let Settings::Slack(slack) = &mut self.settings {
            slack.authorize();
        } else if let Settings::IncidentIo(incidentio) = &mut self.settings {
            incidentio.authorize();
        }
        let idempotent = self.settings.is_idempotent();
        Integration {
            kind: self.settings.kind(),
            index,
            send_resolved: self.common.send_resolved,
            resolve_when_muted: self.common.resolve_when_muted,
            delivery: Delivery {
                minority_delay: self.common.delivery.minority_delay,
                ambiguous: self.common.delivery.ambiguous,
                idempotent: self.common.delivery.idempotent.unwrap_or(idempotent),
            },
            rate_limit: self.common.rate_limit.map(|limit| RateLimit {
                messages: limit.messages,
                per: limit.per,
            }),
            fallback_text: self.common.fallback_text,
            settings: self.settings,
        }
    }
}

/// Takes the global `http_config` unless the entry has its own, which replaces it as a whole.
pub(super) fn inherit_http(http: &mut Arc<HttpConfig>, global: &Global, place: &Place) {
    if !place.has("http_config") {
        *http = Arc::clone(&global.http);
    }
}

/// Takes a value from `global` where the entry has none.
pub(super) fn or_global<T: Clone + Default + PartialEq>(own: &mut T, global: &T) {
    if *own == T::default() {
        own.clone_from(global);
    }
}
