//! What a witness does (C2SP tlog-witness and tlog-cosignature): it signs only what extends what it has signed before.

use std::fmt::Write as _;

use super::checkpoint::Checkpoint;
use super::error::{Result, malformed};
use super::hash::{Hash, Sha256Tree, TreeHash as _};
use super::keys::{NoteSigner, VerifierKey};
use super::note::{NOTE_BYTES_MAX, SignatureLine, SignedNote};
use super::proof::verify_consistency;
use super::text::{base64_hash, decimal, hash_from_base64};

/// Lines of a proof in a request at most, as the specification has it.
const LINES_MAX: usize = 63;

/// The body of `add-checkpoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmitRequest {
    /// Size that the witness has seen last, as the sender believes.
    pub old_size: u64,
    /// Proof that the checkpoint extends that size.
    pub proof: Vec<Hash>,
    /// The checkpoint with its signatures.
    pub note: SignedNote,
}

impl SubmitRequest {
    /// The bytes to send.
    #[must_use]
    pub fn body(&self) -> String {
        let mut body = format!("old {}\n", self.old_size);
        for hash in &self.proof {
            let _ = writeln!(body, "{}", base64_hash(hash));
        }
        let _ = write!(body, "\n{}", self.note);
        body
    }

    /// Reads a body.
    ///
    /// # Errors
    /// If it is not of this form.
    pub fn parse(body: &[u8]) -> Result<Self> {
        let wrong = |why: &str| malformed("a request to a witness", why);
        if body.len() > NOTE_BYTES_MAX {
            return Err(wrong("it is too long"));
        }
        let text = std::str::from_utf8(body).map_err(|_| wrong("it is no UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or_else(|| wrong("there is no empty line behind the proof"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old_size =
            decimal("a request to a witness", old.ok_or_else(|| wrong("it does not begin with old and a size"))?)?;
        let proof = lines.by_ref().take(LINES_MAX).map(hash_from_base64).collect::<Result<Vec<Hash>>>()?;
        if lines.next().is_some() {
            return Err(wrong("the proof has more than 63 lines"));
        }
        Ok(Self { old_size, proof, note: SignedNote::parse(note.as_bytes())? })
    }
}

/// What a witness has cosigned last of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// Size.
    pub size: u64,
    /// Root.
    pub root: Hash,
}

impl Default for Cosigned {
    /// Nothing yet: the empty tree, which every log extends.
    fn default() -> Self {
        Self { size: 0, root: Sha256Tree::empty() }
    }
}

/// What a witness answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It extends what is known: store this, then cosign.
    Cosign(Cosigned),
    /// 404: the log is not known.
    UnknownLog,
    /// 403: no key of the log has signed.
    Untrusted,
    /// 400: the old size is beyond the checkpoint's.
    Backwards,
    /// 409: the old size is not the one that was cosigned last, which is this.
    OtherSize(u64),
    /// 409: the same size with another root; somebody shows two logs.
    Forked(u64),
    /// 422: the proof does not lead from the one to the other.
    Unproven(String),
}

/// Judges a request. `keys` are those of the log with this origin, `None` for a log that is not known; `known` is what
/// was cosigned last of it.
#[must_use]
pub fn review(
    request: &SubmitRequest,
    checkpoint: &Checkpoint,
    keys: Option<&[VerifierKey]>,
    known: Cosigned,
) -> Verdict {
    let Some(keys) = keys else { return Verdict::UnknownLog };
    if request.note.verify(keys).is_err() {
        return Verdict::Untrusted;
    }
    if request.old_size > checkpoint.size {
        return Verdict::Backwards;
    }
    if request.old_size != known.size {
        return Verdict::OtherSize(known.size);
    }
    if known.size == checkpoint.size && known.root != checkpoint.root {
        return Verdict::Forked(known.size);
    }
    let (old, new) = ((known.size, &known.root), (checkpoint.size, &checkpoint.root));
    match verify_consistency::<Sha256Tree>(old, new, &request.proof) {
        Ok(()) => Verdict::Cosign(Cosigned { size: checkpoint.size, root: checkpoint.root }),
        Err(error) => Verdict::Unproven(error.to_string()),
    }
}

/// The cosignature over a checkpoint's text at `time`, in seconds since 1970.
///
/// # Errors
/// If the provider of the algorithm fails.
pub fn cosign(signer: &NoteSigner, text: &str, time: u64) -> Result<SignatureLine> {
    signer.sign(text, time)
}

#[cfg(test)]
mod tests {
    use super::super::hash::root_of;
    use super::super::keys::Algorithm;
    use super::super::proof::{Nodes, consistency_proof};
    use super::*;

    struct Naive(Vec<Hash>);

    impl Nodes for Naive {
        fn node(&self, level: u32, index: u64) -> Result<Hash> {
            let (first, count) = ((index << level) as usize, 1 << level);
            Ok(root_of::<Sha256Tree>(&self.0[first..first + count]))
        }
    }

    fn signer() -> NoteSigner {
        NoteSigner::new("log", Algorithm::Ed25519, [1; 32]).unwrap()
    }

    fn request(leaves: &[Hash], old: u64) -> (SubmitRequest, Checkpoint) {
        let size = leaves.len() as u64;
        let checkpoint = Checkpoint::new("log", size, root_of::<Sha256Tree>(leaves), [0; 32]);
        let text = checkpoint.to_string();
        let signatures = vec![signer().sign(&text, 0).unwrap()];
        let proof = consistency_proof::<Sha256Tree>(&Naive(leaves.to_vec()), old.min(size), size).unwrap();
        (SubmitRequest { old_size: old, proof, note: SignedNote { text, signatures } }, checkpoint)
    }

    #[test]
    fn a_witness_signs_what_extends_and_nothing_else() {
        let keys = [signer().verifier().clone()];
        let leaves: Vec<Hash> = (0u8..20).map(|number| Sha256Tree::leaf(&[number])).collect();
        let at = |size: usize| Cosigned { size: size as u64, root: root_of::<Sha256Tree>(&leaves[..size]) };
        let judge = |(request, checkpoint): &(SubmitRequest, Checkpoint), known| {
            let read = SubmitRequest::parse(request.body().as_bytes()).unwrap();
            assert_eq!(&read, request);
            review(&read, checkpoint, Some(&keys), known)
        };
        assert_eq!(judge(&request(&leaves[..9], 0), Cosigned::default()), Verdict::Cosign(at(9)));
        assert_eq!(judge(&request(&leaves, 9), at(9)), Verdict::Cosign(at(20)));
        assert_eq!(judge(&request(&leaves, 20), at(20)), Verdict::Cosign(at(20)));
        assert_eq!(judge(&request(&leaves, 8), at(9)), Verdict::OtherSize(9));
        assert_eq!(judge(&request(&leaves[..9], 20), at(20)), Verdict::Backwards);
        // A rollback that pretends to know nothing of the longer log.
        assert_eq!(judge(&request(&leaves[..9], 9), at(20)), Verdict::OtherSize(20));
        let mut other = leaves.clone();
        other[3][0] ^= 1;
        assert_eq!(judge(&request(&other[..9], 9), at(9)), Verdict::Forked(9));
        assert!(matches!(judge(&request(&other, 9), at(9)), Verdict::Unproven(_)));
        let (asked, checkpoint) = request(&leaves, 9);
        assert_eq!(review(&asked, &checkpoint, None, at(9)), Verdict::UnknownLog);
        let stranger = [NoteSigner::new("log", Algorithm::Ed25519, [2; 32]).unwrap().verifier().clone()];
        assert_eq!(review(&asked, &checkpoint, Some(&stranger), at(9)), Verdict::Untrusted);
    }

    #[test]
    fn requests_of_another_form_are_refused() {
        let leaves: Vec<Hash> = (0u8..5).map(|number| [number; 32]).collect();
        let good = request(&leaves, 3).0.body();
        let many = format!("old 3\n{}", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".repeat(64));
        for wrong in [
            String::new(),
            good.replace("old 3", "old 03"),
            good.replace("old 3", "new 3"),
            good.replacen("\n\n", "\n", 1),
            good.trim_end().to_owned(),
            format!("{many}\n{}", good.split_once("\n\n").unwrap().1),
            "x".repeat(NOTE_BYTES_MAX + 1),
        ] {
            assert!(SubmitRequest::parse(wrong.as_bytes()).is_err(), "{wrong:.60}");
        }
    }
}
