//! What the doors need of the view for every order, in memory: symbols, and the trading day.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use heng_model::{AccountId, InstrumentId, OrderId, ParentId, TradeDate};

use crate::tables::{InstrumentRow, MarketRow};

/// Most owners of orders that are remembered; beyond that the tables are asked.
const OWNERS_MAX: usize = 2_000_000;

/// Symbols, the trading day, and whose the orders of the day are, as of the last committed batch.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    inner: RwLock<Inner>,
    owners: RwLock<BTreeMap<Owned, AccountId>>,
}

/// What belongs to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owned {
    /// An order.
    Order(OrderId),
    /// A parent.
    Parent(ParentId),
}

#[derive(Debug, Default)]
struct Inner {
    by_symbol: BTreeMap<String, InstrumentId>,
    symbols: BTreeMap<i64, String>,
    trade_date: TradeDate,
}

impl Directory {
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a batch changed.
    pub(crate) fn update<'a>(&self, rows: impl Iterator<Item = &'a InstrumentRow>, market: &MarketRow) {
        let known = self.read();
        let news = |row: &&InstrumentRow| known.symbols.get(&row.instrument).is_none_or(|old| *old != row.symbol);
        let (rows, same_day): (Vec<_>, _) = (rows.filter(news).collect(), known.trade_date == date(market.trade_date));
        drop(known);
        // Every order looks here: a batch that changes nothing, which most are, must not make it wait.
        if rows.is_empty() && same_day {
            return;
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            let number = InstrumentId(u32::try_from(row.instrument).unwrap_or(u32::MAX));
            if let Some(old) = inner.symbols.insert(row.instrument, row.symbol.clone())
                && old != row.symbol
            {
                inner.by_symbol.remove(&old);
            }
            inner.by_symbol.insert(row.symbol.clone(), number);
        }
        inner.trade_date = date(market.trade_date);
    }

    /// Whose an order or parent is, if that is remembered.
    pub(crate) fn owner(&self, of: Owned) -> Option<AccountId> {
        self.owners.read().unwrap_or_else(PoisonError::into_inner).get(&of).copied()
    }

    /// Remembers whose orders and parents are; those of earlier dates first make room.
    pub(crate) fn note_owners(&self, new_day: bool, owners: impl Iterator<Item = (Owned, AccountId)>) {
        let mut known = self.owners.write().unwrap_or_else(PoisonError::into_inner);
        if new_day {
            known.clear();
        }
        for (of, account) in owners {
            if known.len() < OWNERS_MAX {
                known.insert(of, account);
            }
        }
    }

    /// The instrument with this symbol.
    pub(crate) fn instrument(&self, symbol: &str) -> Option<InstrumentId> {
        self.read().by_symbol.get(symbol).copied()
    }

    /// The symbol of an instrument; its number where none is known.
    pub(crate) fn symbol(&self, instrument: i64) -> String {
        self.read().symbols.get(&instrument).cloned().unwrap_or_else(|| instrument.to_string())
    }

    /// The trade date that is open, or was last.
    pub(crate) fn trade_date(&self) -> TradeDate {
        self.read().trade_date
    }
}

/// A stored trade date; 0 is none.
pub(crate) fn date(number: i64) -> TradeDate {
    u32::try_from(number).ok().and_then(TradeDate::from_number).unwrap_or(TradeDate::NONE)
}
