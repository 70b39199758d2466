//! The ruler in virtual time.

mod harness;

mod cycle;
mod dependencies;
mod life;
mod mesh;
mod partial;
mod past;
mod reload;
