//! How refused batches are taken apart.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::split::Parts;

/// Sends a batch to a server that refuses every request with a bad sample; gives what it took in which order, what was
/// lost, and the number of requests.
fn send(series: &[u64], bad: &BTreeSet<usize>) -> (Vec<usize>, Vec<usize>, usize) {
    let mut parts = Parts::new(series.to_vec());
    let (mut taken, mut lost, mut requests) = (Vec::new(), Vec::new(), 0);
    while let Some(part) = parts.next() {
        requests += 1;
        if part.clone().all(|at| !bad.contains(&at)) {
            taken.extend(part);
        } else if !parts.halve(&part) {
            lost.extend(part);
        }
    }
    (taken, lost, requests)
}

#[test]
fn a_few_bad_samples_cost_only_themselves() {
    let many: Vec<u64> = (0..2000).collect();
    let one = vec![7; 2000];
    for bad in [
        BTreeSet::from([0]),
        BTreeSet::from([1999]),
        BTreeSet::from([3, 4, 1200]),
    ] {
        for series in [&many, &one] {
            let (taken, mut lost, requests) = send(series, &bad);
            lost.sort_unstable();
            assert_eq!(taken.len(), 2000 - bad.len(), "{bad:?}");
            assert_eq!(lost, bad.iter().copied().collect::<Vec<_>>());
            assert!(requests <= 70, "{requests}");
        }
    }
}

#[test]
fn where_all_are_bad_the_requests_are_bounded() {
    let series: Vec<u64> = (0..2000).collect();
    let (taken, lost, requests) = send(&series, &(0..2000).collect());
    assert_eq!((taken.len(), lost.len()), (0, 2000));
    assert!((100..=128).contains(&requests), "{requests}");
}

proptest! {
    #[test]
    fn each_sample_is_taken_or_lost_once_and_series_stay_in_order(
        lengths in prop::collection::vec(1_usize..60, 1..80),
        bad in prop::collection::btree_set(0_usize..3000, 0..40),
    ) {
        let named = (0_u64..).zip(&lengths);
        let series: Vec<u64> = named.flat_map(|(name, length)| vec![name; *length]).collect();
        let (taken, lost, requests) = send(&series, &bad);
        prop_assert!(requests <= 128);
        let all: BTreeSet<_> = taken.iter().chain(&lost).copied().collect();
        prop_assert_eq!(all.len(), series.len());
        prop_assert_eq!(taken.len() + lost.len(), series.len());
        prop_assert!(taken.iter().all(|at| !bad.contains(at)));
        let mut last = BTreeMap::new();
        for at in taken {
            prop_assert!(last.insert(series[at], at).is_none_or(|before| before < at));
        }
    }
}
