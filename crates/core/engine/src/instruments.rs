//! Instruments as the core knows them: definition, and reference data for today and for the next day.

use heng_model::command::{DefineInstrument, SetReference};
use heng_model::wire::{Reader, Wire, WireError, Writer};

/// An instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instrument {
    /// Static data in force.
    pub definition: DefineInstrument,
    /// Changed static data, in force from the next trading day.
    pub next_definition: Option<DefineInstrument>,
    /// Reference data for the next trading day.
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
