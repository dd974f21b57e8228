//! Journals as they may be found: sound, torn, truncated, flipped. Clear answers with file and offset, never a panic.

use std::path::{Path, PathBuf};

use crate::support::{Folder, arg, heng, one_object, run, small_day, text};

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
fn a_reader_that_has_enough_is_no_error() {
    let (folder, _) = finished();
    let data = folder.join("data");
    let check = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = heng().args(args).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{args:?}");
    };
    check(&["events", "export", "--json", "--data", arg(&data)]);
    check(&["events", "export", "--data", arg(&data)]);
    check(&["journal", "dump", "--json", "--data", arg(&data)]);
    check(&["journal", "verify", "--data", arg(&data)]);
    check(&["rules", "price-limits", "--board", "star", "--prev", "10", "--date", "2026-07-06"]);
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

/// Cut off between two records, a journal looks whole by itself; the record beside it knows what is missing.
#[test]
fn a_journal_cut_between_two_records_is_not_sound() {
    let (folder, segment) = finished();
    let data = folder.join("data");
    assert!(journal(&["verify"], &data).0);
    // The header of a segment takes 80 bytes.
    std::fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(80).unwrap();
    let (good, _, told) = journal(&["verify"], &data);
    assert!(!good && told.contains("missing from the journal"), "{told}");
    std::fs::remove_file(&segment).unwrap();
    for word in [&["verify"][..], &["state"], &["dump"], &["repair", "--dry-run"], &["snapshot"]] {
        let (good, _, told) = journal(word, &data);
        assert!(!good && told.contains("no journal"), "{word:?}: {told}");
    }
}

#[test]
fn an_export_of_a_cut_event_log_is_not_taken_for_the_whole() {
    let (folder, _) = finished();
    let data = folder.join("data");
    let log = data.join("core/events/00000000000000000001.seg");
    let whole = std::fs::read(&log).unwrap();
    let export = || run(&["events", "export", "--json", "--data", arg(&data)]);
    let all = export();
    assert!(all.status.success() && all.stderr.is_empty(), "{}", text(&all.stderr));
    // Cut between two records (the header of a segment takes 80 bytes) it is what a crash leaves.
    for (left, torn) in [(whole.len() / 2, true), (5_000, true), (80, false)] {
        std::fs::write(&log, &whole[..left]).unwrap();
        let part = export();
        assert_eq!(part.status.success(), !torn, "{left} bytes: {}", text(&part.stderr));
        let says = if torn { "at byte" } else { "warning: the events of commands 1 to " };
        assert!(text(&part.stderr).contains(says), "{}", text(&part.stderr));
        assert!(all.stdout.starts_with(&part.stdout), "what is there is printed");
    }
    // Up to a command that is there, nothing is missing.
    std::fs::write(&log, &whole[..whole.len() / 2]).unwrap();
    let asked = run(&["events", "export", "--json", "--to", "9", "--data", arg(&data)]);
    assert!(asked.status.success(), "{}", text(&asked.stderr));
    std::fs::remove_dir_all(data.join("core/events")).unwrap();
    assert!(text(&export().stderr).contains("there is no event log"));
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

/// Lets the journal go on after the record, as if the core had aborted before it wrote the events of the last command.
fn forget_the_events(data: &Path) {
    for file in std::fs::read_dir(data.join("core/events")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
}

#[test]
fn quarantine_needs_two_people() {
    let (folder, _) = finished();
    let data = folder.join("data");
    let last = one_object(&run(&["journal", "state", "--json", "--data", arg(&data)]))["sequence"].to_string();
    let quarantine = |sequence: &str, and_by: &str| {
        let people = ["--by", "Li Lei", "--and-by", and_by, "--reason", "aborts the core"];
        journal(&[&["quarantine", "--sequence", sequence], &people[..]].concat(), &data)
    };
    let (good, _, told) = quarantine(&last, "Li Lei");
    assert!(!good && told.contains("one person"), "{told}");
    // What was executed stays executed.
    for sequence in ["5", &last] {
        let (good, _, told) = quarantine(sequence, "Han Meimei");
        assert!(!good && told.contains("did not abort the core"), "{told}");
    }
    forget_the_events(&data);
    let (good, _, told) = quarantine("99999999", "Han Meimei");
    assert!(!good && told.contains("the journal ends at command"), "{told}");
    assert!(quarantine(&last, "Han Meimei").0);
    let (_, dumped, _) = journal(&["dump"], &data);
    assert!(dumped.contains("Quarantine"));
    assert!(journal(&["verify"], &data).0);
}
