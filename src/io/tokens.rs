//! Tokens that many notifications share, kept until shortly before they end, and asked for once however many wait.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::http::HttpClients;
use crate::{
    config::Secret,
    notify::{
        FailureReason, Verdict,
        integration::{Token, TokenRequest},
    },
};

/// A token is asked for again so long before it ends.
const EARLY: Duration = Duration::from_secs(300);

/// No token is used for longer, whatever its server says.
const LONGEST: Duration = Duration::from_hours(24);

/// More tokens than a configuration has; older ones of earlier configurations are dropped.
const MAX_TOKENS: usize = 1024;

type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

#[derive(Debug)]
struct Kept {
    value: Secret,
    until: Instant,
}

/// The tokens of this process; each node gets its own.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    slots: Mutex<BTreeMap<String, Slot>>,
}

impl Tokens {
    /// The token that a request names, from memory or from the server, within `timeout`.
    pub(super) async fn get(
        &self,
        http: &HttpClients,
        request: TokenRequest,
        timeout: Duration,
    ) -> Result<Secret, Verdict> {
        let slot = self.slot(&request.key);
        let deadline = tokio::time::Instant::now() + timeout;
        let Ok(mut kept) = tokio::time::timeout_at(deadline, slot.lock()).await else {
            return Err(Verdict::Retry {
                after: None,
                reason: FailureReason::ContextDeadlineExceeded,
                error: "the time was over while another notification asked for the token"
                    .to_owned(),
                ambiguous: false,
            });
        };
        if let Some(kept) = kept.as_ref()
            && request.refused.as_ref() != Some(&kept.value)
            && Instant::now() < kept.until
        {
            return Ok(kept.value.clone());
        }
        *kept = None;
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        let answer = http.send(&request.request, left).await;
        let Token { value, lives } = (request.read)(answer).map_err(unsent)?;
        *kept = Some(Kept {
            value: value.clone(),
            until: Instant::now() + used_for(lives),
        });
        Ok(value)
    }

    fn slot(&self, key: &str) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_TOKENS && !slots.contains_key(key) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(key.to_owned()).or_default())
    }
}

/// A token of less than twice that time is used for half of it; what a server says may be any number.
fn used_for(lives: Duration) -> Duration {
    let lives = lives.min(LONGEST);
    lives.saturating_sub(EARLY).max(lives / 2)
}

/// Without a token nothing was sent, whatever became of the request for it.
fn unsent(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Retry {
            after,
            reason,
            error,
            ambiguous: _,
        } => Verdict::Retry {
            after,
            reason,
            error,
            ambiguous: false,
        },
        other @ (Verdict::Sent(_) | Verdict::Permanent { .. }) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_may_live_for_ever() {
        for (seconds, used) in [(7200, 6900), (400, 200), (0, 0), (u64::MAX, 86_100)] {
            let used_for = used_for(Duration::from_secs(seconds));
            assert_eq!(used_for, Duration::from_secs(used));
            assert!(Instant::now().checked_add(used_for).is_some());
        }
    }
}
