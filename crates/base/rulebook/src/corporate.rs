//! Prices and interest that follow from dates and announcements: ex-rights references and exchange repo.

use heng_model::quantity::{MINOR, RATE_SCALE, SCALE, div_half_up};
use heng_model::{Board, InstrumentClass, Money, Price, Rate, TradeDate};

use crate::document::Entry;
use crate::error::NoRule;
use crate::rulebook::{RepoUse, Rulebook, Scope};

/// An action that moves the reference price 除权除息, per share held. Nothing may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ExRights {
    /// Cash before tax, in the currency at 1e-8: 10 pays 5 is 0.5.
    pub cash: Rate,
    /// Free shares, bonus and transfer from reserves: 10 gives 3 is 0.3.
    pub bonus: Rate,
    /// Shares offered for subscription: 10 offers 2 is 0.2.
    pub rights: Rate,
    /// What an offered share costs.
    pub rights_price: Price,
}

/// Reference price of the ex-date: (previous close − cash + rights price × rights) / (1 + bonus + rights), rounded
/// half up to the tick (SSE and SZSE trading rules, chapter on ex-rights and ex-dividend).
///
/// `None` if the result is not above zero or an input is negative or out of all bounds.
#[must_use]
pub fn ex_rights_reference(prev: Price, action: ExRights, tick: Price) -> Option<Price> {
    let inputs = [prev.0, tick.0, action.cash.0, action.bonus.0, action.rights.0, action.rights_price.0];
    if inputs.iter().any(|value| !(0..=1_000_000_000_000_000).contains(value)) || tick.0 == 0 {
        return None;
    }
    let scale = i128::from(RATE_SCALE);
    // All at 1e-12 of the currency unit: price (1e-4) × ratio (1e-8).
    let paid_in = i128::from(action.rights_price.0) * i128::from(action.rights.0);
    let value = i128::from(prev.0) * scale - i128::from(action.cash.0) * i128::from(SCALE) + paid_in;
    let shares = scale + i128::from(action.bonus.0) + i128::from(action.rights.0);
    if value <= 0 {
        return None;
    }
    let ticks = div_half_up(value, shares * i128::from(tick.0));
    i64::try_from(ticks * i128::from(tick.0)).ok().map(Price).filter(|price| price.0 > 0)
}

/// Reads `[[repo-interest]]`: the days that a year counts.
pub(crate) fn read_repo(entry: &mut Entry<'_, '_>) -> Option<(Vec<Scope>, u32)> {
    let (scopes, days) = (entry.scopes(), entry.integer("year_days", 360, 366));
    let days = u32::try_from(days?).ok()?;
    Some((scopes?, days))
}

impl Rulebook {
    /// Interest of a reverse repo 国债逆回购 of `term` calendar days traded on `trade`, quoted at `percent` a year.
    ///
    /// The money is used from the first settlement, the trading day after the trade, until the trading day after
    /// maturity; interest = principal × percent × those calendar days / days of the year, in fen, half up.
    ///
    /// # Errors
    /// If no interest rule or calendar is in force, or the amount is negative or out of all bounds.
    pub fn repo_interest(
        &self,
        board: Board,
        principal: Money,
        percent: Price,
        trade: TradeDate,
        term: u32,
    ) -> Result<RepoUse, NoRule> {
        let scope = (board, InstrumentClass::Repo);
        let year_days = *self.find(&self.repo_years, "repo interest", scope, trade)?;
        let unknown = || NoRule::exchange("calendar", board.exchange(), trade);
        let after =
            |date: TradeDate| move || NoRule::exchange("calendar", board.exchange(), date.plus_days(1).unwrap_or(date));
        let calendar = self.calendar(board.exchange()).ok_or_else(unknown)?;
        let first = calendar.plus_trading_days(trade, 1).ok_or_else(after(trade))?;
        let end = trade.plus_days(i64::from(term)).ok_or_else(unknown)?;
        let due = calendar.on_or_after(end).ok_or_else(after(end))?;
        let back = calendar.plus_trading_days(due, 1).ok_or_else(after(due))?;
        let days = u32::try_from(back.days() - first.days()).map_err(|_| unknown())?;
        let product = i128::from(principal.0) * i128::from(percent.0);
        let product =
            product.checked_mul(i128::from(days)).filter(|p| (0..i128::MAX / 4).contains(p)).ok_or_else(unknown)?;
        let divisor = i128::from(SCALE) * 100 * i128::from(year_days) * i128::from(MINOR);
        let fen = i64::try_from(div_half_up(product, divisor)).ok().and_then(|fen| fen.checked_mul(MINOR));
        let interest = fen.ok_or_else(unknown)?;
        Ok(RepoUse { days, interest: Money(interest), first_settlement: first, money_back: back })
    }
}
