//! Keeps a session connected to a counterparty that listens.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connection::Connection;
use super::handle::FixSession;
use super::wire::FixWire;

/// TLS towards a counterparty that listens.
#[derive(Clone, Debug)]
pub struct FixClientTls {
    /// Whom we trust and what we show.
    pub config: Arc<ClientConfig>,
    /// The name that the counterparty's certificate must have.
    pub name: ServerName<'static>,
}

/// Where and how an initiator connects.
#[derive(Clone, Debug)]
pub struct FixInitiatorOptions {
    /// The counterparty's addresses, the preferred one first. After a failure the next one is tried, in a circle.
    pub addresses: Vec<SocketAddr>,
    /// How long a connection may take to be made.
    pub connect_max: Duration,
    /// The pause after the first failure; it doubles with each further one.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// Without it messages go in the clear.
    pub tls: Option<FixClientTls>,
}

impl FixInitiatorOptions {
    /// 3 s to connect, pauses from a quarter of a second to 15 s.
    #[must_use]
    pub const fn to(addresses: Vec<SocketAddr>) -> Self {
        let (connect_max, pause_min) = (Duration::from_secs(3), Duration::from_millis(250));
        Self { addresses, connect_max, pause_min, pause_max: Duration::from_secs(15), tls: None }
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
        let reason = attempt(*address, &options, &session, stopped.clone()).await;
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
    options: &FixInitiatorOptions,
    session: &Arc<FixSession>,
    stopped: watch::Receiver<bool>,
) -> String {
    let connecting = async {
        let stream = TcpStream::connect(address).await?;
        let _ = stream.set_nodelay(true);
        let Some(tls) = &options.tls else { return Ok(Way::Plain(stream)) };
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        std::io::Result::Ok(Way::Tls(Box::new(connector.connect(tls.name.clone(), stream).await?)))
    };
    match tokio::time::timeout(options.connect_max, connecting).await {
        Ok(Ok(Way::Plain(stream))) => serve(stream, session, stopped).await,
        Ok(Ok(Way::Tls(stream))) => serve(*stream, session, stopped).await,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no connection in time".to_owned(),
    }
}

enum Way {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    session: &Arc<FixSession>,
    mut stopped: watch::Receiver<bool>,
) -> String {
    let Some(wire) = FixWire::attach(session) else { return "the session is connected already".to_owned() };
    let stop = async move {
        // An error means that whoever could stop us is gone, which stops as well.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    Connection::new(stream, wire).serve(stop).await
}
