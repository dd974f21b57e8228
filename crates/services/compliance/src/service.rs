//! The service: the follower's thread, the witnesses' rounds, and those who ask.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use heng_ports::{ActionSource, ActionTrail, EventSource, ExportSource, LegalHolds};
use heng_runtime::Clock;
use heng_security::evidence::{Algorithm, VerifierKey, hex};
use heng_store::{Change, OwnedStore, Seals, StoreOptions};
use heng_transport::{Check, Health, Metrics};
use tokio::sync::watch;

use crate::bundle::EvidenceBundle;
use crate::error::{ComplianceError, Result};
use crate::exports::Exports;
use crate::files::Files;
use crate::follow::Follower;
use crate::holds::HoldsKept;
use crate::keys::{KeyRing, new_signer, random};
use crate::prove::{Prover, Wanted};
use crate::publish::{Published, Publisher};
use crate::status::EvidenceStatus;
use crate::store::{self, KeyRow, MIGRATIONS};
use crate::witnesses::{Rounds, Witness};

/// What the thread of the log adds to its niceness: orders go first, and the log has a second.
const NICENESS: i32 = 5;
/// How often the head of the record is noted.
const WATCH: Duration = Duration::from_millis(100);

/// How the service works.
pub struct ComplianceOptions {
    /// Its owned tables.
    pub store: StoreOptions,
    /// The folder of the evidence log.
    pub folder: PathBuf,
    /// Where the events come from.
    pub source: Arc<dyn EventSource>,
    /// What people do outside of the core; none = no leaves for it.
    pub actions: Option<Arc<dyn ActionSource>>,
    /// Tells the date that counts for retention.
    pub clock: Arc<dyn Clock>,
    /// Name of a new log, a URL without its scheme; none = a random one. A log that is there keeps its name.
    pub origin: Option<String>,
    /// Whether clients' own records are at stake: then no account counts as one for tests.
    pub production: bool,
    /// Who cosigns.
    pub witnesses: Vec<Witness>,
    /// Takes what is done here into the trail; none = it is kept nowhere, which is for tests.
    pub trail: Option<Arc<dyn ActionTrail>>,
    /// Who has rows that can be exported.
    pub exports: Vec<Arc<dyn ExportSource>>,
    /// The folder of the files of exports.
    pub exports_folder: PathBuf,
}

/// The compliance service. Dropping it stops its thread.
pub struct Compliance {
    pub(crate) store: OwnedStore,
    pub(crate) keys: KeyRing,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) production: bool,
    pub(crate) published: watch::Receiver<Option<Arc<Published>>>,
    pub(crate) witnessed: watch::Receiver<Option<Arc<Published>>>,
    pub(crate) known: Vec<KeyRow>,
    pub(crate) trail: Option<Arc<dyn ActionTrail>>,
    pub(crate) exports: Exports,
    pub(crate) exports_folder: PathBuf,
    origin: String,
    pub(crate) prover: Prover,
    status: Arc<EvidenceStatus>,
    witnesses: watch::Sender<Vec<Witness>>,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Makes the name and the keys of a log that has none.
async fn name_and_keys(store: &OwnedStore, origin: Option<&str>, now: i64) -> Result<String> {
    let mut change = store.begin().await?;
    if let Some(origin) = store::setting(change.connection(), "origin").await? {
        return Ok(origin);
    }
    let origin = match origin {
        Some(origin) => origin.to_owned(),
        None => format!("heng.local/{}", hex(&random::<8>()?)),
    };
    store::set(change.connection(), "origin", &origin).await?;
    make_keys(&mut change, store.seals(), &origin, now).await?;
    change.commit().await?;
    Ok(origin)
}

/// New signing keys: Ed25519 under the log's own name, SM2 under one below it.
pub(crate) async fn make_keys(change: &mut Change, seals: &Seals, origin: &str, now: i64) -> Result<Vec<VerifierKey>> {
    let mut made = Vec::new();
    for (name, algorithm) in [(origin.to_owned(), Algorithm::Ed25519), (format!("{origin}/sm2"), Algorithm::Sm2)] {
        let (signer, secret) = new_signer(&name, algorithm)?;
        store::add_signer(change.connection(), seals, signer.verifier(), &secret, now).await?;
        made.push(signer.verifier().clone());
    }
    Ok(made)
}

async fn watch_head(source: Arc<dyn EventSource>, status: Arc<EvidenceStatus>, stop: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval(WATCH);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        status.saw_head(source.head().0);
    }
}

impl Compliance {
    /// Opens the tables and the log, or makes them, and starts to follow the record. Needs a tokio runtime with more
    /// than one thread, or one that goes on running.
    ///
    /// # Errors
    /// If the tables fail or the keys cannot be made.
    pub async fn open(options: ComplianceOptions) -> Result<Arc<Self>> {
        let store = OwnedStore::open(&options.store, &MIGRATIONS).await?;
        store::seal_all(&store).await?;
        let origin = name_and_keys(&store, options.origin.as_deref(), options.clock.now()).await?;
        let mut reading = store.read().await?;
        let (known, signers) = (store::keys(&mut reading).await?, store::signers(&mut reading, store.seals()).await?);
        drop(reading);
        let files = Files::at(&options.folder);
        let verifiers = known.iter().map(|key| key.verifier.clone()).collect();
        let (keys, status) = (KeyRing::new(store.clone()), Arc::new(EvidenceStatus::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let (published, told) = watch::channel(None);
        let (witnessed, cosigned) = watch::channel(None);
        let witnesses = watch::Sender::new(options.witnesses);
        let runtime = tokio::runtime::Handle::current();
        let follower = Follower {
            source: Arc::clone(&options.source),
            actions: options.actions.clone(),
            store: store.clone(),
            keys: keys.clone(),
            files: files.clone(),
            publisher: Publisher::new(&origin, signers, verifiers, &files),
            published,
            runtime: runtime.clone(),
            status: Arc::clone(&status),
            stop: Arc::clone(&stop),
        };
        let rounds = Rounds {
            witnesses: witnesses.subscribe(),
            published: told.clone(),
            witnessed,
            status: Arc::clone(&status),
            files: files.clone(),
            stop: Arc::clone(&stop),
        };
        tokio::spawn(watch_head(Arc::clone(&options.source), Arc::clone(&status), Arc::clone(&stop)));
        tokio::spawn(rounds.run());
        let follow = move || {
            // On Linux this changes this thread alone. A system that refuses it only makes the log as urgent as orders.
            let _ = rustix::process::nice(NICENESS);
            follower.run();
        };
        let thread = std::thread::Builder::new().name("evidence".into()).spawn(follow);
        let thread = Mutex::new(Some(thread.expect("the system can start a thread")));
        let (source, actions) = (options.source, options.actions);
        let prover = Prover { source, actions, keys: keys.clone(), files, runtime };
        let service = Arc::new(Self {
            store,
            keys,
            clock: options.clock,
            production: options.production,
            published: told,
            witnessed: cosigned,
            known,
            origin,
            prover,
            status,
            witnesses,
            stop,
            thread,
            trail: options.trail,
            exports: Exports::new(options.exports),
            exports_folder: options.exports_folder,
        });
        service.begin_exports().await?;
        Ok(service)
    }

    /// Tells other services what is on hold.
    #[must_use]
    pub fn holds(&self) -> Arc<dyn LegalHolds> {
        Arc::new(HoldsKept(self.store.clone()))
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The keys that sign now.
    #[must_use]
    pub fn signing_keys(&self) -> Vec<VerifierKey> {
        self.known.iter().filter(|key| key.retired_at.is_none()).map(|key| key.verifier.clone()).collect()
    }

    /// Keys of the witnesses who are asked.
    #[must_use]
    pub fn witness_keys(&self) -> Vec<VerifierKey> {
        self.witnesses.borrow().iter().map(|witness| witness.key.clone()).collect()
    }

    /// Asks these from now on.
    pub fn set_witnesses(&self, witnesses: Vec<Witness>) {
        self.witnesses.send_replace(witnesses);
    }

    /// How the log is doing.
    #[must_use]
    pub fn status(&self) -> Arc<EvidenceStatus> {
        Arc::clone(&self.status)
    }

    /// Waits until everything up to `sequence` is under a checkpoint; false if that takes longer than `wait_max`.
    pub async fn wait_covered(&self, sequence: u64, wait_max: Duration) -> bool {
        let mut published = self.published.clone();
        let status = Arc::clone(&self.status);
        let reached = async {
            while status.covered() < sequence {
                // Silent commands make no checkpoint, so the time is looked at as well.
                let _ = tokio::time::timeout(WATCH, published.changed()).await;
            }
        };
        tokio::time::timeout(wait_max, reached).await.is_ok()
    }

    /// The newest checkpoint, or the newest that witnesses have cosigned.
    pub(crate) fn checkpoint(&self, witnessed: bool) -> Result<Arc<Published>> {
        let found = if witnessed { self.witnessed.borrow().clone() } else { self.published.borrow().clone() };
        found.ok_or(ComplianceError::Absent("checkpoint yet"))
    }

    /// Proofs of what is wanted.
    ///
    /// # Errors
    /// If there is no checkpoint yet, or the record or the tiles cannot be read.
    pub async fn prove(&self, wanted: Wanted, witnessed: bool) -> Result<EvidenceBundle> {
        let (published, prover) = (self.checkpoint(witnessed)?, self.prover.clone());
        let mut keys = self.signing_keys();
        if witnessed {
            keys.extend(self.witness_keys());
        }
        let work = move || prover.file(&published.note, &published.tree, &wanted, &keys);
        let made = tokio::task::spawn_blocking(work).await;
        made.map_err(|failure| ComplianceError::Damaged(format!("the proof was not made: {failure}")))?
    }

    /// Stops following; everything that was taken is under a checkpoint when this returns. Blocks, so call it outside
    /// of the runtime's own threads.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    /// Closes the tables; the follower must have stopped.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Tells operators how it goes.
    pub fn watch(&self, metrics: &Metrics, health: &Health) {
        let view = [("view", "compliance")];
        let read = Arc::clone(&self.status);
        let lag = move || read.lag().as_secs_f64();
        metrics.reading("heng_view_lag_seconds", "Age of the oldest command that is not in the view.", &view, lag);
        let read = Arc::clone(&self.status);
        let covered = move || read.covered() as f64;
        metrics.reading("heng_view_sequence", "Last command whose events are in the view.", &view, covered);
        let read = Arc::clone(&self.status);
        let parked = move || f64::from(u8::from(read.trouble().is_some()));
        metrics.reading("heng_view_parked", "1 if the view stands still on an event.", &view, parked);
        let read = Arc::clone(&self.status);
        let size = move || read.size() as f64;
        metrics.reading("heng_evidence_leaves", "Leaves under the published checkpoint.", &[], size);
        let read = Arc::clone(&self.status);
        let count = move || read.checkpoints() as f64;
        metrics.reading("heng_evidence_checkpoints", "Checkpoints published since the start.", &[], count);
        let read = Arc::clone(&self.status);
        health.add("compliance", move || {
            let (well, detail) = read.told();
            Check { well, detail }
        });
    }
}

impl Drop for Compliance {
    /// Tells the thread to stop and does not wait for it: this may run on a thread of the runtime that it needs.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
