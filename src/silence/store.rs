//! The store: sets, expires, merges and forgets silences. `Clone` is O(1) and gives a reader its own snapshot.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use imbl::OrdSet;
use prost::Message as _;

use super::{
    error::{InvalidSilence, SilenceError},
    index::Indexed,
    matcher::SilenceMatcher,
    model::{MatcherSets, Silence, SilenceState},
    pivot::pivots,
    query::{SilenceQuery, listing_order},
    stats::{SilenceCounts, SilenceStats},
    tiers::{ById, IndexJob, MadeIndex, Tiers},
    wire::MeshSilence,
};
use crate::{labels::LabelSet, rng::Rng, time::Timestamp};

/// What a client wants a silence to be.
#[derive(Debug, Clone)]
pub struct SilenceDraft {
    /// The silence to edit; `None` makes a new one.
    pub id: Option<Arc<str>>,
    /// What to mute, from [`check_matcher_sets`](super::check_matcher_sets).
    pub matcher_sets: MatcherSets,
    /// When to begin; `Timestamp::ZERO` at once.
    pub starts_at: Timestamp,
    /// When to end.
    pub ends_at: Timestamp,
    /// Who asks.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// What else to keep with it.
    pub annotations: BTreeMap<String, String>,
}

/// Bounds on what clients may store; silences from elsewhere are not bound. 0 is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SilenceLimits {
    /// `--silences.max-silences`; expired ones count.
    pub max_silences: usize,
    /// `--silences.max-silence-size-bytes`.
    pub max_size_bytes: usize,
}

/// What [`Silences::set`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetKind {
    /// A new silence.
    Created,
    /// The silence was edited in place.
    Updated,
    /// The edit would have rewritten the past: the old silence was expired and a new one made.
    Replaced,
}

/// The result of [`Silences::set`].
#[derive(Debug, Clone)]
pub struct SetOutcome {
    /// Of the silence that holds what was asked for.
    pub id: Arc<str>,
    /// What was done.
    pub kind: SetKind,
    /// What to persist and to tell other nodes, in this order: an old silence that was expired, then the one asked for.
    pub changed: Vec<Arc<Silence>>,
}

/// The result of [`Silences::expire`].
#[derive(Debug, Clone)]
pub enum Expired {
    /// It had ended before; nothing changed.
    Already,
    /// What to persist and to tell other nodes.
    Changed(Arc<Silence>),
}

/// All silences of one tenant.
#[derive(Debug, Clone)]
pub struct Silences {
    retention: Duration,
    by_id: ById,
    /// When each may be forgotten.
    expiries: OrdSet<(Timestamp, Arc<str>)>,
    tiers: Tiers,
    stats: SilenceStats,
}

impl Silences {
    /// Makes an empty store that keeps silences for `retention` after their end.
    #[must_use]
    pub fn new(retention: Duration) -> Self {
        Self {
            retention,
            by_id: ById::new(),
            expiries: OrdSet::new(),
            tiers: Tiers::new(&ById::new(), Timestamp::ZERO),
            stats: SilenceStats::default(),
        }
    }

    /// Creates or edits a silence at `now`, as `POST /api/v2/silences` does.
    ///
    /// # Errors
    /// As [`SilenceError`] says; the store is then unchanged.
    pub fn set(
        &mut self,
        draft: SilenceDraft,
        now: Timestamp,
        limits: SilenceLimits,
        rng: &mut Rng,
    ) -> Result<SetOutcome, SilenceError> {
        let mut silence = self.drafted(draft, now)?;
        let previous = match self.by_id.get(&silence.id) {
            None if !silence.id.is_empty() => return Err(SilenceError::NotFound),
            previous => previous.map(|indexed| indexed.silence.clone()),
        };
        if let Some(previous) = &previous
            && can_update(previous, &silence, now)
        {
            silence.rev = previous.rev + 1;
            check_size(&silence, limits)?;
            let changed = self.put(silence, now);
            return Ok(SetOutcome {
                id: changed.id.clone(),
                kind: SetKind::Updated,
                changed: vec![changed],
            });
        }
        if limits.max_silences > 0 && self.by_id.len() >= limits.max_silences {
            return Err(SilenceError::TooMany {
                count: self.by_id.len(),
                limit: limits.max_silences,
            });
        }
        silence.id = rng.uuid().to_string().into();
        silence.starts_at = silence.starts_at.max(now);
        check_size(&silence, limits)?;
        let mut changed = Vec::with_capacity(2);
        if let Some(previous) = &previous
            && let Ok(Expired::Changed(old)) = self.expire(&previous.id, now)
        {
            changed.push(old);
        }
        let silence = self.put(silence, now);
        let kind = if previous.is_some() {
            SetKind::Replaced
        } else {
            SetKind::Created
        };
        changed.push(silence.clone());
        Ok(SetOutcome {
            id: silence.id.clone(),
            kind,
            changed,
        })
    }

    /// Ends a silence at `now`; one that has ended stays as it is.
    ///
    /// # Errors
    /// [`SilenceError::NotFound`] for an unknown id.
    pub fn expire(&mut self, id: &str, now: Timestamp) -> Result<Expired, SilenceError> {
        let silence = self.get(id).ok_or(SilenceError::NotFound)?;
        let starts_at = match silence.state_at(now) {
            SilenceState::Expired => return Ok(Expired::Already),
            SilenceState::Active => silence.starts_at,
            SilenceState::Pending => now,
        };
        let expired = Silence {
            starts_at,
            ends_at: now,
            updated_at: now,
            expires_at: now.plus(self.retention),
            rev: silence.rev + 1,
            expired_by_user: true,
            ..Silence::clone(silence)
        };
        Ok(Expired::Changed(self.put(expired, now)))
    }

    /// Takes in a copy from another node or from the own disk; tells whether it changed the store.
    ///
    /// Commutative, associative and idempotent. A copy that may be forgotten at `now` is not taken in.
    pub fn merge(&mut self, silence: Silence, now: Timestamp) -> bool {
        let merges = self.would_merge(&silence, now);
        if merges {
            self.put(silence, now);
        }
        merges
    }

    /// Takes in many copies from another node at once, as [`merge`](Self::merge) does each. Returns those that changed
    /// the store, with their places in the row.
    pub fn merge_all(
        &mut self,
        silences: impl IntoIterator<Item = Silence>,
        now: Timestamp,
    ) -> Vec<(usize, Arc<Silence>)> {
        let mut merged = Vec::new();
        for (at, silence) in silences.into_iter().enumerate() {
            if self.would_merge(&silence, now) {
                merged.push((at, self.store(silence)));
            }
        }
        let ids = merged.iter().map(|(_, silence)| &silence.id);
        self.tiers.put_all(ids, &self.by_id, now);
        merged
    }

    /// Takes in many copies from the own disk at once, as [`merge`](Self::merge) does each.
    pub fn restore(&mut self, silences: impl IntoIterator<Item = Silence>, now: Timestamp) {
        for silence in silences {
            if self.would_merge(&silence, now) {
                self.store(silence);
            }
        }
        self.tiers = Tiers::new(&self.by_id, now);
    }

    /// Takes in silences from a file of Alertmanager, which knows no edit counter: the newer `updated_at` wins.
    ///
    /// Returns what to persist.
    pub fn import(
        &mut self,
        silences: impl IntoIterator<Item = Silence>,
        now: Timestamp,
    ) -> Vec<Arc<Silence>> {
        let mut changed = Vec::new();
        for mut silence in silences {
            if silence.expires_at <= now {
                continue;
            }
            if let Some(own) = self.get(&silence.id) {
                if own.updated_at >= silence.updated_at {
                    continue;
                }
                silence.rev = own.rev + 1;
                silence.expired_by_user |= own.expired_by_user;
            }
            changed.push(self.store(silence));
        }
        self.tiers = Tiers::new(&self.by_id, now);
        changed
    }

    /// Forgets up to `most` silences whose retention is over; returns their ids.
    pub fn gc(&mut self, most: usize, now: Timestamp) -> Vec<Arc<str>> {
        let over = self.expiries.iter().take(most);
        let over = over.take_while(|(expires_at, _)| *expires_at <= now);
        let removed: Vec<Arc<str>> = over.map(|(_, id)| Arc::clone(id)).collect();
        for id in &removed {
            if let Some(gone) = self.by_id.remove(id) {
                let expires_at = gone.silence.expires_at;
                self.expiries.remove(&(expires_at, Arc::clone(id)));
            }
            self.tiers.remove(id);
        }
        removed
    }

    /// An index to be made on a worker, if it is time for one; [`Self::take_index`] wants its result, or that it was lost.
    pub fn index_job(&mut self, now: Timestamp) -> Option<IndexJob> {
        self.tiers.job(&self.by_id, now)
    }

    /// Puts the index in force that a worker made; `None` if it failed.
    pub fn take_index(&mut self, made: Option<MadeIndex>) {
        self.tiers.take(made);
    }

    /// Counts what a reader did.
    pub fn count(&mut self, done: &SilenceStats) {
        self.stats.add(done);
    }

    /// The silence of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Arc<Silence>> {
        self.by_id.get(id).map(|indexed| &indexed.silence)
    }

    /// The silences that a query accepts, in the order of `GET /api/v2/silences`.
    #[must_use]
    pub fn query(&self, query: &SilenceQuery, now: Timestamp) -> Vec<Arc<Silence>> {
        let mut found: Vec<_> = self
            .iter()
            .filter(|silence| query.accepts(silence, now))
            .cloned()
            .collect();
        found.sort_by(|a, b| listing_order(a, b, now));
        found
    }

    /// A reader of the store as it is, for many label sets.
    #[must_use]
    pub fn matcher(&self) -> SilenceMatcher {
        SilenceMatcher::new(self.clone())
    }

    /// The ids of the active silences that match, sorted. For many label sets make a matcher.
    #[must_use]
    pub fn mutes(&self, labels: &LabelSet, now: Timestamp) -> Vec<Arc<str>> {
        self.iter()
            .filter(|s| s.state_at(now) == SilenceState::Active && s.matches(labels))
            .map(|s| s.id.clone())
            .collect()
    }

    /// All silences by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Silence>> {
        self.by_id.values().map(|indexed| &indexed.silence)
    }

    /// How many silences there are, expired ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many silences are in each state.
    #[must_use]
    pub fn counts(&self, now: Timestamp) -> SilenceCounts {
        let mut counts = SilenceCounts::default();
        for silence in self.iter() {
            match silence.state_at(now) {
                SilenceState::Active => counts.active += 1,
                SilenceState::Pending => counts.pending += 1,
                SilenceState::Expired => counts.expired += 1,
            }
        }
        counts
    }

    /// What was counted since the start.
    #[must_use]
    pub fn stats(&self) -> &SilenceStats {
        &self.stats
    }

    /// The indexes of the store as it is.
    pub(super) fn tiers(&self) -> &Tiers {
        &self.tiers
    }

    fn put(&mut self, silence: Silence, now: Timestamp) -> Arc<Silence> {
        let silence = self.store(silence);
        self.tiers.put(&silence.id, &self.by_id, now);
        silence
    }

    fn would_merge(&self, silence: &Silence, now: Timestamp) -> bool {
        silence.expires_at > now
            && self
                .get(&silence.id)
                .is_none_or(|own| silence.precedence(own).is_gt())
    }

    /// Stores a silence without a word to the indexes.
    fn store(&mut self, silence: Silence) -> Arc<Silence> {
        let pivots = match self.by_id.get(&silence.id) {
            Some(own) if own.silence.matcher_sets == silence.matcher_sets => own.pivots.clone(),
            Some(_) | None => silence.matcher_sets.iter().map(|set| pivots(set)).collect(),
        };
        let silence = Arc::new(silence);
        let indexed = Indexed {
            silence: silence.clone(),
            pivots,
        };
        let old = self.by_id.insert(silence.id.clone(), indexed);
        if let Some(old) = old {
            let old = &old.silence;
            self.expiries.remove(&(old.expires_at, old.id.clone()));
        }
        self.expiries
            .insert((silence.expires_at, silence.id.clone()));
        silence
    }

    fn drafted(&self, draft: SilenceDraft, now: Timestamp) -> Result<Silence, SilenceError> {
        let starts_at = if draft.starts_at.is_zero() {
            now
        } else {
            draft.starts_at
        };
        if draft.ends_at.is_zero() {
            return Err(SilenceError::Invalid(InvalidSilence::NoEnd));
        }
        if draft.ends_at < starts_at {
            return Err(SilenceError::Invalid(InvalidSilence::EndBeforeStart));
        }
        Ok(Silence {
            id: draft.id.unwrap_or_default(),
            matcher_sets: draft.matcher_sets,
            starts_at,
            ends_at: draft.ends_at,
            updated_at: now,
            created_by: draft.created_by,
            comment: draft.comment,
            annotations: draft.annotations,
            expires_at: draft.ends_at.plus(self.retention),
            rev: 1,
            expired_by_user: false,
        })
    }
}

/// Whether `new` may take the place of `old` without rewriting which alerts were muted in the past.
fn can_update(old: &Silence, new: &Silence, now: Timestamp) -> bool {
    old.matcher_sets == new.matcher_sets
        && match old.state_at(now) {
            SilenceState::Active => {
                old.starts_at.unix_seconds() == new.starts_at.unix_seconds() && new.ends_at >= now
            }
            SilenceState::Pending => new.starts_at >= now,
            SilenceState::Expired => false,
        }
}

fn check_size(silence: &Silence, limits: SilenceLimits) -> Result<(), SilenceError> {
    if limits.max_size_bytes == 0 {
        return Ok(());
    }
    // Upstream measures before it copies the first set into the old field.
    let mut mesh = MeshSilence::from(silence);
    if let Some(silence) = &mut mesh.silence {
        silence.matchers.clear();
    }
    let size = mesh.encoded_len();
    if size > limits.max_size_bytes {
        return Err(SilenceError::TooLarge {
            size,
            limit: limits.max_size_bytes,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        labels::{MatchOp, Matcher, MatcherMode},
        rng::Rng,
        silence::{MatcherText, check_matcher_sets},
    };

    const RETENTION: Duration = Duration::from_secs(3600);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(1_795_000_000 + seconds, 0)
    }

    fn matchers(value: &str) -> MatcherSets {
        let text = MatcherText {
            name: "job".to_owned(),
            op: MatchOp::Equal,
            value: value.to_owned(),
        };
        check_matcher_sets(&[vec![text]], MatcherMode::Fallback).unwrap()
    }

    fn draft(id: Option<&Arc<str>>, value: &str, starts_at: i64, ends_at: i64) -> SilenceDraft {
        SilenceDraft {
            id: id.cloned(),
            matcher_sets: matchers(value),
            starts_at: at(starts_at),
            ends_at: at(ends_at),
            created_by: "me".to_owned(),
            comment: "why".to_owned(),
            annotations: BTreeMap::new(),
        }
    }

    struct Fixture {
        silences: Silences,
        rng: Rng,
        limits: SilenceLimits,
    }

    impl Fixture {
        fn new() -> Self {
            Self {
                silences: Silences::new(RETENTION),
                rng: Rng::from_seed(1),
                limits: SilenceLimits::default(),
            }
        }

        fn set(&mut self, draft: SilenceDraft, now: i64) -> Result<SetOutcome, SilenceError> {
            self.silences
                .set(draft, at(now), self.limits, &mut self.rng)
        }

        fn state(&self, id: &str, now: i64) -> SilenceState {
            self.silences.get(id).unwrap().state_at(at(now))
        }
    }

    #[test]
    fn the_state_follows_from_time_alone() {
        let mut f = Fixture::new();
        let id = f.set(draft(None, "x", 10, 20), 0).unwrap().id;
        for (now, state) in [
            (9, SilenceState::Pending),
            (10, SilenceState::Active),
            (20, SilenceState::Active),
            (21, SilenceState::Expired),
        ] {
            assert_eq!(f.state(&id, now), state, "{now}");
        }
        assert_eq!(f.silences.get(&id).unwrap().expires_at, at(20 + 3600));
    }

    #[test]
    fn edits_in_place_unless_the_past_would_change() {
        // Starts 100, ends 200; the edit, when it is made, and whether it may keep the id.
        for (now, value, starts_at, ends_at, in_place) in [
            (50, "x", 60, 70, true),
            (50, "x", 50, 300, true),
            (50, "y", 100, 200, false),
            (50, "x", 40, 200, false),
            (150, "x", 100, 160, true),
            (150, "x", 100, 150, true),
            (150, "x", 100, 149, false),
            (150, "x", 101, 200, false),
            (150, "y", 100, 200, false),
            (201, "x", 100, 300, false),
        ] {
            let mut f = Fixture::new();
            let id = f.set(draft(None, "x", 100, 200), 0).unwrap().id;
            let case = format!("at {now}: {value} {starts_at}-{ends_at}");
            let done = f
                .set(draft(Some(&id), value, starts_at, ends_at), now)
                .unwrap();
            assert_eq!(done.id == id, in_place, "{case}");
            if in_place {
                assert_eq!(done.kind, SetKind::Updated, "{case}");
                assert_eq!(done.changed.len(), 1, "{case}");
                assert_eq!(done.changed[0].rev, 2, "{case}");
            } else {
                assert_eq!(done.kind, SetKind::Replaced, "{case}");
                let was_over = now > 200;
                assert_eq!(done.changed.len(), if was_over { 1 } else { 2 }, "{case}");
                assert_eq!(f.silences.get(&id).unwrap().expired_by_user, !was_over);
                assert_eq!(f.state(&id, now + 1), SilenceState::Expired, "{case}");
                let new = f.silences.get(&done.id).unwrap();
                assert_eq!(new.starts_at, at(starts_at.max(now)), "{case}");
            }
        }
    }

    #[test]
    fn refuses_what_alertmanager_refuses() {
        let mut f = Fixture::new();
        let id = f.set(draft(None, "x", 0, 20), 0).unwrap().id;
        let missing: Arc<str> = "9b2c9a44-8b0a-4f2c-9d0b-0d8a7b3c2f11".into();
        assert_eq!(
            f.set(draft(Some(&missing), "x", 0, 20), 0).unwrap_err(),
            SilenceError::NotFound
        );
        let said = |f: &mut Fixture, draft| f.set(draft, 5).unwrap_err().to_string();
        assert_eq!(
            said(&mut f, draft(None, "x", 10, 9)),
            "invalid silence: end time must not be before start time"
        );
        let endless = SilenceDraft {
            ends_at: Timestamp::ZERO,
            ..draft(None, "x", 0, 0)
        };
        assert_eq!(
            said(&mut f, endless),
            "invalid silence: invalid zero end timestamp"
        );
        f.limits.max_silences = 1;
        assert_eq!(
            said(&mut f, draft(None, "y", 6, 20)),
            "exceeded maximum number of silences: 1 (limit: 1)"
        );
        assert_eq!(
            said(&mut f, draft(Some(&id), "y", 6, 20)),
            "exceeded maximum number of silences: 1 (limit: 1)"
        );
        assert_eq!(f.state(&id, 6), SilenceState::Active);
        assert!(f.set(draft(Some(&id), "x", 0, 30), 5).is_ok());
        f.limits = SilenceLimits {
            max_silences: 0,
            max_size_bytes: 100,
        };
        assert_eq!(
            said(&mut f, draft(None, "a-value-that-is-long", 6, 20)),
            "silence exceeded maximum size: 112 bytes (limit: 100 bytes)"
        );
        assert_eq!(f.silences.len(), 1);
    }

    #[test]
    fn a_draft_without_start_or_with_a_past_one_starts_at_once() {
        let mut f = Fixture::new();
        for starts_at in [Timestamp::ZERO, at(-500)] {
            let draft = SilenceDraft {
                starts_at,
                ..draft(None, "x", 0, 20)
            };
            let id = f.set(draft, 3).unwrap().id;
            assert_eq!(f.silences.get(&id).unwrap().starts_at, at(3));
        }
    }

    #[test]
    fn expires_once_and_forgets_after_the_retention() {
        let mut f = Fixture::new();
        let active = f.set(draft(None, "x", 0, 100), 0).unwrap().id;
        let pending = f.set(draft(None, "y", 50, 100), 0).unwrap().id;
        for id in [&active, &pending] {
            let Ok(Expired::Changed(changed)) = f.silences.expire(id, at(10)) else {
                panic!("{id} did not change");
            };
            assert_eq!((changed.ends_at, changed.updated_at), (at(10), at(10)));
            assert!(changed.expired_by_user);
            assert!(matches!(
                f.silences.expire(id, at(11)),
                Ok(Expired::Already)
            ));
        }
        assert_eq!(f.silences.get(&pending).unwrap().starts_at, at(10));
        assert!(matches!(
            f.silences.expire("x", at(11)),
            Err(SilenceError::NotFound)
        ));
        assert_eq!(f.silences.counts(at(11)).expired, 2);
        assert!(f.silences.gc(9, at(10 + 3599)).is_empty());
        assert_eq!(f.silences.gc(9, at(10 + 3600)).len(), 2);
        assert!(f.silences.is_empty());
    }

    #[test]
    fn lists_what_was_asked_for_in_the_order_of_the_api() {
        let mut f = Fixture::new();
        let mut name = BTreeMap::new();
        for (label, starts_at, ends_at) in [
            ("active-late", 0, 90),
            ("active-soon", 0, 60),
            ("pending-late", 80, 99),
            ("pending-soon", 70, 99),
            ("expired-old", 0, 10),
            ("expired-new", 0, 20),
        ] {
            let id = f.set(draft(None, label, starts_at, ends_at), 0).unwrap().id;
            name.insert(id, label);
        }
        let list = |query: &SilenceQuery| -> Vec<&str> {
            let found = f.silences.query(query, at(50));
            found.iter().map(|s| name[&s.id]).collect()
        };
        assert_eq!(
            list(&SilenceQuery::default()),
            [
                "active-soon",
                "active-late",
                "pending-soon",
                "pending-late",
                "expired-new",
                "expired-old"
            ]
        );
        let filtered = |op, value, active| SilenceQuery {
            filter: vec![Matcher::new(op, "job", value).unwrap()],
            active,
            ..SilenceQuery::default()
        };
        assert_eq!(
            list(&filtered(MatchOp::Equal, "expired-old", false)),
            ["expired-old"]
        );
        assert!(list(&filtered(MatchOp::Equal, "active-soon", false)).is_empty());
        assert!(list(&filtered(MatchOp::Regex, "expired-old", true)).is_empty());
    }

    #[test]
    fn a_silence_from_a_file_wins_by_its_time_but_never_revives_one() {
        let mut f = Fixture::new();
        let id = f.set(draft(None, "x", 0, 100), 0).unwrap().id;
        let own = Silence::clone(f.silences.get(&id).unwrap());
        let file = |updated_at, ends_at| Silence {
            rev: 0,
            updated_at: at(updated_at),
            ends_at: at(ends_at),
            ..own.clone()
        };
        assert!(f.silences.import([file(0, 50)], at(1)).is_empty());
        assert_eq!(f.silences.import([file(5, 200)], at(6))[0].rev, 2);
        assert!(f.silences.import([own.clone()], at(7)).is_empty());
        let Ok(Expired::Changed(_)) = f.silences.expire(&id, at(8)) else {
            panic!("it was active");
        };
        let later = &f.silences.import([file(9, 10)], at(9))[0];
        assert!(later.expired_by_user);
        let old = Silence {
            id: "other".into(),
            expires_at: at(9),
            ..own
        };
        assert!(f.silences.import([old], at(9)).is_empty());
    }

    fn copy() -> impl Strategy<Value = Silence> {
        let small = 0..3_i64;
        (
            0..2_u8,
            0..3_u64,
            small.clone(),
            small.clone(),
            small,
            any::<bool>(),
        )
            .prop_map(
                |(id, rev, updated_at, ends_at, text, expired_by_user)| Silence {
                    id: format!("silence-{id}").into(),
                    matcher_sets: matchers("x"),
                    starts_at: at(0),
                    ends_at: at(10 + ends_at),
                    updated_at: at(updated_at),
                    created_by: String::new(),
                    comment: text.to_string(),
                    annotations: BTreeMap::new(),
                    expires_at: at(100),
                    rev,
                    expired_by_user,
                },
            )
    }

    fn merged(copies: &[Silence]) -> Vec<Arc<Silence>> {
        let mut silences = Silences::new(RETENTION);
        for copy in copies {
            silences.merge(copy.clone(), at(50));
        }
        silences.iter().cloned().collect()
    }

    proptest! {
        #[test]
        fn merging_does_not_depend_on_order_or_repetition(
            (copies, shuffled) in prop::collection::vec(copy(), 1..8)
                .prop_flat_map(|copies| (Just(copies.clone()), Just(copies).prop_shuffle())),
            repeat in any::<prop::sample::Index>(),
        ) {
            let expect = merged(&copies);
            prop_assert_eq!(&merged(&shuffled), &expect);
            let mut again = shuffled;
            again.push(copies[repeat.index(copies.len())].clone());
            prop_assert_eq!(&merged(&again), &expect);
            for silence in expect {
                let expired = copies.iter().any(|c| c.id == silence.id && c.expired_by_user);
                prop_assert_eq!(silence.expired_by_user, expired);
            }
        }
    }

    #[test]
    fn a_copy_that_may_be_forgotten_is_not_merged() {
        let mut f = Fixture::new();
        let id = f.set(draft(None, "x", 0, 100), 0).unwrap().id;
        let silence = Silence::clone(f.silences.get(&id).unwrap());
        let mut other = Silences::new(RETENTION);
        assert!(!other.merge(silence.clone(), at(3700)));
        assert!(other.merge(silence.clone(), at(3699)));
        assert!(!other.merge(silence, at(3699)));
    }
}
