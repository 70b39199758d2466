//! Reads a request's body within bounds of size, of time, and of memory for all requests together.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode, header};
use http_body_util::BodyExt;

use super::respond;

/// 100,000 alerts of ordinary size come to about this much.
const MAX_BODY: usize = 64 << 20;
/// All bodies that are being read or worked on.
const MAX_BODIES: usize = 256 << 20;
/// Longest silence in a body.
const IDLE: Duration = Duration::from_secs(30);
/// Longest time for a whole body.
const WHOLE: Duration = Duration::from_mins(5);

/// The memory that bodies may take together.
#[derive(Debug, Default, Clone)]
pub(super) struct BodyBudget(Arc<AtomicUsize>);

/// A body's share of the budget; returned when it is dropped.
pub(super) struct BodyShare {
    budget: BodyBudget,
    bytes: usize,
}

impl BodyShare {
    fn grow(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.budget.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= MAX_BODIES
    }
}

impl Drop for BodyShare {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads the body, or gives the answer that says why not.
pub(super) async fn read<B>(
    budget: &BodyBudget,
    mut body: B,
) -> Result<(Bytes, BodyShare), Response<Body>>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let mut share = BodyShare {
        budget: budget.clone(),
        bytes: 0,
    };
    let expected = body.size_hint().exact().unwrap_or(0);
    if expected > MAX_BODY as u64 {
        return Err(too_large());
    }
    let reading = async {
        let mut first = Bytes::new();
        let mut more: Option<BytesMut> = None;
        loop {
            let frame = match tokio::time::timeout(IDLE, body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => break,
                Ok(Some(Err(_))) => {
                    return Err(refuse(
                        StatusCode::BAD_REQUEST,
                        "cannot read the request body\n",
                    ));
                }
                Err(_) => return Err(too_slow()),
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if share.bytes + data.len() > MAX_BODY {
                return Err(too_large());
            }
            if !share.grow(data.len()) {
                return Err(refuse(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too many large request bodies at once, try again later\n",
                ));
            }
            if let Some(all) = &mut more {
                all.extend_from_slice(&data);
            } else if first.is_empty() {
                first = data;
            } else {
                let mut all = BytesMut::with_capacity(
                    usize::try_from(expected)
                        .unwrap_or(0)
                        .max(first.len() + data.len()),
                );
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                more = Some(all);
            }
        }
        Ok(more.map_or(first, BytesMut::freeze))
    };
    let bytes = match tokio::time::timeout(WHOLE, reading).await {
        Ok(read) => read?,
        Err(_) => return Err(too_slow()),
    };
    Ok((bytes, share))
}

fn too_large() -> Response<Body> {
    refuse(
        StatusCode::PAYLOAD_TOO_LARGE,
        &format!("request body is larger than {MAX_BODY} bytes\n"),
    )
}

fn too_slow() -> Response<Body> {
    refuse(
        StatusCode::REQUEST_TIMEOUT,
        "the request body did not arrive in time\n",
    )
}

/// What remains of the body is not read, so the connection cannot be used again.
fn refuse(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = respond::text(status, text);
    response
        .headers_mut()
        .insert(header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn bodies_are_read_and_bounded() {
        let budget = BodyBudget::default();
        let (bytes, share) = read(&budget, Full::new(Bytes::from_static(b"[]")))
            .await
            .unwrap();
        assert_eq!(&bytes[..], b"[]");
        assert_eq!(budget.0.load(Ordering::Relaxed), 2);
        drop(share);
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);

        let big = Full::new(Bytes::from(vec![b' '; MAX_BODY + 1]));
        let answer = read(&budget, big).await.err().unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(budget.0.load(Ordering::Relaxed), 0);
    }

    /// A body that comes in pieces.
    struct Chunks(Vec<&'static str>);

    impl http_body::Body for Chunks {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            let next = (!self.0.is_empty()).then(|| self.0.remove(0));
            std::task::Poll::Ready(next.map(|text| Ok(http_body::Frame::data(text.into()))))
        }
    }

    #[tokio::test]
    async fn chunks_are_joined() {
        let body = Chunks(vec!["[", "1", ",2", "]"]);
        let (bytes, _) = read(&BodyBudget::default(), body).await.unwrap();
        assert_eq!(&bytes[..], b"[1,2]");
    }

    #[tokio::test]
    async fn all_bodies_together_are_bounded() {
        let budget = BodyBudget::default();
        let mut held = BodyShare {
            budget: budget.clone(),
            bytes: 0,
        };
        assert!(held.grow(MAX_BODIES));
        let answer = read(&budget, Full::new(Bytes::from_static(b"[]")))
            .await
            .err()
            .unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
