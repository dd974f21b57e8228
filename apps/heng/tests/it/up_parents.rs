//! The view's parents against the core's own state, after random commands around parents.

use std::collections::BTreeMap;

use heng::market::{Rng, World};
use heng_core::Core;
use heng_engine::State;
use heng_model::command::{
    CancelOrder, CloseDay, ControlParent, NewOrder, NewParent, OpenDay, ParentAction, ParentKind, SliceParent, Tick,
    TriggerParent,
};
use heng_model::{
    AccountId, ClientOrderId, Command, InstrumentId, Money, OrderId, OrderType, ParentId, PartitionId, Price, Qty,
    SECOND, SelfTrade, Seq, Side, TradeDate, UnixNanos,
};
use heng_store::StoreOptions;
use heng_trading::{TradingView, ViewOptions};
use serde_json::{Value, json};

use crate::house::get;
use crate::up::{Day, a_day, catch_up, compare, read_from, run};

/// Parents of the test's day.
const PARENTS: u64 = 60;

/// Random commands around parents, on a date that has opened: new ones, slices (some repeated, some by a wrong epoch,
/// some too large), drivers that claim, pause, resume and cancel, triggers, cancels of children, and other flow to
/// trade with.
struct ParentFlow<'a> {
    world: &'a World,
    date: TradeDate,
    rng: Rng,
    /// The parents asked for so far; their numbers follow from their order.
    parents: Vec<NewParent>,
    /// Children that the core accepted, by parent.
    children: BTreeMap<u64, Vec<OrderId>>,
    made: u64,
}

impl ParentFlow<'_> {
    fn key(&mut self) -> ClientOrderId {
        self.made += 1;
        ClientOrderId::from_text(&format!("pf-{}", self.made))
    }

    /// Somebody, and something that he holds.
    fn holder(&mut self) -> (AccountId, InstrumentId) {
        let number = self.rng.below(u64::from(self.world.options.clients)) as u32;
        let (instrument, _) = self.world.holdings(number)[self.rng.below(2) as usize];
        (World::account(number), InstrumentId(instrument))
    }

    /// A price a few ticks around the close of the day before the first.
    fn price(&mut self, instrument: InstrumentId) -> Price {
        let listed = &self.world.instruments[instrument.0 as usize];
        Price(listed.reference.prev_close.0 + self.rng.between(-4, 4) * listed.tick.0)
    }

    fn side(&mut self) -> Side {
        if self.rng.chance(50) { Side::Buy } else { Side::Sell }
    }

    fn lot(&self, instrument: InstrumentId) -> i64 {
        self.world.instruments[instrument.0 as usize].lot
    }

    fn new_parent(&mut self) -> Command {
        let ((account, instrument), side) = (self.holder(), self.side());
        let kind =
            [ParentKind::Twap, ParentKind::Pov, ParentKind::Iceberg, ParentKind::Condition][self.rng.below(4) as usize];
        let condition = kind == ParentKind::Condition;
        let quantity = Qty(self.lot(instrument) * if condition { 1 } else { self.rng.between(2, 8) });
        let parent = NewParent {
            account,
            client_order: self.key(),
            trade_date: self.date,
            kind,
            instrument,
            side,
            order_type: OrderType::Limit,
            price: if condition { self.price(instrument) } else { Price::ZERO },
            // A few are refused: they have no row.
            quantity: if self.rng.chance(8) { Qty::ZERO } else { quantity },
            value_max: if self.rng.chance(30) { Money(2_000_000_000) } else { Money::ZERO },
            watch: instrument,
            at_or_above: true,
            trigger: if condition { Price(10_000) } else { Price::ZERO },
            expires: UnixNanos(0),
        };
        self.parents.push(parent.clone());
        parent.into()
    }

    fn other_order(&mut self) -> Command {
        let ((account, instrument), side) = (self.holder(), self.side());
        let order = NewOrder {
            account,
            client_order: self.key(),
            trade_date: self.date,
            instrument,
            side,
            order_type: OrderType::Limit,
            price: self.price(instrument),
            quantity: Qty(self.lot(instrument) * self.rng.between(1, 4)),
            self_trade: SelfTrade::Allow,
        };
        order.into()
    }

    fn command(&mut self, seq: Seq) -> Command {
        let kind = self.rng.below(100);
        if self.parents.is_empty() || ((self.parents.len() as u64) < PARENTS && kind < 5) {
            return self.new_parent();
        }
        let index = self.rng.below(self.parents.len() as u64);
        let (parent, terms) = (ParentId::of(PartitionId(0), index + 1), self.parents[index as usize].clone());
        let epoch = if self.rng.chance(95) { 1 } else { 9 };
        match kind {
            5..15 => {
                let action = [ParentAction::Claim, ParentAction::Claim, ParentAction::Pause, ParentAction::Resume]
                    [self.rng.below(4) as usize];
                let action = if self.rng.chance(2) { ParentAction::Cancel } else { action };
                let epoch = if action == ParentAction::Claim { 1 } else { 0 };
                ControlParent { account: terms.account, parent, action, epoch }.into()
            }
            15..40 => {
                let quantity = Qty(self.lot(terms.instrument) * self.rng.between(1, 2));
                let (slice, price) = (self.rng.below(12) as u32, self.price(terms.instrument));
                SliceParent { parent, slice, epoch, order_type: OrderType::Limit, price, quantity }.into()
            }
            40..44 => TriggerParent { parent, event: Seq(seq.0.max(2) - 1), price: Price(20_000) }.into(),
            44..48 => {
                let child = self.children.get(&parent.0).and_then(|children| children.last().copied());
                CancelOrder { account: terms.account, order: child.unwrap_or(OrderId(1)) }.into()
            }
            _ => self.other_order(),
        }
    }

    /// `count` commands, one after the other, from `from` on.
    fn run(&mut self, core: &Core, from: UnixNanos, count: i64) {
        for step in 0..count {
            let command = self.command(core.port().published().durable());
            let outcome = run(core, [(UnixNanos(from.0 + step * 1_000_000), command.clone())].into_iter())[0];
            let parent = match &command {
                Command::SliceParent(slice) => slice.parent,
                Command::TriggerParent(trigger) => trigger.parent,
                _ => continue,
            };
            if outcome.code.is_none() && !outcome.repeated {
                self.children.entry(parent.0).or_default().push(OrderId(outcome.id));
            }
        }
    }
}

/// What the core knows of a parent, as the doors tell it: its children's fills are added up from the orders.
fn parent_as_told(state: &State, id: ParentId, children: &[OrderId]) -> Option<Value> {
    let parent = state.parent(id).expect("it was asked for").clone();
    if parent.reject_code().is_some() {
        return None;
    }
    let row = state.ledger().row_of(parent.terms.account).expect("its account is there");
    let of_parent: Vec<_> = state.orders_of(row).filter(|(id, _)| children.contains(id)).collect();
    assert_eq!(of_parent.len(), children.len(), "the core has every child");
    let sum = |live_too: bool| {
        let counted = of_parent.iter().filter(|(_, order)| live_too || !order.status.is_live());
        counted.map(|(_, order)| order.filled.0).sum::<i64>()
    };
    assert_eq!(parent.filled.0, sum(false), "the core adds up the children that are done");
    let value = of_parent.iter().all(|(_, order)| !order.status.is_live()).then(|| parent.value.to_string());
    Some(json!({
        "status": parent.status.name(), "epoch": parent.epoch, "quantity": parent.terms.quantity.to_string(),
        "triggered_by": if parent.event == Seq(0) { Value::Null } else { json!(parent.event.0) },
        "account": parent.terms.account.0.to_string(), "side": parent.terms.side.name(),
        "filled": sum(true).to_string(), "children": children.len(), "sequence": parent.seq.0, "value": value,
    }))
}

/// Every parent of the view is compared with the core's; returns how many have fills.
fn compare_parents(day: &Day, address: &str, flow: &ParentFlow<'_>) -> usize {
    let mut filled = 0;
    for number in 1..=flow.parents.len() as u64 {
        let id = ParentId::of(PartitionId(0), number);
        let children = flow.children.get(&id.0).cloned().unwrap_or_default();
        let known = day.core.port().inspect(move |state| parent_as_told(state, id, &children));
        let (status, told) = get(address, &format!("/v1/parents/{}", id.0));
        let Some(known) = known.expect("the core runs") else {
            assert_eq!(status, 404, "a refused parent has no row: {told}");
            continue;
        };
        for (name, expected) in known.as_object().expect("an object") {
            // The value is compared where no child is live; the core counts those that are done.
            assert!(expected.is_null() && name == "value" || told[name] == *expected, "{name}: {known}\n{told}");
        }
        filled += usize::from(told["filled"] != "0");
    }
    filled
}

// Compared with the core's own state, which lies in the memory of its process: there is one shape only. Parents through
// the doors, in both, stand in `up_trading`.
#[test]
fn the_view_tells_of_parents_what_the_core_knows() {
    let mut day = a_day();
    let first = day.date;
    day.date = first.plus_days(1).expect("a date");
    let at = |second: i64| UnixNanos::at(day.date, second * SECOND);
    let open = Command::from(OpenDay { date: day.date, random_close_s: 0 });
    let ticks = [29_700, 33_300, 33_900, 34_200].map(|second| (at(second), Command::from(Tick {})));
    run(&day.core, [(at(28_800), open)].into_iter().chain(ticks));
    let mut flow = ParentFlow {
        world: &day.world,
        date: day.date,
        rng: Rng::new(11, 5),
        parents: Vec::new(),
        children: BTreeMap::new(),
        made: 0,
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let options = StoreOptions::at(day.layout.derived.join("trading.db"));
    flow.run(&day.core, at(34_260), 1_500);
    let reading = runtime.block_on(async {
        let (mut view, _) = TradingView::open(&options, ViewOptions::default()).await.expect("the view opens");
        catch_up(&day, &mut view).await;
        read_from(view, &day).await
    });
    compare_parents(&day, &reading.address, &flow);
    flow.run(&day.core, at(35_000), 1_500);
    runtime.block_on(async { catch_up(&day, &mut *reading.view.lock().await).await });
    assert!(compare_parents(&day, &reading.address, &flow) >= 15, "many parents have fills");
    assert!(compare(&day, &reading.address) > 1_000, "accounts and orders too");
    check_days(&day, &reading.address, first);
    // After the close no child is live: the values are compared as well.
    run(&day.core, [(at(58_500), CloseDay { date: day.date }.into())].into_iter());
    runtime.block_on(async { catch_up(&day, &mut *reading.view.lock().await).await });
    compare_parents(&day, &reading.address, &flow);
}

/// The counts of the open day are the core's, and the day before is closed.
fn check_days(day: &Day, address: &str, before: TradeDate) {
    let known = day.core.port().inspect(|state| (state.orders_today(), state.venue().trades()));
    let (orders, trades) = known.expect("the core runs");
    let (_, told) = get(address, "/v1/days");
    let of = |date: TradeDate| {
        let days = told["days"].as_array().expect("a list").iter();
        days.clone().find(|told| told["trade_date"] == date.to_string()).expect("the day is told")
    };
    let open = of(day.date);
    assert_eq!(open["orders"], orders, "{told}");
    // The core counts its trades from the first day on.
    let trades_of = |day: &Value| day["trades"].as_u64().expect("a number");
    assert_eq!(trades_of(open) + trades_of(of(before)), trades, "{told}");
    assert_eq!((open["closed"].as_bool(), of(before)["closed"].as_bool()), (Some(false), Some(true)));
    assert_eq!(of(before)["orders"], 20_000, "{told}");
}
