//! A whole proof, as it is handed to a client or a court, and its check without any server.

use super::checkpoint::Checkpoint;
use super::commit::{SALT_LEN, commitment};
use super::hash::{Hash, Sha256Tree, Sm3Tree, TreeHash as _};
use super::keys::VerifierKey;
use super::note::SignedNote;
use super::proof::{verify_consistency, verify_inclusion};

/// Leaves of one bundle at most.
pub const BUNDLE_LEAVES_MAX: usize = 100_000;

/// A leaf with its proofs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedLeaf {
    /// Its place in the tree.
    pub index: u64,
    /// What stands there.
    pub commitment: Hash,
    /// Salt and record behind it; `None` where they were lawfully deleted or are not for this reader.
    pub opening: Option<([u8; SALT_LEN], Vec<u8>)>,
    /// Inclusion in the SHA-256 tree.
    pub proof: Vec<Hash>,
    /// Inclusion in the SM3 tree.
    pub sm3_proof: Vec<Hash>,
}

/// A checkpoint with leaves under it, and an earlier checkpoint that it extends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The signed checkpoint.
    pub note: SignedNote,
    /// An earlier one, and the proof that the newer begins with it.
    pub earlier: Option<(SignedNote, Vec<Hash>)>,
    /// The leaves.
    pub leaves: Vec<ProvedLeaf>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in the bundle.
    pub place: String,
    /// What.
    pub why: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Size of the tree that the checkpoint tells.
    pub size: u64,
    /// Names of the keys whose signatures fit.
    pub signed_by: Vec<String>,
    /// Leaves whose record and place are proven.
    pub opened: usize,
    /// Leaves whose place is proven and whose record is not in the bundle.
    pub closed: usize,
    /// What is wrong; empty = everything is proven.
    pub findings: Vec<Finding>,
}

impl Report {
    fn note(&mut self, place: impl Into<String>, why: &dyn std::fmt::Display) {
        self.findings.push(Finding { place: place.into(), why: why.to_string() });
    }
}

/// Checks everything in a bundle. Every one of `keys` must have signed the newer checkpoint; of the earlier one it is
/// enough that one of them did, because witnesses come and keys change.
#[must_use]
pub fn check_bundle(bundle: &Bundle, keys: &[VerifierKey]) -> Report {
    let mut report = Report::default();
    let Some(checkpoint) = check_note(&bundle.note, keys, true, "checkpoint", &mut report) else { return report };
    report.size = checkpoint.size;
    if let Some((note, proof)) = &bundle.earlier {
        check_earlier(note, proof, &checkpoint, keys, &mut report);
    }
    if bundle.leaves.len() > BUNDLE_LEAVES_MAX {
        report.note("leaves", &format!("there are more than {BUNDLE_LEAVES_MAX}"));
        return report;
    }
    for (number, leaf) in bundle.leaves.iter().enumerate() {
        let before = report.findings.len();
        check_leaf(leaf, &checkpoint, &format!("leaves[{number}]"), &mut report);
        if report.findings.len() == before {
            *(if leaf.opening.is_some() { &mut report.opened } else { &mut report.closed }) += 1;
        }
    }
    report
}

fn check_note(
    note: &SignedNote,
    keys: &[VerifierKey],
    all: bool,
    place: &str,
    report: &mut Report,
) -> Option<Checkpoint> {
    let checkpoint = match Checkpoint::parse(&note.text) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            report.note(place, &error);
            return None;
        }
    };
    match note.verify(keys) {
        Err(error) => report.note(place, &error),
        Ok(signed) => {
            for missing in keys.iter().filter(|key| all && !signed.iter().any(|(signer, _)| signer == key)) {
                report.note(
                    place,
                    &format!("the key {} ({}) has not signed", missing.name(), missing.algorithm().name()),
                );
            }
            if all {
                report.signed_by = signed.iter().map(|(key, _)| key.name().to_owned()).collect();
            }
        }
    }
    Some(checkpoint)
}

fn check_earlier(note: &SignedNote, proof: &[Hash], newer: &Checkpoint, keys: &[VerifierKey], report: &mut Report) {
    let Some(earlier) = check_note(note, keys, false, "earlier", report) else { return };
    if earlier.origin != newer.origin {
        report.note("earlier", &"it is of another log");
    }
    let (old, new) = ((earlier.size, &earlier.root), (newer.size, &newer.root));
    if let Err(error) = verify_consistency::<Sha256Tree>(old, new, proof) {
        report.note("earlier.consistency", &error);
    }
}

fn check_leaf(leaf: &ProvedLeaf, checkpoint: &Checkpoint, place: &str, report: &mut Report) {
    if let Some((salt, record)) = &leaf.opening
        && commitment(salt, record) != leaf.commitment
    {
        report.note(place, &"record and salt do not give the commitment: one of the three was changed");
    }
    let (hash, size) = (Sha256Tree::leaf(&leaf.commitment), checkpoint.size);
    if let Err(error) = verify_inclusion::<Sha256Tree>(&hash, leaf.index, size, &leaf.proof, &checkpoint.root) {
        report.note(format!("{place}.proof"), &error);
    }
    let Some(root) = checkpoint.sm3_root() else {
        return report.note("checkpoint", &"it tells no root of the SM3 tree");
    };
    let hash = Sm3Tree::leaf(&leaf.commitment);
    if let Err(error) = verify_inclusion::<Sm3Tree>(&hash, leaf.index, size, &leaf.sm3_proof, &root) {
        report.note(format!("{place}.sm3_proof"), &error);
    }
}
