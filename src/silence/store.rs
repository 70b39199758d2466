//! The store: sets, expires, merges and forgets silences. `Clone` is O(1) and gives a reader its own snapshot.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use imbl::{OrdMap, OrdSet};
use prost::Message as _;

use super::{
    error::{InvalidSilence, SilenceError},
    index::{Index, Indexed},
    matcher::SilenceMatcher,
    model::{MatcherSets, Silence, SilenceState},
    pivot::pivots,
    query::{SilenceQuery, listing_order},
    stats::{SilenceCounts, SilenceStats},
    wire::MeshSilence,
};
use crate::{labels::LabelSet, rng::Rng, time::Timestamp};

/// Changes that readers sort out by themselves before the index is made anew.
const MAX_CHANGED: usize = if cfg!(test) { 8 } else { 64 };

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
    by_id: OrdMap<Arc<str>, Indexed>,
    /// Of the silences as they were some changes ago.
    index: Arc<Index>,
    /// The silences that differ from what `index` holds, or are gone.
    changed: OrdSet<Arc<str>>,
    stats: SilenceStats,
}

impl Silences {
    /// Makes an empty store that keeps silences for `retention` after their end.
    #[must_use]
    pub fn new(retention: Duration) -> Self {
        Self {
            retention,
            by_id: OrdMap::new(),
            index: Arc::new(Index::build(std::iter::empty(), Timestamp::ZERO)),
            changed: OrdSet::new(),
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
        if silence.expires_at <= now {
            return false;
        }
        if let Some(own) = self.get(&silence.id)
            && silence.precedence(own).is_le()
        {
            return false;
        }
        self.put(silence, now);
        true
    }

    /// Takes in a silence from a file of Alertmanager, which knows no edit counter: the newer `updated_at` wins.
    ///
    /// Returns what to persist if the store changed.
    pub fn import(&mut self, mut silence: Silence, now: Timestamp) -> Option<Arc<Silence>> {
        if silence.expires_at <= now {
            return None;
        }
        if let Some(own) = self.get(&silence.id) {
            if own.updated_at >= silence.updated_at {
                return None;
            }
            silence.rev = own.rev + 1;
            silence.expired_by_user |= own.expired_by_user;
        }
        Some(self.put(silence, now))
    }

    /// Forgets the silences whose retention is over; returns their ids.
    pub fn gc(&mut self, now: Timestamp) -> Vec<Arc<str>> {
        let removed: Vec<Arc<str>> = self
            .iter()
            .filter(|silence| silence.expires_at <= now)
            .map(|silence| silence.id.clone())
            .collect();
        for id in &removed {
            self.by_id.remove(id);
            self.changed.insert(id.clone());
        }
        self.reindex_if_due(now);
        removed
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

    /// The index, and one of what changed since it was made.
    pub(super) fn indexes(&self) -> (Arc<Index>, Index) {
        let changed = self.changed.iter().filter_map(|id| self.by_id.get(id));
        let changes = Index::build(changed, self.index.built_at());
        (self.index.clone(), changes)
    }

    /// The silences for which the index does not hold.
    pub(super) fn changed_ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.changed.iter()
    }

    fn put(&mut self, silence: Silence, now: Timestamp) -> Arc<Silence> {
        let pivots = match self.by_id.get(&silence.id) {
            Some(own) if own.silence.matcher_sets == silence.matcher_sets => own.pivots.clone(),
            Some(_) | None => silence.matcher_sets.iter().map(|set| pivots(set)).collect(),
        };
        let silence = Arc::new(silence);
        let id = silence.id.clone();
        self.changed.insert(id.clone());
        self.by_id.insert(
            id,
            Indexed {
                silence: silence.clone(),
                pivots,
            },
        );
        self.reindex_if_due(now);
        silence
    }

    /// Makes the index anew once so much changed that readers would pay more than the work is worth.
    fn reindex_if_due(&mut self, now: Timestamp) {
        if self.changed.len() > MAX_CHANGED.max(self.by_id.len() / 16) {
            self.index = Arc::new(Index::build(self.by_id.values(), now));
            self.changed = OrdSet::new();
        }
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
