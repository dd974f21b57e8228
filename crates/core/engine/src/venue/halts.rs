//! Halts by a person and by the volatility rule, and resumption by an auction.

use heng_model::command::Halt;
use heng_model::event::{Halted, Resumed};
use heng_model::quantity::RATE_SCALE;
use heng_model::{InstrumentId, Phase, Price, RejectCode, UnixNanos};

use crate::sink::EventSink;
use crate::state::State;
use crate::timers::Timer;
use crate::venue::Listing;

impl State {
    /// A person halts an instrument.
    pub(crate) fn halt<S: EventSink>(&mut self, halt: &Halt, sink: &mut S) -> Result<(), RejectCode> {
        let listing = self.venue.listing(halt.instrument).ok_or(RejectCode::UnknownInstrument)?;
        if listing.halted {
            return Err(RejectCode::OutOfOrder);
        }
        self.begin_halt(halt.instrument, halt.until, false, sink);
        Ok(())
    }

    fn begin_halt<S: EventSink>(&mut self, instrument: InstrumentId, until: UnixNanos, volatility: bool, sink: &mut S) {
        let listing = self.venue.listing_mut(instrument).expect("the caller found it");
        listing.halted = true;
        listing.halt_id += 1;
        let id = listing.halt_id;
        if until.0 > 0 {
            self.timers.arm(until, Timer::HaltEnd { instrument, id });
        }
        sink.emit(Halted { instrument, until, volatility }.into());
    }

    /// An instrument resumes: in continuous trading what was collected is matched in one auction.
    pub(crate) fn resume<S: EventSink>(&mut self, instrument: InstrumentId, sink: &mut S) -> Result<(), RejectCode> {
        let listing = self.venue.listing_mut(instrument).ok_or(RejectCode::UnknownInstrument)?;
        if !listing.halted {
            return Err(RejectCode::OutOfOrder);
        }
        listing.halted = false;
        let segment = listing.segment as usize;
        sink.emit(Resumed { instrument }.into());
        match self.venue.segments[segment].phase() {
            Phase::Continuous => {
                self.uncross(instrument, sink);
                self.watch_volatility(instrument, sink);
                self.release_held(instrument, sink);
            }
            Phase::AfterHours => self.begin_after_hours(instrument, sink),
            // An auction, or the phase after the break, will match what was collected.
            _ => {}
        }
        Ok(())
    }

    /// The timer of a halt; an older halt's timer does nothing.
    pub(crate) fn end_halt<S: EventSink>(&mut self, instrument: InstrumentId, id: u32, sink: &mut S) {
        let same = self.venue.listing(instrument).is_some_and(|listing| listing.halted && listing.halt_id == id);
        if same {
            self.resume(instrument, sink).expect("it is halted");
        }
    }

    /// Volatility halts: a first move of a threshold away from the opening price, once per direction and step.
    #[inline]
    pub(super) fn watch_volatility<S: EventSink>(&mut self, instrument: InstrumentId, sink: &mut S) {
        let listing = self.venue.listings[instrument.0 as usize].as_ref().expect("it just traded");
        if listing.halts.is_none() {
            return;
        }
        self.apply_volatility(instrument, sink);
    }

    #[cold]
    fn apply_volatility<S: EventSink>(&mut self, instrument: InstrumentId, sink: &mut S) {
        let time_of_day = self.time.time_of_day();
        let listing = self.venue.listing_mut(instrument).expect("it just traded");
        let rules = **listing.halts.as_ref().expect("the caller looked");
        if time_of_day >= rules.latest_end || listing.open == Price::ZERO || listing.halted {
            return;
        }
        let mut length = None;
        for (number, step) in rules.steps().iter().enumerate() {
            let bit = 1u8 << (number * 2 + usize::from(listing.last < listing.open));
            if moved(listing, step.threshold.0) && listing.halts_used & bit == 0 {
                listing.halts_used |= bit;
                length = Some(step.duration);
            }
        }
        let Some(duration) = length else { return };
        let midnight = self.time.0 - time_of_day;
        let latest = UnixNanos(midnight + rules.latest_end);
        let until = duration.map_or(latest, |nanos| UnixNanos((self.time.0 + nanos).min(latest.0)));
        let continuous = self.venue.phase(instrument) == Some(Phase::Continuous);
        if continuous {
            self.begin_halt(instrument, until, true, sink);
        }
    }
}

/// Whether the last price is at least `threshold` (1e-8) away from the opening price.
fn moved(listing: &Listing, threshold: i64) -> bool {
    let distance = i128::from((listing.last.0 - listing.open.0).abs());
    distance * i128::from(RATE_SCALE) >= i128::from(listing.open.0) * i128::from(threshold)
}
