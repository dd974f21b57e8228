//! Who is at the other end: chains by the usual rules, handshakes signed with SM2 and nothing else.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, RootCertStore, SignatureScheme};

use super::certificates::HANDSHAKES;
use super::{SM2SIG_SM3, national};

const SM2: SignatureScheme = SignatureScheme::Unknown(SM2SIG_SM3);
const UNASKED: Error = Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme);

pub(super) fn verify(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    if signed.scheme != SM2 {
        return Err(UNASKED);
    }
    let wrong = |_| Error::InvalidCertificate(rustls::CertificateError::BadSignature);
    let certificate = webpki::EndEntityCert::try_from(certificate).map_err(wrong)?;
    certificate.verify_signature(HANDSHAKES, message, signed.signature()).map_err(wrong)?;
    Ok(HandshakeSignatureValid::assertion())
}

/// A client's view of servers with SM2 certificates.
#[derive(Debug)]
pub struct NationalServerVerifier(Arc<WebPkiServerVerifier>);

impl NationalServerVerifier {
    /// Trusts what `authorities` issued.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(authorities: RootCertStore) -> Result<Self, Error> {
        let built = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities), national()).build();
        built.map(Self).map_err(|error| Error::General(error.to_string()))
    }
}

impl ServerCertVerifier for NationalServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.0.verify_server_cert(certificate, chain, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(UNASKED)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SM2]
    }
}

/// A server's view of clients with SM2 certificates; every client must have one.
#[derive(Debug)]
pub struct NationalClientVerifier(Arc<dyn ClientCertVerifier>);

impl NationalClientVerifier {
    /// Trusts what `authorities` issued.
    ///
    /// # Errors
    /// If there are none.
    pub fn new(authorities: RootCertStore) -> Result<Self, Error> {
        let built = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), national()).build();
        built.map(Self).map_err(|error| Error::General(error.to_string()))
    }
}

impl ClientCertVerifier for NationalClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.verify_client_cert(certificate, chain, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(UNASKED)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        asked_of_clients()
    }
}

/// A client built on rustls ends the handshake if it knows none of the schemes that it is asked for, and it does not know
/// SM2's number: a scheme that it knows stands beside it, and a signature with that one is refused above.
pub(super) fn asked_of_clients() -> Vec<SignatureScheme> {
    vec![SM2, SignatureScheme::ECDSA_NISTP256_SHA256]
}
