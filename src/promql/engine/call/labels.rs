//! `label_replace` and `label_join`.

use super::{
    super::{
        EvalError, Steps,
        evaluate::{Evaluated, Evaluator},
        matching::{NAME, is_label_name, with_label},
        plan::CallNode,
        table::Table,
    },
    text_of,
};
use crate::{labels::LabelSet, regex};

impl Evaluator<'_> {
    pub(super) fn label_replace(
        &mut self,
        call: &CallNode,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        let (target, replacement) = (text_of(call, 1), text_of(call, 2));
        let (source, pattern) = (text_of(call, 3), text_of(call, 4));
        let compiled = regex::compile(&format!("^(?s:{pattern})$")).map_err(|error| {
            tracing::debug!(%error, pattern, "label_replace");
            EvalError::failed(format!(
                "invalid regular expression in label_replace(): {pattern}"
            ))
        })?;
        check_label("destination", "label_replace", target)?;
        let mut table = self.arg(call, 0, steps)?.vector()?;
        let places = replacement.matches('$').count();
        set_labels(&mut table, target, |labels| {
            let text = labels.value(source);
            let Some(found) = compiled.captures(text) else {
                return Ok(None);
            };
            self.take_text(replacement.len() + places.saturating_mul(text.len()))?;
            let mut value = String::new();
            found.expand(replacement, &mut value);
            Ok(Some(value))
        })?;
        table.merge_equal_rows()?;
        Ok(Evaluated::Vector(table))
    }

    pub(super) fn label_join(
        &mut self,
        call: &CallNode,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        let (target, separator) = (text_of(call, 1), text_of(call, 2));
        let sources: Vec<&str> = (3..call.args.len()).map(|at| text_of(call, at)).collect();
        for source in &sources {
            check_label("source", "label_join", source)?;
        }
        check_label("destination", "label_join", target)?;
        let mut table = self.arg(call, 0, steps)?.vector()?;
        set_labels(&mut table, target, |labels| {
            let values: Vec<&str> = sources.iter().map(|source| labels.value(source)).collect();
            let separators = values.len().saturating_sub(1) * separator.len();
            self.take_text(separators + values.iter().map(|value| value.len()).sum::<usize>())?;
            Ok(Some(values.join(separator)))
        })?;
        table.merge_equal_rows()?;
        Ok(Evaluated::Vector(table))
    }
}

fn check_label(role: &str, function: &str, name: &str) -> Result<(), EvalError> {
    if !is_label_name(name) {
        return Err(EvalError::failed(format!(
            "invalid {role} label name in {function}(): {}",
            name
        )));
    }
    Ok(())
}

/// Sets a label of all rows for which there is a value. A name that is set is not dropped any more.
fn set_labels(
    table: &mut Table,
    target: &str,
    mut value: impl FnMut(&LabelSet) -> Result<Option<String>, EvalError>,
) -> Result<(), EvalError> {
    for row in &mut table.rows {
        if let Some(value) = value(&row.labels)? {
            row.labels = with_label(&row.labels, target, &value);
            if target == NAME {
                row.drop_name = false;
            }
        }
    }
    Ok(())
}
