//! One attempt to notify: read the files, make the request, send it, judge the answer.

use std::{
    fs,
    sync::{Arc, LazyLock},
    thread,
};

use tokio::sync::Semaphore;

use super::http::HttpClients;
use crate::{
    config::Integration,
    node::NotifyAttempt,
    notify::{
        FailureReason, NotificationData, Verdict,
        integration::{self, FileContents, HttpRequest},
    },
};

/// Files with addresses are short.
const MAX_FILE: usize = 64 * 1024;

/// Notifications that are rendered at the same time: as many as there are processors. It takes nothing but processors,
/// and what is rendered early only takes memory.
static RENDERING: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(thread::available_parallelism().map_or(2, usize::from)));

/// Makes the attempt; ends within its timeout.
pub(super) async fn notify(http: &HttpClients, attempt: NotifyAttempt) -> Verdict {
    let NotifyAttempt {
        data,
        integration,
        timeout,
        ..
    } = attempt;
    let began = tokio::time::Instant::now();
    let prepare = prepare(Arc::clone(&integration), data);
    let request = match tokio::time::timeout(timeout, prepare).await {
        Ok(Ok(request)) => request,
        Ok(Err(verdict)) => return verdict,
        Err(_elapsed) => {
            return Verdict::Retry {
                after: None,
                reason: FailureReason::ContextDeadlineExceeded,
                error: "the time was over before the notification was rendered".to_owned(),
                ambiguous: false,
            };
        }
    };
    let left = timeout.saturating_sub(began.elapsed());
    let result = http.send(&request, left).await;
    integration::verdict(&integration, result, left)
}

/// Rendering may take long and files may hang, so both are done beside the runtime's threads; a file that hangs holds
/// up nothing but its own notification.
async fn prepare(
    integration: Arc<Integration>,
    data: Arc<NotificationData>,
) -> Result<HttpRequest, Verdict> {
    let bug = || Verdict::Permanent {
        reason: FailureReason::Other,
        error: "this is a bug: the notification could not be rendered".to_owned(),
    };
    let paths = integration::files(&integration);
    let files = if paths.is_empty() {
        FileContents::new()
    } else {
        let read = tokio::task::spawn_blocking(move || read_files(paths)).await;
        read.map_err(|_panic| bug())?
    };
    let _permit = RENDERING.acquire().await.map_err(|_closed| bug())?;
    tokio::task::spawn_blocking(move || integration::request(&integration, &data, &files))
        .await
        .map_err(|_panic| bug())?
}

fn read_files(paths: Vec<String>) -> FileContents {
    paths
        .into_iter()
        .map(|path| {
            let content = match fs::read_to_string(&path) {
                Ok(content) if content.len() > MAX_FILE => {
                    Err(format!("{path}: larger than 64 KiB"))
                }
                Ok(content) => Ok(content.trim().to_owned()),
                Err(error) => Err(format!("{path}: {error}")),
            };
            (path, content)
        })
        .collect()
}
