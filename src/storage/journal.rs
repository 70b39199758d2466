//! The alert journal: alerts are saved in numbered batches of many records instead of one by one.
//!
//! A batch is never rewritten. Its records die when newer ones take their place, and batches are deleted from the oldest
//! on, only once all their records are dead: so a removal is always deleted after what it removes. When the dead
//! outnumber the living, the living records of the oldest batches are written again. Keeping order and durability of
//! the operations is the shell's part.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use prost::encoding::{encode_varint, encoded_len_varint};

use super::{
    alert_record::{AlertRecord, decode_next, encode_full, encode_refresh, encode_removed},
    error::RecordError,
    records::{VERSION, body},
};
use crate::{alert::Alert, labels::Fingerprint};

/// The most bytes that a batch takes, unless a single alert takes more; values of the store stay below 64 KiB.
pub const MAX_BATCH_BYTES: usize = 60 * 1024;

/// Dead records that are not worth the work of writing others again.
const SPARE_RECORDS: u64 = 1000;

/// What to do with the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalOp {
    /// Write a batch.
    Put(u64, Vec<u8>),
    /// Delete a batch.
    Delete(u64),
}

/// What [`AlertJournal::load`] read.
#[derive(Debug)]
pub struct JournalLoad {
    /// The alerts as last saved, by fingerprint.
    pub alerts: Vec<Alert>,
    /// The journal to go on with.
    pub journal: AlertJournal,
    /// Batches that could not be read, or only up to some record.
    pub errors: Vec<(u64, RecordError)>,
}

/// Which alerts are to be saved, and where the saved ones are: about 22 bytes per alert.
#[derive(Debug, Default)]
pub struct AlertJournal {
    places: HashMap<Fingerprint, Place>,
    batches: BTreeMap<u32, Batch>,
    next_batch: u32,
    /// Sums over `batches`.
    total: Batch,
    changed: VecDeque<Fingerprint>,
    refreshed: VecDeque<Fingerprint>,
    /// Alerts whose records are to be written again because they are in a batch up to the number given.
    moving: VecDeque<Fingerprint>,
    moving_up_to: u32,
}

/// The batches in which an alert's living records are, each with a mark that a newer one waits to be written.
#[derive(Debug, Clone, Copy)]
struct Place {
    full: Mark,
    refresh: Mark,
}

/// A batch number or none in 31 bits, and one bit.
#[derive(Debug, Clone, Copy)]
struct Mark(u32);

#[derive(Debug, Default, Clone, Copy)]
struct Batch {
    records: u64,
    living: u64,
}

impl AlertJournal {
    /// Makes the journal of an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that an alert is new or differs in more than its end.
    pub fn mark_changed(&mut self, fingerprint: Fingerprint) {
        let place = self.places.entry(fingerprint).or_insert(Place::NOWHERE);
        if place.full.set_waiting() {
            self.changed.push_back(fingerprint);
        }
    }

    /// Notes that an alert was posted again and only its end moved.
    pub fn mark_refreshed(&mut self, fingerprint: Fingerprint) {
        match self.places.get_mut(&fingerprint) {
            Some(place) if place.full.is_waiting() => {}
            Some(place) if place.full.batch().is_some() => {
                if place.refresh.set_waiting() {
                    self.refreshed.push_back(fingerprint);
                }
            }
            Some(_) | None => self.mark_changed(fingerprint),
        }
    }

    /// Notes that an alert is gone.
    pub fn mark_removed(&mut self, fingerprint: Fingerprint) {
        if self.places.contains_key(&fingerprint) {
            self.mark_changed(fingerprint);
        }
    }

    /// Records that wait to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.changed.len() + self.refreshed.len() + self.moving.len()
    }

    /// Saves changed and removed alerts, and with `refreshes` those refreshed, at most `max_records` of them; what is
    /// left waits for the next call. `lookup` tells what an alert is, or that it is gone.
    ///
    /// The operations are to be done in order.
    #[must_use]
    pub fn flush(
        &mut self,
        lookup: impl Fn(Fingerprint) -> Option<Arc<Alert>>,
        refreshes: bool,
        max_records: usize,
    ) -> Vec<JournalOp> {
        let mut writer = Writer::new(self.next_batch);
        // Under a flood of changes the dead would grow without bound if moving only got what is left.
        let for_moves = if self.is_crowded() {
            max_records / 4
        } else {
            0
        };
        while writer.written < max_records - for_moves
            && let Some(fingerprint) = self.changed.pop_front()
        {
            self.write(fingerprint, &lookup, &mut writer);
        }
        while refreshes
            && writer.written < max_records - for_moves
            && let Some(fingerprint) = self.refreshed.pop_front()
        {
            self.write_refresh(fingerprint, &lookup, &mut writer);
        }
        self.plan_moves();
        while writer.written < max_records
            && let Some(fingerprint) = self.moving.pop_front()
        {
            let place = self.places.get(&fingerprint);
            if place.is_some_and(|place| place.is_within(self.moving_up_to)) {
                self.write(fingerprint, &lookup, &mut writer);
            }
        }
        let mut ops = writer.finish();
        if let Some(JournalOp::Put(last, _)) = ops.last() {
            self.next_batch = u32::try_from(last + 1).unwrap_or(Mark::NONE);
        }
        self.delete_dead(&mut ops);
        ops
    }

    /// Whether changed or removed alerts wait to be saved.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Whether refreshed alerts wait to be saved.
    #[must_use]
    pub fn has_refreshes(&self) -> bool {
        !self.refreshed.is_empty()
    }

    /// Reads the batches of a store, in any order. Of a damaged batch what stands before the damage is used.
    #[must_use]
    pub fn load<'a>(batches: impl IntoIterator<Item = (u64, &'a [u8])>) -> JournalLoad {
        let mut batches: Vec<_> = batches.into_iter().collect();
        batches.sort_unstable_by_key(|(seq, _)| *seq);
        let mut journal = Self::default();
        let mut alerts = BTreeMap::new();
        let mut errors = Vec::new();
        for (seq, bytes) in batches {
            let Ok(number) = u32::try_from(seq) else {
                continue;
            };
            journal.batches.insert(number, Batch::default());
            journal.next_batch = number.saturating_add(1);
            if let Err(error) = journal.read(number, bytes, &mut alerts) {
                errors.push((seq, error));
            }
        }
        JournalLoad {
            alerts: alerts.into_values().collect(),
            journal,
            errors,
        }
    }

    /// Writes an alert whole, or that it is gone.
    fn write(
        &mut self,
        fingerprint: Fingerprint,
        lookup: &impl Fn(Fingerprint) -> Option<Arc<Alert>>,
        writer: &mut Writer,
    ) {
        let Some(place) = self.places.get(&fingerprint).copied() else {
            return;
        };
        let was_saved = self.release(place);
        if let Some(alert) = lookup(fingerprint) {
            let batch = writer.append(|out| encode_full(&alert, out));
            self.account(batch, 1);
            let place = Place {
                full: Mark::of(batch),
                refresh: Mark(Mark::NONE),
            };
            self.places.insert(fingerprint, place);
        } else {
            if was_saved {
                let batch = writer.append(|out| encode_removed(fingerprint, out));
                self.account(batch, 0);
            }
            self.places.remove(&fingerprint);
        }
    }

    fn write_refresh(
        &mut self,
        fingerprint: Fingerprint,
        lookup: &impl Fn(Fingerprint) -> Option<Arc<Alert>>,
        writer: &mut Writer,
    ) {
        // Without its mark the alert was written whole since, or is gone.
        let Some(mut place) = self.places.get(&fingerprint).copied() else {
            return;
        };
        if !place.refresh.is_waiting() {
            return;
        }
        let Some(alert) = lookup(fingerprint) else {
            self.write(fingerprint, lookup, writer);
            return;
        };
        let batch = writer.append(|out| encode_refresh(&alert, out));
        self.account(batch, 1);
        self.kill(place.refresh);
        place.refresh = Mark::of(batch);
        self.places.insert(fingerprint, place);
    }

    /// Whether the dead outnumber the living.
    fn is_crowded(&self) -> bool {
        self.total.records > 2 * self.total.living + SPARE_RECORDS
    }

    /// Chooses what to write again once the dead outnumber the living.
    #[expect(
        clippy::disallowed_methods,
        reason = "the order is made by sorting; one look at all alerts for as many dead records"
    )]
    fn plan_moves(&mut self) {
        if !self.moving.is_empty() || !self.is_crowded() {
            return;
        }
        let dead = self.total.records - self.total.living;
        let mut freed = 0;
        for (number, batch) in &self.batches {
            self.moving_up_to = *number;
            freed += batch.records - batch.living;
            if freed > dead / 2 {
                break;
            }
        }
        let mut moving: Vec<(Mark, Fingerprint)> = self
            .places
            .iter()
            .filter(|(_, place)| place.is_within(self.moving_up_to))
            .map(|(fingerprint, place)| (place.full, *fingerprint))
            .collect();
        moving.sort_unstable_by_key(|(full, fingerprint)| (full.batch(), *fingerprint));
        self.moving = moving.into_iter().map(|(_, f)| f).collect();
    }

    fn delete_dead(&mut self, ops: &mut Vec<JournalOp>) {
        while let Some(oldest) = self.batches.first_entry()
            && oldest.get().living == 0
        {
            let (number, batch) = oldest.remove_entry();
            self.total.records -= batch.records;
            ops.push(JournalOp::Delete(u64::from(number)));
        }
    }

    /// Counts an alert's saved records as dead; tells whether there were any.
    fn release(&mut self, place: Place) -> bool {
        self.kill(place.refresh);
        self.kill(place.full)
    }

    fn kill(&mut self, mark: Mark) -> bool {
        let batch = mark
            .batch()
            .and_then(|number| self.batches.get_mut(&number));
        let Some(batch) = batch else { return false };
        batch.living -= 1;
        self.total.living -= 1;
        true
    }

    fn account(&mut self, number: u32, living: u64) {
        for batch in [self.batches.entry(number).or_default(), &mut self.total] {
            batch.records += 1;
            batch.living += living;
        }
    }

    fn read(
        &mut self,
        number: u32,
        bytes: &[u8],
        alerts: &mut BTreeMap<Fingerprint, Alert>,
    ) -> Result<(), RecordError> {
        let mut rest = body(bytes)?;
        while !rest.is_empty() {
            let record = decode_next(&mut rest).map_err(|source| RecordError::Damaged {
                what: "alert batch",
                source,
            })?;
            self.apply(number, record, alerts);
        }
        Ok(())
    }

    fn apply(
        &mut self,
        number: u32,
        record: Option<AlertRecord>,
        alerts: &mut BTreeMap<Fingerprint, Alert>,
    ) {
        match record {
            Some(AlertRecord::Full(alert)) => {
                let place = Place {
                    full: Mark::of(number),
                    refresh: Mark(Mark::NONE),
                };
                if let Some(old) = self.places.insert(alert.fingerprint, place) {
                    self.release(old);
                }
                self.account(number, 1);
                alerts.insert(alert.fingerprint, alert);
            }
            Some(AlertRecord::Refresh {
                fingerprint,
                updated_at,
                ends_at,
                timeout,
            }) => {
                let (Some(alert), Some(place)) = (
                    alerts.get_mut(&fingerprint),
                    self.places.get_mut(&fingerprint),
                ) else {
                    // What it refreshes was in a batch that is lost.
                    self.account(number, 0);
                    return;
                };
                (alert.updated_at, alert.ends_at, alert.timeout) = (updated_at, ends_at, timeout);
                let old = std::mem::replace(&mut place.refresh, Mark::of(number));
                self.kill(old);
                self.account(number, 1);
            }
            Some(AlertRecord::Removed(fingerprint)) => {
                alerts.remove(&fingerprint);
                if let Some(old) = self.places.remove(&fingerprint) {
                    self.release(old);
                }
                self.account(number, 0);
            }
            None => self.account(number, 0),
        }
    }
}

impl Place {
    const NOWHERE: Self = Self {
        full: Mark(Mark::NONE),
        refresh: Mark(Mark::NONE),
    };

    fn is_within(self, number: u32) -> bool {
        self.full.batch().is_some_and(|batch| batch <= number)
    }
}

impl Mark {
    const NONE: u32 = u32::MAX >> 1;
    const WAITING: u32 = !Self::NONE;

    fn of(batch: u32) -> Self {
        Self(batch.min(Self::NONE))
    }

    fn batch(self) -> Option<u32> {
        let number = self.0 & Self::NONE;
        (number != Self::NONE).then_some(number)
    }

    fn is_waiting(self) -> bool {
        self.0 & Self::WAITING != 0
    }

    /// Tells whether the mark was not there.
    fn set_waiting(&mut self) -> bool {
        let new = !self.is_waiting();
        self.0 |= Self::WAITING;
        new
    }
}

/// Fills batches.
struct Writer {
    ops: Vec<JournalOp>,
    number: u32,
    batch: Vec<u8>,
    record: Vec<u8>,
    written: usize,
}

impl Writer {
    fn new(number: u32) -> Self {
        Self {
            ops: Vec::new(),
            number,
            batch: vec![VERSION],
            record: Vec::new(),
            written: 0,
        }
    }

    /// Appends a record and tells in which batch it is.
    fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> u32 {
        self.record.clear();
        encode(&mut self.record);
        let length = self.record.len() as u64;
        let needs = self.record.len() + encoded_len_varint(length);
        if self.batch.len() > 1 && self.batch.len() + needs > MAX_BATCH_BYTES {
            self.close();
            self.number += 1;
        }
        encode_varint(length, &mut self.batch);
        self.batch.extend_from_slice(&self.record);
        self.written += 1;
        self.number
    }

    fn close(&mut self) {
        let batch = std::mem::replace(&mut self.batch, vec![VERSION]);
        self.ops.push(JournalOp::Put(u64::from(self.number), batch));
    }

    fn finish(mut self) -> Vec<JournalOp> {
        if self.batch.len() > 1 {
            self.close();
        }
        self.ops
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{labels::LabelSet, time::Timestamp};

    type Store = BTreeMap<u64, Vec<u8>>;
    type Model = BTreeMap<Fingerprint, Arc<Alert>>;

    fn alert(id: u64, version: u64, padding: usize) -> Alert {
        let labels = LabelSet::from_pairs([("alertname", format!("a{id}"))]);
        let at = |seconds: u64| Timestamp::from_unix(1_795_000_000 + seconds.cast_signed(), 7);
        Alert {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: LabelSet::from_pairs([("v", format!("{version}{}", "x".repeat(padding)))]),
            generator_url: "".into(),
            starts_at: at(id),
            ends_at: at(version + 300),
            updated_at: at(version),
            timeout: version.is_multiple_of(2),
        }
    }

    fn apply(ops: Vec<JournalOp>, store: &mut Store) {
        for op in ops {
            match op {
                JournalOp::Put(seq, bytes) => {
                    assert!(bytes.len() <= MAX_BATCH_BYTES);
                    assert!(store.insert(seq, bytes).is_none(), "batch {seq} rewritten");
                }
                JournalOp::Delete(seq) => {
                    assert!(store.remove(&seq).is_some());
                }
            }
        }
    }

    fn load(store: &Store) -> JournalLoad {
        AlertJournal::load(store.iter().map(|(seq, bytes)| (*seq, &**bytes)))
    }

    fn flush_all(journal: &mut AlertJournal, model: &Model, store: &mut Store, max: usize) {
        loop {
            apply(journal.flush(|f| model.get(&f).cloned(), true, max), store);
            if !journal.has_changes() && !journal.has_refreshes() {
                return;
            }
        }
    }

    fn assert_saved(model: &Model, store: &Store) -> AlertJournal {
        let loaded = load(store);
        assert!(loaded.errors.is_empty());
        let expect: Vec<Alert> = model.values().map(|a| Alert::clone(a)).collect();
        assert_eq!(loaded.alerts, expect);
        loaded.journal
    }

    #[derive(Debug, Clone)]
    enum Step {
        Post(u64, usize),
        Refresh(u64),
        Remove(u64),
        Flush(bool, usize),
        Check,
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..40_u64, 0..3_000_usize).prop_map(|(id, padding)| Step::Post(id, padding)),
            8 => (0..40_u64).prop_map(Step::Refresh),
            3 => (0..40_u64).prop_map(Step::Remove),
            3 => (any::<bool>(), 4..60_usize).prop_map(|(all, max)| Step::Flush(all, max)),
            1 => Just(Step::Check),
            1 => Just(Step::Restart),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_loaded_is_what_was_saved(steps in prop::collection::vec(step(), 1..400)) {
            let (mut journal, mut model, mut store) = (AlertJournal::new(), Model::new(), Store::new());
            for (version, step) in (0..).zip(steps) {
                match step {
                    Step::Post(id, padding) => {
                        let alert = alert(id, version, padding);
                        journal.mark_changed(alert.fingerprint);
                        model.insert(alert.fingerprint, Arc::new(alert));
                    }
                    Step::Refresh(id) => {
                        let new = alert(id, version, 0);
                        if let Some(old) = model.get_mut(&new.fingerprint) {
                            let old = Arc::make_mut(old);
                            (old.updated_at, old.ends_at) = (new.updated_at, new.ends_at);
                            old.timeout = new.timeout;
                            journal.mark_refreshed(new.fingerprint);
                        }
                    }
                    Step::Remove(id) => {
                        let fingerprint = alert(id, 0, 0).fingerprint;
                        model.remove(&fingerprint);
                        journal.mark_removed(fingerprint);
                    }
                    Step::Flush(refreshes, max) => {
                        apply(journal.flush(|f| model.get(&f).cloned(), refreshes, max), &mut store);
                    }
                    Step::Check => {
                        flush_all(&mut journal, &model, &mut store, 50);
                        assert_saved(&model, &store);
                    }
                    Step::Restart => {
                        flush_all(&mut journal, &model, &mut store, 1000);
                        journal = assert_saved(&model, &store);
                    }
                }
            }
        }

        #[test]
        fn hostile_batches_never_panic(
            batches in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4),
            cut in 0..5_000_usize,
            flip in any::<u8>(),
        ) {
            let (mut journal, mut model, mut store) = (AlertJournal::new(), Model::new(), Store::new());
            for id in 0..20 {
                let alert = alert(id, id, 50);
                journal.mark_changed(alert.fingerprint);
                model.insert(alert.fingerprint, Arc::new(alert));
            }
            flush_all(&mut journal, &model, &mut store, 1000);
            let mut damaged = store.remove(&0).unwrap();
            let at = cut % damaged.len();
            damaged[at] ^= flip;
            store.insert(0, damaged);
            for (seq, mut bytes) in (1..).zip(batches) {
                bytes.insert(0, 1);
                store.insert(seq, bytes);
            }
            let JournalLoad { mut journal, alerts, .. } = load(&store);
            for alert in &alerts {
                journal.mark_changed(alert.fingerprint);
            }
            let model: Model = alerts.into_iter().map(|a| (a.fingerprint, Arc::new(a))).collect();
            flush_all(&mut journal, &model, &mut store, 1000);
            prop_assert_eq!(load(&store).alerts.len(), model.len());
        }
    }

    #[test]
    fn refreshes_forever_take_bounded_space() {
        let (mut journal, mut model, mut store) = (AlertJournal::new(), Model::new(), Store::new());
        for id in 0..300 {
            let alert = alert(id, 0, 0);
            journal.mark_changed(alert.fingerprint);
            model.insert(alert.fingerprint, Arc::new(alert));
        }
        let mut most = 0;
        for version in 1..100 {
            for (fingerprint, alert) in &mut model {
                let alert = Arc::make_mut(alert);
                alert.updated_at = Timestamp::from_unix(version, 0);
                journal.mark_refreshed(*fingerprint);
            }
            flush_all(&mut journal, &model, &mut store, 100);
            most = most.max(journal.total.records);
        }
        // While the 300 whole alerts move with a quarter of the work, three quarters are refreshes.
        assert!(most <= 2 * 600 + SPARE_RECORDS + 3 * 300, "{most} records");
        assert_saved(&model, &store);
        for fingerprint in std::mem::take(&mut model).into_keys() {
            journal.mark_removed(fingerprint);
        }
        flush_all(&mut journal, &model, &mut store, 100);
        assert!(store.is_empty(), "{:?}", journal.batches);
        assert!(journal.places.is_empty());
    }

    #[test]
    fn the_order_of_operations_may_be_cut_anywhere() {
        let (mut journal, mut model, mut store) = (AlertJournal::new(), Model::new(), Store::new());
        for round in 0..40_u64 {
            for id in 0..60 {
                let alert = alert(id, round, 400);
                if (id + round) % 7 == 0 {
                    model.remove(&alert.fingerprint);
                    journal.mark_removed(alert.fingerprint);
                } else {
                    journal.mark_changed(alert.fingerprint);
                    model.insert(alert.fingerprint, Arc::new(alert));
                }
            }
            let before = load(&store).alerts;
            let ops = journal.flush(|f| model.get(&f).cloned(), true, 10_000);
            for cut in 0..=ops.len() {
                let mut torn = store.clone();
                apply(ops[..cut].to_vec(), &mut torn);
                for loaded in load(&torn).alerts {
                    let known = before.contains(&loaded)
                        || model
                            .get(&loaded.fingerprint)
                            .is_some_and(|a| **a == loaded);
                    assert!(known, "round {round}, cut {cut}: {loaded:?}");
                }
            }
            apply(ops, &mut store);
            assert_saved(&model, &store);
        }
    }
}
