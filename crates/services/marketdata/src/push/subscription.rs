//! One subscriber: what it follows, and its place on the tape.

use super::BEHIND_MAX;
use super::piece::{Entitlement, Format, Piece, Variant};
use super::publisher::Tape;
use crate::picture::STREAMED;

/// One instrument that a subscriber follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) index: u32,
    /// Depth, trades, snapshot: one bit each.
    pub(crate) what: u8,
    /// Candles, one bit each in the order of the streamed periods.
    pub(crate) candles: u8,
    /// A snapshot comes next.
    pub(crate) fresh: bool,
}

/// What a look at the tape brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Everything since the last look, or nothing.
    Whole,
    /// Snapshots in place of what was missed.
    Conflated,
}

/// A subscriber's place.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) format: Format,
    pub(crate) level: Entitlement,
    entries: Vec<Entry>,
    /// The last tick that was looked at.
    tick: u64,
}

impl Subscription {
    pub(crate) fn new(format: Format, level: Entitlement, tape: &Tape) -> Self {
        Self { format, level, entries: Vec::new(), tick: tape.newest().tick }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn follows(&self, index: u32) -> bool {
        self.entries.iter().any(|entry| entry.index == index)
    }

    /// Follows an instrument, or more of it; a snapshot comes next.
    pub(crate) fn follow(&mut self, wanted: Entry) {
        match self.entries.iter_mut().find(|entry| entry.index == wanted.index) {
            Some(entry) => {
                let (what, candles) = (entry.what | wanted.what, entry.candles | wanted.candles);
                *entry = Entry { what, candles, ..wanted };
            }
            None => self.entries.push(wanted),
        }
    }

    /// Follows less of an instrument; with nothing left, not at all.
    pub(crate) fn leave(&mut self, index: u32, what: u8, candles: u8) {
        for entry in self.entries.iter_mut().filter(|entry| entry.index == index) {
            // Another set of things has another numbering, which begins with a snapshot.
            entry.fresh |= entry.what & what != 0;
            entry.what &= !what;
            entry.candles &= !candles;
        }
        self.entries.retain(|entry| entry.what != 0 || entry.candles != 0);
    }

    /// The next look brings a snapshot of the instrument. Tells whether it is followed.
    pub(crate) fn resync(&mut self, index: u32) -> bool {
        let entry = self.entries.iter_mut().find(|entry| entry.index == index);
        entry.map(|entry| entry.fresh = true).is_some()
    }

    /// Appends what is new since the last look.
    pub(crate) fn look(&mut self, tape: &Tape, out: &mut Vec<Piece>) -> Look {
        let newest = tape.newest();
        let behind = newest.tick - self.tick;
        let conflated = behind > BEHIND_MAX;
        let frames = tape.after(self.tick);
        for entry in &mut self.entries {
            let variant = Variant { format: self.format, level: self.level, what: entry.what };
            let view = &newest.views[entry.index as usize];
            let changed = view.tick > self.tick;
            if entry.fresh || (conflated && changed) {
                if entry.what != 0 {
                    out.push(view.snapshot(variant));
                }
                out.extend(candles(entry, u8::MAX).filter_map(|at| view.candle(at, self.format)));
                entry.fresh = false;
            } else if changed {
                let mut grown = 0;
                let index = entry.index as usize;
                for frame in frames.iter().filter(|frame| frame.views[index].tick == frame.tick) {
                    grown |= frame.views[index].changes.candles;
                    if entry.what != 0 {
                        out.extend(frame.views[index].update(variant));
                    }
                }
                out.extend(candles(entry, grown).filter_map(|at| view.candle(at, self.format)));
            }
        }
        self.tick = newest.tick;
        if conflated { Look::Conflated } else { Look::Whole }
    }
}

fn candles(entry: &Entry, changed: u8) -> impl Iterator<Item = usize> + use<> {
    let wanted = entry.candles & changed;
    (0..STREAMED.len()).filter(move |at| wanted & (1 << at) != 0)
}
