//! The evidence log of a data folder, for whoever has the folder and no running service.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use heng_ports::{ActionSource, EventSource};
use heng_security::evidence::{Checkpoint, SignedNote, VerifierKey};
use heng_store::{OwnedStore, StoreOptions};
use tokio::runtime::Handle;

use crate::bundle::EvidenceBundle;
use crate::error::{ComplianceError, Result};
use crate::files::{Files, write_whole};
use crate::keys::KeyRing;
use crate::mark::Mark;
use crate::prove::{Prover, Wanted};
use crate::publish::last_published;
use crate::rebuild::{Rebuilt, rebuild};
use crate::service::make_keys;
use crate::store::{self, MIGRATIONS};
use crate::tree::Tree;

/// See above. It reads while a service writes; [`Archive::resign`] alone needs the folder for itself.
pub struct Archive {
    store: OwnedStore,
    prover: Prover,
    known: Vec<store::KeyRow>,
    origin: String,
}

/// What an archive tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveStatus {
    /// The log's name.
    pub origin: String,
    /// The published checkpoint.
    pub checkpoint: Checkpoint,
    /// Who has signed it.
    pub signed_by: Vec<String>,
    /// Leaves on the disk, those included that no checkpoint covers yet.
    pub leaves: u64,
    /// The next command to take.
    pub next_sequence: u64,
    /// Keys that sign now.
    pub keys: Vec<VerifierKey>,
    /// Keys that signed once.
    pub retired: Vec<VerifierKey>,
    /// The public folder, which any file server may serve.
    pub public: PathBuf,
}

impl Archive {
    /// Opens the log in `folder` with its tables at `place`.
    ///
    /// # Errors
    /// If there is none, or the tables cannot be read.
    pub async fn open(
        place: &StoreOptions,
        folder: &Path,
        source: Arc<dyn EventSource>,
        actions: Option<Arc<dyn ActionSource>>,
    ) -> Result<Self> {
        let files = Files::at(folder);
        if !files.mark().exists() {
            return Err(ComplianceError::Absent("evidence log in this folder"));
        }
        let store = OwnedStore::open(place, &MIGRATIONS).await?;
        let mut reading = store.read().await?;
        let known = store::keys(&mut reading).await?;
        let origin = store::setting(&mut reading, "origin").await?;
        drop(reading);
        let origin = origin.ok_or(ComplianceError::Absent("evidence log in these tables"))?;
        let (keys, runtime) = (KeyRing::new(store.clone()), Handle::current());
        let prover = Prover { source, actions, keys, files, runtime };
        Ok(Self { store, prover, known, origin })
    }

    fn verifiers(&self, now: bool) -> Vec<VerifierKey> {
        let wanted = self.known.iter().filter(|key| !now || key.retired_at.is_none());
        wanted.map(|key| key.verifier.clone()).collect()
    }

    /// The published checkpoint, or the newest that witnesses have cosigned.
    fn note(&self, witnessed: bool) -> Result<(SignedNote, Checkpoint)> {
        if witnessed {
            let path = self.prover.files.public.join("checkpoint.witnessed");
            let bytes = std::fs::read(&path).map_err(ComplianceError::file(&path))?;
            let note = SignedNote::parse(&bytes)?;
            note.verify(&self.verifiers(false))?;
            let checkpoint = Checkpoint::parse(&note.text)?;
            return Ok((note, checkpoint));
        }
        let last = last_published(&self.prover.files, &self.verifiers(false))?;
        last.ok_or(ComplianceError::Absent("checkpoint yet"))
    }

    /// Proofs of what is wanted. Blocks; not for threads of the runtime.
    ///
    /// # Errors
    /// If there is no checkpoint, or the record or the tiles cannot be read.
    pub fn prove(&self, wanted: &Wanted, witnessed: bool) -> Result<EvidenceBundle> {
        let (note, checkpoint) = self.note(witnessed)?;
        let tree = Tree::open(&self.prover.files, checkpoint.size)?;
        self.prover.file(&note, &tree, wanted, &self.verifiers(true))
    }

    /// How it is.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn status(&self) -> Result<ArchiveStatus> {
        let (note, checkpoint) = self.note(false)?;
        let mark = self.mark()?;
        let keys = self.verifiers(true);
        let mut retired = self.verifiers(false);
        retired.retain(|key| !keys.contains(key));
        Ok(ArchiveStatus {
            origin: self.origin.clone(),
            signed_by: note.signatures.iter().map(|line| line.name.clone()).collect(),
            checkpoint,
            leaves: mark.size,
            next_sequence: mark.next_sequence,
            keys,
            retired,
            public: self.prover.files.public.clone(),
        })
    }

    fn mark(&self) -> Result<Mark> {
        Mark::load(&self.prover.files.mark())?.ok_or(ComplianceError::Absent("whole mark of this log"))
    }

    /// Builds the tree again from the record and compares it with the one on the disk. Blocks.
    ///
    /// # Errors
    /// If the record or the log cannot be read.
    pub fn rebuild(&self) -> Result<Rebuilt> {
        let mark = self.mark()?;
        let tree = Tree::open(&self.prover.files, mark.size)?;
        rebuild(&self.prover, &self.store, &tree, &mark)
    }

    /// Makes new signing keys, retires the old ones, and adds the new signatures to the published checkpoint, so that
    /// whoever trusts either sees who follows whom. No service may run on the folder.
    ///
    /// # Errors
    /// If there is no checkpoint that the present keys have signed, or the tables or files cannot be written.
    pub async fn resign(&mut self, now: i64) -> Result<SignedNote> {
        let (mut note, _) = self.note(false)?;
        note.verify(&self.verifiers(true))?;
        let mut change = self.store.begin().await?;
        store::retire_signers(change.connection(), now).await?;
        make_keys(&mut change, self.store.seals(), &self.origin, now).await?;
        let signers = store::signers(change.connection(), self.store.seals()).await?;
        for signer in &signers {
            let line = signer.sign(&note.text, 0)?;
            note.signatures.push(line);
        }
        change.commit().await?;
        self.known = store::keys(&mut self.store.read().await?).await?;
        write_whole(&self.prover.files.checkpoint(), note.to_string().as_bytes(), true)?;
        Ok(note)
    }
}
