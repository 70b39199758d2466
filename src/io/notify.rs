//! One attempt to notify: read the files, make the request, send it, judge the answer.

use std::{fs, sync::Arc, time::Duration};

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

/// Makes the attempt; ends within its timeout.
pub(super) async fn notify(http: &HttpClients, attempt: NotifyAttempt) -> Verdict {
    let NotifyAttempt {
        data,
        integration,
        timeout,
        ..
    } = attempt;
    let began = tokio::time::Instant::now();
    let request = match prepare(Arc::clone(&integration), data, timeout).await {
        Ok(request) => request,
        Err(verdict) => return verdict,
    };
    let left = timeout.saturating_sub(began.elapsed());
    let result = http.send(&request, left).await;
    integration::verdict(&integration, result, left)
}

/// Rendering may take long and files may hang, so both are done beside the runtime's threads.
async fn prepare(
    integration: Arc<Integration>,
    data: Arc<NotificationData>,
    timeout: Duration,
) -> Result<HttpRequest, Verdict> {
    let work = tokio::task::spawn_blocking(move || {
        let files = read_files(integration::files(&integration));
        integration::request(&integration, &data, &files)
    });
    match tokio::time::timeout(timeout, work).await {
        Ok(Ok(request)) => request,
        Ok(Err(_panic)) => Err(Verdict::Permanent {
            reason: FailureReason::Other,
            error: "this is a bug: the notification could not be rendered".to_owned(),
        }),
        Err(_elapsed) => Err(Verdict::Retry {
            after: None,
            reason: FailureReason::ContextDeadlineExceeded,
            error: "the time was over before the notification was rendered".to_owned(),
            ambiguous: false,
        }),
    }
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
