//! Watchfire: one binary in place of Alertmanager and of every ruler beside it.
//!
//! The modules stand in the order the data flows; a module may use those above it only (`tests/tidy.rs` holds that).
//! Everything up to [`node`] is the core: synchronous, deterministic, given `now`. From [`io`] on it is the shell.

// Vocabulary.
#[doc(hidden)]
pub mod decoder;
pub mod rng;
pub mod time;

pub mod regex;
pub mod yaml;

pub mod json;
pub mod labels;

// Languages and data.
pub mod alert;
pub mod promql;
pub mod template;
pub mod timeinterval;

pub mod config;

// State: one state machine each.
pub mod cluster;
pub mod dispatch;
pub mod federation;
pub mod history;
pub mod inhibit;
pub mod nflog;
pub mod ruler;
pub mod ruletest;
pub mod silence;
pub mod storage;

// Decisions.
pub mod notify;

// The whole.
pub mod tenant;

pub mod node;

// The shell: the only code that awaits, reads clocks, or touches the system.
pub mod io;

pub mod api;
pub mod web;

pub mod app;

pub mod cli;
