//! Large JSON answers, written by worker threads and sent while they are being written.
//!
//! Ten thousands of alerts are tens of megabytes of JSON. Workers fill chunks, short queues hold what the client has not
//! taken yet, and a slow client stops the workers, not the node; one that stops reading is given up. A long list is cut
//! into parts that two workers write by turns.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    thread,
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, Response, StatusCode, header},
};
use http_body::Frame;
use tokio::{
    runtime::Handle,
    sync::{
        Semaphore,
        mpsc::{self, error::SendTimeoutError},
    },
    task::JoinHandle,
};

use super::error::ApiError;

/// A chunk is sent when it has grown to this size.
const CHUNK: usize = 64 * 1024;
/// How many chunks of one worker may wait for the client.
const QUEUE: usize = 4;

/// Half a minute without reading 64 KiB is no client any more.
const STALL: Duration = Duration::from_secs(30);
/// Workers that write answers at one time. Further readers wait; threads remain for those who post.
const WRITERS: usize = 128;
/// Workers that write one list; the task that sends what they write is not faster than two of them.
const PER_LIST: usize = 2;
/// A list of fewer parts is not worth a second worker.
const FEW_PARTS: usize = 8;

/// Bounds the workers that write answers.
#[derive(Debug, Clone)]
pub(crate) struct Writers {
    permits: Arc<Semaphore>,
    /// Workers for one long list.
    per_list: usize,
    /// How long a client may take for a chunk.
    stall: Duration,
}

impl Default for Writers {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self {
            permits: Arc::new(Semaphore::new(WRITERS)),
            per_list: processors.min(PER_LIST),
            stall: STALL,
        }
    }
}

/// The client is gone, or nobody waits for the answer any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

enum Message {
    Text(String),
    /// A part is written. Without it the answer broke off, and the client must not take it for the whole.
    PartEnds,
}

/// Where a worker writes an answer.
pub(crate) struct ChunkWriter {
    /// What is written and not sent; append to it and call [`ChunkWriter::flush_if_full`] now and then.
    pub(crate) out: String,
    queue: mpsc::Sender<Message>,
    runtime: Handle,
    stall: Duration,
    /// Counts what the client took, from whichever worker.
    taken: Arc<AtomicU64>,
}

impl ChunkWriter {
    /// Sends what has gathered if it is enough; waits while the client is slow.
    pub(crate) fn flush_if_full(&mut self) -> Result<(), Gone> {
        if self.out.len() < CHUNK {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.out, String::with_capacity(CHUNK + CHUNK / 8));
        self.send(Message::Text(full))
    }

    fn end_part(&mut self) -> Result<(), Gone> {
        if !self.out.is_empty() {
            let rest = std::mem::replace(&mut self.out, String::with_capacity(CHUNK + CHUNK / 8));
            self.send(Message::Text(rest))?;
        }
        self.send(Message::PartEnds)
    }

    fn send(&self, mut message: Message) -> Result<(), Gone> {
        loop {
            let taken = self.taken.load(Relaxed);
            let sending = self.queue.send_timeout(message, self.stall);
            message = match self.runtime.block_on(sending) {
                Ok(()) => return Ok(()),
                // The client may be busy with what another worker wrote.
                Err(SendTimeoutError::Timeout(back)) if taken != self.taken.load(Relaxed) => back,
                Err(SendTimeoutError::Timeout(_) | SendTimeoutError::Closed(_)) => {
                    return Err(Gone);
                }
            };
        }
    }
}

/// Answers 200 with the JSON that `write` writes on a worker thread.
pub(crate) async fn stream_json<F>(writers: &Writers, write: F) -> Result<Response<Body>, ApiError>
where
    F: FnOnce(&mut ChunkWriter) -> Result<(), Gone> + Send + 'static,
{
    let mut write = Some(write);
    let whole =
        move |_part, writer: &mut ChunkWriter| write.take().map_or(Ok(()), |write| write(writer));
    answer(writers, 1, Form::Whole, vec![whole]).await
}

/// Answers 200 with a list of `parts` parts, which workers write by turns: a worker is given the number of a part and
/// writes its elements, a comma before each, the very first included.
pub(crate) async fn stream_list<F>(
    writers: &Writers,
    parts: usize,
    worker: impl Fn() -> F,
) -> Result<Response<Body>, ApiError>
where
    F: FnMut(usize, &mut ChunkWriter) -> Result<(), Gone> + Send + 'static,
{
    let workers = if parts < FEW_PARTS {
        1
    } else {
        writers.per_list
    };
    let workers = (0..workers).map(|_| worker()).collect();
    answer(writers, parts, Form::List { empty: true }, workers).await
}

async fn answer<F>(
    writers: &Writers,
    parts: usize,
    form: Form,
    workers: Vec<F>,
) -> Result<Response<Body>, ApiError>
where
    F: FnMut(usize, &mut ChunkWriter) -> Result<(), Gone> + Send + 'static,
{
    let (answer, workers) = Answer::begin(writers, parts, form, workers).await?;
    let Some(body) = answer.into_body().await else {
        return Err(broken(workers).await);
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    Ok(response)
}

/// Why an answer broke off before it began.
async fn broken(workers: Vec<JoinHandle<Result<(), Gone>>>) -> ApiError {
    for worker in workers {
        if let Err(error) = worker.await {
            return ApiError::internal(error.to_string());
        }
    }
    ApiError::internal("the answer could not be written")
}

/// What stands around what workers write.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Nothing.
    Whole,
    /// Brackets; the first comma becomes the first of them.
    List {
        empty: bool,
    },
    Done,
}

/// Puts what workers write in order.
struct Answer {
    /// What was taken from the queues before the answer began.
    head: Option<String>,
    queues: Vec<mpsc::Receiver<Message>>,
    taken: Arc<AtomicU64>,
    /// The part that comes next.
    part: usize,
    parts: usize,
    form: Form,
}

impl Answer {
    async fn begin<F>(
        writers: &Writers,
        parts: usize,
        form: Form,
        workers: Vec<F>,
    ) -> Result<(Self, Vec<JoinHandle<Result<(), Gone>>>), ApiError>
    where
        F: FnMut(usize, &mut ChunkWriter) -> Result<(), Gone> + Send + 'static,
    {
        let count = workers.len();
        let permits = u32::try_from(count).unwrap_or(u32::MAX);
        let permits = Arc::clone(&writers.permits)
            .acquire_many_owned(permits)
            .await;
        let permits = Arc::new(permits.map_err(|error| ApiError::internal(error.to_string()))?);
        let taken = Arc::new(AtomicU64::new(0));
        let mut queues = Vec::new();
        let mut handles = Vec::new();
        for (first, mut write) in workers.into_iter().enumerate() {
            let (sender, queue) = mpsc::channel(QUEUE);
            queues.push(queue);
            let permits = Arc::clone(&permits);
            let mut writer = ChunkWriter {
                out: String::with_capacity(4096),
                queue: sender,
                runtime: Handle::current(),
                stall: writers.stall,
                taken: Arc::clone(&taken),
            };
            handles.push(tokio::task::spawn_blocking(move || {
                let _permits = permits;
                for part in (first..parts).step_by(count) {
                    write(part, &mut writer)?;
                    writer.end_part()?;
                }
                Ok(())
            }));
        }
        let answer = Self {
            head: None,
            queues,
            taken,
            part: 0,
            parts,
            form,
        };
        Ok((answer, handles))
    }

    /// The body, with its length if it is short; `None` if it broke off at once.
    async fn into_body(mut self) -> Option<Body> {
        let mut head = String::new();
        while head.len() < CHUNK {
            match poll_fn(|context| self.poll_text(context)).await {
                None => return Some(Body::from(head)),
                Some(text) => head.push_str(&text?),
            }
        }
        self.head = Some(head);
        Some(Body::new(self))
    }

    /// The next piece of the answer; `None` in it if the answer broke off.
    fn poll_text(&mut self, context: &mut Context<'_>) -> Poll<Option<Option<String>>> {
        while self.part < self.parts {
            let turn = self.part % self.queues.len();
            match ready!(self.queues[turn].poll_recv(context)) {
                None => {
                    self.part = self.parts;
                    self.form = Form::Done;
                    return Poll::Ready(Some(None));
                }
                Some(Message::PartEnds) => self.part += 1,
                Some(Message::Text(mut text)) => {
                    self.taken.fetch_add(1, Relaxed);
                    if let Form::List { empty: true } = self.form {
                        text.replace_range(..1, "[");
                        self.form = Form::List { empty: false };
                    }
                    return Poll::Ready(Some(Some(text)));
                }
            }
        }
        let end = match std::mem::replace(&mut self.form, Form::Done) {
            Form::List { empty: true } => "[]\n",
            Form::List { empty: false } => "]\n",
            Form::Whole | Form::Done => return Poll::Ready(None),
        };
        Poll::Ready(Some(Some(end.to_owned())))
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let text = match self.head.take() {
            Some(head) => Some(Some(head)),
            None => ready!(self.poll_text(context)),
        };
        let broken = || io::Error::other("the answer broke off");
        Poll::Ready(text.map(|text| text.map(|text| Frame::data(text.into())).ok_or_else(broken)))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

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
    async fn parts_of_a_list_stand_in_order() {
        for (parts, per_part) in [(0, 1), (1, 0), (1, 3), (20, 0), (20, 1), (9, 5000)] {
            for per_list in [1, 2, 3] {
                let writers = Writers {
                    per_list,
                    ..Writers::default()
                };
                let worker = || {
                    move |part: usize, writer: &mut ChunkWriter| {
                        for i in 0..per_part {
                            let _ = write!(writer.out, ",{}", part * per_part + i);
                            writer.flush_if_full()?;
                        }
                        Ok(())
                    }
                };
                let response = stream_list(&writers, parts, worker).await.unwrap();
                let list: Vec<usize> =
                    serde_json::from_str(&text(response).await.unwrap()).unwrap();
                assert!(
                    list.into_iter().eq(0..parts * per_part),
                    "{parts} × {per_part}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_worker_that_ends_early_breaks_the_list_off() {
        let writers = Writers {
            per_list: 2,
            ..Writers::default()
        };
        let worker = || {
            |part: usize, writer: &mut ChunkWriter| {
                writer.out.push_str(",1");
                if part == 7 { Err(Gone) } else { Ok(()) }
            }
        };
        assert!(stream_list(&writers, 20, worker).await.is_err());
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
