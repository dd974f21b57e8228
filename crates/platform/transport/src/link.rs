//! Links between roles: messages with a length in front, over TLS 1.3 with certificates on both sides.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, BufWriter, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// Longest message, in bytes: a block of events of one large batch fits.
pub const LINK_MESSAGE_MAX: usize = 64 << 20;
/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// The reading half of a link.
pub struct LinkReader(BufReader<ReadHalf<TlsStream<TcpStream>>>);

/// The writing half of a link.
pub struct LinkWriter(BufWriter<WriteHalf<TlsStream<TcpStream>>>);

/// Waits for links.
pub struct LinkListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

/// A connection whose handshake is still to come.
pub struct Knock {
    stream: TcpStream,
    acceptor: TlsAcceptor,
}

fn halves(stream: TlsStream<TcpStream>) -> (LinkReader, LinkWriter) {
    let (reader, writer) = tokio::io::split(stream);
    (LinkReader(BufReader::with_capacity(1 << 16, reader)), LinkWriter(BufWriter::with_capacity(1 << 16, writer)))
}

async fn in_time<T>(handshake: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(HANDSHAKE_MAX, handshake).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

impl LinkListener {
    /// Binds `address`; `config` must ask for client certificates.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(address: SocketAddr, config: Arc<ServerConfig>) -> Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, acceptor: TlsAcceptor::from(config) })
    }

    /// The bound address.
    ///
    /// # Errors
    /// If the system does not tell it.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection; its handshake is done by [`Knock::open`], in a task of its own.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn knock(&self) -> Result<Knock> {
        let (stream, _) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok(Knock { stream, acceptor: self.acceptor.clone() })
    }
}

impl Knock {
    /// Opens the link.
    ///
    /// # Errors
    /// If the other side shows no certificate that is trusted, or takes too long.
    pub async fn open(self) -> Result<(LinkReader, LinkWriter)> {
        in_time(async { Ok(halves(TlsStream::Server(self.acceptor.accept(self.stream).await?))) }).await
    }
}

/// Whether a link failed because one side does not trust the certificate that the other shows.
#[must_use]
pub fn distrusted(error: &Error) -> bool {
    use rustls::AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked, CertificateUnknown,
        DecryptError, UnknownCA, UnsupportedCertificate,
    };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => true,
        Some(rustls::Error::AlertReceived(alert)) => matches!(
            alert,
            AccessDenied
                | BadCertificate
                | CertificateExpired
                | CertificateRequired
                | CertificateRevoked
                | CertificateUnknown
                | DecryptError
                | UnknownCA
                | UnsupportedCertificate
        ),
        _ => false,
    }
}

/// Opens a link to `address`, whose certificate must name `name`.
///
/// # Errors
/// If nobody answers there, or one side does not trust the other.
pub async fn link_to(address: SocketAddr, name: &str, config: Arc<ClientConfig>) -> Result<(LinkReader, LinkWriter)> {
    let name = ServerName::try_from(name.to_owned()).map_err(|error| Error::new(ErrorKind::InvalidInput, error))?;
    in_time(async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(halves(TlsStream::Client(TlsConnector::from(config).connect(name, stream).await?)))
    })
    .await
}

impl LinkReader {
    /// The next message; `None` if the other side has ended the link between two messages.
    ///
    /// # Errors
    /// If the link broke inside a message, or a message is longer than [`LINK_MESSAGE_MAX`].
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let length = match self.0.read_u32_le().await {
            Ok(length) => length as usize,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        if length > LINK_MESSAGE_MAX {
            return Err(Error::new(ErrorKind::InvalidData, format!("a message of {length} bytes is too long")));
        }
        let mut message = vec![0; length];
        self.0.read_exact(&mut message).await?;
        Ok(Some(message))
    }
}

impl LinkWriter {
    /// Writes a message into the buffer.
    ///
    /// # Errors
    /// If the link broke, or the message is longer than [`LINK_MESSAGE_MAX`].
    pub async fn put(&mut self, message: &[u8]) -> Result<()> {
        let length = u32::try_from(message.len()).ok().filter(|length| *length as usize <= LINK_MESSAGE_MAX);
        let length = length.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the message is too long"))?;
        self.0.write_u32_le(length).await?;
        self.0.write_all(message).await
    }

    /// Sends what is in the buffer.
    ///
    /// # Errors
    /// If the link broke.
    pub async fn flush(&mut self) -> Result<()> {
        self.0.flush().await
    }
}
