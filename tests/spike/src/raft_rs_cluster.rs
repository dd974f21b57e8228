//! Four raft-rs replicas, each on its own simulated disk, driven by one seed: lost messages,
//! power losses at any disk change, snapshots, purges, a member that joins and one that leaves.

use crate::Draw;
use crate::raft_rs_log::Log;
use heng_journal::{Crash, Hash, SimStorage};
use protobuf::Message as _;
use raft::SnapshotStatus;
use raft::prelude::*;
use std::collections::{BTreeMap, VecDeque};

const MEMBERS: u64 = 4;
const SNAPSHOT_EVERY: u64 = 25;

struct Replica {
    id: u64,
    disk: SimStorage,
    raw: RawNode<Log>,
    /// Applied to here, and a digest of everything applied.
    applied: u64,
    digest: u64,
    conf: ConfState,
}

struct Cluster {
    draw: Draw,
    replicas: Vec<Replica>,
    wire: VecDeque<Message>,
    /// What was applied first at each index, and the chain hash there: all must agree.
    applied: BTreeMap<u64, (u64, Vec<u8>)>,
    hashes: BTreeMap<u64, Hash>,
    counts: BTreeMap<&'static str, u64>,
}

fn digest(before: u64, index: u64, data: &[u8]) -> u64 {
    let words = index.to_le_bytes();
    let all = words.iter().chain(data);
    all.fold(before ^ 0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

fn first_snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let about = snapshot.mut_metadata();
    (about.index, about.term) = (1, 1);
    about.mut_conf_state().voters = vec![1, 2, 3];
    snapshot.data = vec![0; 40].into();
    snapshot
}

fn start(id: u64, disk: SimStorage) -> Replica {
    let log = Log::open(&disk).unwrap();
    let snapshot = log.0.borrow().snapshot.clone();
    let about = snapshot.get_metadata().clone();
    let config = Config { id, applied: about.index, ..Config::default() };
    let logger = slog::Logger::root(slog::Discard, slog::o!());
    let digest = snapshot.data.first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
    Replica {
        id,
        disk,
        raw: RawNode::new(&config, log, &logger).unwrap(),
        applied: about.index,
        digest,
        conf: about.get_conf_state().clone(),
    }
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let replicas = (1..=MEMBERS).map(|id| {
            let disk = SimStorage::new();
            if id < MEMBERS {
                Log::open(&disk).unwrap().0.borrow_mut().install(&first_snapshot()).unwrap();
                disk.crash(Crash::DropUnsynced);
            }
            start(id, disk)
        });
        Self {
            draw: Draw(seed),
            replicas: replicas.collect(),
            wire: VecDeque::new(),
            applied: BTreeMap::new(),
            hashes: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// raft-rs draws election timeouts from the thread's own generator; a seed must rule instead.
    fn pin_timeout(&mut self, at: usize) {
        let raft = &mut self.replicas[at].raw.raft;
        let spread = digest(self.draw.0 >> 60, raft.term, &[at as u8]) % 20;
        raft.set_randomized_election_timeout(20 + spread as usize);
    }

    /// One drawn event at one drawn replica; a refused disk means that the power is gone.
    fn step(&mut self, lossy: bool) {
        let at = self.draw.below(MEMBERS) as usize;
        match self.draw.below(100) {
            0..15 => (0..self.replicas.len()).for_each(|at| {
                self.pin_timeout(at);
                self.replicas[at].raw.tick();
            }),
            15..70 => (0..12).for_each(|_| self.deliver(lossy)),
            70..97 if lossy => self.propose(at),
            97 if lossy => self.replicas[at].disk.set_power_off_after(Some(self.draw.below(30))),
            98 if lossy => self.change_members(at),
            _ => {}
        }
        for at in 0..self.replicas.len() {
            if self.persist(at).is_err() {
                self.power_loss(at);
            }
        }
    }

    fn deliver(&mut self, lossy: bool) {
        if self.wire.is_empty() {
            return;
        }
        let place = self.draw.below(self.wire.len().min(4) as u64) as usize;
        let message = self.wire.remove(place).expect("the place exists");
        let lost = lossy && self.draw.below(20) == 0;
        if message.get_msg_type() == MessageType::MsgSnapshot {
            // raft-rs sends nothing more to a member until it hears how its snapshot fared.
            let status = if lost { SnapshotStatus::Failure } else { SnapshotStatus::Finish };
            self.replicas[message.from as usize - 1].raw.report_snapshot(message.to, status);
        }
        if lost {
            return self.count("messages lost");
        }
        let at = message.to as usize - 1;
        // A message of a former life or from a removed member is refused, which is fine.
        let _ = self.replicas[at].raw.step(message);
        self.pin_timeout(at);
    }

    fn propose(&mut self, at: usize) {
        let length = 1 + self.draw.below(200);
        let data = (0..length).map(|_| self.draw.below(256) as u8).collect();
        let _ = self.replicas[at].raw.propose(vec![], data);
    }

    fn change_members(&mut self, at: usize) {
        let mut change = ConfChange { node_id: 3 + self.draw.below(2), ..ConfChange::default() };
        let present = self.replicas[at].conf.voters.contains(&change.node_id);
        change.set_change_type(match present {
            true => ConfChangeType::RemoveNode,
            false => ConfChangeType::AddNode,
        });
        if self.replicas[at].conf.voters.len() > 2 || !present {
            let _ = self.replicas[at].raw.propose_conf_change(vec![], change);
        }
    }

    fn power_loss(&mut self, at: usize) {
        self.count("power losses");
        let crash = Crash::KeepSome(self.draw.below(u64::MAX));
        self.replicas[at].disk.crash(crash);
        let (id, disk) = (self.replicas[at].id, self.replicas[at].disk.clone());
        self.replicas[at] = start(id, disk);
        self.pin_timeout(at);
    }

    /// The order that durability asks for: snapshot, entries, vote, one sync, then the messages
    /// that promise them.
    fn persist(&mut self, at: usize) -> heng_journal::Result<()> {
        if !self.replicas[at].raw.has_ready() {
            return Ok(());
        }
        let mut ready = self.replicas[at].raw.ready();
        self.wire.extend(ready.take_messages());
        let log = self.replicas[at].raw.store().0.clone();
        if !ready.snapshot().is_empty() {
            log.borrow_mut().install(ready.snapshot())?;
            self.count("snapshots installed");
            let replica = &mut self.replicas[at];
            let about = ready.snapshot().get_metadata();
            replica.applied = about.index;
            replica.conf = about.get_conf_state().clone();
            replica.digest = u64::from_le_bytes(*ready.snapshot().data.first_chunk().unwrap());
        }
        log.borrow_mut().append(ready.entries())?;
        if let Some(hard) = ready.hs() {
            log.borrow_mut().save_vote(hard)?;
        }
        log.borrow_mut().journal.sync()?;
        self.wire.extend(ready.take_persisted_messages());
        self.apply(at, ready.take_committed_entries())?;
        let mut light = self.replicas[at].raw.advance(ready);
        self.wire.extend(light.take_messages());
        self.apply(at, light.take_committed_entries())?;
        self.replicas[at].raw.advance_apply();
        Ok(())
    }

    fn apply(&mut self, at: usize, entries: Vec<Entry>) -> heng_journal::Result<()> {
        let mut members_changed = false;
        for entry in entries {
            let (index, data) = (entry.index, entry.data.to_vec());
            let first = self.applied.entry(index).or_insert((entry.term, data.clone()));
            assert_eq!(*first, (entry.term, data.clone()), "two histories at {index}");
            let replica = &mut self.replicas[at];
            let log = replica.raw.store().0.clone();
            let hash = log.borrow().hash_at(index);
            let first = *self.hashes.entry(index).or_insert(hash);
            assert_eq!(first, hash, "chain hashes differ at {index}");
            replica.digest = digest(replica.digest, index, &data);
            replica.applied = index;
            if entry.get_entry_type() == EntryType::EntryConfChange {
                let change = ConfChange::parse_from_bytes(&data).unwrap();
                replica.conf = replica.raw.apply_conf_change(&change).unwrap();
                members_changed = true;
                if !replica.conf.voters.contains(&replica.id) {
                    // raft-rs panics in a leader that was removed and still persists entries.
                    let term = replica.raw.raft.term;
                    replica.raw.raft.become_follower(term, 0);
                }
                self.count("membership entries applied");
            }
        }
        // A new member refuses a snapshot that does not name it.
        self.compact(at, if members_changed { 1 } else { SNAPSHOT_EVERY })
    }

    fn compact(&mut self, at: usize, every: u64) -> heng_journal::Result<()> {
        let replica = &self.replicas[at];
        let log = replica.raw.store().0.clone();
        let mut log = log.borrow_mut();
        let index = replica.applied;
        if index < log.snapshot.get_metadata().index + every {
            return Ok(());
        }
        let hash = log.hash_at(index);
        let mut snapshot = Snapshot::default();
        let about = snapshot.mut_metadata();
        (about.index, about.term) = (index, self.applied[&index].0);
        about.set_conf_state(replica.conf.clone());
        snapshot.data = [&replica.digest.to_le_bytes()[..], &hash].concat().into();
        log.save_snapshot(&snapshot)?;
        let before = log.journal.purged_to();
        log.purge(index.saturating_sub(5))?;
        let purged = log.journal.purged_to() > before;
        drop(log);
        self.count("snapshots written");
        if purged {
            self.count("purges");
        }
        Ok(())
    }

    /// Peace: no more losses, until all members that are left have the same state.
    fn settle(&mut self) {
        for at in 0..self.replicas.len() {
            self.replicas[at].disk.set_power_off_after(None);
        }
        for _ in 0..200 {
            (0..400).for_each(|_| self.step(false));
            let leader = self.replicas.iter().filter(|r| r.raw.raft.state == raft::StateRole::Leader);
            let Some(leader) = leader.max_by_key(|r| r.raw.raft.term) else {
                continue;
            };
            let voters = leader.conf.voters.clone();
            let (applied, digest) = (leader.applied, leader.digest);
            let mut members = self.replicas.iter().filter(|r| voters.contains(&r.id));
            if members.all(|r| (r.applied, r.digest) == (applied, digest)) {
                return;
            }
        }
        let state = |r: &Replica| {
            (r.id, r.raw.raft.state, r.raw.raft.term, r.applied, r.conf.voters.clone(), r.raw.store().last_index())
        };
        panic!("the members did not come together: {:?}", self.replicas.iter().map(state).collect::<Vec<_>>());
    }
}

fn run(seed: u64) -> (BTreeMap<&'static str, u64>, u64) {
    let mut cluster = Cluster::new(seed);
    (0..3_000).for_each(|_| cluster.step(true));
    cluster.settle();
    let last = cluster.applied.len() as u64;
    let digest = cluster.replicas.iter().map(|r| r.digest).fold(0, u64::wrapping_add);
    cluster.counts.insert("entries agreed", last);
    cluster.counts.insert("chain hashes compared", cluster.hashes.len() as u64);
    (cluster.counts, digest)
}

#[test]
fn replicas_agree_after_power_losses() {
    let mut total: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 1..=30 {
        for (what, count) in run(seed).0 {
            *total.entry(what).or_default() += count;
        }
    }
    println!("30 seeds: {total:?}");
    for what in ["power losses", "snapshots installed", "membership entries applied", "purges"] {
        assert!(total[what] >= 10, "{what}: {total:?}");
    }
}

#[test]
fn a_seed_decides_everything() {
    assert_eq!(run(7), run(7));
}
