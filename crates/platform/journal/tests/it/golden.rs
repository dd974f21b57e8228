//! Golden bytes: the first format, byte for byte, with its chain head.
//!
//! `UPDATE_EXPECT=1` rewrites them; a released format is never rewritten, it gets a successor.

use heng_journal::{
    Check, Journal, JournalOptions, JournalReader, OsStorage, Preallocation, Quarantine, RecordKind, SimStorage,
    Storage, verify,
};
use std::fs;
use std::path::{Path, PathBuf};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fixtures/journal/v1")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A journal of all kinds over four segments, as version 1 writes it.
fn write_example(sim: &SimStorage, dir: &Path) -> String {
    let options = JournalOptions { partition: 7, key_id: 0, segment_bytes: 1024, preallocation: Preallocation::Grow };
    let (mut journal, _) = Journal::open(sim.shared(), dir, options).unwrap();
    journal.append(1, 1, RecordKind::Blank, b"").unwrap();
    journal.append(1, 1, RecordKind::Membership, b"one two three").unwrap();
    journal.sync().unwrap();
    for n in 0u8..10 {
        journal.append(1, 1, RecordKind::Commands, &[n; 150]).unwrap();
    }
    journal.sync().unwrap();
    journal.append(2, 1, RecordKind::Level, &[2]).unwrap();
    let quarantine = Quarantine {
        sequence: 1234,
        reason: "aborts the core".to_owned(),
        approvers: ["li".to_owned(), "wang".to_owned()],
    };
    journal.append_quarantine(3, 2, &quarantine).unwrap();
    journal.sync().unwrap();
    journal.append(3, 2, RecordKind::Commands, b"not synced").unwrap();
    hex(&journal.chain_head())
}

#[test]
fn version_1_is_written_byte_for_byte() {
    let sim = SimStorage::new();
    let dir = Path::new("/golden");
    let head = write_example(&sim, dir);
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    if update {
        fs::create_dir_all(fixture()).unwrap();
        fs::write(fixture().join("chain-head.txt"), format!("{head}\n")).unwrap();
    }
    let recorded = fs::read_to_string(fixture().join("chain-head.txt")).unwrap();
    assert_eq!(head, recorded.trim());
    let names = sim.list(dir).unwrap();
    let names: Vec<_> = names.iter().filter(|name| name.ends_with(".seg")).collect();
    assert_eq!(names.len(), 4);
    for name in names {
        let bytes = sim.bytes_of(&dir.join(name)).unwrap();
        if update {
            fs::write(fixture().join(name), &bytes).unwrap();
        }
        assert!(bytes == fs::read(fixture().join(name)).unwrap(), "{name} differs");
    }
}

#[test]
fn version_1_is_read_to_its_recorded_chain_head() {
    let recorded = fs::read_to_string(fixture().join("chain-head.txt")).unwrap();
    let found = verify(&OsStorage, &fixture()).unwrap().unwrap();
    assert_eq!(hex(&found.chain_head), recorded.trim());
    assert_eq!((found.partition, found.last_index, found.torn), (7, 15, None));
    assert_eq!(found.quarantined[0].sequence, 1234);
    let reader = JournalReader::open(OsStorage::shared(), &fixture(), 1, Check::Chain).unwrap();
    let records: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(records[1].payload, b"one two three");
    assert_eq!((records[11].payload[0], records[11].payload.len()), (9, 150));
    assert_eq!((records[14].term, records[14].level), (3, 2));
    assert_eq!(records[14].payload, b"not synced");
}

/// The documented offsets, read without the crate's own decoder.
#[test]
fn version_1_stands_where_the_document_says() {
    let bytes = fs::read(fixture().join("00000000000000000001.seg")).unwrap();
    assert_eq!(&bytes[0..12], b"HENGJRNL\x01\x00\x07\x00");
    assert_eq!(bytes[16..24], 1u64.to_le_bytes());
    assert_eq!(bytes[76..80], crc32c::crc32c(&bytes[..76]).to_le_bytes());
    let second = &bytes[160..160 + 80 + 13];
    assert_eq!(&second[0..8], b"HJ\x01\x03\x07\x00\x01\x00");
    assert_eq!(second[12..16], 13u32.to_le_bytes());
    assert_eq!(second[16..24], 1u64.to_le_bytes());
    assert_eq!(second[24..32], 2u64.to_le_bytes());
    use sha2::Digest;
    let first_hash = sha2::Sha256::digest(&bytes[80..144]);
    assert_eq!(second[32..64], first_hash[..]);
    let mut covered = second[..72].to_vec();
    covered.extend_from_slice(&second[80..]);
    assert_eq!(second[72..76], crc32c::crc32c(&covered).to_le_bytes());
    let mut covered = bytes[76..80].to_vec();
    covered.extend_from_slice(&second[..76]);
    assert_eq!(second[76..80], crc32c::crc32c(&covered).to_le_bytes());
}
