//! One port for many sessions.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::connection::{Connection, poll_read};
use super::fields::list;
use super::frame::{Frame, FrameReader};
use super::handle::{FixSession, Sessions};
use super::session::Head;
use super::wire::FixWire;
use crate::error::TransportError;

/// How an acceptor listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixAcceptorOptions {
    /// Where; port 0 takes any.
    pub address: SocketAddr,
    /// Connections at once, logged on or not. Beyond, new ones are closed at once.
    pub connections_max: usize,
    /// How long a connection may take until it has sent its Logon.
    pub logon_max: Duration,
    /// The longest first message.
    pub message_max: usize,
    /// How long the sessions may take to log out when the acceptor stops.
    pub drain_max: Duration,
}

impl FixAcceptorOptions {
    /// 256 connections, 10 s for the Logon, 64 KiB a message, 5 s to log out.
    #[must_use]
    pub const fn at(address: SocketAddr) -> Self {
        let (logon_max, drain_max) = (Duration::from_secs(10), Duration::from_secs(5));
        Self { address, connections_max: 256, logon_max, message_max: 64 * 1024, drain_max }
    }
}

/// A bound acceptor.
pub struct FixAcceptor {
    options: FixAcceptorOptions,
    listener: TcpListener,
    address: SocketAddr,
    sessions: Arc<Sessions>,
}

impl FixAcceptor {
    /// Binds the address for these sessions.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(options: FixAcceptorOptions, sessions: Vec<Arc<FixSession>>) -> Result<Self, TransportError> {
        let failed = |source| TransportError::Bind { address: options.address, source };
        let listener = TcpListener::bind(options.address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { options, listener, address, sessions: Arc::new(Sessions::new(sessions)) })
    }

    /// The bound address, with the port that was really taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The sessions that are served.
    pub fn sessions(&self) -> impl Iterator<Item = &Arc<FixSession>> {
        self.sessions.all()
    }

    /// Serves until `stop` is ready, then logs every session out.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send) {
        let (stopping, stopped) = watch::channel(false);
        let room = Arc::new(Semaphore::new(self.options.connections_max));
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                // The process has no descriptors left, or the peer was gone already; others need the processor.
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                tracing::warn!(%peer, "FIX connection refused: too many connections");
                continue;
            };
            let _ = stream.set_nodelay(true);
            let (options, sessions, stopped) = (self.options, Arc::clone(&self.sessions), stopped.clone());
            connections.spawn(async move {
                welcome(stream, peer, options, &sessions, stopped).await;
                drop(permit);
            });
        }
        drop(self.listener);
        // The receivers live in the connections; without any, nobody needs to know.
        let _ = stopping.send(true);
        let all = async { while connections.join_next().await.is_some() {} };
        // Whoever does not log out in time is cut off with the runtime's tasks.
        let _ = tokio::time::timeout(self.options.drain_max, all).await;
    }
}

async fn until_stopped(mut stopped: watch::Receiver<bool>) {
    // An error means that the acceptor is gone, which stops as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Finds out who connected, and serves the session.
async fn welcome<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    peer: SocketAddr,
    options: FixAcceptorOptions,
    sessions: &Sessions,
    stopped: watch::Receiver<bool>,
) {
    let mut reader = FrameReader::new(options.message_max);
    let introduced = async {
        tokio::select! {
            found = tokio::time::timeout(options.logon_max, introduce(&mut stream, &mut reader, sessions)) => {
                found.unwrap_or(Err("no Logon in time"))
            }
            () = until_stopped(stopped.clone()) => Err("the acceptor stops"),
        }
    };
    let (session, logon) = match introduced.await {
        Ok(found) => found,
        Err(reason) => return tracing::info!(%peer, reason, "FIX connection refused"),
    };
    let Some(wire) = FixWire::attach_with(&session, reader, Some(&logon)) else {
        return tracing::warn!(%peer, session = %session.id(), "FIX connection refused: already connected");
    };
    tracing::info!(%peer, session = %session.id(), "FIX connection");
    Connection::new(stream, wire).serve(until_stopped(stopped)).await;
}

/// Reads the first message, which must be a Logon that names a session.
async fn introduce<S: AsyncRead + Unpin>(
    stream: &mut S,
    reader: &mut FrameReader,
    sessions: &Sessions,
) -> Result<(Arc<FixSession>, Vec<u8>), &'static str> {
    loop {
        match reader.take() {
            Some(Frame::Message(bytes)) => {
                let session = find(bytes, sessions)?;
                return Ok((session, bytes.to_vec()));
            }
            Some(Frame::Garbled(..)) => return Err("the first message is garbled"),
            Some(Frame::TooLong) => return Err("the first message is too long"),
            None => {}
        }
        match std::future::poll_fn(|cx| poll_read(stream, reader.buffer(), cx)).await {
            Ok(0) | Err(_) => return Err("closed before a Logon"),
            Ok(_) => {}
        }
    }
}

fn find(bytes: &[u8], sessions: &Sessions) -> Result<Arc<FixSession>, &'static str> {
    let mut fields = Vec::new();
    // Where data fields end does not matter here, and a fault is found by the session.
    let _ = list(bytes, |_| false, &mut fields);
    let head = Head::read(bytes, &fields);
    if head.kind != b"A" {
        return Err("the first message is no Logon");
    }
    let session = sessions.find(head.begin, head.target, head.sender, head.default_version);
    session.cloned().ok_or("no such session")
}
