//! The connections to mail servers: few at a time, used again while they are warm, and a memory of who has which mail.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime,
    sync::Semaphore,
    time::{Instant, sleep_until, timeout_at},
};

use super::{
    connect::connect,
    failure::{Cause, Failure},
    session::{Fates, Session},
};
use crate::{
    config::{HostPort, TlsConfig},
    io::{HttpClients, task},
    notify::{
        FailureReason,
        integration::{MailLogin, MailOutcome, MailRequest},
    },
};

/// Connections to one server with one login. Microsoft 365 takes three at a time.
const MAX_CONNECTIONS: usize = 3;

/// How long a connection waits for the next mail.
const KEEP_IDLE: Duration = Duration::from_secs(30);

/// Servers end connections after some number of mails; this is below what they take.
const MAX_MAILS: u32 = 50;

/// Mails whose recipients are remembered, and for how long: other attempts are made within that time.
const MAX_REMEMBERED: usize = 4096;
const REMEMBER: Duration = Duration::from_secs(6 * 3600);

/// The server takes no mail of this size (RFC 1870).
const TOO_LONG: u16 = 552;

/// Hands mails to servers.
#[derive(Debug)]
pub(in crate::io) struct MailClients {
    keep_idle: Duration,
    servers: Mutex<Vec<Arc<Server>>>,
    /// Who has a mail that others are still to get, by the notification.
    delivered: Mutex<BTreeMap<Arc<str>, Delivered>>,
}

/// Those who have a mail, and since when.
type Delivered = (Instant, BTreeSet<String>);

/// A server with one way to reach it and to log in.
struct Server {
    key: Key,
    permits: Semaphore,
    keep_idle: Duration,
    idle: Mutex<Idle>,
}

#[derive(Debug, PartialEq)]
struct Key {
    server: HostPort,
    hello: String,
    implicit_tls: bool,
    require_tls: bool,
    tls: Option<Arc<TlsConfig>>,
    login: Option<MailLogin>,
}

/// Connections that wait, the one used last at the end.
#[derive(Default)]
struct Idle {
    sessions: Vec<(Instant, Session)>,
    /// Whether a task closes those that waited long enough.
    closing: bool,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("key", &self.key).finish()
    }
}

impl Default for MailClients {
    fn default() -> Self {
        Self::keeping(KEEP_IDLE)
    }
}

impl MailClients {
    /// Keeps connections that long for the next mail.
    pub(super) fn keeping(keep_idle: Duration) -> Self {
        Self {
            keep_idle,
            servers: Mutex::default(),
            delivered: Mutex::default(),
        }
    }

    /// Hands a mail to its server within `timeout`, with a token if it needs one to log in.
    pub(in crate::io) async fn send_as(
        &self,
        mut mail: MailRequest,
        http: &HttpClients,
        timeout: Duration,
    ) -> MailOutcome {
        let Some((login, oauth2)) = mail.login.as_mut().and_then(|login| {
            let oauth2 = login.oauth2.clone()?;
            Some((login, oauth2))
        }) else {
            return self.send(&mail, timeout).await;
        };
        let began = Instant::now();
        login.bearer = match tokio::time::timeout(timeout, http.token(&oauth2)).await {
            Ok(Ok(token)) => Ok(token.unwrap_or_default()),
            // Other ways to log in need no token.
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Err("oauth2: cannot fetch token: the time was over".to_owned()),
        };
        let left = timeout.saturating_sub(began.elapsed());
        let outcome = self.send(&mail, left).await;
        if let MailOutcome::Failed {
            reason: FailureReason::AuthError,
            ..
        } = &outcome
        {
            http.forget_token(&oauth2).await;
        }
        outcome
    }

    /// Hands a mail to its server within `timeout`. Those who have it from an earlier attempt are passed over.
    pub(in crate::io) async fn send(&self, mail: &MailRequest, timeout: Duration) -> MailOutcome {
        let deadline = Instant::now() + timeout;
        let earlier = self.earlier(&mail.key);
        let to: Vec<String> = mail
            .to
            .iter()
            .filter(|to| !earlier.contains(*to))
            .cloned()
            .collect();
        let server = self.server(mail);
        let Ok(Ok(_permit)) = timeout_at(deadline, server.permits.acquire()).await else {
            return Failure::new(
                "establish connection to server",
                Cause::TimedOut,
                "the time was over while other mails were sent",
            )
            .outcome();
        };
        let mut fates = server.send(mail, &to, deadline).await;
        if let Err(failure) = &fates
            && failure.cause == Cause::Answer(TOO_LONG)
            && let Some(short) = &mail.short
        {
            let shortened = MailRequest {
                message: Arc::clone(short),
                short: None,
                ..mail.clone()
            };
            fates = server.send(&shortened, &to, deadline).await;
        }
        match fates {
            Ok(fates) => self.settle(mail, earlier, fates),
            Err(failure) => failure.outcome(),
        }
    }

    fn settle(
        &self,
        mail: &MailRequest,
        mut delivered: BTreeSet<String>,
        fates: Fates,
    ) -> MailOutcome {
        let Fates {
            accepted,
            refused,
            deferred,
            answer,
        } = fates;
        delivered.extend(accepted);
        if delivered.is_empty() {
            return none_taken(&refused, &deferred);
        }
        let mut all = lock(&self.delivered);
        if deferred.is_empty() {
            all.remove(&mail.key);
        } else {
            let now = Instant::now();
            if all.len() >= MAX_REMEMBERED {
                all.retain(|_, (at, _)| now - *at < REMEMBER);
            }
            if all.len() < MAX_REMEMBERED || all.contains_key(&mail.key) {
                all.insert(Arc::clone(&mail.key), (now, delivered));
            }
        }
        MailOutcome::Taken {
            refused,
            deferred,
            answer,
        }
    }

    fn earlier(&self, key: &str) -> BTreeSet<String> {
        match lock(&self.delivered).get(key) {
            Some((at, to)) if at.elapsed() < REMEMBER => to.clone(),
            Some(_) | None => BTreeSet::new(),
        }
    }

    fn server(&self, mail: &MailRequest) -> Arc<Server> {
        let key = Key {
            server: mail.server.clone(),
            hello: mail.hello.clone(),
            implicit_tls: mail.implicit_tls,
            require_tls: mail.require_tls,
            tls: mail.tls.clone(),
            login: mail.login.clone(),
        };
        let mut servers = lock(&self.servers);
        if let Some(known) = servers.iter().find(|known| known.key == key) {
            return Arc::clone(known);
        }
        // What configurations, passwords and tokens of the past have left.
        servers.retain(|server| Arc::strong_count(server) > 1 || server.is_warm());
        let server = Arc::new(Server {
            key,
            permits: Semaphore::new(MAX_CONNECTIONS),
            keep_idle: self.keep_idle,
            idle: Mutex::default(),
        });
        servers.push(Arc::clone(&server));
        server
    }
}

fn none_taken(refused: &[(String, String)], deferred: &[(String, String)]) -> MailOutcome {
    let all = deferred.iter().chain(refused);
    let words: Vec<_> = all
        .take(5)
        .map(|(to, why)| format!("{to}: {why}"))
        .collect();
    let reason = if deferred.is_empty() {
        FailureReason::ClientError
    } else {
        FailureReason::ServerError
    };
    MailOutcome::Failed {
        reason,
        error: format!("send RCPT command: {}", words.join("; ")),
        retry: !deferred.is_empty(),
        after: None,
        ambiguous: false,
    }
}

impl Server {
    fn is_warm(&self) -> bool {
        !lock(&self.idle).sessions.is_empty()
    }

    async fn send(
        self: &Arc<Self>,
        mail: &MailRequest,
        to: &[String],
        deadline: Instant,
    ) -> Result<Fates, Failure> {
        if let Some(mut session) = self.warm(deadline).await {
            match session.send(mail, to).await {
                Ok(fates) => {
                    self.put_back(session);
                    return Ok(fates);
                }
                // The server had enough of this connection, which says nothing about the mail.
                Err(failure) if failure.ends_connection() && !failure.ambiguous => {}
                Err(failure) => {
                    self.put_back_after(session, &failure);
                    return Err(failure);
                }
            }
        }
        let mut session = connect(mail, deadline).await?;
        match session.send(mail, to).await {
            Ok(fates) => {
                self.put_back(session);
                Ok(fates)
            }
            Err(failure) => {
                self.put_back_after(session, &failure);
                Err(failure)
            }
        }
    }

    /// A connection that waited, if one still lives.
    async fn warm(&self, deadline: Instant) -> Option<Session> {
        loop {
            let (since, mut session) = lock(&self.idle).sessions.pop()?;
            session.deadline = deadline;
            if since.elapsed() < self.keep_idle && session.reset().await {
                return Some(session);
            }
        }
    }

    fn put_back_after(self: &Arc<Self>, session: Session, failure: &Failure) {
        if !failure.ends_connection() {
            self.put_back(session);
        }
    }

    fn put_back(self: &Arc<Self>, session: Session) {
        let spent = session.used >= MAX_MAILS;
        let runtime = runtime::Handle::current();
        if spent {
            task::spawn(&runtime, "mail", session.quit());
            return;
        }
        let mut idle = lock(&self.idle);
        idle.sessions.push((Instant::now(), session));
        if !idle.closing {
            idle.closing = true;
            task::spawn(&runtime, "mail", close_idle(Arc::clone(self)));
        }
    }
}

/// Closes connections that waited long enough, until none waits.
async fn close_idle(server: Arc<Server>) {
    loop {
        let next = {
            let mut idle = lock(&server.idle);
            let Some((since, _)) = idle.sessions.first() else {
                idle.closing = false;
                return;
            };
            *since + server.keep_idle
        };
        sleep_until(next).await;
        let session = {
            let mut idle = lock(&server.idle);
            let due = idle.sessions.first();
            let due = due.is_some_and(|(since, _)| since.elapsed() >= server.keep_idle);
            due.then(|| idle.sessions.remove(0).1)
        };
        if let Some(session) = session {
            session.quit().await;
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
