//! Clients that are known by their own certificate, without an authority: the handshake proves that they hold its key and
//! its time is checked; whether it is one of those that are known is asked of whoever knows them.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::verify;

/// Asks for a certificate, and goes on without one: which session a caller names comes after the handshake.
#[derive(Debug)]
pub(super) struct PinnedClients {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) is_national: bool,
}

impl ClientCertVerifier for PinnedClients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let refused = |why| Error::InvalidCertificate(why);
        let read = Certificate::from_der(certificate).map_err(|_| refused(CertificateError::BadEncoding))?;
        let validity = read.tbs_certificate().validity();
        let now = now.as_secs();
        if now < validity.not_before.to_unix_duration().as_secs() {
            return Err(refused(CertificateError::NotValidYet));
        }
        if now > validity.not_after.to_unix_duration().as_secs() {
            return Err(refused(CertificateError::Expired));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.is_national {
            return Err(Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme));
        }
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if self.is_national {
            return verify::verify(message, certificate, signed);
        }
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        if self.is_national {
            return verify::asked_of_clients();
        }
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use rustls::pki_types::pem::PemObject as _;

    use super::*;
    use crate::ca::{Authority, Curve};

    #[test]
    fn a_certificate_counts_in_its_time_only() {
        let (year, day) = (Duration::from_hours(365 * 24), Duration::from_hours(24));
        let begins = SystemTime::UNIX_EPOCH + 50 * year;
        let made = Authority::new(Curve::P256, "partner", begins, year).expect("an authority");
        let certificate = made.certificate().expect("a certificate");
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
        let clients = PinnedClients { provider: crate::tls::standard(), is_national: false };
        let check = |at: Duration, certificate: &CertificateDer<'_>| {
            clients.verify_client_cert(certificate, &[], UnixTime::since_unix_epoch(at)).map(drop)
        };
        let refused = |why| Err(Error::InvalidCertificate(why));
        assert_eq!(check(50 * year + day, &certificate), Ok(()));
        assert_eq!(check(50 * year - day, &certificate), refused(CertificateError::NotValidYet));
        assert_eq!(check(51 * year + day, &certificate), refused(CertificateError::Expired));
        assert_eq!(
            check(50 * year + day, &CertificateDer::from(vec![48, 3, 1, 2])),
            refused(CertificateError::BadEncoding)
        );
    }
}
