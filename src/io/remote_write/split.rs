//! Which parts of a refused batch are tried on their own, so that one bad sample does not cost the others.

use std::{collections::VecDeque, ops::Range};

/// Requests that a batch may cost. They find a handful of bad samples among thousands exactly; where nearly all are bad,
/// they end with parts of some dozens.
const REQUESTS: usize = 128;

/// The parts of a batch that are still to be sent.
#[derive(Debug)]
pub(super) struct Parts {
    /// The series of each sample; samples of one are side by side, the earlier first.
    series: Vec<u64>,
    waiting: VecDeque<Range<usize>>,
    sent: usize,
}

impl Parts {
    /// Begins with all samples in one request.
    pub(super) fn new(series: Vec<u64>) -> Self {
        let mut waiting = VecDeque::new();
        waiting.push_back(0..series.len());
        Self {
            series,
            waiting,
            sent: 0,
        }
    }

    /// What is sent next, as places in the batch.
    pub(super) fn next(&mut self) -> Option<Range<usize>> {
        self.sent += 1;
        self.waiting.pop_front()
    }

    /// A part was refused for some of its samples: both halves are to be tried. `false` if that is not possible.
    ///
    /// Large parts come before small ones, so that the requests go where they save most. That must not bring the samples
    /// of a series out of order: parts have whole series, and the halves of a single one come at once.
    pub(super) fn halve(&mut self, part: &Range<usize>) -> bool {
        let is_spent = self.sent + self.waiting.len() + 2 > REQUESTS;
        if part.len() < 2 || is_spent {
            return false;
        }
        let middle = part.start + part.len() / 2;
        let is_between = |at: &usize| self.series.get(*at) != self.series.get(at.wrapping_sub(1));
        let before = (part.start + 1..=middle).rev().find(is_between);
        let between = before.or_else(|| (middle + 1..part.end).find(is_between));
        match between {
            Some(at) => self.waiting.extend([part.start..at, at..part.end]),
            None => {
                self.waiting.push_front(middle..part.end);
                self.waiting.push_front(part.start..middle);
            }
        }
        true
    }
}
