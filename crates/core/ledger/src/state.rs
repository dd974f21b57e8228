//! The canonical byte form of the books: what state hashes cover and snapshots hold.

use heng_model::event::HouseAccount;
use heng_model::market::SettlementState;
use heng_model::wire::{Reader, Wire, WireError, Writer};
use heng_model::{AccountId, Currency, IdMap, Money, TradeDate};

use crate::account::{Account, AccountLimits, Cash, Position};
use crate::books::Ledger;
use crate::house::House;

fn put_cash(cash: &Cash, out: &mut Writer) {
    let amounts = [cash.balance, cash.frozen, cash.frozen_hk];
    for amount in amounts.iter().chain(&cash.due).chain(&cash.hk_due) {
        amount.put(out);
    }
}

fn get_cash(from: &mut Reader<'_>) -> Result<Cash, WireError> {
    Ok(Cash {
        balance: Wire::get(from)?,
        frozen: Wire::get(from)?,
        frozen_hk: Wire::get(from)?,
        due: [Wire::get(from)?, Wire::get(from)?, Wire::get(from)?],
        hk_due: [Wire::get(from)?, Wire::get(from)?],
    })
}

fn put_account(account: &Account, out: &mut Writer) {
    account.id.put(out);
    account.owner.put(out);
    account.rights.put(out);
    put_cash(&account.cny, out);
    account.kind.put(out);
    account.status.put(out);
    account.stopped.put(out);
    account.open_orders.put(out);
    account.rate_second.put(out);
    account.sent.put(out);
    account.sent_max.put(out);
    account.orders_today.put(out);
    account.cancels_today.put(out);
    account.commission.put(out);
    account.bought_today.put(out);
    account.sold_today.put(out);
}

fn get_account(from: &mut Reader<'_>) -> Result<Account, WireError> {
    Ok(Account {
        id: Wire::get(from)?,
        owner: Wire::get(from)?,
        rights: Wire::get(from)?,
        cny: get_cash(from)?,
        kind: Wire::get(from)?,
        status: Wire::get(from)?,
        stopped: Wire::get(from)?,
        has_limits: false,
        open_orders: Wire::get(from)?,
        rate_second: Wire::get(from)?,
        sent: Wire::get(from)?,
        sent_max: Wire::get(from)?,
        orders_today: Wire::get(from)?,
        cancels_today: Wire::get(from)?,
        commission: Wire::get(from)?,
        bought_today: Wire::get(from)?,
        sold_today: Wire::get(from)?,
    })
}

fn put_position(position: &Position, out: &mut Writer) {
    position.account_row.put(out);
    position.instrument.put(out);
    for quantity in [position.sellable, position.frozen, position.unsellable, position.bought_today, position.buying] {
        quantity.put(out);
    }
}

fn get_position(from: &mut Reader<'_>) -> Result<Position, WireError> {
    Ok(Position {
        account_row: Wire::get(from)?,
        instrument: Wire::get(from)?,
        sellable: Wire::get(from)?,
        frozen: Wire::get(from)?,
        unsellable: Wire::get(from)?,
        bought_today: Wire::get(from)?,
        buying: Wire::get(from)?,
    })
}

fn put_house(house: &House, out: &mut Writer) {
    for amount in house.cash_rows().iter().flatten() {
        amount.put(out);
    }
    (house.share_rows().len() as u64).put(out);
    for row in house.share_rows() {
        row.clearing.put(out);
        row.depository.put(out);
    }
}

fn get_house(from: &mut Reader<'_>) -> Result<House, WireError> {
    let mut house = House::default();
    for row in house.cash_rows_mut().iter_mut().take(Currency::COUNT) {
        for amount in row.iter_mut().take(HouseAccount::COUNT) {
            *amount = Money::get(from)?;
        }
    }
    let rows = u64::get(from)?.min(u64::from(heng_model::limits::INSTRUMENTS_MAX));
    for number in 0..u32::try_from(rows).expect("bounded just above") {
        let row = house.shares_mut(number);
        row.clearing = Wire::get(from)?;
        row.depository = Wire::get(from)?;
    }
    Ok(house)
}

impl Ledger {
    /// Appends the canonical bytes of the books, in parts: `flush` is called between rows so that the caller can
    /// hash or store what has gathered.
    pub fn write_state(&self, out: &mut Writer, flush: &mut impl FnMut(&mut Writer)) {
        (self.accounts.len() as u64).put(out);
        for account in &self.accounts {
            put_account(account, out);
            flush(out);
        }
        (self.positions.len() as u64).put(out);
        for position in &self.positions {
            put_position(position, out);
            flush(out);
        }
        (self.limits.len() as u64).put(out);
        for (row, limits) in &self.limits {
            row.put(out);
            limits.order_value_max.put(out);
            limits.credit_line.put(out);
            flush(out);
        }
        (self.foreign.len() as u64).put(out);
        for ((row, code), cash) in &self.foreign {
            row.put(out);
            code.put(out);
            put_cash(cash, out);
            flush(out);
        }
        put_house(&self.house, out);
        (self.references.len() as u64).put(out);
        for ((kind, account, reference), age) in &self.references {
            kind.put(out);
            account.put(out);
            reference.put(out);
            age.put(out);
            flush(out);
        }
        (self.settlements.len() as u64).put(out);
        for ((date, exchange), state) in &self.settlements {
            date.put(out);
            exchange.put(out);
            state.put(out);
        }
        self.postings.put(out);
        flush(out);
    }

    /// Reads the books back.
    ///
    /// # Errors
    /// If the bytes do not hold books.
    pub fn read_state(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut ledger = Self::default();
        for row in 0..u64::get(from)? {
            let account = get_account(from)?;
            if account.id.number() != row + 1 {
                let row = u32::try_from(row).map_err(|_| WireError::OutOfRange { of: "account row" })?;
                ledger.account_rows.insert(account.id.0, row);
            }
            ledger.accounts.push(account);
        }
        let positions = u64::get(from)?;
        ledger.position_rows = IdMap::with_capacity(usize::try_from(positions).unwrap_or(0).min(1 << 16));
        for row in 0..positions {
            let position = get_position(from)?;
            if position.account_row as usize >= ledger.accounts.len() {
                return Err(WireError::OutOfRange { of: "position" });
            }
            let row = u32::try_from(row).map_err(|_| WireError::OutOfRange { of: "position row" })?;
            ledger.position_rows.insert(Self::position_key(position.account_row, position.instrument), row);
            ledger.positions.push(position);
        }
        for _ in 0..u64::get(from)? {
            let row = u32::get(from)?;
            let limits = AccountLimits { order_value_max: Wire::get(from)?, credit_line: Wire::get(from)? };
            if row as usize >= ledger.accounts.len() || limits == AccountLimits::default() {
                return Err(WireError::OutOfRange { of: "account limits" });
            }
            ledger.set_limits(row, limits);
        }
        for _ in 0..u64::get(from)? {
            let key = (u32::get(from)?, u8::get(from)?);
            if key.0 as usize >= ledger.accounts.len() || Currency::from_code(key.1).is_none() {
                return Err(WireError::OutOfRange { of: "cash row" });
            }
            ledger.foreign.insert(key, get_cash(from)?);
        }
        ledger.house = get_house(from)?;
        for _ in 0..u64::get(from)? {
            let key = (u8::get(from)?, AccountId::get(from)?, u64::get(from)?);
            let age = u8::get(from)?;
            if age >= heng_model::limits::REFERENCE_DAYS {
                return Err(WireError::OutOfRange { of: "age of a reference" });
            }
            ledger.references.insert(key, age);
        }
        for _ in 0..u64::get(from)? {
            let key = (TradeDate::get(from)?, u8::get(from)?);
            ledger.settlements.insert(key, SettlementState::get(from)?);
        }
        ledger.postings = u64::get(from)?;
        Ok(ledger)
    }
}
