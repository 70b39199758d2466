//! The ruler in virtual time.

mod harness;

mod cycle;
mod dependencies;
mod life;
mod partial;
mod reload;
