//! Hostile values: no field of any command may stop the core.

use heng_engine::{Capacity, State, apply, apply_quarantined, invariants};
use heng_model::command::*;
use heng_model::market::{
    AccountKind, AccountStatus, Board, CancelReason, Currency, Exchange, InstrumentClass, OrderType, SelfTrade,
    SettlementState, Side,
};
use heng_model::{
    AccountId, ClientOrderId, Command, InstrumentId, Money, OrderId, OwnerId, ParentId, PartitionId, Price, Qty, Rate,
    SECOND, Seq, Sequenced, TradeDate, TradeId, UnixNanos, limits, rights,
};
use proptest::prelude::*;

use crate::market::{dates, for_each_seed};
use crate::world::{Said, restarted, rules_from};

/// Draws fields: mostly edges, sometimes something that fits.
struct Draw<'a>(std::iter::Cycle<std::slice::Iter<'a, u32>>);

impl Draw<'_> {
    fn bits(&mut self) -> u32 {
        *self.0.next().unwrap()
    }
    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.bits() as usize % all.len()]
    }
    fn number(&mut self) -> i64 {
        const EDGES: [i64; 24] = [
            0,
            1,
            -1,
            2,
            99,
            100,
            101,
            1_000,
            10_000,
            100_000,
            100_500,
            i64::MAX,
            i64::MAX - 1,
            i64::MIN,
            i64::MIN + 1,
            limits::QUANTITY_MAX,
            limits::QUANTITY_MAX + 1,
            limits::PRICE_MAX,
            limits::PRICE_MAX + 1,
            limits::MONEY_MAX,
            limits::MONEY_MAX + 1,
            u32::MAX as i64,
            1 << 48,
            783_500,
        ];
        let bits = self.bits();
        if bits.is_multiple_of(5) {
            i64::from(bits >> 3) * i64::from(self.bits())
        } else {
            EDGES[bits as usize / 5 % EDGES.len()]
        }
    }
    fn natural(&mut self) -> u64 {
        self.number() as u64
    }
    fn small(&mut self) -> u32 {
        self.number() as u32
    }
    fn price(&mut self) -> Price {
        Price(self.number())
    }
    fn quantity(&mut self) -> Qty {
        Qty(self.number())
    }
    fn money(&mut self) -> Money {
        Money(self.number())
    }
    fn account(&mut self) -> AccountId {
        if self.bits().is_multiple_of(4) {
            AccountId(self.natural())
        } else {
            AccountId(u64::from(self.bits() % 4) + 1)
        }
    }
    fn instrument(&mut self) -> InstrumentId {
        if self.bits().is_multiple_of(5) { InstrumentId(self.small()) } else { InstrumentId(self.bits() % 5) }
    }
    fn order_id(&mut self) -> OrderId {
        match self.bits() % 4 {
            0 => OrderId(self.natural()),
            1 => OrderId::of(PartitionId(9), u64::from(self.bits() % 40)),
            _ => OrderId(u64::from(self.bits() % 40)),
        }
    }
    fn parent_id(&mut self) -> ParentId {
        if self.bits().is_multiple_of(4) { ParentId(self.natural()) } else { ParentId(u64::from(self.bits() % 6)) }
    }
    fn date(&mut self) -> TradeDate {
        match self.bits() % 8 {
            0 => TradeDate::NONE,
            1 => "1990-01-01".parse().unwrap(),
            2 => "2199-12-31".parse().unwrap(),
            3 => dates()[1],
            _ => dates()[0],
        }
    }
    fn time(&mut self) -> UnixNanos {
        UnixNanos(self.number())
    }
    fn order(&mut self) -> NewOrder {
        NewOrder {
            account: self.account(),
            client_order: ClientOrderId(u128::from(self.bits() % 200) << (self.bits() % 100)),
            trade_date: self.date(),
            instrument: self.instrument(),
            side: self.of(Side::ALL),
            order_type: self.of(OrderType::ALL),
            price: self.price(),
            quantity: self.quantity(),
            self_trade: self.of(SelfTrade::ALL),
        }
    }
    fn orders(&mut self) -> Vec<NewOrder> {
        let count =
            if self.bits().is_multiple_of(50) { limits::BATCH_ORDERS_MAX + 1 } else { self.bits() as usize % 5 };
        (0..count).map(|_| self.order()).collect()
    }
    fn text(&mut self) -> String {
        "x".repeat(self.bits() as usize % 70)
    }
    fn bytes(&mut self) -> Vec<u8> {
        vec![self.bits() as u8; self.bits() as usize % 5_000]
    }
}

fn trading(d: &mut Draw<'_>) -> Command {
    match d.bits() % 18 {
        0..=4 => d.order().into(),
        5 => CancelOrder { account: d.account(), order: d.order_id() }.into(),
        6 => {
            let (account, by_instrument, instrument) = (d.account(), d.bits().is_multiple_of(2), d.instrument());
            MassCancel { account, by_instrument, instrument }.into()
        }
        7 => BulkOrders { orders: d.orders() }.into(),
        8 => BasketOrders { orders: d.orders() }.into(),
        9 => NewParent {
            account: d.account(),
            client_order: ClientOrderId(u128::from(d.bits() % 200)),
            trade_date: d.date(),
            kind: d.of(ParentKind::ALL),
            instrument: d.instrument(),
            side: d.of(Side::ALL),
            order_type: d.of(OrderType::ALL),
            price: d.price(),
            quantity: d.quantity(),
            value_max: d.money(),
            watch: d.instrument(),
            at_or_above: d.bits().is_multiple_of(2),
            trigger: d.price(),
            expires: d.time(),
        }
        .into(),
        10 => {
            let (account, parent, action, epoch) = (d.account(), d.parent_id(), d.of(ParentAction::ALL), d.natural());
            ControlParent { account, parent, action, epoch }.into()
        }
        11 => SliceParent {
            parent: d.parent_id(),
            slice: d.small(),
            epoch: if d.bits().is_multiple_of(2) { 0 } else { d.natural() },
            order_type: d.of(OrderType::ALL),
            price: d.price(),
            quantity: d.quantity(),
        }
        .into(),
        12 => TriggerParent { parent: d.parent_id(), event: Seq(d.natural()), price: d.price() }.into(),
        13 | 14 => RouteOrder {
            order: d.order_id(),
            owner: OwnerId(d.small()),
            instrument: d.instrument(),
            side: d.of(Side::ALL),
            order_type: d.of(OrderType::ALL),
            price: d.price(),
            quantity: d.quantity(),
            self_trade: d.of(SelfTrade::ALL),
        }
        .into(),
        15 => {
            let (order, instrument, venue_ref, reason) =
                (d.order_id(), d.instrument(), d.small(), d.of(CancelReason::ALL));
            RouteCancel { order, instrument, venue_ref, reason }.into()
        }
        16 => VenueReport {
            order: d.order_id(),
            kind: d.of(ReportKind::ALL),
            detail: d.small(),
            trade: TradeId(d.natural()),
            price: d.price(),
            quantity: d.quantity(),
            reason: d.bits() as u8,
        }
        .into(),
        _ => RouteMassCancel { instrument: d.instrument(), reason: d.of(CancelReason::ALL) }.into(),
    }
}

fn administration(d: &mut Draw<'_>) -> Command {
    match d.bits() % 24 {
        kind @ 0..10 => standing_data(kind, d),
        kind @ 10..18 => day_and_postings(kind, d),
        kind => market_data(kind, d),
    }
}

fn standing_data(kind: u32, d: &mut Draw<'_>) -> Command {
    match kind {
        0 => Tick {}.into(),
        1 => Memo { topic: d.text(), content: d.bytes() }.into(),
        2 => {
            let (bytes, from) = (d.bytes(), d.date());
            ActivateRulebook { hash: heng_model::hash::sha256(&bytes), bytes, from }.into()
        }
        3 => SetEngineLevel { level: d.small() as u16 }.into(),
        4 => OpenAccount {
            account: d.account(),
            owner: OwnerId(d.small()),
            kind: d.of(AccountKind::ALL),
            rights: if d.bits().is_multiple_of(2) { rights::ALL } else { d.small() },
            commission: Rate(d.number()),
        }
        .into(),
        5 => SetAccountStatus { account: d.account(), status: d.of(AccountStatus::ALL) }.into(),
        6 => SetRights { account: d.account(), rights: d.small() | rights::ALL }.into(),
        7 => SetAccountLimits {
            account: d.account(),
            orders_per_second: d.small(),
            order_value_max: d.money(),
            credit_line: d.money(),
        }
        .into(),
        8 => DefineInstrument {
            instrument: d.instrument(),
            symbol: d.text(),
            board: d.of(Board::ALL),
            class: d.of(InstrumentClass::ALL),
            partition: PartitionId(d.small() as u16),
            board_lot: d.small(),
        }
        .into(),
        _ => SetReference {
            instrument: d.instrument(),
            prev_close: d.price(),
            risk_warning: d.bits().is_multiple_of(2),
            listing_day: d.small(),
            delisting_day: d.small(),
            suspended: d.bits().is_multiple_of(4),
        }
        .into(),
    }
}

fn day_and_postings(kind: u32, d: &mut Draw<'_>) -> Command {
    match kind {
        10 => OpenDay { date: d.date(), random_close_s: d.small() }.into(),
        11 if d.bits().is_multiple_of(8) => CloseDay { date: d.date() }.into(),
        12 => {
            Deposit { account: d.account(), currency: d.of(Currency::ALL), amount: d.money(), reference: d.natural() }
                .into()
        }
        13 => {
            Withdraw { account: d.account(), currency: d.of(Currency::ALL), amount: d.money(), reference: d.natural() }
                .into()
        }
        14 => {
            let (account, instrument, quantity, reference) = (d.account(), d.instrument(), d.quantity(), d.natural());
            TransferHolding { account, instrument, quantity, reference }.into()
        }
        15 => PostCorporateAction {
            action: d.natural(),
            account: d.account(),
            instrument: d.instrument(),
            currency: d.of(Currency::ALL),
            cash: d.money(),
            quantity: d.quantity(),
        }
        .into(),
        16 => {
            let (date, exchange, state) = (d.date(), d.of(Exchange::ALL), d.of(SettlementState::ALL));
            AdvanceSettlement { date, exchange, state }.into()
        }
        _ => PostDifference {
            account: d.account(),
            currency: d.of(Currency::ALL),
            cash: d.money(),
            instrument: d.instrument(),
            quantity: d.quantity(),
            reference: d.natural(),
        }
        .into(),
    }
}

fn market_data(kind: u32, d: &mut Draw<'_>) -> Command {
    match kind {
        18 => {
            let mark = Mark { instrument: d.instrument(), bid: d.price(), ask: d.price(), last: d.price() };
            MarkPrices { marks: vec![mark; d.bits() as usize % 3] }.into()
        }
        19 => SetExchangeRates { sell_reference: Rate(d.number()), buy_reference: Rate(d.number()) }.into(),
        20 => Halt { instrument: d.instrument(), until: d.time() }.into(),
        21 => Resume { instrument: d.instrument() }.into(),
        22 => KillSwitch {
            account: if d.bits().is_multiple_of(2) { AccountId(0) } else { d.account() },
            by_instrument: d.bits().is_multiple_of(2),
            instrument: d.instrument(),
            on: d.bits().is_multiple_of(4),
            cancel_live: d.bits().is_multiple_of(2),
        }
        .into(),
        _ => {
            let rule = RiskRule {
                number: d.small(),
                board: d.bits() as u8 % 9,
                side: d.bits() as u8 % 4,
                feature: d.of(RiskFeature::ALL),
                least: d.number(),
                most: d.number(),
            };
            match d.bits() % 4 {
                0 => SetRiskRules { rules: vec![rule; 2] }.into(),
                1 => SetQuota { amount: d.money() }.into(),
                _ => SetRiskRules { rules: Vec::new() }.into(),
            }
        }
    }
}

/// A core with four accounts, five instruments (one at a venue elsewhere, one without price limits) and an open day.
fn prepared() -> State {
    let mut commands: Vec<Command> = vec![
        rules_from("2020-01-02".parse().unwrap()).into(),
        SetExchangeRates { sell_reference: Rate(93_000_000), buy_reference: Rate(92_000_000) }.into(),
    ];
    let boards = [Board::SseMain, Board::SzseMain, Board::Hk, Board::Chinext, Board::SseMain];
    for (id, board) in (0..).zip(boards) {
        let (instrument, class) = (InstrumentId(id), InstrumentClass::Stock);
        let partition = PartitionId(if id == 4 { 9 } else { 0 });
        let board_lot = if board == Board::Hk { 1_000_000 } else { 0 };
        commands.push(DefineInstrument { instrument, symbol: "S".into(), board, class, partition, board_lot }.into());
        let listing_day = u32::from(board == Board::Chinext);
        let (prev_close, risk_warning, delisting_day, suspended) = (Price(100_500), id == 1, 0, false);
        commands
            .push(SetReference { instrument, prev_close, risk_warning, listing_day, delisting_day, suspended }.into());
    }
    for number in 1..=4 {
        let (account, owner, kind) = (AccountId(number), OwnerId(number as u32 / 2), AccountKind::Cash);
        commands.push(OpenAccount { account, owner, kind, rights: rights::ALL, commission: Rate(25_000) }.into());
        commands.push(
            Deposit { account, currency: Currency::Cny, amount: Money(limits::MONEY_MAX / 100 * 100), reference: 1 }
                .into(),
        );
        for id in 0..5 {
            let (instrument, quantity) = (InstrumentId(id), Qty(limits::QUANTITY_MAX * 1_000));
            commands.push(TransferHolding { account, instrument, quantity, reference: 2 + u64::from(id) }.into());
        }
    }
    commands.push(OpenDay { date: dates()[0], random_close_s: 9 }.into());
    let mut state = State::new(PartitionId(0), Capacity::default());
    for command in commands {
        step(&mut state, 1, command, false);
    }
    let morning = UnixNanos::at(dates()[0], (9 * 3_600 + 31 * 60) * SECOND);
    let later = morning.0 - state.time().0;
    step(&mut state, later, Tick {}.into(), false);
    state
}

fn step(state: &mut State, later: i64, command: Command, quarantined: bool) {
    let (seq, time) = (Seq(state.seq().0 + 1), UnixNanos(state.time().0 + later));
    let command = Sequenced { seq, time, command };
    let mut said = Said::default();
    if quarantined {
        apply_quarantined(state, &command, &mut said);
    } else {
        (0..heng_engine::STAGES).for_each(|stage| heng_engine::warm_stage(state, &command.command, stage));
        apply(state, &command, &mut said);
    }
}

#[test]
fn no_value_stops_the_core() {
    let numbers = prop::collection::vec(any::<u32>(), 200..4_000);
    for_each_seed(300, &(numbers, any::<u32>()), |(numbers, seed)| {
        let mut state = prepared();
        let mut draw = Draw(numbers.iter().cycle());
        for at in 0..150u32 {
            let command = if draw.bits() % 3 == 0 { administration(&mut draw) } else { trading(&mut draw) };
            let later = if draw.bits() % 20 == 0 { i64::from(draw.bits() % 3_600) * SECOND + 1 } else { 1_000 };
            step(&mut state, later, command, draw.bits() % 40 == 0);
            if at % 10 == seed % 10 {
                let found = invariants::violations(&state);
                prop_assert!(found.is_empty(), "{:?}", found);
            }
        }
        let read = restarted(&state);
        prop_assert_eq!(read.hash(), state.hash());
        Ok(())
    });
}

/// The largest orders that pass the checks trade with each other on a day without limits.
#[test]
fn the_largest_orders_trade() {
    let mut state = prepared();
    let mut place = |account, side, price, quantity, instrument, order_type| {
        let order = NewOrder {
            account: AccountId(account),
            client_order: ClientOrderId(u128::from(state.seq().0)),
            trade_date: dates()[0],
            instrument: InstrumentId(instrument),
            side,
            order_type,
            price: Price(price),
            quantity: Qty(quantity),
            self_trade: SelfTrade::Allow,
        };
        step(&mut state, 1_000_000_000, order.into(), false);
        assert!(invariants::violations(&state).is_empty());
    };
    for _ in 0..40 {
        // Hong Kong: no limit, a billion shares, cheap to sell and dear to buy.
        place(1, Side::Sell, 100, 1_000_000_000, 2, OrderType::EnhancedLimit);
        place(2, Side::Buy, 90_000_000, 1_000_000_000, 2, OrderType::EnhancedLimit);
        place(3, Side::Buy, 900_000, 1_000_000_000, 2, OrderType::EnhancedLimit);
        place(2, Side::Sell, 90_000_000, 1_000_000_000, 2, OrderType::EnhancedLimit);
        place(1, Side::Buy, 90_000_000, 1_000_000_000, 2, OrderType::EnhancedLimit);
    }
    assert!(state.venue().trades() >= 80, "{} trades", state.venue().trades());
}
