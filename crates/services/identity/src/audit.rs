//! The audit trail: what was asked, decided and changed.
//!
//! Changes are written in the transaction of the change. Denials and sign-ins are queued and written in batches.
//! Allowed decisions are counted: one row for each principal, credential, action and resource and each batch, with how
//! often. The queue is bounded; what does not fit is counted, and the count is written as a row of its own.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use heng_ports::{Principal, Resource};
use heng_runtime::Clock;
use heng_store::{OwnedStore, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::store;
use crate::tallies::{Tallies, Tally};

/// Rows that wait to be written at most.
const QUEUE_LEN_MAX: usize = 10_000;
/// Rows of one transaction at most.
const BATCH_MAX: usize = 500;
/// How often counts are written.
const EVERY: Duration = Duration::from_secs(2);
/// Different allowed decisions that are counted apart; further ones are counted without their resource.
const COUNTED_MAX: usize = 20_000;
/// Shards of the counts, so that the doors' threads do not wait for one another.
const SHARDS: usize = 8;

/// A row of the audit trail. `Debug` leaves out what may tell of persons.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct AuditRow {
    /// Nanoseconds since 1970.
    pub(crate) at: i64,
    /// Who; 0 = nobody was identified.
    pub(crate) principal: u64,
    pub(crate) name: String,
    pub(crate) credential: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    /// `allowed`, `denied`, `done`, `failed`.
    pub(crate) outcome: String,
    pub(crate) detail: String,
    pub(crate) address: String,
    /// How often; 1 but for allowed decisions.
    pub(crate) times: u64,
}

impl fmt::Debug for AuditRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, principal, action, resource, outcome, times, .. } = self;
        let mut told = f.debug_struct("AuditRow");
        told.field("at", at).field("principal", principal).field("action", action).field("resource", resource);
        told.field("outcome", outcome).field("times", times).finish_non_exhaustive()
    }
}

impl AuditRow {
    /// A row about `action` by nobody in particular.
    pub(crate) fn of(at: i64, action: &str, outcome: &str) -> Self {
        Self { at, action: action.to_owned(), outcome: outcome.to_owned(), times: 1, ..Self::default() }
    }

    /// Done by `principal`.
    pub(crate) fn by(mut self, principal: &Principal) -> Self {
        self.principal = principal.id;
        self.name.clone_from(&principal.name);
        self.credential.clone_from(&principal.credential);
        self
    }

    /// Done to `resource`.
    pub(crate) fn on(mut self, resource: impl Into<String>) -> Self {
        self.resource = resource.into();
        self
    }

    /// With more words.
    pub(crate) fn telling(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// From `address`.
    pub(crate) fn from(mut self, address: Option<IpAddr>) -> Self {
        self.address = address.map(|address| address.to_string()).unwrap_or_default();
        self
    }
}

enum Message {
    Row(Box<AuditRow>),
    /// Write everything, then answer.
    Flush(oneshot::Sender<()>),
}

/// An allowed decision, as it is counted.
#[derive(PartialEq, Eq, Hash)]
struct Allowed {
    principal: u64,
    credential: Arc<str>,
    name: Arc<str>,
    action: &'static str,
    resource: Option<Resource64>,
}

/// A resource as a number: 0 = the broker as a whole.
type Resource64 = u64;

#[derive(Clone, Copy)]
struct Counted {
    times: u64,
    last: i64,
}

/// Counts of one shard, found by the hash of the question without making a key first.
type Shard = HashMap<u64, Vec<(Allowed, Counted)>>;

/// Where everybody reports to.
pub(crate) struct Audit {
    queue: mpsc::Sender<Message>,
    lost: Arc<AtomicU64>,
    counts: Arc<[Mutex<Shard>; SHARDS]>,
    tallies: Arc<Tallies>,
    hasher: RandomState,
}

const fn number_of(resource: Resource) -> Resource64 {
    match resource {
        Resource::Any => 0,
        Resource::Account(account) => account.0,
    }
}

fn text_of(resource: Option<Resource64>) -> String {
    match resource {
        None => "several".to_owned(),
        Some(0) => String::new(),
        Some(account) => format!("account:{account}"),
    }
}

impl Audit {
    /// Starts the writer. It ends when this is dropped.
    pub(crate) fn start(store: OwnedStore, clock: Arc<dyn Clock>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_LEN_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counts: Arc<[Mutex<Shard>; SHARDS]> = Arc::new(std::array::from_fn(|_| Mutex::new(Shard::new())));
        let tallies = Arc::<Tallies>::default();
        let (lost_too, counts_too, tallies_too) = (Arc::clone(&lost), Arc::clone(&counts), Arc::clone(&tallies));
        let writer = AuditWriter { store, clock, lost: lost_too, counts: counts_too, tallies: tallies_too, waiting };
        tokio::spawn(writer.run());
        Self { queue, lost, counts, tallies, hasher: RandomState::new() }
    }

    /// Queues a row.
    pub(crate) fn note(&self, row: AuditRow) {
        if self.queue.try_send(Message::Row(Box::new(row))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts what comes in floods; each minute has one row for each principal, name, address and place.
    pub(crate) fn count(&self, tally: Tally<'_>, now: i64) {
        self.tallies.add(tally, now);
    }

    /// Counts an allowed decision.
    pub(crate) fn allowed(&self, principal: &Principal, action: &'static str, resource: Resource, now: i64) {
        let number = number_of(resource);
        let hash = self.hasher.hash_one((principal.id, &principal.credential, action, number));
        let shard = usize::try_from(hash % SHARDS as u64).expect("a small number");
        let mut shard = self.counts[shard].lock().unwrap_or_else(PoisonError::into_inner);
        // When very many accounts are touched at once, further ones are counted without their number.
        let apart = shard.contains_key(&hash) || shard.len() < COUNTED_MAX / SHARDS;
        let resource = apart.then_some(number);
        let hash = if apart { hash } else { self.hasher.hash_one((principal.id, &principal.credential, action)) };
        if !apart && shard.len() >= 2 * COUNTED_MAX / SHARDS && !shard.contains_key(&hash) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let list = shard.entry(hash).or_default();
        let same = |allowed: &Allowed| {
            allowed.principal == principal.id
                && *allowed.credential == *principal.credential
                && allowed.action == action
                && allowed.resource == resource
        };
        if let Some((_, counted)) = list.iter_mut().find(|(allowed, _)| same(allowed)) {
            counted.times += 1;
            counted.last = now;
            return;
        }
        let (credential, name) = (principal.credential.as_str().into(), principal.name.as_str().into());
        let allowed = Allowed { principal: principal.id, credential, name, action, resource };
        list.push((allowed, Counted { times: 1, last: now }));
    }

    /// Waits until everything that was reported before is written.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.queue.send(Message::Flush(done)).await.is_ok() {
            // A writer that ended has written what it could.
            let _ = written.await;
        }
    }
}

struct AuditWriter {
    store: OwnedStore,
    clock: Arc<dyn Clock>,
    lost: Arc<AtomicU64>,
    counts: Arc<[Mutex<Shard>; SHARDS]>,
    tallies: Arc<Tallies>,
    waiting: mpsc::Receiver<Message>,
}

impl AuditWriter {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(EVERY);
        let mut messages = Vec::with_capacity(BATCH_MAX);
        loop {
            let counts_too = tokio::select! {
                received = self.waiting.recv_many(&mut messages, BATCH_MAX) => received == 0,
                _ = ticks.tick() => true,
            };
            let ended = messages.is_empty() && self.waiting.is_closed() && self.waiting.is_empty();
            self.write(&mut messages, counts_too).await;
            if ended {
                return;
            }
        }
    }

    async fn write(&self, messages: &mut Vec<Message>, counts_too: bool) {
        let (mut rows, mut flushed) = (Vec::with_capacity(messages.len()), Vec::new());
        for message in messages.drain(..) {
            match message {
                Message::Row(row) => rows.push(*row),
                Message::Flush(done) => flushed.push(done),
            }
        }
        if counts_too || !flushed.is_empty() {
            rows.extend(self.take_counts());
            // Who waits wants to see everything; else a minute is written when it is over.
            rows.extend(self.tallies.take(self.clock.now(), !flushed.is_empty()));
        }
        for chunk in rows.chunks(BATCH_MAX) {
            if let Err(error) = self.write_rows(chunk).await {
                self.lost.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                tracing::error!(%error, rows = chunk.len(), "write the audit trail");
            }
        }
        for done in flushed {
            // Whoever waited may have gone.
            let _ = done.send(());
        }
    }

    async fn write_rows(&self, rows: &[AuditRow]) -> Result<(), StoreError> {
        let mut change = self.store.begin().await?;
        store::insert_audit(change.connection(), rows).await?;
        change.commit().await
    }

    fn take_counts(&self) -> Vec<AuditRow> {
        let mut rows = Vec::new();
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let row = AuditRow::of(self.clock.now(), "audit.lost", "failed");
            rows.push(AuditRow {
                times: lost,
                ..row.telling("rows that did not fit the queue or could not be written")
            });
        }
        for shard in self.counts.iter() {
            let taken = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            for (allowed, counted) in taken.into_values().flatten() {
                rows.push(AuditRow {
                    at: counted.last,
                    principal: allowed.principal,
                    name: allowed.name.to_string(),
                    credential: allowed.credential.to_string(),
                    action: allowed.action.to_owned(),
                    resource: text_of(allowed.resource),
                    outcome: "allowed".to_owned(),
                    times: counted.times,
                    ..AuditRow::default()
                });
            }
        }
        rows.sort_by_key(|row| row.at);
        rows
    }
}
