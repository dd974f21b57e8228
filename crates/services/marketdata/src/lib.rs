//! Market data: what trades, what rests, and what it was, for people and programs.
//!
//! Entry points: [`MarketData`] follows the record and keeps books, bars and fund flow; [`api`] are its doors (REST,
//! WebSocket, server-sent events); [`decode`] reads outside feeds; [`FeedMarket`] makes books of them,
//! [`FeedRecord`] a record that the service follows like the core's own.
//!
//! *Invariant:* a picture holds everything up to a command that it names, and nothing behind it.
//! *Invariant:* what follows a snapshot are the updates that lead from it, each naming the one before; whoever misses
//! one gets a snapshot.
//! *Invariant:* a subscriber waits for its own socket only; it is conflated, then dropped by name.
//! *Invariant:* the rows of a day follow from the day's events alone, and are stored with the position they came from.
//! *Invariant:* the view parks on what it cannot explain, tries again, and never skips (design rule 12).
//! *Invariant:* bytes from outside are bounded, never panic, and are refused with their place and the reason.
//!
//! Deliberately absent: who may do what (`identity`), networking of feeds (a later adapter hands bytes to `decode`),
//! historical data of other vendors, and weeks and months as streams.

mod api;
mod bars;
mod book;
mod candles;
pub mod decode;
mod feed;
mod feed_record;
mod flow;
mod history;
mod indicators;
mod market;
mod past;
mod picture;
mod places;
mod push;
mod service;
mod session;
mod shapes;
mod status;
mod store;
mod view;

pub use api::api;
pub use bars::{Bar, BarTrade, DayBars, Minute};
pub use book::{Book, BookError, LEVELS_MAX, Level, Levels, Resting};
pub use candles::{Adjustment, Candle, CandleTime, Factors, Period};
pub use feed::{FeedBook, FeedMarket};
pub use feed_record::{FeedListing, FeedRecord};
pub use flow::{Flow, FlowThresholds, InOut};
pub use indicators::{Indicator, Line, Row, WINDOW_MAX, WINDOWS_MAX};
pub use past::{Past, PastDay, PastMinute};
pub use push::{BinaryError, BinaryMessage, BinaryTrade, Entitlement, Format, PushLimits, decode_messages};
pub use service::{MarketData, MarketOptions, PushCounts};
pub use session::Session;
pub use status::{MarketStatus, Parked};
