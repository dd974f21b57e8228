//! An instrument on one trade date: rules and reference data compiled into one row.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use heng_model::command::{DefineInstrument, SetReference};
use heng_model::{Board, InstrumentClass, InstrumentId, PartitionId, Price, Qty, Rate, Side, TradeDate, rights};
use heng_rulebook::{FeeSchedule, InstrumentRules, LimitQuery, NoRule, Rulebook};

/// Stock Connect reference rates, yuan for one Hong Kong dollar at 1e-8; 0 = not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// What buyers are held and charged at.
    pub sell_reference: Rate,
    /// What sellers are credited at.
    pub buy_reference: Rate,
}

/// All that the checks know of an instrument on a trade date: one cache line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct InstrumentDay {
    /// The instrument.
    pub id: InstrumentId,
    /// Board.
    pub board: Board,
    /// Class.
    pub class: InstrumentClass,
    /// Venue partition that holds its book.
    pub partition: PartitionId,
    /// Suspended for the day.
    pub suspended: bool,
    /// Stopped by the kill switch.
    pub stopped: bool,
    /// Risk-warning stock.
    pub risk_warning: bool,
    /// Reference price.
    pub prev_close: Price,
    /// Lowest and highest price; `None` on days without limit.
    pub limits: Option<(Price, Price)>,
    /// The issuer's lot (HK); 0 = the board's rule.
    pub board_lot: Qty,
    /// Rights that a buyer needs; a seller needs none, so that nobody is locked in.
    pub buy_rights: u32,
    /// Rules and fees of its board and class, shared by all instruments of them.
    pub rules: Arc<ClassRules>,
}

const _: () = assert!(size_of::<Option<InstrumentDay>>() == 64);

/// Rules and fees of a board and class on a trade date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassRules {
    /// Rules of the class.
    pub of: InstrumentRules,
    /// Fees by side.
    pub fees: [FeeSchedule; 2],
}

impl Deref for ClassRules {
    type Target = InstrumentRules;
    #[inline]
    fn deref(&self) -> &InstrumentRules {
        &self.of
    }
}

/// Compiled class rules of one date; instruments of one board, class and kind share a row.
#[derive(Clone, Debug, Default)]
pub struct ClassTable(BTreeMap<(Board, InstrumentClass, bool), Arc<ClassRules>>);

impl ClassTable {
    fn get(
        &mut self,
        rulebook: &Rulebook,
        key: (Board, InstrumentClass, bool),
        date: TradeDate,
    ) -> Result<Arc<ClassRules>, NoRule> {
        if let Some(found) = self.0.get(&key) {
            return Ok(Arc::clone(found));
        }
        let (board, class, risk_warning) = key;
        let made = Arc::new(ClassRules {
            of: rulebook.instrument_rules(board, class, risk_warning, date)?,
            fees: [
                rulebook.fee_schedule(board, class, Side::Buy, date)?,
                rulebook.fee_schedule(board, class, Side::Sell, date)?,
            ],
        });
        self.0.insert(key, Arc::clone(&made));
        Ok(made)
    }
}

/// Why an instrument has no rules for a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceError(pub NoRule);

impl InstrumentDay {
    /// Compiles the rules of an instrument for `date`.
    ///
    /// # Errors
    /// If the rule book does not cover the board, class and date.
    pub fn compile(
        rulebook: &Rulebook,
        classes: &mut ClassTable,
        definition: &DefineInstrument,
        reference: &SetReference,
        date: TradeDate,
    ) -> Result<Self, ReferenceError> {
        let DefineInstrument { board, class, .. } = *definition;
        let rules = classes.get(rulebook, (board, class, reference.risk_warning), date).map_err(ReferenceError)?;
        let limits = rulebook.price_limits(limit_query(definition, reference, date)).map_err(ReferenceError)?;
        Ok(Self {
            id: definition.instrument,
            board,
            class,
            partition: definition.partition,
            suspended: reference.suspended,
            stopped: false,
            risk_warning: reference.risk_warning,
            prev_close: reference.prev_close,
            limits: limits.map(|(up, down)| (down, up)),
            board_lot: Qty(i64::from(definition.board_lot)),
            buy_rights: rules.required_rights | if reference.delisting_day > 0 { rights::DELISTING } else { 0 },
            rules,
        })
    }
}

/// The question that selects the price limits of an instrument on a date.
pub fn limit_query(definition: &DefineInstrument, reference: &SetReference, date: TradeDate) -> LimitQuery {
    let day = |number: u32| (number > 0).then_some(number);
    LimitQuery {
        board: definition.board,
        class: definition.class,
        st: reference.risk_warning,
        listing_day: day(reference.listing_day),
        delisting_day: day(reference.delisting_day),
        prev: reference.prev_close,
        date,
    }
}
