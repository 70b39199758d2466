//! Whether the client of a request is still there while it is answered.
//!
//! A client may close its side after a request and still read the answer, as scripts do, so connections stay open then. But a
//! query asks endpoints, for minutes: as in Prometheus, it ends with the connection of whoever asked.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::FutureExt as _;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// How often it is looked. Most queries take less.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A connection of which requests know whether it stands.
pub(super) struct Watched(Arc<TcpStream>);

/// The client of a request.
#[derive(Clone)]
pub(super) struct Client(Arc<TcpStream>);

impl Watched {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(stream))
    }

    pub(super) fn client(&self) -> Client {
        Client(Arc::clone(&self.0))
    }

    /// Does something as soon as the socket is ready for it.
    fn when_ready<T>(
        &self,
        mut is_ready: impl FnMut(&TcpStream) -> Poll<io::Result<()>>,
        mut act: impl FnMut(&TcpStream) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            ready!(is_ready(&self.0))?;
            match act(&self.0) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

impl Client {
    /// Ends when the client closed the connection.
    pub(super) async fn gone(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let state = self.0.ready(Interest::READABLE).now_or_never();
            if state.is_some_and(|state| !state.is_ok_and(|state| !state.is_read_closed())) {
                return;
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = self.when_ready(
            |stream| stream.poll_read_ready(context),
            |stream| stream.try_read_buf(buffer),
        );
        read.map_ok(|_bytes| ())
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.when_ready(
            |stream| stream.poll_write_ready(context),
            |stream| stream.try_write(bytes),
        )
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.when_ready(
            |stream| stream.poll_write_ready(context),
            |stream| stream.try_write_vectored(slices),
        )
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
