//! From a stream of bytes to messages: every byte is looked at a bounded number of times, and memory is bounded.

/// What a stream holds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A message whose BodyLength and CheckSum are right.
    Message(&'a [u8]),
    /// A garbled message, to be ignored, and why it is one.
    Garbled(&'a [u8], &'static str),
    /// A message longer than permitted. The stream cannot be followed any further.
    TooLong,
}

/// Cuts a stream into messages.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    /// Where the next message begins, or the search for it.
    start: usize,
    /// Set while a garbled message is being skipped: the search for its end goes on here.
    scan: Option<usize>,
    reason: &'static str,
    message_max: usize,
}

/// What the first fields say.
enum Head {
    /// More bytes are needed.
    Unknown,
    Bad(&'static str),
    /// The body begins at `body` and is `length` long.
    Good {
        body: usize,
        length: usize,
    },
}

const SOH: u8 = 1;
const BEGIN: &[u8] = b"8=FIX";
/// `10=ddd` and a delimiter.
const TRAILER_LEN: usize = 7;
/// The longest BeginString, with room to see that it is a wrong one.
const BEGIN_MAX: usize = 24;

impl FrameReader {
    /// Refuses messages longer than `message_max` bytes, from BeginString to the delimiter after CheckSum.
    #[must_use]
    pub const fn new(message_max: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, scan: None, reason: "", message_max }
    }

    /// Changes the limit for what comes next.
    pub(crate) const fn limit(mut self, message_max: usize) -> Self {
        self.message_max = message_max;
        self
    }

    /// The buffer to read more bytes into, behind those that it holds.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        // Moving costs no more than what was consumed before, so it is cheap on average.
        if self.start > 0 && self.start >= self.buffer.len() - self.start {
            self.buffer.copy_within(self.start.., 0);
            self.buffer.truncate(self.buffer.len() - self.start);
            self.scan = self.scan.map(|scan| scan - self.start);
            self.start = 0;
        }
        &mut self.buffer
    }

    /// The next message, if all of it is there.
    pub fn take(&mut self) -> Option<Frame<'_>> {
        if self.scan.is_none() {
            self.find_begin();
            if self.start == self.buffer.len() || !self.buffer[self.start..].starts_with(BEGIN) {
                return None;
            }
            match self.head() {
                Head::Unknown => return None,
                Head::Bad(reason) => self.skip(reason, self.start),
                Head::Good { body, length } => {
                    if body - self.start + length + TRAILER_LEN > self.message_max {
                        return Some(Frame::TooLong);
                    }
                    let end = body + length;
                    let trailer = self.buffer.get(end..end + TRAILER_LEN)?;
                    if is_trailer(trailer) && self.buffer[end - 1] == SOH {
                        return Some(self.complete(end));
                    }
                    self.skip("BodyLength does not lead to CheckSum", end - 1);
                }
            }
        }
        self.garbled()
    }

    /// Moves to where a message may begin.
    fn find_begin(&mut self) {
        while self.start < self.buffer.len() {
            let rest = &self.buffer[self.start..];
            let may_begin = rest.len().min(BEGIN.len());
            if rest[..may_begin] == BEGIN[..may_begin] {
                return;
            }
            let next = rest[1..].iter().position(|byte| *byte == BEGIN[0]);
            self.start = next.map_or(self.buffer.len(), |at| self.start + 1 + at);
        }
    }

    fn head(&self) -> Head {
        let rest = &self.buffer[self.start..];
        let Some(end) = rest.iter().take(BEGIN_MAX).position(|byte| *byte == SOH) else {
            return if rest.len() < BEGIN_MAX { Head::Unknown } else { Head::Bad("BeginString has no end") };
        };
        let length = &rest[end + 1..];
        let digits_end = length.iter().take(12).position(|byte| *byte == SOH);
        let shown = &length[..digits_end.unwrap_or(length.len().min(12))];
        if shown.iter().zip(b"9=").any(|(have, want)| have != want) {
            return Head::Bad("BodyLength is not the second field");
        }
        match digits_end {
            None if length.len() < 12 => Head::Unknown,
            None => Head::Bad("BodyLength has no end"),
            Some(digits_end) => {
                let length = shown.get(2..).and_then(super::value::parse_u64).and_then(|n| usize::try_from(n).ok());
                match length {
                    Some(length) => Head::Good { body: self.start + end + 1 + digits_end + 1, length },
                    None => Head::Bad("BodyLength is not a number"),
                }
            }
        }
    }

    fn complete(&mut self, body_end: usize) -> Frame<'_> {
        let (start, end) = (self.start, body_end + TRAILER_LEN);
        self.start = end;
        let bytes = &self.buffer[start..end];
        let shown = &bytes[bytes.len() - 4..bytes.len() - 1];
        let sum = u64::from(checksum(&self.buffer[start..body_end]));
        let third = bytes.splitn(4, |byte| *byte == SOH).nth(2).unwrap_or(&[]);
        if super::value::parse_u64(shown) != Some(sum) {
            Frame::Garbled(bytes, "CheckSum is wrong")
        } else if !third.starts_with(b"35=") {
            Frame::Garbled(bytes, "MsgType is not the third field")
        } else {
            Frame::Message(bytes)
        }
    }

    fn skip(&mut self, reason: &'static str, from: usize) {
        self.reason = reason;
        self.scan = Some(from);
    }

    /// A garbled message reaches to the next CheckSum.
    fn garbled(&mut self) -> Option<Frame<'_>> {
        let from = self.scan?;
        let rest = &self.buffer[from.min(self.buffer.len())..];
        let Some(at) = rest.windows(4).position(|window| window == b"\x0110=") else {
            self.scan = Some(from.max(self.buffer.len().saturating_sub(3)));
            return self.still_bounded();
        };
        let Some(end) = rest[at + 4..].iter().position(|byte| *byte == SOH) else {
            self.scan = Some(from + at);
            return self.still_bounded();
        };
        let (start, end) = (self.start, from + at + 4 + end + 1);
        self.start = end;
        self.scan = None;
        Some(Frame::Garbled(&self.buffer[start..end], self.reason))
    }

    fn still_bounded(&self) -> Option<Frame<'_>> {
        (self.buffer.len() - self.start > self.message_max).then_some(Frame::TooLong)
    }
}

fn is_trailer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"10=") && bytes[3..6].iter().all(u8::is_ascii_digit) && bytes[6] == SOH
}

/// The sum of all bytes, modulo 256.
pub(crate) fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with `|` for the delimiter; BodyLength and CheckSum are set right.
    fn framed(body: &str) -> Vec<u8> {
        let mut bytes = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01").into_bytes();
        let sum = checksum(&bytes);
        bytes.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
        bytes
    }

    /// What a reader sees in the stream, given in pieces of this size.
    fn seen(stream: &[u8], piece: usize) -> Vec<(char, usize)> {
        let mut reader = FrameReader::new(1000);
        let mut seen = Vec::new();
        for bytes in stream.chunks(piece) {
            reader.buffer().extend_from_slice(bytes);
            while let Some(frame) = reader.take() {
                match frame {
                    Frame::Message(bytes) => seen.push(('M', bytes.len())),
                    Frame::Garbled(bytes, _) => seen.push(('G', bytes.len())),
                    Frame::TooLong => return [seen, vec![('L', 0)]].concat(),
                }
            }
        }
        seen
    }

    fn check(stream: &[u8], expected: &str) {
        for piece in [1, 2, 7, 64, 100_000] {
            let letters: String = seen(stream, piece).into_iter().map(|(letter, _)| letter).collect();
            assert_eq!(letters, expected, "in pieces of {piece}: {}", String::from_utf8_lossy(stream));
        }
    }

    #[test]
    fn whole_messages_are_found_however_they_arrive() {
        let (one, two) = (framed("35=0|34=2|"), framed("35=D|34=3|58=10=|"));
        check(&[one.as_slice(), &two, &one].concat(), "MMM");
        check(&[b"noise 8=F 8=", one.as_slice(), b"8=FI", &two].concat(), "MM");
    }

    #[test]
    fn garbled_messages_end_at_the_next_checksum() {
        let good = framed("35=0|34=2|");
        let wrong_sum = [&good[..good.len() - 4], b"256\x01"].concat();
        check(&[wrong_sum.as_slice(), &good].concat(), "GM");
        let short_sum = [&good[..good.len() - 4], b"0\x01"].concat();
        check(&[short_sum.as_slice(), &good].concat(), "GM");
        let too_short = b"8=FIX.4.4\x019=3\x0135=0\x0134=2\x0110=000\x01";
        check(&[too_short.as_slice(), &good].concat(), "GM");
        // A length that reaches into the next message takes that message along.
        let too_long = b"8=FIX.4.4\x019=20\x0135=0\x0134=2\x0110=000\x01";
        check(&[too_long.as_slice(), &good, &good].concat(), "GM");
        check(&[b"8=FIX.4.4\x0135=0\x019=5\x0110=000\x01".as_slice(), &good].concat(), "GM");
        check(&[b"8=FIX.4.4\x019=x\x0135=0\x0110=000\x01".as_slice(), &good].concat(), "GM");
        check(&[framed("34=2|35=0|").as_slice(), &good].concat(), "GM");
    }

    #[test]
    fn memory_is_bounded() {
        check(b"8=FIX.4.4\x019=1000\x01", "L");
        check(b"8=FIX.4.4\x019=99999999999999999999\x01 ", "");
        check(&[b"8=FIX.4.4\x019=x\x01".as_slice(), &[b'x'; 2000]].concat(), "L");
        let mut reader = FrameReader::new(1000);
        for _ in 0..10_000 {
            reader.buffer().extend_from_slice(&[b'8'; 100]);
            assert!(reader.take().is_none());
        }
        assert!(reader.buffer.len() < 1000, "noise is not kept");
    }
}
