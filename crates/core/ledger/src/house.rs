//! The house's own accounts: the other side of every client posting.

use heng_model::event::HouseAccount;
use heng_model::{Currency, InstrumentId, Money, Qty};

/// House accounts of one partition. Signs are those of a counterpart: the bank account shows minus what clients
/// deposited, so that clients and house together are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct House {
    cash: [[Money; HouseAccount::COUNT]; Currency::COUNT],
    shares: Vec<HouseShares>,
}

/// House side of one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HouseShares {
    /// Due to or from the clearing house.
    pub(crate) clearing: Qty,
    /// Custody at the depository.
    pub(crate) depository: Qty,
}

impl House {
    /// Balance of a house account.
    #[must_use]
    pub fn cash(&self, account: HouseAccount, currency: Currency) -> Money {
        self.cash[currency.index()][account as usize - 1]
    }

    /// Shares (clearing, depository) of an instrument.
    #[must_use]
    pub fn shares(&self, instrument: InstrumentId) -> (Qty, Qty) {
        let row = self.shares.get(instrument.0 as usize).copied().unwrap_or_default();
        (row.clearing, row.depository)
    }

    #[inline]
    pub(crate) fn add_cash(&mut self, account: HouseAccount, currency: Currency, amount: Money) {
        self.cash[currency.index()][account as usize - 1] += amount;
    }

    #[inline]
    pub(crate) fn shares_mut(&mut self, instrument: u32) -> &mut HouseShares {
        let at = instrument as usize;
        if at >= self.shares.len() {
            self.shares.resize(at + 1, HouseShares::default());
        }
        &mut self.shares[at]
    }

    /// The place of an instrument's shares, for a prefetch.
    #[inline]
    #[must_use]
    pub fn shares_place(&self, instrument: InstrumentId) -> Option<&Qty> {
        self.shares.get(instrument.0 as usize).map(|row| &row.clearing)
    }

    pub(crate) fn share_rows(&self) -> &[HouseShares] {
        &self.shares
    }

    pub(crate) fn cash_rows(&self) -> &[[Money; HouseAccount::COUNT]; Currency::COUNT] {
        &self.cash
    }

    pub(crate) fn cash_rows_mut(&mut self) -> &mut [[Money; HouseAccount::COUNT]; Currency::COUNT] {
        &mut self.cash
    }
}
