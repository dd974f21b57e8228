//! Connections are counted, and closed when they fall silent or send a head without end.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

/// Connections whose TLS handshake goes on at most; beyond it new ones wait.
const HANDSHAKES_MAX: usize = 256;

use crate::server::HandshakeFailed;
use crate::tls::{ChooseTls, shake_hands};

/// A listener that accepts only while there is room for a connection. With TLS, handshakes go on beside it, so that a
/// slow one holds up nobody else.
pub(crate) struct BoundedListener {
    address: SocketAddr,
    ready: mpsc::Receiver<(DoorStream, SocketAddr)>,
}

/// What a listener allows.
#[derive(Clone)]
pub(crate) struct Bounds {
    pub(crate) room: Arc<Semaphore>,
    pub(crate) silence_max: Duration,
    pub(crate) head_max: Duration,
    pub(crate) tls: Option<ChooseTls>,
    pub(crate) failed: Option<HandshakeFailed>,
}

impl BoundedListener {
    /// Begins to accept; ends when it is dropped.
    pub(crate) fn begin(inner: TcpListener, address: SocketAddr, bounds: Bounds) -> Self {
        let (ready, receiver) = mpsc::channel(HANDSHAKES_MAX);
        tokio::spawn(accept_all(inner, bounds, ready));
        Self { address, ready: receiver }
    }
}

async fn accept_all(mut inner: TcpListener, bounds: Bounds, ready: mpsc::Sender<(DoorStream, SocketAddr)>) {
    loop {
        let permit = Arc::clone(&bounds.room).acquire_owned().await.expect("the semaphore is never closed");
        let (stream, address) = tokio::select! {
            accepted = axum::serve::Listener::accept(&mut inner) => accepted,
            () = ready.closed() => return,
        };
        // Answers are small and must not wait for more; a socket that refuses the option works all the same.
        let _ = stream.set_nodelay(true);
        let (silence_max, head_max) = (bounds.silence_max, bounds.head_max);
        let Some(tls) = bounds.tls.clone() else {
            let stream = DoorStream::Plain(QuietStream::new(stream, silence_max, head_max, permit));
            if ready.send((stream, address)).await.is_err() {
                return;
            }
            continue;
        };
        let (ready, failed) = (ready.clone(), bounds.failed.clone());
        tokio::spawn(async move {
            // A handshake that fails or takes too long is the client's loss; it frees its place.
            let why = match tokio::time::timeout(head_max, shake_hands(stream, &tls)).await {
                Ok(Ok(stream)) => {
                    let stream = QuietStream::new(stream, silence_max, head_max, permit);
                    let _ = ready.send((DoorStream::Tls(Box::new(stream)), address)).await;
                    return;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it took too long".to_owned(),
            };
            drop(permit);
            if let Some(tell) = failed {
                tell(address.ip(), &why);
            }
        });
    }
}

impl axum::serve::Listener for BoundedListener {
    type Io = DoorStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (DoorStream, SocketAddr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            // The accepting task has ended, which only the end of the runtime does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, BoundedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection, plain or under TLS.
pub(crate) enum DoorStream {
    Plain(QuietStream<TcpStream>),
    Tls(Box<QuietStream<TlsStream<TcpStream>>>),
}

macro_rules! either {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            DoorStream::Plain($stream) => $call,
            DoorStream::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for DoorStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for DoorStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
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
    /// Frames of HTTP/2, or of what a connection was upgraded to: no head to wait for.
    Frames,
}

/// A connection that ends when nothing was read or written for too long, or when the head of a request takes too long
/// to arrive: idle, stuck and dripping clients free their place.
pub(crate) struct QuietStream<S> {
    stream: S,
    clock: Pin<Box<Sleep>>,
    silence_max: Duration,
    head_max: Duration,
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl<S> QuietStream<S> {
    fn new(stream: S, silence_max: Duration, head_max: Duration, room: OwnedSemaphorePermit) -> Self {
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

impl<S: AsyncRead + Unpin> AsyncRead for QuietStream<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for QuietStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        if matches!(polled, Poll::Ready(Ok(_))) && this.bytes != Bytes::Frames {
            // An answer that switches protocols (RFC 9110, 15.2.2) is the last thing of HTTP/1 on this connection.
            let upgraded = bytes.starts_with(b"HTTP/1.1 101");
            this.bytes = if upgraded { Bytes::Frames } else { Bytes::Idle };
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
