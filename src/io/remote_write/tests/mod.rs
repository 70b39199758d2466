//! Tests of remote write.

mod blocks;
mod encoding;
mod forgetful;
mod parts;
mod receiver;
mod sending;
mod surviving;
mod verdicts;
mod writing;
