//! Kills a core at drawn moments and compares every recovery with the run that was never killed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use heng::market::Rng;
use heng_core::{Completion, CoreError, CoreOptions, CoreSteps, EventTail, Layout, Request, SnapshotPolicy};
use heng_engine::Frame;
use heng_journal::{Crash, JournalError, SimStorage};
use heng_model::PartitionId;
use heng_runtime::SystemClock;

use crate::reference::Reference;
use crate::script::{Script, ScriptOptions};

/// Bytes of a journal segment: small, so that segments begin and go all the time.
const SEGMENT_BYTES: u64 = 16 << 10;
/// Batches that may wait between the parts.
const AHEAD_MAX: usize = 32;
/// Kills of one day before the next day begins.
const KILLS_PER_DAY: u64 = 25;

/// How to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillPoints {
    /// Seed of everything.
    pub seed: u64,
    /// Number of kills.
    pub kill_points: u64,
    /// Whether fdatasync does nothing, as if the call were removed: then the run must fail.
    pub without_sync: bool,
}

/// What a run was worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Days that were begun.
    pub days: u64,
    /// Kills survived.
    pub kills: u64,
    /// Of these, kills in the middle of an operation of the disk.
    pub kills_inside_disk: u64,
    /// Recoveries that were killed themselves.
    pub kills_in_recovery: u64,
    /// Acknowledged commands that were found again, summed over the kills.
    pub acknowledged_found: u64,
    /// Commands that were executed again.
    pub re_executed: u64,
    /// Snapshots written.
    pub snapshots: u64,
    /// Times the disk was full.
    pub disk_full: u64,
    /// Failed fdatasyncs.
    pub failed_syncs: u64,
    /// State hashes compared.
    pub hashes_compared: u64,
}

impl KillPoints {
    /// Runs.
    ///
    /// # Errors
    /// The first promise that was broken, with the day's seed.
    pub fn run(&self) -> Result<Summary, String> {
        let mut summary = Summary::default();
        while summary.kills < self.kill_points {
            let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(summary.days);
            let kills = (self.kill_points - summary.kills).min(KILLS_PER_DAY);
            summary.days += 1;
            run_day(seed, kills, self.without_sync, &mut summary)
                .map_err(|broken| format!("day seed {seed}: {broken}"))?;
        }
        Ok(summary)
    }
}

fn run_day(seed: u64, kills: u64, without_sync: bool, summary: &mut Summary) -> Result<(), String> {
    let mut rng = Rng::new(seed, 9);
    let options = ScriptOptions {
        seed,
        clients: 10 + rng.below(20) as u32,
        instruments: 6 + rng.below(20) as u32,
        orders: 250 + rng.below(200),
    };
    let script = Script::new(options).map_err(|error| error.to_string())?;
    let reference = Reference::new(&script);
    let disk = SimStorage::new();
    disk.set_ignore_sync(without_sync);
    let mut day = Day::new(&script, &reference, disk, rng, summary);
    for kill in 0..kills {
        // Each life gets a share of what is left, so that the kills spread over the whole day.
        let share = (script.commands.len() as u64 - day.recovered) / (kills - kill);
        day.live(share.max(1))?;
    }
    day.finish()
}

/// One day through all its lives.
struct Day<'a> {
    script: &'a Script,
    reference: &'a Reference<'a>,
    disk: SimStorage,
    options: CoreOptions,
    rng: Rng,
    summary: &'a mut Summary,
    /// Sequence that the last recovery reached.
    recovered: u64,
    /// Outcomes that were acknowledged, by sequence - 1.
    acknowledged: Vec<Option<Completion>>,
    /// The event that a consumer outside has seen last, over all lives.
    seen: u64,
    /// (sequence, hash) of each recovered state.
    hashes: Vec<(u64, [u8; 32])>,
}

/// One life of the core.
struct Life {
    core: CoreSteps,
    answers: Sender<Vec<Completion>>,
    completed: Receiver<Vec<Completion>>,
    tail: EventTail,
    submitted: u64,
    ahead: usize,
}

/// Why a life ended before its time.
enum End {
    /// A promise was broken.
    Broken(String),
    /// The disk failed, and the process with it.
    Died,
}

impl From<CoreError> for End {
    fn from(_: CoreError) -> Self {
        Self::Died
    }
}

fn on_fatal(_: &CoreError) {}

impl<'a> Day<'a> {
    fn new(
        script: &'a Script,
        reference: &'a Reference<'a>,
        disk: SimStorage,
        mut rng: Rng,
        summary: &'a mut Summary,
    ) -> Self {
        let snapshots = SnapshotPolicy { every: 1, purge_journal: rng.chance(70) };
        let options = CoreOptions {
            data: PathBuf::from("/sim"),
            partition: PartitionId(0),
            capacity: script.capacity,
            clock: Arc::new(SystemClock),
            follows_clock: false,
            storage: disk.shared(),
            segment_bytes: SEGMENT_BYTES,
            snapshots: Some(snapshots),
            on_fatal,
        };
        let acknowledged = vec![None; script.commands.len()];
        let (recovered, seen, hashes) = (0, 0, Vec::new());
        Self { script, reference, disk, options, rng, summary, recovered, acknowledged, seen, hashes }
    }

    /// Recovers, runs for about `commands` commands, and is killed.
    fn live(&mut self, commands: u64) -> Result<(), String> {
        let mut life = self.recover()?;
        if self.rng.chance(60) {
            let left = 1 + self.rng.below(commands);
            self.disk.set_power_off_after(Some(left));
        }
        if self.rng.chance(15) {
            self.disk.fail_sync_data_at(1 + self.rng.below(20));
        }
        let until = (self.recovered + 1 + self.rng.below(commands * 2)).min(self.script.commands.len() as u64);
        let ended = self.run(&mut life, until);
        self.take_answers(&mut life);
        match ended {
            Ok(()) => {}
            Err(End::Broken(broken)) => return Err(broken),
            Err(End::Died) => self.summary.kills_inside_disk += 1,
        }
        self.summary.kills += 1;
        drop(life);
        self.kill();
        Ok(())
    }

    fn kill(&mut self) {
        let crash = match self.rng.below(5) {
            0 => Crash::ProcessOnly,
            1 | 2 => Crash::DropUnsynced,
            _ => Crash::KeepSome(self.rng.draw()),
        };
        self.disk.set_byte_budget(None);
        self.disk.crash(crash);
    }

    /// Recovers, perhaps only after being killed in the middle of it, and checks everything.
    fn recover(&mut self) -> Result<Life, String> {
        while self.rng.chance(25) {
            self.disk.set_power_off_after(Some(self.rng.below(40)));
            let died = CoreSteps::recover(&self.options).is_err();
            self.summary.kills_in_recovery += u64::from(died);
            self.kill();
        }
        let core = loop {
            match CoreSteps::recover(&self.options) {
                Ok(core) => break core,
                // The fdatasync that was to fail was not reached in the life before.
                Err(CoreError::Journal(JournalError::Fatal { .. })) => {
                    self.summary.failed_syncs += 1;
                    self.kill();
                }
                Err(error) => {
                    let snapshots = heng_journal::Storage::list(&self.disk, &Layout::new(&self.options.data).snapshots);
                    return Err(format!("recovery fails: {error} (snapshots {snapshots:?})"));
                }
            }
        };
        self.check(&core)?;
        let (answers, completed) = channel();
        let storage = self.disk.shared();
        let events = Layout::new(&self.options.data).events;
        let tail = EventTail::open(&storage, &events, self.recovered + 1).map_err(|error| error.to_string())?;
        Ok(Life { core, answers, completed, tail, submitted: self.recovered, ahead: 0 })
    }

    fn check(&mut self, core: &CoreSteps) -> Result<(), String> {
        let seq = core.state().seq().0;
        let lost = self.acknowledged.iter().skip(seq as usize).flatten().next();
        if let Some(lost) = lost {
            return Err(format!("command {} was acknowledged; recovery reaches {seq} only", lost.seq));
        }
        if self.seen > seq {
            return Err(format!("an event of command {} was seen; recovery reaches {seq} only", self.seen));
        }
        if seq < self.recovered {
            return Err(format!("recovery reached {} before, now {seq} only", self.recovered));
        }
        let storage = self.disk.shared();
        let held = read_events(&storage, &self.options.data).map_err(|error| format!("event log: {error}"))?;
        if held != self.reference.frames_to(seq) {
            return Err(format!("the event log up to {seq} is not that of the run that was never killed"));
        }
        self.recovered = seq;
        self.summary.re_executed += core.recovered_commands();
        self.summary.acknowledged_found += self.acknowledged.iter().flatten().count() as u64;
        self.hashes.push((seq, core.state().hash()));
        Ok(())
    }

    /// Does one thing after the other until the commands have been submitted.
    fn run(&mut self, life: &mut Life, until: u64) -> Result<(), End> {
        while life.submitted < until {
            match self.rng.below(100) {
                0..36 if life.ahead < AHEAD_MAX => self.submit(life, until)?,
                36..56 => self.append(life)?,
                56..68 => life.core.sync()?,
                68..84 => self.release(life)?,
                84..87 => life.core.sync_events()?,
                87..91 => self.look(life)?,
                91..94 => self.snapshot(life)?,
                94..97 => self.change_budget(),
                _ => self.drain(life)?,
            }
        }
        Ok(())
    }

    fn submit(&mut self, life: &mut Life, until: u64) -> Result<(), End> {
        let count = (1 + self.rng.below(12)).min(until - life.submitted);
        let from = life.submitted;
        let commands = &self.script.commands[from as usize..(from + count) as usize];
        let requests = (from..).zip(commands).map(|(ticket, (time, command))| Request {
            command: command.clone(),
            ticket,
            time: Some(*time),
        });
        life.core.submit(requests.collect(), &life.answers)?;
        life.submitted += count;
        life.ahead += 1;
        Ok(())
    }

    fn append(&mut self, life: &mut Life) -> Result<(), End> {
        let appended = life.core.append();
        self.bear_full_disk(appended).map(|_| ())
    }

    fn release(&mut self, life: &mut Life) -> Result<(), End> {
        let released = life.core.release();
        if self.bear_full_disk(released)? {
            life.ahead -= 1;
        }
        self.take_answers(life);
        Ok(())
    }

    /// A full disk is borne until somebody makes space; the core lives on.
    fn bear_full_disk(&mut self, result: Result<bool, CoreError>) -> Result<bool, End> {
        match result {
            Err(CoreError::Journal(JournalError::DiskFull { .. })) => {
                self.summary.disk_full += 1;
                if self.rng.chance(50) {
                    self.disk.set_byte_budget(None);
                }
                Ok(false)
            }
            other => Ok(other?),
        }
    }

    fn change_budget(&mut self) {
        let budget = self.rng.chance(60).then(|| self.disk.used_bytes() + self.rng.below(2_000));
        self.disk.set_byte_budget(budget);
    }

    fn snapshot(&mut self, life: &mut Life) -> Result<(), End> {
        match life.core.snapshot() {
            Ok(made) => self.summary.snapshots += u64::from(made.is_some()),
            Err(CoreError::Journal(JournalError::DiskFull { .. })) => self.summary.disk_full += 1,
            Err(error @ (CoreError::Diverged { .. } | CoreError::Sequence { .. } | CoreError::Poison { .. })) => {
                return Err(End::Broken(format!("snapshot: {error}")));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Everything that waits becomes durable and leaves.
    fn drain(&mut self, life: &mut Life) -> Result<(), End> {
        self.disk.set_byte_budget(None);
        while life.core.append()? {}
        life.core.sync()?;
        while life.core.release()? {
            life.ahead -= 1;
        }
        self.take_answers(life);
        Ok(())
    }

    /// A consumer reads the record: nothing beyond the durable mark, and nothing but what the reference says.
    fn look(&mut self, life: &mut Life) -> Result<(), End> {
        let durable = life.core.published().durable().0;
        let mut found: Vec<Frame> = Vec::new();
        loop {
            let from = life.tail.next_sequence();
            let more = life.tail.next_block(|frame| {
                found.push(frame);
                Ok::<(), CoreError>(())
            })?;
            let last = life.tail.next_sequence() - 1;
            if last > durable {
                return Err(End::Broken(format!("the record shows command {last}, durable is {durable}")));
            }
            if more {
                self.seen = self.seen.max(last);
                let expected = self.reference.frames_to(last);
                let start = expected.partition_point(|frame| frame.seq.0 < from);
                if found != expected[start..] {
                    return Err(End::Broken(format!("the record shows other events from {from} to {last}")));
                }
                found.clear();
            } else {
                return Ok(());
            }
        }
    }

    fn take_answers(&mut self, life: &mut Life) {
        let durable = life.core.published().durable();
        for completion in life.completed.try_iter().flatten() {
            assert!(completion.seq <= durable, "command {} was acknowledged before it was durable", completion.seq);
            assert_eq!(completion.ticket + 1, completion.seq.0, "commands are stamped in the order of the script");
            let outcome = self.reference.outcomes[completion.ticket as usize];
            assert_eq!((completion.code, completion.id), (outcome.code, outcome.id), "command {}", completion.seq);
            self.acknowledged[completion.ticket as usize] = Some(completion);
        }
    }

    /// The last life runs to the end of the day; then all hashes are compared.
    fn finish(&mut self) -> Result<(), String> {
        self.disk.set_power_off_after(None);
        let mut life = self.recover()?;
        let until = self.script.commands.len() as u64;
        let ended = self.run(&mut life, until).and_then(|()| self.drain(&mut life));
        match ended {
            Ok(()) => {}
            Err(End::Broken(broken)) => return Err(broken),
            // A sync failure that was planned and not reached before.
            Err(End::Died) => self.summary.failed_syncs += 1,
        }
        self.hashes.push((life.core.state().seq().0, life.core.state().hash()));
        drop(life);
        self.hashes.sort_unstable();
        let wanted: Vec<u64> = self.hashes.iter().map(|(seq, _)| *seq).collect();
        for ((seq, found), expected) in self.hashes.iter().zip(self.reference.hashes(&wanted)) {
            if *found != expected {
                return Err(format!("the state at {seq} is not that of the run that was never killed"));
            }
            self.summary.hashes_compared += 1;
        }
        Ok(())
    }
}

fn read_events(storage: &Arc<dyn heng_journal::Storage>, data: &std::path::Path) -> Result<Vec<Frame>, CoreError> {
    let mut tail = EventTail::open(storage, &Layout::new(data).events, 1)?;
    let mut frames = Vec::new();
    while tail.next_block(|frame| {
        frames.push(frame);
        Ok::<(), CoreError>(())
    })? {}
    Ok(frames)
}
