//! RFC 6455 as a subscriber needs it: the opening request, masked frames out, frames in.

use std::io;

/// A key and the accept value that belongs to it, from section 1.3 of RFC 6455. The key only shows that the server
/// speaks the protocol, so that one is enough.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Longest payload that is read.
const PAYLOAD_MAX: u64 = 4 << 20;
/// What our payloads are masked with; a mask protects proxies, and there are none.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Text.
pub(crate) const TEXT: u8 = 1;
/// Bytes.
pub(crate) const BINARY: u8 = 2;
/// The other side ends.
pub(crate) const CLOSE: u8 = 8;
/// The other side asks whether we are there.
pub(crate) const PING: u8 = 9;
/// Our answer to that.
pub(crate) const PONG: u8 = 10;

/// The opening request.
pub(crate) fn opening(target: &str, token: &str, protocol: &str) -> Vec<u8> {
    let authorization = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
    format!(
        "GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\nsec-websocket-protocol: {protocol}\r\n\
         {authorization}\r\n"
    )
    .into_bytes()
}

/// Whether the head of an answer opens the socket with this protocol.
pub(crate) fn is_opened(head: &[u8], protocol: &str) -> bool {
    let head = String::from_utf8_lossy(head);
    let says = |name: &str, value: &str| {
        let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.into_iter().any(|(key, told)| key.eq_ignore_ascii_case(name) && told.trim() == value)
    };
    head.starts_with("HTTP/1.1 101 ")
        && says("sec-websocket-accept", ACCEPT)
        && says("sec-websocket-protocol", protocol)
}

/// A frame from us, of at most 64 KiB.
pub(crate) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 8);
    out.push(0x80 | kind);
    match u16::try_from(payload.len()).expect("our own messages are short") {
        short @ 0..=125 => out.push(0x80 | short as u8),
        long => {
            out.push(0x80 | 126);
            out.extend_from_slice(&long.to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// A frame from the server: its kind, and where its payload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) head: usize,
    pub(crate) payload: usize,
}

/// The first frame in `bytes`; `None` while it is not whole.
///
/// # Errors
/// If it is masked, a part of a message, or longer than the limit.
pub(crate) fn parse(bytes: &[u8]) -> io::Result<Option<Frame>> {
    let wrong = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, format!("WebSocket: {reason}"));
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0x80 == 0 || second & 0x80 != 0 {
        return Err(wrong("a frame that is masked or a part"));
    }
    let (head, payload) = match second & 0x7f {
        126 => match rest {
            [a, b, ..] => (4, u64::from(u16::from_be_bytes([*a, *b]))),
            _ => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(eight) => (10, u64::from_be_bytes(*eight)),
            None => return Ok(None),
        },
        short => (2, u64::from(short)),
    };
    if payload > PAYLOAD_MAX {
        return Err(wrong("a frame that is too long"));
    }
    let frame = Frame { kind: first & 0x0f, head, payload: payload as usize };
    Ok((bytes.len() >= head + frame.payload).then_some(frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_in_a_stream() {
        // The examples of section 5.7 of RFC 6455, and a long one.
        let hello = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        assert_eq!(parse(&hello).expect("good"), Some(Frame { kind: TEXT, head: 2, payload: 5 }));
        assert_eq!(parse(&hello[..6]).expect("good"), None);
        let mut long = vec![0x82, 0x7e, 0x01, 0x00];
        assert_eq!(parse(&long).expect("good"), None);
        long.extend([7; 256]);
        assert_eq!(parse(&long).expect("good"), Some(Frame { kind: BINARY, head: 4, payload: 256 }));
        let longer = [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(parse(&longer).expect("good"), None);
        assert_eq!(parse(&[]).expect("good"), None);
    }

    #[test]
    fn what_a_server_may_not_send_is_told() {
        // Masked; a fragment; far too long.
        assert!(parse(&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]).is_err());
        assert!(parse(&[0x01, 0x03, 0x48, 0x65, 0x6c]).is_err());
        assert!(parse(&[0x82, 0x7f, 0x7f, 0, 0, 0, 0, 0, 0, 0]).is_err());
    }

    #[test]
    fn our_frames_are_masked() {
        assert_eq!(frame(TEXT, b"Hello"), [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        let long = frame(TEXT, &[0; 300]);
        assert_eq!((&long[..4], long.len()), ([0x81, 0xfe, 0x01, 0x2c].as_slice(), 308));
    }

    #[test]
    fn an_opening_is_accepted_with_its_key_and_protocol() {
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: heng.json.v1\r\n\r\n";
        assert!(is_opened(head.as_bytes(), "heng.json.v1"));
        assert!(!is_opened(head.as_bytes(), "heng.bin.v1"));
        assert!(!is_opened(head.replace("s3p", "s3q").as_bytes(), "heng.json.v1"));
        assert!(!is_opened(head.replace("101", "429").as_bytes(), "heng.json.v1"));
        assert!(opening("/v1/stream", "t", "p").ends_with(b"authorization: Bearer t\r\n\r\n"));
    }
}
