//! What a restart needs: which orders came in which session, and how far the record was reported.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use heng_model::{AccountId, Price, Qty, Seq, Side, TradeDate};
use heng_transport::fix::{ApplVersion, Begin, FixSessionId, MessageSeal};

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
/// counterparty's resend brings again. With keys, what is written at once is one sealed line.
pub(super) struct Notes {
    folder: PathBuf,
    orders: File,
    buffer: Vec<u8>,
    seal: Seal,
}

/// What seals the notes, if anything does.
type Seal = Option<Arc<dyn MessageSeal>>;

const SEPARATOR: char = '\u{1}';
/// Begins a sealed line.
const SEALED: char = '~';
/// What sealed lines are bound to.
const NAME: &str = "desk orders";

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

fn read_notes(path: &Path, seal: &Seal) -> std::io::Result<Vec<Note>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut notes = Vec::new();
    let mut lines = BufReader::new(file).lines().map_while(Result::ok).peekable();
    while let Some(line) = lines.next() {
        let Some(sealed) = line.strip_prefix(SEALED) else {
            notes.extend(parse(&line));
            continue;
        };
        match opened(sealed, seal) {
            Ok(text) => notes.extend(text.lines().filter_map(parse)),
            // A last line that was cut off by the end of the process is the counterparty's to send again.
            Err(_) if seal.is_some() && lines.peek().is_none() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(notes)
}

fn opened(sealed: &str, seal: &Seal) -> std::io::Result<String> {
    let none = || std::io::Error::other("the notes of the FIX desk are sealed, and there are no keys");
    let sealed = BASE64_STANDARD.decode(sealed).map_err(std::io::Error::other)?;
    let text = seal.as_ref().ok_or_else(none)?.open(NAME, &sealed)?;
    String::from_utf8(text).map_err(std::io::Error::other)
}

/// The form in which notes stand in the file.
fn written(text: &[u8], seal: &Seal) -> std::io::Result<Vec<u8>> {
    let Some(seal) = seal.as_ref().filter(|_| !text.is_empty()) else { return Ok(text.to_vec()) };
    Ok(format!("{SEALED}{}\n", BASE64_STANDARD.encode(seal.seal(NAME, text)?)).into_bytes())
}

fn read_place(path: &Path) -> Option<Place> {
    let text = std::fs::read_to_string(path).ok()?;
    let (day, reported) = text.trim_end().split_once(' ')?;
    Some(Place { day: day.parse().ok()?, reported: reported.parse().ok()? })
}

impl Notes {
    /// The files in `folder`, the notes in them that are of the two newest dates, and the place where reporting ended;
    /// `None` where it never began.
    pub(super) fn open(folder: &Path, seal: Seal) -> std::io::Result<(Self, Vec<Note>, Option<Place>)> {
        std::fs::create_dir_all(folder)?;
        let (path, temporary) = (folder.join("orders"), folder.join("orders.new"));
        let mut notes = read_notes(&path, &seal)?;
        let mut dates: Vec<TradeDate> = notes.iter().map(|note| note.trade_date).collect();
        dates.sort_unstable();
        dates.dedup();
        if let Some(oldest) = dates.iter().rev().nth(1) {
            notes.retain(|note| note.trade_date >= *oldest);
        }
        let text: String = notes.iter().map(|note| line(note) + "\n").collect();
        std::fs::write(&temporary, written(text.as_bytes(), &seal)?)?;
        std::fs::rename(&temporary, &path)?;
        let orders = OpenOptions::new().append(true).open(&path)?;
        let place = read_place(&folder.join("place"));
        Ok((Self { folder: folder.to_owned(), orders, buffer: Vec::new(), seal }, notes, place))
    }

    /// Takes a note; it is in the file after the next [`Notes::write`].
    pub(super) fn add(&mut self, note: &Note) {
        self.buffer.extend_from_slice(line(note).as_bytes());
        self.buffer.push(b'\n');
    }

    /// Writes what was taken.
    pub(super) fn write(&mut self) -> std::io::Result<()> {
        if !self.buffer.is_empty() {
            self.orders.write_all(&written(&self.buffer, &self.seal)?)?;
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
        let (mut notes, none, place) = Notes::open(folder.path(), None).expect("a new folder");
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
        let (_, found, place) = Notes::open(folder.path(), None).expect("the same folder");
        assert_eq!(found, [note(7, "id 7 | x"), note(8, "id 8 | x")]);
        assert_eq!(first_needed(place, Seq(50)), Seq(10));
    }

    /// Shows whether notes went through it.
    #[derive(Debug)]
    struct Flip;

    impl MessageSeal for Flip {
        fn seal(&self, name: &str, message: &[u8]) -> std::io::Result<Vec<u8>> {
            Ok([name.as_bytes(), &message.iter().map(|byte| !byte).collect::<Vec<_>>()].concat())
        }

        fn open(&self, name: &str, sealed: &[u8]) -> std::io::Result<Vec<u8>> {
            let sealed = sealed.strip_prefix(name.as_bytes()).ok_or(std::io::ErrorKind::InvalidData)?;
            Ok(sealed.iter().map(|byte| !byte).collect())
        }
    }

    #[test]
    fn sealed_notes_are_not_in_the_file_and_are_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut plain, ..) = Notes::open(folder.path(), None).expect("a new folder");
        plain.add(&note(6, "before"));
        plain.write().expect("written");
        drop(plain);
        let seal = || Some(Arc::new(Flip) as Arc<dyn MessageSeal>);
        let (mut notes, found, _) = Notes::open(folder.path(), seal()).expect("the same folder");
        assert_eq!(found, [note(6, "before")]);
        notes.add(&note(6, "afterwards"));
        notes.write().expect("written");
        drop(notes);
        let path = folder.path().join("orders");
        assert!(!std::fs::read_to_string(&path).expect("a file").contains("600000.SH"));
        assert!(Notes::open(folder.path(), None).map(drop).unwrap_err().to_string().contains("there are no keys"));
        // A line that was cut off.
        OpenOptions::new().append(true).open(&path).expect("a file").write_all(b"~AAAA").expect("written");
        let (_, found, _) = Notes::open(folder.path(), seal()).expect("the same folder");
        assert_eq!(found, [note(6, "before"), note(6, "afterwards")]);
    }
}
