//! The hashes of RFC 6962, section 2.1: a byte before a leaf and another before a node, so that neither can be taken
//! for the other. The same shape over SHA-256 and over SM3 (GB/T 32905).

use sha2::{Digest as _, Sha256};

/// Bytes of a hash; SHA-256 and SM3 are alike in this.
pub const HASH_LEN: usize = 32;
/// A hash.
pub type Hash = [u8; HASH_LEN];

const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

/// A hash function with the prefixes of a Merkle tree.
pub trait TreeHash: Send + Sync + 'static {
    /// The root of no leaves.
    fn empty() -> Hash;
    /// The hash of a leaf that holds `entry`.
    fn leaf(entry: &[u8]) -> Hash;
    /// The hash of two neighbours.
    fn node(left: &Hash, right: &Hash) -> Hash;
}

/// SHA-256, the hash that tlog-tiles prescribes.
#[derive(Clone, Copy, Debug)]
pub struct Sha256Tree;

/// SM3, for whoever must rely on it alone.
#[derive(Clone, Copy, Debug)]
pub struct Sm3Tree;

impl TreeHash for Sha256Tree {
    fn empty() -> Hash {
        sha256(&[])
    }

    fn leaf(entry: &[u8]) -> Hash {
        sha256(&[&LEAF, entry])
    }

    fn node(left: &Hash, right: &Hash) -> Hash {
        sha256(&[&NODE, left, right])
    }
}

impl TreeHash for Sm3Tree {
    fn empty() -> Hash {
        sm3(&[])
    }

    fn leaf(entry: &[u8]) -> Hash {
        sm3(&[&LEAF, entry])
    }

    fn node(left: &Hash, right: &Hash) -> Hash {
        sm3(&[&NODE, left, right])
    }
}

/// SHA-256 over the pieces, one behind the other.
pub(super) fn sha256(pieces: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    pieces.iter().for_each(|piece| hasher.update(piece));
    hasher.finalize().into()
}

/// SM3 over the pieces, one behind the other. The one place where this module meets a provider of SM3.
fn sm3(pieces: &[&[u8]]) -> Hash {
    crate::sm::sm3::hash(pieces)
}

/// The root of a few leaf hashes, all in memory: the tree of RFC 6962 over them.
#[must_use]
pub fn root_of<H: TreeHash>(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => H::empty(),
        [one] => *one,
        more => {
            let (left, right) = more.split_at(left_size(more.len() as u64) as usize);
            H::node(&root_of::<H>(left), &root_of::<H>(right))
        }
    }
}

/// The largest power of two below `size`, which is at least 2: how many leaves stand left of the root.
pub(super) const fn left_size(size: u64) -> u64 {
    debug_assert!(size >= 2);
    1 << (63 - (size - 1).leading_zeros())
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|four| char::from_digit(four.into(), 16).unwrap_or('?'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_has_the_hash_of_nothing() {
        // RFC 6962, section 2.1: the hash of an empty list is the hash of an empty string.
        let told = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&Sha256Tree::empty()), told);
        // GB/T 32905: SM3 of nothing.
        let told = "1ab21d8355cfa17f8e61194831e81a8f22bec8c728fefb747ed035eb5082aa2b";
        assert_eq!(hex(&Sm3Tree::empty()), told);
    }

    #[test]
    fn leaves_and_nodes_are_told_apart() {
        let (a, b) = (Sha256Tree::leaf(b"a"), Sha256Tree::leaf(b"b"));
        let joined = [&[1][..], &a, &b].concat();
        assert_eq!(Sha256Tree::node(&a, &b), sha256(&[&joined]));
        assert_ne!(Sha256Tree::node(&a, &b), Sha256Tree::leaf(&joined[1..]));
        // A leaf of nothing is the hash of the single byte 0.
        let told = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(hex(&Sha256Tree::leaf(b"")), told);
    }

    #[test]
    fn sm3_gives_the_value_of_the_standard() {
        // GB/T 32905-2016, annex A.1.
        assert_eq!(hex(&sm3(&[b"a", b"bc"])), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0");
    }

    #[test]
    fn the_left_side_is_the_largest_power_of_two() {
        let found: Vec<u64> = [2, 3, 4, 5, 8, 9, 1 << 40].map(left_size).to_vec();
        assert_eq!(found, [1, 2, 2, 4, 4, 8, 1 << 39]);
    }
}
