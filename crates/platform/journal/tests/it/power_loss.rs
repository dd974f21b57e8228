//! Power loss: nothing that was synced is lost, nothing is invented, whatever the moment.

use crate::driver::{DIR, Driver, Op, open};
use heng_journal::{Crash, LogStart, RecordKind, SimStorage};
use proptest::prelude::*;
use std::path::Path;

struct Draw(u64);

impl Draw {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }

    fn op(&mut self) -> Op {
        match self.next(100) {
            0..55 => Op::Append { size: self.next(1500) as u16, fill: self.next(256) as u8 },
            55..75 => Op::Sync,
            75..80 => Op::SyncApart,
            80..86 => Op::TruncateBack(self.next(6) as u8),
            86..91 => Op::PurgeBack(self.next(4) as u8),
            91..94 => Op::Vote(self.next(256) as u8),
            94..97 => Op::NextTerm,
            _ => Op::Append { size: 9000, fill: 7 },
        }
    }
}

fn crash_of(seed: u64) -> Crash {
    match seed % 4 {
        0 => Crash::DropUnsynced,
        _ => Crash::KeepSome(seed),
    }
}

/// Three lives of one journal, each ended by a power loss after a drawn number of disk changes.
/// Returns the first verdict that is not good, and how many durable records were at stake.
fn lives(seed: u64, ignore_sync: bool) -> (Result<(), String>, u64) {
    let mut draw = Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut driver = Driver::new(seed);
    driver.sim.set_ignore_sync(ignore_sync);
    let mut at_stake = 0;
    for life in 0..3 {
        driver.sim.set_power_off_after(Some(1 + draw.next(120)));
        loop {
            match driver.apply(&draw.op()) {
                Ok(true) => {}
                Ok(false) => break,
                Err(wrong) => return (Err(wrong), at_stake),
            }
        }
        at_stake += driver.durable();
        if let Err(wrong) = driver.crash(crash_of(seed + life)) {
            return (Err(wrong), at_stake);
        }
    }
    (Ok(()), at_stake)
}

#[test]
fn a_thousand_kill_points_lose_nothing_synced() {
    let mut at_stake = 0;
    for seed in 1..=340 {
        let (verdict, durable) = lives(seed, false);
        assert_eq!(verdict, Ok(()), "seed {seed}");
        at_stake += durable;
    }
    assert!(at_stake > 5_000, "only {at_stake} durable records were at stake");
}

#[test]
fn the_same_test_fails_without_fdatasync() {
    let found = (1..=340).filter(|&seed| lives(seed, true).0.is_err()).count();
    assert!(found > 100, "only {found} of 340 seeds noticed the missing fdatasync");
}

#[test]
fn dropping_all_unsynced_content_notices_the_missing_fdatasync_at_once() {
    let mut driver = Driver::new(0);
    driver.sim.set_ignore_sync(true);
    let append = Op::Append { size: 10, fill: 1 };
    assert_eq!(driver.apply(&append), Ok(true));
    assert_eq!(driver.apply(&Op::Sync), Ok(true));
    let verdict = driver.crash(Crash::DropUnsynced);
    assert_eq!(verdict, Err("lost: 0 of 1 durable records".to_owned()));
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0u16..3000, any::<u8>()).prop_map(|(size, fill)| Op::Append { size, fill }),
        3 => Just(Op::Sync),
        1 => Just(Op::SyncApart),
        1 => (0u8..10).prop_map(Op::TruncateBack),
        1 => (0u8..10).prop_map(Op::PurgeBack),
        1 => any::<u8>().prop_map(Op::Vote),
        1 => Just(Op::NextTerm),
        1 => Just(Op::Crash(Crash::DropUnsynced)),
        1 => Just(Op::Crash(Crash::ProcessOnly)),
        2 => any::<u64>().prop_map(|seed| Op::Crash(Crash::KeepSome(seed))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_the_naive_list(
        variant in 0u64..3,
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let mut driver = Driver::new(variant);
        for op in &ops {
            prop_assert_eq!(driver.apply(op), Ok(true));
        }
        prop_assert_eq!(driver.crash(Crash::KeepSome(1)), Ok(()));
    }
}

/// Starting anew is all or nothing at every disk change.
#[test]
fn starting_anew_survives_power_loss_at_every_change() {
    let start = LogStart { first_index: 500, previous_term: 9, previous_hash: [7; 32] };
    let mut moved = 0;
    for changes in 0..60 {
        let sim = SimStorage::new();
        let (mut journal, _) = open(&sim);
        for _ in 0..20 {
            journal.append(2, 1, RecordKind::Commands, &[5; 600]).unwrap();
        }
        journal.sync().unwrap();
        let head = journal.chain_head();
        sim.set_power_off_after(Some(changes));
        let done = journal.start_anew(start).is_ok();
        sim.crash(crash_of(changes));
        drop(journal);
        let (mut journal, recovery) = open(&sim);
        let old = (recovery.last_index, recovery.chain_head) == (20, head);
        let new = (recovery.last_index, recovery.purged_to, recovery.last_term) == (499, 499, 9)
            && recovery.chain_head == [7; 32];
        assert!(new || (old && !done), "after {changes} changes: {recovery:?}");
        moved += u32::from(new);
        if new {
            assert_eq!(journal.append(9, 1, RecordKind::Blank, &[]).unwrap(), 500);
            let files = heng_journal::Storage::list(&sim, Path::new(DIR)).unwrap();
            assert_eq!(files.iter().filter(|name| name.ends_with(".seg")).count(), 1);
        }
    }
    assert!((10..60).contains(&moved), "{moved}");
}
