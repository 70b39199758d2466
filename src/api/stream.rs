//! Large JSON answers, written by a worker thread and sent while they are being written.
//!
//! Ten thousands of alerts are tens of megabytes of JSON. A worker fills chunks, a short queue holds what the client
//! has not taken yet, and a slow client stops the worker, not the node; one that stops reading is given up.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, Response, StatusCode, header},
};
use http_body::Frame;
use tokio::{
    runtime::Handle,
    sync::{Semaphore, mpsc},
};

use super::error::ApiError;

/// A chunk is sent when it has grown to this size.
const CHUNK: usize = 64 * 1024;
/// How many chunks may wait for the client.
const QUEUE: usize = 4;

/// Half a minute without reading 64 KiB is no client any more.
const STALL: Duration = Duration::from_secs(30);
/// Workers that write answers at one time. Further readers wait; threads remain for those who post.
const WRITERS: usize = 128;

/// Bounds the workers that write answers.
#[derive(Debug, Clone)]
pub(crate) struct Writers {
    permits: Arc<Semaphore>,
    /// How long a client may take for a chunk.
    stall: Duration,
}

impl Default for Writers {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(WRITERS)),
            stall: STALL,
        }
    }
}

/// The client is gone, or nobody waits for the answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

enum Part {
    Data(Bytes),
    /// Without it the answer broke off, and the client must not take it for the whole.
    End,
}

/// Where a worker writes an answer.
pub(crate) struct ChunkWriter {
    /// What is written and not sent; append to it and call [`ChunkWriter::flush_if_full`] now and then.
    pub(crate) out: String,
    parts: mpsc::Sender<Part>,
    runtime: Handle,
    stall: Duration,
}

impl ChunkWriter {
    /// Sends what has gathered if it is enough; waits while the client is slow.
    pub(crate) fn flush_if_full(&mut self) -> Result<(), Gone> {
        if self.out.len() < CHUNK {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Gone> {
        let full = std::mem::replace(&mut self.out, String::with_capacity(CHUNK + CHUNK / 8));
        self.send(Part::Data(Bytes::from(full)))
    }

    fn send(&self, part: Part) -> Result<(), Gone> {
        let sending = self.parts.send_timeout(part, self.stall);
        self.runtime.block_on(sending).ok().ok_or(Gone)
    }
}

/// Answers 200 with the JSON that `write` writes on a worker thread.
pub(crate) async fn stream_json<F>(writers: &Writers, write: F) -> Result<Response<Body>, ApiError>
where
    F: FnOnce(&mut ChunkWriter) -> Result<(), Gone> + Send + 'static,
{
    let permit = Arc::clone(&writers.permits).acquire_owned().await;
    let permit = permit.map_err(|error| ApiError::internal(error.to_string()))?;
    let (sender, mut parts) = mpsc::channel(QUEUE);
    let (runtime, stall) = (Handle::current(), writers.stall);
    let worker = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut writer = ChunkWriter {
            out: String::with_capacity(4096),
            parts: sender,
            runtime,
            stall,
        };
        write(&mut writer)?;
        writer.flush()?;
        writer.send(Part::End)
    });
    let (Some(Part::Data(first)), second) = (parts.recv().await, parts.recv().await) else {
        let reason = worker.await.err().map(|error| error.to_string());
        return Err(ApiError::internal(
            reason.unwrap_or_else(|| "the answer could not be written".to_owned()),
        ));
    };
    let body = match second {
        Some(Part::End) => Body::from(first),
        second => Body::new(Parts {
            ready: [Some(Part::Data(first)), second],
            parts,
            ended: false,
        }),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

struct Parts {
    /// Taken from the queue before the answer began.
    ready: [Option<Part>; 2],
    parts: mpsc::Receiver<Part>,
    ended: bool,
}

impl HttpBody for Parts {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let waiting = self.ready.iter_mut().find_map(Option::take);
        let part = match waiting {
            Some(part) => Some(part),
            None => ready!(self.parts.poll_recv(context)),
        };
        Poll::Ready(match part {
            Some(Part::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Part::End) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                Some(Err(io::Error::other("the answer broke off")))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response<Body>) -> Result<String, axum::Error> {
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await?;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn small_answers_have_a_length_and_large_ones_arrive_whole() {
        for count in [0_usize, 1, 100_000] {
            let response = stream_json(&Writers::default(), move |writer| {
                for _ in 0..count {
                    writer.out.push_str("0123456789");
                    writer.flush_if_full()?;
                }
                Ok(())
            })
            .await
            .unwrap();
            let exact = response.body().size_hint().exact();
            assert_eq!(exact.is_some(), count < 100_000);
            assert_eq!(text(response).await.unwrap().len(), count * 10);
        }
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_is_an_error() {
        let response = stream_json(&Writers::default(), |writer| {
            for _ in 0..100_000 {
                writer.out.push_str("0123456789");
                writer.flush_if_full()?;
            }
            panic!("for the test");
        })
        .await
        .unwrap();
        assert!(text(response).await.is_err());
        assert!(
            stream_json(&Writers::default(), |_| panic!("for the test"))
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn a_client_that_stops_reading_is_given_up() {
        let writers = Writers {
            stall: Duration::from_millis(10),
            ..Writers::default()
        };
        let (done, result) = tokio::sync::oneshot::channel();
        let response = stream_json(&writers, move |writer| {
            loop {
                writer.out.push_str("0123456789");
                if writer.flush_if_full().is_err() {
                    let _ = done.send(());
                    return Err(Gone);
                }
            }
        })
        .await
        .unwrap();
        result.await.unwrap();
        assert!(text(response).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_leaves_stops_the_worker() {
        let (done, result) = tokio::sync::oneshot::channel();
        let response = stream_json(&Writers::default(), move |writer| {
            loop {
                writer.out.push_str("0123456789");
                if writer.flush_if_full().is_err() {
                    let _ = done.send(());
                    return Err(Gone);
                }
            }
        })
        .await
        .unwrap();
        drop(response);
        result.await.unwrap();
    }
}
