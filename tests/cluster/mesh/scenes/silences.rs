//! Silences reach all nodes, and an end beats an edit.

use super::score::{names, ready, secs};

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
