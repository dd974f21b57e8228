//! Proofs for records: leaves are found, their records are read again from the event log, their salts made again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use heng_model::{Event, OrderId, Seq};
use heng_ports::{ActionSource, CommandEvents, EventBlock, EventFeed, EventSource};
use heng_security::evidence::{BUNDLE_LEAVES_MAX, Bundle, ProvedLeaf, SignedNote, VerifierKey, salt};
use tokio::runtime::Handle;

use crate::bundle::EvidenceBundle;
use crate::concerns::{ACTIONS, Owners};
use crate::error::{ComplianceError, Result};
use crate::files::Files;
use crate::follow::Draft;
use crate::keys::KeyRing;
use crate::store::KeyOf;
use crate::tree::Tree;
use crate::tree_log::LeafRow;

/// Commands between two asked ones from which on it is quicker to open the record anew than to read on.
const REOPEN: u64 = 200_000;

/// How long a piece of the record that must be there may take to arrive.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// Which leaves are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of this account; `None` = of everybody, the house and actions too.
    pub client: Option<u64>,
    /// Those that speak of this order.
    pub order: Option<u64>,
    /// First command.
    pub from: u64,
    /// Last command.
    pub to: u64,
    /// Leaves at most.
    pub limit: usize,
    /// Leaves of the account that are looked at for an order at most.
    pub looked_at: usize,
    /// Prove too that the tree begins with this many leaves.
    pub since: Option<u64>,
}

impl Wanted {
    /// Everything, up to `limit` leaves.
    #[must_use]
    pub const fn all(limit: usize) -> Self {
        Self { client: None, order: None, from: 1, to: u64::MAX, limit, looked_at: BUNDLE_LEAVES_MAX, since: None }
    }
}

/// Makes proofs. It reads what the follower has written, and writes nothing.
#[derive(Clone)]
pub(crate) struct Prover {
    pub(crate) source: Arc<dyn EventSource>,
    pub(crate) actions: Option<Arc<dyn ActionSource>>,
    pub(crate) keys: KeyRing,
    pub(crate) files: Files,
    pub(crate) runtime: Handle,
}

impl Prover {
    /// The proofs of what is wanted under `note`, the checkpoint of `tree`. Blocks.
    pub(crate) fn bundle(&self, note: &SignedNote, tree: &Tree, wanted: &Wanted) -> Result<Bundle> {
        let limit = wanted.limit.min(BUNDLE_LEAVES_MAX);
        let matches = |row: &LeafRow| wanted.client.is_none_or(|client| row.client == client);
        // Of an order's account all leaves are looked at, because only the records tell which speak of it.
        let looked_at = if wanted.order.is_some() { wanted.looked_at } else { limit };
        let rows = tree.find((wanted.from, wanted.to), looked_at, matches)?;
        let mut records = self.records(&rows)?;
        let mut rows: Vec<(u64, LeafRow)> = rows;
        if let Some(order) = wanted.order {
            records.retain(|_, draft| draft.events.iter().any(|event| speaks_of(event, OrderId(order))));
            rows.retain(|(index, _)| records.contains_key(index));
            rows.truncate(limit);
        }
        Ok(Bundle { note: note.clone(), earlier: None, leaves: self.proved(tree, &rows, records)? })
    }

    /// The proof of one leaf, as a file. Blocks.
    pub(crate) fn leaf_file(
        &self,
        note: &SignedNote,
        tree: &Tree,
        index: u64,
        keys: &[VerifierKey],
    ) -> Result<EvidenceBundle> {
        let rows = [(index, tree.row(index)?)];
        let leaves = self.proved(tree, &rows, self.records(&rows)?)?;
        EvidenceBundle::of(&Bundle { note: note.clone(), earlier: None, leaves }, keys, None)
    }

    /// Opens leaves with their records, and proves that they are in the tree.
    fn proved(
        &self,
        tree: &Tree,
        rows: &[(u64, LeafRow)],
        mut records: BTreeMap<u64, Found>,
    ) -> Result<Vec<ProvedLeaf>> {
        let keys: BTreeSet<KeyOf> = rows.iter().map(|(_, row)| (row.client, row.period)).collect();
        let keys = self.runtime.block_on(self.keys.of(&keys, false))?;
        let leaf = |(index, row): &(u64, LeafRow)| {
            let key = keys.get(&(row.client, row.period)).cloned().flatten();
            let number = if row.client == ACTIONS { row.action } else { row.sequence };
            let opened = key.zip(records.remove(index));
            let opening = opened.map(|(key, found)| (salt(&key, number, row.client), found.record));
            let (proof, sm3_proof) = tree.inclusion(*index)?;
            Ok(ProvedLeaf { index: *index, commitment: tree.commitment(*index)?, opening, proof, sm3_proof })
        };
        rows.iter().map(leaf).collect()
    }

    /// The same as a file, with the proof of consistency that is wanted. Blocks.
    pub(crate) fn file(
        &self,
        note: &SignedNote,
        tree: &Tree,
        wanted: &Wanted,
        keys: &[VerifierKey],
    ) -> Result<EvidenceBundle> {
        let wanted = match (wanted.order, wanted.client) {
            (Some(order), None) => Wanted { client: self.account_of(order)?, ..*wanted },
            _ => *wanted,
        };
        if wanted.order.is_some() && wanted.client.is_none() {
            return Err(ComplianceError::Absent("such order in the evidence log"));
        }
        let consistency = match wanted.since {
            Some(since) if since > tree.size() => {
                return Err(ComplianceError::field("since", "is larger than the tree"));
            }
            Some(since) => Some((since, tree.consistency(since)?.0)),
            None => None,
        };
        EvidenceBundle::of(&self.bundle(note, tree, &wanted)?, keys, consistency)
    }

    /// The records of leaves, as the event log and the trail of actions tell them today.
    fn records(&self, rows: &[(u64, LeafRow)]) -> Result<BTreeMap<u64, Found>> {
        let mut found = BTreeMap::new();
        let (actions, commands): (Vec<_>, Vec<_>) = rows.iter().copied().partition(|(_, row)| row.client == ACTIONS);
        let mut owners = Owners::open(&self.files.owners(), false)?;
        let mut by_sequence: BTreeMap<u64, Vec<(u64, LeafRow)>> = BTreeMap::new();
        for (index, row) in commands {
            by_sequence.entry(row.sequence).or_default().push((index, row));
        }
        self.read_commands(&by_sequence, |command| {
            let mut drafts = Vec::new();
            Draft::of_command(command, &mut owners, &mut drafts)?;
            for (index, row) in by_sequence.get(&command.seq.0).into_iter().flatten() {
                if let Some(at) = drafts.iter().position(|draft| draft.client == row.client) {
                    let record = std::mem::take(&mut drafts[at].record);
                    found.insert(*index, Found { record, events: command.events.clone() });
                }
            }
            Ok(())
        })?;
        for (index, row) in actions {
            let Some(source) = &self.actions else { continue };
            let taken =
                self.runtime.block_on(source.actions_after(row.action - 1, 1)).map_err(ComplianceError::Feed)?;
            if let Some(action) = taken.first().filter(|action| action.number == row.action) {
                let record = Draft::of_action(action, row.sequence).record;
                found.insert(index, Found { record, events: Vec::new() });
            }
        }
        Ok(found)
    }

    /// Reads the asked commands from the event log, opening it again where there is much in between.
    fn read_commands<T>(
        &self,
        asked: &BTreeMap<u64, T>,
        mut take: impl FnMut(&CommandEvents) -> Result<()>,
    ) -> Result<()> {
        let (Some(first), Some(last)) = (asked.keys().next(), asked.keys().next_back()) else { return Ok(()) };
        let mut feed = self.source.open(Seq(*first)).map_err(ComplianceError::Feed)?;
        let mut through = 0;
        while through < *last {
            let next = asked.range(through + 1..).next().map_or(*last, |(sequence, _)| *sequence);
            if through > 0 && next > through + REOPEN {
                feed = self.source.open(Seq(next)).map_err(ComplianceError::Feed)?;
            }
            let Some(block) = next_block(&mut *feed, PATIENCE)? else { return Ok(()) };
            through = block.through.0;
            for command in block.commands.iter().filter(|command| asked.contains_key(&command.seq.0)) {
                take(command)?;
            }
        }
        Ok(())
    }

    /// The account of an order.
    pub(crate) fn account_of(&self, order: u64) -> Result<Option<u64>> {
        Owners::open(&self.files.owners(), false)?.of_order(OrderId(order))
    }
}

/// The next piece of the record; `None` if there is none for so long. A record elsewhere takes a moment to arrive.
pub(crate) fn next_block(feed: &mut dyn EventFeed, wait_max: Duration) -> Result<Option<EventBlock>> {
    let began = Instant::now();
    loop {
        let found = feed.next_block().map_err(ComplianceError::Feed)?;
        if found.is_some() || began.elapsed() >= wait_max {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

struct Found {
    record: Vec<u8>,
    events: Vec<Event>,
}

fn speaks_of(event: &Event, order: OrderId) -> bool {
    match event {
        Event::OrderPlaced(told) => told.order == order,
        Event::OrderRejected(told) => told.order == order,
        Event::OrderWorking(told) => told.order == order,
        Event::OrderFilled(told) => told.order == order,
        Event::OrderCancelled(told) => told.order == order,
        Event::CancelRequested(told) => told.order == order,
        Event::CancelRejected(told) => told.order == order,
        Event::OrderUnknown(told) => told.order == order,
        Event::Trade(told) => told.buy == order || told.sell == order,
        _ => false,
    }
}
