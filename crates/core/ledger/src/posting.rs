//! Postings: every function here moves money or shares between a client and the house, balanced.

use heng_model::event::HouseAccount;
use heng_model::quantity::MINOR;
use heng_model::{Currency, InstrumentId, Money, Qty, Rate, Side};

use crate::books::Ledger;
use crate::fees::Fees;

/// In which money a fill settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Currency of the quotation: amounts and fees are in it.
    pub quoted: Currency,
    /// Yuan per unit of the quotation's currency; 0 = the client pays in that currency.
    pub rate: Rate,
    /// Through Stock Connect: proceeds buy HK shares at once and all else when due.
    pub connect: bool,
    /// Trading days until sale proceeds are due, 1–3 (HK: 1–2).
    pub days: u8,
}

impl Settle {
    /// The currency that the client's cash moves in.
    #[must_use]
    #[inline]
    pub const fn currency(&self) -> Currency {
        if self.rate.0 == 0 { self.quoted } else { Currency::Cny }
    }
}

/// One order's share of a trade, ready to post.
#[derive(Clone, Copy, Debug)]
pub struct FillPosting {
    /// Row of the account.
    pub row: u32,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Quantity.
    pub quantity: Qty,
    /// Value, in the quotation's currency, a multiple of the minor unit.
    pub amount: Money,
    /// Fees of this fill.
    pub fees: Fees,
    /// What the client paid (negative) or received for the order's fills before this one, in the quotation's currency:
    /// a conversion is rounded over the order, not over the fill.
    pub line_before: Money,
    /// How it settles.
    pub settle: Settle,
    /// Bought shares may be sold today.
    pub same_day_sale: bool,
    /// Cash released from the hold.
    pub release_cash: Money,
}

impl Ledger {
    #[inline]
    fn move_client(&mut self, row: u32, currency: Currency, amount: Money) {
        self.cash_mut(row, currency).balance += amount;
        self.running[currency.index()] += amount;
        self.postings += 1;
    }

    #[inline]
    fn move_house(&mut self, account: HouseAccount, currency: Currency, amount: Money) {
        if amount != Money::ZERO {
            self.house.add_cash(account, currency, amount);
            self.running[currency.index()] += amount;
            self.postings += 1;
        }
    }

    /// Holds cash for an order (negative releases); `connect` tells a Stock Connect buy.
    ///
    /// # Panics
    /// If the hold would become negative: holds are a function of live orders.
    #[inline]
    pub fn hold_cash(&mut self, row: u32, currency: Currency, amount: Money, connect: bool) {
        let cash = self.cash_mut(row, currency);
        cash.frozen += amount;
        if connect {
            cash.frozen_hk += amount;
        }
        let right = cash.frozen_hk >= Money::ZERO && cash.frozen >= cash.frozen_hk;
        assert!(right, "more cash released than held, account row {row}");
    }

    /// Notes what live orders may still buy (negative: no more), where a daily cap asks for it.
    ///
    /// # Panics
    /// If less than nothing would be left: our own bug.
    pub fn note_buying(&mut self, row: u32, instrument: InstrumentId, quantity: Qty) {
        let position = self.position_mut(row, instrument.0);
        position.buying += quantity;
        assert!(position.buying >= Qty::ZERO, "more taken off than live orders buy, account row {row}");
    }

    /// Holds sellable shares for an order (negative releases).
    ///
    /// # Panics
    /// If more is held than sellable or more released than held; the checks come first.
    #[inline]
    pub fn hold_shares(&mut self, row: u32, instrument: InstrumentId, quantity: Qty) {
        let position = self.position_mut(row, instrument.0);
        position.sellable -= quantity;
        position.frozen += quantity;
        assert!(position.sellable >= Qty::ZERO && position.frozen >= Qty::ZERO, "shares held beyond the position");
    }

    /// Posts one order's share of a trade. Returns the signed change of the client's cash.
    #[inline]
    pub fn post_fill(&mut self, fill: &FillPosting) -> Money {
        let gross = match fill.side {
            Side::Buy => -(fill.amount + fill.fees.total),
            Side::Sell => fill.amount - fill.fees.total,
        };
        let cash = self.settle_client(fill, gross);
        self.post_fill_house(fill);
        self.post_fill_shares(fill);
        cash
    }

    /// Moves the client's cash; through the position account per currency where the client pays in another one.
    #[inline]
    fn settle_client(&mut self, fill: &FillPosting, gross: Money) -> Money {
        let Settle { quoted, rate, connect, days } = fill.settle;
        let currency = fill.settle.currency();
        let cash = if rate.0 == 0 {
            gross
        } else {
            let so_far = |line: Money| line.times_rate_half_up(rate, Money(MINOR));
            let converted = so_far(fill.line_before + gross) - so_far(fill.line_before);
            self.move_house(HouseAccount::Exchange, currency, -converted);
            self.move_house(HouseAccount::Exchange, quoted, gross);
            converted
        };
        if fill.release_cash != Money::ZERO {
            self.hold_cash(fill.row, currency, -fill.release_cash, connect);
        }
        self.move_client(fill.row, currency, cash);
        let row = self.cash_mut(fill.row, currency);
        let due: &mut [Money] = if connect { &mut row.hk_due } else { &mut row.due };
        if cash > Money::ZERO {
            let bucket = usize::from(days.max(1)).min(due.len()) - 1;
            due[bucket] += cash;
        } else {
            use_due(due, -cash);
        }
        cash
    }

    #[inline]
    fn post_fill_house(&mut self, fill: &FillPosting) {
        let (quoted, fees) = (fill.settle.quoted, &fill.fees);
        let amount = if fill.side == Side::Buy { fill.amount } else { -fill.amount };
        let moves = [
            (HouseAccount::Clearing, amount),
            (HouseAccount::Commission, fees.broker_share()),
            (HouseAccount::Stamp, fees.stamp),
            (HouseAccount::Transfer, fees.transfer),
            (HouseAccount::Handling, fees.handling),
            (HouseAccount::Regulatory, fees.regulatory),
            (HouseAccount::HkLevies, fees.hk_levies()),
        ];
        // Summed before they are added to the running sum, which would otherwise be written and read seven times.
        let (mut sum, mut posted) = (Money::ZERO, 0);
        for (account, amount) in moves.into_iter().filter(|(_, amount)| *amount != Money::ZERO) {
            self.house.add_cash(account, quoted, amount);
            sum += amount;
            posted += 1;
        }
        self.running[quoted.index()] += sum;
        self.postings += posted;
    }

    #[inline]
    fn post_fill_shares(&mut self, fill: &FillPosting) {
        let position = self.position_mut(fill.row, fill.instrument.0);
        let change = match fill.side {
            Side::Buy => {
                position.bought_today += fill.quantity;
                if fill.same_day_sale {
                    position.sellable += fill.quantity;
                } else {
                    position.unsellable += fill.quantity;
                }
                fill.quantity
            }
            Side::Sell => {
                position.frozen -= fill.quantity;
                assert!(position.frozen >= Qty::ZERO, "more shares sold than held");
                -fill.quantity
            }
        };
        self.house.shares_mut(fill.instrument.0).clearing -= change;
        self.postings += 2;
    }

    /// Moves cash between a client and a house account: deposits, withdrawals, corporate actions, differences.
    /// Returns the balance after it.
    pub fn post_cash(&mut self, row: u32, currency: Currency, amount: Money, house: HouseAccount) -> Money {
        self.move_client(row, currency, amount);
        self.move_house(house, currency, -amount);
        self.cash(row, currency).balance
    }

    /// Moves sellable shares between a client and the depository. Returns all shares after it; `None` and no change
    /// if the client has fewer sellable shares than leave.
    pub fn post_shares(&mut self, row: u32, instrument: InstrumentId, quantity: Qty) -> Option<Qty> {
        let position = self.position_mut(row, instrument.0);
        if position.sellable + quantity < Qty::ZERO {
            return None;
        }
        position.sellable += quantity;
        let total = position.total();
        self.house.shares_mut(instrument.0).depository -= quantity;
        self.postings += 2;
        Some(total)
    }
}

/// What is paid uses the proceeds that are not due yet first, the latest before the earlier ones.
#[inline]
fn use_due(due: &mut [Money], mut cost: Money) {
    for bucket in due.iter_mut().rev() {
        let used = cost.min(*bucket);
        *bucket -= used;
        cost -= used;
    }
}
