//! The log of the process: warnings and errors as lines of a file, on stderr where no dashboard is drawn, and the last
//! ones in memory for those who watch.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use heng_model::UnixNanos;
use serde::Deserialize;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::log_files::LogFiles;
use super::log_line::Said;
use super::syslog::Syslog;

/// Lines kept in memory.
const LINES_MAX: usize = 2_000;

/// `[log]`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The least grave lines that are kept: error, warn or info. Default: warn.
    pub level: LogLevel,
    /// What the file holds: json (an object on each line) or text. Default: json.
    pub format: LogFormat,
    /// Bytes of one file in MiB, 1 to 1,024. Default: 16.
    pub size_mb: u64,
    /// Files at most, `heng.log` included, 1 to 100. Default: 8.
    pub files: u32,
    /// A collector that speaks syslog (RFC 5424) over TCP, for example 127.0.0.1:601; none = lines stay here.
    pub syslog: Option<SocketAddr>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: LogLevel::Warn, format: LogFormat::Json, size_mb: 16, files: 8, syslog: None }
    }
}

impl LogConfig {
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!((1..=1_024).contains(&self.size_mb), "log.size_mb: 1 to 1024");
        anyhow::ensure!((1..=100).contains(&self.files), "log.files: 1 to 100");
        Ok(())
    }
}

/// How grave a line must be.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// A human must look.
    Error,
    /// Something is not as it should be.
    Warn,
    /// Connections that come and go, too.
    Info,
}

impl LogLevel {
    const fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warn => Level::WARN,
            Self::Info => Level::INFO,
        }
    }
}

/// What the file holds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines that people read.
    Text,
    /// A JSON object on each line: time, level, target, message, fields.
    Json,
}

/// A line of the log.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// By the machine's clock.
    pub(crate) time: UnixNanos,
    /// `INFO`, `WARN` or `ERROR`.
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
    fn push(&self, time: UnixNanos, level: &'static str, target: &str, text: String) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.0 += 1;
        let line = LogLine { number: held.0, time, level, target: target.to_owned(), text };
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

/// Takes the events of this process.
struct LineLog {
    file: Mutex<LogFiles>,
    echo: bool,
    level: Level,
    format: LogFormat,
    syslog: Option<Syslog>,
    lines: Lines,
}

/// Starts the log in `data/heng.log`. A second start in one process keeps the first log.
pub(crate) fn start(data: &Path, echo: bool, config: &LogConfig) -> anyhow::Result<Lines> {
    let path = data.join("heng.log");
    let file = LogFiles::open(&path, config.size_mb << 20, config.files);
    let file = Mutex::new(file.with_context(|| format!("open the log {}", path.display()))?);
    let syslog = config.syslog.map(Syslog::begin).transpose().context("begin to send the log")?;
    let lines = Lines::default();
    let (level, format) = (config.level.level(), config.format);
    // Only tests start twice in one process.
    let _ =
        tracing::subscriber::set_global_default(LineLog { file, echo, level, format, syslog, lines: lines.clone() });
    Ok(lines)
}

impl Subscriber for LineLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().starts_with("heng");
        *metadata.level() <= if ours { self.level } else { Level::ERROR }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        let time = UnixNanos(heng_runtime::Clock::now(&heng_runtime::SystemClock));
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let name = level.as_str();
        if self.echo {
            eprint!("{}", said.text(time, name, target));
        }
        let line = match self.format {
            LogFormat::Text => said.text(time, name, target),
            LogFormat::Json => said.json(time, name, target),
        };
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write(&line);
        if let Some(syslog) = &self.syslog {
            syslog.send(time, level, &said.json(time, name, target));
        }
        self.lines.push(time, name, target, said.told());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
