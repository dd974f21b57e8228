//! What a restart needs: how far orders may have been sent, the trades' numbers, and which instruments trade here.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use heng_model::{InstrumentId, OrderId, TradeDate, TradeId};

/// A trade that was given a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotedTrade {
    pub(super) trade: TradeId,
    pub(super) order: OrderId,
    /// ExecID (17) of the venue.
    pub(super) exec: String,
}

/// What the notes of an earlier process tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The command that opened the trading day, and its date.
    pub(super) day: Option<(u64, TradeDate)>,
    /// Orders up to this command may have been sent; later ones were not.
    pub(super) routed: u64,
    /// What trades at this venue.
    pub(super) instruments: BTreeMap<InstrumentId, String>,
    /// The day's trades.
    pub(super) trades: Vec<NotedTrade>,
}

/// A file to which lines are appended. What [`Notes::commit`] has taken survives the loss of power: a trade's number is
/// on the disk before its command is under way, and the mark of an order before the order is.
pub(super) struct Notes {
    path: PathBuf,
    file: File,
    buffer: String,
    /// What the file tells, without the trades: a new day forgets them, and only it writes the file anew.
    found: Found,
}

impl Found {
    fn take(&mut self, line: &str) -> Option<()> {
        let (kind, rest) = line.split_once(' ')?;
        let (first, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        match kind {
            "day" => {
                self.day = Some((first.parse().ok()?, TradeDate::from_number(rest.parse().ok()?)?));
                self.trades.clear();
            }
            "routed" => self.routed = self.routed.max(first.parse().ok()?),
            "instrument" => {
                self.instruments.insert(InstrumentId(first.parse().ok()?), rest.to_owned());
            }
            "gone" => {
                self.instruments.remove(&InstrumentId(first.parse().ok()?));
            }
            "trade" => {
                let (order, exec) = rest.split_once(' ')?;
                let (trade, order) = (TradeId(first.parse().ok()?), OrderId(order.parse().ok()?));
                self.trades.push(NotedTrade { trade, order, exec: exec.to_owned() });
            }
            _ => return None,
        }
        Some(())
    }

    fn lines(&self) -> String {
        let mut text = String::new();
        if let Some((seq, date)) = self.day {
            line(&mut text, format_args!("day {seq} {}", date.number()));
        }
        line(&mut text, format_args!("routed {}", self.routed));
        for (id, symbol) in &self.instruments {
            line(&mut text, format_args!("instrument {id} {symbol}"));
        }
        for noted in &self.trades {
            line(&mut text, format_args!("trade {} {} {}", noted.trade, noted.order, noted.exec));
        }
        text
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("writing to a string cannot fail");
}

fn read(path: &Path) -> std::io::Result<Found> {
    let mut found = Found::default();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let mut text = String::new();
    loop {
        text.clear();
        let length = reader.read_line(&mut text)?;
        // A last line that the end of the process cut off was not committed: nothing depends on it.
        let Some(whole) = text.strip_suffix('\n') else { return Ok(found) };
        if length > 0 && found.take(whole).is_none() {
            let reason = format!("{}: line {whole:?} is not a note of a venue", path.display());
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
        }
    }
}

impl Notes {
    /// The notes in `folder`, and what they tell.
    pub(super) fn open(folder: &Path) -> std::io::Result<(Self, Found)> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("notes");
        let found = read(&path)?;
        let file = rewrite(&path, &found)?;
        let kept = Found { trades: Vec::new(), ..found.clone() };
        Ok((Self { path, file, buffer: String::new(), found: kept }, found))
    }

    /// A trading day opened with this command: the trades of the last one are needed no more.
    pub(super) fn day(&mut self, seq: u64, date: TradeDate) -> std::io::Result<()> {
        self.commit()?;
        self.found.day = Some((seq, date));
        self.file = rewrite(&self.path, &self.found)?;
        Ok(())
    }

    /// Orders up to this command may be sent from now on.
    pub(super) fn routed(&mut self, seq: u64) {
        if seq > self.found.routed {
            self.found.routed = seq;
            line(&mut self.buffer, format_args!("routed {seq}"));
        }
    }

    /// The instrument trades here under this symbol, or (`None`) does not any more.
    pub(super) fn instrument(&mut self, id: InstrumentId, symbol: Option<&str>) {
        let known = self.found.instruments.get(&id).map(String::as_str);
        match symbol {
            _ if known == symbol => {}
            Some(symbol) => {
                self.found.instruments.insert(id, symbol.to_owned());
                line(&mut self.buffer, format_args!("instrument {id} {symbol}"));
            }
            None => {
                self.found.instruments.remove(&id);
                line(&mut self.buffer, format_args!("gone {id}"));
            }
        }
    }

    /// A trade has this number. The text of the venue must hold no line ends.
    pub(super) fn trade(&mut self, noted: &NotedTrade) {
        line(&mut self.buffer, format_args!("trade {} {} {}", noted.trade, noted.order, noted.exec));
    }

    /// Puts everything noted on the disk.
    pub(super) fn commit(&mut self) -> std::io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_all(self.buffer.as_bytes())?;
            self.file.sync_data()?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Writes the notes anew, in the place of what was there.
fn rewrite(path: &Path, found: &Found) -> std::io::Result<File> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(found.lines().as_bytes())?;
    file.sync_data()?;
    std::fs::rename(&fresh, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    OpenOptions::new().append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(number: u64, exec: &str) -> NotedTrade {
        NotedTrade { trade: TradeId(number), order: OrderId(9), exec: exec.to_owned() }
    }

    #[test]
    fn what_was_committed_is_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut notes, found) = Notes::open(folder.path()).expect("a new folder");
        assert_eq!(found, Found::default());
        let date = TradeDate::new(2026, 7, 6).expect("a date");
        notes.trade(&noted(1, "of the day before"));
        notes.day(40, date).expect("it is written");
        notes.instrument(InstrumentId(3), Some("600519.SH"));
        notes.instrument(InstrumentId(4), Some("000001.SZ"));
        notes.instrument(InstrumentId(4), None);
        notes.routed(50);
        notes.routed(45);
        notes.trade(&noted(7, "E 1"));
        notes.commit().expect("it is written");
        notes.trade(&noted(8, "never committed"));
        drop(notes);
        OpenOptions::new().append(true).open(folder.path().join("notes")).unwrap().write_all(b"trade 9 9").unwrap();
        let (_, found) = Notes::open(folder.path()).expect("the same folder");
        let instruments = BTreeMap::from([(InstrumentId(3), "600519.SH".to_owned())]);
        assert_eq!(found, Found { day: Some((40, date)), routed: 50, instruments, trades: vec![noted(7, "E 1")] });
        let (_, again) = Notes::open(folder.path()).expect("the same folder");
        assert_eq!(again, found);
    }

    #[test]
    fn a_line_that_is_no_note_is_told_with_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("notes"), "routed 5\nrooted 6\n").expect("it is written");
        let error = Notes::open(folder.path()).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("rooted 6"), "{error}");
    }
}
