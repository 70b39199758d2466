//! Bytes of others: whatever they are, they are read as what was written or refused.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    super::{
        Electorate,
        ballot::{Ballot, Votes},
        charter::{Charter, CharterId},
        saved::Saved,
        wire::{MAX_MESSAGE, Message, Tell},
    },
    network::World,
};
use crate::{
    cluster::NodeName,
    rng::Rng,
    time::{Now, Timestamp},
};

fn a_name() -> impl Strategy<Value = NodeName> {
    prop_oneof!["[a-c]", "[a-z0-9.:-]{1,40}", "\\PC{1,60}"].prop_map(|name| name.as_str().into())
}

fn a_charter() -> impl Strategy<Value = Charter> {
    let names = prop::collection::btree_map(a_name(), any::<u64>(), 1..16);
    (0..3_u64, 0..4_u64, 0..3_u64, any::<bool>(), names).prop_map(
        |(founding, epoch, line, forced, names)| Charter {
            founding,
            epoch,
            line,
            forced,
            names,
        },
    )
}

fn a_ballot() -> impl Strategy<Value = Ballot> {
    (any::<u64>(), a_name()).prop_map(|(round, name)| Ballot { round, name })
}

fn an_id() -> impl Strategy<Value = CharterId> {
    (0..3_u64, 0..4_u64).prop_map(|(founding, epoch)| CharterId { founding, epoch })
}

fn votes() -> impl Strategy<Value = Votes> {
    let accepted = prop::option::of((a_ballot(), a_charter()));
    (prop::option::of(a_ballot()), accepted)
        .prop_map(|(promised, accepted)| Votes { promised, accepted })
}

fn a_tell() -> impl Strategy<Value = Tell> {
    let charter = prop::option::of(a_charter());
    (charter, any::<u64>(), any::<[bool; 4]>()).prop_map(|(charter, ticket, flags)| Tell {
        charter,
        ticket,
        ready: flags[0],
        voting: flags[1],
        stranded: flags[2],
        leaving: flags[3],
    })
}

fn a_message() -> impl Strategy<Value = Message> {
    prop_oneof![
        a_tell().prop_map(Message::Tell),
        (a_charter(), a_ballot())
            .prop_map(|(charter, ballot)| Message::Prepare { charter, ballot }),
        (an_id(), a_ballot(), votes()).prop_map(|(base, ballot, votes)| Message::Promise {
            base,
            ballot,
            accepted: votes.accepted
        }),
        (an_id(), a_ballot(), a_ballot()).prop_map(|(base, ballot, promised)| Message::Refuse {
            base,
            ballot,
            promised
        }),
        (an_id(), a_ballot(), a_charter()).prop_map(|(base, ballot, value)| Message::Accept {
            base,
            ballot,
            value
        }),
        (an_id(), a_ballot()).prop_map(|(base, ballot)| Message::Accepted { base, ballot }),
        (prop::option::of(an_id()), a_charter())
            .prop_map(|(base, charter)| Message::Found { base, charter }),
        any::<u64>().prop_map(|founding| Message::Founding { founding }),
        a_charter().prop_map(|charter| Message::Known { charter }),
        an_id().prop_map(|base| Message::Recall { base }),
        (an_id(), votes()).prop_map(|(base, votes)| Message::Recalled { base, votes }),
    ]
}

fn mutated(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (at, value) in changes {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec(any::<(prop::sample::Index, u8)>(), 1..4)
}

/// A member among `a b c` that has seen everything there is.
fn member() -> (Electorate, Now) {
    let mut world = World::formed(1, "a b c");
    let now = Now {
        mono: world.now,
        wall: Timestamp::ZERO,
    };
    (world.hosts[0].live.take().unwrap().machine, now)
}

proptest! {
    #[test]
    fn a_message_is_read_as_it_was_written(message in a_message()) {
        let bytes = message.encode();
        prop_assert!(bytes.len() <= MAX_MESSAGE);
        prop_assert_eq!(Message::decode(&bytes).unwrap(), Some(message));
    }

    #[test]
    fn garbage_is_refused_or_a_message(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(Some(message)) = Message::decode(&bytes) {
            prop_assert_eq!(Message::decode(&message.encode()).unwrap(), Some(message));
        }
        prop_assert!(Saved::decode(&bytes).is_err());
    }

    #[test]
    fn a_changed_message_is_refused_or_another(message in a_message(), changes in changes()) {
        if let Ok(Some(other)) = Message::decode(&mutated(message.encode(), &changes)) {
            prop_assert_eq!(Message::decode(&other.encode()).unwrap(), Some(other));
        }
    }

    #[test]
    fn a_save_is_read_as_it_was_written_and_a_damaged_one_is_refused(
        charter in prop::option::of(a_charter()),
        votes in votes(),
        flags in any::<[bool; 2]>(),
        pledged_to in prop::option::of(a_name()),
        changes in changes(),
    ) {
        let known = charter.iter().cloned().collect();
        let saved = Saved { known, charter, votes, whole: flags[0], recalled: flags[1], pledged_to };
        let bytes = saved.encode();
        prop_assert_eq!(&Saved::decode(&bytes).unwrap(), &saved);
        let damaged = mutated(bytes.clone(), &changes);
        prop_assert!(damaged == bytes || Saved::decode(&damaged).is_err());
        prop_assert!(Saved::decode(&bytes[..bytes.len() - 1]).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Nothing that anybody says makes it panic, grow without bound, or spin.
    #[test]
    fn any_messages_are_survived(
        messages in prop::collection::vec((a_name(), a_message(), 0..3000_u64), 1..60)
    ) {
        let (mut machine, mut now) = member();
        for (from, message, wait) in messages {
            now.mono += Duration::from_millis(wait);
            machine.peer_joined(&from, None, now);
            machine.handle(&from, &message.encode(), now);
            machine.handle_timeout(now);
            prop_assert!(machine.next_due().unwrap() > now.mono);
        }
        let mut outputs = 0;
        while machine.poll().is_some() {
            machine.saved(now);
            outputs += 1;
            prop_assert!(outputs < 3000);
        }
    }
}

#[test]
fn a_save_that_cannot_be_read_counts_as_none() {
    let world = World::formed(1, "a b c");
    let good = world.hosts[0].disk.clone().unwrap();
    let mut newer = good.clone();
    newer[4] = 9;
    for (bytes, read) in [
        (&good[..], true),
        (&newer, false),
        (b"", false),
        (&good[..20], false),
    ] {
        let now = Now {
            mono: Duration::ZERO,
            wall: Timestamp::ZERO,
        };
        let machine = Electorate::new(&world.settings, Some(bytes), Rng::from_seed(1), now);
        assert_eq!(machine.electors().is_some(), read);
    }
}
