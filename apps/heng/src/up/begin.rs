//! Where the market begins: a new world, or the one that the journal holds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use anyhow::{Context as _, bail};
use heng_core::{Core, CoreError, CoreOptions, CorePort, ReplicaOptions, Request, SnapshotPolicy};
use heng_engine::{Capacity, State};
use heng_journal::Storage;
use heng_model::command::{ActivateRulebook, Memo};
use heng_model::wire::hex;
use heng_model::{Command, PartitionId, RejectCode, SECOND, Seq, TradeDate, UnixNanos};
use heng_ports::{Answer, CommandPort as _};
use heng_rulebook::{bundle, bundle_hash};

use super::clock::MarketClock;
use crate::market::{World, WorldOptions};

/// The world that a person asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorldAsk {
    /// Client accounts.
    pub(crate) clients: Option<u32>,
    /// Instruments.
    pub(crate) instruments: Option<u32>,
    /// Seed.
    pub(crate) seed: Option<u64>,
    /// Rule files to use instead of those built in.
    pub(crate) rules: Option<PathBuf>,
    /// Activate them from the next date on, if they are not the active ones.
    pub(crate) activate_rules: bool,
}

/// Topic of the memo that holds the world's options.
const TOPIC: &str = "up-world";
/// Commands of one submission while the world is set up.
const SUBMISSION: usize = 512;
/// How long an administrative command may take.
pub(crate) const ADMIN_MAX: Duration = Duration::from_secs(30);

/// The process ends at once if the disk fails: an answer that was given must not turn out untrue.
fn on_fatal(error: &CoreError) {
    ratatui::restore();
    eprintln!("FATAL: {error}");
    std::process::exit(4);
}

/// Rows that a market begins with.
const CAPACITY: Capacity = Capacity { accounts: 4_096, positions: 16_384, orders: 1 << 16 };

/// How the replica of the core on `data` runs, which tells what checks looked at behind `explain_after`.
pub(crate) fn replica_options(data: &Path, storage: &Arc<dyn Storage>, explain_after: Seq) -> ReplicaOptions {
    let (data, storage) = (data.to_owned(), Arc::clone(storage));
    ReplicaOptions { data, partition: PartitionId(0), capacity: CAPACITY, storage, explain_after }
}

/// Starts the core on `data`.
pub(crate) fn start_core(data: &Path, storage: &Arc<dyn Storage>, clock: &Arc<MarketClock>) -> anyhow::Result<Core> {
    let options = CoreOptions {
        data: data.to_owned(),
        partition: PartitionId(0),
        capacity: CAPACITY,
        clock: Arc::clone(clock) as Arc<dyn heng_runtime::Clock>,
        follows_clock: true,
        storage: Arc::clone(storage),
        segment_bytes: 64 << 20,
        snapshots: Some(SnapshotPolicy { every: 500_000, purge_journal: true }),
        on_fatal,
    };
    Ok(Core::start(&options)?)
}

/// What the journal holds.
pub(crate) struct Found {
    pub(crate) time: UnixNanos,
    pub(crate) date: TradeDate,
    pub(crate) day_open: bool,
    world: Option<Vec<u8>>,
    rules: Option<Vec<u8>>,
}

impl Found {
    pub(crate) fn look(port: &CorePort) -> Result<Self, CoreError> {
        port.inspect(|state: &State| {
            let (date, day_open) = state.trade_date();
            Self {
                time: state.time(),
                date,
                day_open,
                world: state.memo(TOPIC).map(<[u8]>::to_vec),
                rules: state.rule_bytes().map(<[u8]>::to_vec),
            }
        })
    }

    /// Whether the world was set up to its first trading day.
    pub(crate) fn is_whole(&self) -> bool {
        self.date != TradeDate::NONE
    }

    /// The rule files in force: a text of many files in one.
    pub(crate) fn rules(&self) -> anyhow::Result<&[u8]> {
        self.rules.as_deref().context("the journal holds no rule files")
    }
}

fn asked(args: &WorldAsk) -> WorldOptions {
    WorldOptions {
        clients: args.clients.unwrap_or(2_000),
        instruments: args.instruments.unwrap_or(100),
        seed: args.seed.unwrap_or(1),
        date: TradeDate::new(2026, 7, 6).expect("a real date"),
    }
}

fn to_memo(options: WorldOptions) -> Vec<u8> {
    let WorldOptions { clients, instruments, seed, date } = options;
    format!("{clients} {instruments} {seed} {date}").into_bytes()
}

fn from_memo(memo: &[u8]) -> anyhow::Result<WorldOptions> {
    let text = std::str::from_utf8(memo).context("the memo of the world is not text")?;
    let words: Vec<&str> = text.split(' ').collect();
    let [clients, instruments, seed, date] = words.as_slice() else {
        bail!("the memo of the world is not whole: {text}")
    };
    Ok(WorldOptions {
        clients: clients.parse()?,
        instruments: instruments.parse()?,
        seed: seed.parse()?,
        date: date.parse().map_err(|error| anyhow::anyhow!("{error}"))?,
    })
}

/// Sets the world up, unless the journal holds it. A set-up that was cut off is sent again: what stands is refused as
/// existing, and changes nothing. Returns what people should know.
pub(crate) fn begin(args: &WorldAsk, port: &CorePort, found: &Found) -> anyhow::Result<Vec<String>> {
    let files = crate::rules::rule_files(args.rules.as_deref())?;
    let held = found.world.as_deref().map(from_memo).transpose()?;
    if held.is_none() && found.time != UnixNanos(0) {
        bail!("the data folder holds a journal that `heng up` did not begin; choose another --data folder");
    }
    if found.is_whole() {
        let mut notes = vec![format!("resumed at {}, command times go on from {}", found.date, time_text(found.time))];
        if held.is_some_and(|held| is_other(args, held)) {
            notes.push(
                "--clients, --instruments and --seed hold for a new data folder only; the market goes on as it is"
                    .into(),
            );
        }
        notes.extend(compare_rules(args, port, found, &files)?);
        return Ok(notes);
    }
    let options = held.unwrap_or_else(|| asked(args));
    let world = World::new(options, &files)?;
    set_up(port, &world)?;
    Ok(vec![format!("new market: {} clients, {} instruments, {}", options.clients, options.instruments, options.date)])
}

fn is_other(args: &WorldAsk, held: WorldOptions) -> bool {
    args.clients.is_some_and(|n| n != held.clients)
        || args.instruments.is_some_and(|n| n != held.instruments)
        || args.seed.is_some_and(|n| n != held.seed)
}

/// Design rule 8: other files are never applied silently; a person asks for their activation.
fn compare_rules(
    args: &WorldAsk,
    port: &CorePort,
    found: &Found,
    files: &[(String, String)],
) -> anyhow::Result<Option<String>> {
    let bytes = bundle(files);
    let (ours, active) = (bundle_hash(&bytes), bundle_hash(found.rules()?));
    if ours == active {
        return Ok(None);
    }
    let from = found.date.plus_days(1).context("the calendar ends")?;
    let (ours_text, active_text) = (&hex(&ours)[..12], &hex(&active)[..12]);
    if !args.activate_rules {
        return Ok(Some(format!(
            "the rule files given ({ours_text}) are not the active ones ({active_text}), which stay in force; \
             to activate the given ones from {from} on, start with --activate-rules"
        )));
    }
    match port.submit(ActivateRulebook { hash: ours, bytes, from }.into(), ADMIN_MAX) {
        Answer::Accepted { .. } => Ok(Some(format!("the rule files {ours_text} hold from {from} on"))),
        Answer::Rejected { code, .. } => bail!("the rule files were not activated: {code}, {}", code.english()),
        Answer::Unknown => bail!("the core did not answer; start again to see which rule files are active"),
    }
}

fn set_up(port: &CorePort, world: &World) -> anyhow::Result<()> {
    let before = UnixNanos::at(world.options.date, 5 * 3_600 * SECOND);
    let memo = Memo { topic: TOPIC.into(), content: to_memo(world.options) };
    let (answers, answered) = channel();
    let mut commands = std::iter::once((before, Command::from(memo))).chain(world.setup());
    loop {
        let requests: Vec<Request> = commands
            .by_ref()
            .take(SUBMISSION)
            .map(|(time, command)| Request { command, ticket: 0, time: Some(time) })
            .collect();
        let count = requests.len();
        if count == 0 {
            return Ok(());
        }
        port.send(requests, &answers)?;
        let mut left = count;
        while left > 0 {
            let batch =
                answered.recv_timeout(ADMIN_MAX).context("the core did not answer while the world was set up")?;
            left -= batch.len();
            for code in batch.iter().filter_map(|completion| completion.code) {
                if code != RejectCode::AlreadyExists {
                    bail!("the world cannot be set up: {code}, {}", code.english());
                }
            }
        }
    }
}

/// An instant as people write it in China, to the second.
pub(crate) fn time_text(time: UnixNanos) -> String {
    let seconds = time.time_of_day() / SECOND;
    let date = time.date().map(|date| date.to_string()).unwrap_or_default();
    format!("{date} {:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_survives_its_memo() {
        let date = "2026-07-06".parse().expect("a date");
        let options = WorldOptions { clients: 12, instruments: 7, seed: u64::MAX, date };
        assert_eq!(from_memo(&to_memo(options)).expect("a memo"), options);
        for broken in ["", "1 2 3", "1 2 3 2026-13-01", "a 2 3 2026-07-06", "1 2 3 2026-07-06 4"] {
            assert!(from_memo(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
