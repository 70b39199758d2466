//! Who counts as in reach, as it turns out while claims are asked for, and what this node leaves to others meanwhile.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    Quorum,
    hearing::{Found, PATIENCE},
    machine::Claims,
    message::ClaimMessage,
    output::ClaimOutput,
    proposer::{ASK_AGAIN, ClaimEvent, Own, Stage},
};
use crate::{
    cluster::NodeName,
    nflog::{LogKey, Nflog, ReceiverKey},
};

/// So many answers about one promise, or to probes, wait for the disk at a time; whoever asks more often is not answered.
pub(super) const MAX_SAVING: u32 = 4;

/// What probes are about: nothing is ever kept under it.
fn probe_key() -> LogKey {
    LogKey {
        group_key: "".into(),
        receiver: ReceiverKey {
            group_name: "".into(),
            integration: "".into(),
            index: 0,
        },
    }
}

impl Claims {
    /// Reckons with who votes and who is in reach now; the delays count from when it became so.
    pub(super) fn take_over(&mut self, mut quorum: Quorum, now: Duration) {
        quorum.mute = self.hearing.mute();
        let since = |holds: bool, before: Option<Duration>| holds.then(|| before.unwrap_or(now));
        // Before anybody voted no majority could be lost; with the first voters it is one to be waited for.
        let founded = self.quorum.electors.is_none() && quorum.electors.is_some();
        let lost_since = self.quorum.lost_since.filter(|_| !founded);
        quorum.lost_since = since(!quorum.in_reach(), lost_since);
        quorum.voting_since = since(quorum.may_vote, self.quorum.voting_since);
        quorum.stuck_since = since(quorum.is_stuck(), self.quorum.stuck_since);
        let before = std::mem::replace(&mut self.quorum, quorum);
        if before.stuck_since.is_some() != self.quorum.stuck_since.is_some() {
            self.events.push_back(ClaimEvent::Reach);
        }
    }

    /// For how long those who vote, this node's own disk among them, have acknowledged nothing; only those who do not.
    #[must_use]
    pub fn unanswered(&self, now: Duration) -> BTreeMap<NodeName, Duration> {
        self.hearing.mute_for(now)
    }

    /// How much longer than usual it may take until something may be sent, because of voters that were slow lately.
    #[must_use]
    pub fn slack(&self, now: Duration) -> Duration {
        self.hearing.slack(now)
    }

    /// Probes those who owe an answer, and notes who does not give it.
    pub(super) fn listen(&mut self, nflog: &Nflog, now: Duration) {
        let (probes, found) = self.hearing.handle_timeout(&self.quorum, now);
        for name in probes {
            let probe = ClaimMessage::Probe {
                key: probe_key(),
                number: u64::try_from(now.as_micros()).unwrap_or(u64::MAX),
            };
            if name == self.quorum.me {
                self.handle(&name, probe, nflog, now);
            } else {
                self.send(&name, probe);
            }
        }
        for (name, found) in found {
            self.tell_found(&name, found, now);
        }
    }

    /// Takes in what a message says of whether its sender answers.
    pub(super) fn hear(&mut self, from: &NodeName, message: &ClaimMessage, now: Duration) {
        let found = match message {
            ClaimMessage::Promised { key, seq, .. }
            | ClaimMessage::Refused { key, seq, .. }
            | ClaimMessage::StartNoted { key, seq, .. } => {
                self.hearing.answered(from, key, *seq, now)
            }
            ClaimMessage::ProbeNoted { number, .. } => {
                self.hearing
                    .probed(from, Duration::from_micros(*number), now)
            }
            ClaimMessage::Claim { .. }
            | ClaimMessage::Starting { .. }
            | ClaimMessage::NotTaken { .. }
            | ClaimMessage::Done { .. }
            | ClaimMessage::DoneNoted { .. }
            | ClaimMessage::Released { .. }
            | ClaimMessage::Probe { .. } => None,
        };
        if let Some(found) = found {
            self.tell_found(from, found, now);
        }
    }

    fn tell_found(&mut self, name: &NodeName, found: Found, now: Duration) {
        let own = *name == self.quorum.me;
        match found {
            Found::Silent(since) => {
                let seconds = now.saturating_sub(since).as_secs();
                if own {
                    tracing::error!(
                        component = "cluster",
                        seconds,
                        "The disk of this node takes nothing: it acknowledges nothing and leaves it to the other nodes to notify. Check the disk under --storage.path"
                    );
                } else {
                    tracing::warn!(
                        component = "cluster",
                        peer = &**name,
                        seconds,
                        "A peer does not acknowledge what it is asked although its stream is open; it does not count as in reach until it does. Check its disk and its log, and whether large packets pass in both directions (ping -M do -s 1472)"
                    );
                }
            }
            Found::Answers(after) => tracing::info!(
                component = "cluster",
                peer = &**name,
                seconds = after.as_secs(),
                "{}",
                if own {
                    "The disk of this node takes what is saved again"
                } else {
                    "A peer acknowledges again what it is asked"
                }
            ),
        }
        let quorum = self.quorum.clone();
        self.take_over(quorum, now);
        self.look_at_all(ASK_AGAIN, now);
    }

    /// Answers a probe once the disk has taken something: that nothing is under this key.
    pub(super) fn answer_probe(&mut self, from: &NodeName, number: u64) {
        let key = probe_key();
        let saving = self.saving.entry(key.clone()).or_default();
        if *saving >= MAX_SAVING {
            return;
        }
        *saving += 1;
        let noted = ClaimMessage::ProbeNoted {
            key: key.clone(),
            number,
        };
        self.outputs.push_back(ClaimOutput::Save {
            key,
            promise: None,
            then: Some((Arc::clone(from), noted)),
        });
    }

    /// Whether nobody is asked about a claim now: they would hold it for this node again and again, though it does not
    /// hear them, and nobody else could have it.
    pub(super) fn is_quiet(&self, own: &Own, now: Duration) -> bool {
        let sending = matches!(own.stage, Stage::Started | Stage::Finishing(_));
        !sending
            && self.quorum.is_stuck()
            && !self.quorum.in_reach()
            && !own.may_go_alone(&self.quorum, now)
    }

    /// Gives up what was claimed before it turned out that this node gets nothing acknowledged; tells whether it did.
    pub(super) fn steps_back(&mut self, key: &LogKey) -> bool {
        let (Some(own), Some(since)) = (self.own.get(key), self.quorum.stuck_since) else {
            return false;
        };
        let open = matches!(own.stage, Stage::Asking | Stage::Held | Stage::Starting);
        if !open || own.began > since || own.lease_until == Duration::MAX {
            return false;
        }
        self.lose(key, Some(PATIENCE));
        true
    }
}
