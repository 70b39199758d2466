//! One attempt to notify: read the files, render, then go through the integration's conversation to its verdict.

use std::{env, fs, sync::LazyLock, thread};

use tokio::{sync::Semaphore, time::Instant};

use super::{Clock, http::HttpClients, smtp::MailClients, tokens::Tokens};
use crate::{
    node::NotifyAttempt,
    notify::{
        FailureReason, Verdict,
        integration::{self, Answer, Begun, Context, Conversation, FileContents, Rehearsal, Step},
    },
};

/// Files with addresses are short.
const MAX_FILE: usize = 64 * 1024;

/// More requests than any integration needs for one notification.
const MAX_STEPS: usize = 16;

/// Notifications that are rendered at the same time: as many as there are processors. It takes nothing but processors,
/// and what is rendered early only takes memory.
static RENDERING: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(thread::available_parallelism().map_or(2, usize::from)));

/// Speaks to receivers.
#[derive(Debug)]
pub struct Senders {
    clock: Clock,
    http: HttpClients,
    tokens: Tokens,
    mail: MailClients,
}

impl Senders {
    /// With no connection and no token yet. The environment's proxies are read here.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            http: HttpClients::new(clock),
            tokens: Tokens::default(),
            mail: MailClients::default(),
        }
    }

    /// Makes the attempt; ends within its timeout.
    pub async fn notify(&self, attempt: NotifyAttempt) -> Verdict {
        let timeout = attempt.timeout;
        let began = Instant::now();
        let (step, mut conversation) =
            match tokio::time::timeout(timeout, self.begin(attempt)).await {
                Ok(Ok(begun)) => begun,
                Ok(Err(verdict)) => return verdict,
                Err(_elapsed) => {
                    return out_of_time("the time was over before the notification was rendered");
                }
            };
        self.converse(step, conversation.as_mut(), began + timeout)
            .await
    }

    async fn converse(
        &self,
        mut step: Step,
        conversation: &mut dyn Conversation,
        deadline: Instant,
    ) -> Verdict {
        for _ in 0..MAX_STEPS {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = match step {
                Step::Done(verdict) => return verdict,
                Step::Http(request) => Answer::Http(self.http.send(&request, left).await),
                Step::Token(request) => {
                    Answer::Token(self.tokens.get(&self.http, request, left).await)
                }
                Step::Mail(mail) => Answer::Mail(self.mail.send_as(mail, &self.http, left).await),
            };
            step = conversation.answer(answer);
        }
        Verdict::unsendable("this is a bug: the receiver was asked again and again")
    }

    /// Shows what an attempt would send; nothing is sent.
    ///
    /// # Errors
    /// The verdict, where there is nothing that could be sent.
    pub async fn rehearse(&self, attempt: NotifyAttempt) -> Result<Rehearsal, Verdict> {
        let timeout = attempt.timeout;
        let rehearsal = self.rendered(attempt, integration::rehearse);
        match tokio::time::timeout(timeout, rehearsal).await {
            Ok(rehearsal) => rehearsal,
            Err(_elapsed) => Err(out_of_time(
                "the time was over before the notification was rendered",
            )),
        }
    }

    async fn begin(&self, attempt: NotifyAttempt) -> Result<Begun, Verdict> {
        self.rendered(attempt, integration::begin).await
    }

    /// Rendering may take long and files may hang, so both are done beside the runtime's threads; a file that hangs
    /// holds up nothing but its own notification.
    async fn rendered<T: Send + 'static>(
        &self,
        attempt: NotifyAttempt,
        render: fn(&Context) -> Result<T, Verdict>,
    ) -> Result<T, Verdict> {
        let bug = || Verdict::unsendable("this is a bug: the notification could not be rendered");
        let paths = integration::files(&attempt.integration);
        let files = if paths.is_empty() {
            FileContents::new()
        } else {
            let read = tokio::task::spawn_blocking(move || read_files(paths)).await;
            read.map_err(|_panic| bug())?
        };
        let _permit = RENDERING.acquire().await.map_err(|_closed| bug())?;
        let context = Context {
            integration: attempt.integration,
            data: attempt.data,
            texts: attempt.texts,
            files,
            memory: attempt.memory,
            at: self.clock.now().wall,
            allowed: attempt.timeout,
        };
        tokio::task::spawn_blocking(move || render(&context))
            .await
            .map_err(|_panic| bug())?
    }
}

fn out_of_time(error: &str) -> Verdict {
    Verdict::Retry {
        after: None,
        reason: FailureReason::ContextDeadlineExceeded,
        error: error.to_owned(),
        ambiguous: false,
    }
}

fn read_files(names: Vec<String>) -> FileContents {
    names
        .into_iter()
        .map(|name| {
            let content = read_named(&name);
            (name, content)
        })
        .collect()
}

/// Reads what [`integration::files`] named: a variable, a file below a variable's value, or a file.
fn read_named(name: &str) -> Result<String, String> {
    if let Some(variable) = name.strip_prefix("env:") {
        return variable_named(variable);
    }
    let Some(path) = name.strip_prefix("env-file:") else {
        return read_file(name);
    };
    let (variable, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
    read_file(&(variable_named(variable)? + rest))
}

fn variable_named(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

fn read_file(path: &str) -> Result<String, String> {
    match fs::read_to_string(path) {
        Ok(content) if content.len() > MAX_FILE => Err(format!("{path}: larger than 64 KiB")),
        Ok(content) => Ok(content),
        Err(error) => Err(format!("{path}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_environment_holds_and_names() {
        let home = env::var("HOME").unwrap();
        assert_eq!(read_named("env:HOME"), Ok(home.clone()));
        let missing = "/no-such-file-of-watchfire";
        for (name, expect) in [
            (
                "env:NO_SUCH_VARIABLE_OF_WATCHFIRE",
                "NO_SUCH_VARIABLE_OF_WATCHFIRE: ",
            ),
            (
                "env-file:NO_SUCH_VARIABLE_OF_WATCHFIRE/x",
                "NO_SUCH_VARIABLE_OF_WATCHFIRE: ",
            ),
            (missing, missing),
        ] {
            let error = read_named(name).unwrap_err();
            assert!(error.starts_with(expect), "{error}");
        }
        let error = read_named(&format!("env-file:HOME{missing}")).unwrap_err();
        assert!(error.starts_with(&(home + missing)), "{error}");
        let this = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        assert!(read_named(this).unwrap().starts_with("[package]"));
    }
}
