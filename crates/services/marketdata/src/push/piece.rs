//! A piece of a frame: one message about one instrument in one form, made once and shared.

use axum::extract::ws::{Message, Utf8Bytes};
use bytes::Bytes;
use heng_ports::{Principal, PrincipalKind};

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `heng.json.v1`.
    Json,
    /// `heng.bin.v1`.
    Binary,
}

impl Format {
    /// The subprotocol's name.
    #[must_use]
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Json => "heng.json.v1",
            Self::Binary => "heng.bin.v1",
        }
    }
}

/// How much of the market a principal may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entitlement {
    /// Five levels, the last trade, no trade by trade.
    Level1,
    /// Ten levels and every trade.
    Level2,
}

/// The scope or role that brings level 2.
const LEVEL2: &str = "market.l2";

impl Entitlement {
    /// Of a principal: level 2 by the scope or role `market.l2`, and for staff and services whose credential is not
    /// narrowed by scopes; else level 1.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        let named = |list: &[String]| list.iter().any(|name| name == LEVEL2);
        let own = matches!(principal.kind, PrincipalKind::Staff | PrincipalKind::Service);
        let whole = principal.scopes.is_empty();
        if named(&principal.scopes) || (whole && (own || named(&principal.roles))) {
            Self::Level2
        } else {
            Self::Level1
        }
    }

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Level1 => "level1",
            Self::Level2 => "level2",
        }
    }

    /// Levels of a side that it shows.
    #[must_use]
    pub const fn levels(self) -> usize {
        match self {
            Self::Level1 => crate::picture::LEVELS_BASIC,
            Self::Level2 => crate::book::LEVELS_MAX,
        }
    }
}

/// Bit of the order book in what a subscriber wants.
pub(crate) const DEPTH: u8 = 1;
/// Bit of the trades.
pub(crate) const TRADES: u8 = 2;
/// Bit of the last trade and the figures of the day.
pub(crate) const SNAPSHOT: u8 = 4;

/// What messages a subscriber gets about an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) format: Format,
    pub(crate) level: Entitlement,
    pub(crate) what: u8,
}

/// How many variants there are.
pub(crate) const VARIANTS: usize = 32;
/// How many there are without the format, which does not change when something is told.
pub(crate) const CHANNELS: usize = 16;

impl Variant {
    pub(crate) fn channel(self) -> usize {
        usize::from(self.level == Entitlement::Level2) * 8 + usize::from(self.what & 7)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.format == Format::Binary) * CHANNELS + self.channel()
    }
}

/// One message about one instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Utf8Bytes),
    Binary(Bytes),
}

/// One WebSocket message of the pieces of a tick: one object or an array of them as text, or records one behind the
/// other.
pub(crate) fn frame(pieces: &[Piece]) -> Option<Message> {
    match pieces {
        [] => None,
        [Piece::Text(text)] => Some(Message::Text(text.clone())),
        [Piece::Binary(bytes)] => Some(Message::Binary(bytes.clone())),
        [Piece::Text(_), ..] => Some(Message::Text(joined_text(pieces).into())),
        [Piece::Binary(_), ..] => Some(Message::Binary(joined_bytes(pieces).into())),
    }
}

fn joined_text(pieces: &[Piece]) -> String {
    let text = |piece: &Piece| if let Piece::Text(text) = piece { text.clone() } else { Utf8Bytes::default() };
    let room: usize = pieces.iter().map(|piece| piece.len() + 1).sum();
    let mut joined = String::with_capacity(room + 1);
    for piece in pieces {
        joined.push(if joined.is_empty() { '[' } else { ',' });
        joined.push_str(text(piece).as_str());
    }
    joined.push(']');
    joined
}

fn joined_bytes(pieces: &[Piece]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(pieces.iter().map(Piece::len).sum());
    for piece in pieces {
        if let Piece::Binary(bytes) = piece {
            joined.extend_from_slice(bytes);
        }
    }
    joined
}

impl Piece {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.as_str().len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}
