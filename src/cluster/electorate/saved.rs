//! What a node keeps of the electorate across restarts: a version, a checksum, the charter and its votes.

use prost::Message as _;
use xxhash_rust::xxh64::xxh64;

use super::{
    ballot::Votes,
    charter::Charter,
    wire::{PbCharter, PbVotes, WireError},
};
use crate::cluster::NodeName;

const MAGIC: &[u8; 4] = b"WFEL";
const VERSION: u8 = 1;
const HEAD: usize = MAGIC.len() + 1 + 8;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Saved {
    pub charter: Option<Charter>,
    pub votes: Votes,
    /// Every vote that this node ever cast in this line is remembered.
    pub whole: bool,
    /// The votes on the next charter are remembered or were recalled.
    pub recalled: bool,
    /// The latest charters of other lines.
    pub known: Vec<Charter>,
    /// To whom this node said that it will found with it.
    pub pledged_to: Option<NodeName>,
}

/// A save cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SavedError {
    #[error("it is not a saved electorate")]
    Foreign,
    #[error("its format {0} is newer than this program")]
    Newer(u8),
    #[error("its checksum is wrong")]
    Damaged,
    #[error(transparent)]
    Content(#[from] WireError),
}

#[derive(Clone, PartialEq, prost::Message)]
struct PbSaved {
    #[prost(message, optional, tag = "1")]
    charter: Option<PbCharter>,
    #[prost(message, optional, tag = "2")]
    votes: Option<PbVotes>,
    #[prost(bool, tag = "3")]
    whole: bool,
    #[prost(bool, tag = "4")]
    recalled: bool,
    #[prost(string, tag = "5")]
    pledged_to: String,
    #[prost(message, repeated, tag = "6")]
    known: Vec<PbCharter>,
}

impl Saved {
    pub(super) fn encode(&self) -> Vec<u8> {
        let body = PbSaved {
            charter: self.charter.as_ref().map(Into::into),
            votes: Some((&self.votes).into()),
            whole: self.whole,
            recalled: self.recalled,
            known: self.known.iter().map(Into::into).collect(),
            pledged_to: self
                .pledged_to
                .as_deref()
                .map_or_else(String::new, ToOwned::to_owned),
        }
        .encode_to_vec();
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.push(VERSION);
        bytes.extend_from_slice(&xxh64(&body, 0).to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, SavedError> {
        let (magic, rest) = bytes.split_first_chunk::<4>().ok_or(SavedError::Foreign)?;
        let (version, rest) = rest.split_first().ok_or(SavedError::Foreign)?;
        if magic != MAGIC {
            return Err(SavedError::Foreign);
        }
        if *version != VERSION {
            return Err(SavedError::Newer(*version));
        }
        let (sum, body) = rest.split_first_chunk::<8>().ok_or(SavedError::Damaged)?;
        if xxh64(body, 0) != u64::from_le_bytes(*sum) {
            return Err(SavedError::Damaged);
        }
        let pb = PbSaved::decode(body).map_err(WireError::from)?;
        Ok(Self {
            charter: pb.charter.map(TryInto::try_into).transpose()?,
            votes: pb
                .votes
                .map(TryInto::try_into)
                .transpose()?
                .unwrap_or_default(),
            whole: pb.whole,
            recalled: pb.recalled,
            known: pb
                .known
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            pledged_to: Some(pb.pledged_to)
                .filter(|name| !name.is_empty())
                .map(Into::into),
        })
    }
}
