//! What strangers hand to the evidence log and its witnesses: notes, checkpoints, keys, requests, tiles, paths, bundles,
//! records; each is refused or read, and what is read is written again as the same bytes.
#![no_main]

use heng_compliance::{EvidenceBundle, Record};
use heng_security::evidence::{
    Checkpoint, SignedNote, SubmitRequest, TilePath, VerifierKey, check_bundle, entries_of, entry_bundle, tile_hashes,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = SignedNote::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
    }
    if let Ok(request) = SubmitRequest::parse(bytes) {
        assert_eq!(request.body().as_bytes(), bytes);
    }
    if let Ok(entries) = entries_of(bytes) {
        assert_eq!(entry_bundle(&entries), bytes);
    }
    if let Ok(hashes) = tile_hashes(bytes) {
        assert_eq!(hashes.concat(), bytes);
    }
    let _ = Record::read(bytes).map(|record| record.show());
    if let Ok(bundle) = EvidenceBundle::parse(bytes).and_then(|file| file.bundle()) {
        assert!(!check_bundle(&bundle, &[]).findings.is_empty(), "nobody has signed it");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(checkpoint) = Checkpoint::parse(text) {
        assert_eq!(checkpoint.to_string(), text);
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(path) = text.parse::<TilePath>() {
        assert_eq!(path.to_string(), text);
    }
});
