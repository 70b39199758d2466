//! `histogram_quantile`, `histogram_quantiles` and `histogram_fraction`.

use super::super::{EvalError, Steps, evaluate::{Evaluated, Evaluator}, plan::CallNode};

impl Evaluator<'_> {
    pub(super) fn histogram_call(&mut self, _call: &CallNode, _steps: Steps) -> Result<Evaluated, EvalError> {
        Err(EvalError::failed("not yet"))
    }
}
