//! A tree of one size, for readers: it never changes, whatever the writer does meanwhile.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use heng_security::evidence::{
    EdgeTiles, EvidenceError, Hash, Sha256Tree, Sm3Tree, TILE_HEIGHT, TILE_WIDTH, TileKind, TileNodes, TilePath,
    TreeHash, consistency_proof, entry_bundle, inclusion_proof,
};

use crate::error::{ComplianceError, Result};
use crate::files::{Files, Which};
use crate::tree_log::{LeafRow, ROW_LEN, edge_at, read_rows};

/// See above.
pub(crate) struct Tree {
    pub(crate) files: Files,
    pub(crate) leaves: Arc<File>,
    pub(crate) root: Hash,
    pub(crate) sm3_root: Hash,
    pub(crate) sha256: EdgeTiles<Sha256Tree>,
    pub(crate) sm3: EdgeTiles<Sm3Tree>,
    /// Commitments behind the last full bundle.
    pub(crate) tail: Vec<Hash>,
}

impl Tree {
    /// The first `size` leaves of the log in `files`, read from the disk alone.
    pub(crate) fn open(files: &Files, size: u64) -> Result<Self> {
        let path = files.leaves();
        let leaves = File::open(&path).map_err(ComplianceError::file(&path))?;
        let (sha256, sm3) = (edge_at(files, Which::Sha256, size, &leaves)?, edge_at(files, Which::Sm3, size, &leaves)?);
        let mut tail = Vec::new();
        read_rows(&leaves, size - size % TILE_WIDTH as u64, size, |row| tail.push(row.commitment))
            .map_err(ComplianceError::file(&path))?;
        let (root, sm3_root) = (sha256.root(), sm3.root());
        Ok(Self { files: files.clone(), leaves: Arc::new(leaves), root, sm3_root, sha256, sm3, tail })
    }

    pub(crate) const fn size(&self) -> u64 {
        self.sha256.size()
    }

    /// The hashes of a tile as they are in this tree.
    fn hashes<H: TreeHash>(
        &self,
        which: Which,
        edge: &EdgeTiles<H>,
        (level, index): (u8, u64),
    ) -> std::result::Result<Vec<Hash>, EvidenceError> {
        let missing = EvidenceError::Missing { level: u32::from(level) * TILE_HEIGHT, index };
        let tiles = self.size().checked_shr((u32::from(level) + 1) * TILE_HEIGHT).unwrap_or(0);
        match index.cmp(&tiles) {
            std::cmp::Ordering::Less => self.files.read_tile(which, level, index).map_err(|_| missing),
            std::cmp::Ordering::Equal if !edge.partial(level).is_empty() => Ok(edge.partial(level).to_vec()),
            _ => Err(missing),
        }
    }

    fn of(&self, which: Which, at: (u8, u64)) -> std::result::Result<Vec<Hash>, EvidenceError> {
        match which {
            Which::Sha256 => self.hashes(which, &self.sha256, at),
            Which::Sm3 => self.hashes(which, &self.sm3, at),
        }
    }

    /// Proofs of inclusion in both trees.
    pub(crate) fn inclusion(&self, index: u64) -> Result<(Vec<Hash>, Vec<Hash>)> {
        let sha256 = TileNodes::<Sha256Tree, _>::new(|level, at| self.of(Which::Sha256, (level, at)));
        let sm3 = TileNodes::<Sm3Tree, _>::new(|level, at| self.of(Which::Sm3, (level, at)));
        let size = self.size();
        Ok((inclusion_proof::<Sha256Tree>(&sha256, index, size)?, inclusion_proof::<Sm3Tree>(&sm3, index, size)?))
    }

    /// Proofs of consistency with the first `old` leaves, in both trees.
    pub(crate) fn consistency(&self, old: u64) -> Result<(Vec<Hash>, Vec<Hash>)> {
        let sha256 = TileNodes::<Sha256Tree, _>::new(|level, at| self.of(Which::Sha256, (level, at)));
        let sm3 = TileNodes::<Sm3Tree, _>::new(|level, at| self.of(Which::Sm3, (level, at)));
        let size = self.size();
        Ok((consistency_proof::<Sha256Tree>(&sha256, old, size)?, consistency_proof::<Sm3Tree>(&sm3, old, size)?))
    }

    /// The bytes of a tile; `None` if this tree has none there or it is narrower.
    pub(crate) fn tile(&self, which: Which, path: TilePath) -> Result<Option<Vec<u8>>> {
        let width = usize::from(path.width);
        match path.kind {
            TileKind::Level(level) => match self.of(which, (level, path.index)) {
                Ok(hashes) => Ok(hashes.get(..width).map(<[Hash]>::concat)),
                Err(EvidenceError::Missing { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            },
            TileKind::Entries if which == Which::Sha256 => {
                let bundles = self.size() / TILE_WIDTH as u64;
                let entries = match path.index.cmp(&bundles) {
                    std::cmp::Ordering::Less => self.files.read_entries(path.index)?,
                    std::cmp::Ordering::Equal => self.tail.clone(),
                    std::cmp::Ordering::Greater => return Ok(None),
                };
                Ok(entries.get(..width).map(entry_bundle))
            }
            TileKind::Entries => Ok(None),
        }
    }

    /// What stands at `index` of the public tiles.
    pub(crate) fn commitment(&self, index: u64) -> Result<Hash> {
        let (bundle, at) = (index / TILE_WIDTH as u64, (index % TILE_WIDTH as u64) as usize);
        let entries =
            if bundle < self.size() / TILE_WIDTH as u64 { self.files.read_entries(bundle)? } else { self.tail.clone() };
        entries.get(at).copied().ok_or(ComplianceError::Absent("leaf with this index"))
    }

    pub(crate) fn row(&self, index: u64) -> Result<LeafRow> {
        let mut bytes = [0; ROW_LEN];
        let read = self.leaves.read_exact_at(&mut bytes, index * ROW_LEN as u64);
        read.map_err(ComplianceError::file(&self.files.leaves()))?;
        Ok(LeafRow::read(&bytes))
    }

    /// The first leaf of a command not before `sequence`.
    fn first_of(&self, sequence: u64) -> Result<u64> {
        let (mut low, mut high) = (0, self.size());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.row(middle)?.sequence < sequence { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The leaf of an action that stands behind the command `after`: the command's own leaves come first, then actions by
    /// number.
    pub(crate) fn action_leaf(&self, after: u64, action: u64) -> Result<Option<u64>> {
        let end = self.first_of(after.saturating_add(1))?;
        let (mut low, mut high) = (self.first_of(after)?, end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.row(middle)?.action < action { low = middle + 1 } else { high = middle }
        }
        Ok(if low < end && self.row(low)?.action == action { Some(low) } else { None })
    }

    /// Leaves of the commands `from` to `to` that `wanted` wants, at most `limit`.
    pub(crate) fn find(
        &self,
        (from, to): (u64, u64),
        limit: usize,
        wanted: impl Fn(&LeafRow) -> bool,
    ) -> Result<Vec<(u64, LeafRow)>> {
        let (begin, end) = (self.first_of(from)?, self.first_of(to.saturating_add(1))?);
        let (mut found, mut index) = (Vec::new(), begin);
        read_rows(&self.leaves, begin, end, |row| {
            if found.len() < limit && wanted(&row) {
                found.push((index, row));
            }
            index += 1;
        })
        .map_err(ComplianceError::file(&self.files.leaves()))?;
        Ok(found)
    }
}
