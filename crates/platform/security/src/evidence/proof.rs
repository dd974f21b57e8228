//! Proofs of inclusion and of consistency (RFC 6962, sections 2.1.1 and 2.1.2), made from tiles and checked by walking.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::error::{EvidenceError, Result};
use super::hash::{Hash, TreeHash, left_size, root_of};
use super::tiles::{TILE_HEIGHT, TILE_WIDTH};

/// Most hashes of a proof: one for each level of a tree of 2^63 leaves.
pub const PROOF_LEN_MAX: usize = 64;
/// Tiles that one proof keeps in memory at most; it needs two for each tile level.
const TILES_KEPT_MAX: usize = 64;

/// Tells the hash of a whole subtree: the one of `2^level` leaves that begins at leaf `index * 2^level`.
pub trait Nodes {
    /// The hash.
    ///
    /// # Errors
    /// If it is not known.
    fn node(&self, level: u32, index: u64) -> Result<Hash>;
}

/// Subtrees from tiles: `read(level, index)` gives the hashes of a tile, full or partial.
pub struct TileNodes<H, F> {
    read: F,
    kept: RefCell<BTreeMap<(u8, u64), Vec<Hash>>>,
    hash: std::marker::PhantomData<fn() -> H>,
}

impl<H: TreeHash, F: Fn(u8, u64) -> Result<Vec<Hash>>> TileNodes<H, F> {
    /// From a reader of tiles.
    pub const fn new(read: F) -> Self {
        Self { read, kept: RefCell::new(BTreeMap::new()), hash: std::marker::PhantomData }
    }
}

impl<H: TreeHash, F: Fn(u8, u64) -> Result<Vec<Hash>>> Nodes for TileNodes<H, F> {
    fn node(&self, level: u32, index: u64) -> Result<Hash> {
        let missing = EvidenceError::Missing { level, index };
        let (tile_level, inside) = ((level / TILE_HEIGHT) as u8, level % TILE_HEIGHT);
        let first = index.checked_shl(inside).ok_or_else(|| missing.clone())?;
        let tile = (tile_level, first / TILE_WIDTH as u64);
        let mut kept = self.kept.borrow_mut();
        if !kept.contains_key(&tile) {
            if kept.len() >= TILES_KEPT_MAX {
                kept.clear();
            }
            kept.insert(tile, (self.read)(tile.0, tile.1)?);
        }
        let first = (first % TILE_WIDTH as u64) as usize;
        let subtree = kept.get(&tile).and_then(|hashes| hashes.get(first..first + (1 << inside))).ok_or(missing)?;
        Ok(root_of::<H>(subtree))
    }
}

/// The root of the leaves from `begin` to `end`, where `begin` is a multiple of the power of two that spans them.
fn root_between<H: TreeHash>(nodes: &impl Nodes, begin: u64, end: u64) -> Result<Hash> {
    let count = end - begin;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return nodes.node(level, begin >> level);
    }
    let left = left_size(count);
    let right = root_between::<H>(nodes, begin + left, end)?;
    Ok(H::node(&nodes.node(left.trailing_zeros(), begin >> left.trailing_zeros())?, &right))
}

/// The root of the first `size` leaves.
///
/// # Errors
/// If the tiles do not hold them.
pub fn range_root<H: TreeHash>(nodes: &impl Nodes, size: u64) -> Result<Hash> {
    if size == 0 { Ok(H::empty()) } else { root_between::<H>(nodes, 0, size) }
}

/// The proof that leaf `index` is in the tree of the first `size` leaves, lowest neighbour first.
///
/// # Errors
/// If there is no such leaf, or the tiles do not hold what is needed.
pub fn inclusion_proof<H: TreeHash>(nodes: &impl Nodes, index: u64, size: u64) -> Result<Vec<Hash>> {
    if index >= size {
        return Err(EvidenceError::Unproven(format!("leaf {index} is not in a tree of {size} leaves")));
    }
    let (mut begin, mut end, mut proof) = (0, size, Vec::new());
    while end - begin > 1 {
        let middle = begin + left_size(end - begin);
        if index < middle {
            proof.push(root_between::<H>(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(root_between::<H>(nodes, begin, middle)?);
            begin = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves; empty if `old` is 0 or they are equal.
///
/// # Errors
/// If `old` is larger, or the tiles do not hold what is needed.
pub fn consistency_proof<H: TreeHash>(nodes: &impl Nodes, old: u64, new: u64) -> Result<Vec<Hash>> {
    if old > new {
        return Err(EvidenceError::Unproven(format!("a tree of {new} leaves does not begin with {old}")));
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    // The old tree's last whole subtree is told only if it is not the old tree itself.
    let (mut begin, mut end, mut whole, mut proof) = (0, new, true, Vec::new());
    while old != end {
        let middle = begin + left_size(end - begin);
        if old <= middle {
            proof.push(root_between::<H>(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(root_between::<H>(nodes, begin, middle)?);
            (begin, whole) = (middle, false);
        }
    }
    if !whole {
        proof.push(root_between::<H>(nodes, begin, end)?);
    }
    proof.reverse();
    Ok(proof)
}

fn unproven(why: impl Into<String>) -> EvidenceError {
    EvidenceError::Unproven(why.into())
}

/// Checks that the leaf with hash `leaf` stands at `index` in the tree of `size` leaves with this root.
///
/// # Errors
/// If it does not, or the proof is too long or too short.
pub fn verify_inclusion<H: TreeHash>(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<()> {
    if index >= size {
        return Err(unproven(format!("leaf {index} is not in a tree of {size} leaves")));
    }
    if proof.len() > PROOF_LEN_MAX {
        return Err(unproven("the proof is too long"));
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for neighbour in proof {
        if last == 0 {
            return Err(unproven("the proof of inclusion is too long"));
        }
        if at % 2 == 1 || at == last {
            hash = H::node(neighbour, &hash);
            // At the right edge there is no neighbour on levels where the tree has none.
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            hash = H::node(&hash, neighbour);
        }
        (at, last) = (at / 2, last / 2);
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(unproven("the proof of inclusion does not lead to the root")),
        _ => Err(unproven("the proof of inclusion is too short")),
    }
}

/// Checks that the tree of `new` leaves begins with the tree of `old` leaves. Each is its size and its root.
///
/// # Errors
/// If it does not, or the proof is too long or too short.
pub fn verify_consistency<H: TreeHash>(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> Result<()> {
    let ((old, old_root), (new, new_root)) = (old, new);
    if old > new {
        return Err(unproven(format!("a tree of {new} leaves does not begin with {old}")));
    }
    if old == 0 || old == new {
        let same = old == 0 || old_root == new_root;
        let empty = old != 0 || *old_root == H::empty();
        return if proof.is_empty() && same && empty { Ok(()) } else { Err(unproven("two trees of one size differ")) };
    }
    if proof.len() > PROOF_LEN_MAX {
        return Err(unproven("the proof is too long"));
    }
    let (first, rest) = match proof.split_first() {
        _ if old.is_power_of_two() => (*old_root, proof),
        Some((first, rest)) => (*first, rest),
        None => return Err(unproven("the proof of consistency is empty")),
    };
    let (mut at, mut last) = (old - 1, new - 1);
    while at % 2 == 1 {
        (at, last) = (at / 2, last / 2);
    }
    let (mut of_old, mut of_new) = (first, first);
    for neighbour in rest {
        if last == 0 {
            return Err(unproven("the proof of consistency is too long"));
        }
        if at % 2 == 1 || at == last {
            of_old = H::node(neighbour, &of_old);
            of_new = H::node(neighbour, &of_new);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            of_new = H::node(&of_new, neighbour);
        }
        (at, last) = (at / 2, last / 2);
    }
    match (last == 0, of_old == *old_root, of_new == *new_root) {
        (true, true, true) => Ok(()),
        (false, ..) => Err(unproven("the proof of consistency is too short")),
        (_, false, _) => Err(unproven("the proof of consistency does not lead to the old root")),
        (_, _, false) => Err(unproven("the proof of consistency does not lead to the new root")),
    }
}
