//! Spans: which buckets there are.

use super::BucketSpan;

/// The buckets of one sign, with their indices, from the one next to zero.
///
/// Where spans and contents do not fit each other, what is too much is left out.
#[derive(Clone, Debug)]
pub(in crate::promql) struct Indexed<'a, C> {
    spans: &'a [BucketSpan],
    cells: &'a [C],
    /// The index of the next bucket, and how many the span that it is in still has.
    front: (i64, u32),
    /// The index behind the last bucket, and how many the span that it is in still has before that.
    back: (i64, u32),
}

impl<'a, C: Copy> Indexed<'a, C> {
    pub(super) fn new(spans: &'a [BucketSpan], cells: &'a [C]) -> Self {
        let (mut end, mut room) = (0i64, cells.len());
        let mut back = (0, 0);
        let mut used = 0;
        for span in spans {
            if room == 0 {
                break;
            }
            let length = usize::try_from(span.length).unwrap_or(usize::MAX).min(room);
            let length = u32::try_from(length).unwrap_or(u32::MAX);
            end += i64::from(span.offset) + i64::from(length);
            room -= length as usize;
            back = (end, length);
            used += 1;
        }
        Self {
            spans: spans.get(..used).unwrap_or(spans),
            cells: cells.get(..cells.len() - room).unwrap_or(cells),
            front: (0, 0),
            back,
        }
    }

    /// Whether the next bucket is the first of its span.
    pub(super) fn starts_span(&self) -> bool {
        self.front.1 == 0
    }
}

impl<C: Copy> Iterator for Indexed<'_, C> {
    type Item = (i64, C);

    fn next(&mut self) -> Option<Self::Item> {
        let (cell, rest) = self.cells.split_first()?;
        while self.front.1 == 0 {
            match self.spans.split_first() {
                Some((span, spans)) => {
                    self.front.0 += i64::from(span.offset);
                    self.front.1 = span.length;
                    self.spans = spans;
                }
                // What is left is of the span that the back is in.
                None => {
                    let left = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
                    self.front = (self.back.0 - i64::from(left), left);
                }
            }
        }
        let index = self.front.0;
        self.cells = rest;
        self.front.0 += 1;
        self.front.1 -= 1;
        Some((index, *cell))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.cells.len(), Some(self.cells.len()))
    }
}

impl<C: Copy> DoubleEndedIterator for Indexed<'_, C> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let (cell, rest) = self.cells.split_last()?;
        while self.back.1 == 0 {
            match self.spans.split_last() {
                Some((gone, spans)) if !spans.is_empty() => {
                    let before = spans.last().map_or(0, |span| span.length);
                    self.back.0 -= i64::from(gone.offset);
                    self.back.1 = before;
                    self.spans = spans;
                }
                // What is left is of the span that the front is in.
                _ if self.front.1 == 0 => return None,
                _ => {
                    self.back.0 = self.front.0 + i64::from(self.front.1);
                    self.back.1 = self.front.1;
                    self.spans = &[];
                }
            }
        }
        self.cells = rest;
        self.back.0 -= 1;
        self.back.1 -= 1;
        Some((self.back.0, *cell))
    }
}

/// Buckets that are put one behind the other.
#[derive(Debug)]
pub(super) struct Layout<C> {
    spans: Vec<BucketSpan>,
    cells: Vec<C>,
    end: i64,
}

impl<C> Layout<C> {
    pub(super) fn with_capacity(spans: usize, cells: usize) -> Self {
        Self {
            spans: Vec::with_capacity(spans),
            cells: Vec::with_capacity(cells),
            end: 0,
        }
    }

    /// The index behind the last bucket, if there is one.
    pub(super) fn end(&self) -> Option<i64> {
        self.spans.last().map(|_| self.end)
    }

    /// The last bucket's content, if it has this index.
    pub(super) fn last_mut_at(&mut self, index: i64) -> Option<&mut C> {
        if index + 1 == self.end {
            self.cells.last_mut()
        } else {
            None
        }
    }

    /// Adds a bucket to the last span if it is next to it, else to a new one.
    pub(super) fn push(&mut self, index: i64, cell: C) {
        match self.spans.last_mut() {
            Some(last) if index == self.end => {
                last.length = last.length.saturating_add(1);
                self.cells.push(cell);
                self.end += 1;
            }
            _ => self.push_in_new_span(index, cell),
        }
    }

    /// Adds a bucket to a span of its own.
    pub(super) fn push_in_new_span(&mut self, index: i64, cell: C) {
        self.spans.push(BucketSpan {
            offset: clamp(index - self.end),
            length: 1,
        });
        self.cells.push(cell);
        self.end = index + 1;
    }

    /// The spans and what is in their buckets.
    pub(super) fn into_parts(self) -> (Vec<BucketSpan>, Vec<C>) {
        (self.spans, self.cells)
    }
}

/// An index of a bucket as it is stored; there are none beyond its limits.
pub(super) fn clamp(index: i64) -> i32 {
    i32::try_from(index).unwrap_or(if index < 0 { i32::MIN } else { i32::MAX })
}
