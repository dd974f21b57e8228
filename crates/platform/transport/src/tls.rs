//! TLS for the doors and between roles: certificates from PEM files, and the settings that both sides share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::error::TransportError;

/// PEM files of one end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, its own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Certificates of those whom the other end must be issued by. A server that names them asks every client for a
    /// certificate (mTLS).
    pub authorities: Option<PathBuf>,
}

fn failed(path: &Path, reason: impl std::fmt::Display) -> TransportError {
    TransportError::Tls { path: path.to_owned(), reason: reason.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| failed(path, error))?;
    let list: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| failed(path, error))?;
    if list.is_empty() { Err(failed(path, "it holds no certificate")) } else { Ok(list) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TransportError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| failed(path, error))
}

fn roots(path: &Path) -> Result<RootCertStore, TransportError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|error| failed(path, error))?;
    }
    Ok(store)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The server's side: TLS 1.2 and 1.3 for clients from outside, TLS 1.3 alone where client certificates are asked for.
/// `protocols` are offered by ALPN, the best first.
///
/// # Errors
/// If a file cannot be read or its certificate and key do not fit.
pub fn server_config(files: &TlsFiles, protocols: &[&str]) -> Result<Arc<ServerConfig>, TransportError> {
    let (chain, key) = (certificates(&files.certificate)?, key(&files.key)?);
    let builder = ServerConfig::builder_with_provider(provider());
    let unfit = |error: rustls::Error| failed(&files.certificate, error);
    let mut config = if let Some(authorities) = &files.authorities {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(authorities)?), provider());
        let verifier = verifier.build().map_err(|error| failed(authorities, error))?;
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).map_err(unfit)?;
        builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).map_err(unfit)?
    } else {
        let builder = builder.with_safe_default_protocol_versions().map_err(unfit)?;
        builder.with_no_client_auth().with_single_cert(chain, key).map_err(unfit)?
    };
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

/// The client's side of a connection between roles: TLS 1.3, its own certificate, and only the named authorities.
///
/// # Errors
/// If a file cannot be read, its certificate and key do not fit, or no authorities are named.
pub fn client_config(files: &TlsFiles) -> Result<Arc<ClientConfig>, TransportError> {
    let (chain, key) = (certificates(&files.certificate)?, key(&files.key)?);
    let unfit = |error: rustls::Error| failed(&files.certificate, error);
    let Some(authorities) = &files.authorities else {
        return Err(failed(&files.certificate, "a client between roles must name the authorities it trusts"));
    };
    let builder = ClientConfig::builder_with_provider(provider());
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).map_err(unfit)?;
    let config = builder.with_root_certificates(roots(authorities)?).with_client_auth_cert(chain, key);
    Ok(Arc::new(config.map_err(unfit)?))
}
