//! What the files are run against.

use watchfire::{
    labels::LabelSet,
    promql::{
        ast::Expr,
        engine::{self, Options, Output, Steps},
    },
};

use crate::storage::{Storage, Stored};

/// Holds samples and evaluates expressions over them.
pub(crate) trait Subject {
    /// Forgets all samples.
    fn clear(&mut self);

    /// Adds samples of one series.
    ///
    /// # Errors
    /// When they contradict those that it has.
    fn append(&mut self, labels: &LabelSet, samples: Vec<Stored>) -> Result<(), String>;

    /// Evaluates an expression; `steps.step` is 0 for an instant evaluation.
    ///
    /// # Errors
    /// With Prometheus's text.
    fn evaluate(&self, expr: &Expr, steps: Steps) -> Result<Output, String>;
}

/// The engine as the files assume it.
pub(crate) const OPTIONS: Options = Options {
    lookback: 5 * 60 * 1000,
    subquery_step: 60 * 1000,
    max_samples: 10_000,
    delayed_name_removal: true,
    use_start_timestamps: true,
    type_and_unit_labels: false,
};

/// One engine above one storage.
#[derive(Debug, Default)]
pub(crate) struct Local {
    storage: Storage,
}

impl Subject for Local {
    fn clear(&mut self) {
        self.storage.clear();
    }

    fn append(&mut self, labels: &LabelSet, samples: Vec<Stored>) -> Result<(), String> {
        let appended = self.storage.append(labels, samples);
        appended.map_err(|error| error.to_string())
    }

    fn evaluate(&self, expr: &Expr, steps: Steps) -> Result<Output, String> {
        self.evaluate_with(expr, steps, OPTIONS)
    }
}

impl Local {
    /// As [`evaluate`](Subject::evaluate), with other options.
    pub(crate) fn evaluate_with(
        &self,
        expr: &Expr,
        steps: Steps,
        options: Options,
    ) -> Result<Output, String> {
        let prepared = engine::prepare(expr, steps, options).map_err(|error| error.to_string())?;
        let data: Vec<_> = prepared
            .selections()
            .iter()
            .map(|selection| self.storage.select(selection))
            .collect();
        prepared.evaluate(&data).map_err(|error| error.to_string())
    }
}
