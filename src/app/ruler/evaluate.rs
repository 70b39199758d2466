//! Evaluations of the ruler: over the endpoints, and over what rules wrote.

use std::{sync::Arc, time::Duration};

use crate::{
    app::queries::Queries,
    federation::Local,
    promql::engine::Steps,
    ruler::{Answered, Evaluation},
};

/// What of an interval an evaluation may take, in percent: the next slot must find the rule free.
const OF_INTERVAL: i64 = 80;
/// No evaluation needs to be shorter; milliseconds.
const SHORTEST: i64 = 1_000;
/// None may take longer; milliseconds.
const LONGEST: i64 = 120_000;

/// Evaluates an expression at an instant.
pub(super) async fn evaluate(
    queries: &Queries,
    evaluation: Evaluation,
) -> Result<Answered, String> {
    let own = evaluation.own.map(|own| Arc::new(own) as Arc<dyn Local>);
    let within = (evaluation.within / 100 * OF_INTERVAL).clamp(SHORTEST, LONGEST);
    let within = Duration::from_millis(u64::try_from(within).unwrap_or(1));
    let asked = queries.federation().query_beside(
        &evaluation.expr,
        Steps::instant(evaluation.at),
        evaluation.options,
        within,
        own.into_iter().collect(),
    );
    let reply = asked.await.map_err(|error| error.to_string())?;
    queries.tell_missing(&reply);
    let missing = reply.warnings();
    Answered::of_value(reply.answer.output.value, reply.answer.certainty, missing)
}
