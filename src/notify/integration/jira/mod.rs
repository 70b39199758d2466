//! `jira_configs`: issues of Jira.

mod attempt;
mod document;
mod issue;
mod tests;

pub(super) use attempt::begin;
