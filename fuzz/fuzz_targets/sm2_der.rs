//! What strangers hand to SM2: keys, signatures and ciphertexts in DER, PEM and raw, and certificates of authorities
//! that are none. What is read is written again as the same value; nothing is ever verified.
#![no_main]

use std::sync::{Arc, OnceLock};

use heng_security::ca::show;
use heng_security::envelope::KeyId;
use heng_security::envelope::{Header, SealingKey};
use heng_security::provider::Algorithm;
use heng_security::sm::sm2::{PublicKey, SecretKey, Signature, VerifyingKey, decrypt, decrypt_der, key_from_file};
use heng_security::tls::national;
use libfuzzer_sys::fuzz_target;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

const MESSAGE: &[u8] = b"pay nobody";

fn secret() -> &'static SecretKey {
    static KEY: OnceLock<SecretKey> = OnceLock::new();
    KEY.get_or_init(|| SecretKey::from_bytes(&[7; 32]).expect("a number below the order"))
}

fn signatures(bytes: &[u8]) {
    static VERIFIER: OnceLock<VerifyingKey> = OnceLock::new();
    let verifier = VERIFIER.get_or_init(|| VerifyingKey::new(secret().public_key().clone(), b"fuzz").expect("a key"));
    let raw = bytes.first_chunk().and_then(|raw| Signature::from_raw(raw).ok());
    for signature in [Signature::from_der(bytes).ok(), raw].into_iter().flatten() {
        assert_eq!(
            Signature::from_der(&signature.to_der()).expect("what is written is read").to_raw(),
            signature.to_raw()
        );
        assert!(verifier.verify(MESSAGE, &signature).is_err(), "nobody has signed it");
    }
}

fn keys(bytes: &[u8]) {
    if let Ok(key) = PublicKey::from_der(bytes) {
        assert_eq!(PublicKey::from_der(&key.to_der()).expect("what is written is read").to_point(), key.to_point());
    }
    if let Ok(key) = PublicKey::from_point(bytes) {
        assert_eq!(PublicKey::from_point(&key.to_point()).expect("a point").to_point(), key.to_point());
    }
    if let Ok(key) = SecretKey::from_der(bytes) {
        assert_eq!(*SecretKey::from_der(&key.to_der()).expect("what is written is read").to_bytes(), *key.to_bytes());
    }
    let _ = key_from_file(bytes);
}

fn envelopes(bytes: &[u8]) {
    if let Ok((header, body)) = Header::decode(bytes) {
        assert_eq!([&header.encode()[..], body].concat(), bytes);
    }
    let id = KeyId::new(1).expect("not zero");
    for algorithm in [Algorithm::Sm4Gcm, Algorithm::Aes256Gcm] {
        let length = algorithm.key_length().expect("a cipher has one");
        let key = SealingKey::new(algorithm, id, &vec![9; length]).expect("a key");
        assert!(key.open(b"", bytes).is_err(), "nobody has sealed it");
    }
}

fn certificates(bytes: &[u8]) {
    let mut roots = RootCertStore::empty();
    if roots.add(CertificateDer::from(bytes.to_vec())).is_ok() {
        let _ = rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), national()).build();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = show(text);
    }
}

fuzz_target!(|bytes: &[u8]| {
    signatures(bytes);
    keys(bytes);
    envelopes(bytes);
    certificates(bytes);
    let _ = decrypt(secret(), bytes);
    let _ = decrypt_der(secret(), bytes);
});
