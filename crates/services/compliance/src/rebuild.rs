//! The tree built again from the record, to be compared with the one on the disk.

use std::collections::{BTreeSet, VecDeque};

use heng_model::Seq;
use heng_security::evidence::{EdgeTiles, Hash, Sha256Tree, Sm3Tree, commitment};
use heng_store::OwnedStore;

use crate::concerns::Owners;
use crate::error::{ComplianceError, Result};
use crate::follow::{Draft, salt_of};
use crate::mark::Mark;
use crate::prove::{PATIENCE, Prover, next_block};
use crate::store::{self, ActionPlace, KeyOf};
use crate::tree::Tree;

/// Leaves that are made at once.
const PIECE: usize = 16_384;
/// Differing leaves that are told by number.
const TOLD_MAX: usize = 100;

/// What building the tree again gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Leaves on the disk.
    pub size: u64,
    /// Leaves that the record gives.
    pub rebuilt: u64,
    /// Root on the disk.
    pub root: Hash,
    /// Root that the record gives, with the stored commitment of leaves whose key was destroyed.
    pub rebuilt_root: Hash,
    /// The same of the SM3 trees.
    pub sm3_root: Hash,
    /// The same of the SM3 trees.
    pub rebuilt_sm3_root: Hash,
    /// Leaves that were taken from the disk because their key was destroyed.
    pub destroyed: u64,
    /// The first leaves that differ.
    pub differing: Vec<u64>,
}

impl Rebuilt {
    /// Whether both are the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.differing.is_empty()
            && (self.size, self.root, self.sm3_root) == (self.rebuilt, self.rebuilt_root, self.rebuilt_sm3_root)
    }
}

struct Rebuild<'a> {
    prover: &'a Prover,
    tree: &'a Tree,
    told: Rebuilt,
    sha256: EdgeTiles<Sha256Tree>,
    sm3: EdgeTiles<Sm3Tree>,
    drafts: Vec<Draft>,
}

/// Builds the tree again as it was at `mark`. Blocks for as long as it takes to read the whole record.
pub(crate) fn rebuild(prover: &Prover, store: &OwnedStore, tree: &Tree, mark: &Mark) -> Result<Rebuilt> {
    let (sha256, sm3) = (EdgeTiles::default(), EdgeTiles::default());
    let told = Rebuilt { size: mark.size, root: mark.root, sm3_root: mark.sm3_root, ..Rebuilt::default() };
    let mut build = Rebuild { prover, tree, told, sha256, sm3, drafts: Vec::new() };
    let mut places = places(prover, store, mark.action)?;
    // In memory alone: nothing of it is to be kept.
    let mut owners = Owners::open(&prover.files.private.join("none"), false)?;
    let mut through = 0;
    let mut feed = prover.source.open(Seq(1)).map_err(ComplianceError::Feed)?;
    while through + 1 < mark.next_sequence {
        let Some(block) = next_block(&mut *feed, PATIENCE)? else { break };
        let wanted = block.commands.iter().filter(|command| command.seq.0 > through);
        for command in wanted.filter(|command| command.seq.0 < mark.next_sequence) {
            build.take_actions(&mut places, command.seq.0)?;
            Draft::of_command(command, &mut owners, &mut build.drafts)?;
            owners.forget_fresh();
            build.close(PIECE)?;
        }
        through = block.through.0;
    }
    build.take_actions(&mut places, u64::MAX)?;
    build.close(0)?;
    build.told.rebuilt = build.sha256.size();
    (build.told.rebuilt_root, build.told.rebuilt_sm3_root) = (build.sha256.root(), build.sm3.root());
    Ok(build.told)
}

fn places(prover: &Prover, store: &OwnedStore, last: u64) -> Result<VecDeque<ActionPlace>> {
    let mut all = VecDeque::new();
    loop {
        let behind = all.back().map_or(0, |place: &ActionPlace| place.last);
        let page = prover.runtime.block_on(async { store::places_after(&mut store.read().await?, behind).await })?;
        if page.is_empty() {
            all.retain(|place| place.last <= last);
            return Ok(all);
        }
        all.extend(page);
    }
}

impl Rebuild<'_> {
    /// Takes the actions that stand behind commands before `next`.
    fn take_actions(&mut self, places: &mut VecDeque<ActionPlace>, next: u64) -> Result<()> {
        let Some(source) = &self.prover.actions else { return Ok(()) };
        while let Some(place) = places.pop_front_if(|place| place.after < next) {
            let count = u32::try_from(place.last + 1 - place.first).unwrap_or(u32::MAX);
            let taken = self.prover.runtime.block_on(source.actions_after(place.first - 1, count));
            let taken = taken.map_err(ComplianceError::Feed)?;
            self.drafts.extend(taken.iter().map(|action| Draft::of_action(action, place.after)));
        }
        Ok(())
    }

    /// Makes leaves of the drafts if there are more than `above`.
    fn close(&mut self, above: usize) -> Result<()> {
        if self.drafts.len() <= above {
            return Ok(());
        }
        let wanted: BTreeSet<KeyOf> = self.drafts.iter().map(Draft::key).collect();
        let keys = self.prover.runtime.block_on(self.prover.keys.of(&wanted, false))?;
        for draft in std::mem::take(&mut self.drafts) {
            let index = self.sha256.size();
            let stored = if index < self.tree.size() { Some(self.tree.commitment(index)?) } else { None };
            let made = salt_of(&keys, &draft)?.map(|salt| commitment(&salt, &draft.record));
            self.told.destroyed += u64::from(made.is_none());
            if made.is_some() && made != stored && self.told.differing.len() < TOLD_MAX {
                self.told.differing.push(index);
            }
            let leaf = made.or(stored).unwrap_or_default();
            self.sha256.append(&leaf, |_| ());
            self.sm3.append(&leaf, |_| ());
        }
        Ok(())
    }
}
