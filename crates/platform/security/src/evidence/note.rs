//! Signed notes (C2SP signed-note): a text, an empty line, and a line for each signature.

use std::fmt;

use super::error::{EvidenceError, Result, malformed};
use super::keys::VerifierKey;
use super::text::{base64, from_base64, is_name};

/// Longest note that is read.
pub const NOTE_BYTES_MAX: usize = 128 << 10;
/// Most signatures of a note.
pub const SIGNATURES_MAX: usize = 64;

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureLine {
    /// Name of the key.
    pub name: String,
    /// Its id.
    pub key_id: [u8; 4],
    /// What the key's algorithm makes of the text.
    pub signature: Vec<u8>,
}

impl fmt::Display for SignatureLine {
    /// With the newline.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id[..], &self.signature].concat();
        writeln!(f, "— {} {}", self.name, base64(&bytes))
    }
}

impl SignatureLine {
    /// Reads a line without its newline.
    ///
    /// # Errors
    /// If it is no signature line.
    pub fn parse(line: &str) -> Result<Self> {
        let wrong = |why: &str| malformed("a signature line", why);
        let rest = line.strip_prefix("— ").ok_or_else(|| wrong("it does not begin with an em dash and a space"))?;
        let (name, signature) = rest.split_once(' ').ok_or_else(|| wrong("there is no signature behind the name"))?;
        if !is_name(name) {
            return Err(wrong("the name is empty, too long or holds a plus"));
        }
        let bytes = from_base64("a signature line", signature)?;
        let (key_id, signature) = bytes.split_first_chunk::<4>().ok_or_else(|| wrong("the signature is too short"))?;
        if signature.is_empty() {
            return Err(wrong("the signature is too short"));
        }
        Ok(Self { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
    }

    /// Reads lines, each with its newline, as a witness answers them.
    ///
    /// # Errors
    /// If a line is no signature line, or there are too many.
    pub fn parse_all(text: &str) -> Result<Vec<Self>> {
        let body = text.strip_suffix('\n').ok_or_else(|| malformed("signature lines", "the last line has no end"))?;
        if text.len() > NOTE_BYTES_MAX || body.split('\n').nth(SIGNATURES_MAX).is_some() {
            return Err(malformed("signature lines", "there are too many"));
        }
        body.split('\n').map(Self::parse).collect()
    }
}

/// A text with its signatures. Nothing of the text may be believed before [`SignedNote::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNote {
    /// The text, with its final newline.
    pub text: String,
    /// The signatures, in the note's order.
    pub signatures: Vec<SignatureLine>,
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| write!(f, "{line}"))
    }
}

impl SignedNote {
    /// Reads a note.
    ///
    /// # Errors
    /// If it is too long, no plain text, or not of the form of a note.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let wrong = |why: &str| malformed("a note", why);
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(wrong("it is too long"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| wrong("it is no UTF-8"))?;
        if let Some(at) = note.bytes().position(|byte| byte < 0x20 && byte != b'\n') {
            return Err(malformed("a note", format!("there is a control character at byte {at}")));
        }
        // The last empty line divides; text before it may have empty lines of its own.
        let at = note.rfind("\n\n").ok_or_else(|| wrong("there is no empty line before signatures"))?;
        let (text, signatures) = (&note[..=at], &note[at + 2..]);
        if text.len() < 2 {
            return Err(wrong("there is no text"));
        }
        Ok(Self { text: text.to_owned(), signatures: SignatureLine::parse_all(signatures)? })
    }

    /// Which of `keys` have signed, with the time that a witness tells. Signatures of others are ignored.
    ///
    /// # Errors
    /// If a signature of one of `keys` does not fit, or none of them has signed.
    pub fn verify<'k>(&self, keys: &'k [VerifierKey]) -> Result<Vec<(&'k VerifierKey, Option<u64>)>> {
        let mut signed = Vec::new();
        for line in &self.signatures {
            for key in keys.iter().filter(|key| key.signed(line)) {
                signed.push((key, key.verify(&self.text, &line.signature)?));
            }
        }
        if signed.is_empty() { Err(EvidenceError::Unsigned) } else { Ok(signed) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::{Algorithm, NoteSigner};
    use super::*;

    fn note() -> (SignedNote, Vec<NoteSigner>) {
        let signers: Vec<NoteSigner> =
            [("a/ed", Algorithm::Ed25519), ("a/sm2", Algorithm::Sm2), ("w", Algorithm::Cosignature)]
                .map(|(name, algorithm)| NoteSigner::new(name, algorithm, [5; 32]).unwrap())
                .into();
        let text = "one\n\ntwo\n".to_owned();
        let signatures = signers.iter().map(|signer| signer.sign(&text, 77).unwrap()).collect();
        (SignedNote { text, signatures }, signers)
    }

    #[test]
    fn notes_are_read_as_they_are_written() {
        let (note, signers) = note();
        let read = SignedNote::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(read, note);
        let keys: Vec<VerifierKey> = signers.iter().map(|signer| signer.verifier().clone()).collect();
        let times: Vec<Option<u64>> = read.verify(&keys).unwrap().into_iter().map(|(_, time)| time).collect();
        assert_eq!(times, [None, None, Some(77)]);
        // Unknown ones are ignored, also those that share a name.
        let other = NoteSigner::new("a/ed", Algorithm::Ed25519, [6; 32]).unwrap();
        assert_eq!(read.verify(&[other.verifier().clone()]), Err(EvidenceError::Unsigned));
        assert_eq!(read.verify(&keys[1..2]).unwrap().len(), 1);
    }

    #[test]
    fn a_changed_note_is_found() {
        let (note, signers) = note();
        let keys: Vec<VerifierKey> = signers.iter().map(|signer| signer.verifier().clone()).collect();
        let good = note.to_string().into_bytes();
        let all_signed = |bytes: &[u8]| {
            let signed = SignedNote::parse(bytes).and_then(|note| note.verify(&keys).map(|signed| signed.len()));
            signed == Ok(keys.len())
        };
        assert!(all_signed(&good));
        for at in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(!all_signed(&bad), "bit {at}");
        }
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let (note, _) = note();
        let good = note.to_string();
        for wrong in [
            String::new(),
            "\n".into(),
            "\n\n".into(),
            "text\n".into(),
            "text\n\n".into(),
            good.trim_end().to_owned(),
            good.replace("one", "o\tne"),
            good.replace("— a/ed", "- a/ed"),
            good.replace("— a/ed ", "— "),
            "text\n\n— a AAAA\n".into(),
            format!("text\n\n{}", "— a AAAAAAAA\n".repeat(SIGNATURES_MAX + 1)),
            format!("{}\n\n— a AAAAAAAA\n", "x".repeat(NOTE_BYTES_MAX)),
        ] {
            assert!(SignedNote::parse(wrong.as_bytes()).is_err(), "{wrong:.80}");
        }
        assert!(SignedNote::parse(b"text\n\n\xff\n").is_err());
    }
}
