//! Groups that are evaluated seldom: what is known of them lasts from one slot to the next, whoever starts meanwhile.

use super::mesh::{Mesh, ONE, x};
use crate::ruler::Phase;

#[test]
fn what_is_looked_at_once_a_day_or_less_goes_on_over_restarts() {
    const HOUR: i64 = 3600;
    for (interval, hold) in [(2, 5), (24, 60), (72, 150)] {
        let text = ONE.replace("30s", &format!("{interval}h"));
        let text = text.replace("2m", &format!("{hold}h"));
        let mut mesh = Mesh::new(&["a", "b"], &text);
        mesh.run(interval * HOUR, |_| x());
        let begun = mesh.alert("a").unwrap();
        let fires = begun.active_at / 1000 + hold * HOUR + interval * HOUR;
        while mesh.now / 1000 < fires {
            mesh.run(mesh.now / 1000 + 7 * HOUR / 4, |_| x());
            for name in ["a", "b"] {
                drop_what_is_over(&mut mesh);
                mesh.start(name, &text, true);
            }
        }
        let alert = mesh.alert("a").unwrap();
        assert_eq!(
            (alert.phase, alert.active_at),
            (Phase::Firing, begun.active_at),
            "{interval}h"
        );
        assert_eq!(mesh.resolves(), 0);
    }
}

/// Disks lose what counts no more.
fn drop_what_is_over(mesh: &mut Mesh) {
    let now = mesh.now;
    for node in mesh.nodes.values_mut() {
        node.kept.retain(|_, record| !record.is_over(now));
    }
}
