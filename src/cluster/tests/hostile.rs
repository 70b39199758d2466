//! Frames and datagrams that are anything at all.

use proptest::prelude::*;

use super::net::{MS, Net, S};
use crate::cluster::{ConnId, MeshInput};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn garbage_on_a_stream_never_panics(
        inputs in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..80), 0_u8..16, any::<prop::sample::Index>()),
            1..40,
        ),
    ) {
        let mut net = Net::running(3, 1);
        for (datagram, mut bytes, kind, which) in inputs {
            let conns: Vec<ConnId> = net.mesh(0).streams.keys().copied().collect();
            let Some(conn) = conns.get(which.index(conns.len().max(1))).copied() else {
                continue;
            };
            let input = if datagram {
                // Often a packet whose ends and message are right.
                if kind % 2 == 0 {
                    bytes.splice(0..0, [0, 0, 0, kind, 1]);
                }
                MeshInput::Datagram { conn, bytes }
            } else {
                bytes.push(kind);
                MeshInput::Frame { conn, bytes }
            };
            net.with(0, |mesh, now| mesh.handle(input, now));
            net.run_for(MS);
        }
        net.run_for(20 * S);
        prop_assert!(net.all_connected());
    }
}
