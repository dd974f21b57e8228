//! The messages of a link, and their bytes: a tag, a ticket, a body.

use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{Command, Event, RejectCode, Seq, UnixNanos};
use heng_ports::{Answer, CommandEvents, CoreStatus, EventBlock};

/// What the doors say.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    /// A command.
    Command(u64, Command),
    /// A question, as bytes of its own form.
    Question(u64, Vec<u8>),
    /// From here on this link carries events from a command on.
    Follow(Seq),
}

/// What the core says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tell {
    /// The outcome of a command.
    Answer(u64, Answer),
    /// The answer to a question, as bytes of its own form; empty = there is none.
    Reply(u64, Vec<u8>),
    /// A piece of the record.
    Block(EventBlock),
    /// How the core is doing; sent again and again, so that silence means a broken link.
    Status(CoreStatus),
    /// Why the record cannot be read.
    Trouble(String),
}

fn text(from: &mut Reader<'_>) -> Result<String, WireError> {
    let bytes = from.get_bytes()?.to_vec();
    String::from_utf8(bytes).map_err(|_| WireError::OutOfRange { of: "text" })
}

impl Ask {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(128);
        match self {
            Self::Command(ticket, command) => {
                out.put_u8(1);
                out.put_u64(*ticket);
                command.put(&mut out);
            }
            Self::Question(ticket, question) => {
                out.put_u8(2);
                out.put_u64(*ticket);
                out.put_bytes(question);
            }
            Self::Follow(from) => {
                out.put_u8(3);
                out.put_u64(from.0);
            }
        }
        out.into_bytes()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        let ask = match from.get_u8()? {
            1 => Self::Command(from.get_u64()?, Command::get(&mut from)?),
            2 => Self::Question(from.get_u64()?, from.get_bytes()?.to_vec()),
            3 => Self::Follow(Seq(from.get_u64()?)),
            _ => return Err(WireError::OutOfRange { of: "tag of a link message" }),
        };
        whole(&from, ask)
    }
}

/// `value`, if nothing stands behind it.
fn whole<T>(from: &Reader<'_>, value: T) -> Result<T, WireError> {
    if from.is_done() { Ok(value) } else { Err(WireError::OutOfRange { of: "length of a link message" }) }
}

fn put_answer(answer: &Answer, out: &mut Writer) {
    match *answer {
        Answer::Accepted { sequence, id, repeated } => {
            out.put_u8(1 + u8::from(repeated));
            out.put_u64(sequence.0);
            out.put_u64(id);
        }
        Answer::Rejected { sequence, id, code, repeated } => {
            out.put_u8(3 + u8::from(repeated));
            out.put_u64(sequence.0);
            out.put_u64(id);
            out.put_u64(u64::from(code.number()));
        }
        Answer::Unknown => out.put_u8(5),
    }
}

fn get_code(from: &mut Reader<'_>) -> Result<RejectCode, WireError> {
    let number = u16::try_from(from.get_u64()?).ok();
    number.and_then(RejectCode::from_number).ok_or(WireError::OutOfRange { of: "reject code" })
}

fn get_answer(from: &mut Reader<'_>) -> Result<Answer, WireError> {
    let tag = from.get_u8()?;
    if tag == 5 {
        return Ok(Answer::Unknown);
    }
    let (sequence, id) = (Seq(from.get_u64()?), from.get_u64()?);
    match tag {
        1 | 2 => Ok(Answer::Accepted { sequence, id, repeated: tag == 2 }),
        3 | 4 => Ok(Answer::Rejected { sequence, id, code: get_code(from)?, repeated: tag == 4 }),
        _ => Err(WireError::OutOfRange { of: "tag of an answer" }),
    }
}

fn put_block(block: &EventBlock, out: &mut Writer) {
    out.put_u64(block.first.0);
    out.put_u64(block.through.0);
    out.put_u64(block.commands.len() as u64);
    for command in &block.commands {
        out.put_u64(command.seq.0);
        out.put_u64(command.time.0.cast_unsigned());
        out.put_u64(command.events.len() as u64);
        command.events.iter().for_each(|event| event.put(out));
    }
}

fn get_block(from: &mut Reader<'_>) -> Result<EventBlock, WireError> {
    let (first, through, count) = (Seq(from.get_u64()?), Seq(from.get_u64()?), from.get_u64()?);
    let mut commands = Vec::new();
    for _ in 0..count {
        let (seq, time) = (Seq(from.get_u64()?), UnixNanos(from.get_u64()?.cast_signed()));
        let events = (0..from.get_u64()?).map(|_| Event::get(from)).collect::<Result<_, _>>()?;
        commands.push(CommandEvents { seq, time, events });
    }
    Ok(EventBlock { first, commands, through })
}

impl Tell {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(64);
        match self {
            Self::Answer(ticket, answer) => {
                out.put_u8(1);
                out.put_u64(*ticket);
                put_answer(answer, &mut out);
            }
            Self::Reply(ticket, reply) => {
                out.put_u8(2);
                out.put_u64(*ticket);
                out.put_bytes(reply);
            }
            Self::Block(block) => {
                out.put_u8(3);
                put_block(block, &mut out);
            }
            Self::Status(status) => {
                out.put_u8(4);
                status.put(&mut out);
            }
            Self::Trouble(reason) => {
                out.put_u8(5);
                out.put_bytes(reason.as_bytes());
            }
        }
        out.into_bytes()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        let tell = match from.get_u8()? {
            1 => Self::Answer(from.get_u64()?, get_answer(&mut from)?),
            2 => Self::Reply(from.get_u64()?, from.get_bytes()?.to_vec()),
            3 => Self::Block(get_block(&mut from)?),
            4 => Self::Status(CoreStatus::get(&mut from)?),
            5 => Self::Trouble(text(&mut from)?),
            _ => return Err(WireError::OutOfRange { of: "tag of a link message" }),
        };
        whole(&from, tell)
    }
}
