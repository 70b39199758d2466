//! Classic histograms: series of buckets that count all observations up to their bounds.

use super::fraction::Ranks;

/// Counts closer to each other than this, relatively, differ by rounding.
const TOLERANCE: f64 = 1e-12;

/// A bucket of a classic histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassicBucket {
    /// Its upper bound, `le`.
    pub upper_bound: f64,
    /// All observations up to there.
    pub count: f64,
}

/// A quantile of a classic histogram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassicQuantile {
    /// The quantile.
    pub value: f64,
    /// Set if a bucket counted less than the one before it.
    pub forced: Option<ForcedMonotonicity>,
}

/// Where counts fell that should not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForcedMonotonicity {
    /// The lowest bound where it happened.
    pub min_bucket: f64,
    /// The highest.
    pub max_bucket: f64,
    /// By how much at most.
    pub max_diff: f64,
}

/// The quantile `q` of a classic histogram, interpolated linearly; buckets are sorted, joined and made monotonic in place.
#[must_use]
pub fn bucket_quantile(q: f64, buckets: &mut [ClassicBucket]) -> ClassicQuantile {
    let plain = |value| ClassicQuantile {
        value,
        forced: None,
    };
    if q.is_nan() {
        return plain(f64::NAN);
    }
    if q < 0.0 {
        return plain(f64::NEG_INFINITY);
    }
    if q > 1.0 {
        return plain(f64::INFINITY);
    }
    let Some(buckets) = prepared(buckets) else {
        return plain(f64::NAN);
    };
    let forced = make_monotonic(buckets);
    ClassicQuantile {
        value: interpolated(q, buckets),
        forced,
    }
}

fn interpolated(q: f64, buckets: &[ClassicBucket]) -> f64 {
    let [lower @ .., last] = buckets else {
        return f64::NAN;
    };
    let Some(highest) = lower.last() else {
        return f64::NAN;
    };
    if last.count == 0.0 {
        return f64::NAN;
    }
    let rank = q * last.count;
    let place = lower.partition_point(|bucket| bucket.count < rank);
    let Some(bucket) = lower.get(place) else {
        return highest.upper_bound;
    };
    let before = place.checked_sub(1).and_then(|before| lower.get(before));
    match before {
        None if bucket.upper_bound <= 0.0 => bucket.upper_bound,
        None => bucket.upper_bound * (rank / bucket.count),
        Some(before) => {
            let width = bucket.upper_bound - before.upper_bound;
            before.upper_bound + width * ((rank - before.count) / (bucket.count - before.count))
        }
    }
}

/// Which part of the observations of a classic histogram is between two bounds; buckets are sorted and joined in place.
#[must_use]
pub fn bucket_fraction(lower: f64, upper: f64, buckets: &mut [ClassicBucket]) -> f64 {
    let Some(buckets) = prepared(buckets) else {
        return f64::NAN;
    };
    let all = buckets.last().map_or(0.0, |last| last.count);
    if all == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let positive = buckets.first().is_some_and(|first| first.upper_bound > 0.0);
    let mut start = if positive { 0.0 } else { f64::NEG_INFINITY };
    let mut rank = 0.0;
    let mut ranks = Ranks::new(lower, upper);
    for bucket in buckets.iter() {
        let end = bucket.upper_bound;
        let known = ranks.look(start, end, rank, |bound| {
            if start == f64::NEG_INFINITY {
                bucket.count
            } else {
                rank + (bucket.count - rank) * (bound - start) / (end - start)
            }
        });
        if known {
            break;
        }
        rank = bucket.count;
        start = end;
    }
    ranks.between(all) / all
}

/// Sorts buckets and joins those of the same bound; there are none without one that ends at `+Inf`.
fn prepared(buckets: &mut [ClassicBucket]) -> Option<&mut [ClassicBucket]> {
    buckets.sort_by(|a, b| {
        (a.upper_bound.partial_cmp(&b.upper_bound))
            .unwrap_or_else(|| a.upper_bound.is_nan().cmp(&b.upper_bound.is_nan()))
    });
    if buckets.last()?.upper_bound != f64::INFINITY {
        return None;
    }
    let mut kept = 0;
    for place in 1..buckets.len() {
        let bucket = *buckets.get(place)?;
        let last = buckets.get_mut(kept)?;
        if bucket.upper_bound == last.upper_bound {
            last.count += bucket.count;
        } else {
            kept += 1;
            *buckets.get_mut(kept)? = bucket;
        }
    }
    buckets.get_mut(..=kept)
}

/// Lifts counts that are less than those before them, and levels those that differ by rounding.
fn make_monotonic(buckets: &mut [ClassicBucket]) -> Option<ForcedMonotonicity> {
    let mut buckets = buckets.iter_mut();
    let mut before = buckets.next()?.count;
    let mut forced: Option<ForcedMonotonicity> = None;
    for bucket in buckets {
        let count = bucket.count;
        if count == before {
            continue;
        }
        if almost_equal(before, count) {
            bucket.count = before;
        } else if count < before {
            bucket.count = before;
            let at = bucket.upper_bound;
            let forced = forced.get_or_insert(ForcedMonotonicity {
                min_bucket: at,
                max_bucket: at,
                max_diff: 0.0,
            });
            forced.min_bucket = forced.min_bucket.min(at);
            forced.max_bucket = forced.max_bucket.max(at);
            forced.max_diff = forced.max_diff.max(before - count);
        } else {
            before = count;
        }
    }
    forced
}

fn almost_equal(a: f64, b: f64) -> bool {
    if a.is_nan() && b.is_nan() || a == b {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}
