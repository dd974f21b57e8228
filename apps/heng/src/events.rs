//! `heng events`: the record, for outside programs.

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use heng_core::{EventTail, Layout};
use heng_engine::Frame;
use heng_model::wire::Wire as _;

use crate::ends;
use crate::show::json;

/// Reads the event log.
#[derive(Args, Debug)]
pub struct EventsArgs {
    #[command(subcommand)]
    what: EventsCommand,
}

#[derive(Subcommand, Debug)]
enum EventsCommand {
    /// Print the events, one a line; docs/events.md tells what they mean
    Export(ExportArgs),
}

#[derive(Args, Debug)]
struct ExportArgs {
    /// The data folder
    #[arg(long)]
    data: PathBuf,
    /// First command sequence
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from: u64,
    /// Last command sequence [default: the end]
    #[arg(long)]
    to: Option<u64>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Runs `heng events`.
///
/// # Errors
/// A missing, damaged or incomplete log, or an output that cannot be written.
pub fn run(args: &EventsArgs) -> anyhow::Result<ExitCode> {
    let EventsCommand::Export(export) = &args.what;
    let layout = Layout::new(&export.data);
    if !layout.events.is_dir() {
        bail!(
            "there is no event log in {}; give the folder that `heng day --data` or `heng up --data` used",
            export.data.display()
        );
    }
    let storage = crate::at_rest::AtRest::open(&export.data, None)?.storage();
    let mut tail = EventTail::open(&storage, &layout.events, export.from)
        .with_context(|| format!("open the event log in {}", export.data.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let last = export.to.unwrap_or(u64::MAX);
    while tail.next_sequence() <= last
        && tail.next_block(|frame| -> anyhow::Result<()> {
            if frame.seq.0 <= last { print_frame(&mut out, &frame, export.json) } else { Ok(()) }
        })?
    {}
    out.flush()?;
    if tail.next_sequence() <= last {
        let missing = ends::missing_events(&storage, &layout, tail.next_sequence())?;
        missing.iter().for_each(|missing| eprintln!("warning: {missing}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn print_frame(out: &mut impl std::io::Write, frame: &Frame, as_json: bool) -> anyhow::Result<()> {
    for (index, event) in frame.events.iter().enumerate() {
        let fields = json(&event.show());
        if as_json {
            let mut line = serde_json::Map::new();
            line.insert("seq".into(), frame.seq.0.into());
            line.insert("index".into(), index.into());
            line.insert("time".into(), frame.time.0.into());
            line.insert("event".into(), event.name().into());
            if let serde_json::Value::Object(fields) = fields {
                line.extend(fields);
            }
            serde_json::to_writer(&mut *out, &line)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{:>10}.{index:<3} {:<18} {fields}", frame.seq.0, event.name())?;
        }
    }
    Ok(())
}
