//! The growing edge of a tree: the rightmost tile of every level, in memory.

use super::error::{Result, malformed};
use super::hash::{Hash, TreeHash, root_of};
use super::tiles::{TILE_WIDTH, partial_width};
use std::marker::PhantomData;

/// Tile levels that 2^63 leaves need.
const LEVELS_MAX: usize = 8;

/// A tile that is full and will never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullTile {
    /// Tile level.
    pub level: u8,
    /// Index within the level.
    pub index: u64,
    /// Its 256 hashes.
    pub hashes: Vec<Hash>,
}

/// The rightmost, not yet full tiles of a tree, from which it goes on.
#[derive(Clone, Debug)]
pub struct EdgeTiles<H> {
    size: u64,
    levels: [Vec<Hash>; LEVELS_MAX],
    hash: PhantomData<fn() -> H>,
}

impl<H: TreeHash> Default for EdgeTiles<H> {
    fn default() -> Self {
        Self { size: 0, levels: std::array::from_fn(|_| Vec::with_capacity(TILE_WIDTH)), hash: PhantomData }
    }
}

impl<H: TreeHash> EdgeTiles<H> {
    /// The edge of a tree of `size` leaves from its partial tiles, lowest level first; missing ones are empty.
    ///
    /// # Errors
    /// If a level has another width than such a tree has.
    pub fn resume(size: u64, partial: &[Vec<Hash>]) -> Result<Self> {
        let mut edge = Self { size, ..Self::default() };
        for level in 0..LEVELS_MAX {
            let found = partial.get(level).map_or(&[][..], Vec::as_slice);
            let wanted = usize::from(partial_width(level as u8, size));
            if found.len() != wanted {
                let why = format!("level {level} has {} hashes, a tree of {size} leaves has {wanted}", found.len());
                return Err(malformed("the edge of a tree", why));
            }
            edge.levels[level].extend_from_slice(found);
        }
        Ok(edge)
    }

    /// Number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The partial tile of `level`; empty if there is none.
    #[must_use]
    pub fn partial(&self, level: u8) -> &[Hash] {
        self.levels.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }

    /// Appends a leaf that holds `entry`; tiles that become full by it are handed to `full`, lowest level first.
    ///
    /// # Panics
    /// At 2^63 leaves.
    pub fn append(&mut self, entry: &[u8], full: impl FnMut(FullTile)) {
        self.append_hash(H::leaf(entry), full);
    }

    /// The same with the hash of the leaf.
    ///
    /// # Panics
    /// At 2^63 leaves.
    pub fn append_hash(&mut self, leaf: Hash, mut full: impl FnMut(FullTile)) {
        assert!(self.size < i64::MAX.cast_unsigned(), "a log that long was not lived to see");
        self.size += 1;
        let (mut hash, mut count) = (leaf, self.size);
        for (level, tile) in (0u8..).zip(&mut self.levels) {
            tile.push(hash);
            if tile.len() < TILE_WIDTH {
                return;
            }
            hash = root_of::<H>(tile);
            count /= TILE_WIDTH as u64;
            full(FullTile { level, index: count - 1, hashes: std::mem::replace(tile, Vec::with_capacity(TILE_WIDTH)) });
        }
    }

    /// The root of all leaves so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut right: Option<Hash> = None;
        for tile in &self.levels {
            // The hashes of a partial tile are whole subtrees of sizes that fall by powers of two from left to right.
            let mut rest = tile.as_slice();
            while !rest.is_empty() {
                let (before, subtree) = rest.split_at(rest.len() - (1 << rest.len().trailing_zeros()));
                let left = root_of::<H>(subtree);
                right = Some(right.map_or(left, |right| H::node(&left, &right)));
                rest = before;
            }
        }
        right.unwrap_or_else(H::empty)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::Sha256Tree;
    use super::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|number| Sha256Tree::leaf(&number.to_be_bytes())).collect()
    }

    #[test]
    fn roots_are_those_of_the_whole_tree() {
        let all = leaves(70_000);
        let mut edge = EdgeTiles::<Sha256Tree>::default();
        assert_eq!(edge.root(), Sha256Tree::empty());
        let mut full = Vec::new();
        for (size, leaf) in (1u64..).zip(&all) {
            edge.append_hash(*leaf, |tile| full.push(tile));
            if size < 600 || size % 4_096 < 2 || size == 70_000 {
                assert_eq!(edge.root(), root_of::<Sha256Tree>(&all[..size as usize]), "{size}");
            }
        }
        let counts = [0, 1, 2].map(|level| full.iter().filter(|tile| tile.level == level).count());
        assert_eq!(counts, [273, 1, 0]);
        assert_eq!(full[272].index, 271, "the full tile of level 1 comes in between");
        assert_eq!([0, 1, 2].map(|level| edge.partial(level).len()), [112, 17, 1]);
        let partial: Vec<Vec<Hash>> = (0..8).map(|level| edge.partial(level).to_vec()).collect();
        let again = EdgeTiles::<Sha256Tree>::resume(70_000, &partial).unwrap();
        assert_eq!(again.root(), edge.root());
        assert!(EdgeTiles::<Sha256Tree>::resume(70_001, &partial).is_err());
    }
}
