//! TLS at the doors: the settings are chosen when the caller has said what it can speak.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// Chooses the settings for a caller by its first message; `None` refuses it.
pub type ChooseTls = Arc<dyn Fn(&ClientHello<'_>) -> Option<Arc<ServerConfig>> + Send + Sync>;

/// The handshake with a caller. Whoever calls bounds its time.
pub(crate) async fn shake_hands(stream: TcpStream, choose: &ChooseTls) -> Result<TlsStream<TcpStream>> {
    let started = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let chosen = choose(&started.client_hello());
    let config = chosen.ok_or_else(|| Error::new(ErrorKind::InvalidData, "the caller speaks nothing that we do"))?;
    started.into_stream(config).await
}
