//! Makes the ticks: pictures of what changed, on a tape that all subscribers read.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use heng_model::{Side, UnixNanos};
use tokio::sync::watch;

use super::piece::{CHANNELS, DEPTH, Entitlement, Format, Piece, SNAPSHOT, TRADES, VARIANTS, Variant};
use super::{TAPE_TICKS, binary, json};
use crate::market::{Listing, Market};
use crate::picture::{Changes, Picture, STREAMED};

/// Symbols of all instruments.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Directory {
    /// The index of each symbol.
    pub(crate) by_symbol: BTreeMap<String, u32>,
}

/// One instrument as of the tick that changed it last, with its messages as they are asked for.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) picture: Picture,
    pub(crate) changes: Changes,
    /// The tick that made it.
    pub(crate) tick: u64,
    /// How many ticks have changed the instrument.
    pub(crate) seq: u64,
    pub(crate) as_of: u64,
    pub(crate) sent_at: UnixNanos,
    /// Number of the last update of each channel, and of the one before.
    last: [(u64, u64); CHANNELS],
    updates: Pieces<VARIANTS>,
    snapshots: Pieces<VARIANTS>,
    candles: Pieces<{ 2 * STREAMED.len() }>,
}

/// Messages that are made when the first subscriber asks.
#[derive(Debug, Default)]
struct Pieces<const N: usize>(OnceLock<Box<[OnceLock<Piece>; N]>>);

impl<const N: usize> Pieces<N> {
    fn get(&self, at: usize, make: impl FnOnce() -> Piece) -> Piece {
        let all = self.0.get_or_init(|| Box::new([const { OnceLock::new() }; N]));
        all[at].get_or_init(make).clone()
    }
}

fn text(text: String) -> Piece {
    Piece::Text(text.into())
}

impl View {
    /// Whether this tick has something for the channel.
    fn tells(changes: &Changes, level: Entitlement, what: u8) -> bool {
        let depth = if level == Entitlement::Level2 { &changes.deep } else { &changes.basic };
        let depth = depth.iter().any(|side| !side.is_empty());
        (what & DEPTH != 0 && depth)
            || (what & TRADES != 0 && !changes.prints.is_empty())
            || (what & SNAPSHOT != 0 && (changes.last || changes.figures != 0))
    }

    fn next(
        picture: Picture,
        before: Option<&Self>,
        fresh: &[crate::market::Print],
        at: (u64, u64, UnixNanos),
    ) -> Self {
        let (tick, as_of, sent_at) = at;
        let changes = before.map_or_else(Changes::default, |before| Changes::between(&before.picture, &picture, fresh));
        let seq = before.map_or(1, |before| before.seq + 1);
        let mut last = before.map_or([(0, 1); CHANNELS], |before| before.last);
        for (channel, last) in last.iter_mut().enumerate() {
            let level = if channel >= 8 { Entitlement::Level2 } else { Entitlement::Level1 };
            if before.is_some() && Self::tells(&changes, level, (channel & 7) as u8) {
                *last = (last.1, seq);
            }
        }
        let (updates, snapshots, candles) = (Pieces::default(), Pieces::default(), Pieces::default());
        Self { picture, changes, tick, seq, as_of, sent_at, last, updates, snapshots, candles }
    }

    /// The update of the tick that made this view, if it has something for the variant.
    pub(crate) fn update(&self, variant: Variant) -> Option<Piece> {
        let (before, seq) = self.last[variant.channel()];
        let tells = seq == self.seq && before > 0;
        tells.then(|| {
            self.updates.get(variant.index(), || match variant.format {
                Format::Json => text(json::update(self, &self.changes, variant, (before, seq))),
                Format::Binary => Piece::Binary(binary::update(self, &self.changes, variant, (before, seq)).into()),
            })
        })
    }

    /// Everything that the variant shows.
    pub(crate) fn snapshot(&self, variant: Variant) -> Piece {
        let seq = self.last[variant.channel()].1;
        self.snapshots.get(variant.index(), || match variant.format {
            Format::Json => text(json::snapshot(self, variant, seq)),
            Format::Binary => Piece::Binary(binary::snapshot(self, variant, seq).into()),
        })
    }

    /// The growing candle number `at`.
    pub(crate) fn candle(&self, at: usize, format: Format) -> Option<Piece> {
        let (end, bar) = self.picture.candles[at]?;
        let place = at + if format == Format::Binary { STREAMED.len() } else { 0 };
        Some(self.candles.get(place, || match format {
            Format::Json => text(json::candle(self, at, end, &bar)),
            Format::Binary => Piece::Binary(binary::candle(self, at, end, &bar).into()),
        }))
    }
}

/// The market as of one tick.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) tick: u64,
    /// The last command that is in it.
    pub(crate) as_of: u64,
    pub(crate) date: heng_model::TradeDate,
    /// Every instrument, by index.
    pub(crate) views: Vec<Arc<View>>,
    pub(crate) directory: Arc<Directory>,
}

impl Frame {
    /// The instrument with this symbol.
    pub(crate) fn find(&self, symbol: &str) -> Option<&Arc<View>> {
        self.directory.by_symbol.get(symbol).map(|index| &self.views[*index as usize])
    }
}

/// The frames of the last ticks, oldest first; there is always one.
#[derive(Clone, Debug)]
pub(crate) struct Tape {
    frames: Vec<Arc<Frame>>,
}

impl Tape {
    fn empty() -> Self {
        let directory = Arc::new(Directory::default());
        let date = heng_model::TradeDate::NONE;
        Self { frames: vec![Arc::new(Frame { tick: 0, as_of: 0, date, views: Vec::new(), directory })] }
    }

    pub(crate) fn newest(&self) -> &Arc<Frame> {
        self.frames.last().expect("a tape has a frame")
    }

    /// Frames after `tick`, oldest first.
    pub(crate) fn after(&self, tick: u64) -> &[Arc<Frame>] {
        let from = self.frames.partition_point(|frame| frame.tick <= tick);
        &self.frames[from..]
    }
}

/// Makes ticks of the market.
pub(crate) struct Publisher {
    tape: watch::Sender<Arc<Tape>>,
    /// The command that the tape is current as of; it moves also when nothing changes.
    current: watch::Sender<u64>,
    listings: Vec<Arc<Listing>>,
    tick: u64,
}

impl Publisher {
    pub(crate) fn new() -> Self {
        let tape = watch::Sender::new(Arc::new(Tape::empty()));
        Self { tape, current: watch::Sender::new(0), listings: Vec::new(), tick: 0 }
    }

    pub(crate) fn tape(&self) -> watch::Receiver<Arc<Tape>> {
        self.tape.subscribe()
    }

    pub(crate) fn current(&self) -> watch::Receiver<u64> {
        self.current.subscribe()
    }

    /// Makes a tick as of the command `as_of`, if anything is new; `beat` makes one in any case, so that every
    /// subscriber looks at its clock.
    pub(crate) fn publish(&mut self, market: &mut Market, as_of: u64, now: UnixNanos, beat: bool) {
        let newest = Arc::clone(self.tape.borrow().newest());
        let changed = market.take_changed();
        if !changed.is_empty() || beat {
            let directory = self.relist(market, &newest);
            let views = self.look(market, &changed, newest.views.clone(), (as_of, now));
            self.tick += 1;
            let frame = Frame { tick: self.tick, as_of, date: market.date, views, directory };
            let mut frames = self.tape.borrow().frames.clone();
            if frames.len() == TAPE_TICKS {
                frames.remove(0);
            }
            frames.push(Arc::new(frame));
            self.tape.send_replace(Arc::new(Tape { frames }));
        }
        self.current.send_if_modified(|current| std::mem::replace(current, as_of) != as_of);
    }

    /// New views of what changed.
    fn look(
        &self,
        market: &mut Market,
        changed: &[u32],
        mut views: Vec<Arc<View>>,
        (as_of, now): (u64, UnixNanos),
    ) -> Vec<Arc<View>> {
        for index in changed {
            let at = *index as usize;
            let mut fresh = std::mem::take(&mut market.instruments[at].fresh);
            let picture = Picture::of(&market.instruments[at], market, Arc::clone(&self.listings[at]));
            let before = views.get(at).map(Arc::as_ref);
            if before.is_some_and(|before| before.picture == picture) {
                continue;
            }
            // A view that began its day again has told these before.
            fresh.retain(|print| before.is_none_or(|before| print.sequence > before.as_of));
            let view = Arc::new(View::next(picture, before, &fresh, (self.tick + 1, as_of, now)));
            if at < views.len() { views[at] = view } else { views.push(view) }
        }
        views
    }

    /// Listings that changed, and the directory if there are new ones.
    fn relist(&mut self, market: &Market, newest: &Frame) -> Arc<Directory> {
        for (at, instrument) in market.instruments.iter().enumerate() {
            match self.listings.get_mut(at) {
                Some(listing) if **listing == instrument.listing => {}
                Some(listing) => *listing = Arc::new(instrument.listing.clone()),
                None => self.listings.push(Arc::new(instrument.listing.clone())),
            }
        }
        let known = &newest.directory.by_symbol;
        let same = known.len() == market.instruments.len()
            && (0..).zip(&market.instruments).all(|(at, i)| known.get(&i.listing.symbol) == Some(&at));
        if same {
            return Arc::clone(&newest.directory);
        }
        let symbols = (0..).zip(&market.instruments).map(|(at, i)| (i.listing.symbol.clone(), at));
        Arc::new(Directory { by_symbol: symbols.collect() })
    }
}

/// The best prices, for lists.
impl View {
    pub(crate) fn best(&self, side: Side) -> Option<heng_model::Price> {
        self.picture.side(side, 1).first().map(|level| level.price)
    }
}
