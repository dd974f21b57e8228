//! Checkpoints: signed when there is something new, and published only if the monitor finds that they extend what was
//! published before.

use std::sync::Arc;

use heng_security::evidence::{
    Checkpoint, NoteSigner, Sha256Tree, SignatureLine, SignedNote, Sm3Tree, VerifierKey, verify_consistency,
};

use crate::error::{ComplianceError, Result};
use crate::files::{Files, write_whole};
use crate::tree::Tree;

/// A published checkpoint with the tree under it.
pub(crate) struct Published {
    pub(crate) note: SignedNote,
    pub(crate) tree: Arc<Tree>,
}

/// Signs and publishes.
pub(crate) struct Publisher {
    origin: String,
    signers: Vec<NoteSigner>,
    /// Public keys of the log, retired ones too: the last checkpoint may be of these.
    known: Vec<VerifierKey>,
    files: Files,
}

/// The checkpoint of `files`, if there is one, after its signatures were checked.
pub(crate) fn last_published(files: &Files, known: &[VerifierKey]) -> Result<Option<(SignedNote, Checkpoint)>> {
    let path = files.checkpoint();
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ComplianceError::file(&path)(error)),
    };
    let note = SignedNote::parse(&bytes)?;
    note.verify(known)?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    Ok(Some((note, checkpoint)))
}

impl Publisher {
    pub(crate) fn new(origin: &str, signers: Vec<NoteSigner>, known: Vec<VerifierKey>, files: &Files) -> Self {
        Self { origin: origin.to_owned(), signers, known, files: files.clone() }
    }

    /// The monitor: reads back what was published last and proves, from the tiles on the disk, that `tree` begins with
    /// it, in both trees.
    fn monitor(&self, tree: &Tree) -> Result<()> {
        let Some((_, last)) = last_published(&self.files, &self.known)? else { return Ok(()) };
        let shrunk = || format!("a checkpoint of {} leaves was published, the tree has {}", last.size, tree.size());
        if last.size > tree.size() {
            return Err(ComplianceError::Damaged(shrunk()));
        }
        let (proof, sm3_proof) = tree.consistency(last.size)?;
        let new = (tree.size(), &tree.root);
        verify_consistency::<Sha256Tree>((last.size, &last.root), new, &proof)?;
        if let Some(root) = last.sm3_root() {
            verify_consistency::<Sm3Tree>((last.size, &root), (tree.size(), &tree.sm3_root), &sm3_proof)?;
        }
        Ok(())
    }

    /// Signs the checkpoint of `tree` and publishes it.
    pub(crate) fn publish(&self, tree: Tree) -> Result<Published> {
        self.monitor(&tree)?;
        let text = Checkpoint::new(&self.origin, tree.size(), tree.root, tree.sm3_root).to_string();
        let lines = self.signers.iter().map(|signer| signer.sign(&text, 0));
        let signatures = lines.collect::<std::result::Result<Vec<SignatureLine>, _>>()?;
        let note = SignedNote { text, signatures };
        write_whole(&self.files.checkpoint(), note.to_string().as_bytes(), true)?;
        Ok(Published { note, tree: Arc::new(tree) })
    }
}
