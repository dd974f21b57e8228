//! The canonical record, version 1: the bytes that a commitment binds. `docs/security/evidence.md` has the table.
//!
//! What a command said to one client is told in the event log's own bytes, so a record is read with the description
//! of the events alone.

use heng_model::wire::{Reader, Value, Wire, WireError, Writer};
use heng_model::{Event, UnixNanos};
use heng_ports::ActionTaken;

/// What every record begins with: a name and the version of the layout.
const HEAD: &[u8] = b"heng-record\x01";
/// A command, as it concerns one client.
const KIND_COMMAND: u8 = 1;
/// Something that people did outside of the core.
const KIND_ACTION: u8 = 2;
/// Events of one record that are read at most.
const EVENTS_MAX: u64 = 1_000_000;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A committed command, with its events and postings that concern one client.
    Command {
        /// Sequence of the command.
        sequence: u64,
        /// Its time.
        time: UnixNanos,
        /// The account; 0 = what concerns no single client.
        client: u64,
        /// Index of each event within the command, and the event.
        events: Vec<(u64, Event)>,
    },
    /// Something that people or programs did outside of the core.
    Action(ActionTaken),
}

/// The bytes of what `events` of a command say to `client`.
pub(crate) fn command_record(sequence: u64, time: UnixNanos, client: u64, events: &[Event], parts: &[u32]) -> Vec<u8> {
    let mut out = Writer::with_capacity(64 + 96 * parts.len());
    out.put_raw(HEAD);
    out.put_u8(KIND_COMMAND);
    out.put_u64(sequence);
    time.0.put(&mut out);
    out.put_u64(client);
    out.put_u64(parts.len() as u64);
    for part in parts {
        out.put_u64(u64::from(*part));
        events[*part as usize].put(&mut out);
    }
    out.into_bytes()
}

/// The bytes of an action.
pub(crate) fn action_record(action: &ActionTaken) -> Vec<u8> {
    let mut out = Writer::with_capacity(128);
    out.put_raw(HEAD);
    out.put_u8(KIND_ACTION);
    out.put_u64(action.number);
    action.at.0.put(&mut out);
    out.put_u64(action.principal);
    for text in [&action.credential, &action.action, &action.resource, &action.outcome] {
        out.put_bytes(text.as_bytes());
    }
    out.put_u64(action.times);
    out.into_bytes()
}

impl Record {
    /// Reads the bytes of a record.
    ///
    /// # Errors
    /// If they hold something else, or are not the one form of what they hold.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        if from.get_raw(HEAD.len())? != HEAD {
            return Err(WireError::UnknownCode { of: "record", code: 0 });
        }
        let record = match from.get_u8()? {
            KIND_COMMAND => Self::read_command(&mut from)?,
            KIND_ACTION => Self::read_action(&mut from)?,
            code => return Err(WireError::UnknownCode { of: "record", code: u64::from(code) }),
        };
        if !from.is_done() {
            return Err(WireError::Trailing);
        }
        if record.bytes() == bytes { Ok(record) } else { Err(WireError::OutOfRange { of: "record" }) }
    }

    fn read_command(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let (sequence, time, client) = (from.get_u64()?, UnixNanos(i64::get(from)?), from.get_u64()?);
        let count = from.get_u64()?;
        if count > EVENTS_MAX {
            return Err(WireError::OutOfRange { of: "events of a record" });
        }
        let mut events = Vec::new();
        for _ in 0..count {
            events.push((from.get_u64()?, Event::get(from)?));
        }
        Ok(Self::Command { sequence, time, client, events })
    }

    fn read_action(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let (number, at, principal) = (from.get_u64()?, UnixNanos(i64::get(from)?), from.get_u64()?);
        let (credential, action) = (String::get(from)?, String::get(from)?);
        let (resource, outcome) = (String::get(from)?, String::get(from)?);
        let times = from.get_u64()?;
        Ok(Self::Action(ActionTaken { number, at, principal, credential, action, resource, outcome, times }))
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Action(action) => action_record(action),
            Self::Command { sequence, time, client, events } => {
                let mut out = Writer::default();
                out.put_raw(HEAD);
                out.put_u8(KIND_COMMAND);
                out.put_u64(*sequence);
                time.0.put(&mut out);
                out.put_u64(*client);
                out.put_u64(events.len() as u64);
                for (index, event) in events {
                    out.put_u64(*index);
                    event.put(&mut out);
                }
                out.into_bytes()
            }
        }
    }

    /// The record for people. The bytes count, not this.
    #[must_use]
    pub fn show(&self) -> serde_json::Value {
        match self {
            Self::Command { sequence, time, client, events } => {
                let events = events.iter().map(|(index, event)| {
                    let mut shown = serde_json::json!({ "index": index, "event": event.name() });
                    shown["fields"] = json(&event.show());
                    shown
                });
                let events: Vec<_> = events.collect();
                serde_json::json!({ "kind": "command", "sequence": sequence, "time": time.0,
                    "account": client.to_string(), "events": events })
            }
            Self::Action(action) => serde_json::json!({ "kind": "action", "number": action.number,
                "time": action.at.0, "principal": action.principal, "credential": action.credential,
                "action": action.action, "resource": action.resource, "outcome": action.outcome,
                "times": action.times }),
        }
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Unsigned(number) => (*number).into(),
        Value::Signed(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::List(items) => items.iter().map(json).collect::<Vec<_>>().into(),
        Value::Object(fields) => {
            serde_json::Value::Object(fields.iter().map(|(name, value)| ((*name).to_owned(), json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use heng_model::event::{CashPosted, HouseAccount, PostingReason};
    use heng_model::{AccountId, Currency, Money};

    use super::*;

    fn posted() -> Event {
        Event::from(CashPosted {
            account: AccountId(7),
            currency: Currency::Cny,
            amount: Money(10_000),
            reason: PostingReason::Deposit,
            house: HouseAccount::Bank,
            reference: 5,
            balance: Money(10_000),
        })
    }

    #[test]
    fn records_are_read_as_they_are_written() {
        let bytes = command_record(300, UnixNanos(-5), 7, &[posted(), posted()], &[1]);
        let Ok(Record::Command { sequence, time, client, events }) = Record::read(&bytes) else { panic!("a record") };
        assert_eq!((sequence, time, client), (300, UnixNanos(-5), 7));
        assert_eq!(events, [(1, posted())]);
        let action = ActionTaken { number: 3, action: "user.created".into(), times: 1, ..ActionTaken::default() };
        let written = action_record(&action);
        assert_eq!(Record::read(&written), Ok(Record::Action(action)));
        for end in 0..bytes.len() {
            assert!(Record::read(&bytes[..end]).is_err(), "{end}");
        }
        assert!(Record::read(&[bytes, vec![0]].concat()).is_err());
    }

    #[test]
    fn the_layout_of_version_1_stays() {
        let bytes = command_record(300, UnixNanos(2), 7, &[posted()], &[0]);
        let head = b"heng-record\x01\x01\xf9\x2c\x01\x04\x07\x01\x00\x0d\x07";
        assert_eq!(&bytes[..head.len()], head);
    }
}
