//! Conversations with vendors whose answers ask for more than another try: a new token, a new signature, a shorter
//! message. Each is granted once.

use std::{fmt, time::Duration};

use super::{
    Answer, Begun, Context, Conversation, HttpRequest, HttpResponse, Step, TokenRequest,
    conversation::out_of_turn, status,
};
use crate::{
    config::Secret,
    notify::{Receipt, Renderer, Verdict},
    time::Timestamp,
};

/// A vendor that does not answer for so long does not answer; another try may.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A clock that is off by more is worth a word.
const SKEW: Duration = Duration::from_secs(60);

/// What is shorter is no secret, but a placeholder that would be found in words.
const SECRET: usize = 6;

/// How one kind of vendor is spoken to: data to request, response to reading.
pub(super) trait Vendor: fmt::Debug + Send + 'static {
    /// How to get the token that requests are made with, if they need one.
    fn token(&self) -> Option<TokenRequest> {
        None
    }

    /// Puts the notification into the vendor's format; `room` tells how much of the vendor's limit may be used.
    fn body(&self, context: &Context, render: &Renderer<'_>, room: Room)
    -> Result<String, Verdict>;

    /// The request with that body.
    fn request(&self, body: &str, with: &With) -> HttpRequest;

    /// What an answer means.
    fn read(&self, response: &HttpResponse) -> Reading;

    /// What must not be seen in errors, should the vendor repeat it.
    fn secrets(&self) -> Vec<&Secret>;
}

/// How long a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// The vendor's limit.
    Whole,
    /// Half of it, for a vendor that found the message too long all the same.
    Half,
}

impl Room {
    /// What may be used of a limit.
    pub(super) fn of(self, limit: usize) -> usize {
        match self {
            Self::Whole => limit,
            Self::Half => limit / 2,
        }
    }
}

/// What a request is made with.
#[derive(Debug, Clone)]
pub(super) struct With {
    /// The time for its signature.
    pub(super) at: Timestamp,
    /// The token; empty for vendors without.
    pub(super) token: Secret,
}

/// What an answer asks for; each comes with the verdict if it was granted before.
#[derive(Debug, PartialEq)]
pub(super) enum Reading {
    /// Nothing.
    Done(Verdict),
    /// Another token.
    RefreshToken(Verdict),
    /// Another signature; ours was made with the wrong time or the wrong secret.
    SignAgain(Verdict),
    /// A shorter message.
    Shorten(Verdict),
    /// A code that is not known: it may be worth a second try.
    Unknown(Verdict),
}

/// Begins an attempt.
pub(super) fn begin<V: Vendor>(
    vendor: V,
    context: &Context,
    render: &Renderer<'_>,
) -> Result<Begun, Verdict> {
    let talk = Talk {
        body: vendor.body(context, render, Room::Whole)?,
        vendor,
        context: context.clone(),
        with: With {
            at: context.at,
            token: Secret::default(),
        },
        granted: Granted::default(),
        notes: Vec::new(),
    };
    let step = match talk.vendor.token() {
        Some(token) => Step::Token(token),
        None => talk.send(),
    };
    Ok((step, Box::new(talk)))
}

#[derive(Debug)]
struct Talk<V> {
    vendor: V,
    context: Context,
    body: String,
    with: With,
    granted: Granted,
    notes: Vec<String>,
}

#[derive(Debug, Default)]
struct Granted {
    token: bool,
    signature: bool,
    shorter: bool,
    second_try: bool,
}

impl<V: Vendor> Conversation for Talk<V> {
    fn answer(&mut self, answer: Answer) -> Step {
        let step = match answer {
            Answer::Token(Ok(token)) => {
                self.with.token = token;
                self.send()
            }
            Answer::Token(Err(verdict)) => Step::Done(verdict),
            Answer::Http(Ok(response)) => self.heard(&response),
            Answer::Http(Err(error)) => Step::Done(status::of_transport("POST", &error, None)),
            Answer::Mail(_) => out_of_turn(),
        };
        match step {
            Step::Done(verdict) => Step::Done(self.told(verdict)),
            Step::Http(_) | Step::Token(_) | Step::Mail(_) => step,
        }
    }
}

impl<V: Vendor> Talk<V> {
    fn send(&self) -> Step {
        Step::Http(self.vendor.request(&self.body, &self.with))
    }

    fn heard(&mut self, response: &HttpResponse) -> Step {
        let first = |granted: &mut bool| !std::mem::replace(granted, true);
        match self.vendor.read(response) {
            Reading::Done(verdict) => Step::Done(verdict),
            Reading::RefreshToken(verdict) => match self.vendor.token() {
                Some(mut token) if first(&mut self.granted.token) => {
                    token.refused = Some(self.with.token.clone());
                    Step::Token(token)
                }
                Some(_) | None => Step::Done(verdict),
            },
            Reading::SignAgain(_) if first(&mut self.granted.signature) => {
                self.with.at = status::time_there(response);
                self.note_skew(response);
                self.send()
            }
            Reading::Shorten(_) if first(&mut self.granted.shorter) => self.shorten(),
            Reading::Unknown(_) if first(&mut self.granted.second_try) => self.send(),
            Reading::SignAgain(verdict) | Reading::Shorten(verdict) | Reading::Unknown(verdict) => {
                Step::Done(verdict)
            }
        }
    }

    fn shorten(&mut self) -> Step {
        let context = &self.context;
        let fallback = context.integration.fallback_text;
        let render = Renderer::new(&context.texts, &context.data, context.at, fallback);
        match self.vendor.body(context, &render, Room::Half) {
            Ok(body) => {
                self.body = body;
                self.notes
                    .push("the receiver found it too long, so less was sent".to_owned());
                self.send()
            }
            Err(verdict) => Step::Done(verdict),
        }
    }

    fn note_skew(&mut self, response: &HttpResponse) {
        let (there, here) = (status::time_there(response), response.received_at);
        let skew = there.since(here).max(here.since(there));
        if skew > SKEW {
            self.notes.push(format!(
                "the clock of this node is {} s off the receiver's",
                skew.as_secs()
            ));
        }
    }

    /// The verdict with what an operator should know, and without what nobody should.
    fn told(&self, verdict: Verdict) -> Verdict {
        let notes = self.notes.join("; ");
        let with_notes = |mut text: String| {
            if !notes.is_empty() {
                if !text.is_empty() {
                    text.push_str("; ");
                }
                text.push_str(&notes);
            }
            self.without_secrets(text)
        };
        match verdict {
            Verdict::Sent(receipt) => Verdict::Sent(Receipt {
                note: with_notes(receipt.note),
                ..receipt
            }),
            Verdict::Retry {
                after,
                reason,
                error,
                ambiguous,
            } => Verdict::Retry {
                after,
                reason,
                error: with_notes(error),
                ambiguous,
            },
            Verdict::Permanent { reason, error } => Verdict::Permanent {
                reason,
                error: with_notes(error),
            },
        }
    }

    fn without_secrets(&self, mut text: String) -> String {
        for secret in self.vendor.secrets().into_iter().chain([&self.with.token]) {
            if secret.reveal().len() >= SECRET {
                text = text.replace(secret.reveal(), status::REDACTED);
            }
        }
        text
    }
}
