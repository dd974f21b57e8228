//! What a restart needs: which orders came in which session, and how far the record was reported.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use heng_model::{AccountId, Price, Qty, Seq, Side, TradeDate};
use heng_transport::fix::{ApplVersion, Begin, FixSessionId};

use super::orders::Note;

/// Where reporting goes on after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The command that opened the trading day: from there on the orders' states are found again.
    pub(super) day: u64,
    /// The last command whose events were reported.
    pub(super) reported: u64,
}

/// The files of the desk. They outlive a killed process, not a power loss: what a power loss takes of them, the
/// counterparty's resend brings again.
pub(super) struct Notes {
    folder: PathBuf,
    orders: File,
    buffer: Vec<u8>,
}

const SEPARATOR: char = '\u{1}';

fn line(note: &Note) -> String {
    let session = &note.session;
    let words = [
        session.begin.text().to_owned(),
        session.sender.clone(),
        session.target.clone(),
        session.version.text().to_owned(),
        note.account.0.to_string(),
        note.trade_date.number().to_string(),
        note.cl_ord_id.clone(),
        note.symbol.clone(),
        note.side.name().to_owned(),
        note.price.0.to_string(),
        note.quantity.0.to_string(),
        note.words.0.clone(),
        note.words.1.clone(),
    ];
    words.join(&SEPARATOR.to_string())
}

fn parse(line: &str) -> Option<Note> {
    let words: Vec<&str> = line.split(SEPARATOR).collect();
    let [begin, sender, target, version, account, date, id, symbol, side, price, quantity, kind, time] =
        words.as_slice()
    else {
        return None;
    };
    Some(Note {
        session: FixSessionId {
            begin: Begin::from_text(begin.as_bytes())?,
            sender: (*sender).to_owned(),
            target: (*target).to_owned(),
            version: ApplVersion::from_text(version.as_bytes())?,
        },
        account: AccountId(account.parse().ok()?),
        trade_date: TradeDate::from_number(date.parse().ok()?)?,
        cl_ord_id: (*id).to_owned(),
        symbol: (*symbol).to_owned(),
        side: side.parse::<Side>().ok()?,
        price: Price(price.parse().ok()?),
        quantity: Qty(quantity.parse().ok()?),
        words: ((*kind).to_owned(), (*time).to_owned()),
    })
}

fn read_notes(path: &Path) -> std::io::Result<Vec<Note>> {
    match File::open(path) {
        // A last line that was cut off by the end of the process is the counterparty's to send again.
        Ok(file) => Ok(BufReader::new(file).lines().map_while(Result::ok).filter_map(|line| parse(&line)).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn read_place(path: &Path) -> Option<Place> {
    let text = std::fs::read_to_string(path).ok()?;
    let (day, reported) = text.trim_end().split_once(' ')?;
    Some(Place { day: day.parse().ok()?, reported: reported.parse().ok()? })
}

impl Notes {
    /// The files in `folder`, the notes in them that are of the two newest dates, and the place where reporting ended;
    /// `None` where it never began.
    pub(super) fn open(folder: &Path) -> std::io::Result<(Self, Vec<Note>, Option<Place>)> {
        std::fs::create_dir_all(folder)?;
        let (path, temporary) = (folder.join("orders"), folder.join("orders.new"));
        let mut notes = read_notes(&path)?;
        let mut dates: Vec<TradeDate> = notes.iter().map(|note| note.trade_date).collect();
        dates.sort_unstable();
        dates.dedup();
        if let Some(oldest) = dates.iter().rev().nth(1) {
            notes.retain(|note| note.trade_date >= *oldest);
        }
        let text: String = notes.iter().map(|note| line(note) + "\n").collect();
        std::fs::write(&temporary, text)?;
        std::fs::rename(&temporary, &path)?;
        let orders = OpenOptions::new().append(true).open(&path)?;
        let place = read_place(&folder.join("place"));
        Ok((Self { folder: folder.to_owned(), orders, buffer: Vec::new() }, notes, place))
    }

    /// Takes a note; it is in the file after the next [`Notes::write`].
    pub(super) fn add(&mut self, note: &Note) {
        self.buffer.extend_from_slice(line(note).as_bytes());
        self.buffer.push(b'\n');
    }

    /// Writes what was taken.
    pub(super) fn write(&mut self) -> std::io::Result<()> {
        if !self.buffer.is_empty() {
            self.orders.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Notes how far the record was reported.
    pub(super) fn reached(&self, place: Place) -> std::io::Result<()> {
        let temporary = self.folder.join("place.new");
        std::fs::write(&temporary, format!("{} {}\n", place.day, place.reported))?;
        std::fs::rename(&temporary, self.folder.join("place"))
    }
}

/// The first event that is needed after a restart, given the place and the last durable command.
pub(super) fn first_needed(place: Option<Place>, head: Seq) -> Seq {
    match place {
        Some(place) => Seq(place.day.min(place.reported + 1).max(1)),
        None => Seq(head.0 + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(date: u32, id: &str) -> Note {
        let session = FixSessionId {
            begin: Begin::from_text(b"FIXT.1.1").expect("a version"),
            sender: "HENG".into(),
            target: "A B".into(),
            version: ApplVersion::Fix50Sp2,
        };
        Note {
            session,
            account: AccountId(7),
            trade_date: TradeDate::new(2026, 7, date).expect("a date"),
            cl_ord_id: id.into(),
            symbol: "600000.SH".into(),
            side: Side::Sell,
            price: Price(1),
            quantity: Qty(2),
            words: ("K".into(), String::new()),
        }
    }

    #[test]
    fn notes_and_place_outlive_the_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut notes, none, place) = Notes::open(folder.path()).expect("a new folder");
        assert_eq!((none.len(), place), (0, None));
        assert_eq!(first_needed(place, Seq(50)), Seq(51));
        for day in [6, 7, 8] {
            notes.add(&note(day, &format!("id {day} | x")));
        }
        notes.write().expect("written");
        notes.reached(Place { day: 10, reported: 40 }).expect("written");
        // A line that was cut off.
        std::fs::OpenOptions::new()
            .append(true)
            .open(folder.path().join("orders"))
            .unwrap()
            .write_all(b"FIX.4")
            .unwrap();
        drop(notes);
        let (_, found, place) = Notes::open(folder.path()).expect("the same folder");
        assert_eq!(found, [note(7, "id 7 | x"), note(8, "id 8 | x")]);
        assert_eq!(first_needed(place, Seq(50)), Seq(10));
    }
}
