//! Observations above or below a value only.

use super::{Bucket, Buckets, FloatHistogram};

/// Which observations stay.
#[derive(Clone, Copy, Debug)]
enum Keep {
    Below(f64),
    Above(f64),
}

/// How many observations stay, and where they are taken to be.
#[derive(Clone, Copy, Debug)]
struct Kept {
    count: f64,
    middle: f64,
}

impl FloatHistogram {
    /// Removes observations above a value (`</`); within its bucket it interpolates.
    pub fn trim_upper(&mut self, bound: f64) -> &mut Self {
        self.trim(Keep::Below(bound))
    }

    /// Removes observations below a value (`>/`); within its bucket it interpolates.
    pub fn trim_lower(&mut self, bound: f64) -> &mut Self {
        self.trim(Keep::Above(bound))
    }

    fn trim(&mut self, keep: Keep) -> &mut Self {
        let custom = self.is_custom();
        let mut trimmed = Trimmed::default();
        let above: Vec<Bucket> = self.positive_cells().map(|(bucket, _)| bucket).collect();
        let below: Vec<Bucket> = self.negative_cells().map(|(bucket, _)| bucket).collect();
        let positive = trimmed.side(&mut self.positive, &above, |bucket| {
            keep.of_bucket(bucket, true, custom)
        });
        let negative = trimmed.side(&mut self.negative, &below, |bucket| {
            keep.of_bucket(bucket, false, custom)
        });
        if self.zero_count > 0.0 {
            let mut bucket = self.zero_bucket();
            match (negative, positive) {
                (true, false) => bucket.upper = 0.0,
                (false, true) => bucket.lower = 0.0,
                _ => {}
            }
            self.zero_count = trimmed.take(self.zero_count, keep.of_zero_bucket(&bucket));
        }
        if trimmed.changed {
            self.count = trimmed.count;
            self.sum = trimmed.sum;
            self.compact(0);
        }
        self
    }
}

/// What stays of a histogram.
#[derive(Debug, Default)]
struct Trimmed {
    count: f64,
    sum: f64,
    changed: bool,
}

impl Trimmed {
    /// Trims the buckets of one sign; returns whether there are observations in them.
    fn side(
        &mut self,
        buckets: &mut Buckets,
        bounds: &[Bucket],
        keep: impl Fn(&Bucket) -> Option<Kept>,
    ) -> bool {
        let mut populated = false;
        for (count, bucket) in buckets.counts.iter_mut().zip(bounds) {
            if *count == 0.0 {
                continue;
            }
            populated = true;
            match keep(bucket) {
                Some(kept) => *count = self.take(*count, kept),
                None => {
                    *count = 0.0;
                    self.changed = true;
                }
            }
        }
        populated
    }

    fn take(&mut self, before: f64, kept: Kept) -> f64 {
        self.count += kept.count;
        self.sum += kept.middle * kept.count;
        if before == kept.count {
            return before;
        }
        self.changed = true;
        kept.count
    }
}

impl Keep {
    /// What stays of a bucket; nothing if all of it is on the wrong side.
    fn of_bucket(self, bucket: &Bucket, positive: bool, custom: bool) -> Option<Kept> {
        let (whole, part) = match self {
            Self::Below(bound) => (bucket.upper <= bound, bucket.lower < bound),
            Self::Above(bound) => (bucket.lower >= bound, bucket.upper > bound),
        };
        if whole {
            return Some(Kept {
                count: bucket.count,
                middle: middle(bucket.lower, bucket.upper, positive, custom),
            });
        }
        part.then(|| {
            if bucket.lower == f64::NEG_INFINITY {
                self.of_lowest(bucket)
            } else if bucket.upper == f64::INFINITY {
                self.of_highest(bucket)
            } else {
                self.of_finite(bucket, positive, custom)
            }
        })
    }

    fn of_finite(self, bucket: &Bucket, positive: bool, custom: bool) -> Kept {
        let under = |bound: f64| {
            if bound <= bucket.lower {
                0.0
            } else if bound >= bucket.upper {
                bucket.count
            } else {
                bucket.count * bucket.fraction_below(bound, custom)
            }
        };
        match self {
            Self::Below(bound) => Kept {
                count: under(bound),
                middle: middle(bucket.lower, bound, positive, custom),
            },
            Self::Above(bound) => Kept {
                count: bucket.count - under(bound),
                middle: middle(bound, bucket.upper, positive, custom),
            },
        }
    }

    /// A bucket that begins at `-Inf`: it is taken to begin at 0 if it ends above, else nothing is known of its inside.
    fn of_lowest(self, bucket: &Bucket) -> Kept {
        let (count, upper) = (bucket.count, bucket.upper);
        let nothing = Kept {
            count: 0.0,
            middle: zero_if_infinite(upper),
        };
        match self {
            Self::Below(bound) if bound >= upper => Kept { count, middle: 0.0 },
            Self::Below(bound) if bound > 0.0 && upper > 0.0 && upper != f64::INFINITY => Kept {
                count: count * bound / upper,
                middle: bound / 2.0,
            },
            Self::Below(bound) if upper <= 0.0 => Kept {
                count,
                middle: bound,
            },
            Self::Below(_) => nothing,
            Self::Above(bound) if bound <= bucket.lower => Kept { count, middle: 0.0 },
            Self::Above(bound) if bound >= 0.0 && upper > bound && upper != f64::INFINITY => Kept {
                count: count * (1.0 - bound / upper),
                middle: (bound + upper) / 2.0,
            },
            Self::Above(_) => nothing,
        }
    }

    /// A bucket that ends at `+Inf`: nothing is known of its inside.
    fn of_highest(self, bucket: &Bucket) -> Kept {
        match self {
            Self::Above(bound) if bound >= bucket.lower => Kept {
                count: bucket.count,
                middle: bound,
            },
            Self::Below(_) | Self::Above(_) => Kept {
                count: 0.0,
                middle: zero_if_infinite(bucket.lower),
            },
        }
    }

    fn of_zero_bucket(self, bucket: &Bucket) -> Kept {
        let Bucket {
            lower,
            upper,
            count,
            ..
        } = *bucket;
        let all = Kept {
            count,
            middle: (lower + upper) / 2.0,
        };
        let nothing = Kept {
            count: 0.0,
            middle: 0.0,
        };
        match self {
            Self::Below(bound) if bound <= lower => nothing,
            Self::Below(bound) if bound >= upper => all,
            Self::Below(bound) => Kept {
                count: count * ((bound - lower) / (upper - lower)),
                middle: (lower + bound) / 2.0,
            },
            Self::Above(bound) if bound <= lower => all,
            Self::Above(bound) if bound >= upper => nothing,
            Self::Above(bound) => Kept {
                count: count * ((upper - bound) / (upper - lower)),
                middle: (bound + upper) / 2.0,
            },
        }
    }
}

fn zero_if_infinite(number: f64) -> f64 {
    if number.is_infinite() { 0.0 } else { number }
}

/// Where the observations between two bounds are taken to be.
fn middle(lower: f64, upper: f64, positive: bool, linear: bool) -> f64 {
    if lower.is_infinite() {
        return match upper {
            _ if upper.is_infinite() => 0.0,
            _ if upper > 0.0 => upper / 2.0,
            _ => upper,
        };
    }
    if upper.is_infinite() {
        return lower;
    }
    if linear {
        return (lower + upper) / 2.0;
    }
    let geometric = (lower * upper).abs().sqrt();
    if positive { geometric } else { -geometric }
}
