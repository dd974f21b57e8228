//! The evidence log without its disk: leaves a second, from record to tiles of both trees, and the time of a proof.
//!
//! A leaf is one salt (HMAC), one commitment over a record of 200 bytes, one leaf in the SHA-256 tree and one in the SM3
//! tree, with all tiles and bundles that become full made as bytes. A proof is one of inclusion in each tree, for a
//! random leaf, from tiles in memory that are not yet hashed together.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use heng_security::evidence::{
    EdgeTiles, EvidenceError, FullTile, Hash, Sha256Tree, Sm3Tree, TILE_WIDTH, TileNodes, TreeHash, commitment,
    entry_bundle, inclusion_proof, salt,
};
use serde::Serialize;

/// Bytes of a record: an order that was placed and joined the book.
const RECORD_LEN: usize = 200;
/// Proofs that are timed.
const PROOFS: u64 = 2_000;

/// What was measured.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct EvidenceFigures {
    /// Median of the runs, on one thread.
    pub(crate) evidence_leaves_per_s: u64,
    /// Leaves of one run, and of the tree that is proven from.
    pub(crate) evidence_leaves: u64,
    /// Runs.
    pub(crate) evidence_runs: usize,
    /// Median time of the proofs of a leaf in both trees.
    pub(crate) evidence_proof_us_p50: u64,
    /// 99th percentile of them.
    pub(crate) evidence_proof_us_p99: u64,
    /// Longest of them.
    pub(crate) evidence_proof_us_max: u64,
}

/// The full tiles of a tree.
type Tiles = BTreeMap<(u8, u64), Vec<Hash>>;

#[derive(Default)]
struct Log {
    sha256: EdgeTiles<Sha256Tree>,
    sm3: EdgeTiles<Sm3Tree>,
    tiles: [Tiles; 2],
    tail: Vec<Hash>,
    bytes: u64,
}

fn keep(tiles: &mut Tiles, bytes: &mut u64, tile: FullTile) {
    *bytes += black_box(tile.hashes.concat()).len() as u64;
    tiles.insert((tile.level, tile.index), tile.hashes);
}

impl Log {
    fn append(&mut self, key: &[u8; 32], number: u64, record: &[u8]) {
        let entry = commitment(&salt(key, number, number % 1_000), record);
        let ([sha256, sm3], bytes) = (&mut self.tiles, &mut self.bytes);
        self.sha256.append(&entry, |tile| keep(sha256, bytes, tile));
        self.sm3.append(&entry, |tile| keep(sm3, bytes, tile));
        self.tail.push(entry);
        if self.tail.len() == TILE_WIDTH {
            *bytes += black_box(entry_bundle(&self.tail)).len() as u64;
            self.tail.clear();
        }
    }
}

fn fill(leaves: u64) -> (Log, Duration) {
    let (mut log, mut record, key) = (Log::default(), [0; RECORD_LEN], [7; 32]);
    let began = Instant::now();
    for number in 0..leaves {
        record[..8].copy_from_slice(&number.to_le_bytes());
        log.append(&key, number, &record);
    }
    black_box((log.sha256.root(), log.sm3.root()));
    (log, began.elapsed())
}

fn prove<H: TreeHash>(edge: &EdgeTiles<H>, tiles: &Tiles, index: u64) -> Vec<Hash> {
    let read = |level: u8, at: u64| {
        let partial = || edge.partial(level).to_vec();
        Ok::<_, EvidenceError>(tiles.get(&(level, at)).cloned().unwrap_or_else(partial))
    };
    let proof = inclusion_proof::<H>(&TileNodes::<H, _>::new(read), index, edge.size());
    proof.expect("the tree holds all its leaves")
}

/// Measures; `quick` takes a second or two.
pub(crate) fn measure(quick: bool) -> EvidenceFigures {
    let (leaves, runs) = if quick { (200_000, 3) } else { (1_000_000, 5) };
    let mut rates: Vec<u64> = Vec::new();
    let mut last = Log::default();
    for _ in 0..runs {
        let (log, took) = fill(leaves);
        rates.push((leaves as f64 / took.as_secs_f64()) as u64);
        last = log;
    }
    rates.sort_unstable();
    let mut times: Vec<u64> = (0..PROOFS)
        .map(|number| {
            // Spread over the whole tree by a number that shares no divisor with its size.
            let index = number.wrapping_mul(2_654_435_761) % leaves;
            let began = Instant::now();
            black_box(prove(&last.sha256, &last.tiles[0], index));
            black_box(prove(&last.sm3, &last.tiles[1], index));
            u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
        })
        .collect();
    times.sort_unstable();
    EvidenceFigures {
        evidence_leaves_per_s: rates[runs / 2],
        evidence_leaves: leaves,
        evidence_runs: runs,
        evidence_proof_us_p50: times[times.len() / 2],
        evidence_proof_us_p99: times[times.len() * 99 / 100],
        evidence_proof_us_max: times[times.len() - 1],
    }
}
