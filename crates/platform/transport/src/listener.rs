//! Connections are counted, and closed when they fall silent or send a head without end.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// A listener that accepts only while there is room for a connection.
pub(crate) struct BoundedListener {
    pub(crate) inner: TcpListener,
    pub(crate) room: Arc<Semaphore>,
    pub(crate) silence_max: Duration,
    pub(crate) head_max: Duration,
}

impl axum::serve::Listener for BoundedListener {
    type Io = QuietStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (QuietStream, SocketAddr) {
        let room = Arc::clone(&self.room);
        let permit = room.acquire_owned().await.expect("the semaphore is never closed");
        let (stream, address) = axum::serve::Listener::accept(&mut self.inner).await;
        // Answers are small and must not wait for more; a socket that refuses the option works all the same.
        let _ = stream.set_nodelay(true);
        (QuietStream::new(stream, self.silence_max, self.head_max, permit), address)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// What a connection's bytes are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    /// None since the last answer.
    Idle,
    /// Those of a head, which must end before `until`; `newlines` of the two at its end were read.
    Head { until: Instant, newlines: u8, frames: bool },
    /// Those of a body, whose time is bounded with its request.
    Body,
    /// HTTP/2 frames, in which requests have no head of their own to wait for.
    Frames,
}

/// A connection that ends when nothing was read or written for too long, or when the head of a request takes too long
/// to arrive: idle, stuck and dripping clients free their place.
pub(crate) struct QuietStream {
    stream: TcpStream,
    clock: Pin<Box<Sleep>>,
    silence_max: Duration,
    head_max: Duration,
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl QuietStream {
    fn new(stream: TcpStream, silence_max: Duration, head_max: Duration, room: OwnedSemaphorePermit) -> Self {
        let clock = Box::pin(tokio::time::sleep(silence_max.min(head_max)));
        let bytes = Bytes::Head { until: Instant::now() + head_max, newlines: 0, frames: false };
        Self { stream, clock, silence_max, head_max, bytes, _room: room }
    }

    /// Something moved: the silence starts again, the time of a head does not.
    fn heard(&mut self) {
        let silent = Instant::now() + self.silence_max;
        let next = if let Bytes::Head { until, .. } = self.bytes { silent.min(until) } else { silent };
        self.clock.as_mut().reset(next);
    }

    /// Follows heads to their end, an empty line.
    fn read(&mut self, read: &[u8]) {
        if self.bytes == Bytes::Idle && !read.is_empty() {
            self.bytes = Bytes::Head { until: Instant::now() + self.head_max, newlines: 0, frames: false };
        }
        let Bytes::Head { until, newlines, frames } = self.bytes else { return };
        // The preface of HTTP/2 (RFC 9113, 3.4) begins with a method that HTTP/1 does not have.
        let frames = frames || (newlines == 0 && read.starts_with(b"PRI "));
        let newlines = read.iter().fold(newlines, |seen, byte| match byte {
            _ if seen == 2 => 2,
            b'\n' => seen + 1,
            b'\r' => seen,
            _ => 0,
        });
        self.bytes = match (newlines, frames) {
            (2, true) => Bytes::Frames,
            (2, false) => Bytes::Body,
            _ => Bytes::Head { until, newlines, frames },
        };
    }

    /// A head that goes on arriving never lets the clock ring by itself.
    fn late(&self) -> bool {
        matches!(self.bytes, Bytes::Head { until, .. } if Instant::now() >= until)
    }

    /// Waits for the stream, but not longer than the silence allows.
    fn bounded<T>(&mut self, polled: Poll<std::io::Result<T>>, cx: &mut Context<'_>) -> Poll<std::io::Result<T>> {
        if polled.is_ready() {
            self.heard();
            return polled;
        }
        match self.clock.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for QuietStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.read(&buf.filled()[before..]);
        if this.late() {
            return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
        }
        this.bounded(polled, cx)
    }
}

impl AsyncWrite for QuietStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        if matches!(polled, Poll::Ready(Ok(_))) && this.bytes != Bytes::Frames {
            this.bytes = Bytes::Idle;
        }
        this.bounded(polled, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
