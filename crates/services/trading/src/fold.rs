//! Events become rows: the rows that a batch touches are read, changed in memory, and written back.
//!
//! The fold checks what the events tell against what it holds (balances, filled quantities, totals). A difference is
//! an error, and the view parks: better to stand visibly than to show numbers that nobody can explain.

use std::collections::{BTreeMap, BTreeSet};

use heng_model::event::{
    AccountOpened, CashPosted, HoldingPosted, InstrumentDefined, KillSwitchSet, OrderCancelled, OrderFilled,
    OrderPlaced, OrderRejected, OrderWorking, ReferenceSet,
};
use heng_model::{
    AccountId, AccountStatus, Board, CancelReason, Currency, Event, InstrumentId, OrderId, OrderStatus, ParentId,
    RejectCode, SelfTrade, Side,
};
use heng_store::Connection;

use crate::fold_error::{FoldError, Noun};
use crate::store;
use crate::tables::{
    AccountRow, CashRow, DayRow, FillRow, HoldingRow, InstrumentRow, MarketRow, OrderEventRow, OrderRow, ParentRow,
    PhaseRow, load_by_id, load_by_pair, save,
};
use heng_ports::CommandEvents;

/// An event with its place in the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    /// The command that it is of.
    pub(crate) command: &'a CommandEvents,
    /// The event.
    pub(crate) event: &'a Event,
    /// Its place in the command.
    pub(crate) number: u32,
}

impl Placed<'_> {
    pub(crate) fn sequence(&self) -> i64 {
        self.command.seq.0.cast_signed()
    }

    pub(crate) fn time(&self) -> i64 {
        self.command.time.0
    }
}

/// What events name, so that their rows are read at once.
#[derive(Default)]
struct Named {
    orders: BTreeSet<i64>,
    parents: BTreeSet<i64>,
    accounts: BTreeSet<i64>,
    instruments: BTreeSet<i64>,
    cash_of: BTreeSet<i64>,
    holdings: BTreeSet<(i64, i64)>,
}

impl Named {
    fn note(&mut self, event: &Event) {
        match event {
            Event::OrderPlaced(e) => {
                self.note_order(e.order, e.instrument);
                self.note_parent(e.parent);
            }
            Event::OrderRejected(e) => self.note_order(e.order, e.instrument),
            Event::OrderWorking(e) => self.note_order(e.order, e.instrument),
            Event::OrderFilled(e) => {
                self.note_order(e.order, e.instrument);
                self.cash_of.insert(e.account.0.cast_signed());
                self.holdings.insert(pair(e.account, e.instrument));
            }
            Event::OrderCancelled(e) => self.note_id(e.order),
            Event::CancelRequested(e) => self.note_id(e.order),
            Event::CancelRejected(e) => self.note_id(e.order),
            Event::OrderUnknown(e) => self.note_id(e.order),
            Event::ParentAccepted(e) => self.note_parent(e.parent),
            Event::ParentChanged(e) => self.note_parent(e.parent),
            Event::CashPosted(e) => _ = self.cash_of.insert(e.account.0.cast_signed()),
            Event::HoldingPosted(e) => _ = self.holdings.insert(pair(e.account, e.instrument)),
            Event::InstrumentDefined(e) => self.note_instrument(e.instrument),
            Event::ReferenceSet(e) => self.note_instrument(e.instrument),
            Event::Halted(e) => self.note_instrument(e.instrument),
            Event::Resumed(e) => self.note_instrument(e.instrument),
            Event::KillSwitchSet(e) if e.by_instrument => self.note_instrument(e.instrument),
            Event::KillSwitchSet(e) => self.note_account(e.account),
            Event::AccountStatusSet(e) => self.note_account(e.account),
            Event::RightsSet(e) => self.note_account(e.account),
            Event::AccountLimitsSet(e) => self.note_account(e.account),
            _ => {}
        }
    }

    fn note_order(&mut self, order: OrderId, instrument: InstrumentId) {
        self.note_id(order);
        self.note_instrument(instrument);
    }

    fn note_id(&mut self, order: OrderId) {
        self.orders.insert(order.0.cast_signed());
    }

    fn note_parent(&mut self, parent: ParentId) {
        if parent != ParentId(0) {
            self.parents.insert(parent.0.cast_signed());
        }
    }

    fn note_instrument(&mut self, instrument: InstrumentId) {
        self.instruments.insert(i64::from(instrument.0));
    }

    fn note_account(&mut self, account: AccountId) {
        self.accounts.insert(account.0.cast_signed());
    }
}

/// The rows of one batch.
#[derive(Default)]
pub(crate) struct Fold {
    orders: BTreeMap<i64, OrderRow>,
    pub(crate) parents: BTreeMap<i64, ParentRow>,
    fills: Vec<FillRow>,
    events: Vec<OrderEventRow>,
    cash: BTreeMap<(i64, i64), CashRow>,
    holdings: BTreeMap<(i64, i64), HoldingRow>,
    accounts: BTreeMap<i64, AccountRow>,
    pub(crate) instruments: BTreeMap<i64, InstrumentRow>,
    phases: BTreeMap<(i64, i64), PhaseRow>,
    pub(crate) market: MarketRow,
    /// The trade date that is open, or was last; date 0 before the first.
    pub(crate) day: DayRow,
}

fn pair(account: AccountId, instrument: InstrumentId) -> (i64, i64) {
    (account.0.cast_signed(), i64::from(instrument.0))
}

/// What the client asked, as both a placing and a refusal tell it: the two events have these fields in common, and no
/// type.
macro_rules! asked_row {
    ($event:expr, $at:expr) => {
        OrderRow {
            order_id: $event.order.0.cast_signed(),
            sequence: $at.sequence(),
            placed_at: $at.time(),
            account: $event.account.0.cast_signed(),
            client_order: $event.client_order.to_text(),
            trade_date: i64::from($event.trade_date.number()),
            instrument: i64::from($event.instrument.0),
            side: i64::from($event.side as u8),
            order_type: i64::from($event.order_type as u8),
            price: $event.price.0,
            quantity: $event.quantity.0,
            parent: $event.parent.0.cast_signed(),
            ..OrderRow::default()
        }
    };
}

fn live(row: &OrderRow) -> bool {
    row.status <= i64::from(OrderStatus::PendingCancel as u8)
}

fn touch(row: &mut OrderRow, at: Placed<'_>) {
    row.changed_sequence = at.sequence();
    row.changed_at = at.time();
}

impl Fold {
    /// Reads the rows that these events name.
    pub(crate) async fn load(connection: &mut Connection, events: &[Placed<'_>]) -> Result<Self, FoldError> {
        let mut named = Named::default();
        events.iter().for_each(|placed| named.note(placed.event));
        let ids = |set: &BTreeSet<i64>| set.iter().copied().collect::<Vec<_>>();
        let mut fold = Self { market: store::market(connection).await?, ..Self::default() };
        fold.day = store::day(connection, fold.market.trade_date).await?.unwrap_or_default();
        for row in load_by_id::<OrderRow>(connection, "order_id", &ids(&named.orders)).await? {
            // What happens to a child counts for its parent, whom the child's events do not name.
            named.note_parent(ParentId(row.parent.cast_unsigned()));
            fold.orders.insert(row.order_id, row);
        }
        for row in load_by_id::<ParentRow>(connection, "parent_id", &ids(&named.parents)).await? {
            fold.parents.insert(row.parent_id, row);
        }
        for row in load_by_id::<AccountRow>(connection, "account", &ids(&named.accounts)).await? {
            fold.accounts.insert(row.account, row);
        }
        for row in load_by_id::<InstrumentRow>(connection, "instrument", &ids(&named.instruments)).await? {
            fold.instruments.insert(row.instrument, row);
        }
        for row in load_by_id::<CashRow>(connection, "account", &ids(&named.cash_of)).await? {
            fold.cash.insert((row.account, row.currency), row);
        }
        let pairs: Vec<(i64, i64)> = named.holdings.into_iter().collect();
        for row in load_by_pair::<HoldingRow>(connection, "(account, instrument)", &pairs).await? {
            fold.holdings.insert((row.account, row.instrument), row);
        }
        Ok(fold)
    }

    /// Writes all rows back.
    pub(crate) async fn save(&self, connection: &mut Connection) -> Result<(), FoldError> {
        fn rows<K, T: Clone>(map: &BTreeMap<K, T>) -> Vec<T> {
            map.values().cloned().collect()
        }
        save(connection, &rows(&self.orders)).await?;
        save(connection, &rows(&self.parents)).await?;
        save(connection, &self.fills).await?;
        save(connection, &self.events).await?;
        save(connection, &rows(&self.cash)).await?;
        save(connection, &rows(&self.holdings)).await?;
        save(connection, &rows(&self.accounts)).await?;
        save(connection, &rows(&self.instruments)).await?;
        save(connection, &rows(&self.phases)).await?;
        save(connection, std::slice::from_ref(&self.market)).await?;
        if self.day.trade_date != 0 {
            save(connection, std::slice::from_ref(&self.day)).await?;
        }
        Ok(())
    }

    /// Takes one event, and keeps it with its order.
    pub(crate) fn take(&mut self, at: Placed<'_>) -> Result<(), FoldError> {
        let order = order_of(at.event).filter(|id| *id != OrderId(0)).map(|id| id.0.cast_signed());
        let Some(order_id) = order else { return self.change(at) };
        let status = |fold: &Self| fold.orders.get(&order_id).map_or(0, |row| row.status);
        let before = status(self);
        self.change(at)?;
        let after = status(self);
        // A cancel of an order that nobody has stays without one.
        if after != 0 {
            let (number, event) = (i64::from(at.number), heng_model::wire::encode(at.event));
            let (sequence, happened_at) = (at.sequence(), at.time());
            self.events.push(OrderEventRow { order_id, sequence, number, happened_at, before, after, event });
        }
        Ok(())
    }

    /// Changes the rows. What other views need (memos, settlement, quotas, house rates) changes nothing here.
    fn change(&mut self, at: Placed<'_>) -> Result<(), FoldError> {
        match at.event {
            Event::OrderPlaced(e) => self.place(e, at),
            Event::OrderRejected(e) => self.reject(e, at),
            Event::OrderWorking(e) => self.work(e, at),
            Event::OrderFilled(e) => self.fill(e, at),
            Event::OrderCancelled(e) => self.cancel(e, at),
            Event::CancelRequested(e) => self.set_status(e.order, OrderStatus::PendingCancel, at),
            Event::CancelRejected(e) => {
                self.refuse_cancel(e.order, e.code, at);
                Ok(())
            }
            Event::OrderUnknown(e) => self.set_status(e.order, OrderStatus::SentUnknown, at),
            Event::ParentAccepted(e) => self.accept_parent(e, at),
            Event::ParentChanged(e) => self.change_parent(e, at),
            Event::CashPosted(e) => self.post_cash(e),
            Event::HoldingPosted(e) => self.post_holding(e),
            other => self.take_reference(other, at),
        }
    }

    /// Accounts, instruments, phases and the day.
    fn take_reference(&mut self, event: &Event, at: Placed<'_>) -> Result<(), FoldError> {
        match event {
            Event::AccountOpened(e) => self.open_account(e),
            Event::AccountStatusSet(e) => self.account(e.account)?.status = i64::from(e.status as u8),
            Event::RightsSet(e) => self.account(e.account)?.rights = i64::from(e.rights),
            Event::AccountLimitsSet(e) => {
                let row = self.account(e.account)?;
                row.orders_per_second = i64::from(e.orders_per_second);
                row.order_value_max = e.order_value_max.0;
                row.credit_line = e.credit_line.0;
            }
            Event::InstrumentDefined(e) => self.define(e),
            Event::ReferenceSet(e) => self.set_reference(e)?,
            Event::Halted(e) => self.instrument(e.instrument)?.halted = true,
            Event::Resumed(e) => self.instrument(e.instrument)?.halted = false,
            Event::KillSwitchSet(e) => self.set_stop(e)?,
            Event::PhaseChanged(e) => {
                let (board, class) = (i64::from(e.board as u8), i64::from(e.class as u8));
                let row = PhaseRow { board, class, phase: i64::from(e.phase as u8), since: at.time() };
                self.phases.insert((board, class), row);
            }
            Event::DayOpened(e) => {
                self.market.trade_date = i64::from(e.date.number());
                self.market.day_open = true;
                let (trade_date, opened_sequence) = (self.market.trade_date, at.sequence());
                self.day = DayRow { trade_date, opened_sequence, ..DayRow::default() };
            }
            Event::DayClosed(_) => {
                self.market.day_open = false;
                self.day.closed = true;
            }
            Event::Trade(_) => self.day.trades += 1,
            _ => {}
        }
        Ok(())
    }

    fn order(&mut self, id: OrderId) -> Result<&mut OrderRow, FoldError> {
        self.orders.get_mut(&id.0.cast_signed()).ok_or(FoldError::Missing { what: Noun::ORDER, id: id.0 })
    }

    fn account(&mut self, id: AccountId) -> Result<&mut AccountRow, FoldError> {
        self.accounts.get_mut(&id.0.cast_signed()).ok_or(FoldError::Missing { what: Noun::ACCOUNT, id: id.0 })
    }

    fn instrument(&mut self, id: InstrumentId) -> Result<&mut InstrumentRow, FoldError> {
        let missing = FoldError::Missing { what: Noun::INSTRUMENT, id: u64::from(id.0) };
        self.instruments.get_mut(&i64::from(id.0)).ok_or(missing)
    }

    fn place(&mut self, e: &OrderPlaced, at: Placed<'_>) -> Result<(), FoldError> {
        let instrument = self.instrument(e.instrument)?;
        // Stock Connect holds and settles in yuan; its quotation is in Hong Kong dollars.
        let connect = is_connect(instrument);
        let currency = if connect { i64::from(Currency::Cny as u8) } else { instrument.currency };
        if self.orders.contains_key(&e.order.0.cast_signed()) {
            return Err(FoldError::Differs {
                what: Noun::new("number of placings", "委托次数"),
                id: e.order.0,
                told: 2,
                found: 1,
            });
        }
        let mut row = OrderRow {
            self_trade: i64::from(e.self_trade as u8),
            status: i64::from(OrderStatus::Routed as u8),
            hold_cash: e.hold_cash.0,
            hold_quantity: e.hold_quantity.0,
            hold_currency: currency,
            connect,
            ..asked_row!(e, at)
        };
        touch(&mut row, at);
        self.orders.insert(row.order_id, row);
        self.day.orders += 1;
        self.add_child(e.parent, at)
    }

    /// A refusal by the checks makes an order that never lived; a refusal by the venue ends one that was placed. A
    /// refusal without an order (unknown account, wrong date, a key with other content) leaves no row.
    fn reject(&mut self, e: &OrderRejected, at: Placed<'_>) -> Result<(), FoldError> {
        if e.order == OrderId(0) {
            return Ok(());
        }
        let id = e.order.0.cast_signed();
        if !self.orders.contains_key(&id) {
            self.day.orders += 1;
        }
        let row = self.orders.entry(id).or_insert_with(|| OrderRow {
            self_trade: i64::from(SelfTrade::Allow as u8),
            hold_currency: i64::from(Currency::Cny as u8),
            ..asked_row!(e, at)
        });
        row.status = i64::from(OrderStatus::Rejected as u8);
        row.code = i64::from(e.code.number());
        row.rule = i64::from(e.rule);
        (row.hold_cash, row.hold_quantity, row.rests) = (0, 0, false);
        touch(row, at);
        Ok(())
    }

    fn work(&mut self, e: &OrderWorking, at: Placed<'_>) -> Result<(), FoldError> {
        let row = self.order(e.order)?;
        row.rests = true;
        if row.status != i64::from(OrderStatus::PendingCancel as u8) {
            let status = if row.filled > 0 { OrderStatus::PartlyFilled } else { OrderStatus::Working };
            row.status = i64::from(status as u8);
        }
        touch(row, at);
        Ok(())
    }

    fn fill(&mut self, e: &OrderFilled, at: Placed<'_>) -> Result<(), FoldError> {
        let row = self.order(e.order)?;
        let filled = row.filled + e.quantity.0;
        if filled != e.filled.0 || filled > row.quantity {
            return Err(FoldError::Differs {
                what: Noun::new("filled quantity", "成交数量"),
                id: e.order.0,
                told: e.filled.0,
                found: filled,
            });
        }
        row.filled = filled;
        row.value += e.amount.0;
        row.fees += (e.commission + e.stamp + e.transfer + e.sfc + e.afrc + e.trading + e.settlement).0;
        row.hold_cash = e.hold_cash.0;
        row.hold_quantity = e.hold_quantity.0;
        if row.filled == row.quantity {
            row.status = i64::from(OrderStatus::Filled as u8);
            row.rests = false;
        } else if row.status != i64::from(OrderStatus::PendingCancel as u8) {
            row.status = i64::from(OrderStatus::PartlyFilled as u8);
        }
        touch(row, at);
        let parent = ParentId(row.parent.cast_unsigned());
        self.fills.push(fill_row(e, at));
        self.day.fills += 1;
        self.fill_child(parent, e, at)?;
        self.settle(e)
    }

    /// The cash and the shares of a fill.
    fn settle(&mut self, e: &OrderFilled) -> Result<(), FoldError> {
        let instrument = self.instrument(e.instrument)?;
        let (same_day, days, connect) = (instrument.same_day_sale, instrument.settlement_days, is_connect(instrument));
        let currency = if e.rate.0 == 0 { instrument.currency } else { i64::from(Currency::Cny as u8) };
        self.cash_row(e.account, currency).settle(e.cash.0, connect, days);
        let holding = self.holding_row(e.account, e.instrument);
        match e.side {
            Side::Buy if same_day => holding.settled += e.quantity.0,
            Side::Buy => holding.unsellable += e.quantity.0,
            Side::Sell => holding.settled -= e.quantity.0,
        }
        if holding.settled < 0 {
            let (told, found) = (e.quantity.0, holding.settled + e.quantity.0);
            return Err(FoldError::Differs {
                what: Noun::new("shares sold", "卖出数量"), id: e.order.0, told, found
            });
        }
        Ok(())
    }

    fn cancel(&mut self, e: &OrderCancelled, at: Placed<'_>) -> Result<(), FoldError> {
        let row = self.order(e.order)?;
        row.hold_cash = e.hold_cash.0;
        row.hold_quantity = e.hold_quantity.0;
        touch(row, at);
        if e.shrunk {
            row.quantity -= e.quantity.0;
            return Ok(());
        }
        let left = row.quantity - row.filled;
        if left != e.quantity.0 {
            return Err(FoldError::Differs {
                what: Noun::new("cancelled quantity", "撤单数量"),
                id: e.order.0,
                told: e.quantity.0,
                found: left,
            });
        }
        let status = match e.reason {
            CancelReason::DayEnd => OrderStatus::Expired,
            _ if row.filled > 0 => OrderStatus::PartlyCancelled,
            _ => OrderStatus::Cancelled,
        };
        row.status = i64::from(status as u8);
        row.reason = i64::from(e.reason as u8);
        row.rests = false;
        Ok(())
    }

    fn set_status(&mut self, id: OrderId, status: OrderStatus, at: Placed<'_>) -> Result<(), FoldError> {
        let row = self.order(id)?;
        row.status = i64::from(status as u8);
        touch(row, at);
        Ok(())
    }

    /// A cancel refused by the venue brings the order back to what it was. A cancel refused by the checks never
    /// touched the order, and may name one that does not exist or belongs to somebody else.
    fn refuse_cancel(&mut self, id: OrderId, code: RejectCode, at: Placed<'_>) {
        use RejectCode as C;
        let by_checks = matches!(code, C::CancelUnderWay | C::UnknownOrder | C::UnknownAccount | C::AccountClosed);
        let Some(row) = self.orders.get_mut(&id.0.cast_signed()) else { return };
        if by_checks || !live(row) || row.status != i64::from(OrderStatus::PendingCancel as u8) {
            return;
        }
        let status = match (row.filled > 0, row.rests) {
            (true, _) => OrderStatus::PartlyFilled,
            (false, true) => OrderStatus::Working,
            (false, false) => OrderStatus::Routed,
        };
        row.status = i64::from(status as u8);
        touch(row, at);
    }

    fn cash_row(&mut self, account: AccountId, currency: i64) -> &mut CashRow {
        let account = account.0.cast_signed();
        self.cash.entry((account, currency)).or_insert(CashRow { account, currency, ..CashRow::default() })
    }

    fn holding_row(&mut self, account: AccountId, instrument: InstrumentId) -> &mut HoldingRow {
        let key = pair(account, instrument);
        let fresh = HoldingRow { account: key.0, instrument: key.1, ..HoldingRow::default() };
        self.holdings.entry(key).or_insert(fresh)
    }

    fn post_cash(&mut self, e: &CashPosted) -> Result<(), FoldError> {
        let row = self.cash_row(e.account, i64::from(e.currency as u8));
        row.balance += e.amount.0;
        if row.balance != e.balance.0 {
            let (told, found) = (e.balance.0, row.balance);
            return Err(FoldError::Differs {
                what: Noun::new("cash balance", "资金余额"),
                id: e.account.0,
                told,
                found,
            });
        }
        Ok(())
    }

    fn post_holding(&mut self, e: &HoldingPosted) -> Result<(), FoldError> {
        let row = self.holding_row(e.account, e.instrument);
        row.settled += e.quantity.0;
        let total = row.settled + row.unsellable;
        if total != e.total.0 {
            return Err(FoldError::Differs {
                what: Noun::new("shares held", "持仓数量"),
                id: e.account.0,
                told: e.total.0,
                found: total,
            });
        }
        Ok(())
    }

    fn open_account(&mut self, e: &AccountOpened) {
        let row = AccountRow {
            account: e.account.0.cast_signed(),
            owner: i64::from(e.owner.0),
            kind: i64::from(e.kind as u8),
            status: i64::from(AccountStatus::Normal as u8),
            rights: i64::from(e.rights),
            commission: e.commission.0,
            orders_per_second: i64::from(heng_model::limits::ORDERS_PER_SECOND_DEFAULT),
            ..AccountRow::default()
        };
        self.accounts.insert(row.account, row);
    }

    fn define(&mut self, e: &InstrumentDefined) {
        let id = i64::from(e.instrument.0);
        let row = self.instruments.entry(id).or_insert_with(|| InstrumentRow {
            instrument: id,
            currency: i64::from(Currency::Cny as u8),
            settlement_days: 1,
            ..InstrumentRow::default()
        });
        row.symbol.clone_from(&e.symbol);
        row.board = i64::from(e.board as u8);
        row.class = i64::from(e.class as u8);
        row.board_lot = i64::from(e.board_lot);
    }

    fn set_reference(&mut self, e: &ReferenceSet) -> Result<(), FoldError> {
        let date = self.market.trade_date;
        let row = self.instrument(e.instrument)?;
        row.reference_date = date;
        row.prev_close = e.prev_close.0;
        row.limit_up = e.limit_up.0;
        row.limit_down = e.limit_down.0;
        row.tick = e.tick.0;
        row.currency = i64::from(e.currency as u8);
        row.settlement_days = i64::from(e.settlement_days);
        row.same_day_sale = e.same_day_sale;
        row.risk_warning = e.risk_warning;
        row.suspended = e.suspended;
        row.halted = false;
        Ok(())
    }

    fn set_stop(&mut self, e: &KillSwitchSet) -> Result<(), FoldError> {
        if e.by_instrument {
            self.instrument(e.instrument)?.stopped = e.on;
        } else if e.account == AccountId(0) {
            self.market.stopped = e.on;
        } else {
            self.account(e.account)?.stopped = e.on;
        }
        Ok(())
    }
}

/// The order that an event is about.
pub(crate) const fn order_of(event: &Event) -> Option<OrderId> {
    match event {
        Event::OrderPlaced(e) => Some(e.order),
        Event::OrderRejected(e) => Some(e.order),
        Event::OrderWorking(e) => Some(e.order),
        Event::OrderFilled(e) => Some(e.order),
        Event::OrderCancelled(e) => Some(e.order),
        Event::CancelRequested(e) => Some(e.order),
        Event::CancelRejected(e) => Some(e.order),
        Event::OrderUnknown(e) => Some(e.order),
        _ => None,
    }
}

/// Whether an instrument trades through Stock Connect.
fn is_connect(row: &InstrumentRow) -> bool {
    row.board == i64::from(Board::Hk as u8)
}

fn fill_row(e: &OrderFilled, at: Placed<'_>) -> FillRow {
    FillRow {
        trade_id: e.trade.0.cast_signed(),
        order_id: e.order.0.cast_signed(),
        sequence: at.sequence(),
        filled_at: at.time(),
        account: e.account.0.cast_signed(),
        instrument: i64::from(e.instrument.0),
        side: i64::from(e.side as u8),
        price: e.price.0,
        quantity: e.quantity.0,
        amount: e.amount.0,
        commission: e.commission.0,
        stamp: e.stamp.0,
        transfer: e.transfer.0,
        handling: e.handling.0,
        regulatory: e.regulatory.0,
        hk_levies: (e.sfc + e.afrc + e.trading + e.settlement).0,
        rate: e.rate.0,
        cash: e.cash.0,
    }
}
