//! The event log: blocks, order, bounds, torn tails.

use heng_journal::{
    BLOCK_RAW_BYTES_MAX, BlockSpan, Crash, Damage, EventLog, EventLogOptions, EventReader, JournalError, Refusal,
    SimStorage, Storage, verify_events,
};
use std::path::{Path, PathBuf};

const DIR: &str = "/events";

fn options() -> EventLogOptions {
    EventLogOptions { partition: 2, first_sequence: 10, segment_bytes: 2048, ..EventLogOptions::default() }
}

fn open(sim: &SimStorage) -> EventLog {
    EventLog::open(sim.shared(), Path::new(DIR), options()).unwrap().0
}

fn span(first_sequence: u64, last_sequence: u64) -> BlockSpan {
    BlockSpan { first_sequence, last_sequence, event_count: 3, level: 1 }
}

fn raw(first: u64) -> Vec<u8> {
    (0u64..120).flat_map(|n| (n / 3 * first).to_le_bytes()).collect()
}

/// Blocks of five sequences from 10 on.
fn log_of(blocks: u64) -> (SimStorage, EventLog) {
    let sim = SimStorage::new();
    let mut log = open(&sim);
    for n in 0..blocks {
        let first = 10 + 5 * n;
        log.append_block(&span(first, first + 4), &raw(first)).unwrap();
        log.sync().unwrap();
    }
    (sim, log)
}

fn segments(sim: &SimStorage) -> Vec<PathBuf> {
    let names = sim.list(Path::new(DIR)).unwrap();
    let segments = names.into_iter().filter(|name| name.ends_with(".seg"));
    segments.map(|name| Path::new(DIR).join(name)).collect()
}

#[test]
fn blocks_come_back_from_any_sequence() {
    let (sim, log) = log_of(60);
    assert!(segments(&sim).len() > 3);
    for from in [10, 11, 14, 15, 150, 309] {
        let mut expected = 10 + (from - 10) / 5 * 5;
        for block in log.read_from(from).unwrap() {
            let (found, bytes) = block.unwrap();
            assert_eq!(found, span(expected, expected + 4));
            assert_eq!(bytes, raw(expected));
            expected += 5;
        }
        assert_eq!(expected, 310);
    }
    let refused = log.read_from(9);
    assert!(matches!(refused, Err(JournalError::Refused(Refusal::OutOfRange { .. }))));
    let found = verify_events(&sim, Path::new(DIR)).unwrap().unwrap();
    assert_eq!((found.first_sequence, found.last_sequence), (10, 309));
    assert_eq!((found.blocks, found.events, found.raw_bytes), (60, 180, 60 * 960));
    assert_eq!((found.chain_head, found.torn), (log.chain_head(), None));
    assert!(found.stored_bytes < found.raw_bytes);
}

#[test]
fn inspection_names_each_block_without_expanding_it() {
    let (sim, _log) = log_of(3);
    let mut reader = EventReader::open(sim.shared(), Path::new(DIR), 10).unwrap();
    for n in 0..3 {
        let info = reader.next_info().unwrap().unwrap();
        assert_eq!((info.index, info.span), (n + 1, span(10 + 5 * n, 14 + 5 * n)));
        assert_eq!(info.raw_bytes, 960);
        assert!(info.stored_bytes < 960 && info.offset >= 80);
    }
    assert!(reader.next_info().unwrap().is_none());
}

#[test]
fn a_reader_waits_for_what_is_not_there_yet() {
    let (sim, mut log) = log_of(2);
    let mut reader = EventReader::open(sim.shared(), Path::new(DIR), 20).unwrap();
    for n in 2..40 {
        assert!(reader.next_block().unwrap().is_none());
        let first = 10 + 5 * n;
        log.append_block(&span(first, first + 4), &raw(first)).unwrap();
        let block = reader.next_block().unwrap().unwrap();
        assert_eq!((block.span.first_sequence, block.raw), (first, &raw(first)[..]));
    }
}

#[test]
fn gaps_overlaps_and_empty_blocks_are_refused() {
    let (_sim, mut log) = log_of(2);
    let check = |result: Result<(), JournalError>, expected: &Refusal| match result {
        Err(JournalError::Refused(found)) => assert_eq!(found, *expected),
        other => panic!("{other:?}"),
    };
    let gap = Refusal::Gap { expected: 20, found: 21 };
    check(log.append_block(&span(21, 30), b""), &gap);
    let overlap = Refusal::Overlap { expected: 20, found: 19 };
    check(log.append_block(&span(19, 30), b""), &overlap);
    let empty = Refusal::EmptyBlock { first: 20, last: 19 };
    check(log.append_block(&span(20, 19), b""), &empty);
    let limit = u64::from(BLOCK_RAW_BYTES_MAX);
    let large = vec![0; limit as usize + 1];
    let too_large = Refusal::TooLarge { found: limit + 1, limit };
    check(log.append_block(&span(20, 20), &large), &too_large);
    assert_eq!(log.last_sequence(), 19);
    log.append_block(&span(20, 20), &large[1..]).unwrap();
    log.append_block(&span(21, 21), b"").unwrap();
    assert_eq!(log.read_from(20).unwrap().map(|block| block.unwrap().1.len()).sum::<usize>(), limit as usize);
}

#[test]
fn noise_that_does_not_compress_still_fits() {
    let (_sim, mut log) = log_of(0);
    let mut state = 1u64;
    let mut noise = vec![0; 24 << 20];
    for byte in &mut noise {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (state >> 56) as u8;
    }
    log.append_block(&span(10, 10), &noise).unwrap();
    assert_eq!(log.read_from(10).unwrap().next().unwrap().unwrap().1, noise);
}

#[test]
fn a_torn_tail_is_dropped_and_synced_blocks_stay() {
    for seed in 0..300 {
        let (sim, mut log) = log_of(seed % 23);
        let durable = log.durable_sequence();
        for n in 0..seed % 6 {
            let first = log.last_sequence() + 1;
            log.append_block(&span(first, first + n), &raw(first)).unwrap();
        }
        let appended = log.last_sequence();
        assert_eq!(log.durable_sequence().max(durable), log.durable_sequence());
        drop(log);
        sim.crash(Crash::KeepSome(seed));
        let (mut log, recovery) = EventLog::open(sim.shared(), Path::new(DIR), options()).unwrap();
        assert!((durable..=appended).contains(&recovery.last_sequence), "seed {seed}");
        let next = recovery.last_sequence + 1;
        log.append_block(&span(next, next), &raw(next)).unwrap();
        log.sync().unwrap();
        let found = verify_events(&sim, Path::new(DIR)).unwrap().unwrap();
        assert_eq!((found.last_sequence, found.torn), (next, None));
    }
}

#[test]
fn a_sync_apart_covers_what_stood_there_when_it_began() {
    let (sim, mut log) = log_of(2);
    log.append_block(&span(20, 24), &raw(20)).unwrap();
    let ticket = log.begin_sync().unwrap();
    log.append_block(&span(25, 29), &raw(25)).unwrap();
    assert_eq!(log.durable_sequence(), 19, "a sync that has not run makes nothing durable");
    let outcome = ticket.run_gently();
    assert!(outcome.is_sound());
    assert_eq!(log.durable_sequence(), 19, "nor does one that the log has not been told of");
    assert_eq!(log.complete_sync(outcome).unwrap(), 24);
    assert_eq!((log.durable_sequence(), log.last_sequence()), (24, 29));
    drop(log);
    sim.crash(Crash::DropUnsynced);
    let (log, found) = EventLog::open(sim.shared(), Path::new(DIR), options()).unwrap();
    assert!(found.last_sequence >= 24);
    assert_eq!(log.durable_sequence(), found.last_sequence);
}

#[test]
fn a_sync_apart_of_a_segment_that_was_closed_meanwhile_takes_nothing_back() {
    let (sim, mut log) = log_of(2);
    log.append_block(&span(20, 24), &raw(20)).unwrap();
    let ticket = log.begin_sync().unwrap();
    let before = segments(&sim).len();
    let mut first = 25;
    while segments(&sim).len() == before {
        log.prepare_block(&span(first, first + 4), &raw(first)).unwrap();
        let fits = log.has_room_for_prepared();
        log.append_prepared().unwrap();
        assert_eq!(fits, segments(&sim).len() == before, "room is told truly");
        first += 5;
    }
    let durable = log.durable_sequence();
    assert_eq!(durable, first - 6, "a closed segment is durable");
    assert_eq!(log.complete_sync(ticket.run()).unwrap(), durable);
}

#[test]
fn a_failed_sync_apart_is_fatal() {
    let (sim, mut log) = log_of(2);
    log.append_block(&span(20, 24), &raw(20)).unwrap();
    sim.fail_sync_data_at(1);
    let outcome = log.begin_sync().unwrap().run();
    assert!(!outcome.is_sound());
    assert!(matches!(log.complete_sync(outcome), Err(JournalError::Fatal { .. })));
    assert!(matches!(log.append_block(&span(25, 29), &raw(25)), Err(JournalError::Fatal { .. })));
    assert!(matches!(log.begin_sync(), Err(JournalError::Fatal { .. })));
    assert_eq!(log.durable_sequence(), 19);
}

#[test]
fn a_prepared_block_waits_for_space() {
    let (sim, mut log) = log_of(0);
    let noise: Vec<u8> = (0u32..800).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    log.prepare_block(&span(10, 14), &noise).unwrap();
    sim.set_byte_budget(Some(sim.used_bytes()));
    assert!(matches!(log.append_prepared(), Err(JournalError::DiskFull { .. })));
    assert_eq!(log.last_sequence(), 9);
    sim.set_byte_budget(None);
    log.append_prepared().unwrap();
    log.append_prepared().unwrap();
    assert_eq!(log.last_sequence(), 14, "it is appended once");
    assert_eq!(log.read_from(10).unwrap().next().unwrap().unwrap(), (span(10, 14), noise));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (sim, log) = log_of(12);
    let head = log.chain_head();
    drop(log);
    for path in segments(&sim) {
        let bytes = sim.bytes_of(&path).unwrap();
        for offset in 0..bytes.len() as u64 {
            assert!(sim.corrupt(&path, offset, 1 << (offset % 8)));
            match verify_events(&sim, Path::new(DIR)) {
                Err(JournalError::Damaged { .. }) => {}
                Ok(Some(found)) => {
                    assert!(found.torn.is_some(), "{} at {offset}", path.display());
                    assert_eq!(found.chain_head, head, "only the mark was hit");
                }
                other => panic!("{other:?}"),
            }
            assert!(sim.corrupt(&path, offset, 1 << (offset % 8)));
        }
    }
}

/// Replaces the only block by one with this payload head, all checksums right.
fn forge(first: u64, raw_len: u32, stored: &[u8]) -> Result<(), JournalError> {
    let mut payload = first.to_le_bytes().to_vec();
    payload.extend_from_slice(&3u32.to_le_bytes());
    payload.extend_from_slice(&raw_len.to_le_bytes());
    payload.extend_from_slice(stored);
    let (sim, log) = log_of(1);
    drop(log);
    let path = segments(&sim)[0].clone();
    let old = sim.bytes_of(&path).unwrap();
    let mut bytes = old[..160].to_vec();
    bytes[92..96].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[80..152]), &payload);
    bytes[152..156].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[76..80]), &bytes[80..156]);
    bytes[156..160].copy_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&payload);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    sim.put(&path, &bytes);
    let mut reader = EventReader::open(sim.shared(), Path::new(DIR), 10)?;
    reader.next_block().map(|block| assert!(block.is_some()))
}

#[test]
fn forged_blocks_are_refused_before_memory_is_spent() {
    let good = lz4_flex::block::compress(&[7; 960]);
    forge(10, 960, &good).unwrap();
    let check = |result: Result<(), JournalError>, expected: &Damage| match result {
        Err(JournalError::Damaged { damage, .. }) => assert_eq!(damage, *expected),
        other => panic!("{other:?}"),
    };
    check(forge(10, 961, &good), &Damage::Compression);
    check(forge(10, 959, &good), &Damage::Compression);
    check(forge(10, 960, &good[..good.len() - 1]), &Damage::Compression);
    check(forge(10, 960, &[]), &Damage::Compression);
    let bomb = Damage::TooLong { found: u64::from(u32::MAX), limit: u64::from(BLOCK_RAW_BYTES_MAX) };
    check(forge(10, u32::MAX, &good), &bomb);
    // Within the limit, but more than so few bytes can ever become.
    check(forge(10, BLOCK_RAW_BYTES_MAX, &good), &Damage::Compression);
    let shifted = Damage::WrongSequence { expected: 10, found: 11 };
    check(forge(11, 960, &good), &shifted);
}

#[test]
fn a_journal_is_not_an_event_log() {
    let sim = SimStorage::new();
    drop(crate::driver::open(&sim));
    let opened = EventLog::open(sim.shared(), Path::new(crate::driver::DIR), options());
    assert!(matches!(opened, Err(JournalError::Damaged { damage: Damage::BadMagic, .. })));
}
