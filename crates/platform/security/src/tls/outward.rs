//! Connections that we make to others: whom we trust, what we show, and which suites we speak.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;

use super::files::{OwnCertificate, PemFiles, TlsError, authorities};
use super::{NationalServerVerifier, national, standard};

/// Settings of connections to one counterparty that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outward {
    /// PEM certificates of the authorities that issue the counterparty's certificate.
    pub authorities: PathBuf,
    /// Our own certificate, where the counterparty asks for one; read again when its files change.
    pub own: Option<PemFiles>,
    /// TLS 1.3 with the SM suites of RFC 8998 alone, and certificates on the SM2 curve; else the usual suites.
    pub national: bool,
}

impl Outward {
    /// The settings; the counterparty's name is checked against its certificate with every handshake.
    ///
    /// # Errors
    /// If a file cannot be read, certificate and key do not fit, or our key is on the other's curve.
    pub fn client(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let roots = authorities(&self.authorities)?;
        let untrusted = TlsError::of(&self.authorities);
        let builder = ClientConfig::builder_with_provider(if self.national { national() } else { standard() });
        let builder = if self.national {
            let verifier = Arc::new(NationalServerVerifier::new(roots).map_err(&untrusted)?);
            let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).map_err(&untrusted)?;
            builder.dangerous().with_custom_certificate_verifier(verifier)
        } else {
            builder.with_safe_default_protocol_versions().map_err(&untrusted)?.with_root_certificates(roots)
        };
        let Some(files) = &self.own else { return Ok(Arc::new(builder.with_no_client_auth())) };
        let own = OwnCertificate::open(files)?;
        if own.is_national() != self.national {
            return Err(TlsError::of(&files.key)("the key is on the curve of the other suites"));
        }
        Ok(Arc::new(builder.with_client_cert_resolver(own)))
    }
}
