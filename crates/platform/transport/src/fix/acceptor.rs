//! One port for many sessions.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::connection::{Connection, poll_read};
use super::fields::list;
use super::frame::{Frame, FrameReader};
use super::gate::{FixGate, FixTurnedAway, knock};
use super::handle::{FixSession, Sessions};
use super::session::Head;
use super::waiting::{Place, Waiting};
use super::wire::FixWire;
use crate::error::TransportError;
use crate::server::HandshakeFailed;
use crate::tls::{ChooseTls, shake_hands};

/// How long a counterparty that comes back at once waits for its own connection of before to be gone: it sees the end
/// of that one a little earlier than the session does.
const FREED_MAX: Duration = Duration::from_millis(500);
/// How long a connection waits for the place of one that was sent away for it.
const PLACE_MAX: Duration = Duration::from_secs(1);

/// How an acceptor listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixAcceptorOptions {
    /// Where; port 0 takes any.
    pub address: SocketAddr,
    /// Connections at once, logged on or not. Beyond, the one that has waited longest for its Logon is closed for a new
    /// one; if all are logged on, the new one is closed.
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
    tls: Option<ChooseTls>,
    gate: Option<Arc<dyn FixGate>>,
    failed: Option<HandshakeFailed>,
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
        let sessions = Arc::new(Sessions::new(sessions));
        Ok(Self { options, listener, address, sessions, tls: None, gate: None, failed: None })
    }

    /// Serves under TLS only.
    #[must_use]
    pub fn with_tls(mut self, tls: ChooseTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Lets in only whom `gate` admits.
    #[must_use]
    pub fn with_gate(mut self, gate: Arc<dyn FixGate>) -> Self {
        self.gate = Some(gate);
        self
    }

    /// Tells `failed` of TLS handshakes that fail.
    #[must_use]
    pub fn telling_failed_handshakes(mut self, failed: HandshakeFailed) -> Self {
        self.failed = Some(failed);
        self
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
        let waiting = Arc::new(Waiting::default());
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
            let permit = Arc::clone(&room).try_acquire_owned().ok();
            if permit.is_none() && !waiting.send_away() {
                tracing::warn!(%peer, "FIX connection refused: too many connections");
                continue;
            }
            let _ = stream.set_nodelay(true);
            let (options, sessions, stopped) = (self.options, Arc::clone(&self.sessions), stopped.clone());
            let (room, mut place, tls) = (Arc::clone(&room), waiting.take(), self.tls.clone());
            let mut came = Came { peer, gate: self.gate.clone(), certificate: None };
            let failed = self.failed.clone();
            connections.spawn(async move {
                let permit = match permit {
                    Some(permit) => Some(permit),
                    None => freed_place(room, &mut place).await,
                };
                if permit.is_none() {
                    return tracing::warn!(%peer, "FIX connection refused: too many connections");
                }
                let Some(tls) = tls else {
                    return welcome(stream, came, place, options, &sessions, stopped).await;
                };
                // A handshake that fails or takes too long frees its place.
                let shaken = tokio::select! {
                    shaken = tokio::time::timeout(options.logon_max, shake_hands(stream, &tls)) => shaken,
                    () = place.sent_away() => return tracing::info!(%peer, "FIX connection refused: others wait"),
                };
                let why = match shaken {
                    Ok(Ok(stream)) => {
                        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                        came.certificate = shown.map(|certificate| certificate.to_vec());
                        return welcome(stream, came, place, options, &sessions, stopped).await;
                    }
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "it took too long".to_owned(),
                };
                tracing::info!(%peer, why, "FIX connection refused: no handshake");
                if let Some(tell) = failed {
                    tell(peer.ip(), &why);
                }
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

/// The permit that a connection which was sent away frees in a moment.
async fn freed_place(room: Arc<Semaphore>, place: &mut Place) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        permit = tokio::time::timeout(PLACE_MAX, room.acquire_owned()) => permit.ok()?.ok(),
        () = place.sent_away() => None,
    }
}

async fn until_stopped(mut stopped: watch::Receiver<bool>) {
    // An error means that the acceptor is gone, which stops as well.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Who connected.
struct Came {
    peer: SocketAddr,
    /// Who decides whether it is whom it says.
    gate: Option<Arc<dyn FixGate>>,
    /// The certificate whose key signed the handshake.
    certificate: Option<Vec<u8>>,
}

impl Came {
    /// Whether the gate lets this Logon through.
    async fn admit(&self, session: &FixSession, logon: &[u8]) -> Result<(), FixTurnedAway> {
        let Some(gate) = &self.gate else { return Ok(()) };
        let knock = knock(logon, session.id(), self.certificate.as_deref(), self.peer.ip())?;
        gate.admit(knock).await
    }
}

/// Finds out who connected, and serves the session.
async fn welcome<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    came: Came,
    mut place: Place,
    options: FixAcceptorOptions,
    sessions: &Sessions,
    stopped: watch::Receiver<bool>,
) {
    let peer = came.peer;
    let mut reader = FrameReader::new(options.message_max);
    let introduced = async {
        tokio::select! {
            found = tokio::time::timeout(options.logon_max, introduce(&mut stream, &mut reader, sessions)) => {
                found.unwrap_or(Err("no Logon in time"))
            }
            () = until_stopped(stopped.clone()) => Err("the acceptor stops"),
            () = place.sent_away() => Err("others wait, and it has waited longest for its Logon"),
        }
    };
    let (session, logon) = match introduced.await {
        Ok(found) => found,
        Err(reason) => return tracing::info!(%peer, reason, "FIX connection refused"),
    };
    let admitted = tokio::select! {
        admitted = came.admit(&session, &logon) => admitted,
        () = until_stopped(stopped.clone()) => Err(FixTurnedAway::Silently),
        () = place.sent_away() => Err(FixTurnedAway::Silently),
    };
    drop(place);
    if let Err(turned_away) = admitted {
        return turn_away(stream, (peer, &session), turned_away, stopped).await;
    }
    let Some(wire) = attach(&session, reader, &logon).await else {
        return tracing::warn!(%peer, session = %session.id(), "FIX connection refused: already connected");
    };
    tracing::info!(%peer, session = %session.id(), "FIX connection");
    Connection::new(stream, wire).serve(until_stopped(stopped)).await;
}

/// Tells somebody who is not whom they say to go, unless the session is in use or nothing is to be told.
async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    (peer, session): (SocketAddr, &Arc<FixSession>),
    turned_away: FixTurnedAway,
    stopped: watch::Receiver<bool>,
) {
    tracing::warn!(%peer, session = %session.id(), "FIX connection refused: it does not prove who it is");
    let FixTurnedAway::Logout(text) = turned_away else { return };
    if let Some(wire) = FixWire::attach_refused(session, text) {
        Connection::new(stream, wire).serve(until_stopped(stopped)).await;
    }
}

/// Connects the session, as soon as its connection of before is gone.
async fn attach(session: &Arc<FixSession>, reader: FrameReader, logon: &[u8]) -> Option<FixWire> {
    let mut left = Some(reader);
    let attached = async {
        loop {
            match FixWire::attach_with(session, left.take()?, Some(logon)) {
                Ok(wire) => return Some(wire),
                Err(reader) => left = Some(reader),
            }
            session.freed.notified().await;
        }
    };
    tokio::time::timeout(FREED_MAX, attached).await.ok().flatten()
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
