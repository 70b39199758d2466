//! When an evaluation is to end without a result.

use std::{fmt, sync::Arc};

/// Asked again and again while an expression is evaluated: whether to give up. The engine reads no clock; who evaluates
/// knows the deadline, and whether anybody still waits for the result.
#[derive(Clone, Default)]
pub struct Stop(Option<Arc<dyn Fn() -> bool + Send + Sync>>);

impl Stop {
    /// Stops once `due` says so.
    pub fn when(due: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(due)))
    }

    /// Whether to give up now.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.0.as_ref().is_some_and(|due| due())
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.0.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use super::*;
    use crate::promql::{
        engine::{EvalError, Options, Steps, prepare},
        parse::{Features, parse},
    };

    #[test]
    fn an_evaluation_ends_when_it_is_due() {
        let options = Options {
            lookback: 300_000,
            subquery_step: 60_000,
            max_samples: 1000,
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
        };
        let expr = parse("1 + 2 + vector(3)", Features::none()).unwrap();
        let mut prepared = prepare(&expr, Steps::instant(0), options).unwrap();
        assert!(prepared.evaluate(&[]).is_ok());
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        prepared.stop_when(Stop::when(move || count.fetch_add(1, Relaxed) == 2));
        assert_eq!(prepared.evaluate(&[]), Err(EvalError::Stopped));
        assert_eq!(asked.load(Relaxed), 3);
    }
}
