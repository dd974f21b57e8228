//! The log of the process: warnings and errors as lines of a file, on stderr where no dashboard is drawn, and the last
//! ones in memory for those who watch.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use heng_model::UnixNanos;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Lines kept in memory.
const LINES_MAX: usize = 2_000;

/// A line of the log.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// By the machine's clock.
    pub(crate) time: UnixNanos,
    /// `WARN` or `ERROR`.
    pub(crate) level: &'static str,
    /// Where in the code.
    pub(crate) target: String,
    /// What happened.
    pub(crate) text: String,
}

/// The last lines.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<(u64, VecDeque<LogLine>)>>);

impl Lines {
    fn push(&self, level: &'static str, target: &str, text: &str) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.0 += 1;
        let time = UnixNanos(heng_runtime::Clock::now(&heng_runtime::SystemClock));
        let line = LogLine { number: held.0, time, level, target: target.to_owned(), text: text.to_owned() };
        held.1.push_back(line);
        if held.1.len() > LINES_MAX {
            held.1.pop_front();
        }
    }

    /// Lines behind number `since`, at most `limit`, the oldest first.
    pub(crate) fn since(&self, since: u64, limit: usize) -> Vec<LogLine> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.1.iter().filter(|line| line.number > since).take(limit).cloned().collect()
    }
}

/// Takes warnings and errors of this process.
struct LineLog {
    file: Mutex<File>,
    echo: bool,
    lines: Lines,
}

/// Starts the log in `data/heng.log`. A second start in one process keeps the first log.
pub(crate) fn start(data: &Path, echo: bool) -> anyhow::Result<Lines> {
    let path = data.join("heng.log");
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let file = Mutex::new(file.with_context(|| format!("open the log {}", path.display()))?);
    let lines = Lines::default();
    // Only tests start twice in one process.
    let _ = tracing::subscriber::set_global_default(LineLog { file, echo, lines: lines.clone() });
    Ok(lines)
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a String cannot fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

impl Subscriber for LineLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("heng");
        *metadata.level() <= if ours { Level::WARN } else { Level::ERROR }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let said = format!("{}{}", line.message, line.fields);
        let text = format!("{level} {target}: {said}\n");
        if self.echo {
            eprint!("{text}");
        }
        self.lines.push(level.as_str(), target, &said);
        if let Ok(mut file) = self.file.lock() {
            // A log that cannot be written must not stop the market.
            let _ = file.write_all(text.as_bytes());
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
