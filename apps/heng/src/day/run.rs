//! Runs the day: the plan becomes commands, the core answers, the files are read back by a process of their own.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Instant;

use anyhow::{Context as _, bail};
use heng_core::{Completion, Core, CoreError, CoreOptions, CorePort, CoreReport, Layout, Request, SnapshotPolicy};
use heng_engine::{Capacity, State};
use heng_journal::{OsStorage, Storage};
use heng_model::command::Memo;
use heng_model::wire::hex;
use heng_model::{Command, PartitionId, UnixNanos};
use heng_runtime::SystemClock;
use indicatif::{ProgressBar, ProgressStyle};

use super::plan::{DayArgs, Plan, TOPIC};
use super::report::DayReport;
use super::tally::Tally;
use crate::market::{Flow, FlowOptions, World, rulebook_of};
use crate::show::say;

/// Commands of one submission.
const SUBMISSION: usize = 512;
/// Commands without an answer at most: enough to fill the time of a sync, few enough that answers come soon.
const IN_FLIGHT_MAX: u64 = 16_384;

/// Commands from one snapshot to the next, so that a crashed day of many orders is finished soon.
const SNAPSHOT_EVERY: u64 = 2_000_000;

/// Runs `heng day`.
///
/// # Errors
/// Bad options, or a core that stops.
pub fn run(args: &DayArgs) -> anyhow::Result<ExitCode> {
    let keep = args.data.clone();
    let temporary = keep.is_none().then(|| std::env::temp_dir().join(format!("heng-day-{}", std::process::id())));
    let data = keep.or_else(|| temporary.clone()).expect("one of the two");
    let result = run_in(args, &data);
    if let Some(folder) = temporary {
        // What was never asked for is not left behind; a failure to remove it harms nobody.
        let _ = std::fs::remove_dir_all(folder);
    }
    let report = result?;
    let answer = if args.json { serde_json::to_string(&report)? + "\n" } else { report.table() };
    say(&answer)?;
    Ok(if report.is_proven() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn has_journal(data: &Path) -> bool {
    std::fs::read_dir(Layout::new(data).journal).is_ok_and(|mut entries| entries.next().is_some())
}

/// The plan: from the command line, or from the journal that is to be resumed.
fn plan_of(args: &DayArgs, data: &Path) -> anyhow::Result<Option<Plan>> {
    match (args.resume, has_journal(data)) {
        (true, false) => bail!("--resume: there is no journal in {}; run without --resume first", data.display()),
        (false, true) => bail!("{} holds a journal already; use --resume, or another --data folder", data.display()),
        (true, true) => {
            Plan::refuse_flags(args)?;
            Ok(None)
        }
        (false, false) => Ok(Some(Plan::from_args(args))),
    }
}

/// The process ends at once if the disk fails: an answer that was given must not turn out untrue.
fn on_fatal(error: &CoreError) {
    eprintln!("FATAL: {error}");
    std::process::exit(4);
}

fn options(data: &Path, storage: &Arc<dyn Storage>, plan: Option<&Plan>) -> CoreOptions {
    let capacity = plan.map_or_else(Capacity::default, |plan| Capacity {
        accounts: plan.world.clients as usize,
        positions: plan.world.clients as usize * 4,
        orders: usize::try_from(plan.orders).unwrap_or(0),
    });
    CoreOptions {
        data: data.to_owned(),
        partition: PartitionId(0),
        capacity,
        clock: Arc::new(SystemClock),
        follows_clock: false,
        storage: Arc::clone(storage),
        segment_bytes: 64 << 20,
        // The journal of a day stays whole, so that every acknowledged order can be found in it.
        snapshots: Some(SnapshotPolicy { every: SNAPSHOT_EVERY, purge_journal: false }),
        on_fatal,
    }
}

fn run_in(args: &DayArgs, data: &Path) -> anyhow::Result<DayReport> {
    // What is wrong with the command line is told before a file is made, so that the same folder can be tried again.
    let scene = match plan_of(args, data)? {
        Some(plan) => Some(Scene::new(plan, &crate::rules::rule_files(args.rules.as_deref())?)?),
        None => None,
    };
    let ack_log = args.ack_log.as_deref().map(AckLog::open).transpose()?;
    std::fs::create_dir_all(data).with_context(|| format!("create the data folder {}", data.display()))?;
    let storage = OsStorage::shared();
    let core = Core::start(&options(data, &storage, scene.as_ref().map(|scene| &scene.plan)))?;
    let port = core.port();
    let (Scene { plan, world, closed }, done) = match scene {
        Some(scene) => (scene, 0),
        None => resumed_scene(&port)?,
    };
    let memo = Memo { topic: TOPIC.into(), content: plan.to_memo() };
    let before = UnixNanos::at(plan.world.date, 5 * 3_600 * heng_model::SECOND);
    let flow = Flow::new(&world, FlowOptions { orders: plan.orders, first_order: 1 });
    let commands = std::iter::once((before, Command::from(memo))).chain(world.setup()).chain(flow);
    let mut feed = Feed::new(args, &plan, port, ack_log);
    let began = Instant::now();
    feed.run(commands.skip(usize::try_from(done).unwrap_or(usize::MAX)))?;
    let wall = began.elapsed().as_secs_f64();
    let recovered = args.resume.then(|| (core.recovered_commands(), done, core.chain_head()));
    let mut warnings = closed;
    warnings.extend_from_slice(core.warnings());
    let stopped = core.stop()?;
    let submitted = feed.orders_sent;
    if !heng_engine::invariants::violations(&stopped.state).is_empty() {
        warnings.extend(heng_engine::invariants::violations(&stopped.state).into_iter().take(20));
    }
    let mut report = summarise(&plan, data, &storage, &stopped, wall, submitted, args.data.is_some())?;
    if let Some((commands, sequence, head)) = recovered {
        report.recovered_commands = Some(commands);
        report.recovered_to_sequence = Some(sequence);
        report.chain_head = Some(hex(&head));
    }
    report.warnings = warnings;
    Ok(report)
}

/// What the day is to be, and where.
struct Scene {
    plan: Plan,
    world: World,
    /// What to say about markets that do not trade on the day.
    closed: Vec<String>,
}

impl Scene {
    fn new(plan: Plan, files: &[(String, String)]) -> anyhow::Result<Self> {
        let closed = plan.closed_markets(&rulebook_of(files)?)?;
        Ok(Self { plan, world: World::new(plan.world, files)?, closed })
    }
}

/// The day that a journal holds, and how many of its commands. It keeps the rules of its journal, whatever stands in
/// the folder now: they were activated there.
fn resumed_scene(port: &CorePort) -> anyhow::Result<(Scene, u64)> {
    let (plan, done) = resumed_plan(port)?;
    Ok((Scene::new(plan, &rules_of_journal(port)?)?, done))
}

/// Plan and number of commands that a journal holds.
fn resumed_plan(port: &CorePort) -> anyhow::Result<(Plan, u64)> {
    let (memo, seq) = port.inspect(|state: &State| (state.memo(TOPIC).map(<[u8]>::to_vec), state.seq().0))?;
    let Some(memo) = memo else {
        bail!("the journal holds no plan of a day; only a day begun by `heng day --data` can be resumed")
    };
    Ok((Plan::from_memo(&memo)?, seq))
}

/// The rule files that the journal activated; if the crash came before, those that are built in would be activated.
fn rules_of_journal(port: &CorePort) -> anyhow::Result<Vec<(String, String)>> {
    let bytes = port.inspect(|state: &State| state.rule_bytes().map(<[u8]>::to_vec))?;
    match bytes {
        Some(bytes) => heng_rulebook::parse_bundle(&bytes).map_err(|error| anyhow::anyhow!("{error}")),
        None => Ok(heng_rulebook::Rulebook::embedded_files()),
    }
}

/// Sends the commands and takes the answers.
struct Feed {
    port: CorePort,
    answers: Sender<Vec<Completion>>,
    completed: Receiver<Vec<Completion>>,
    in_flight: u64,
    in_flight_max: u64,
    orders_sent: u64,
    crash_after: Option<u64>,
    ack_log: Option<AckLog>,
    bar: ProgressBar,
}

/// Keys of orders in flight, and the file that takes those that are acknowledged.
struct AckLog {
    file: BufWriter<File>,
    keys: std::collections::VecDeque<(u64, String)>,
}

impl AckLog {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(path);
        let file = file.with_context(|| format!("open the acknowledgement file {}", path.display()))?;
        Ok(Self { file: BufWriter::new(file), keys: std::collections::VecDeque::new() })
    }
}

impl Feed {
    fn new(args: &DayArgs, plan: &Plan, port: CorePort, ack_log: Option<AckLog>) -> Self {
        let (answers, completed) = channel();
        let bar = progress(args, plan.orders);
        let crash_after = args.crash_at.map(|percent| plan.orders * u64::from(percent) / 100);
        // A small day that shall crash is fed in smaller bites: otherwise nothing of it would be durable by then.
        let at_most = if crash_after.is_some() { plan.orders / 64 } else { IN_FLIGHT_MAX };
        let in_flight_max = at_most.clamp(SUBMISSION as u64, IN_FLIGHT_MAX);
        Self { port, answers, completed, in_flight: 0, in_flight_max, orders_sent: 0, crash_after, ack_log, bar }
    }

    fn run(&mut self, commands: impl Iterator<Item = (UnixNanos, Command)>) -> anyhow::Result<()> {
        let mut pending = Vec::with_capacity(SUBMISSION);
        for (ticket, (time, command)) in (0u64..).zip(commands) {
            if let Command::NewOrder(order) = &command {
                self.orders_sent += 1;
                if let Some(log) = &mut self.ack_log {
                    log.keys.push_back((ticket, crate::journal::key_text(order)));
                }
            }
            pending.push(Request { command, ticket, time: Some(time) });
            if pending.len() == SUBMISSION || ticket == 0 {
                self.send(std::mem::replace(&mut pending, Vec::with_capacity(SUBMISSION)))?;
            }
            // The plan comes first and is durable before anything else is sent, so that a crashed day can be resumed.
            while ticket == 0 && self.in_flight > 0 {
                self.take_answers()?;
            }
        }
        self.send(pending)?;
        while self.in_flight > 0 {
            self.take_answers()?;
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    fn send(&mut self, requests: Vec<Request>) -> anyhow::Result<()> {
        while self.in_flight + requests.len() as u64 > self.in_flight_max {
            self.take_answers()?;
        }
        self.in_flight += requests.len() as u64;
        if !requests.is_empty() {
            self.port.send(requests, &self.answers)?;
        }
        if self.crash_after.is_some_and(|after| self.orders_sent >= after) {
            // Without warning: no flush, no farewell.
            std::process::abort();
        }
        self.bar.set_position(self.orders_sent);
        Ok(())
    }

    /// Takes one batch of answers; they have passed the gate.
    fn take_answers(&mut self) -> anyhow::Result<()> {
        let batch = self.completed.recv().context("the core has stopped")?;
        self.in_flight -= batch.len() as u64;
        let Some(log) = &mut self.ack_log else { return Ok(()) };
        let last = batch.last().map_or(0, |completion| completion.ticket);
        while log.keys.front().is_some_and(|(ticket, _)| *ticket <= last) {
            let (_, key) = log.keys.pop_front().expect("looked at just now");
            writeln!(log.file, "{key}").context("write the acknowledgement file")?;
        }
        log.file.flush().context("write the acknowledgement file")
    }
}

fn progress(args: &DayArgs, orders: u64) -> ProgressBar {
    if args.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} orders, {per_sec}");
    ProgressBar::new(orders).with_style(style.expect("the template is valid"))
}

/// Bytes of all files in a folder.
fn folder_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

fn summarise(
    plan: &Plan,
    data: &Path,
    storage: &Arc<dyn Storage>,
    stopped: &CoreReport,
    wall_s: f64,
    submitted: u64,
    keep: bool,
) -> anyhow::Result<DayReport> {
    let layout = Layout::new(data);
    let tally = Tally::of_log(storage, &layout.events)?;
    let state = &stopped.state;
    let ledger = state.ledger();
    Ok(DayReport {
        date: plan.world.date.to_string(),
        seed: plan.world.seed,
        clients: plan.world.clients,
        instruments: plan.world.instruments,
        orders: tally.orders(),
        accepted: tally.accepted(),
        rejected: tally.rejected.iter().map(|(code, count)| (code.name().to_owned(), *count)).collect(),
        cancels: tally.cancels,
        trades: tally.trades,
        auction_trades: tally.auction_trades,
        postings: ledger.postings(),
        events: tally.events,
        wall_s,
        orders_per_s: submitted as f64 / wall_s,
        core_latency_us: stopped.core_latency.summary().into(),
        durable_ack_latency_us: stopped.ack_latency.summary().into(),
        peak_rss_mb: heng_runtime::peak_rss_mb(),
        journal_bytes: folder_bytes(&layout.journal),
        cash_imbalance: heng_ledger::invariants::cash_imbalance(ledger),
        securities_imbalance: heng_ledger::invariants::securities_imbalance(ledger),
        state_hash: hex(&state.hash()),
        replay_state_hash: replayed_hash(data, keep, &hex(&state.hash()))?,
        recovered_commands: None,
        recovered_to_sequence: None,
        chain_head: None,
        warnings: Vec::new(),
    })
}

/// A new process reads the files and tells the hash of the state that they make. If the files are kept, it leaves a
/// snapshot beside them, provided that this hash is the core's own.
fn replayed_hash(data: &Path, keep: bool, expected: &str) -> anyhow::Result<String> {
    let program: PathBuf = std::env::current_exe().context("find this program")?;
    let words: &[&str] = if keep { &["snapshot", "--expect", expected] } else { &["state"] };
    let output = std::process::Command::new(program)
        .arg("journal")
        .args(words)
        .args(["--json", "--data"])
        .arg(data)
        .output()
        .context("start the process that reads the files")?;
    // Another hash is no failure of that process; the report tells.
    if output.stdout.is_empty() {
        bail!("the process that reads the files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).context("read what it printed")?;
    Ok(answer["state_hash"].as_str().context("it printed no state hash")?.to_owned())
}
