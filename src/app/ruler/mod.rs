//! The ruler in the world: its files, its thread, the queries it asks, and the alerts it tells of.

mod files;

mod deliver;
mod drive;
mod evaluate;
mod say;
mod start;
mod steady;
mod twice;
mod watch;

#[cfg(test)]
mod hanging;
#[cfg(test)]
mod tests;

pub(super) use files::settings_of;
pub(super) use start::{Rules, RulesLine};
pub use twice::may_count_twice;
