//! The ruler in virtual time.

mod hanging;
mod harness;
mod late;

mod chains;
mod cycle;
mod dependencies;
mod life;
mod mesh;
mod partial;
mod past;
mod recall;
mod reload;
mod seldom;
mod templates;
mod unwritten;
