//! What clients say on a stream, and what they are told back.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::piece::{DEPTH, Entitlement, SNAPSHOT, TRADES};
use crate::picture::STREAMED;

/// A message of a client on the WebSocket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = StreamRequest)]
pub(crate) enum Control {
    /// Follow instruments.
    Subscribe {
        /// Number that the answer repeats.
        #[serde(default)]
        id: Option<u64>,
        /// `market`.
        #[serde(default)]
        channel: Option<String>,
        /// Symbols.
        symbols: Vec<String>,
        /// Of `depth`, `trades`, `snapshot`, `candle.1m` … `candle.1d`; depth and snapshot if it is left out.
        #[serde(default)]
        what: Vec<String>,
    },
    /// Follow them no longer, or less of them.
    Unsubscribe {
        /// Number that the answer repeats.
        #[serde(default)]
        id: Option<u64>,
        /// `market`.
        #[serde(default)]
        channel: Option<String>,
        /// Symbols.
        symbols: Vec<String>,
        /// What to leave; all if it is left out.
        #[serde(default)]
        what: Vec<String>,
    },
    /// Send a snapshot of an instrument, because an update was missed.
    Resync {
        /// Number that an error repeats.
        #[serde(default)]
        id: Option<u64>,
        /// The symbol.
        symbol: String,
    },
    /// Answer with a pong.
    Ping {
        /// Number that the answer repeats.
        #[serde(default)]
        id: Option<u64>,
    },
}

/// What is wanted of an instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct What {
    pub(crate) what: u8,
    pub(crate) candles: u8,
}

impl What {
    /// Everything.
    pub(crate) const ALL: Self = Self { what: u8::MAX, candles: u8::MAX };

    /// From names; `usual` if there are none. The first name that is not known is told.
    pub(crate) fn parse<'a>(names: impl Iterator<Item = &'a str>, usual: Self) -> Result<Self, String> {
        let mut found = Self::default();
        for name in names {
            let period =
                name.strip_prefix("candle.").and_then(|period| STREAMED.iter().position(|(n, _)| *n == period));
            match (name, period) {
                ("depth", _) => found.what |= DEPTH,
                ("trades", _) => found.what |= TRADES,
                ("snapshot", _) => found.what |= SNAPSHOT,
                (_, Some(at)) => found.candles |= 1 << at,
                _ => return Err(name.chars().take(40).collect()),
            }
        }
        Ok(if found == Self::default() { usual } else { found })
    }

    /// What is left of it for this entitlement.
    pub(crate) const fn granted(self, level: Entitlement) -> Self {
        match level {
            Entitlement::Level2 => self,
            Entitlement::Level1 => Self { what: self.what & !TRADES, candles: self.candles },
        }
    }

    pub(crate) fn names(self) -> Vec<String> {
        let plain = [(DEPTH, "depth"), (TRADES, "trades"), (SNAPSHOT, "snapshot")];
        let plain = plain.into_iter().filter(|(bit, _)| self.what & bit != 0).map(|(_, name)| name.to_owned());
        let candles = STREAMED.iter().enumerate().filter(|(at, _)| self.candles & (1 << at) != 0);
        plain.chain(candles.map(|(_, (name, _))| format!("candle.{name}"))).collect()
    }
}

/// What a client is told about its own messages, or about the stream itself.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = StreamAnswer)]
pub(crate) enum Granted {
    /// The instruments are followed; a snapshot of each comes next.
    Subscribed {
        /// Number of the request.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// `market`.
        channel: &'static str,
        /// Symbols.
        symbols: Vec<String>,
        /// What comes of them.
        what: Vec<String>,
        /// What was asked and the entitlement does not cover.
        refused: Vec<String>,
        /// `level1` or `level2`.
        level: &'static str,
    },
    /// They are followed no longer.
    Unsubscribed {
        /// Number of the request.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// `market`.
        channel: &'static str,
        /// Symbols.
        symbols: Vec<String>,
    },
    /// Answer to a ping.
    Pong {
        /// Number of the request.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
    /// The message was refused; the stream goes on.
    Error {
        /// Number of the request.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// Stable name of the reason.
        code_name: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The stream ends here; connect again.
    Dropped {
        /// Stable name of the reason: `slow`, `flood`, `silent`, `stopping`; `revoked` or `changed` if the session, token or
        /// key has ended or reaches elsewhere than when the stream began.
        reason: &'static str,
        /// The same for people.
        detail: String,
    },
}

impl Granted {
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| Value::Null.to_string())
    }
}
