//! What is checked of vendors that have robots of groups and robots of applications.

use crate::config::{
    Secret,
    read::{Place, Reader},
};

/// The two forms of an entry, as far as they are written alike.
pub(super) struct Forms<'c> {
    /// The list that the entry stands in.
    pub(super) list: &'static str,
    /// The ways to name a robot of a group, of which one must be given.
    pub(super) robot: &'c [(&'static str, bool)],
    /// What signs its messages, and its file.
    pub(super) secret: (&'c Secret, &'c String),
    /// The key that names an application, and its value.
    pub(super) app: (&'static str, &'c String),
    /// The application's secret, and its file.
    pub(super) app_secret: (&'c Secret, &'c String),
}

impl Forms<'_> {
    /// Checks that it is one of the two; whether it is a sound application, of which more is to be checked.
    pub(super) fn is_application(&self, place: &Place, reader: &mut Reader<'_>) -> bool {
        let either = |keys: [&'static str; 2], (secret, file): (&Secret, &String)| {
            [(keys[0], !secret.is_empty()), (keys[1], !file.is_empty())]
        };
        let (key, app) = self.app;
        if app.is_empty() {
            let _ = reader.exactly_one(place, self.robot)
                && reader.at_most_one(place, &either(["secret", "secret_file"], self.secret));
            return false;
        }
        if self.robot.iter().any(|(_, set)| *set) {
            let robot: Vec<&str> = self.robot.iter().map(|(key, _)| *key).collect();
            reader.deny(
                place.of(key),
                format!(
                    "{} takes either a robot ({}) or an application ({key})",
                    self.list,
                    robot.join(", ")
                ),
            );
            return false;
        }
        reader.exactly_one(
            place,
            &either(["app_secret", "app_secret_file"], self.app_secret),
        )
    }
}
