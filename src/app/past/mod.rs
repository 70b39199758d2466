//! Rules over times that are past: which alerts would have fired, and what would have been recorded. The ruler itself runs,
//! in virtual time, over the endpoints as they answer now.

mod rules;

mod answers;
mod course;

mod replay;

mod backfill;
mod open_metrics;

pub use backfill::{Backfilled, Target, backfill};
pub use replay::{Alert, Replayed, Troubled, replay};
pub use rules::{Past, PastError};
