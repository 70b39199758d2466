//! What is remembered of the questions that an endpoint was asked: how light their answers were, how many samples were in
//! their windows, and which of them need samples as they are stored.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Answers that are larger are read on a thread that may take its time, and windows with as much are not fetched lightly.
pub(super) const LARGE: usize = 64 * 1024;

/// Answers that are larger are not light.
pub(super) const LIGHT: usize = 4 * 1024;

/// How often an answer must have been light, so that the question is asked together with others.
const LIGHT_ANSWERS: i8 = 2;

/// How often it must be so again after it could not be answered together with others.
const DOUBT: i8 = 100;

/// How often samples are asked for after rates over them could not be used: what is in the way is so for as long as a window
/// lasts.
const IN_VAIN: u8 = 10;

/// After so many rates over a large window, its samples are fetched once more, to know how many they are.
const WEIGHED_AGAIN: u16 = 500;

/// Questions of which it is remembered that native histograms were among the answers.
const MOST_REMEMBERED: usize = 1_000;

/// Questions of which it is remembered how light their answers were: as many as a node may have rules.
const MOST_WEIGHED: usize = 100_000;

/// What is remembered of the questions that an endpoint was asked.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Questions that need samples as they are stored.
    histograms: BTreeSet<String>,
    /// How often the answers to questions were light, by a hash of the question.
    light: HashMap<u64, i8>,
    /// What is known of windows of samples, by a hash of the question.
    windows: HashMap<u64, Weight>,
}

/// What is known of a window of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Weight {
    /// Whether its samples were many.
    pub(super) is_large: bool,
    /// How often they were few, of late.
    light: i8,
    /// How often it was looked up since.
    asked: u16,
    /// How often its samples are to be asked for all the same.
    pub(super) in_vain: u8,
}

impl Memory {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the answers to a question are known to be light.
    pub(super) fn is_light(&self, query: &str) -> bool {
        let light = self.known().light.get(&hash(query)).copied();
        light.is_some_and(|answers| answers >= LIGHT_ANSWERS)
    }

    /// Whether the answer to a question is light, as far as anything is known of it.
    pub(super) fn may_be_light(&self, query: &str) -> bool {
        let light = self.known().light.get(&hash(query)).copied();
        light.is_none_or(|answers| answers >= LIGHT_ANSWERS)
    }

    /// Takes in whether an answer to a question was light.
    pub(super) fn weigh(&self, query: &str, light: bool) {
        let mut known = self.known();
        match known.light.get_mut(&hash(query)) {
            Some(answers) if light => *answers = (*answers + 1).min(LIGHT_ANSWERS),
            Some(answers) => *answers = (*answers).min(0),
            None => known.note(query, i8::from(light)),
        }
    }

    /// Takes the answer to a question for light, unless something is known of it.
    pub(super) fn assume_light(&self, query: &str) {
        let mut known = self.known();
        if !known.light.contains_key(&hash(query)) {
            known.note(query, LIGHT_ANSWERS);
        }
    }

    /// Remembers that questions cannot be asked together.
    pub(super) fn doubt(&self, queries: &[&str]) {
        let mut known = self.known();
        for query in queries {
            known.note(query, -DOUBT);
        }
    }

    /// Whether a question could not be asked so a short while ago; that counts as a look.
    pub(super) fn is_doubted(&self, query: &str) -> bool {
        let mut known = self.known();
        let answers = known.light.get_mut(&hash(query));
        let Some(answers) = answers.filter(|answers| **answers < 0) else {
            return false;
        };
        *answers += 1;
        true
    }

    /// What is known of a window of which the rates may be asked for instead of its samples; that counts as a look.
    pub(super) fn weight_of(&self, window: &str) -> Weight {
        let mut known = self.known();
        let Some(known) = known.windows.get_mut(&hash(window)) else {
            return Weight::default();
        };
        let weight = *known;
        known.in_vain = known.in_vain.saturating_sub(1);
        // What was many once may be few by now.
        known.asked = known.asked.saturating_add(1);
        if known.is_large && known.asked >= WEIGHED_AGAIN {
            *known = Weight::default();
        }
        weight
    }

    /// Whether the samples of a window are few, and rates over it were not in vain.
    pub(super) fn has_few(&self, window: &str) -> bool {
        let known = self.known().windows.get(&hash(window)).copied();
        known.is_some_and(|known| known.light >= LIGHT_ANSWERS && known.in_vain == 0)
    }

    /// Takes in how many bytes the samples of a window had.
    pub(super) fn weigh_window(&self, window: &str, bytes: usize) {
        let mut known = self.known();
        make_room(&mut known.windows);
        let known = known.windows.entry(hash(window)).or_default();
        known.is_large = bytes > LARGE;
        known.asked = 0;
        known.light = match bytes <= LIGHT {
            true => (known.light + 1).min(LIGHT_ANSWERS),
            false => 0,
        };
    }

    /// Remembers that rates over a window could not be used.
    pub(super) fn doubt_window(&self, window: &str) {
        let mut known = self.known();
        if let Some(known) = known.windows.get_mut(&hash(window)) {
            known.in_vain = IN_VAIN;
        }
    }

    /// Whether a question needs samples as they are stored: native histograms were among the answers.
    pub(super) fn has_histograms(&self, query: &str) -> bool {
        let known = self.known();
        !known.histograms.is_empty() && known.histograms.contains(query)
    }

    /// Remembers that native histograms were among the answers.
    pub(super) fn saw_histograms(&self, query: &str) {
        let mut known = self.known();
        if known.histograms.len() >= MOST_REMEMBERED {
            known.histograms.clear();
        }
        known.histograms.insert(query.to_owned());
    }
}

impl Known {
    fn note(&mut self, query: &str, answers: i8) {
        make_room(&mut self.light);
        self.light.insert(hash(query), answers);
    }
}

/// Forgets everything when it is too much: what counts is soon known again.
fn make_room<V>(known: &mut HashMap<u64, V>) {
    if known.len() >= MOST_WEIGHED {
        known.clear();
    }
}

/// What stands for a question where it is remembered; that two have the same does no harm.
fn hash(query: &str) -> u64 {
    xxhash_rust::xxh64::xxh64(query.as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_light_when_they_were_so_twice() {
        let memory = Memory::default();
        assert!(!memory.is_light("x") && memory.may_be_light("x"));
        memory.weigh("x", true);
        assert!(!memory.is_light("x") && !memory.may_be_light("x"));
        memory.weigh("x", true);
        assert!(memory.is_light("x") && memory.may_be_light("x"));
        // One that was not begins anew.
        memory.weigh("x", false);
        memory.weigh("x", true);
        assert!(!memory.is_light("x"));
        memory.assume_light("x");
        assert!(!memory.is_light("x"), "more is known of it");
        memory.assume_light("y");
        assert!(memory.is_light("y"));
    }

    #[test]
    fn what_failed_together_is_asked_alone_for_long() {
        let memory = Memory::default();
        memory.assume_light("x");
        memory.doubt(&["x"]);
        for _ in 0..DOUBT {
            memory.weigh("x", true);
            assert!(!memory.is_light("x"));
        }
        (0..LIGHT_ANSWERS).for_each(|_| memory.weigh("x", true));
        assert!(memory.is_light("x"));
        memory.doubt(&["y"]);
        for _ in 0..DOUBT {
            assert!(memory.is_doubted("y"));
        }
        assert!(!memory.is_doubted("y") && !memory.is_doubted("z"));
    }

    #[test]
    fn windows_are_few_or_large_until_they_are_weighed_again() {
        let memory = Memory::default();
        assert_eq!(memory.weight_of("x[5m]"), Weight::default());
        memory.weigh_window("x[5m]", LIGHT);
        memory.weigh_window("x[5m]", LIGHT);
        assert!(memory.has_few("x[5m]") && !memory.weight_of("x[5m]").is_large);
        memory.weigh_window("x[5m]", LARGE + 1);
        assert!(!memory.has_few("x[5m]"));
        for _ in 0..WEIGHED_AGAIN {
            assert!(memory.weight_of("x[5m]").is_large);
        }
        assert!(!memory.weight_of("x[5m]").is_large);
    }

    #[test]
    fn rates_in_vain_are_not_tried_for_a_while() {
        let memory = Memory::default();
        memory.doubt_window("x[5m]");
        assert_eq!(memory.weight_of("x[5m]"), Weight::default(), "never seen");
        (0..LIGHT_ANSWERS).for_each(|_| memory.weigh_window("x[5m]", LIGHT));
        memory.doubt_window("x[5m]");
        for left in (1..=IN_VAIN).rev() {
            assert!(!memory.has_few("x[5m]"));
            assert_eq!(memory.weight_of("x[5m]").in_vain, left);
        }
        assert!(memory.has_few("x[5m]"));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let memory = Memory::default();
        memory.saw_histograms("first");
        assert!(memory.has_histograms("first") && !memory.has_histograms("x"));
        for number in 1..=MOST_REMEMBERED {
            memory.saw_histograms(&number.to_string());
        }
        assert!(!memory.has_histograms("first"));
        assert!(memory.has_histograms(&MOST_REMEMBERED.to_string()));
        for number in 0..=MOST_WEIGHED {
            memory.assume_light(&number.to_string());
        }
        assert!(!memory.is_light("0") && memory.is_light(&MOST_WEIGHED.to_string()));
    }
}
