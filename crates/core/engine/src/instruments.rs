//! Instruments as the core knows them: definition, and reference data for today and for the next day.

use heng_model::command::{DefineInstrument, SetReference};
use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{Exchange, Price};

/// An instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Static data in force.
    pub definition: DefineInstrument,
    /// Changed static data, in force from the next trading day.
    pub next_definition: Option<DefineInstrument>,
    /// Reference data for the next trading day; none while that is not known.
    pub next: Option<SetReference>,
    /// Reference data that the open (or last) trading day began with.
    pub today: Option<SetReference>,
    /// Stopped by the kill switch.
    pub stopped: bool,
}

fn put_reference(reference: Option<&SetReference>, out: &mut Writer) {
    reference.is_some().put(out);
    if let Some(reference) = reference {
        reference.put(out);
    }
}

fn get_reference(from: &mut Reader<'_>) -> Result<Option<SetReference>, WireError> {
    if bool::get(from)? { SetReference::get(from).map(Some) } else { Ok(None) }
}

impl Instrument {
    /// Takes what was set for the day that opens, if the instrument's exchange is among those that trade on it.
    pub(crate) fn begin_day(&mut self, trading: &[Exchange]) {
        if let Some(definition) = self.next_definition.take() {
            self.definition = definition;
        }
        let trades = trading.contains(&self.definition.board.exchange());
        self.today = if trades { self.next.take() } else { None };
    }

    /// The close becomes the reference of the next day, and listing and delisting days go on counting, unless other
    /// reference data came (ex-rights). `close` is `None` where the instrument was not listed.
    pub(crate) fn carry(&mut self, close: Option<Price>) {
        let (None, Some(today)) = (self.next, self.today) else { return };
        let count = |day: u32| day + u32::from((1..u32::MAX).contains(&day));
        self.next = Some(SetReference {
            prev_close: close.unwrap_or(today.prev_close),
            listing_day: count(today.listing_day),
            delisting_day: count(today.delisting_day),
            ..today
        });
    }

    pub(crate) fn put(&self, out: &mut Writer) {
        self.definition.put(out);
        self.next_definition.is_some().put(out);
        if let Some(definition) = &self.next_definition {
            definition.put(out);
        }
        put_reference(self.next.as_ref(), out);
        put_reference(self.today.as_ref(), out);
        self.stopped.put(out);
    }

    pub(crate) fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let definition = DefineInstrument::get(from)?;
        let next_definition = if bool::get(from)? { Some(DefineInstrument::get(from)?) } else { None };
        Ok(Self {
            definition,
            next_definition,
            next: get_reference(from)?,
            today: get_reference(from)?,
            stopped: Wire::get(from)?,
        })
    }
}
