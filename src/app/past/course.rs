//! The ruler in virtual time: as fast as endpoints answer.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{answers::Answers, rules::PastError};
use crate::{
    io::federation::Federation,
    ruler::{Answered, Effect, Evaluation, EvaluationId, RuleSet, Ruler, Word, Written},
    time::{Now, Timestamp},
};

/// What came of a slot.
#[derive(Debug, Default)]
pub(super) struct Happened {
    pub(super) written: Vec<Written>,
    pub(super) said: Vec<Word>,
}

/// Rules on their way from a moment to another.
pub(super) struct Course {
    ruler: Ruler,
    answers: Arc<Answers>,
    to: i64,
}

impl Course {
    pub(super) fn new(
        set: Arc<RuleSet>,
        federation: Arc<Federation>,
        (from, to): (i64, i64),
    ) -> Self {
        Self {
            ruler: Ruler::alone(set, now(from)),
            answers: Answers::new(federation, to),
            to,
        }
    }

    pub(super) fn ruler(&self) -> &Ruler {
        &self.ruler
    }

    /// Evaluates the next slot; none if all are over.
    pub(super) async fn advance(&mut self) -> Result<Option<Happened>, PastError> {
        let Some(slot) = self.ruler.poll_timeout().filter(|slot| *slot <= self.to) else {
            return Ok(None);
        };
        let now = now(slot);
        self.ruler.handle_timeout(now);
        let mut happened = Happened::default();
        let mut running = JoinSet::new();
        loop {
            while let Some(effect) = self.ruler.poll_effect() {
                match effect {
                    Effect::Evaluate(evaluation) => match self.answers.known(&evaluation) {
                        Some(answered) => self.ruler.evaluated(evaluation.id, Ok(answered), now),
                        None => {
                            running.spawn(evaluate(Arc::clone(&self.answers), evaluation));
                        }
                    },
                    Effect::Write(written) => happened.written.extend(written),
                    Effect::Say(word) => happened.said.push(word),
                    Effect::Tell(_) | Effect::Keep(_) => {}
                }
            }
            match running.join_next().await {
                Some(Ok((id, result))) => self.ruler.evaluated(id, result, now),
                Some(Err(_panic)) => return Err(PastError::Failed),
                None => return Ok(Some(happened)),
            }
        }
    }
}

async fn evaluate(
    answers: Arc<Answers>,
    evaluation: Evaluation,
) -> (EvaluationId, Result<Answered, String>) {
    let id = evaluation.id;
    (id, answers.answer(evaluation).await)
}

fn now(millis: i64) -> Now {
    Now {
        mono: Duration::from_millis(u64::try_from(millis).unwrap_or(0)),
        wall: Timestamp::from_millis(millis),
    }
}
