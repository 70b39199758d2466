//! What an integration says and hears: requests out, answers in, until there is a verdict.
//!
//! Most receivers take one request. Some want more (a token first, a search before an issue is created), so each
//! integration is a small state machine that the shell drives; it reads no clock and touches no network.

use std::{fmt, sync::Arc, time::Duration};

use super::{FileContents, HttpRequest, HttpResponse, MailOutcome, MailRequest, TransportError};
use crate::{
    config::{Integration, Secret, Texts},
    notify::{Memory, NotificationData, Verdict},
    time::Timestamp,
};

/// Everything that an attempt to notify is made of. Files hold secrets, so their contents are not printed.
#[derive(Clone)]
pub struct Context {
    /// To whom and how.
    pub integration: Arc<Integration>,
    /// What.
    pub data: Arc<NotificationData>,
    /// In which words.
    pub texts: Arc<Texts>,
    /// The files that [`super::files`] named.
    pub files: FileContents,
    /// What the integration kept of the notification before.
    pub memory: Memory,
    /// The time of this attempt, for signatures.
    pub at: Timestamp,
    /// How long the attempt may take.
    pub allowed: Duration,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.files.keys().collect();
        f.debug_struct("Context")
            .field("integration", &self.integration)
            .field("data", &self.data)
            .field("files", &files)
            .field("memory", &self.memory)
            .field("at", &self.at)
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

/// What an integration wants done next.
#[derive(Debug)]
pub enum Step {
    /// Make a request and hand in [`Answer::Http`].
    Http(HttpRequest),
    /// Give the token that `TokenRequest::key` names and hand in [`Answer::Token`].
    Token(TokenRequest),
    /// Send a mail and hand in [`Answer::Mail`].
    Mail(MailRequest),
    /// This is how it ended.
    Done(Verdict),
}

/// What came of a step.
#[derive(Debug)]
pub enum Answer {
    /// Of [`Step::Http`].
    Http(Result<HttpResponse, TransportError>),
    /// Of [`Step::Token`].
    Token(Result<Secret, Verdict>),
    /// Of [`Step::Mail`].
    Mail(MailOutcome),
}

/// An integration in the middle of an attempt.
pub trait Conversation: fmt::Debug + Send {
    /// Takes in what came of the step before.
    fn answer(&mut self, answer: Answer) -> Step;

    /// Which templates failed and how; empty if none did.
    fn template_problems(&self) -> &str {
        ""
    }
}

/// An attempt that has begun: its first step, and who takes the answer.
pub type Begun = (Step, Box<dyn Conversation>);

/// A token that many notifications share. The shell keeps it, and asks for it once however many wait.
#[derive(Debug)]
pub struct TokenRequest {
    /// Names the token: the server and the identity, the secret hashed.
    pub key: String,
    /// How to get a new one.
    pub request: HttpRequest,
    /// Reads the answer.
    pub read: fn(Result<HttpResponse, TransportError>) -> Result<Token, Verdict>,
    /// A token that the receiver refused; another one is wanted.
    pub refused: Option<Secret>,
}

/// A token and how long it may be used.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub value: Secret,
    /// From now on.
    pub lives: Duration,
}

/// A conversation of one request.
pub(super) struct Single<F>(Option<F>);

impl<F> fmt::Debug for Single<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Single")
    }
}

/// Makes one request and lets `judge` read the answer.
pub(super) fn single<F>(request: HttpRequest, judge: F) -> Begun
where
    F: FnOnce(Result<HttpResponse, TransportError>) -> Verdict + Send + 'static,
{
    (Step::Http(request), Box::new(Single(Some(judge))))
}

impl<F> Conversation for Single<F>
where
    F: FnOnce(Result<HttpResponse, TransportError>) -> Verdict + Send,
{
    fn answer(&mut self, answer: Answer) -> Step {
        match (answer, self.0.take()) {
            (Answer::Http(result), Some(judge)) => Step::Done(judge(result)),
            _ => out_of_turn(),
        }
    }
}

/// A conversation of several requests, one after the other.
struct Dialogue<F>(F);

impl<F> fmt::Debug for Dialogue<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dialogue")
    }
}

/// Makes a request; `hear` reads each answer and says what comes next.
pub(super) fn dialogue<F>(request: HttpRequest, hear: F) -> Begun
where
    F: FnMut(Result<HttpResponse, TransportError>) -> Step + Send + 'static,
{
    (Step::Http(request), Box::new(Dialogue(hear)))
}

impl<F> Conversation for Dialogue<F>
where
    F: FnMut(Result<HttpResponse, TransportError>) -> Step + Send,
{
    fn answer(&mut self, answer: Answer) -> Step {
        match answer {
            Answer::Http(result) => (self.0)(result),
            Answer::Token(_) | Answer::Mail(_) => out_of_turn(),
        }
    }
}

/// An answer that was not asked for.
pub(super) fn out_of_turn() -> Step {
    Step::Done(Verdict::unsendable(
        "this is a bug: an answer came that was not asked for",
    ))
}
