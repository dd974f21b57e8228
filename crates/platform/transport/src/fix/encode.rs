//! Writing messages.

use super::dictionary::Begin;
use super::frame::checksum;
use super::time::TimeWriter;

const SOH: u8 = 1;
/// The longest MsgType.
const KIND_MAX: usize = 8;

/// MsgType (35), kept in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MsgKind {
    bytes: [u8; KIND_MAX],
    length: u8,
}

impl MsgKind {
    /// What is too long is cut: no dictionary has such a type.
    pub(crate) fn new(kind: &[u8]) -> Self {
        let length = kind.len().min(KIND_MAX);
        let mut bytes = [0; KIND_MAX];
        bytes[..length].copy_from_slice(&kind[..length]);
        Self { bytes, length: u8::try_from(length).expect("eight fits in a byte") }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// A message to send, without what the session adds: BeginString, BodyLength, MsgSeqNum, CompIDs, SendingTime and
/// CheckSum.
///
/// Fields are written in the order of the calls. A field without a value is left out, because FIX forbids it; a
/// delimiter inside a value becomes a space. Reuse one with [`Self::restart`] where no allocation is wanted.
#[derive(Debug)]
pub struct FixBody {
    kind: MsgKind,
    pub(crate) header: Vec<u8>,
    pub(crate) fields: Vec<u8>,
    times: TimeWriter,
}

impl FixBody {
    /// A message of this type (35) without fields.
    #[must_use]
    pub fn new(kind: &str) -> Self {
        Self::with_kind(kind.as_bytes())
    }

    pub(crate) fn with_kind(kind: &[u8]) -> Self {
        Self { kind: MsgKind::new(kind), header: Vec::new(), fields: Vec::new(), times: TimeWriter::default() }
    }

    /// Forgets the fields and takes another type; the memory stays.
    pub fn restart(&mut self, kind: &str) -> &mut Self {
        self.kind = MsgKind::new(kind.as_bytes());
        self.header.clear();
        self.fields.clear();
        self
    }

    /// MsgType (35).
    #[must_use]
    pub fn kind(&self) -> &[u8] {
        self.kind.bytes()
    }

    /// The fields written so far, each with its delimiter.
    #[must_use]
    pub fn fields(&self) -> &[u8] {
        &self.fields
    }

    /// Appends a text.
    pub fn text(&mut self, tag: u32, value: &str) -> &mut Self {
        self.bytes(tag, value.as_bytes())
    }

    /// Appends a text given as bytes.
    pub fn bytes(&mut self, tag: u32, value: &[u8]) -> &mut Self {
        push_field(&mut self.fields, tag, value);
        self
    }

    /// Appends a number.
    pub fn number(&mut self, tag: u32, value: u64) -> &mut Self {
        push_number(&mut self.fields, u64::from(tag));
        self.fields.push(b'=');
        push_number(&mut self.fields, value);
        self.fields.push(SOH);
        self
    }

    /// Appends a UTC timestamp in milliseconds.
    pub fn time(&mut self, tag: u32, utc_ns: u64) -> &mut Self {
        push_number(&mut self.fields, u64::from(tag));
        self.fields.push(b'=');
        self.times.write(utc_ns, &mut self.fields);
        self.fields.push(SOH);
        self
    }

    /// Appends a data field, which may hold delimiters, behind its length.
    pub fn data(&mut self, length_tag: u32, tag: u32, value: &[u8]) -> &mut Self {
        if value.is_empty() {
            return self;
        }
        self.number(length_tag, value.len() as u64);
        push_number(&mut self.fields, u64::from(tag));
        self.fields.push(b'=');
        self.fields.extend_from_slice(value);
        self.fields.push(SOH);
        self
    }

    /// Appends a value of a valid message as it is.
    pub(crate) fn raw(&mut self, tag: u32, value: &[u8]) {
        push_number(&mut self.fields, u64::from(tag));
        self.fields.push(b'=');
        self.fields.extend_from_slice(value);
        self.fields.push(SOH);
    }

    /// Appends an optional header field, as OnBehalfOfCompID (115) or PossResend (97).
    pub fn header(&mut self, tag: u32, value: &[u8]) -> &mut Self {
        push_field(&mut self.header, tag, value);
        self
    }
}

fn push_field(out: &mut Vec<u8>, tag: u32, value: &[u8]) {
    if value.is_empty() {
        return;
    }
    push_number(out, u64::from(tag));
    out.push(b'=');
    let from = out.len();
    out.extend_from_slice(value);
    for byte in &mut out[from..] {
        if *byte == SOH {
            *byte = b' ';
        }
    }
    out.push(SOH);
}

pub(crate) fn push_number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).expect("a remainder of ten is a digit");
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// What the session adds to a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) kind: &'a [u8],
    pub(crate) number: u64,
    pub(crate) sent_ns: u64,
    /// Set for what is sent again: when it was sent first.
    pub(crate) original_ns: Option<u64>,
    pub(crate) header: &'a [u8],
    pub(crate) fields: &'a [u8],
}

/// Writes the messages of one session.
#[derive(Debug)]
pub(crate) struct Encoder {
    begin: Begin,
    /// `49=…` and its delimiter.
    sender: Vec<u8>,
    /// `56=…` and its delimiter.
    target: Vec<u8>,
    times: TimeWriter,
    originals: TimeWriter,
    head: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(begin: Begin, sender: &str, target: &str) -> Self {
        let field = |tag, value: &str| {
            let mut out = Vec::new();
            push_field(&mut out, tag, value.as_bytes());
            out
        };
        Self {
            begin,
            sender: field(49, sender),
            target: field(56, target),
            times: TimeWriter::default(),
            originals: TimeWriter::default(),
            head: Vec::new(),
        }
    }

    /// Appends the message.
    pub(crate) fn write(&mut self, message: Envelope<'_>, out: &mut Vec<u8>) {
        self.fill_head(message);
        let length = self.head.len() + message.header.len() + message.fields.len();
        let start = out.len();
        out.reserve(length + 40);
        out.extend_from_slice(b"8=");
        out.extend_from_slice(self.begin.text().as_bytes());
        out.extend_from_slice(b"\x019=");
        push_number(out, length as u64);
        out.push(SOH);
        out.extend_from_slice(&self.head);
        out.extend_from_slice(message.header);
        out.extend_from_slice(message.fields);
        let sum = checksum(&out[start..]);
        out.extend_from_slice(b"10=");
        out.extend_from_slice(&[b'0' + sum / 100, b'0' + sum / 10 % 10, b'0' + sum % 10, SOH]);
    }

    fn fill_head(&mut self, message: Envelope<'_>) {
        let head = &mut self.head;
        head.clear();
        head.extend_from_slice(b"35=");
        head.extend_from_slice(message.kind);
        head.extend_from_slice(b"\x0134=");
        push_number(head, message.number);
        head.push(SOH);
        if message.original_ns.is_some() {
            head.extend_from_slice(b"43=Y\x01");
        }
        head.extend_from_slice(&self.sender);
        head.extend_from_slice(b"52=");
        self.times.write(message.sent_ns, head);
        head.push(SOH);
        head.extend_from_slice(&self.target);
        if let Some(original_ns) = message.original_ns {
            head.extend_from_slice(b"122=");
            self.originals.write(original_ns, head);
            head.push(SOH);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::frame::{Frame, FrameReader};

    #[test]
    fn what_is_written_is_a_message() {
        let mut body = FixBody::new("8");
        body.header(115, b"JCD").text(37, "a\x01b").number(14, 0).text(58, "").time(60, 1_500_000_000);
        body.data(95, 96, b"x\x01y").number(38, u64::MAX);
        let mut out = Vec::new();
        let message = Envelope {
            kind: body.kind(),
            number: 12,
            sent_ns: 0,
            original_ns: Some(0),
            header: &body.header,
            fields: &body.fields,
        };
        Encoder::new(Begin::Fix44, "ISLD", "TW").write(message, &mut out);
        let text = String::from_utf8(out.clone()).unwrap().replace('\x01', "|");
        let expected = "8=FIX.4.4|9=162|35=8|34=12|43=Y|49=ISLD|52=19700101-00:00:00.000|56=TW|\
            122=19700101-00:00:00.000|115=JCD|37=a b|14=0|60=19700101-00:00:01.500|95=3|96=x|y|\
            38=18446744073709551615|10=";
        assert!(text.starts_with(expected), "{text}");
        let mut reader = FrameReader::new(1000);
        reader.buffer().extend_from_slice(&out);
        assert_eq!(reader.take(), Some(Frame::Message(&out)));
    }
}
