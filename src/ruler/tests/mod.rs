//! The ruler in virtual time.

mod harness;

mod dependencies;
mod life;
mod partial;
mod reload;
