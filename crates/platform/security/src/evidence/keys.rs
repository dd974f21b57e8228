//! Keys that sign notes, and keys that check them (C2SP signed-note, "verifier keys").
//!
//! An SM2 key has no type of its own in signed-note, so it takes the type 0xff with a longer name behind it, as the
//! specification recommends: whoever does not know it ignores the line.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey as Ed25519Signer, VerifyingKey as Ed25519Verifier};
use zeroize::Zeroizing;

use super::error::{EvidenceError, Result, malformed};
use super::hash::sha256;
use super::note::SignatureLine;
use super::text::{base64, from_base64, is_name};
use crate::sm::sm2;

/// Bytes of a secret key: a seed of Ed25519, or a scalar of SM2.
pub const SECRET_LEN: usize = 32;
/// What stands behind the type 0xff of our SM2 keys.
const SM2_TYPE: &[u8] = b"\xffheng/sm2-sm3/v1";
/// Bytes of an SM2 point, not compressed.
const SM2_POINT_LEN: usize = 65;
/// Longest verifier key that is read.
const KEY_TEXT_MAX: usize = 512;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Ed25519 over the text (type 0x01).
    Ed25519,
    /// Ed25519 of a witness, over a time and the text (type 0x04, cosignature/v1).
    Cosignature,
    /// SM2 with SM3 (GB/T 32918.2) over the text, with the usual id of GM/T 0009 (type 0xff).
    Sm2,
}

impl Algorithm {
    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Cosignature => "cosignature-v1",
            Self::Sm2 => "sm2",
        }
    }

    /// The algorithm of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Ed25519, Self::Cosignature, Self::Sm2].into_iter().find(|algorithm| algorithm.name() == name)
    }

    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => &[1],
            Self::Cosignature => &[4],
            Self::Sm2 => SM2_TYPE,
        }
    }

    const fn public_len(self) -> usize {
        match self {
            Self::Ed25519 | Self::Cosignature => 32,
            Self::Sm2 => SM2_POINT_LEN,
        }
    }
}

/// A public key under its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifierKey {
    name: String,
    algorithm: Algorithm,
    public: Vec<u8>,
}

impl VerifierKey {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key itself: 32 bytes, or an SM2 point of 65.
    #[must_use]
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The first four bytes of SHA-256 over name, newline, type and public key.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let hash = sha256(&[self.name.as_bytes(), b"\n", self.algorithm.prefix(), &self.public]);
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// Whether `line` claims to be of this key.
    #[must_use]
    pub fn signed(&self, line: &SignatureLine) -> bool {
        line.name == self.name && line.key_id == self.id()
    }

    /// Checks a signature over `text`; a witness tells the time of its look, in seconds since 1970.
    ///
    /// # Errors
    /// If the signature does not fit.
    pub fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>> {
        let bad = || EvidenceError::BadSignature(self.name.clone());
        match self.algorithm {
            Algorithm::Ed25519 => {
                ed25519_fits(&self.public, text.as_bytes(), signature).then_some(None).ok_or_else(bad)
            }
            Algorithm::Sm2 => sm2_fits(&self.public, text.as_bytes(), signature).then_some(None).ok_or_else(bad),
            Algorithm::Cosignature => {
                let (time, signature) = signature.split_first_chunk::<8>().ok_or_else(bad)?;
                let time = u64::from_be_bytes(*time);
                let message = cosigned_message(time, text);
                let fits =
                    time <= i64::MAX.cast_unsigned() && ed25519_fits(&self.public, message.as_bytes(), signature);
                fits.then_some(Some(time)).ok_or_else(bad)
            }
        }
    }
}

/// What a witness signs (C2SP tlog-cosignature).
pub(super) fn cosigned_message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

fn ed25519_fits(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(public), Ok(signature)) = (<&[u8; 32]>::try_from(public), <&[u8; 64]>::try_from(signature)) else {
        return false;
    };
    let Ok(key) = Ed25519Verifier::from_bytes(public) else { return false };
    // Strict: a signature has one form, and keys of small order sign nothing.
    key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
}

impl fmt::Display for VerifierKey {
    /// `name+id+base64(type and key)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id());
        let key = [self.algorithm.prefix(), &self.public].concat();
        write!(f, "{}+{id:08x}+{}", self.name, base64(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = EvidenceError;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why: &str| malformed("a verifier key", why);
        if text.len() > KEY_TEXT_MAX {
            return Err(wrong("it is too long"));
        }
        let (name, rest) = text.split_once('+').ok_or_else(|| wrong("it is not name+id+key"))?;
        // Base64 may hold a plus itself.
        let (_, key) = rest.split_once('+').ok_or_else(|| wrong("it is not name+id+key"))?;
        if !is_name(name) {
            return Err(wrong("the name is empty, too long or holds spaces"));
        }
        let bytes = from_base64("a verifier key", key)?;
        let known = [Algorithm::Ed25519, Algorithm::Cosignature, Algorithm::Sm2].into_iter();
        let found = known.filter_map(|algorithm| Some((algorithm, bytes.strip_prefix(algorithm.prefix())?))).next();
        let (algorithm, public) = found.ok_or_else(|| wrong("its type is not known"))?;
        if public.len() != algorithm.public_len() {
            return Err(wrong("the key has another length than its type asks for"));
        }
        let key = Self { name: name.to_owned(), algorithm, public: public.to_vec() };
        if key.to_string() == text { Ok(key) } else { Err(wrong("the id does not belong to the key")) }
    }
}

/// A secret key under its name. Its bytes are wiped when it is dropped.
pub struct NoteSigner {
    verifier: VerifierKey,
    secret: Zeroizing<[u8; SECRET_LEN]>,
}

impl NoteSigner {
    /// The signer of this secret.
    ///
    /// # Errors
    /// If the name cannot be one, or the secret is no scalar of SM2.
    pub fn new(name: &str, algorithm: Algorithm, secret: [u8; SECRET_LEN]) -> Result<Self> {
        let secret = Zeroizing::new(secret);
        if !is_name(name) {
            return Err(malformed("a key", "the name is empty, too long or holds spaces"));
        }
        let public = match algorithm {
            Algorithm::Ed25519 | Algorithm::Cosignature => {
                Ed25519Signer::from_bytes(&secret).verifying_key().to_bytes().to_vec()
            }
            Algorithm::Sm2 => sm2_public(&secret)?,
        };
        Ok(Self { verifier: VerifierKey { name: name.to_owned(), algorithm, public }, secret })
    }

    /// The public key.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The signature line over `text`; `time` counts for a witness only, in seconds since 1970.
    ///
    /// # Errors
    /// If the provider of the algorithm fails.
    pub fn sign(&self, text: &str, time: u64) -> Result<SignatureLine> {
        let ed25519 = |message: &[u8]| Ed25519Signer::from_bytes(&self.secret).sign(message).to_bytes();
        let signature = match self.verifier.algorithm {
            Algorithm::Ed25519 => ed25519(text.as_bytes()).to_vec(),
            Algorithm::Sm2 => sm2_sign(&self.secret, text.as_bytes())?,
            Algorithm::Cosignature => {
                let signed = ed25519(cosigned_message(time, text).as_bytes());
                [&time.to_be_bytes()[..], &signed].concat()
            }
        };
        Ok(SignatureLine { name: self.verifier.name.clone(), key_id: self.verifier.id(), signature })
    }
}

// The three functions below are the one place where this module meets a provider of SM2.

fn sm2_signer(secret: &[u8; SECRET_LEN]) -> Result<sm2::SigningKey> {
    sm2::SecretKey::from_bytes(secret)
        .and_then(|secret| sm2::SigningKey::new(secret, sm2::DEFAULT_ID))
        .map_err(|_| malformed("an SM2 key", "the secret is no scalar of the curve"))
}

/// The public point of an SM2 secret, not compressed.
fn sm2_public(secret: &[u8; SECRET_LEN]) -> Result<Vec<u8>> {
    Ok(sm2_signer(secret)?.public_key().to_point().to_vec())
}

/// r and s, 32 bytes each.
fn sm2_sign(secret: &[u8; SECRET_LEN], message: &[u8]) -> Result<Vec<u8>> {
    let signed = sm2_signer(secret)?.sign(message);
    signed.map(|signature| signature.to_raw().to_vec()).map_err(|_| malformed("an SM2 signature", "the system failed"))
}

fn sm2_fits(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) =
        signature.try_into().map_err(|_| ()).and_then(|raw| sm2::Signature::from_raw(raw).map_err(|_| ()))
    else {
        return false;
    };
    let key = sm2::PublicKey::from_point(public).and_then(|public| sm2::VerifyingKey::new(public, sm2::DEFAULT_ID));
    key.is_ok_and(|key| key.verify(message, &signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for algorithm in [Algorithm::Ed25519, Algorithm::Cosignature, Algorithm::Sm2] {
            let signer = NoteSigner::new("heng.example/log", algorithm, [7; 32]).unwrap();
            let text = signer.verifier().to_string();
            assert_eq!(text.parse::<VerifierKey>().as_ref(), Ok(signer.verifier()), "{text}");
            let line = signer.sign("text\n", 9).unwrap();
            assert!(signer.verifier().signed(&line));
            let time = (algorithm == Algorithm::Cosignature).then_some(9);
            assert_eq!(signer.verifier().verify("text\n", &line.signature), Ok(time));
            assert!(signer.verifier().verify("texT\n", &line.signature).is_err());
            assert_eq!(Algorithm::of_name(algorithm.name()), Some(algorithm));
        }
    }

    #[test]
    fn the_id_is_the_one_of_the_specification() {
        // The example of the Go package golang.org/x/mod/sumdb/note, whose keys have the same form.
        let key: VerifierKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let text =
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
        let line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let bytes = from_base64("a line", line).unwrap();
        assert_eq!(bytes[..4], key.id());
        assert_eq!(key.verify(text, &bytes[4..]), Ok(None));
    }

    #[test]
    fn wrong_keys_are_refused() {
        let good = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        for wrong in [
            good.replace("c74f20a3", "c74f20a4"),
            good.replace("Peter", "Pe ter"),
            good.replace("+ARpc", "+CRpc"),
            good[..good.len() - 4].to_owned(),
            "a+b".to_owned(),
            String::new(),
            format!("+{good}"),
            "x".repeat(1_000),
        ] {
            assert!(wrong.parse::<VerifierKey>().is_err(), "{wrong}");
        }
        assert!(NoteSigner::new("a", Algorithm::Sm2, [0xff; 32]).is_err());
        assert!(NoteSigner::new("a b", Algorithm::Ed25519, [1; 32]).is_err());
    }
}
