//! Fees of one order or one fill, by kind.

use heng_model::Money;

/// Fees by kind, in the currency of the quotation, each a multiple of the minor unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// Commission; on A shares it contains handling and regulatory fees.
    pub commission: Money,
    /// Stamp duty.
    pub stamp: Money,
    /// Transfer fee.
    pub transfer: Money,
    /// Exchange handling fee.
    pub handling: Money,
    /// Regulatory fee.
    pub regulatory: Money,
    /// SFC levy.
    pub sfc: Money,
    /// AFRC levy.
    pub afrc: Money,
    /// Trading fee.
    pub trading: Money,
    /// Settlement fee.
    pub settlement: Money,
    /// What the client pays: all of the above, parts inside the commission once.
    pub total: Money,
}

impl Fees {
    /// What was added since `before`: fees accrue per order, and a fill posts the difference.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            commission: self.commission - before.commission,
            stamp: self.stamp - before.stamp,
            transfer: self.transfer - before.transfer,
            handling: self.handling - before.handling,
            regulatory: self.regulatory - before.regulatory,
            sfc: self.sfc - before.sfc,
            afrc: self.afrc - before.afrc,
            trading: self.trading - before.trading,
            settlement: self.settlement - before.settlement,
            total: self.total - before.total,
        }
    }

    /// HK levies and fees that are paid on.
    #[must_use]
    pub fn hk_levies(&self) -> Money {
        self.sfc + self.afrc + self.trading + self.settlement
    }

    /// What stays with the broker: the total less everything that is paid on.
    #[must_use]
    pub fn broker_share(&self) -> Money {
        self.total - self.stamp - self.transfer - self.handling - self.regulatory - self.hk_levies()
    }
}
