//! The alerts of one group: few in most groups, 100,000 in some.
//!
//! A persistent map costs a kilobyte even for one alert, so small sets are sorted slices. Clones cost nothing.

use std::sync::Arc;

use imbl::OrdMap;

use crate::{alert::Alert, labels::Fingerprint};

/// Up to this many alerts stand in a slice.
const SMALL: usize = 16;

/// A set of alerts by fingerprint.
#[derive(Debug, Clone)]
pub struct Members(Form);

#[derive(Debug, Clone)]
enum Form {
    Small(Arc<[Arc<Alert>]>),
    Large(OrdMap<Fingerprint, Arc<Alert>>),
}

impl Default for Members {
    fn default() -> Self {
        Self(Form::Small(Arc::default()))
    }
}

impl Members {
    /// Adds an alert or puts it in place of its predecessor, which comes back.
    pub fn insert(&mut self, alert: Arc<Alert>) -> Option<Arc<Alert>> {
        match &mut self.0 {
            Form::Large(map) => map.insert(alert.fingerprint, alert),
            Form::Small(list) => match find(list, alert.fingerprint) {
                Ok(at) => {
                    let list = Arc::make_mut(list);
                    Some(std::mem::replace(&mut list[at], alert))
                }
                Err(at) if list.len() < SMALL => {
                    let (before, after) = list.split_at(at);
                    let all = before
                        .iter()
                        .cloned()
                        .chain([alert])
                        .chain(after.iter().cloned());
                    *list = all.collect();
                    None
                }
                Err(_) => {
                    let map: OrdMap<_, _> = list
                        .iter()
                        .map(|member| (member.fingerprint, Arc::clone(member)))
                        .collect();
                    self.0 = Form::Large(map.update(alert.fingerprint, alert));
                    None
                }
            },
        }
    }

    /// Removes an alert.
    pub fn remove(&mut self, fingerprint: Fingerprint) -> Option<Arc<Alert>> {
        match &mut self.0 {
            Form::Large(map) => map.remove(&fingerprint),
            Form::Small(list) => {
                let at = find(list, fingerprint).ok()?;
                let removed = Arc::clone(&list[at]);
                *list = list
                    .iter()
                    .filter(|member| member.fingerprint != fingerprint)
                    .cloned()
                    .collect();
                Some(removed)
            }
        }
    }

    /// The alert with this fingerprint.
    #[must_use]
    pub fn get(&self, fingerprint: Fingerprint) -> Option<&Arc<Alert>> {
        match &self.0 {
            Form::Large(map) => map.get(&fingerprint),
            Form::Small(list) => find(list, fingerprint).ok().map(|at| &list[at]),
        }
    }

    /// How many alerts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Large(map) => map.len(),
            Form::Small(list) => list.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The alerts by fingerprint.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Alert>> {
        let (small, large) = match &self.0 {
            Form::Small(list) => (Some(list.iter()), None),
            Form::Large(map) => (None, Some(map.values())),
        };
        small
            .into_iter()
            .flatten()
            .chain(large.into_iter().flatten())
    }
}

fn find(list: &[Arc<Alert>], fingerprint: Fingerprint) -> Result<usize, usize> {
    list.binary_search_by_key(&fingerprint, |member| member.fingerprint)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{labels::LabelSet, time::Timestamp};

    fn alert(fingerprint: u64, ends_at: i64) -> Arc<Alert> {
        Arc::new(Alert {
            labels: LabelSet::empty(),
            annotations: LabelSet::empty(),
            generator_url: "".into(),
            starts_at: Timestamp::EPOCH,
            ends_at: Timestamp::from_unix(ends_at, 0),
            updated_at: Timestamp::EPOCH,
            timeout: false,
            fingerprint: Fingerprint(fingerprint),
        })
    }

    proptest! {
        #[test]
        fn behaves_as_a_map(ops in prop::collection::vec((0_u64..40, 0_i64..9, prop::bool::weighted(0.7)), 0..120)) {
            let (mut members, mut map) = (Members::default(), BTreeMap::new());
            for (key, ends_at, insert) in ops {
                if insert {
                    let alert = alert(key, ends_at);
                    let old = map.insert(key, Arc::clone(&alert));
                    prop_assert_eq!(members.insert(alert), old);
                } else {
                    prop_assert_eq!(members.remove(Fingerprint(key)), map.remove(&key));
                }
                prop_assert_eq!(members.len(), map.len());
            }
            prop_assert!(members.iter().eq(map.values()));
            for key in 0..40 {
                prop_assert_eq!(members.get(Fingerprint(key)), map.get(&key));
            }
        }
    }
}
