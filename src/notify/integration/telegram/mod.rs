//! `telegram_configs`: messages of a bot.

mod plain;
mod send;

pub(super) use send::{begin, files};
