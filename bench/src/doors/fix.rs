//! FIX 4.4 as a load generator needs it: writes messages, finds them in a stream of bytes, reads their fields.

use std::io;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use heng_model::UnixNanos;

/// The end of a field.
const SOH: u8 = 1;
/// Longest message that is read.
const MESSAGE_MAX: usize = 64 * 1_024;
/// China is ahead of UTC by this.
const CHINA_NS: i64 = 8 * 3_600 * heng_model::SECOND;

/// UTC as FIX writes it, to the millisecond: `20260706-01:30:00.123`.
pub(crate) fn utc(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    // Dates and times of day are China's: shifted back, they are UTC's.
    let shifted = UnixNanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX) - CHINA_NS);
    let (date, of_day) = (shifted.date().unwrap_or_default(), shifted.time_of_day());
    let (seconds, millis) = (of_day / heng_model::SECOND, of_day % heng_model::SECOND / 1_000_000);
    let date = date.to_string().replace('-', "");
    format!("{date}-{:02}:{:02}:{:02}.{millis:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// Writes the messages of one side of a session.
#[derive(Debug)]
pub(crate) struct Writer {
    sender: String,
    target: String,
    number: u64,
    body: Vec<u8>,
}

/// Fields of a message behind its header.
pub(crate) type Fields<'a> = &'a [(u32, &'a str)];

impl Writer {
    pub(crate) fn new(sender: &str, target: &str) -> Self {
        Self { sender: sender.to_owned(), target: target.to_owned(), number: 0, body: Vec::new() }
    }

    /// Appends a message of `kind`, sent at `now`, to `out`.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, kind: &str, now: &str, fields: Fields<'_>) {
        self.number += 1;
        self.body.clear();
        let (number, sender, target) = (self.number, &self.sender, &self.target);
        // Writing to memory cannot fail.
        let _ = write!(self.body, "35={kind}\x0149={sender}\x0156={target}\x0134={number}\x0152={now}\x01");
        for (tag, value) in fields {
            let _ = write!(self.body, "{tag}={value}\x01");
        }
        let begin = out.len();
        let _ = write!(out, "8=FIX.4.4\x019={}\x01", self.body.len());
        out.extend_from_slice(&self.body);
        let sum = sum(&out[begin..]);
        let _ = write!(out, "10={sum:03}\x01");
    }
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte))
}

fn wrong(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("FIX: {reason}"))
}

fn field_end(bytes: &[u8], from: usize) -> Option<usize> {
    bytes[from..].iter().take(MESSAGE_MAX).position(|byte| *byte == SOH).map(|at| from + at)
}

/// Length of the first message in `bytes`; `None` while it is not whole.
///
/// # Errors
/// If the bytes are no message, one that is too long, or one with a wrong sum.
pub(crate) fn message_len(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(begin) = field_end(bytes, 0) else {
        return if bytes.len() > 16 { Err(wrong("no BeginString")) } else { Ok(None) };
    };
    if !bytes.starts_with(b"8=FIX") {
        return Err(wrong("no BeginString"));
    }
    let Some(end) = field_end(bytes, begin + 1) else {
        return if bytes.len() > begin + 16 { Err(wrong("no BodyLength")) } else { Ok(None) };
    };
    let length = bytes[begin + 1..end].strip_prefix(b"9=").and_then(|text| std::str::from_utf8(text).ok());
    let length: usize = length.and_then(|text| text.parse().ok()).ok_or_else(|| wrong("no BodyLength"))?;
    if length > MESSAGE_MAX {
        return Err(wrong("the message is too long"));
    }
    let trailer = end + 1 + length;
    let whole = trailer + "10=000\x01".len();
    if bytes.len() < whole {
        return Ok(None);
    }
    let expected = format!("10={:03}\x01", sum(&bytes[..trailer]));
    if &bytes[trailer..whole] == expected.as_bytes() { Ok(Some(whole)) } else { Err(wrong("wrong CheckSum")) }
}

/// The fields of a whole message, in order.
pub(crate) fn fields(message: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    message.split(|byte| *byte == SOH).filter_map(|field| {
        let at = field.iter().position(|byte| *byte == b'=')?;
        let tag = std::str::from_utf8(&field[..at]).ok()?.parse().ok()?;
        Some((tag, &field[at + 1..]))
    })
}

/// The first field with this tag; empty where there is none.
pub(crate) fn field(message: &[u8], tag: u32) -> &[u8] {
    fields(message).find(|(found, _)| *found == tag).map_or(&[], |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: &str = "20260706-01:30:00.000";

    #[test]
    fn times_are_utc() {
        let time = UNIX_EPOCH + Duration::from_millis(1_783_300_500_123);
        assert_eq!(utc(time), "20260706-01:15:00.123");
        assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(951_782_400)), "20000229-00:00:00.000");
    }

    #[test]
    fn a_message_has_length_and_sum() {
        let (mut writer, mut out) = (Writer::new("A", "B"), Vec::new());
        writer.write(&mut out, "0", NOW, &[]);
        let text = String::from_utf8(out).expect("text").replace('\x01', "|");
        // 5 + 5 + 5 + 5 + 25 bytes of body; the sum was added up by hand in another language.
        assert_eq!(text, "8=FIX.4.4|9=45|35=0|49=A|56=B|34=1|52=20260706-01:30:00.000|10=067|");
    }

    #[test]
    fn messages_are_found_in_a_stream() {
        let (mut writer, mut out) = (Writer::new("A", "B"), Vec::new());
        writer.write(&mut out, "D", NOW, &[(11, "x-1"), (58, "a=b")]);
        let first = out.len();
        writer.write(&mut out, "0", NOW, &[]);
        for cut in 0..first {
            assert_eq!(message_len(&out[..cut]).expect("nothing is wrong yet"), None, "{cut}");
        }
        assert_eq!(message_len(&out).expect("good"), Some(first));
        assert_eq!(message_len(&out[first..]).expect("good"), Some(out.len() - first));
        assert_eq!((field(&out[..first], 11), field(&out[..first], 58)), (b"x-1".as_slice(), b"a=b".as_slice()));
        assert_eq!(field(&out[first..], 34), b"2");
        assert_eq!(field(&out[first..], 58), b"");
    }

    #[test]
    fn what_is_no_message_is_told() {
        let (mut writer, mut out) = (Writer::new("A", "B"), Vec::new());
        writer.write(&mut out, "0", NOW, &[]);
        let at = out.len() - 3;
        out[at] ^= 1;
        assert!(message_len(&out).is_err());
        for bytes in
            [b"HTTP/1.1 400 Bad Request\x01".as_slice(), b"8=FIX.4.4\x019=99999999\x01", b"8=FIX.4.4\x0135=0\x01"]
        {
            assert!(message_len(bytes).is_err());
        }
    }
}
