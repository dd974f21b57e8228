//! The tables of one account partition and how rows are found.

use std::collections::BTreeMap;

use heng_model::command::OpenAccount;
use heng_model::event::HouseAccount;
use heng_model::limits;
use heng_model::market::{AccountStatus, Exchange, SettlementState};
use heng_model::{AccountId, Currency, IdMap, InstrumentId, Money, Qty, TradeDate};

use crate::account::{Account, AccountLimits, Cash, Position};
use crate::house::House;

/// Most that all clients of a partition together may bring into one house account, in 1/10,000: 400 trillion yuan.
/// It leaves room in `i64` for what trades then add.
const HOUSE_CASH_MAX: i64 = 4_000_000_000_000_000_000;
/// Most shares of one instrument that a partition may hold.
const HOUSE_SHARES_MAX: i64 = 1_000_000_000_000_000;

/// The books of one account partition.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub(crate) accounts: Vec<Account>,
    pub(crate) account_rows: IdMap,
    pub(crate) positions: Vec<Position>,
    pub(crate) position_rows: IdMap,
    /// Limits of the accounts that have some, by row.
    pub(crate) limits: BTreeMap<u32, AccountLimits>,
    /// Cash in currencies other than yuan, by (account row, currency code).
    pub(crate) foreign: BTreeMap<(u32, u8), Cash>,
    pub(crate) house: House,
    /// References that have posted, by (kind of command, account, reference), and how many days have rolled since.
    pub(crate) references: BTreeMap<(u8, AccountId, u64), u8>,
    /// Trades of a date on an exchange, and how far the official files have confirmed them.
    pub(crate) settlements: BTreeMap<(TradeDate, u8), SettlementState>,
    /// Signed sum of every cash posting, per currency: zero after every command.
    pub(crate) running: [Money; Currency::COUNT],
    /// Ledger entries made, one per account touched.
    pub(crate) postings: u64,
}

impl Ledger {
    /// Empty books with room for this many rows.
    #[must_use]
    pub fn with_capacity(accounts: usize, positions: usize) -> Self {
        Self {
            accounts: Vec::with_capacity(accounts),
            positions: Vec::with_capacity(positions),
            position_rows: IdMap::with_capacity(positions),
            ..Self::default()
        }
    }

    /// Makes room for this many rows in all.
    pub fn make_room(&mut self, accounts: usize, positions: usize) {
        self.accounts.reserve(accounts.saturating_sub(self.accounts.len()));
        self.positions.reserve(positions.saturating_sub(self.positions.len()));
        self.position_rows.make_room(positions);
    }

    /// Opens an account; `None` if it exists or the table is full.
    pub fn open(&mut self, command: &OpenAccount) -> Option<u32> {
        if self.accounts.len() >= limits::ACCOUNTS_MAX as usize || self.row_of(command.account).is_some() {
            return None;
        }
        let row = u32::try_from(self.accounts.len()).expect("ACCOUNTS_MAX fits u32");
        if command.account.number() != u64::from(row) + 1 {
            self.account_rows.insert(command.account.0, row);
        }
        self.accounts.push(Account {
            id: command.account,
            owner: command.owner,
            rights: command.rights,
            cny: Cash::default(),
            kind: command.kind,
            status: AccountStatus::Normal,
            stopped: false,
            has_limits: false,
            open_orders: 0,
            rate_second: 0,
            sent: 0,
            sent_max: limits::ORDERS_PER_SECOND_DEFAULT,
            orders_today: 0,
            cancels_today: 0,
            commission: u32::try_from(command.commission.0).expect("commission is checked before it comes here"),
            bought_today: Money::ZERO,
            sold_today: Money::ZERO,
        });
        Some(row)
    }

    /// The row of an account. Accounts opened in the order of their numbers need no look-up table.
    #[must_use]
    #[inline]
    pub fn row_of(&self, id: AccountId) -> Option<u32> {
        let guess = id.number().wrapping_sub(1);
        if let Some(account) = usize::try_from(guess).ok().and_then(|at| self.accounts.get(at))
            && account.id == id
        {
            return Some(guess as u32);
        }
        self.account_rows.get(id.0)
    }

    /// An account by row.
    #[must_use]
    #[inline]
    pub fn account(&self, row: u32) -> &Account {
        &self.accounts[row as usize]
    }

    /// An account by row, to change what is not money: status, counters, limits.
    #[must_use]
    #[inline]
    pub fn account_mut(&mut self, row: u32) -> &mut Account {
        &mut self.accounts[row as usize]
    }

    /// Limits of an account.
    #[must_use]
    #[inline]
    pub fn limits(&self, row: u32) -> AccountLimits {
        if self.account(row).has_limits { self.limits[&row] } else { AccountLimits::default() }
    }

    /// Sets the limits of an account.
    pub fn set_limits(&mut self, row: u32, limits: AccountLimits) {
        let has_limits = limits != AccountLimits::default();
        self.account_mut(row).has_limits = has_limits;
        if has_limits {
            self.limits.insert(row, limits);
        } else {
            self.limits.remove(&row);
        }
    }

    /// All accounts, by row.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Cash of an account in a currency.
    #[must_use]
    #[inline]
    pub fn cash(&self, row: u32, currency: Currency) -> Cash {
        if currency == Currency::Cny {
            self.accounts[row as usize].cny
        } else {
            self.foreign.get(&(row, currency as u8)).copied().unwrap_or_default()
        }
    }

    #[inline]
    pub(crate) fn cash_mut(&mut self, row: u32, currency: Currency) -> &mut Cash {
        if currency == Currency::Cny {
            &mut self.accounts[row as usize].cny
        } else {
            self.foreign.entry((row, currency as u8)).or_default()
        }
    }

    #[inline]
    pub(crate) const fn position_key(row: u32, instrument: u32) -> u64 {
        (row as u64) << 32 | instrument as u64
    }

    /// The row of a position, if the account ever held the instrument.
    #[must_use]
    #[inline]
    pub fn position_row(&self, row: u32, instrument: InstrumentId) -> Option<u32> {
        self.position_rows.get(Self::position_key(row, instrument.0))
    }

    /// A position.
    #[must_use]
    #[inline]
    pub fn position(&self, row: u32, instrument: InstrumentId) -> Option<&Position> {
        self.position_row(row, instrument).map(|at| &self.positions[at as usize])
    }

    /// All positions, by row.
    #[must_use]
    pub fn positions(&self) -> &[Position] {
        &self.positions
    }

    pub(crate) fn position_mut(&mut self, row: u32, instrument: u32) -> &mut Position {
        let key = Self::position_key(row, instrument);
        let at = match self.position_rows.get(key) {
            Some(at) => at as usize,
            None => {
                let at = self.positions.len();
                self.position_rows.insert(key, u32::try_from(at).expect("positions stay below u32::MAX"));
                self.positions.push(Position {
                    account_row: row,
                    instrument,
                    sellable: Qty::ZERO,
                    frozen: Qty::ZERO,
                    unsellable: Qty::ZERO,
                    bought_today: Qty::ZERO,
                    buying: Qty::ZERO,
                });
                at
            }
        };
        &mut self.positions[at]
    }

    /// The place that the look-up of a position reads first, for a prefetch; what stands there means nothing.
    #[inline]
    #[must_use]
    pub fn position_place(&self, row: u32, instrument: InstrumentId) -> Option<&u64> {
        self.position_rows.place(Self::position_key(row, instrument.0))
    }

    /// The house's accounts.
    #[must_use]
    pub const fn house(&self) -> &House {
        &self.house
    }

    /// Ledger entries made so far, one per account touched.
    #[must_use]
    pub const fn postings(&self) -> u64 {
        self.postings
    }

    /// Whether all cash postings so far balance; checked after every command.
    #[must_use]
    #[inline]
    pub fn is_balanced(&self) -> bool {
        self.running == [Money::ZERO; Currency::COUNT]
    }

    /// The settlement state of the trades of a date on an exchange; `None` if there were none, or if they settled long
    /// ago.
    #[must_use]
    pub fn settlement(&self, date: TradeDate, exchange: Exchange) -> Option<SettlementState> {
        self.settlements.get(&(date, exchange as u8)).copied()
    }

    /// Moves the trades of a date on an exchange one state on; false if that is not the next state.
    pub fn advance_settlement(&mut self, date: TradeDate, exchange: Exchange, to: SettlementState) -> bool {
        match self.settlements.get_mut(&(date, exchange as u8)) {
            Some(state) if *state as u8 + 1 == to as u8 => {
                *state = to;
                true
            }
            _ => false,
        }
    }

    /// Notes that there are trades of a date on an exchange.
    pub fn begin_settlement(&mut self, date: TradeDate, exchange: Exchange) {
        self.settlements.entry((date, exchange as u8)).or_insert(SettlementState::Traded);
    }

    /// Whether a reference has posted, as far as it is still known. Reference 0 is not keyed.
    #[must_use]
    pub fn has_posted(&self, kind: u8, account: AccountId, reference: u64) -> bool {
        reference != 0 && self.references.contains_key(&(kind, account, reference))
    }

    /// Whether a posting of cash from outside keeps the balance and the house's account within the range that sums
    /// of this partition are sure to hold.
    #[must_use]
    pub fn has_room_for_cash(&self, row: u32, currency: Currency, amount: Money, house: HouseAccount) -> bool {
        let within = |a: Money, b: i64, most: i64| {
            a.0.checked_add(b).is_some_and(|sum| sum.unsigned_abs() <= most.unsigned_abs())
        };
        amount.0.unsigned_abs() <= limits::MONEY_MAX.unsigned_abs()
            && within(self.cash(row, currency).balance, amount.0, limits::MONEY_MAX)
            && within(self.house.cash(house, currency), -amount.0, HOUSE_CASH_MAX)
    }

    /// Whether shares from outside keep the position and the depository's account within the range that sums of this
    /// partition are sure to hold.
    #[must_use]
    pub fn has_room_for_shares(&self, row: u32, instrument: InstrumentId, quantity: Qty) -> bool {
        let most = HOUSE_SHARES_MAX.unsigned_abs();
        let within = |a: Qty, b: i64| a.0.checked_add(b).is_some_and(|sum| sum.unsigned_abs() <= most);
        let total = self.position(row, instrument).map_or(Qty::ZERO, Position::total);
        quantity.0.unsigned_abs() <= most
            && within(total, quantity.0)
            && within(self.house.shares(instrument).1, -quantity.0)
    }

    /// Marks a reference as posted; false if it was before. Reference 0 is not keyed.
    pub fn claim_reference(&mut self, kind: u8, account: AccountId, reference: u64) -> bool {
        reference == 0 || self.references.insert((kind, account, reference), 0).is_none()
    }

    /// Bytes on the heap per position, look-up included.
    #[must_use]
    pub fn bytes_per_position(&self) -> usize {
        let rows = self.positions.len().max(1);
        (self.positions.len() * size_of::<Position>() + self.position_rows.heap_bytes()) / rows
    }
}
