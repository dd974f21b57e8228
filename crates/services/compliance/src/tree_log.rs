//! The writer of the log: leaves are appended, tiles appear as they become full, and a mark closes every step.
//!
//! What a step does, in this order: rows and tiles are written; rows are made durable; the mark is made durable. Killed
//! anywhere, the next start cuts the rows off at the mark, makes the tiles again that are not known to be on the disk,
//! and compares the roots with the mark's. So it goes on with the same tree.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use heng_security::evidence::{
    EdgeTiles, FullTile, HASH_LEN, Hash, Sha256Tree, Sm3Tree, TILE_HEIGHT, TILE_WIDTH, TileKind, TilePath, TreeHash,
    entry_bundle, partial_width, root_of,
};

use crate::error::{ComplianceError, Result};
use crate::files::{Files, Which, sync, write_tile};
use crate::mark::Mark;
use crate::tree::Tree;

/// Bytes of a row.
pub(crate) const ROW_LEN: usize = 64;
/// Tiles that one step makes durable at most; those of a long way to catch up are made durable afterwards.
const SYNCED_PER_STEP: usize = 256;
/// Rows that are read at once.
const ROWS_AT_ONCE: usize = 4_096;

/// What is known of a leaf besides its commitment. It names a client, so it is private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeafRow {
    /// The command; of an action, the command behind which it stands. It never falls from leaf to leaf.
    pub(crate) sequence: u64,
    /// The client.
    pub(crate) client: u64,
    /// Number of the action; 0 = it is a command.
    pub(crate) action: u64,
    /// The year of the client's key.
    pub(crate) period: u32,
    pub(crate) commitment: Hash,
}

impl LeafRow {
    fn bytes(&self) -> [u8; ROW_LEN] {
        let mut bytes = [0; ROW_LEN];
        bytes[..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.client.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.action.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.period.to_le_bytes());
        bytes[32..].copy_from_slice(&self.commitment);
        bytes
    }

    pub(crate) fn read(bytes: &[u8; ROW_LEN]) -> Self {
        let eight = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        Self {
            sequence: eight(0),
            client: eight(8),
            action: eight(16),
            period: u32::from_le_bytes(std::array::from_fn(|byte| bytes[24 + byte])),
            commitment: std::array::from_fn(|byte| bytes[32 + byte]),
        }
    }
}

/// Reads rows `from..to`, a bounded piece at a time.
pub(crate) fn read_rows(file: &File, from: u64, to: u64, mut take: impl FnMut(LeafRow)) -> std::io::Result<()> {
    let mut bytes = vec![0; ROWS_AT_ONCE * ROW_LEN];
    let mut at = from;
    while at < to {
        let count = (to - at).min(ROWS_AT_ONCE as u64);
        let piece = &mut bytes[..count as usize * ROW_LEN];
        file.read_exact_at(piece, at * ROW_LEN as u64)?;
        piece.as_chunks::<ROW_LEN>().0.iter().for_each(|row| take(LeafRow::read(row)));
        at += count;
    }
    Ok(())
}

/// The edge of the first `size` leaves, from full tiles and, for the lowest level, from rows.
pub(crate) fn edge_at<H: TreeHash>(files: &Files, which: Which, size: u64, leaves: &File) -> Result<EdgeTiles<H>> {
    let mut levels = vec![Vec::new()];
    read_rows(leaves, size - size % TILE_WIDTH as u64, size, |row| levels[0].push(H::leaf(&row.commitment)))
        .map_err(ComplianceError::file(&files.leaves()))?;
    for level in 1u8..8 {
        let first = (size >> (u32::from(level) * TILE_HEIGHT)) & !(TILE_WIDTH as u64 - 1);
        let tiles = (0..u64::from(partial_width(level, size))).map(|at| files.read_tile(which, level - 1, first + at));
        levels.push(tiles.map(|tile| Ok(root_of::<H>(&tile?))).collect::<Result<Vec<Hash>>>()?);
    }
    Ok(EdgeTiles::resume(size, &levels)?)
}

/// The one writer.
pub(crate) struct TreeLog {
    files: Files,
    leaves: File,
    marks: File,
    mark: Mark,
    sha256: EdgeTiles<Sha256Tree>,
    sm3: EdgeTiles<Sm3Tree>,
    /// Commitments behind the last full bundle.
    tail: Vec<Hash>,
    /// Rows that are not in the file yet.
    rows: Vec<u8>,
    /// Tiles that are not known to be durable: behind which leaf, and where.
    loose: VecDeque<(u64, PathBuf)>,
}

/// A tile that became full, with its place.
type Made = (Which, TilePath, Vec<u8>);

impl TreeLog {
    /// Opens the log, or begins one, and makes it whole.
    pub(crate) fn open(files: &Files) -> Result<Self> {
        files.create()?;
        let open = |path: PathBuf| {
            let file = File::options().create(true).truncate(false).read(true).write(true).open(&path);
            file.map_err(ComplianceError::file(&path))
        };
        let mark = Mark::load(&files.mark())?;
        let (leaves, marks) = (open(files.leaves())?, open(files.mark())?);
        if mark.is_none() && files.checkpoint().exists() {
            return Err(ComplianceError::Damaged("a checkpoint was published, but the log's mark is gone".into()));
        }
        let mark = mark.unwrap_or_else(Mark::start);
        let failed = || ComplianceError::file(&files.leaves());
        let found = leaves.metadata().map_err(failed())?.len() / ROW_LEN as u64;
        if found < mark.size {
            let told = format!("the log has {} leaves, but rows of {found} only", mark.size);
            return Err(ComplianceError::Damaged(told));
        }
        leaves.set_len(mark.size * ROW_LEN as u64).map_err(failed())?;
        // Tiles before this leaf are certain; those behind it are made again and compared.
        let certain = mark.tiles_through.min(mark.size) & !(TILE_WIDTH as u64 - 1);
        let mut log = Self {
            sha256: edge_at(files, Which::Sha256, certain, &leaves)?,
            sm3: edge_at(files, Which::Sm3, certain, &leaves)?,
            files: files.clone(),
            leaves,
            marks,
            mark,
            tail: Vec::new(),
            rows: Vec::new(),
            loose: VecDeque::new(),
        };
        log.make_again(certain)?;
        Ok(log)
    }

    fn make_again(&mut self, certain: u64) -> Result<()> {
        let leaves = self.leaves.try_clone().map_err(ComplianceError::file(&self.files.leaves()))?;
        let mut written = Ok(());
        read_rows(&leaves, certain, self.mark.size, |row| {
            if written.is_ok() {
                written = self.take(&row.commitment);
            }
        })
        .map_err(ComplianceError::file(&self.files.leaves()))?;
        written?;
        if (self.sha256.root(), self.sm3.root()) != (self.mark.root, self.mark.sm3_root) {
            let told = format!("the {} leaves on the disk do not give the root of the mark", self.mark.size);
            return Err(ComplianceError::Damaged(told));
        }
        Ok(())
    }

    pub(crate) const fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Leaves, those included that no mark covers yet.
    pub(crate) const fn size(&self) -> u64 {
        self.sha256.size()
    }

    /// Takes a commitment into both trees and writes the tiles that become full by it.
    fn take(&mut self, commitment: &Hash) -> Result<()> {
        let mut made: Vec<Made> = Vec::new();
        let tile = |tile: &FullTile| TilePath::full(TileKind::Level(tile.level), tile.index);
        self.sha256.append(commitment, |full| made.push((Which::Sha256, tile(&full), full.hashes.concat())));
        self.sm3.append(commitment, |full| made.push((Which::Sm3, tile(&full), full.hashes.concat())));
        self.tail.push(*commitment);
        if self.tail.len() == TILE_WIDTH {
            let index = self.size() / TILE_WIDTH as u64 - 1;
            made.push((Which::Sha256, TilePath::full(TileKind::Entries, index), entry_bundle(&self.tail)));
            self.tail.clear();
        }
        for (which, path, bytes) in made {
            let path = self.files.tile(which, path);
            write_tile(&path, &bytes)?;
            self.loose.push_back((self.size(), path));
        }
        Ok(())
    }

    /// Appends a leaf. It counts with the next mark.
    pub(crate) fn append(&mut self, row: &LeafRow) -> Result<()> {
        self.rows.extend_from_slice(&row.bytes());
        self.take(&row.commitment)
    }

    /// Closes a step: everything up to the command before `next_sequence`, and up to `action`, is in the log for good.
    pub(crate) fn commit(&mut self, next_sequence: u64, action: u64) -> Result<()> {
        let failed = || ComplianceError::file(&self.files.leaves());
        if !self.rows.is_empty() {
            self.leaves.write_all_at(&self.rows, self.mark.size * ROW_LEN as u64).map_err(failed())?;
            self.leaves.sync_data().map_err(failed())?;
            self.rows.clear();
        }
        for _ in 0..SYNCED_PER_STEP {
            let Some((_, path)) = self.loose.pop_front() else { break };
            sync(&path)?;
        }
        let mark = Mark {
            generation: self.mark.generation + 1,
            size: self.size(),
            next_sequence,
            action,
            tiles_through: self.loose.front().map_or(self.size(), |(behind, _)| behind - TILE_WIDTH as u64),
            root: self.sha256.root(),
            sm3_root: self.sm3.root(),
        };
        mark.store(&self.marks, &self.files.mark())?;
        self.mark = mark;
        Ok(())
    }

    /// The tree of the last mark, for readers.
    pub(crate) fn tree(&self) -> Result<Tree> {
        assert_eq!(self.mark.size, self.size(), "readers see whole steps only");
        Ok(Tree {
            files: self.files.clone(),
            leaves: Arc::new(self.leaves.try_clone().map_err(ComplianceError::file(&self.files.leaves()))?),
            root: self.mark.root,
            sm3_root: self.mark.sm3_root,
            sha256: self.sha256.clone(),
            sm3: self.sm3.clone(),
            tail: self.tail.clone(),
        })
    }
}

const _: () = assert!(ROW_LEN == 32 + HASH_LEN);
