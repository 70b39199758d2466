//! The stream below the protocol. What comes in is cut into lines that are bounded, valid and ended as they should be;
//! below it TLS can begin, and what a server or someone between sent too early does not survive that.

use std::{
    fmt,
    io::{Error, ErrorKind, Result},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// RFC 5321 allows 512 bytes; a line beyond this is no SMTP.
const MAX_LINE: usize = 8 * 1024;

/// What is kept of a line; `lettre` takes 1000 bytes.
const KEPT_OF_LINE: usize = 900;

/// Of an answer. The parser begins anew with each line, so many lines would keep it busy.
const MAX_LINES: usize = 200;

/// What ends a message; `lettre` writes it in one piece.
const END: &[u8] = b"\r\n.\r\n";

/// A stream that the protocol and we both hold.
#[derive(Clone)]
pub(super) struct Link(Arc<Mutex<Inner>>);

struct Inner {
    stream: Transport,
    /// Read, and not yet cut into lines.
    raw: Vec<u8>,
    /// One line for the reader, and how much of it was read.
    line: (Vec<u8>, usize),
    /// The lines since the last command, without line ends.
    heard: Vec<String>,
    ended: bool,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Taken away.
    Gone,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

impl Link {
    pub(super) fn plain(stream: TcpStream) -> Self {
        Self::new(Transport::Plain(stream), &[])
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Self {
        Self::new(Transport::Tls(Box::new(stream)), &[])
    }

    /// After `STARTTLS`, where no server greets again although the protocol's first step is to be greeted.
    pub(super) fn upgraded(stream: TlsStream<TcpStream>) -> Self {
        Self::new(Transport::Tls(Box::new(stream)), b"220 TLS\r\n")
    }

    fn new(stream: Transport, raw: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            stream,
            raw: raw.to_vec(),
            line: (Vec::new(), 0),
            heard: Vec::new(),
            ended: false,
        })))
    }

    /// The lines of the last answer.
    pub(super) fn heard(&self) -> Vec<String> {
        self.lock().heard.clone()
    }

    /// Whether a message was written to its end since the last call.
    pub(super) fn take_ended(&self) -> bool {
        std::mem::take(&mut self.lock().ended)
    }

    /// Takes the stream to begin TLS on it.
    ///
    /// # Errors
    /// If the server, or someone between, has sent more than its answer: it would be taken for what came over TLS.
    pub(super) fn take_plain(&self) -> std::result::Result<TcpStream, String> {
        let mut inner = self.lock();
        if !inner.raw.is_empty() || inner.line.1 < inner.line.0.len() {
            return Err("the server sent more than an answer before TLS began".to_owned());
        }
        match std::mem::replace(&mut inner.stream, Transport::Gone) {
            Transport::Plain(stream) => Ok(stream),
            Transport::Tls(_) | Transport::Gone => Err("TLS has begun already".to_owned()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Makes the next line ready, if there is a whole one.
    fn cut_line(&mut self) -> Result<bool> {
        let Some(end) = self.raw.iter().position(|byte| *byte == b'\n') else {
            if self.raw.len() > MAX_LINE {
                let text = "the server sent a line of more than 8 KiB";
                return Err(Error::new(ErrorKind::InvalidData, text));
            }
            return Ok(false);
        };
        let raw: Vec<u8> = self.raw.drain(..=end).collect();
        let line = normal_line(&raw);
        if self.heard.len() >= MAX_LINES {
            let text = "the server sent an answer of more than 200 lines";
            return Err(Error::new(ErrorKind::InvalidData, text));
        }
        self.heard.push(line.clone());
        self.line = (format!("{line}\r\n").into_bytes(), 0);
        Ok(true)
    }
}

/// A line in which the protocol's parser finds what it needs: text in whatever encoding becomes UTF-8, and a code that
/// stands alone is followed by a text.
fn normal_line(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let text: String = text
        .trim_end_matches(['\r', '\n'])
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let text = &text[..text.floor_char_boundary(KEPT_OF_LINE)];
    let (code, rest) = text.split_at(text.floor_char_boundary(3.min(text.len())));
    let is_code = code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
    match rest {
        "" | " " if is_code => format!("{code} -"),
        _ => text.to_owned(),
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        loop {
            let (line, read) = &mut inner.line;
            if *read < line.len() {
                let length = buffer.remaining().min(line.len() - *read);
                buffer.put_slice(&line[*read..*read + length]);
                *read += length;
                return Poll::Ready(Ok(()));
            }
            if inner.cut_line()? {
                continue;
            }
            let mut chunk = [0; 2048];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(match &mut inner.stream {
                Transport::Plain(stream) => Pin::new(stream).poll_read(context, &mut chunk),
                Transport::Tls(stream) => Pin::new(stream).poll_read(context, &mut chunk),
                Transport::Gone => Poll::Ready(Err(gone())),
            })?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            inner.raw.extend_from_slice(chunk.filled());
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let mut inner = self.lock();
        inner.heard.clear();
        let written = match &mut inner.stream {
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Gone => Poll::Ready(Err(gone())),
        };
        if bytes == END && matches!(written, Poll::Ready(Ok(_))) {
            inner.ended = true;
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.lock().stream {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
            Transport::Gone => Poll::Ready(Err(gone())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.lock().stream {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncTokioStream for Link {
    fn peer_addr(&self) -> Result<SocketAddr> {
        match &self.lock().stream {
            Transport::Plain(stream) => stream.peer_addr(),
            Transport::Tls(stream) => stream.get_ref().0.peer_addr(),
            Transport::Gone => Err(gone()),
        }
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::NotConnected, "the connection was given up")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_made_fit_to_parse() {
        for (raw, expect) in [
            (b"250 ok\r\n".as_slice(), "250 ok"),
            (b"250 ok\n", "250 ok"),
            (b"250-a\r\r\n", "250-a"),
            (b"354\r\n", "354 -"),
            (b"354 \r\n", "354 -"),
            (
                b"550 \xb2\xbb\xb4\xe6\xd4\xda\r\n",
                "550 \u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
            ),
            (b"220 a\0\x1bb\r\n", "220 a  b"),
            (b"25\r\n", "25"),
            (b"\r\n", ""),
        ] {
            let line = normal_line(raw);
            if raw.starts_with(b"550") {
                assert!(line.starts_with("550 ") && line.contains('\u{fffd}'));
            } else {
                assert_eq!(line, expect);
            }
        }
        assert!(normal_line(&[b'x'; 5000]).len() <= KEPT_OF_LINE);
    }
}
