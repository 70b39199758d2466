//! Alertmanager's own encoding of a silence (`silence/silencepb`, v0.34), for its files, for the size limit, and as the
//! body of our records.
//!
//! Files older than 0.17 carry the author in a list of comments, files older than 0.32 the matchers without sets; both are
//! read. The first set is always written as plain matchers too, so that older versions can read what we write.

use std::{collections::BTreeMap, sync::Arc};

use super::model::{MatcherSets, Silence};
use crate::{
    labels::{MatchOp, Matcher, MatcherError, go_quote},
    time::Timestamp,
};

/// A silence with the time at which it may be forgotten.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MeshSilence {
    #[prost(message, optional, tag = "1")]
    pub(crate) silence: Option<PbSilence>,
    #[prost(message, optional, tag = "2")]
    pub(crate) expires_at: Option<PbTime>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PbSilence {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) matchers: Vec<PbMatcher>,
    #[prost(message, optional, tag = "3")]
    pub(crate) starts_at: Option<PbTime>,
    #[prost(message, optional, tag = "4")]
    pub(crate) ends_at: Option<PbTime>,
    #[prost(message, optional, tag = "5")]
    pub(crate) updated_at: Option<PbTime>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) comments: Vec<PbComment>,
    #[prost(string, tag = "8")]
    pub(crate) created_by: String,
    #[prost(string, tag = "9")]
    pub(crate) comment: String,
    #[prost(btree_map = "string, string", tag = "10")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) matcher_sets: Vec<PbMatcherSet>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PbMatcher {
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(string, tag = "3")]
    pub(crate) pattern: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PbMatcherSet {
    #[prost(message, repeated, tag = "1")]
    pub(crate) matchers: Vec<PbMatcher>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PbComment {
    #[prost(string, tag = "1")]
    pub(crate) author: String,
    #[prost(string, tag = "2")]
    pub(crate) comment: String,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct PbTime {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// An encoded silence cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SilenceWireError {
    /// A part that must be there is missing.
    #[error("silence {id:?} has no {part}")]
    Missing {
        /// Of the silence, as far as it is known.
        id: String,
        /// What is missing.
        part: &'static str,
    },
    /// A matcher of a type that does not exist.
    #[error("silence {id:?} has a matcher of unknown type {kind}")]
    UnknownMatcher {
        /// Of the silence.
        id: String,
        /// The type.
        kind: i32,
    },
    /// A pattern does not compile.
    #[error("silence {id:?} has a matcher that does not compile, {matcher}")]
    Matcher {
        /// Of the silence.
        id: String,
        /// The matcher as text.
        matcher: String,
        /// Why.
        source: MatcherError,
    },
}

impl From<Timestamp> for PbTime {
    fn from(at: Timestamp) -> Self {
        let (seconds, nanos) = at.unix_parts();
        Self { seconds, nanos }
    }
}

impl From<PbTime> for Timestamp {
    fn from(at: PbTime) -> Self {
        Self::from_unix(at.seconds, at.nanos)
    }
}

impl From<&Silence> for MeshSilence {
    fn from(silence: &Silence) -> Self {
        let set = |matchers: &Vec<Matcher>| PbMatcherSet {
            matchers: matchers.iter().map(PbMatcher::from).collect(),
        };
        let matcher_sets: Vec<_> = silence.matcher_sets.iter().map(set).collect();
        Self {
            silence: Some(PbSilence {
                id: silence.id.to_string(),
                matchers: matcher_sets
                    .first()
                    .map(|set| set.matchers.clone())
                    .unwrap_or_default(),
                starts_at: Some(silence.starts_at.into()),
                ends_at: Some(silence.ends_at.into()),
                updated_at: Some(silence.updated_at.into()),
                comments: Vec::new(),
                created_by: silence.created_by.clone(),
                comment: silence.comment.clone(),
                annotations: silence.annotations.clone(),
                matcher_sets,
            }),
            expires_at: Some(silence.expires_at.into()),
        }
    }
}

impl From<&Matcher> for PbMatcher {
    fn from(matcher: &Matcher) -> Self {
        let kind = match matcher.op() {
            MatchOp::Equal => 0,
            MatchOp::Regex => 1,
            MatchOp::NotEqual => 2,
            MatchOp::NotRegex => 3,
        };
        Self {
            kind,
            name: matcher.name().to_owned(),
            pattern: matcher.value().to_owned(),
        }
    }
}

impl TryFrom<MeshSilence> for Silence {
    type Error = SilenceWireError;

    fn try_from(mesh: MeshSilence) -> Result<Self, SilenceWireError> {
        let missing = |id: &str, part| SilenceWireError::Missing {
            id: id.to_owned(),
            part,
        };
        let pb = mesh.silence.ok_or_else(|| missing("", "contents"))?;
        let id = &pb.id;
        if id.is_empty() {
            return Err(missing("", "id"));
        }
        let time =
            |at: Option<PbTime>, part| at.map(Timestamp::from).ok_or_else(|| missing(&pb.id, part));
        let (starts_at, ends_at) = (time(pb.starts_at, "start")?, time(pb.ends_at, "end")?);
        let updated_at = time(pb.updated_at, "time of its last update")?;
        let expires_at = mesh.expires_at.map_or(ends_at, Timestamp::from);
        let matcher_sets = compile(&pb)?;
        let (created_by, comment) = match pb.comments.into_iter().next() {
            Some(old) => (old.author, old.comment),
            None => (pb.created_by, pb.comment),
        };
        Ok(Self {
            id: pb.id.into(),
            matcher_sets,
            starts_at,
            ends_at,
            updated_at,
            created_by,
            comment,
            annotations: pb.annotations,
            expires_at,
            rev: 0,
            // Alertmanager has no mark for it; what ended at its last update was ended by that update.
            expired_by_user: ends_at <= updated_at,
        })
    }
}

fn compile(pb: &PbSilence) -> Result<MatcherSets, SilenceWireError> {
    let sets: Vec<&[PbMatcher]> = if pb.matcher_sets.is_empty() {
        vec![&pb.matchers]
    } else {
        pb.matcher_sets.iter().map(|set| &*set.matchers).collect()
    };
    let compiled: Result<Vec<Vec<Matcher>>, _> = sets
        .into_iter()
        .map(|set| {
            if set.is_empty() {
                return Err(SilenceWireError::Missing {
                    id: pb.id.clone(),
                    part: "matchers",
                });
            }
            set.iter().map(|m| matcher(&pb.id, m)).collect()
        })
        .collect();
    Ok(Arc::from(compiled?))
}

fn matcher(id: &str, pb: &PbMatcher) -> Result<Matcher, SilenceWireError> {
    let op = match pb.kind {
        0 => MatchOp::Equal,
        1 => MatchOp::Regex,
        2 => MatchOp::NotEqual,
        3 => MatchOp::NotRegex,
        kind => {
            return Err(SilenceWireError::UnknownMatcher {
                id: id.to_owned(),
                kind,
            });
        }
    };
    Matcher::new(op, &pb.name, &pb.pattern).map_err(|source| SilenceWireError::Matcher {
        id: id.to_owned(),
        matcher: format!("{}{}{}", pb.name, op.as_str(), go_quote(&pb.pattern)),
        source,
    })
}
