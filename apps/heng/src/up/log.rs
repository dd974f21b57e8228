//! Warnings and errors as lines of a file, and on stderr where no dashboard is drawn.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context as _;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Takes warnings and errors of this process.
struct LineLog {
    file: Mutex<File>,
    echo: bool,
}

/// Starts the log in `data/heng.log`. A second start in one process keeps the first log.
pub(super) fn start(data: &Path, echo: bool) -> anyhow::Result<()> {
    let path = data.join("heng.log");
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let file = Mutex::new(file.with_context(|| format!("open the log {}", path.display()))?);
    // Only tests start twice in one process.
    let _ = tracing::subscriber::set_global_default(LineLog { file, echo });
    Ok(())
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
        let text = format!("{level} {target}: {}{}\n", line.message, line.fields);
        if self.echo {
            eprint!("{text}");
        }
        if let Ok(mut file) = self.file.lock() {
            // A log that cannot be written must not stop the market.
            let _ = file.write_all(text.as_bytes());
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
