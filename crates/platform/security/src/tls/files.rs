//! Certificates in PEM files, read again when they change: a certificate is rotated without a restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, SignatureScheme};

use super::{Sm2CertificateKey, national, standard};

/// How often files are looked at, at most.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A certificate or key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// Why not.
    pub reason: String,
}

impl TlsError {
    pub(super) fn of<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> Self {
        move |reason| Self { path: path.to_owned(), reason: reason.to_string() }
    }
}

/// PEM files of one end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFiles {
    /// The certificate chain, its own certificate first.
    pub certificate: PathBuf,
    /// The private key: PKCS#8 or SEC 1, on P-256, RSA, Ed25519 or the SM2 curve.
    pub key: PathBuf,
}

impl PemFiles {
    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        certificates(&self.certificate)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_file(&self.key).map_err(TlsError::of(&self.key))
    }

    /// When the younger of the two was written.
    fn written(&self) -> Option<SystemTime> {
        let time = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
        time(&self.certificate).max(time(&self.key))
    }
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).map_err(TlsError::of(path))?;
    let list: Vec<_> = read.collect::<Result<_, _>>().map_err(TlsError::of(path))?;
    if list.is_empty() { Err(TlsError::of(path)("it holds no certificate")) } else { Ok(list) }
}

/// The authorities of a PEM file.
///
/// # Errors
/// If it cannot be read or holds none.
pub(super) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(TlsError::of(path))?;
    }
    Ok(store)
}

/// One end's certificate, as its files have it now.
#[derive(Debug)]
pub(super) struct OwnCertificate {
    files: PemFiles,
    provider: Arc<CryptoProvider>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    certified: Arc<CertifiedKey>,
    written: Option<SystemTime>,
    looked: Instant,
}

impl OwnCertificate {
    pub(super) fn open(files: &PemFiles) -> Result<Arc<Self>, TlsError> {
        let provider = if Sm2CertificateKey::new(&files.key()?).is_ok() { national() } else { standard() };
        let held = Held { certified: read(files, &provider)?, written: files.written(), looked: Instant::now() };
        Ok(Arc::new(Self { files: files.clone(), provider, held: Mutex::new(held) }))
    }

    /// SM alone, or what everybody speaks: the key decides.
    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        Arc::clone(&self.provider)
    }

    pub(super) fn is_national(&self) -> bool {
        self.provider.cipher_suites == national().cipher_suites
    }

    fn now(&self) -> Arc<CertifiedKey> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked.elapsed() >= LOOK_AGAIN {
            held.looked = Instant::now();
            let written = self.files.written();
            if written != held.written {
                match read(&self.files, &self.provider) {
                    Ok(certified) => {
                        tracing::info!(certificate = %self.files.certificate.display(), "took the new certificate");
                        (held.certified, held.written) = (certified, written);
                    }
                    // Half of a pair may be written; the old one is good until it is over.
                    Err(error) => tracing::warn!(%error, "keep the old certificate"),
                }
            }
        }
        Arc::clone(&held.certified)
    }
}

fn read(files: &PemFiles, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, TlsError> {
    let (chain, key) = (files.chain()?, files.key()?);
    let unfit = TlsError::of(&files.certificate);
    Ok(Arc::new(CertifiedKey::from_der(chain, key, provider).map_err(unfit)?))
}

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }
}

impl ResolvesClientCert for OwnCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.now())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
