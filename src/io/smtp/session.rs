//! A connection that stands: its commands, and a mail with the fate of each recipient.

use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::time::{Instant, timeout_at};

use super::{
    failure::{Cause, Failure, joined},
    link::Link,
};
use crate::notify::integration::MailRequest;

/// For the answer to a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// For writing a message and for the word that it was taken, which servers give after their filters.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(300);

const RESET_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that stands ready to take mail.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    link: Link,
    /// `EHLO`'s answer without codes.
    extensions: Vec<String>,
    /// Whether passwords may be written as they are.
    private: bool,
    pub(super) deadline: Instant,
    /// Mails that went over it.
    pub(super) used: u32,
}

/// An answer that is no refusal.
pub(super) struct Reply {
    pub(super) code: u16,
    pub(super) text: String,
}

/// What became of each recipient of a mail that was taken.
#[derive(Debug, Default)]
pub(super) struct Fates {
    pub(super) accepted: Vec<String>,
    pub(super) refused: Vec<(String, String)>,
    pub(super) deferred: Vec<(String, String)>,
    pub(super) answer: String,
}

impl Session {
    pub(super) fn new(
        connection: AsyncSmtpConnection,
        link: Link,
        private: bool,
        deadline: Instant,
    ) -> Self {
        let heard = link.heard();
        let extensions = heard.iter().skip(1).filter_map(|line| line.get(4..));
        Self {
            connection,
            extensions: extensions.map(str::to_owned).collect(),
            link,
            private,
            deadline,
            used: 0,
        }
    }

    /// The parameters of an extension that the server offers.
    pub(super) fn extension(&self, name: &str) -> Option<String> {
        self.extensions.iter().find_map(|line| {
            // `AUTH=LOGIN` is how some old servers write it.
            let (word, rest) = line.split_once([' ', '=']).unwrap_or((line, ""));
            word.eq_ignore_ascii_case(name).then(|| rest.to_owned())
        })
    }

    pub(super) fn may_send_password(&self) -> bool {
        self.private
    }

    /// Gives up the protocol; the stream remains in the link.
    pub(super) fn into_link(self) -> Link {
        self.link
    }

    /// Sends a command and takes in its answer.
    pub(super) async fn command(
        &mut self,
        step: &'static str,
        line: &str,
    ) -> Result<Reply, Failure> {
        let until = self.deadline.min(Instant::now() + COMMAND_TIMEOUT);
        let answer = timeout_at(until, self.connection.command(format!("{line}\r\n"))).await;
        self.reply(step, answer.ok())
    }

    fn reply(
        &self,
        step: &'static str,
        answer: Option<
            Result<lettre::transport::smtp::response::Response, lettre::transport::smtp::Error>,
        >,
    ) -> Result<Reply, Failure> {
        match answer {
            None => Err(Failure::timed_out(step)),
            Some(Err(error)) => Err(Failure::of(step, &error, &self.link.heard())),
            Some(Ok(response)) => Ok(Reply {
                code: response.code().into(),
                text: response.first_line().unwrap_or_default().to_owned(),
            }),
        }
    }

    /// Whether the server still listens; what was begun is forgotten.
    pub(super) async fn reset(&mut self) -> bool {
        let until = self.deadline.min(Instant::now() + RESET_TIMEOUT);
        timeout_at(until, self.connection.command("RSET\r\n"))
            .await
            .is_ok_and(|answer| answer.is_ok())
    }

    /// Says goodbye; nothing depends on it.
    pub(super) async fn quit(mut self) {
        let until = Instant::now() + Duration::from_secs(2);
        let _ = timeout_at(until, self.connection.command("QUIT\r\n")).await;
    }

    /// Hands over a mail for some of its recipients.
    pub(super) async fn send(
        &mut self,
        mail: &MailRequest,
        to: &[String],
    ) -> Result<Fates, Failure> {
        self.used += 1;
        let utf8 = self.extension("SMTPUTF8").is_some();
        if !mail.from.is_ascii() && !utf8 {
            return Err(Failure::new("send MAIL command", Cause::Setting, NO_UTF8));
        }
        let mut line = format!("MAIL FROM:<{}>", mail.from);
        if self.extension("8BITMIME").is_some() {
            line.push_str(" BODY=8BITMIME");
        }
        // Upstream says so whenever the server knows the word; some servers then refuse recipients of others.
        if utf8 && !(mail.from.is_ascii() && to.iter().all(|to| to.is_ascii())) {
            line.push_str(" SMTPUTF8");
        }
        let reply = self.command("send MAIL command", &line).await?;
        expect(2, "send MAIL command", &reply)?;
        let mut fates = self.recipients(to, utf8).await?;
        if fates.accepted.is_empty() {
            return Ok(fates);
        }
        let reply = self.command("send DATA command", "DATA").await?;
        expect(3, "send DATA command", &reply)?;
        let size = self
            .extension("SIZE")
            .and_then(|size| size.trim().parse().ok());
        let message = match (&mail.short, size) {
            (Some(short), Some(most @ 1_usize..)) if mail.message.len() > most => short,
            _ => &mail.message,
        };
        fates.answer = self.message(message).await?;
        Ok(fates)
    }

    async fn recipients(&mut self, to: &[String], utf8: bool) -> Result<Fates, Failure> {
        const STEP: &str = "send RCPT command";
        let mut fates = Fates::default();
        for to in to {
            if !to.is_ascii() && !utf8 {
                fates.refused.push((to.clone(), NO_UTF8.to_owned()));
                continue;
            }
            match self.command(STEP, &format!("RCPT TO:<{to}>")).await {
                Ok(reply) => {
                    expect(2, STEP, &reply)?;
                    fates.accepted.push(to.clone());
                }
                Err(failure) => match failure.cause {
                    Cause::Answer(code @ 500..) if code != 421 => {
                        fates.refused.push((to.clone(), failure.text));
                    }
                    Cause::Answer(code) if code != 421 => {
                        fates.deferred.push((to.clone(), failure.text));
                    }
                    Cause::Answer(_)
                    | Cause::Connection
                    | Cause::TimedOut
                    | Cause::Login
                    | Cause::Setting => return Err(failure),
                },
            }
        }
        Ok(fates)
    }

    async fn message(&mut self, message: &[u8]) -> Result<String, Failure> {
        const STEP: &str = "delivery failure";
        // The end of the message brings its own line end.
        let message = message.strip_suffix(b"\r\n").unwrap_or(message);
        let until = self.deadline.min(Instant::now() + MESSAGE_TIMEOUT);
        self.link.take_ended();
        let answer = timeout_at(until, self.connection.message(message)).await;
        let answered = matches!(&answer, Ok(Ok(_)))
            || matches!(&answer, Ok(Err(error)) if error.status().is_some());
        let ambiguous = self.link.take_ended() && !answered;
        let reply = self.reply(STEP, answer.ok()).map_err(|mut failure| {
            failure.ambiguous = ambiguous;
            failure
        })?;
        expect(2, STEP, &reply).map_err(|mut failure| {
            failure.ambiguous = true;
            failure
        })?;
        Ok(joined(&self.link.heard()))
    }
}

const NO_UTF8: &str = "the address is not ASCII, and the server does not offer SMTPUTF8";

/// An answer of the wrong kind: from here on commands and answers would not match.
fn expect(class: u16, step: &'static str, reply: &Reply) -> Result<(), Failure> {
    if reply.code / 100 == class {
        return Ok(());
    }
    let text = format!("unexpected answer {} {}", reply.code, reply.text);
    Err(Failure::new(step, Cause::Connection, text))
}
