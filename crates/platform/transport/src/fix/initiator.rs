//! Keeps a session connected to a counterparty that listens.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::connection::Connection;
use super::handle::FixSession;
use super::wire::FixWire;

/// Where and how an initiator connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixInitiatorOptions {
    /// The counterparty's addresses, the preferred one first. After a failure the next one is tried, in a circle.
    pub addresses: Vec<SocketAddr>,
    /// How long a connection may take to be made.
    pub connect_max: Duration,
    /// The pause after the first failure; it doubles with each further one.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl FixInitiatorOptions {
    /// 3 s to connect, pauses from a quarter of a second to 15 s.
    #[must_use]
    pub const fn to(addresses: Vec<SocketAddr>) -> Self {
        let (connect_max, pause_min) = (Duration::from_secs(3), Duration::from_millis(250));
        Self { addresses, connect_max, pause_min, pause_max: Duration::from_secs(15) }
    }
}

/// Connects, serves, and connects again until `stop` is ready; then logs out.
///
/// While the session was logged on, the same address is tried first; otherwise the next.
pub async fn initiate(options: FixInitiatorOptions, session: Arc<FixSession>, stop: impl Future<Output = ()> + Send) {
    let (stopping, stopped) = watch::channel(false);
    let mut serving = std::pin::pin!(connect_for_ever(options, session, stopped));
    tokio::select! {
        () = &mut serving => return,
        () = stop => {}
    }
    // The receiver lives in the future that is awaited next.
    let _ = stopping.send(true);
    serving.await;
}

async fn connect_for_ever(options: FixInitiatorOptions, session: Arc<FixSession>, mut stopped: watch::Receiver<bool>) {
    let mut at = 0;
    let mut pause = options.pause_min;
    while let Some(address) = options.addresses.get(at % options.addresses.len().max(1)) {
        if *stopped.borrow() {
            return;
        }
        let before = session.status();
        let reason = attempt(*address, options.connect_max, &session, stopped.clone()).await;
        // Whoever answered with a message of its own is there.
        if session.status().next_incoming == before.next_incoming {
            at += 1;
            tracing::warn!(session = %session.id(), %address, reason, "FIX counterparty not reached");
        } else {
            pause = options.pause_min;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(options.pause_max),
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

async fn attempt(
    address: SocketAddr,
    connect_max: Duration,
    session: &Arc<FixSession>,
    mut stopped: watch::Receiver<bool>,
) -> String {
    let stream = match tokio::time::timeout(connect_max, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return "no connection in time".to_owned(),
    };
    let _ = stream.set_nodelay(true);
    let Some(wire) = FixWire::attach(session) else { return "the session is connected already".to_owned() };
    let stop = async move {
        // An error means that whoever could stop us is gone, which stops as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    Connection::new(stream, wire).serve(stop).await
}
