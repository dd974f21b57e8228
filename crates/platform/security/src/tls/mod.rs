//! TLS 1.3 with the suites of RFC 8998 (SM4-GCM and SM4-CCM with SM3, SM2 certificates, curveSM2) beside the usual
//! ones, for the doors and between roles.
//!
//! Two providers, because the two worlds do not mix inside one handshake: [`national`] offers SM alone, [`standard`]
//! what every browser speaks, with the hybrid X25519MLKEM768 first. A door looks at the first message of its caller
//! and takes the one that the caller can speak ([`speaks_national`]).
//!
//! *Invariant:* a handshake with an SM4 suite is signed with SM2 (scheme `0x0708`, identifier
//! `TLSv1.3+GM+Cipher+Suite`) and its keys are agreed on curveSM2, alone or with ML-KEM-768.
//! *Invariant:* certificates of a chain are verified with the identifier of GB/T 32918, never with that of a handshake.

mod aead;
mod certificates;
mod files;
mod groups;
mod hash;
mod outward;
mod peers;
mod pinned;
mod verify;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::ClientHello;
use rustls::{CipherSuite, NamedGroup};

pub use aead::{TLS13_SM4_CCM_SM3, TLS13_SM4_GCM_SM3};
pub use certificates::Sm2CertificateKey;
pub use files::{PemFiles, TlsError};
pub use groups::{CURVE_SM2, CURVE_SM2_MLKEM768};
pub use outward::Outward;
pub use peers::{Door, LinkPapers};
pub use verify::{NationalClientVerifier, NationalServerVerifier};

/// `TLS_SM4_GCM_SM3` of RFC 8998.
pub const SM4_GCM_SM3: u16 = 0x00c6;
/// `TLS_SM4_CCM_SM3` of RFC 8998.
pub const SM4_CCM_SM3: u16 = 0x00c7;
/// The signature scheme `sm2sig_sm3` of RFC 8998.
pub const SM2SIG_SM3: u16 = 0x0708;
/// The group `curveSM2` of RFC 8998.
pub const CURVE_SM2_ID: u16 = 41;
/// The group `curveSM2MLKEM768`.
pub const CURVE_SM2_MLKEM768_ID: u16 = 4590;

/// What every browser speaks: AES and ChaCha20 suites, X25519MLKEM768 before X25519 and the NIST curves.
#[must_use]
pub fn standard() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// SM alone: both suites of RFC 8998, curveSM2 with and without ML-KEM-768, SM2 certificates.
#[must_use]
pub fn national() -> Arc<CryptoProvider> {
    let base = rustls::crypto::aws_lc_rs::default_provider();
    Arc::new(CryptoProvider {
        cipher_suites: vec![TLS13_SM4_GCM_SM3, TLS13_SM4_CCM_SM3],
        kx_groups: vec![CURVE_SM2_MLKEM768, CURVE_SM2],
        signature_verification_algorithms: certificates::VERIFIED,
        key_provider: &certificates::Keys,
        ..base
    })
}

/// Whether a caller offers what a handshake with SM needs: one of the suites and one of the groups.
#[must_use]
pub fn speaks_national(hello: &ClientHello<'_>) -> bool {
    let suite = |suite: &CipherSuite| [SM4_GCM_SM3, SM4_CCM_SM3].contains(&u16::from(*suite));
    let group = |group: &NamedGroup| [CURVE_SM2_ID, CURVE_SM2_MLKEM768_ID].contains(&u16::from(*group));
    hello.cipher_suites().iter().any(suite) && hello.named_groups().is_some_and(|groups| groups.iter().any(group))
}
