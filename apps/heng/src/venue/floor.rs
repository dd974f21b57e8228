//! The floor: the exchange behind its lock, the file of its inputs, and the way to the mail.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, bail};

use super::exchange::{Exchange, Fill, Input, Order, Terms};
use super::reports::{self, Report};

/// What is behind the lock.
pub(super) struct Inside {
    pub(super) exchange: Exchange,
    kept: Option<File>,
    /// Reports so far; names those that are no trades.
    number: u64,
}

/// See the module.
pub(super) struct Floor {
    inside: Mutex<Inside>,
    mail: Mutex<Sender<Report>>,
}

impl Floor {
    /// An exchange with these instruments; with a folder, one that goes on where its last process ended.
    pub(super) fn open(terms: Vec<Terms>, data: Option<&Path>, mail: Sender<Report>) -> anyhow::Result<Self> {
        let mut exchange = Exchange::new(terms);
        let (mut kept, mut number) = (None, 0);
        if let Some(data) = data {
            let path = data.join("inputs");
            number = replay(&path, &mut exchange)?;
            let file = OpenOptions::new().create(true).append(true).open(&path);
            kept = Some(file.with_context(|| format!("open {}", path.display()))?);
        }
        Ok(Self { inside: Mutex::new(Inside { exchange, kept, number }), mail: Mutex::new(mail) })
    }

    /// The exchange, while nothing happens.
    pub(super) fn look(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, reports: impl IntoIterator<Item = Report>) {
        let mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        for report in reports {
            // Without the mail the process is ending.
            let _ = mail.send(report);
        }
    }

    /// Something comes in; what it causes is on its way when this returns. Returns the number of the newest order.
    pub(super) fn take(&self, input: &Input) -> std::io::Result<u64> {
        let mut inside = self.look();
        if let Some(file) = &mut inside.kept {
            let mut line = serde_json::to_vec(input).map_err(std::io::Error::other)?;
            line.push(b'\n');
            file.write_all(&line)?;
        }
        let told = inside.exchange.apply(input);
        let reports: Vec<Report> = told
            .iter()
            .map(|told| {
                inside.number += 1;
                reports::of(told, inside.number)
            })
            .collect();
        // Under the lock, so that reports leave in the order in which things happened.
        self.post(reports);
        Ok(inside.exchange.last_order())
    }

    /// Tells what `tell` makes of the exchange and the number of the next report.
    pub(super) fn tell(&self, tell: impl FnOnce(&Exchange, u64) -> Vec<Report>) {
        let mut inside = self.look();
        inside.number += 1;
        let reports = tell(&inside.exchange, inside.number);
        self.post(reports);
    }

    /// All trades of clients, and all their orders.
    pub(super) fn dump(&self) -> (Vec<Fill>, Vec<Order>) {
        let inside = self.look();
        (inside.exchange.fills().to_vec(), inside.exchange.orders().cloned().collect())
    }
}

/// Makes the inputs of an earlier process again. Returns a number above those of its reports.
fn replay(path: &Path, exchange: &mut Exchange) -> anyhow::Result<u64> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
    };
    let mut reader = BufReader::new(file);
    let (mut text, mut number, mut whole) = (String::new(), 0, 0);
    loop {
        text.clear();
        let length = reader.read_line(&mut text).with_context(|| format!("read {}", path.display()))?;
        if !text.ends_with('\n') {
            // A line that the end of the process cut off: nobody was told of it.
            OpenOptions::new().write(true).open(path)?.set_len(whole)?;
            // Enquiries were numbered as well; those of another life are far away.
            return Ok(number + 1_000_000_000 * u64::from(number > 0));
        }
        match serde_json::from_str::<Input>(&text) {
            Ok(input) => number += exchange.apply(&input).len() as u64,
            Err(error) => bail!("{}: {error} in {text:?}", path.display()),
        }
        whole += length as u64;
    }
}
