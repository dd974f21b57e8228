//! `heng journal`: looking at the command journal, and the four-eyes quarantine.

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use heng_core::{CoreError, Layout, Replayed, decode_batch, recover, replay, write_snapshot};
use heng_engine::Capacity;
use heng_journal::{
    Check, EventLog, EventLogOptions, Journal, JournalOptions, JournalReader, Quarantine, RecordKind, SnapshotStore,
    Storage, repair_plan, verify,
};
use heng_model::command::NewOrder;
use heng_model::wire::{Wire as _, WireError, hex};
use heng_model::{Command, PartitionId, Seq, Sequenced};

use crate::ends;
use crate::show::{json, say};

/// Looks at the command journal.
#[derive(Args, Debug)]
pub struct JournalArgs {
    #[command(subcommand)]
    what: JournalCommand,
}

#[derive(Subcommand, Debug)]
enum JournalCommand {
    /// Check every record, its checksum and the chain of hashes
    Verify(FolderArgs),
    /// Print the commands, one a line
    Dump(DumpArgs),
    /// Say what opening the journal for writing would cut off
    Repair(RepairArgs),
    /// Rebuild the state from the first record and print its hash
    State(FolderArgs),
    /// Replay the journal of a stopped core and leave a verified snapshot of the state
    Snapshot(SnapshotArgs),
    /// Turn a command at which the core aborts into a refusal, on the word of two people
    Quarantine(QuarantineArgs),
}

impl JournalCommand {
    fn data(&self) -> &Path {
        match self {
            Self::Verify(args) | Self::State(args) => &args.data,
            Self::Dump(args) => &args.data,
            Self::Repair(args) => &args.data,
            Self::Snapshot(args) => &args.data,
            Self::Quarantine(args) => &args.data,
        }
    }
}

#[derive(Args, Debug)]
struct FolderArgs {
    /// The data folder
    #[arg(long)]
    data: PathBuf,
    /// Print exactly one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct DumpArgs {
    /// The data folder
    #[arg(long)]
    data: PathBuf,
    /// First journal record
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct RepairArgs {
    /// The data folder
    #[arg(long)]
    data: PathBuf,
    /// Change nothing (the only mode: a start drops a torn tail by itself, and nothing else may be repaired)
    #[arg(long, required = true)]
    dry_run: bool,
    /// Print exactly one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct SnapshotArgs {
    /// The data folder; no core may be running on it
    #[arg(long)]
    data: PathBuf,
    /// The state hash that the core had; nothing is written if the files make another one
    #[arg(long)]
    expect: Option<String>,
    /// Print exactly one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct QuarantineArgs {
    /// The data folder; no core may be running on it
    #[arg(long)]
    data: PathBuf,
    /// The command's sequence
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    sequence: u64,
    /// First person
    #[arg(long)]
    by: String,
    /// Second person
    #[arg(long)]
    and_by: String,
    /// Why
    #[arg(long)]
    reason: String,
}

/// The key of an order as text: account/trade date/client order id.
#[must_use]
pub fn key_text(order: &NewOrder) -> String {
    format!("{}/{}/{}", order.account, order.trade_date, order.client_order.to_text())
}

/// Runs `heng journal`.
///
/// # Errors
/// A missing or damaged journal.
pub fn run(args: &JournalArgs) -> anyhow::Result<ExitCode> {
    let storage = crate::at_rest::AtRest::open(args.what.data(), None)?.storage();
    match &args.what {
        JournalCommand::Verify(args) => verify_journal(&storage, args),
        JournalCommand::Dump(args) => dump(&storage, args),
        JournalCommand::Repair(args) => repair(&storage, args),
        JournalCommand::State(args) => state(&storage, args),
        JournalCommand::Snapshot(args) => snapshot(&storage, args),
        JournalCommand::Quarantine(args) => quarantine(&storage, args),
    }
}

/// The journal's folder, which must hold a journal: these commands never make one.
fn journal_dir(data: &Path) -> anyhow::Result<PathBuf> {
    let dir = Layout::new(data).journal;
    let segments = std::fs::read_dir(&dir).into_iter().flatten().flatten();
    if !segments.into_iter().any(|file| file.path().extension().is_some_and(|ending| ending == "seg")) {
        bail!(
            "there is no journal in {}; give the folder that `heng day --data` or `heng up --data` used",
            data.display()
        );
    }
    Ok(dir)
}

fn print(as_json: bool, rows: &[(&str, serde_json::Value)]) -> anyhow::Result<()> {
    if as_json {
        let object: serde_json::Map<_, _> =
            rows.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        return say(&format!("{}\n", serde_json::Value::Object(object)));
    }
    let plain = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    say(&rows.iter().map(|(name, value)| format!("{name:<16}{}\n", plain(value))).collect::<String>())
}

fn verify_journal(storage: &Arc<dyn Storage>, args: &FolderArgs) -> anyhow::Result<ExitCode> {
    let (dir, layout) = (journal_dir(&args.data)?, Layout::new(&args.data));
    // First, because beside a living core the journal is ahead of the events.
    let events = ends::last_event(storage, &layout);
    let Some(found) = verify(storage.as_ref(), &dir)? else {
        bail!("{} holds no journal segment", dir.display());
    };
    ends::refuse_short_journal(storage, &layout, found.first_index, events)?;
    let torn = found
        .torn
        .as_ref()
        .map(|t| format!("{} bytes from byte {} of {}: {}", t.bytes, t.offset, t.path.display(), t.damage));
    let quarantined: Vec<u64> = found.quarantined.iter().map(|q| q.sequence).collect();
    let rows = [
        ("sound", true.into()),
        ("partition", found.partition.into()),
        ("first_index", found.first_index.into()),
        ("last_index", found.last_index.into()),
        ("records", found.records.into()),
        ("segments", found.segments.into()),
        ("bytes", found.bytes.into()),
        ("chain_head", hex(&found.chain_head).into()),
        ("torn_tail", torn.into()),
        ("quarantined", quarantined.into()),
    ];
    print(args.json, &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn repair(storage: &Arc<dyn Storage>, args: &RepairArgs) -> anyhow::Result<ExitCode> {
    let dir = journal_dir(&args.data)?;
    assert!(args.dry_run, "the command line asks for it");
    let plan = repair_plan(storage.as_ref(), &dir)?;
    let cut = plan.cut.as_ref().map(|cut| format!("{} from byte {}: {}", cut.path.display(), cut.offset, cut.reason));
    let remove: Vec<String> = plan.remove.iter().map(|path| path.display().to_string()).collect();
    let rows = [
        ("clean", plan.is_clean().into()),
        ("cut", cut.into()),
        ("remove", remove.into()),
        ("last_index_kept", plan.last_index_kept.into()),
        ("loses_durable", plan.loses_durable.into()),
        ("changed", false.into()),
    ];
    print(args.json, &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn state(storage: &Arc<dyn Storage>, args: &FolderArgs) -> anyhow::Result<ExitCode> {
    journal_dir(&args.data)?;
    let began = std::time::Instant::now();
    let replayed = replay(storage, &Layout::new(&args.data), Capacity::default(), true)?;
    print(args.json, &replay_rows(&replayed, began.elapsed().as_secs_f64()))?;
    Ok(ExitCode::SUCCESS)
}

fn replay_rows(replayed: &Replayed, seconds: f64) -> [(&'static str, serde_json::Value); 5] {
    [
        ("commands", replayed.commands.into()),
        ("sequence", replayed.state.seq().0.into()),
        ("commands_per_s", (replayed.commands as f64 / seconds).into()),
        ("state_hash", hex(&replayed.state.hash()).into()),
        ("event_digest", format!("{:032x}", replayed.digest.0).into()),
    ]
}

fn snapshot(storage: &Arc<dyn Storage>, args: &SnapshotArgs) -> anyhow::Result<ExitCode> {
    let dir = journal_dir(&args.data)?;
    let layout = Layout::new(&args.data);
    // Opening it for writing makes every record durable, which a snapshot must not be ahead of, and keeps others out.
    let (journal, found) = Journal::open(Arc::clone(storage), &dir, JournalOptions::default())
        .context("open the journal (stop the core first)")?;
    let began = std::time::Instant::now();
    // From the first record if it is still there: older snapshots then need not be trusted.
    let replayed = replay(storage, &layout, Capacity::default(), found.purged_to == 0)?;
    let rows = replay_rows(&replayed, began.elapsed().as_secs_f64());
    let hash = hex(&replayed.state.hash());
    let wanted = args.expect.as_ref().is_none_or(|expected| *expected == hash);
    drop(journal);
    if wanted && replayed.state.seq().0 > 0 {
        complete_record(storage, &layout, replayed.state.seq().0)?;
        let store = SnapshotStore::open(Arc::clone(storage), &layout.snapshots)?;
        write_snapshot(&store, replayed)?;
    }
    print(args.json, &rows)?;
    Ok(if wanted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A start uses no snapshot above the end of the event log, which a crash may have cut off: recovery makes it again.
fn complete_record(storage: &Arc<dyn Storage>, layout: &Layout, sequence: u64) -> anyhow::Result<()> {
    let (log, found) = EventLog::open(Arc::clone(storage), &layout.events, EventLogOptions::default())?;
    drop(log);
    if found.last_sequence < sequence {
        let options = JournalOptions::default();
        recover(storage, layout, PartitionId(options.partition), Capacity::default(), options.segment_bytes)?;
    }
    Ok(())
}

fn dump(storage: &Arc<dyn Storage>, args: &DumpArgs) -> anyhow::Result<ExitCode> {
    let dir = journal_dir(&args.data)?;
    let mut reader = JournalReader::open(Arc::clone(storage), &dir, args.from, Check::Checksums)?;
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    while let Some(record) = reader.next_record()? {
        if record.kind == RecordKind::Commands {
            let index = record.index;
            decode_batch(
                record.payload,
                |_: Seq, _| Ok(()),
                |command| print_command(&mut out, index, &command, args.json),
            )
            .map_err(|error: DumpError| error.at(index))?;
        } else {
            writeln!(out, "{{\"record\":{},\"kind\":\"{:?}\"}}", record.index, record.kind)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

enum DumpError {
    Wire(WireError),
    Write(std::io::Error),
}

impl From<WireError> for DumpError {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl DumpError {
    fn at(self, index: u64) -> anyhow::Error {
        match self {
            Self::Wire(error) => CoreError::Record { index, error }.into(),
            Self::Write(error) => error.into(),
        }
    }
}

fn print_command(
    out: &mut impl std::io::Write,
    record: u64,
    command: &Sequenced<Command>,
    as_json: bool,
) -> Result<(), DumpError> {
    let key = match &command.command {
        Command::NewOrder(order) => Some(key_text(order)),
        _ => None,
    };
    let fields = match &command.command {
        // A whole rule bundle helps nobody here; its hash names it.
        Command::ActivateRulebook(rules) => {
            serde_json::json!({"hash": hex(&rules.hash), "from": rules.from.to_string(), "bytes": rules.bytes.len()})
        }
        other => json(&other.show()),
    };
    let (seq, time, name) = (command.seq.0, command.time.0, command.command.name());
    let line = if as_json {
        let mut line = serde_json::json!({"record": record, "seq": seq, "time": time, "command": name});
        if let (Some(line), serde_json::Value::Object(fields)) = (line.as_object_mut(), fields) {
            line.extend(key.map(|key| ("key".to_owned(), key.into())));
            line.extend(fields);
        }
        line.to_string()
    } else {
        format!("{seq:>10} {name:<18} {} {fields}", key.unwrap_or_default())
    };
    writeln!(out, "{line}").map_err(DumpError::Write)
}

fn quarantine(storage: &Arc<dyn Storage>, args: &QuarantineArgs) -> anyhow::Result<ExitCode> {
    let dir = journal_dir(&args.data)?;
    let (mut journal, found) = Journal::open(Arc::clone(storage), &dir, JournalOptions::default())
        .context("open the journal for writing (stop the core first)")?;
    let quarantine = Quarantine {
        sequence: args.sequence,
        reason: args.reason.clone(),
        approvers: [args.by.clone(), args.and_by.clone()],
    };
    quarantine.check()?;
    // The journal is held, so that nobody writes in between.
    ends::refuse_needless_quarantine(storage, &Layout::new(&args.data), found.purged_to + 1, args.sequence)?;
    journal.append_quarantine(found.last_term + 1, heng_engine::CURRENT_LEVEL, &quarantine)?;
    journal.sync()?;
    say(&format!(
        "command {} is quarantined by {} and {}; start the core again\n",
        args.sequence, args.by, args.and_by
    ))?;
    Ok(ExitCode::SUCCESS)
}
