//! SM2 certificates: their keys, and the signatures under chains and handshakes.

use std::sync::Arc;

use rustls::crypto::{KeyProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer,
};
use rustls::sign::{Signer, SigningKey};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use sm2::SecretKey;
use sm2::dsa::signature::{Signer as _, Verifier as _};
use sm2::dsa::{Signature, SigningKey as DsaKey, VerifyingKey as DsaPublicKey};
use sm2::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};

use super::SM2SIG_SM3;

/// The identifier of certificates (GM/T 0009).
const OF_CERTIFICATES: &str = "1234567812345678";
/// The identifier of handshakes (RFC 8998 section 3.2.1).
const OF_HANDSHAKES: &str = "TLSv1.3+GM+Cipher+Suite";

/// `id-ecPublicKey` with the curve 1.2.156.10197.1.301.
const PUBLIC_KEY: AlgorithmIdentifier = AlgorithmIdentifier::from_slice(&[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x82, 0x2d,
]);
/// `sm2-with-SM3`, 1.2.156.10197.1.501.
const SIGNATURE: AlgorithmIdentifier =
    AlgorithmIdentifier::from_slice(&[0x06, 0x08, 0x2a, 0x81, 0x1c, 0xcf, 0x55, 0x01, 0x83, 0x75]);

/// What is verified: chains with one identifier, handshakes with the other.
pub(super) const VERIFIED: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[&Sm2Signatures(OF_CERTIFICATES)],
    mapping: &[(SignatureScheme::Unknown(SM2SIG_SM3), &[HANDSHAKES])],
};

/// Signatures under handshakes.
pub(super) const HANDSHAKES: &dyn SignatureVerificationAlgorithm = &Sm2Signatures(OF_HANDSHAKES);

/// SM2 signatures under one identifier.
#[derive(Debug)]
struct Sm2Signatures(&'static str);

impl SignatureVerificationAlgorithm for Sm2Signatures {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = DsaPublicKey::from_sec1_bytes(self.0, public_key).map_err(|_| InvalidSignature)?;
        let signature = Signature::from_der(signature).map_err(|_| InvalidSignature)?;
        key.verify(message, &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        PUBLIC_KEY
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        SIGNATURE
    }
}

/// Takes SM2 keys of certificates, and no others.
#[derive(Debug)]
pub(super) struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        Ok(Arc::new(Sm2CertificateKey::new(&key)?))
    }
}

/// The key of an SM2 certificate, for handshakes.
pub struct Sm2CertificateKey {
    key: DsaKey,
    public: Vec<u8>,
}

impl std::fmt::Debug for Sm2CertificateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sm2CertificateKey").finish_non_exhaustive()
    }
}

impl Sm2CertificateKey {
    /// From PKCS#8 or SEC 1.
    ///
    /// # Errors
    /// If it is not a key on the SM2 curve.
    pub fn new(key: &PrivateKeyDer<'_>) -> Result<Self, Error> {
        let wrong = || Error::General("the key is not a key on the SM2 curve in PKCS#8 or SEC 1".into());
        let secret = match key {
            PrivateKeyDer::Pkcs8(der) => SecretKey::from_pkcs8_der(der.secret_pkcs8_der()).map_err(|_| wrong())?,
            PrivateKeyDer::Sec1(der) => SecretKey::from_sec1_der(der.secret_sec1_der()).map_err(|_| wrong())?,
            _ => return Err(wrong()),
        };
        let public = secret.public_key().to_public_key_der().map_err(|_| wrong())?.into_vec();
        let key = DsaKey::new(OF_HANDSHAKES, &secret).map_err(|_| wrong())?;
        Ok(Self { key, public })
    }
}

impl SigningKey for Sm2CertificateKey {
    // The list holds only schemes that rustls knows for TLS 1.3, so `sm2sig_sm3` never stands in it. Whoever offers a
    // suite with SM4 must offer that scheme (RFC 8998 section 3.3.1), and this key is used with such suites alone.
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(HandshakeSigner(self.key.clone())))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.public.as_slice().into())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

struct HandshakeSigner(DsaKey);

impl std::fmt::Debug for HandshakeSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandshakeSigner").finish_non_exhaustive()
    }
}

impl Signer for HandshakeSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature: Signature =
            self.0.try_sign(message).map_err(|_| Error::General("the SM2 key does not sign".into()))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::Unknown(SM2SIG_SM3)
    }
}
