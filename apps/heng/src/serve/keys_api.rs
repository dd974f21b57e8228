//! How the keys of this process's data folder are, for operators and auditors. Changes take two officers at the machine:
//! `heng keys`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use heng_ports::Gatekeeper;
use heng_security::keys::{KeyInfo, KeyRing, KeyState};
use heng_transport::{Api, Operation, Problem, RateLimits};
use serde::Serialize;
use utoipa::ToSchema;

use crate::at_rest::AtRest;

/// Keys and operations that one answer tells at most, the newest.
const TOLD_MAX: usize = 1_000;

/// A data key.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct StorageKeyShown {
    /// Its number, which stands beside everything that it sealed.
    id: String,
    /// AES-256-GCM or SM4-GCM.
    algorithm: &'static str,
    /// The table or log that it serves for.
    store: String,
    /// Whose data.
    tenant: String,
    /// For which time.
    period: String,
    /// When it was made, in nanoseconds since 1970.
    made_at: i64,
    /// `current` seals new records, `closed` only opens old ones, `destroyed` is gone.
    #[schema(pattern = "^(current|closed|destroyed)$")]
    state: &'static str,
}

/// Whoever decides on keys, together with another.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct OfficerShown {
    /// The name.
    name: String,
    /// When the officer was added, in nanoseconds since 1970.
    added_at: i64,
}

/// An operation on keys, from its beginning to its end.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct KeyOperationShown {
    /// Its number in the operations file.
    number: String,
    /// When it began, in nanoseconds since 1970.
    at: i64,
    /// What: `init`, `rotate-master` and so on.
    operation: String,
    /// On what.
    detail: String,
    /// Who; none where nobody is needed.
    officers: Vec<String>,
    /// `begun` (it runs or was interrupted), `done`, `failed` or `refused`.
    #[schema(pattern = "^(begun|done|failed|refused)$")]
    outcome: &'static str,
}

/// The key ring of the process that answers.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
struct KeysShown {
    /// Whether what is stored is sealed.
    configured: bool,
    /// The ring's number, in hexadecimal; empty without a ring.
    ring: String,
    /// What wraps the data keys: a key file, a token or a device.
    master: String,
    /// The master key's version.
    master_version: u64,
    /// The algorithm of new data keys.
    algorithm: &'static str,
    /// How often the ring was written anew.
    generation: u64,
    /// Keys that seal.
    current: u64,
    /// Keys that only open.
    closed: u64,
    /// Keys that are gone.
    destroyed: u64,
    /// Who decides on keys, two together.
    officers: Vec<OfficerShown>,
    /// The newest 1,000 keys, newest first.
    keys: Vec<StorageKeyShown>,
    /// The newest 1,000 operations, newest first.
    operations: Vec<KeyOperationShown>,
    /// Why the operations cannot be told: their file was cut or rewritten; null = they are whole.
    operations_trouble: Option<String>,
}

const fn nanos(unix_s: u64) -> i64 {
    unix_s.cast_signed().saturating_mul(1_000_000_000)
}

fn key_shown(key: &KeyInfo) -> StorageKeyShown {
    StorageKeyShown {
        id: key.id.get().to_string(),
        algorithm: key.algorithm.name(),
        store: key.scope.store().to_owned(),
        tenant: key.scope.tenant().to_owned(),
        period: key.scope.period().to_owned(),
        made_at: nanos(key.made_unix_s),
        state: match key.state {
            KeyState::Current => "current",
            KeyState::Closed => "closed",
            KeyState::Destroyed(_) => "destroyed",
        },
    }
}

/// The operations, each with how it ended; newest first.
fn operations(ring: &KeyRing) -> Result<Vec<KeyOperationShown>, heng_security::keys::KeysError> {
    let mut told: Vec<KeyOperationShown> = Vec::new();
    for line in ring.operations()?.operations {
        let ended = told.iter_mut().rev().find(|shown| line.of != line.number && shown.number == line.of.to_string());
        if let Some(begun) = ended {
            begun.outcome = line.event.name();
            continue;
        }
        told.push(KeyOperationShown {
            number: line.number.to_string(),
            at: nanos(line.at_unix_s),
            operation: line.action,
            detail: line.detail,
            officers: line.officers,
            outcome: line.event.name(),
        });
    }
    told.reverse();
    told.truncate(TOLD_MAX);
    Ok(told)
}

fn shown(ring: &KeyRing) -> KeysShown {
    let status = ring.status();
    let (operations, operations_trouble) = match operations(ring) {
        Ok(operations) => (operations, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    KeysShown {
        configured: true,
        ring: status.ring,
        master: status.master,
        master_version: u64::from(status.master_version),
        algorithm: status.algorithm.name(),
        generation: status.generation,
        current: status.current,
        closed: status.closed,
        destroyed: status.destroyed,
        officers: ring
            .officers()
            .into_iter()
            .map(|(name, added)| OfficerShown { name, added_at: nanos(added) })
            .collect(),
        keys: ring.keys().iter().rev().take(TOLD_MAX).map(key_shown).collect(),
        operations,
        operations_trouble,
    }
}

async fn show_keys(State(at_rest): State<Arc<AtRest>>) -> Result<Json<KeysShown>, Problem> {
    // The operations are read from the disk.
    let told = tokio::task::spawn_blocking(move || at_rest.ring().map(shown).unwrap_or_default()).await;
    told.map(Json).map_err(|failure| Problem::internal(&failure))
}

/// The operation that tells the keys.
pub(crate) fn api(at_rest: AtRest, gatekeeper: Arc<dyn Gatekeeper>, limits: Arc<RateLimits>) -> Api {
    let mut api = Api::new(gatekeeper, limits);
    let op = Operation::get("/v1/keys", "showKeys").tag("security").needs("system.logs");
    let op = op.summary("The key ring that seals what this process stores: keys, officers, operations. 密钥环状态");
    let op = op.description("Secrets are never told. Keys are changed with `heng keys` by two officers. 密钥由两名密钥管理员用 heng keys 变更。");
    api.add(op.answers::<KeysShown>(200, "The keys."), show_keys);
    api.with_state(Arc::new(at_rest))
}
