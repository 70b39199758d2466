//! Silences reach all nodes, and an end beats an edit.

use watchfire::node::Request;

use super::score::{KEYED, PLAIN, millis, names, ready, secs};
use crate::mesh::receiver::Answer;

#[test]
fn a_silence_counts_everywhere_at_once() {
    for host in 0..3 {
        let mut world = ready(3);
        for name in names() {
            world.silence(host, &name, secs(600)).unwrap();
        }
        world.fire_all(&names());
        world.run_for(secs(60));
        assert!(world.told().is_empty(), "{:#?}", world.told());
    }
}

#[test]
fn a_silence_is_known_after_a_partition() {
    let mut world = ready(3);
    world.cut(&[0], &[1, 2]);
    world.run_for(secs(10));
    world.silence(0, "A", secs(600)).unwrap();
    world.run_for(secs(5));
    world.mend(&[0], &[1, 2]);
    world.run_for(secs(3));
    world.fire("A");
    world.run_for(secs(60));
    assert!(world.told().is_empty(), "{:#?}", world.told());
}

#[test]
fn what_may_have_been_told_is_not_told_again_once_it_is_silenced() {
    for nodes in [1, 3] {
        let mut world = ready(nodes);
        world.answer(Answer::ResetAfterAccept);
        world.fire_all(&names());
        world.run_for(millis(1_300));
        let mut ids = Vec::new();
        for name in names() {
            ids.extend(world.silence(0, &name, secs(600)));
        }
        world.run_for(millis(200));
        let silenced = world.clock;
        world.answer(Answer::Accept(millis(5)));
        world.run_for(secs(40));
        let again = world.sent.iter().filter(|sent| sent.began > silenced);
        assert_eq!(again.count(), 0, "{nodes} nodes: {:#?}", world.told());
        for id in ids {
            drop(world.request(0, Request::ExpireSilence(id)));
        }
        let ended = world.clock;
        world.resolve_all(&names());
        world.run_for(secs(40));
        for integration in [PLAIN, KEYED] {
            let score = world.score(integration, &names(), false, ended);
            assert!(
                score.lost == 0 && score.twice == 0,
                "{nodes} nodes: [{integration}] {score:?}"
            );
        }
    }
}
