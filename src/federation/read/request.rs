//! What is asked for of `/api/v1/read`.

use prost::Message;

use super::message::{LabelMatcher, MatcherType, Query, ReadRequest, ResponseType};
use crate::labels::{LabelSet, MatchOp, Matcher};

/// How samples may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFormat {
    /// As a stream of chunks, or as one message where the server knows no other.
    Any,
    /// As one message: for servers whose chunks are not known here.
    Samples,
}

/// The body of a request for the samples of `from < time <= to`, before compression.
///
/// `external` are the labels that the server adds to its answers. It takes a matcher for the value of one as said of the
/// answer and not of the series; here all are said of the series.
#[must_use]
pub fn read_request(
    matchers: &[Matcher],
    from: i64,
    to: i64,
    external: &LabelSet,
    format: ReadFormat,
) -> Vec<u8> {
    let query = Query {
        start: from.saturating_add(1),
        end: to,
        matchers: matchers
            .iter()
            .map(|matcher| asked(matcher, external))
            .collect(),
    };
    let accepted: &[ResponseType] = match format {
        ReadFormat::Any => &[ResponseType::Chunks, ResponseType::Samples],
        ReadFormat::Samples => &[ResponseType::Samples],
    };
    let request = ReadRequest {
        queries: vec![query],
        accepted: accepted.iter().map(|kind| i32::from(*kind)).collect(),
    };
    request.encode_to_vec()
}

fn asked(matcher: &Matcher, external: &LabelSet) -> LabelMatcher {
    let (name, value) = (matcher.name(), matcher.value());
    let rewritten = matcher.op() == MatchOp::Equal && external.get(name) == Some(value);
    let (kind, value) = match matcher.op() {
        MatchOp::Equal if rewritten => (MatcherType::Regex, ::regex::escape(value)),
        MatchOp::Equal => (MatcherType::Equal, value.to_owned()),
        MatchOp::NotEqual => (MatcherType::NotEqual, value.to_owned()),
        MatchOp::Regex => (MatcherType::Regex, value.to_owned()),
        MatchOp::NotRegex => (MatcherType::NotRegex, value.to_owned()),
    };
    LabelMatcher {
        kind: i32::from(kind),
        name: name.to_owned(),
        value,
    }
}
