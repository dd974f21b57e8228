//! Journals as they may be found: sound, torn, truncated, flipped. Clear answers with file and offset, never a panic.

use std::path::{Path, PathBuf};

use crate::support::{Folder, arg, one_object, run, small_day, text};

/// A finished day's folder and its journal's first segment.
fn finished() -> (Folder, PathBuf) {
    let folder = Folder::new();
    let data = folder.join("data");
    one_object(&small_day(&["--seed", "71", "--data", arg(&data)]));
    let segment = data.join("core/journal/00000000000000000001.seg");
    assert!(segment.is_file());
    (folder, segment)
}

fn journal(word: &[&str], data: &Path) -> (bool, String, String) {
    let mut args = vec!["journal"];
    args.extend(word);
    args.extend(["--data", arg(data)]);
    let output = run(&args);
    let (printed, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.code().is_some_and(|code| code < 100), "{word:?}: {:?} {told}", output.status);
    assert!(!told.contains("panicked"), "{word:?}: {told}");
    (output.status.success(), printed, told)
}

/// Bytes of the file that are in use.
fn used(path: &Path) -> usize {
    let bytes = std::fs::read(path).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

#[test]
fn a_sound_journal_is_verified_and_needs_no_repair() {
    let (folder, _) = finished();
    let data = folder.join("data");
    assert!(journal(&["verify"], &data).0);
    let state = one_object(&run(&["journal", "state", "--json", "--data", arg(&data)]));
    let dumped = journal(&["dump", "--json"], &data).1;
    assert_eq!(dumped.lines().count() as u64, state["sequence"].as_u64().unwrap());
    let (sound, plan, _) = journal(&["repair", "--dry-run", "--json"], &data);
    assert!(sound && plan.contains("\"clean\":true") && plan.contains("\"changed\":false"), "{plan}");
}

#[test]
fn a_flipped_bit_is_named_by_file_and_offset() {
    let (folder, segment) = finished();
    let data = folder.join("data");
    let sound = std::fs::read(&segment).unwrap();
    let used = used(&segment);
    for part in 0..12 {
        // Not in the last record, which nothing behind it proves to have been durable.
        let place = 4_096 + part * (used - 300_000) / 12;
        let mut damaged = sound.clone();
        damaged[place] ^= 1 << (part % 8);
        std::fs::write(&segment, &damaged).unwrap();
        for word in [&["verify"][..], &["state"], &["dump", "--json"]] {
            let (good, _, told) = journal(word, &data);
            assert!(!good, "{word:?} at {place}");
            assert!(told.contains("00000000000000000001.seg at byte "), "{word:?}: {told}");
        }
        let (good, plan, _) = journal(&["repair", "--dry-run", "--json"], &data);
        assert!(good && plan.contains("\"loses_durable\":true"), "{plan}");
        let resumed = crate::support::resume(&data, &[]);
        assert!(!resumed.status.success());
        assert!(text(&resumed.stderr).contains("at byte"), "{}", text(&resumed.stderr));
        assert_eq!(std::fs::read(&segment).unwrap(), damaged, "nobody may change a damaged journal");
    }
}

#[test]
fn a_truncated_journal_is_refused_because_the_record_knows_more() {
    let (folder, segment) = finished();
    let data = folder.join("data");
    let used = used(&segment) as u64;
    for left in [used / 2, 5_000, 81, 79, 10, 0] {
        std::fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(left).unwrap();
        for word in [&["verify"][..], &["state"], &["dump", "--json"], &["repair", "--dry-run"]] {
            journal(word, &data);
        }
        let resumed = crate::support::resume(&data, &[]);
        assert!(!resumed.status.success(), "{left} bytes: {}", text(&resumed.stdout));
        assert!(!text(&resumed.stderr).contains("panicked"), "{}", text(&resumed.stderr));
    }
}

#[test]
fn nothing_and_nonsense_are_no_journals() {
    let folder = Folder::new();
    for word in [&["verify"][..], &["state"], &["dump"], &["repair", "--dry-run"], &["snapshot"]] {
        let (good, _, told) = journal(word, folder.path());
        assert!(!good && told.contains("no journal"), "{word:?}: {told}");
    }
    let dir = folder.join("core/journal");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("00000000000000000001.seg"), b"neither fish nor fowl".repeat(1_000)).unwrap();
    for word in [&["verify"][..], &["state"], &["dump"], &["snapshot"]] {
        let (good, _, told) = journal(word, folder.path());
        assert!(!good && told.contains("00000000000000000001.seg at byte"), "{word:?}: {told}");
    }
}

#[test]
fn quarantine_needs_two_people() {
    let (folder, _) = finished();
    let data = folder.join("data");
    let quarantine = |and_by: &str| {
        journal(
            &["quarantine", "--sequence", "5", "--by", "Li Lei", "--and-by", and_by, "--reason", "aborts the core"],
            &data,
        )
    };
    let (good, _, told) = quarantine("Li Lei");
    assert!(!good && told.contains("quarantine"), "{told}");
    assert!(quarantine("Han Meimei").0);
    let (_, dumped, _) = journal(&["dump"], &data);
    assert!(dumped.contains("Quarantine"));
    assert!(journal(&["verify"], &data).0);
}
