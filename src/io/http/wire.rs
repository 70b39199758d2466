//! Answers of HTTP/1.1 as they come over a connection: the head, and where the body ends (RFC 9112, sections 4, 6 and 7).

use std::mem::MaybeUninit;

use http::StatusCode;
use httparse::{Header, ParserConfig, Response, Status, parse_chunk_size};

/// Headers that an answer may have.
const MOST_HEADERS: usize = 100;

/// Bytes of a line of a chunked body that is no data.
const LONGEST_LINE: usize = 4 * 1024;

/// What is known of an answer before its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    /// `Content-Type`, in lower case; empty if it does not say.
    pub(super) kind: String,
    /// `Content-Encoding`, in lower case; empty if it does not say.
    pub(super) encoding: String,
    pub(super) body: Body,
    /// Whether the connection lasts after it.
    pub(super) lasts: bool,
}

/// Where a body ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// After so many bytes more.
    Sized(u64),
    Chunked(Chunked),
    /// With the connection.
    UntilClose,
}

/// Where in a chunked body the next byte is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In the line with the size of a chunk.
    Size,
    /// In a chunk that has so many bytes more, or in the end of its line.
    Data(u64),
    Trailers,
    Over,
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// So many bytes of it.
    Data(usize),
    /// So many bytes that are none of it.
    Other(usize),
    /// What did not come yet.
    More,
    End,
}

/// The head at the beginning of these bytes, and how long it is; `None` if not all of it came yet.
///
/// # Errors
/// When they are no answer of HTTP/1.1 or 1.0, in words.
pub(super) fn head(bytes: &[u8]) -> Result<Option<(Head, usize)>, String> {
    let mut headers = [const { MaybeUninit::<Header<'_>>::uninit() }; MOST_HEADERS];
    let mut answer = Response::new(&mut []);
    let config = ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut answer, bytes, &mut headers);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("it does not speak HTTP/1: {error}")),
    };
    let status = StatusCode::from_u16(answer.code.unwrap_or_default());
    let status = status.map_err(|error| error.to_string())?;
    let mut head = Head {
        status,
        kind: String::new(),
        encoding: String::new(),
        body: Body::UntilClose,
        lasts: answer.version == Some(1),
    };
    let (mut size, mut chunked) = (None, None);
    for Header { name, value } in answer.headers.iter() {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let text = || String::from_utf8_lossy(value).to_ascii_lowercase();
        if is("content-type") {
            head.kind = text();
        } else if is("content-encoding") {
            head.encoding = text();
        } else if is("connection") {
            let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            head.lasts &= !options.any(|option| option.eq_ignore_ascii_case(b"close"));
        } else if is("content-length") {
            let again = Some(size_of(value)?);
            if size.is_some() && size != again {
                return Err("it says two lengths of its answer".to_owned());
            }
            size = again;
        } else if is("transfer-encoding") {
            chunked = Some(value.eq_ignore_ascii_case(b"chunked") && chunked.is_none());
        }
    }
    head.body = match (chunked, size) {
        _ if matches!(status.as_u16(), 204 | 304) => Body::Sized(0),
        (Some(true), _) => Body::Chunked(Chunked::Size),
        (Some(false), _) => return Err("its answer has an unknown Transfer-Encoding".to_owned()),
        (None, Some(size)) => Body::Sized(size),
        (None, None) => Body::UntilClose,
    };
    // Who says both may mean another end than is understood here.
    head.lasts &= chunked.is_none() || size.is_none();
    Ok(Some((head, length)))
}

fn size_of(value: &[u8]) -> Result<u64, String> {
    let digits = value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    let size = text.and_then(|text| text.parse().ok());
    size.ok_or_else(|| {
        let shown = String::from_utf8_lossy(value);
        format!("its answer has the length {shown:?}")
    })
}

impl Body {
    /// What is next, where these bytes came and were not taken yet.
    ///
    /// # Errors
    /// When they are no body of this kind, in words.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<Part, String> {
        match self {
            Self::Sized(0) => Ok(Part::End),
            Self::Sized(left) => Ok(data(left, bytes)),
            Self::UntilClose if bytes.is_empty() => Ok(Part::More),
            Self::UntilClose => Ok(Part::Data(bytes.len())),
            Self::Chunked(chunked) => chunked.next(bytes),
        }
    }
}

impl Chunked {
    fn next(&mut self, bytes: &[u8]) -> Result<Part, String> {
        match self {
            Self::Size if bytes.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) => {
                Err("its body has a chunk without a size".to_owned())
            }
            Self::Size => match parse_chunk_size(bytes) {
                Ok(Status::Complete((length, size))) => {
                    *self = match size {
                        0 => Self::Trailers,
                        size => Self::Data(size),
                    };
                    Ok(Part::Other(length))
                }
                Ok(Status::Partial) => more(bytes),
                Err(_invalid) => Err("its body has a chunk without a size".to_owned()),
            },
            Self::Data(0) => match bytes {
                [] | [b'\r'] => Ok(Part::More),
                [b'\r', b'\n', ..] => {
                    *self = Self::Size;
                    Ok(Part::Other(2))
                }
                _ => Err("its body has a chunk without an end".to_owned()),
            },
            Self::Data(left) => Ok(data(left, bytes)),
            Self::Trailers => {
                let Some(line) = bytes.windows(2).position(|two| two == b"\r\n") else {
                    return more(bytes);
                };
                if line == 0 {
                    *self = Self::Over;
                }
                Ok(Part::Other(line + 2))
            }
            Self::Over => Ok(Part::End),
        }
    }
}

/// As many of the bytes as are left.
fn data(left: &mut u64, bytes: &[u8]) -> Part {
    if bytes.is_empty() {
        return Part::More;
    }
    let most = usize::try_from(*left).unwrap_or(usize::MAX);
    let taken = most.min(bytes.len());
    *left = left.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
    Part::Data(taken)
}

/// The rest of a line, unless it is too long.
fn more(line: &[u8]) -> Result<Part, String> {
    match line.len() > LONGEST_LINE {
        true => Err("its body has a line without an end".to_owned()),
        false => Ok(Part::More),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head and the body of what comes in pieces; the body is an error if it does not end. With the bytes after it.
    fn read(pieces: &[&[u8]]) -> Result<(Head, String, Vec<u8>), String> {
        let mut pieces = pieces.iter();
        let mut bytes = Vec::new();
        let (mut head, length) = loop {
            if let Some(found) = head(&bytes)? {
                break found;
            }
            bytes.extend_from_slice(pieces.next().ok_or("no head")?);
        };
        bytes.drain(..length);
        let mut body = Vec::new();
        loop {
            match head.body.next(&bytes)? {
                Part::Data(taken) => body.extend(bytes.drain(..taken)),
                Part::Other(length) => drop(bytes.drain(..length)),
                Part::End => break,
                Part::More => match pieces.next() {
                    Some(piece) => bytes.extend_from_slice(piece),
                    None if head.body == Body::UntilClose => break,
                    None => return Err("no end".to_owned()),
                },
            }
        }
        Ok((head, String::from_utf8_lossy(&body).into_owned(), bytes))
    }

    /// The same however it comes, if all of it comes.
    fn whole(text: &str) -> Result<(Head, String, Vec<u8>), String> {
        let whole = read(&[text.as_bytes()]);
        for at in 0..text.len() {
            let (a, b) = text.as_bytes().split_at(at);
            assert_eq!(read(&[a, b]), whole, "{text} at {at}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        // What is after the body is not read then.
        let each = read(&bytes).map(|(head, body, _)| (head, body));
        assert_eq!(
            each,
            whole.clone().map(|(head, body, _)| (head, body)),
            "{text}"
        );
        whole
    }

    #[test]
    fn bodies_end_where_the_head_says() {
        for (text, expect, lasts) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                "abc",
                true,
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "", true),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nContent-Length: 1\r\n\r\na",
                "a",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 1\r\n\r\na",
                "a",
                false,
            ),
            ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na", "a", false),
            ("HTTP/1.1 204 No Content\r\n\r\n", "", true),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
                "abc0123456789",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: y\r\nz: 1\r\n\r\n",
                "a",
                true,
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 9\r\n\r\n1\r\na\r\n0\r\n\r\n",
                "a",
                false,
            ),
        ] {
            let (head, body, rest) = whole(text).unwrap();
            assert_eq!((&*body, head.lasts), (expect, lasts), "{text}");
            assert!(rest.is_empty(), "{text}");
        }
        let open = read(&[b"HTTP/1.1 200 OK\r\n\r\nab", b"c"]).unwrap();
        assert_eq!((open.0.body, &*open.1), (Body::UntilClose, "abc"));
        let more = read(&[b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nabc"]).unwrap();
        assert_eq!((&*more.1, &*more.2), ("a", &b"bc"[..]));
    }

    #[test]
    fn heads_tell_kind_and_encoding() {
        let text = "HTTP/1.1 422 No\r\nContent-Type: Application/JSON\r\ncontent-encoding: GZIP\r\ncontent-length: 0\r\n\r\n";
        let (head, ..) = whole(text).unwrap();
        assert_eq!(head.status, 422);
        assert_eq!((&*head.kind, &*head.encoding), ("application/json", "gzip"));
    }

    #[test]
    fn what_has_no_certain_end_is_an_error() {
        let ok = "HTTP/1.1 200 OK\r\n";
        for rest in [
            "content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
            "content-length: +3\r\n\r\nabc",
            "content-length: 3, 3\r\n\r\nabc",
            "content-length: 99999999999999999999\r\n\r\nabc",
            "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "transfer-encoding: chunked\r\n\r\nx\r\n",
            "transfer-encoding: chunked\r\n\r\n1\r\na\r\n\r\n\r\n",
            "transfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
            "transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
            "content-length: 3\r\n\r\nab",
            "transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
        ] {
            assert!(read(&[ok.as_bytes(), rest.as_bytes()]).is_err(), "{rest}");
        }
        for text in ["HTTP/2 200 OK\r\n\r\n", "hello\r\n\r\n", "\0", ""] {
            assert!(read(&[text.as_bytes()]).is_err(), "{text}");
        }
        let long = format!(
            "{ok}transfer-encoding: chunked\r\n\r\n1;{}",
            "x".repeat(LONGEST_LINE)
        );
        assert!(read(&[long.as_bytes()]).is_err());
        let many = format!("{ok}{}\r\n", "a: b\r\n".repeat(MOST_HEADERS + 1));
        assert!(read(&[many.as_bytes()]).is_err());
    }
}
