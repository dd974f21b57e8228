//! Settings of both ends of a link, and who may be at the other end: exactly the named SPIFFE ids.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
};

use super::files::{OwnCertificate, PemFiles, TlsError, authorities};
use super::pinned::PinnedClients;
use super::{NationalClientVerifier, NationalServerVerifier, speaks_national};

/// What one end of a link between roles shows and whom it trusts. A key on the SM2 curve makes it speak SM alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPapers {
    /// Its own certificate.
    pub own: PemFiles,
    /// PEM certificates of the authorities that issue the other ends' certificates.
    pub authorities: PathBuf,
}

impl LinkPapers {
    /// The server's end: TLS 1.3, and a certificate with one of the SPIFFE ids `allowed` from every client.
    ///
    /// # Errors
    /// If a file cannot be read, or certificate and key do not fit.
    pub fn server(&self, allowed: &[String]) -> Result<Arc<ServerConfig>, TlsError> {
        let (own, roots) = (OwnCertificate::open(&self.own)?, authorities(&self.authorities)?);
        let untrusted = TlsError::of::<Box<dyn std::error::Error>>(&self.authorities);
        let inner: Arc<dyn ClientCertVerifier> = if own.is_national() {
            Arc::new(NationalClientVerifier::new(roots).map_err(|error| untrusted(error.into()))?)
        } else {
            let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), own.provider()).build();
            built.map_err(|error| untrusted(error.into()))?
        };
        let builder = ServerConfig::builder_with_provider(own.provider());
        let builder =
            builder.with_protocol_versions(&[&rustls::version::TLS13]).map_err(unfit(&self.own.certificate))?;
        let verifier = Arc::new(AllowedClients { inner, allowed: allowed.to_vec() });
        Ok(Arc::new(builder.with_client_cert_verifier(verifier).with_cert_resolver(own)))
    }

    /// The client's end: TLS 1.3, its own certificate, and a server with one of the SPIFFE ids `allowed`.
    ///
    /// # Errors
    /// If a file cannot be read, or certificate and key do not fit.
    pub fn client(&self, allowed: &[String]) -> Result<Arc<ClientConfig>, TlsError> {
        let (own, roots) = (OwnCertificate::open(&self.own)?, authorities(&self.authorities)?);
        let untrusted = TlsError::of::<Box<dyn std::error::Error>>(&self.authorities);
        let inner: Arc<dyn ServerCertVerifier> = if own.is_national() {
            Arc::new(NationalServerVerifier::new(roots).map_err(|error| untrusted(error.into()))?)
        } else {
            let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), own.provider()).build();
            built.map_err(|error| untrusted(error.into()))?
        };
        let builder = ClientConfig::builder_with_provider(own.provider());
        let builder =
            builder.with_protocol_versions(&[&rustls::version::TLS13]).map_err(unfit(&self.own.certificate))?;
        let verifier = Arc::new(AllowedServers { inner, allowed: allowed.to_vec() });
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        Ok(Arc::new(builder.with_client_cert_resolver(own)))
    }
}

fn unfit(path: &Path) -> impl Fn(Error) -> TlsError {
    TlsError::of(path)
}

/// A door for everybody: SM for callers that offer it, the usual suites of TLS 1.2 and 1.3 for all others.
#[derive(Clone, Debug)]
pub struct Door {
    usual: Option<Arc<ServerConfig>>,
    national: Option<Arc<ServerConfig>>,
}

impl Door {
    /// `protocols` are offered by ALPN, the best first. Without one of the certificates those who need it are refused.
    ///
    /// # Errors
    /// If a file cannot be read, certificate and key do not fit, or a key is on the other's curve.
    pub fn open(usual: Option<&PemFiles>, national: Option<&PemFiles>, protocols: &[&str]) -> Result<Self, TlsError> {
        Self::opened(usual, national, protocols, false)
    }

    /// The same, and asks callers for a certificate of their own, which they may leave out. That they hold its key and that
    /// its time is not over is checked; whose it is, is not.
    ///
    /// # Errors
    /// As [`Door::open`].
    pub fn asking(usual: Option<&PemFiles>, national: Option<&PemFiles>, protocols: &[&str]) -> Result<Self, TlsError> {
        Self::opened(usual, national, protocols, true)
    }

    fn opened(
        usual: Option<&PemFiles>,
        national: Option<&PemFiles>,
        protocols: &[&str],
        asks: bool,
    ) -> Result<Self, TlsError> {
        let settings = |files: Option<&PemFiles>, is_national| {
            files.map(|files| door_settings(files, (is_national, asks), protocols)).transpose()
        };
        Ok(Self { usual: settings(usual, false)?, national: settings(national, true)? })
    }

    /// The settings for a caller; `None` if it speaks nothing that the door does.
    #[must_use]
    pub fn choose(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        self.national.as_ref().filter(|_| speaks_national(hello)).or(self.usual.as_ref()).cloned()
    }
}

fn door_settings(
    files: &PemFiles,
    (is_national, asks): (bool, bool),
    protocols: &[&str],
) -> Result<Arc<ServerConfig>, TlsError> {
    let own = OwnCertificate::open(files)?;
    if own.is_national() != is_national {
        let reason =
            if is_national { "the key is not on the SM2 curve" } else { "a key on the SM2 curve is named as such" };
        return Err(TlsError::of(&files.key)(reason));
    }
    let builder = ServerConfig::builder_with_provider(own.provider());
    let builder = if own.is_national() {
        builder.with_protocol_versions(&[&rustls::version::TLS13])
    } else {
        builder.with_safe_default_protocol_versions()
    };
    let builder = builder.map_err(unfit(&files.certificate))?;
    let builder = if asks {
        builder.with_client_cert_verifier(Arc::new(PinnedClients { provider: own.provider(), is_national }))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(own);
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

/// Whether the certificate carries exactly one SPIFFE id, and one of `allowed`.
fn check_id(certificate: &CertificateDer<'_>, allowed: &[String]) -> Result<(), Error> {
    let refused = || Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
    let parsed = webpki::EndEntityCert::try_from(certificate).map_err(|_| refused())?;
    let ids: Vec<&str> = parsed.valid_uri_names().collect();
    match ids.as_slice() {
        [id] if allowed.iter().any(|allowed| allowed == id) => Ok(()),
        _ => Err(refused()),
    }
}

#[derive(Debug)]
struct AllowedServers {
    inner: Arc<dyn ServerCertVerifier>,
    allowed: Vec<String>,
}

impl ServerCertVerifier for AllowedServers {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.inner.verify_server_cert(certificate, chain, name, ocsp, now)?;
        check_id(certificate, &self.allowed).map(|()| verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[derive(Debug)]
struct AllowedClients {
    inner: Arc<dyn ClientCertVerifier>,
    allowed: Vec<String>,
}

impl ClientCertVerifier for AllowedClients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(certificate, chain, now)?;
        check_id(certificate, &self.allowed).map(|()| verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
