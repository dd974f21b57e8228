//! A journal's segment with bits flipped and bytes made up: opened, verified, planned and read without a panic, and
//! whatever is read was recorded.
#![no_main]

use std::path::Path;

use heng_journal::{Check, Journal, JournalOptions, JournalReader, Preallocation, RecordKind, SimStorage, Storage};
use heng_journal::{repair_plan, verify};
use libfuzzer_sys::fuzz_target;

const FOLDER: &str = "journal";

fn options() -> JournalOptions {
    JournalOptions { partition: 3, key_id: 0, segment_bytes: 4096, preallocation: Preallocation::Grow }
}

fuzz_target!(|input: (Vec<(u16, u8)>, u16, Vec<u8>)| {
    let (flips, tail_at, tail) = input;
    let sim = SimStorage::new();
    let folder = Path::new(FOLDER);
    let (mut journal, _) = Journal::open(sim.shared(), folder, options()).expect("an empty disk");
    for number in 0..12u8 {
        journal.append(1, 1, RecordKind::Commands, &[number; 100]).expect("there is room");
    }
    journal.sync().expect("the disk works");
    drop(journal);
    let altered = SimStorage::new();
    for name in sim.list(folder).expect("the folder is there").into_iter().filter(|name| name.ends_with(".seg")) {
        let path = folder.join(name);
        let mut bytes = sim.bytes_of(&path).expect("it was listed");
        for (at, mask) in &flips {
            let at = usize::from(*at) % bytes.len();
            bytes[at] ^= mask;
        }
        let from = usize::from(tail_at).min(bytes.len());
        bytes.truncate(if tail.is_empty() { bytes.len() } else { from });
        bytes.extend_from_slice(&tail);
        altered.put(&path, &bytes);
    }
    let _ = verify(&altered, folder);
    let _ = repair_plan(&altered, folder);
    if let Ok(mut reader) = JournalReader::open(altered.shared(), folder, 1, Check::Chain) {
        while let Ok(Some(record)) = reader.next_record() {
            let whole = record.payload.len() == 100 && record.payload.iter().all(|byte| *byte == record.payload[0]);
            assert!(whole, "a record that was never written");
        }
    }
    let _ = Journal::open(altered.shared(), folder, options());
});
