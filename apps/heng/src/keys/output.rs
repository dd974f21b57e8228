//! What `heng keys` prints.

use std::fmt::Write as _;

use heng_security::keys::{KeyInfo, KeyRing, KeyState, Operation, OperationLog};
use serde_json::{Value, json};

use crate::show::say;

/// An answer for people and for programs.
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) json: Value,
}

impl Answer {
    pub(super) fn print(&self, as_json: bool) -> anyhow::Result<()> {
        if as_json { say(&format!("{}\n", self.json)) } else { say(&self.text) }
    }
}

fn state(key: &KeyInfo) -> String {
    match key.state {
        KeyState::Current => "current".into(),
        KeyState::Closed => "closed".into(),
        KeyState::Destroyed(operation) => format!("destroyed by operation {operation}"),
    }
}

fn key_json(key: &KeyInfo) -> Value {
    let scope = &key.scope;
    json!({
        "id": key.id.get(), "algorithm": key.algorithm.name(), "store": scope.store(), "tenant": scope.tenant(),
        "period": scope.period(), "made_unix_s": key.made_unix_s, "state": state(key),
    })
}

/// The ring and its keys.
pub(super) fn status(ring: &KeyRing, as_json: bool) -> anyhow::Result<()> {
    let (status, keys) = (ring.status(), ring.keys());
    let mut text = format!(
        "ring        {}\nmaster key  {}, version {}\nalgorithm   {}\nkeys        {} current, {} closed, {} destroyed\nofficers    {}\n",
        status.ring,
        status.master,
        status.master_version,
        status.algorithm,
        status.current,
        status.closed,
        status.destroyed,
        status.officers.join(", "),
    );
    if status.torn > 0 {
        writeln!(text, "warning     {} bytes of an unfinished append are at the end", status.torn)?;
    }
    for key in &keys {
        writeln!(text, "{:>10}  {:<11}  {}  {}", key.id.get(), key.algorithm, key.scope, state(key))?;
    }
    let json = json!({
        "ring": status.ring, "master": status.master, "master_version": status.master_version,
        "algorithm": status.algorithm.name(), "generation": status.generation, "current": status.current,
        "closed": status.closed, "destroyed": status.destroyed, "officers": status.officers, "torn_bytes": status.torn,
        "keys": keys.iter().map(key_json).collect::<Vec<_>>(),
    });
    Answer { text, json }.print(as_json)
}

/// The officers.
pub(super) fn officers(ring: &KeyRing, as_json: bool) -> anyhow::Result<()> {
    let officers = ring.officers();
    let text = officers.iter().map(|(name, _)| format!("{name}\n")).collect();
    let each = officers.iter().map(|(name, added)| json!({ "name": name, "added_unix_s": added }));
    Answer { text, json: json!({ "officers": each.collect::<Vec<_>>() }) }.print(as_json)
}

fn operation_json(told: &Operation) -> Value {
    let hash: String = told.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "number": told.number, "at_unix_s": told.at_unix_s, "event": told.event.name(), "of": told.of,
        "action": told.action, "detail": told.detail, "officers": told.officers, "hash": hash,
    })
}

/// The operations, whose chain was verified.
pub(super) fn log(log: &OperationLog, compared: bool, as_json: bool) -> anyhow::Result<()> {
    let mut text = String::new();
    for told in &log.operations {
        let (number, at, event, action) = (told.number, told.at_unix_s, told.event.name(), &told.action);
        writeln!(text, "{number:>6}  {at}  {event:<8} {action}  {}  [{}]", told.detail, told.officers.join(" + "))?;
    }
    let how = if compared {
        "the chain is whole and fits the ring"
    } else {
        "the chain is whole (not compared with the ring: give --token)"
    };
    writeln!(text, "{how}")?;
    let json = json!({
        "verified": true, "compared_with_ring": compared, "torn_bytes": log.torn,
        "operations": log.operations.iter().map(operation_json).collect::<Vec<_>>(),
    });
    Answer { text, json }.print(as_json)
}
