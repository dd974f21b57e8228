//! The operations file: who did what to the keys and when, append-only and chained by SM3.
//!
//! Lines of text, so that it can be read and checked without this program. The first one is `heng key operations 1`.
//! The others have nine fields between tabs:
//!
//! `number  unix seconds  event  of  action  detail  officer  officer  hash`
//!
//! where *of* is the number of the line that began the operation (its own, if this is it), an absent officer is `-`, and
//! *hash* is SM3, in hexadecimal, of the hash of the line before (32 bytes; of the first line: SM3 of it, without the
//! newline) and the line up to and without the tab before the hash.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::bytes::{hex, unhex};
use super::{KeysError, disk, unix_s};
use crate::sm::sm3;

const FIRST: &str = "heng key operations 1";
const FILE_MAX: u64 = 64 << 20;
const DETAIL_MAX: usize = 400;

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationEvent {
    /// Both officers were found right and the operation begins.
    Begun,
    /// It is done and durable.
    Done,
    /// It was not done, or not wholly; the ring is as before.
    Failed,
    /// It was not begun: the officers were not right.
    Refused,
}

impl OperationEvent {
    const ALL: [Self; 4] = [Self::Begun, Self::Done, Self::Failed, Self::Refused];

    /// The word in the file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// A line of the operations file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its number, from 1 on.
    pub number: u64,
    /// When, in Unix seconds.
    pub at_unix_s: u64,
    /// What it tells.
    pub event: OperationEvent,
    /// The number of the line that began the operation.
    pub of: u64,
    /// The operation: `init`, `rotate-master`, …
    pub action: String,
    /// On what.
    pub detail: String,
    /// Who; empty where nobody is needed.
    pub officers: Vec<String>,
    /// The hash at its end.
    pub hash: [u8; 32],
}

/// The operations file, whose chain was checked.
#[derive(Clone, Debug)]
pub struct OperationLog {
    path: PathBuf,
    /// Its lines.
    pub operations: Vec<Operation>,
    /// Bytes of a last line that a crash cut short; the next operation writes over them.
    pub torn: u64,
    length: u64,
}

fn hash_of(before: &[u8; 32], body: &str) -> [u8; 32] {
    sm3::hash(&[before, body.as_bytes()])
}

fn parse(line: &str, before: &[u8; 32], number: u64) -> Result<Operation, &'static str> {
    let (body, hash) = line.rsplit_once('\t').ok_or("it has no fields")?;
    let hash = unhex(hash).ok_or("its hash is none")?;
    if hash_of(before, body) != hash {
        return Err("the chain of hashes is broken here");
    }
    let fields: Vec<&str> = body.split('\t').collect();
    let [own, at, event, of, action, detail, first, second] = fields[..] else { return Err("it has not nine fields") };
    let event = OperationEvent::ALL.into_iter().find(|known| known.name() == event).ok_or("its event is unknown")?;
    if own.parse() != Ok(number) {
        return Err("its number does not follow");
    }
    Ok(Operation {
        number,
        at_unix_s: at.parse().map_err(|_| "its time is none")?,
        event,
        of: of.parse().ok().filter(|of| *of <= number).ok_or("it belongs to no operation")?,
        action: action.to_owned(),
        detail: detail.to_owned(),
        officers: [first, second].into_iter().filter(|name| *name != "-").map(ToOwned::to_owned).collect(),
        hash,
    })
}

/// What is to be written about an operation.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) action: &'a str,
    pub(crate) detail: &'a str,
    pub(crate) officers: Option<[&'a str; 2]>,
}

impl OperationLog {
    /// Reads and checks the file of a folder; one that is not there is empty.
    ///
    /// # Errors
    /// [`KeysError::Damaged`] at the first line that does not fit the chain; [`KeysError::Io`].
    pub fn read(folder: &Path) -> Result<Self, KeysError> {
        let path = folder.join("keys.operations");
        let bytes = disk::read(&path, FILE_MAX)?.unwrap_or_default();
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut log = Self { path, operations: Vec::new(), torn: (bytes.len() - whole) as u64, length: 0 };
        for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
            log.take(line).map_err(|reason| KeysError::Damaged {
                path: log.path.clone(),
                offset: log.length,
                reason,
            })?;
            log.length += line.len() as u64;
        }
        Ok(log)
    }

    fn take(&mut self, line: &[u8]) -> Result<(), &'static str> {
        let text = std::str::from_utf8(&line[..line.len() - 1]).map_err(|_| "it is not UTF-8")?;
        if self.length == 0 {
            return if text == FIRST { Ok(()) } else { Err("it is not a file of key operations") };
        }
        let operation = parse(text, &self.head(), self.operations.len() as u64 + 1)?;
        self.operations.push(operation);
        Ok(())
    }

    /// The hash of the last line.
    pub(crate) fn head(&self) -> [u8; 32] {
        self.operations.last().map_or_else(|| sm3::hash(&[FIRST.as_bytes()]), |last| last.hash)
    }

    /// Appends a line, durable when this returns; answers with its number. `of` none: it begins an operation.
    pub(crate) fn append(&mut self, event: OperationEvent, of: Option<u64>, told: Told<'_>) -> Result<u64, KeysError> {
        let number = self.operations.len() as u64 + 1;
        let [first, second] = told.officers.unwrap_or(["-", "-"]);
        let detail: String =
            told.detail.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL_MAX).collect();
        let (of, at, event) = (of.unwrap_or(number), unix_s(), event.name());
        let mut line = format!("{number}\t{at}\t{event}\t{of}\t{}\t{detail}\t{first}\t{second}", told.action);
        let before = self.head();
        let hash = hash_of(&before, &line);
        writeln!(line, "\t{}", hex(&hash)).expect("a string takes everything");
        if self.length == 0 {
            line.insert_str(0, &format!("{FIRST}\n"));
        }
        if self.length + line.len() as u64 > FILE_MAX {
            return Err(KeysError::Limit { what: "bytes of the operations file", most: FILE_MAX });
        }
        disk::append(&self.path, self.length, line.as_bytes())?;
        let line = line.lines().last().expect("it was just written");
        self.operations.push(parse(line, &before, number).expect("what is written can be read"));
        self.length = disk_length(&self.path)?;
        self.torn = 0;
        Ok(number)
    }

    /// The operation that has begun and of which no end is told.
    pub(crate) fn open_operation(&self) -> Option<&Operation> {
        let begun = self.operations.iter().rev().find(|told| told.event == OperationEvent::Begun)?;
        let ended = self.operations.iter().any(|told| told.of == begun.number && told.number != begun.number);
        (!ended).then_some(begun)
    }
}

fn disk_length(path: &Path) -> Result<u64, KeysError> {
    Ok(std::fs::metadata(path).map_err(KeysError::io("look at", path))?.len())
}

impl OperationLog {
    /// The ring knows an operation that the file does not tell.
    pub(crate) fn contradicts(&self) -> KeysError {
        let reason = "it does not hold the last operation that the key ring knows; it was cut, rewritten or mixed up";
        KeysError::Damaged { path: self.path.clone(), offset: self.length, reason }
    }
}
