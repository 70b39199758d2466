//! The queue before a server: a log in segments, what of it was handed out, and what of that was taken.
//!
//! It is a log of its own and not a tree of the store's database: samples come and go in one order, whole segments go at
//! once, a record costs one write, and a bound in bytes is the sum of the lengths of files. The database would write each
//! sample twice, keep them in its cache and give space back only when it likes to.
//!
//! One owner, no clock, and files only through [`Disk`].

use std::{collections::VecDeque, io};

use super::{
    block::{Block, HEADER, Header, Stored},
    disk::Disk,
    entry::Entry,
    interner::{Interner, Meaning},
    mark::{Mark, Position},
    reader::Reader,
};
use crate::{
    labels::LabelSet,
    promql::{Point, Sample},
};

/// Samples of one record.
pub(super) const MAX_SAMPLES: usize = 10_000;

/// Bytes of label sets and histograms of one record, about.
const MAX_RECORD: usize = 4 << 20;

/// Records that are read at a time, so that a queue of old samples does not keep its owner from new ones.
const MAX_RECORDS: usize = 64;

/// Bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of all segments.
    pub(super) bytes: u64,
    /// Bytes from which on a segment is followed by another.
    pub(super) segment: u64,
    /// Bytes of memory for the label sets of a segment, from which on it is followed by another.
    pub(super) labels: usize,
}

impl Bounds {
    /// Segments are small beside the whole, since whole segments go when there is no room.
    pub(super) fn of(bytes: u64) -> Self {
        Self {
            bytes,
            segment: (bytes / 16).clamp(1, 64 << 20),
            labels: 32 << 20,
        }
    }
}

/// A file of records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// Bytes of whole records.
    pub(super) bytes: u64,
    /// Samples that were not handed out yet.
    pub(super) unread: u64,
}

/// Samples that nobody will get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// There was no room on the disk within the bound.
    pub(super) no_room: u64,
    /// What was read was not what was written.
    pub(super) damaged: u64,
}

/// Samples that were handed out.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Round {
    /// In the order of the queue.
    pub(super) entries: Vec<Entry>,
    /// Where they end.
    pub(super) end: Position,
    /// Samples before that place that were too old.
    pub(super) expired: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue<D> {
    disk: D,
    bounds: Bounds,
    segments: VecDeque<Segment>,
    /// Of the last segment, while it is written.
    writing: Option<Interner>,
    reader: Reader,
    mark: Mark,
    in_flight: u64,
    dirty: bool,
    lost: Lost,
    /// What a crash left half-written, in bytes.
    torn: u64,
    /// What was cut off of segments that were whole once, in bytes.
    broken: u64,
}

impl<D: Disk> Queue<D> {
    /// Opens what is there; what is torn is cut off.
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub(super) fn open(mut disk: D, bounds: Bounds) -> io::Result<Self> {
        let mark = Mark::newest(&disk.load_mark()?);
        let mut found = disk.segments()?;
        found.sort_unstable();
        let mut queue = Self {
            disk,
            bounds,
            segments: VecDeque::new(),
            writing: None,
            reader: Reader::at(mark.position),
            mark,
            in_flight: 0,
            dirty: true,
            lost: Lost::default(),
            torn: 0,
            broken: 0,
        };
        let last = found.last().map(|(number, _)| *number);
        for (number, length) in found {
            // Only the last segment was not synced when its writer ended.
            let segment = queue.scan(number, length, last == Some(number))?;
            if number < mark.position.segment {
                queue.disk.remove(number)?;
                continue;
            }
            match last == Some(number) {
                true => queue.torn += length - segment.bytes,
                false => queue.broken += length - segment.bytes,
            }
            if segment.bytes == 0 {
                queue.disk.remove(number)?;
                continue;
            }
            queue.segments.push_back(segment);
        }
        queue.reader.clamp(&queue.segments);
        queue.forget_taken()?;
        Ok(queue)
    }

    /// Walks over the records of a segment, up to the first that is not whole.
    fn scan(&mut self, number: u64, length: u64, verify: bool) -> io::Result<Segment> {
        let taken = self.mark.position;
        let mut segment = Segment {
            number,
            bytes: 0,
            unread: 0,
        };
        while let Some(header) = self.header(number, segment.bytes, length)? {
            if verify && self.body(number, segment.bytes, header)?.is_none() {
                break;
            }
            let before = match (taken.segment == number, segment.bytes.cmp(&taken.offset)) {
                (true, std::cmp::Ordering::Less) => header.samples,
                (true, std::cmp::Ordering::Equal) => taken.skip,
                (true, std::cmp::Ordering::Greater) | (false, _) => 0,
            };
            segment.unread += u64::from(header.samples.saturating_sub(before));
            segment.bytes += header.record();
        }
        if segment.bytes < length {
            self.disk.cut(number, segment.bytes)?;
        }
        Ok(segment)
    }

    /// The header at a place, if a whole record can follow.
    fn header(&mut self, number: u64, offset: u64, length: u64) -> io::Result<Option<Header>> {
        let mut bytes = [0; HEADER];
        if offset + 16 > length {
            return Ok(None);
        }
        self.disk.read(number, offset, &mut bytes)?;
        let header = Header::read(&bytes);
        Ok(header.filter(|header| offset + header.record() <= length))
    }

    /// The body after a header, if it is what was written.
    fn body(&mut self, number: u64, offset: u64, header: Header) -> io::Result<Option<Vec<u8>>> {
        let mut body = vec![0; usize::try_from(header.length).unwrap_or_default()];
        self.disk.read(number, offset + 16, &mut body)?;
        Ok(header.fits(&body).then_some(body))
    }

    /// Writes the first of some samples, as many as fit into one record, and returns how many these are. `edit` makes
    /// the labels that are written of those that came; `None` drops the series.
    ///
    /// # Errors
    /// When the disk does not take them. They can be written again.
    pub(super) fn append(
        &mut self,
        samples: &[Sample],
        edit: &mut dyn FnMut(&LabelSet) -> Option<LabelSet>,
    ) -> io::Result<Appended> {
        if self.must_rotate() {
            self.writing = None;
        }
        let mut interner = self.writing.take().unwrap_or_default();
        let (block, appended) = fill(&mut interner, samples, edit);
        let written = u64::try_from(block.samples.len()).unwrap_or(u64::MAX);
        if block.samples.is_empty() {
            self.writing = Some(interner);
            return Ok(appended);
        }
        // Without a record what was interned is not on the disk: the next begins a segment.
        let record = block.record().unwrap_or_default();
        let length = u64::try_from(record.len()).unwrap_or(u64::MAX);
        if record.is_empty() || length > self.bounds.bytes {
            self.lost.no_room += written;
            return Ok(appended);
        }
        if !interner.is_of_segment() {
            self.create()?;
            interner.begin();
        }
        self.make_room(length)?;
        if self.bytes() + length > self.bounds.bytes {
            self.lost.no_room += written;
            return Ok(appended);
        }
        self.write(&record, length, written)?;
        self.writing = Some(interner);
        Ok(appended)
    }

    fn must_rotate(&self) -> bool {
        let full = |last: &Segment| last.bytes >= self.bounds.segment;
        self.segments.back().is_some_and(full)
            || (self.writing.as_ref()).is_some_and(|known| known.bytes() >= self.bounds.labels)
    }

    fn create(&mut self) -> io::Result<()> {
        let last = self.segments.back().map_or(0, |last| last.number);
        let number = last.max(self.mark.position.segment) + 1;
        self.disk.create(number)?;
        self.dirty = true;
        self.segments.push_back(Segment {
            number,
            bytes: 0,
            unread: 0,
        });
        Ok(())
    }

    fn write(&mut self, record: &[u8], length: u64, samples: u64) -> io::Result<()> {
        let Some(last) = self.segments.back_mut() else {
            return Ok(());
        };
        if let Err(error) = self.disk.append(record) {
            // A part of it may be there; the next goes into another segment.
            let _ = self.disk.cut(last.number, last.bytes);
            return Err(error);
        }
        self.dirty = true;
        last.bytes += length;
        last.unread += samples;
        Ok(())
    }

    /// Removes the oldest segments until there is room; the last is being written and stays.
    fn make_room(&mut self, length: u64) -> io::Result<()> {
        while self.bytes() + length > self.bounds.bytes && self.segments.len() > 1 {
            let Some(oldest) = self.segments.pop_front() else {
                break;
            };
            self.lost.no_room += oldest.unread;
            self.reader.leave(oldest.number);
            self.disk.remove(oldest.number)?;
        }
        Ok(())
    }

    /// Hands out up to `most` samples, leaving out those before `oldest` in Unix milliseconds. They stay in the queue
    /// until their end is [taken](Self::taken). A round without samples may still have an end. If the disk fails, that is
    /// told as well; what comes after can be had later.
    pub(super) fn next(&mut self, most: usize, oldest: i64) -> (Round, io::Result<()>) {
        let mut round = Round::default();
        let mut records = 0;
        let mut read = Ok(());
        while round.entries.len() < most {
            let Some(stored) = self.reader.pop() else {
                records += 1;
                if records > MAX_RECORDS {
                    break;
                }
                match self.read_record() {
                    Ok(true) => continue,
                    Ok(false) => break,
                    Err(error) => {
                        read = Err(error);
                        break;
                    }
                }
            };
            let number = self.reader.position().segment;
            let segment = self.segments.iter_mut().find(|one| one.number == number);
            if let Some(segment) = segment {
                segment.unread = segment.unread.saturating_sub(1);
            }
            if stored.time < oldest {
                round.expired += 1;
            } else if let Some(entry) = self.reader.entry(stored) {
                round.entries.push(entry);
            } else {
                self.lost.damaged += 1;
            }
        }
        round.end = self.reader.position();
        self.in_flight = u64::try_from(round.entries.len()).unwrap_or(u64::MAX);
        (round, read)
    }

    /// Reads the next record with samples; `false` if there is none.
    fn read_record(&mut self) -> io::Result<bool> {
        loop {
            let Some(segment) = self.reader.segment(&self.segments) else {
                return Ok(false);
            };
            match self.read_at(segment) {
                Ok(Some((block, next))) => {
                    if self.reader.enter(block, next) {
                        return Ok(true);
                    }
                    self.give_up(segment.number);
                }
                Ok(None) => self.give_up(segment.number),
                Err(error) if is_gone(&error) => self.give_up(segment.number),
                // What is there is sound: too many files may be open, or a disk be away for a while.
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives up the segment that is to be read next.
    pub(super) fn give_up_reading(&mut self) {
        if let Some(segment) = self.reader.segment(&self.segments) {
            self.give_up(segment.number);
        }
    }

    /// What the reader needs next: a record before its place, whose label sets it does not know yet, or that at it.
    fn read_at(&mut self, segment: Segment) -> io::Result<Option<(Block, u64)>> {
        let offset = self.reader.wants();
        let Some(header) = self.header(segment.number, offset, segment.bytes)? else {
            return Ok(None);
        };
        let Some(body) = self.body(segment.number, offset, header)? else {
            return Ok(None);
        };
        let block = Block::read(&body);
        Ok(block.map(|block| (block, offset + header.record())))
    }

    /// Nothing after a damage can be understood: later records refer to label sets of earlier ones.
    fn give_up(&mut self, number: u64) {
        let segment = self.segments.iter_mut().find(|one| one.number == number);
        if let Some(segment) = segment {
            self.lost.damaged += std::mem::take(&mut segment.unread);
            self.reader.skip_to(segment.number, segment.bytes);
        }
        if self
            .segments
            .back()
            .is_some_and(|last| last.number == number)
        {
            self.writing = None;
        }
    }

    /// Everything before `end` was taken by the server; segments that are not needed any more go.
    ///
    /// # Errors
    /// When the disk does not take it: then a restart hands these samples out again.
    pub(super) fn taken(&mut self, end: Position) -> io::Result<()> {
        self.in_flight = 0;
        if end > self.mark.position {
            self.mark = Mark {
                number: self.mark.number + 1,
                position: end,
            };
            self.dirty = true;
            self.disk.store_mark(self.mark.slot(), &self.mark.bytes())?;
        }
        self.forget_taken()
    }

    fn forget_taken(&mut self) -> io::Result<()> {
        let taken = self.mark.position;
        while let Some(first) = self.segments.front() {
            let is_open = self.writing.as_ref().is_some_and(Interner::is_of_segment);
            let is_written = self.segments.len() == 1 && is_open;
            let is_done = first.number < taken.segment
                || first.number == taken.segment && taken.offset >= first.bytes && !is_written;
            if !is_done {
                break;
            }
            let number = first.number;
            self.segments.pop_front();
            self.reader.leave(number);
            self.disk.remove(number)?;
        }
        Ok(())
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.disk.sync()?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Whether something waits for [`Self::sync`].
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Samples that were not handed out.
    pub(super) fn unread(&self) -> u64 {
        self.segments.iter().map(|segment| segment.unread).sum()
    }

    /// Samples that were not taken.
    pub(super) fn pending(&self) -> u64 {
        self.unread() + self.in_flight
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// What was lost since the last call.
    pub(super) fn take_lost(&mut self) -> Lost {
        std::mem::take(&mut self.lost)
    }

    /// Bytes of half-written records that were cut off.
    pub(super) fn torn(&self) -> u64 {
        self.torn
    }

    /// Bytes that were cut off of segments that had been whole: what was in them is lost.
    pub(super) fn broken(&self) -> u64 {
        self.broken
    }

    #[cfg(test)]
    pub(super) fn disk_for_tests(&mut self) -> &mut D {
        &mut self.disk
    }

    #[cfg(test)]
    pub(super) fn into_disk(self) -> D {
        self.disk
    }
}

/// Whether there is nothing to be read, now or later.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
    )
}

/// What became of samples that were to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Appended {
    /// How many were looked at.
    pub(super) looked_at: usize,
    /// How many of them belong to series that are not written.
    pub(super) dropped: u64,
}

/// Makes a block of the first of some samples.
fn fill(
    interner: &mut Interner,
    samples: &[Sample],
    edit: &mut dyn FnMut(&LabelSet) -> Option<LabelSet>,
) -> (Block, Appended) {
    let mut block = Block {
        first: interner.next(),
        ..Block::default()
    };
    let mut appended = Appended::default();
    let mut bytes = 0;
    for sample in samples.iter().take(MAX_SAMPLES) {
        appended.looked_at += 1;
        let series = match interner.meaning(&sample.labels) {
            Meaning::Known(series) => series,
            Meaning::Dropped => {
                appended.dropped += 1;
                continue;
            }
            Meaning::New(key) => match edit(&sample.labels) {
                None => {
                    interner.drop_series(key);
                    appended.dropped += 1;
                    continue;
                }
                Some(labels) => {
                    bytes += labels.heap_bytes();
                    let series = interner.add(key, &labels);
                    block.series.push(labels);
                    series
                }
            },
        };
        if let Point::Histogram(histogram) = &sample.point {
            bytes += 128 + 8 * (histogram.positive.counts.len() + histogram.negative.counts.len());
        }
        block.samples.push(Stored {
            series,
            time: sample.time,
            point: sample.point.clone(),
        });
        if bytes > MAX_RECORD {
            break;
        }
    }
    (block, appended)
}
