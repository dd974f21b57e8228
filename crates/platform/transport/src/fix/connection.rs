//! Moves bytes between a socket and a session.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::FixWire;

/// Read at once.
const READ_MAX: usize = 16 * 1024;
/// Where nothing is due, the session is looked at this often.
const IDLE: Duration = Duration::from_secs(60);

/// Reads what is there into the buffer. Returns how much; 0 at the end of the stream.
pub(crate) fn poll_read<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<std::io::Result<usize>> {
    let length = buffer.len();
    buffer.resize(length + READ_MAX, 0);
    let mut room = ReadBuf::new(&mut buffer[length..]);
    let polled = Pin::new(stream).poll_read(cx, &mut room);
    let read = room.filled().len();
    buffer.truncate(length + read);
    polled.map_ok(|()| read)
}

/// What moved.
enum Moved {
    Read(std::io::Result<usize>),
    Wrote(std::io::Result<usize>),
    /// The session has something to say, or its time has come.
    Woken,
    Stopped,
}

/// A session's connection.
pub(crate) struct Connection<S> {
    stream: S,
    wire: FixWire,
    /// On its way to the counterparty, from `sent` on.
    pending: Vec<u8>,
    sent: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) const fn new(stream: S, wire: FixWire) -> Self {
        Self { stream, wire, pending: Vec::new(), sent: 0 }
    }

    /// Serves the session until the connection ends. Returns why it ended.
    pub(crate) async fn serve(mut self, stop: impl Future<Output = ()>) -> String {
        let reason = self.run(stop).await;
        tracing::info!(session = %self.wire.session().id(), reason, "FIX connection ended");
        reason
    }

    async fn run(&mut self, stop: impl Future<Output = ()>) -> String {
        let mut stop = pin!(stop);
        let mut stopping = false;
        loop {
            self.wire.work();
            self.refill();
            if let Some(reason) = self.wire.closing() {
                self.finish().await;
                return reason;
            }
            match self.wait(stop.as_mut(), stopping).await {
                Moved::Read(Ok(0)) => return "the counterparty closed the connection".to_owned(),
                Moved::Wrote(Ok(count)) => self.sent += count,
                Moved::Read(Ok(_)) | Moved::Woken => {}
                Moved::Read(Err(error)) | Moved::Wrote(Err(error)) => return format!("the connection failed: {error}"),
                Moved::Stopped => {
                    stopping = true;
                    self.wire.session().log_out("");
                }
            }
        }
    }

    /// Waits until something can be done.
    async fn wait(&mut self, mut stop: Pin<&mut impl Future<Output = ()>>, stopping: bool) -> Moved {
        let session = Arc::clone(self.wire.session());
        let application = session.core().application();
        let mut due = pin!(tokio::time::sleep(session.until_tick().unwrap_or(IDLE)));
        let mut bell = pin!(session.bell.notified());
        let mut ready = application.ready();
        let mut may_read = false;
        std::future::poll_fn(|cx| {
            if !stopping && stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Moved::Stopped);
            }
            if self.sent < self.pending.len()
                && let Poll::Ready(wrote) = Pin::new(&mut self.stream).poll_write(cx, &self.pending[self.sent..])
            {
                return Poll::Ready(Moved::Wrote(wrote));
            }
            may_read = may_read || ready.as_mut().poll(cx).is_ready();
            if may_read && let Poll::Ready(read) = poll_read(&mut self.stream, self.wire.received(), cx) {
                return Poll::Ready(Moved::Read(read));
            }
            if bell.as_mut().poll(cx).is_ready() || due.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Moved::Woken);
            }
            Poll::Pending
        })
        .await
    }

    /// Takes more from the session once everything before is on its way.
    fn refill(&mut self) {
        if self.sent == self.pending.len() {
            self.sent = 0;
            self.wire.send(&mut self.pending);
        }
    }

    /// Sends the last bytes, if the counterparty takes them soon enough.
    async fn finish(&mut self) {
        if !self.wire.is_lost() {
            let limit = self.wire.session().limits.logout_max;
            // Whoever does not read gets no farewell.
            let _ = tokio::time::timeout(limit, self.drain()).await;
        }
    }

    async fn drain(&mut self) -> std::io::Result<()> {
        loop {
            self.refill();
            if self.pending.is_empty() {
                break;
            }
            let pending = &self.pending[self.sent..];
            let wrote = std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_write(cx, pending)).await?;
            self.sent += wrote;
            if wrote == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
        }
        std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await
    }
}
