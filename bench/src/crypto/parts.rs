//! What is measured in this process: ours, and the RustCrypto and libsmx crates beside it.

use std::error::Error;
use std::hint::black_box;

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use heng_security::provider::{self, Aead, Algorithm};
use heng_security::sm::sm2::{DEFAULT_ID, SecretKey, SigningKey, VerifyingKey};
use heng_security::sm::sm3;
use heng_security::sm::sm4::{Path, Sm4, Sm4Gcm};
use sm2::dsa::signature::{Signer as _, Verifier as _};

use super::Measure;

/// Bytes of a large and of a small message.
const LARGE: usize = 8 << 10;
const SMALL: usize = 256;
/// Bytes that are hashed at once.
const HASHED: usize = 16 << 10;
const MEGA: f64 = 1e-6;
const KEY: [u8; 16] = *b"a key of 16 byte";
const NONCE: [u8; 12] = *b"and a nonce.";
/// Additional data of a small message: an envelope's header.
const AAD: [u8; 16] = [7; 16];

type RustCryptoGcm = aes_gcm::AesGcm<sm4::Sm4, U12>;

/// Keys of all parties.
pub(super) struct Keys {
    gcm: Sm4Gcm,
    portable: Sm4Gcm,
    aes: Box<dyn Aead>,
    signing: SigningKey,
    first: VerifyingKey,
    prepared: VerifyingKey,
    rustcrypto_gcm: RustCryptoGcm,
    rustcrypto: sm2::dsa::SigningKey,
    libsmx: libsmx::sm2::PrivateKey,
}

impl Keys {
    pub(super) fn new() -> Result<Self, Box<dyn Error>> {
        let secret = SecretKey::generate()?;
        let (public, id) = (*secret.public_key(), std::str::from_utf8(DEFAULT_ID)?);
        let bytes = secret.to_bytes();
        Ok(Self {
            gcm: Sm4Gcm::new(&KEY),
            portable: Sm4Gcm::with(Sm4::portable(&KEY)),
            aes: provider::aead(Algorithm::Aes128Gcm, &KEY)?,
            signing: SigningKey::new(secret, DEFAULT_ID)?,
            first: VerifyingKey::new(public, DEFAULT_ID)?,
            prepared: VerifyingKey::prepared(public, DEFAULT_ID)?,
            rustcrypto_gcm: RustCryptoGcm::new(&KEY.into()),
            rustcrypto: sm2::dsa::SigningKey::from_slice(id, &*bytes)
                .map_err(|_| "RustCrypto does not take the key")?,
            libsmx: libsmx::sm2::PrivateKey::from_bytes(&bytes).map_err(|_| "libsmx does not take the key")?,
        })
    }
}

/// Which path our SM4 takes here.
pub(super) fn path() -> &'static str {
    match Sm4::new(&KEY).path() {
        Path::Portable => "portable",
        Path::Vector => "GFNI and AVX-512",
    }
}

/// A message that is sealed again and again, in place.
fn sealing<'a>(name: &'static str, aead: &'a dyn Aead, length: usize, aad: &'a [u8], units: f64) -> Measure<'a> {
    let mut data = vec![0; length];
    Measure::new(name, units, move || {
        black_box(aead.seal_in_place(&NONCE, aad, black_box(&mut data)).expect("it is short"));
    })
}

/// The same, sealed and opened.
fn sealing_and_opening<'a>(
    name: &'static str,
    aead: &'a dyn Aead,
    length: usize,
    aad: &'a [u8],
    units: f64,
) -> Measure<'a> {
    let mut data = vec![0; length];
    Measure::new(name, units, move || {
        let tag = aead.seal_in_place(&NONCE, aad, black_box(&mut data)).expect("it is short");
        aead.open_in_place(&NONCE, aad, black_box(&mut data), &tag).expect("it is authentic");
    })
}

fn rustcrypto_sealing<'a>(name: &'static str, gcm: &'a RustCryptoGcm, length: usize, units: f64) -> Measure<'a> {
    let mut data = vec![0; length];
    Measure::new(name, units, move || {
        let buffer = black_box(&mut data[..]).into();
        black_box(gcm.encrypt_inout_detached(&NONCE.into(), &AAD, buffer).expect("it is short"));
    })
}

/// Everything, in the order in which it takes turns.
pub(super) fn measures(keys: &Keys) -> Vec<Measure<'_>> {
    let mut all = symmetric(keys);
    all.extend(hashes());
    all.extend(signatures(keys));
    all.extend(peers(keys));
    all
}

fn symmetric(keys: &Keys) -> Vec<Measure<'_>> {
    let (large, two) = (LARGE as f64 * MEGA, 2.0);
    vec![
        sealing("sm4_gcm_8k_mb_s", &keys.gcm, LARGE, &[], large),
        rustcrypto_sealing("rustcrypto.sm4_gcm_8k_mb_s", &keys.rustcrypto_gcm, LARGE, large),
        sealing_and_opening("sm4_gcm_256b_us", &keys.gcm, SMALL, &AAD, two),
        rustcrypto_sealing("rustcrypto.sm4_gcm_256b_us", &keys.rustcrypto_gcm, SMALL, 1.0),
        sealing_and_opening("sm4_gcm_seal_and_open_8k_mb_s", &keys.gcm, LARGE, &[], two * large),
        sealing("sm4_gcm_portable_8k_mb_s", &keys.portable, LARGE, &[], large),
        sealing_and_opening("sm4_gcm_portable_256b_us", &keys.portable, SMALL, &AAD, two),
        sealing("aes128_gcm_8k_mb_s", keys.aes.as_ref(), LARGE, &[], large),
    ]
}

fn hashes() -> Vec<Measure<'static>> {
    let data = vec![5; HASHED];
    vec![Measure::new("sm3_mb_s", HASHED as f64 * MEGA, move || {
        black_box(sm3::hash(&[black_box(&data)]));
    })]
}

fn signatures(keys: &Keys) -> Vec<Measure<'_>> {
    let message = [9; SMALL];
    let signature = keys.signing.sign(&message).expect("there is a random source");
    vec![
        Measure::new("sm2_sign_per_s", 1.0, move || {
            black_box(keys.signing.sign(black_box(&message)).expect("there is a random source"));
        }),
        Measure::new("sm2_verify_per_s", 1.0, move || {
            keys.prepared.verify(black_box(&message), &signature).expect("it is valid");
        }),
        Measure::new("sm2_verify_first_per_s", 1.0, move || {
            keys.first.verify(black_box(&message), &signature).expect("it is valid");
        }),
    ]
}

fn peers(keys: &Keys) -> Vec<Measure<'_>> {
    let message = [9; SMALL];
    let signature: sm2::dsa::Signature = keys.rustcrypto.sign(&message);
    let (hash, public) = ([9; 32], keys.libsmx.public_key());
    let of_libsmx = libsmx::sm2::sign(&hash, &keys.libsmx, &mut System);
    vec![
        Measure::new("rustcrypto.sm2_sign_per_s", 1.0, move || {
            black_box::<sm2::dsa::Signature>(keys.rustcrypto.sign(black_box(&message)));
        }),
        Measure::new("rustcrypto.sm2_verify_per_s", 1.0, move || {
            keys.rustcrypto.verifying_key().verify(black_box(&message), &signature).expect("it is valid");
        }),
        // The hash of the message is left out for this one.
        Measure::new("libsmx.sm2_sign_per_s", 1.0, move || {
            black_box(libsmx::sm2::sign(black_box(&hash), &keys.libsmx, &mut System));
        }),
        Measure::new("libsmx.sm2_verify_per_s", 1.0, move || {
            libsmx::sm2::verify(black_box(&hash), &public, &of_libsmx).expect("it is valid");
        }),
    ]
}

/// The random source of the system, for libsmx.
struct System;

impl rand_core::RngCore for System {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("there is a random source");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}
