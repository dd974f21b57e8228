//! The tree against a naive one written from RFC 6962's words, against a crate of other authors, and against noise.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use heng_security::evidence::{
    Algorithm, Bundle, Checkpoint, EdgeTiles, EvidenceError, Hash, NoteSigner, ProvedLeaf, Sha256Tree, SignedNote,
    Sm3Tree, SubmitRequest, TileNodes, TilePath, TreeHash, VerifierKey, check_bundle, commitment, consistency_proof,
    entries_of, entry_bundle, hash_from_base64, inclusion_proof, range_root, salt, tile_hashes, verify_consistency,
    verify_inclusion,
};
use proptest::prelude::*;
use sha2::Sha256;
use std::collections::BTreeMap;

// ------------------------------------------------------------------ the naive tree, as RFC 6962 tells it

/// The largest power of two smaller than `n`.
fn k(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// MTH(D[n]), section 2.1.
fn mth<H: TreeHash>(d: &[Vec<u8>]) -> Hash {
    match d.len() {
        0 => H::empty(),
        1 => H::leaf(&d[0]),
        n => H::node(&mth::<H>(&d[..k(n)]), &mth::<H>(&d[k(n)..])),
    }
}

/// PATH(m, D[n]), section 2.1.1.
fn path<H: TreeHash>(m: usize, d: &[Vec<u8>]) -> Vec<Hash> {
    let n = d.len();
    if n == 1 {
        return Vec::new();
    }
    let (mut path, other) = if m < k(n) {
        (path::<H>(m, &d[..k(n)]), mth::<H>(&d[k(n)..]))
    } else {
        (path::<H>(m - k(n), &d[k(n)..]), mth::<H>(&d[..k(n)]))
    };
    path.push(other);
    path
}

/// SUBPROOF(m, D[n], b), section 2.1.2.
fn subproof<H: TreeHash>(m: usize, d: &[Vec<u8>], b: bool) -> Vec<Hash> {
    let n = d.len();
    if m == n {
        return if b { Vec::new() } else { vec![mth::<H>(d)] };
    }
    let (mut proof, other) = if m <= k(n) {
        (subproof::<H>(m, &d[..k(n)], b), mth::<H>(&d[k(n)..]))
    } else {
        (subproof::<H>(m - k(n), &d[k(n)..], false), mth::<H>(&d[..k(n)]))
    };
    proof.push(other);
    proof
}

// ------------------------------------------------------------------ ours, from tiles

/// A tree whose tiles are kept in memory.
struct Kept<H> {
    edge: EdgeTiles<H>,
    full: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl<H: TreeHash> Kept<H> {
    fn of(entries: &[Vec<u8>]) -> Self {
        let (mut edge, mut full) = (EdgeTiles::default(), BTreeMap::new());
        for entry in entries {
            edge.append(entry, |tile| {
                full.insert((tile.level, tile.index), tile.hashes);
            });
        }
        Self { edge, full }
    }

    fn nodes(&self) -> TileNodes<H, impl Fn(u8, u64) -> Result<Vec<Hash>, EvidenceError> + '_> {
        TileNodes::new(|level, index| {
            Ok(self.full.get(&(level, index)).cloned().unwrap_or_else(|| self.edge.partial(level).to_vec()))
        })
    }
}

fn entries(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("entry {number}").into_bytes()).collect()
}

fn check_against_the_naive_tree<H: TreeHash>(size: usize, places: &[usize]) {
    let entries = entries(size);
    let tree = Kept::<H>::of(&entries);
    let root = mth::<H>(&entries);
    assert_eq!(tree.edge.root(), root, "size {size}");
    for at in places.iter().map(|place| place % size) {
        let proof = inclusion_proof::<H>(&tree.nodes(), at as u64, size as u64).unwrap();
        assert_eq!(proof, path::<H>(at, &entries), "leaf {at} of {size}");
        let leaf = H::leaf(&entries[at]);
        assert_eq!(verify_inclusion::<H>(&leaf, at as u64, size as u64, &proof, &root), Ok(()));
        let old = at + 1;
        let old_root = mth::<H>(&entries[..old]);
        assert_eq!(range_root::<H>(&tree.nodes(), old as u64), Ok(old_root));
        let proof = consistency_proof::<H>(&tree.nodes(), old as u64, size as u64).unwrap();
        assert_eq!(proof, subproof::<H>(old, &entries, true), "{old} in {size}");
        assert_eq!(verify_consistency::<H>((old as u64, &old_root), (size as u64, &root), &proof), Ok(()));
    }
}

#[test]
fn small_trees_are_those_of_the_rfc() {
    for size in 1..70 {
        let places: Vec<usize> = (0..size).collect();
        check_against_the_naive_tree::<Sha256Tree>(size, &places);
        check_against_the_naive_tree::<Sm3Tree>(size, &places);
    }
}

#[test]
fn trees_of_many_tiles_are_those_of_the_rfc() {
    for size in [255, 256, 257, 511, 512, 1_000, 65_535, 65_536, 65_537, 70_000] {
        check_against_the_naive_tree::<Sha256Tree>(size, &[0, 1, 255, 256, size / 2, size - 2, size - 1]);
    }
}

#[test]
fn a_crate_of_others_agrees() {
    let entries = entries(300);
    for size in [1, 2, 3, 7, 8, 100, 256, 257, 300] {
        let (ours, mut theirs) = (Kept::<Sha256Tree>::of(&entries[..size]), MemoryBackedTree::<Sha256, Vec<u8>>::new());
        entries[..size].iter().for_each(|entry| theirs.push(entry.clone()));
        let their_root = theirs.root();
        assert_eq!(their_root.as_bytes().as_slice(), ours.edge.root());
        for at in [0, size / 3, size / 2, size - 1] {
            let proof = inclusion_proof::<Sha256Tree>(&ours.nodes(), at as u64, size as u64).unwrap();
            assert_eq!(theirs.prove_inclusion(at).as_bytes(), proof.concat());
            let old = at + 1;
            let proof = consistency_proof::<Sha256Tree>(&ours.nodes(), old as u64, size as u64).unwrap();
            if old < size {
                assert_eq!(theirs.prove_consistency(size - old).as_bytes(), proof.concat());
            }
        }
    }
}

// ------------------------------------------------------------------ bundles

fn keys() -> [NoteSigner; 3] {
    [("log", Algorithm::Ed25519), ("log/sm2", Algorithm::Sm2), ("w1", Algorithm::Cosignature)]
        .map(|(name, algorithm)| NoteSigner::new(name, algorithm, [3; 32]).unwrap())
}

fn verifiers() -> Vec<VerifierKey> {
    keys().iter().map(|key| key.verifier().clone()).collect()
}

fn signed(size: u64, root: Hash, sm3_root: Hash) -> SignedNote {
    let text = Checkpoint::new("log", size, root, sm3_root).to_string();
    let signatures = keys().iter().map(|key| key.sign(&text, 1_700_000_000).unwrap()).collect();
    SignedNote { text, signatures }
}

/// Leaves 3 and 500 of 600, the second without its record; and the checkpoint at 400.
fn bundle() -> Bundle {
    let records: Vec<Vec<u8>> = (0..600).map(|number| format!("record {number}").into_bytes()).collect();
    let salts: Vec<[u8; 32]> = (0..600).map(|number| salt(&[9; 32], number, 1)).collect();
    let entries: Vec<Vec<u8>> =
        records.iter().zip(&salts).map(|(record, salt)| commitment(salt, record).to_vec()).collect();
    let (tree, sm3) = (Kept::<Sha256Tree>::of(&entries), Kept::<Sm3Tree>::of(&entries));
    let leaf = |index: usize, open: bool| ProvedLeaf {
        index: index as u64,
        commitment: entries[index].clone().try_into().unwrap(),
        opening: open.then(|| (salts[index], records[index].clone())),
        proof: inclusion_proof::<Sha256Tree>(&tree.nodes(), index as u64, 600).unwrap(),
        sm3_proof: inclusion_proof::<Sm3Tree>(&sm3.nodes(), index as u64, 600).unwrap(),
    };
    let earlier = signed(400, mth::<Sha256Tree>(&entries[..400]), mth::<Sm3Tree>(&entries[..400]));
    let proof = consistency_proof::<Sha256Tree>(&tree.nodes(), 400, 600).unwrap();
    Bundle {
        note: signed(600, tree.edge.root(), sm3.edge.root()),
        earlier: Some((earlier, proof)),
        leaves: vec![leaf(3, true), leaf(500, false)],
    }
}

#[test]
fn a_good_bundle_is_proven() {
    let report = check_bundle(&bundle(), &verifiers());
    assert_eq!(report.findings, []);
    assert_eq!((report.size, report.opened, report.closed), (600, 1, 1));
    assert_eq!(report.signed_by, ["log", "log/sm2", "w1"]);
}

#[test]
fn what_was_changed_is_told_with_its_place() {
    let check = |place: &str, change: &dyn Fn(&mut Bundle)| {
        let mut bundle = bundle();
        change(&mut bundle);
        let findings = check_bundle(&bundle, &verifiers()).findings;
        assert!(findings.iter().any(|finding| finding.place == place), "{place}: {findings:?}");
    };
    check("leaves[0]", &|bundle| bundle.leaves[0].opening.as_mut().unwrap().1[2] ^= 1);
    check("leaves[0]", &|bundle| bundle.leaves[0].opening.as_mut().unwrap().0[2] ^= 1);
    check("leaves[0].proof", &|bundle| bundle.leaves[0].index += 1);
    check("leaves[1].proof", &|bundle| bundle.leaves[1].proof[4][9] ^= 4);
    check("leaves[1].proof", &|bundle| bundle.leaves[1].proof.truncate(4));
    check("leaves[1].proof", &|bundle| bundle.leaves[1].proof.push([0; 32]));
    check("leaves[1].sm3_proof", &|bundle| bundle.leaves[1].sm3_proof[4][9] ^= 4);
    check("leaves[1].proof", &|bundle| bundle.leaves[1].commitment[0] ^= 1);
    check("earlier.consistency", &|bundle| bundle.earlier.as_mut().unwrap().1[0][0] ^= 1);
    check("checkpoint", &|bundle| bundle.note.text = bundle.note.text.replace("600", "601"));
    check("checkpoint", &|bundle| {
        bundle.note.signatures.pop();
    });
    check("earlier", &|bundle| bundle.earlier.as_mut().unwrap().0.text = "other\n1\n".into());
}

// ------------------------------------------------------------------ noise

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn proofs_of_any_tree_hold_and_changed_ones_do_not(
        size in 2usize..600, place in any::<prop::sample::Index>(), bit in 0usize..256, at in any::<prop::sample::Index>(),
    ) {
        let entries = entries(size);
        let tree = Kept::<Sha256Tree>::of(&entries);
        let (index, root) = (place.index(size), tree.edge.root());
        let mut proof = inclusion_proof::<Sha256Tree>(&tree.nodes(), index as u64, size as u64).unwrap();
        let leaf = Sha256Tree::leaf(&entries[index]);
        prop_assert!(verify_inclusion::<Sha256Tree>(&leaf, index as u64, size as u64, &proof, &root).is_ok());
        let changed = at.index(proof.len());
        proof[changed][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_inclusion::<Sha256Tree>(&leaf, index as u64, size as u64, &proof, &root).is_err());
        let old = place.index(size - 1) + 1;
        let old_root = range_root::<Sha256Tree>(&tree.nodes(), old as u64).unwrap();
        let mut proof = consistency_proof::<Sha256Tree>(&tree.nodes(), old as u64, size as u64).unwrap();
        let (then, now) = ((old as u64, &old_root), (size as u64, &root));
        prop_assert!(verify_consistency::<Sha256Tree>(then, now, &proof).is_ok());
        let changed = at.index(proof.len());
        proof[changed][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_consistency::<Sha256Tree>(then, now, &proof).is_err());
    }

    #[test]
    fn no_proof_of_noise_holds(
        index in any::<u64>(), size in any::<u64>(), old in any::<u64>(), proof in prop::collection::vec(any::<[u8; 32]>(), 0..70),
    ) {
        let (leaf, root) = ([1; 32], [2; 32]);
        prop_assert!(verify_inclusion::<Sha256Tree>(&leaf, index, size, &proof, &root).is_err());
        prop_assert!(verify_consistency::<Sha256Tree>((old, &leaf), (size, &root), &proof).is_err());
    }

    #[test]
    fn noise_is_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), text in ".{0,200}") {
        let _ = SignedNote::parse(&bytes);
        let _ = SubmitRequest::parse(&bytes);
        let _ = tile_hashes(&bytes);
        let _ = entries_of(&bytes);
        let _ = SignedNote::parse(text.as_bytes());
        let _ = Checkpoint::parse(&text);
        let _ = text.parse::<VerifierKey>();
        let _ = text.parse::<TilePath>();
        let _ = hash_from_base64(&text);
    }

    #[test]
    fn changed_requests_and_notes_never_panic_and_never_count(at in 0usize..10_000, mask in 1u8..=255) {
        let note = signed(600, [1; 32], [2; 32]);
        let mut bytes = note.to_string().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= mask;
        let counted = SignedNote::parse(&bytes).and_then(|note| note.verify(&verifiers()).map(|signed| signed.len()));
        prop_assert_ne!(counted, Ok(3));
        // What is read all the same is read as what it is: one form for one value.
        if let Ok(read) = SignedNote::parse(&bytes) {
            prop_assert_eq!(read.to_string().into_bytes(), bytes);
        }
        let mut body = SubmitRequest { old_size: 5, proof: vec![[7; 32]], note }.body().into_bytes();
        body[at] ^= mask;
        if let Ok(read) = SubmitRequest::parse(&body) {
            prop_assert_eq!(read.body().into_bytes(), body);
        }
    }

    #[test]
    fn paths_of_tiles_have_one_form(index in any::<u64>(), level in 0u8..8, width in 1u16..=256, entries in any::<bool>()) {
        use heng_security::evidence::TileKind;
        let kind = if entries { TileKind::Entries } else { TileKind::Level(level) };
        let path = TilePath { kind, index, width };
        prop_assert_eq!(path.to_string().parse::<TilePath>(), Ok(path));
    }

    #[test]
    fn bundles_of_entries_are_read_again(entries in prop::collection::vec(any::<[u8; 32]>(), 1..256)) {
        prop_assert_eq!(entries_of(&entry_bundle(&entries)), Ok(entries));
    }
}
