//! The Merkle log of commitments: proof, long afterwards and to strangers, of what was recorded and that nothing was
//! changed since.
//!
//! Entry points: [`EdgeTiles`] takes leaves and gives tiles and roots; [`inclusion_proof`], [`consistency_proof`] make
//! proofs from tiles, [`verify_inclusion`], [`verify_consistency`] check them (RFC 6962, section 2.1);
//! [`TilePath`] and [`entry_bundle`] are C2SP tlog-tiles; [`SignedNote`], [`VerifierKey`] and [`NoteSigner`] C2SP
//! signed-note; [`Checkpoint`] C2SP tlog-checkpoint with a second root in SM3; [`review`] is the judgement of a C2SP
//! tlog-witness, [`cosign`] its signature; [`commitment`] hides a record, [`check_bundle`] checks a whole proof.
//!
//! *Invariant:* an entry of the tree is a commitment, 32 bytes; nothing here puts a record or a salt into a tile.
//! *Invariant:* both trees hold the same entries in the same order; they differ in the hash function only.
//! *Invariant:* a full tile never changes again.
//! *Invariant:* bytes from outside are bounded, never panic, and are refused with their place and the reason.
//!
//! Deliberately absent: files, SQL, clocks, random numbers, threads (the role `compliance` has them); JSON.

mod bundle;
mod checkpoint;
mod commit;
mod error;
mod hash;
mod keys;
mod note;
mod proof;
mod text;
mod tiles;
mod tree;
mod witness;

pub use bundle::{BUNDLE_LEAVES_MAX, Bundle, Finding, ProvedLeaf, Report, check_bundle};
pub use checkpoint::{Checkpoint, SM3_EXTENSION};
pub use commit::{KEY_LEN, SALT_LEN, commitment, salt};
pub use error::{EvidenceError, Result};
pub use hash::{HASH_LEN, Hash, Sha256Tree, Sm3Tree, TreeHash, hex, root_of};
pub use keys::{Algorithm, NoteSigner, SECRET_LEN, VerifierKey};
pub use note::{NOTE_BYTES_MAX, SIGNATURES_MAX, SignatureLine, SignedNote};
pub use proof::{
    Nodes, PROOF_LEN_MAX, TileNodes, consistency_proof, inclusion_proof, range_root, verify_consistency,
    verify_inclusion,
};
pub use text::{base64_hash, hash_from_base64};
pub use tiles::{
    ENTRIES_BYTES_MAX, TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, TileKind, TilePath, entries_of, entry_bundle,
    partial_width, tile_hashes,
};
pub use tree::{EdgeTiles, FullTile};
pub use witness::{Cosigned, SubmitRequest, Verdict, cosign, review};
