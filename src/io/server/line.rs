//! Request lines with characters that belong escaped: `curl` and Go send and read `/query?query=up{job="a"}` as it is, and
//! hyper refuses it without a word. They are escaped before hyper reads them; nothing else of a connection is touched.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What is kept of a line of a head to know how long the body is.
const KEPT: usize = 256;

/// A connection whose request lines have no characters that hyper refuses.
pub(super) struct Escaping<S> {
    stream: S,
    requests: Requests,
    /// What was escaped and found no room yet.
    rest: Vec<u8>,
}

impl<S> Escaping<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            requests: Requests::default(),
            rest: Vec::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Escaping<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
            let fresh = buffer.filled().get(before..).unwrap_or_default();
            let Some(escaped) = this.requests.escape(fresh) else {
                return Poll::Ready(Ok(()));
            };
            buffer.set_filled(before);
            this.rest = escaped;
        }
        let fits = this.rest.len().min(buffer.remaining());
        let later = this.rest.split_off(fits);
        buffer.put_slice(&this.rest);
        this.rest = later;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Escaping<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Where in the requests of a connection its bytes are.
#[derive(Debug, Default)]
struct Requests {
    place: Place,
    /// What is known of the length of the body.
    length: Length,
    /// The beginning of the line.
    line: Vec<u8>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the address.
    #[default]
    Method,
    Address,
    /// After the address, in the same line.
    Version,
    /// In a further line of the head.
    Field,
    /// In a body of which so many bytes are to come.
    Body(u64),
    /// Where the next request begins is not known; everything passes as it is.
    Anywhere,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Length {
    #[default]
    None,
    Bytes(u64),
    Unknown,
}

impl Requests {
    /// The bytes with what is to be escaped in them; nothing if that is nothing.
    fn escape(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut escaped: Option<Vec<u8>> = None;
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match &mut self.place {
                Place::Anywhere => break,
                Place::Body(left) => {
                    let here = bytes.len() - at;
                    let skipped = usize::try_from(*left).map_or(here, |left| left.min(here));
                    *left -= skipped as u64;
                    if *left == 0 {
                        self.place = Place::Method;
                    }
                    push(&mut escaped, bytes.get(at..at + skipped));
                    at += skipped;
                    continue;
                }
                Place::Address if must_be_escaped(*byte) => {
                    let all =
                        escaped.get_or_insert_with(|| bytes.get(..at).unwrap_or_default().to_vec());
                    all.extend(format!("%{byte:02X}").into_bytes());
                    at += 1;
                    continue;
                }
                Place::Method | Place::Address | Place::Version | Place::Field => self.step(*byte),
            }
            push(&mut escaped, bytes.get(at..=at));
            at += 1;
        }
        push(&mut escaped, bytes.get(at..));
        escaped
    }

    /// Goes on by a byte of a head.
    fn step(&mut self, byte: u8) {
        match (&self.place, byte) {
            // Lines before a request are passed over.
            (Place::Method, b'\r' | b'\n') => {}
            (Place::Method, b' ') => self.place = Place::Address,
            (Place::Address, b' ') => self.place = Place::Version,
            (Place::Address | Place::Version, b'\n') => {
                self.place = Place::Field;
                self.line.clear();
            }
            (Place::Field, b'\n') => self.end_of_line(),
            (Place::Field, _) if self.line.len() < KEPT => self.line.push(byte),
            _ => {}
        }
    }

    fn end_of_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).to_ascii_lowercase();
        let cut = self.line.len() >= KEPT;
        self.line.clear();
        let line = line.strip_suffix('\r').unwrap_or(&line);
        if line.is_empty() {
            self.place = match std::mem::take(&mut self.length) {
                Length::None | Length::Bytes(0) => Place::Method,
                Length::Bytes(bytes) => Place::Body(bytes),
                Length::Unknown => Place::Anywhere,
            };
            return;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        match name.trim() {
            "content-length" => {
                let bytes = value.trim().parse().ok().filter(|_| !cut);
                self.length = match (&self.length, bytes) {
                    (Length::None, Some(bytes)) => Length::Bytes(bytes),
                    _ => Length::Unknown,
                };
            }
            "transfer-encoding" | "upgrade" => self.length = Length::Unknown,
            _ => {}
        }
    }
}

fn push(escaped: &mut Option<Vec<u8>>, bytes: Option<&[u8]>) {
    if let (Some(escaped), Some(bytes)) = (escaped, bytes) {
        escaped.extend_from_slice(bytes);
    }
}

/// Whether a character of an address is refused as it is.
fn must_be_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'<' | b'>' | b'`') || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What is read of bytes that come in such pieces.
    fn read(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut requests = Requests::default();
        let pieces = bytes.chunks(piece.max(1));
        let read = pieces.map(|piece| requests.escape(piece).unwrap_or_else(|| piece.to_vec()));
        read.flatten().collect()
    }

    #[test]
    fn addresses_are_escaped_and_nothing_else() {
        let requests = [
            (
                "GET /a?b=\"<`>\" HTTP/1.1\r\nA: \"<>\"\r\n\r\n",
                "GET /a?b=%22%3C%60%3E%22 HTTP/1.1\r\nA: \"<>\"\r\n\r\n",
            ),
            (
                "GET /\u{f6} HTTP/1.1\r\n\r\n",
                "GET /%C3%B6 HTTP/1.1\r\n\r\n",
            ),
            (
                "POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nx y \"<\"\r\n",
                "POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nx y \"<\"\r\n",
            ),
            (
                "\r\nGET /\" HTTP/1.1\nB: c\n\n",
                "\r\nGET /%22 HTTP/1.1\nB: c\n\n",
            ),
        ];
        // One after the other on a connection.
        let all: String = requests.iter().map(|(sent, _)| *sent).collect();
        let expected: String = requests.iter().map(|(_, read)| *read).collect();
        for piece in 1..=all.len() {
            assert_eq!(read(all.as_bytes(), piece), expected.as_bytes(), "{piece}");
        }
    }

    #[test]
    fn what_has_no_certain_end_passes_as_it_is() {
        for field in [
            "Transfer-Encoding: chunked",
            "content-length: 1\r\nContent-Length: 1",
            "Content-Length: x",
            "Content-Length : +",
            "Upgrade: h2c",
        ] {
            let sent =
                format!("POST / HTTP/1.1\r\n{field}\r\n\r\n5\r\nx /\"<\r\nGET /\" HTTP/1.1\r\n");
            assert_eq!(read(sent.as_bytes(), 7), sent.as_bytes(), "{field}");
        }
    }

    #[tokio::test]
    async fn what_grows_is_read_into_any_buffer() {
        let sent = "GET /?q=\"\"\"\"\"\"\"\" HTTP/1.1\r\n\r\n".as_bytes();
        let mut stream = Escaping::new(sent);
        let mut all = Vec::new();
        let mut buffer = [0; 5];
        while let count @ 1.. = stream.read(&mut buffer).await.unwrap() {
            all.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(
            all,
            format!("GET /?q={} HTTP/1.1\r\n\r\n", "%22".repeat(8)).into_bytes()
        );
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(sent in "[GP /\"<: \r\n0-9a]{0,60}(Content-Length: [0-9]{1,2}\r\n\r\n)?[ \"\r\nGET/]{0,40}", piece in 1usize..9) {
            prop_assert_eq!(read(sent.as_bytes(), piece), read(sent.as_bytes(), sent.len()));
        }
    }
}
