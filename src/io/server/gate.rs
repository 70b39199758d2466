//! Who may ask at all: the rate limit and the passwords of the web configuration file.

use std::{sync::Mutex, time::Instant};

use axum::body::Body;
use base64::Engine;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{auth::Passwords, respond};
use crate::config::{RateLimitConfig, WebConfig};

/// Counts requests and remembers passwords that were right.
pub(super) struct Gate {
    bucket: Mutex<Option<Bucket>>,
    passwords: Passwords,
}

/// As many requests as may come now; refilled with time.
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            bucket: Mutex::new(None),
            passwords: Passwords::new(),
        }
    }

    /// Lets a request in, or gives the answer that refuses it.
    pub(super) async fn admit(
        &self,
        config: &WebConfig,
        headers: &HeaderMap,
    ) -> Result<(), Response<Body>> {
        if !self.take_token(&config.rate_limit, now()) {
            return Err(respond::text(
                StatusCode::TOO_MANY_REQUESTS,
                "Too Many Requests\n",
            ));
        }
        if config.users.is_empty() {
            return Ok(());
        }
        if let Some((user, password)) = basic_auth(headers)
            && self.passwords.check(&config.users, user, password).await
        {
            return Ok(());
        }
        let mut response = respond::text(StatusCode::UNAUTHORIZED, "Unauthorized\n");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        Err(response)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "bursts above 2^53 are as good as any"
    )]
    fn take_token(&self, limit: &RateLimitConfig, now: Instant) -> bool {
        if limit.interval.is_zero() {
            return true;
        }
        let burst = limit.burst as f64;
        let mut slot = self.bucket.lock().expect("nothing panics under the lock");
        let bucket = slot.get_or_insert(Bucket {
            tokens: burst,
            at: now,
        });
        let passed = now.saturating_duration_since(bucket.at);
        let refilled = passed.as_secs_f64() / limit.interval.as_secs_f64();
        bucket.tokens = (bucket.tokens + refilled).min(burst);
        bucket.at = now;
        let allowed = bucket.tokens >= 1.0;
        if allowed {
            bucket.tokens -= 1.0;
        }
        allowed
    }
}

fn basic_auth(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, code) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(code.trim())
        .ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn requests_are_limited_to_a_burst_and_a_rate() {
        let gate = Gate::new();
        let limit = RateLimitConfig {
            burst: 2,
            interval: Duration::from_secs(1),
        };
        let start = now();
        let allowed = |millis| gate.take_token(&limit, start + Duration::from_millis(millis));
        assert_eq!(
            [0, 0, 0, 900, 1_000, 1_100, 9_000, 9_000, 9_000].map(allowed),
            [true, true, false, false, true, false, true, true, false]
        );
        assert!(gate.take_token(&RateLimitConfig::default(), start));
    }

    #[test]
    fn credentials_are_read() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "Basic dTpwOnE=".parse().unwrap());
        assert_eq!(
            basic_auth(&headers),
            Some(("u".to_owned(), "p:q".to_owned()))
        );
        headers.insert(header::AUTHORIZATION, "Bearer x".parse().unwrap());
        assert_eq!(basic_auth(&headers), None);
    }
}
