//! Connections are counted, and closed when they fall silent.

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
        let silence = Box::pin(tokio::time::sleep(self.silence_max));
        (QuietStream { stream, silence, silence_max: self.silence_max, _room: permit }, address)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

/// A connection that ends when nothing was read or written for too long: idle or stuck clients free their place.
pub(crate) struct QuietStream {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    silence_max: Duration,
    _room: OwnedSemaphorePermit,
}

impl QuietStream {
    /// Something moved: the clock starts again.
    fn heard(&mut self) {
        self.silence.as_mut().reset(Instant::now() + self.silence_max);
    }

    /// Waits for the stream, but not longer than the silence allows.
    fn bounded<T>(&mut self, polled: Poll<std::io::Result<T>>, cx: &mut Context<'_>) -> Poll<std::io::Result<T>> {
        if polled.is_ready() {
            self.heard();
            return polled;
        }
        match self.silence.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(std::io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for QuietStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.bounded(polled, cx)
    }
}

impl AsyncWrite for QuietStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.bounded(polled, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
