//! The background flow of the live market: it looks at the market twice a second and trades around what it finds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};

use heng_core::{Completion, CoreError, CorePort, Request};
use heng_engine::State;
use heng_model::command::{CancelOrder, NewOrder};
use heng_model::{
    AccountId, Board, ClientOrderId, Command, InstrumentId, OrderId, OrderType, Phase, Price, Qty, SelfTrade, Side,
    TradeDate,
};

use crate::market::Rng;

/// Resting orders that the flow keeps at most: an old one is cancelled for each new one beyond it.
const RECENT_MAX: usize = 4_096;
/// Holdings that are looked at in one look.
const SAMPLE: usize = 512;
/// Requests without an answer at most.
const WAITING_MAX: usize = 4_096;

/// An instrument as the flow sees it.
#[derive(Clone, Copy, Debug)]
struct Quote {
    id: InstrumentId,
    board: Board,
    phase: Phase,
    mid: Price,
    tick: Price,
    limits: Option<(Price, Price)>,
    lot: i64,
    step: i64,
}

/// What one look finds.
#[derive(Default)]
struct Sight {
    date: TradeDate,
    quotes: Vec<Quote>,
    accounts: Vec<AccountId>,
    sellable: Vec<(AccountId, InstrumentId, i64)>,
}

/// Trades for the clients of the world, except the demo clients.
pub(crate) struct LiveFlow {
    port: CorePort,
    rng: Rng,
    /// Accounts up to this row are for demos.
    demo_rows: u32,
    sight: Sight,
    bias: BTreeMap<u32, i64>,
    recent: VecDeque<(AccountId, OrderId)>,
    waiting: BTreeMap<u64, AccountId>,
    ticket: u64,
    began: u64,
    answers: Sender<Vec<Completion>>,
    answered: Receiver<Vec<Completion>>,
}

fn quote(state: &State, id: InstrumentId) -> Option<Quote> {
    let day = state.day_of(id).filter(|day| !day.suspended)?;
    let (bid, ask, last) = state.venue().quote(id)?;
    let between = bid.zip(ask).map(|(bid, ask)| Price(i64::midpoint(bid.0, ask.0)));
    let mid = between.or(last).unwrap_or(day.prev_close);
    let tick = day.rules.tick.at(mid);
    let lots = &day.rules.lot;
    let (lot, step) =
        if lots.per_instrument { (day.board_lot.0, day.board_lot.0) } else { (lots.buy_min.0, lots.buy_step.0) };
    let mid = Price(mid.0 / tick.0 * tick.0);
    Some(Quote { id, board: day.board, phase: state.venue().phase(id)?, mid, tick, limits: day.limits, lot, step })
}

fn look(state: &State, demo_rows: u32, mut rng: Rng) -> Sight {
    let ledger = state.ledger();
    let positions = ledger.positions();
    let mut sellable = Vec::with_capacity(SAMPLE);
    for _ in 0..SAMPLE.min(positions.len()) {
        let position = &positions[usize::try_from(rng.below(positions.len() as u64)).unwrap_or(0)];
        if position.account_row >= demo_rows && position.sellable > Qty::ZERO {
            let account = ledger.account(position.account_row).id;
            sellable.push((account, InstrumentId(position.instrument), position.sellable.0));
        }
    }
    Sight {
        date: state.trade_date().0,
        quotes: state.instruments().filter_map(|i| quote(state, i.definition.instrument)).collect(),
        accounts: ledger.accounts().iter().skip(demo_rows as usize).map(|account| account.id).collect(),
        sellable,
    }
}

impl LiveFlow {
    /// A flow from a seed; `began` tells this start from earlier ones, so that its keys are new.
    pub(crate) fn new(port: CorePort, seed: u64, demo_rows: u32, began: u64) -> Self {
        let (answers, answered) = channel();
        Self {
            port,
            rng: Rng::new(seed ^ began, 9),
            demo_rows,
            sight: Sight::default(),
            bias: BTreeMap::new(),
            recent: VecDeque::new(),
            waiting: BTreeMap::new(),
            ticket: 0,
            began,
            answers,
            answered,
        }
    }

    /// Looks at the market.
    pub(crate) fn refresh(&mut self) -> Result<(), CoreError> {
        let (demo_rows, rng) = (self.demo_rows, Rng::new(self.rng.draw(), 1));
        self.sight = self.port.inspect(move |state| look(state, demo_rows, rng))?;
        for quote in &self.sight.quotes {
            let bias = self.bias.entry(quote.id.0).or_default();
            *bias = (*bias + self.rng.between(-1, 1)).clamp(-2, 2);
        }
        Ok(())
    }

    /// Sends `count` orders into a call auction.
    pub(crate) fn auction(&mut self, count: usize) -> Result<(), CoreError> {
        let orders: Vec<NewOrder> = (0..count).filter_map(|_| self.order()).collect();
        self.send(orders)
    }

    /// Sends `count` orders, and cancels about a third as many; takes what was answered.
    pub(crate) fn trade(&mut self, count: usize) -> Result<(), CoreError> {
        self.take_answers();
        if self.waiting.len() > WAITING_MAX {
            return Ok(());
        }
        let orders: Vec<NewOrder> = (0..count).filter_map(|_| self.order()).collect();
        let mut cancels = Vec::new();
        for _ in 0..count {
            if self.rng.chance(32) && !self.recent.is_empty() {
                let at = usize::try_from(self.rng.below(self.recent.len() as u64)).unwrap_or(0);
                cancels.extend(self.recent.swap_remove_back(at));
            }
        }
        while self.recent.len() > RECENT_MAX {
            cancels.extend(self.recent.pop_front());
        }
        self.send(orders)?;
        let cancels = cancels.into_iter().map(|(account, order)| CancelOrder { account, order }.into());
        let requests: Vec<Request> =
            cancels.map(|command: Command| Request { command, ticket: 0, time: None }).collect();
        if requests.is_empty() { Ok(()) } else { self.port.send(requests, &self.answers) }
    }

    fn send(&mut self, orders: Vec<NewOrder>) -> Result<(), CoreError> {
        let mut requests = Vec::with_capacity(orders.len());
        for order in orders {
            self.ticket += 1;
            if matches!(order.order_type, OrderType::Limit | OrderType::EnhancedLimit) {
                self.waiting.insert(self.ticket, order.account);
            }
            requests.push(Request { command: order.into(), ticket: self.ticket, time: None });
        }
        if requests.is_empty() { Ok(()) } else { self.port.send(requests, &self.answers) }
    }

    fn take_answers(&mut self) {
        while let Ok(batch) = self.answered.try_recv() {
            for completion in batch {
                let Some(account) = self.waiting.remove(&completion.ticket) else { continue };
                if completion.code.is_none() {
                    self.recent.push_back((account, OrderId(completion.id)));
                }
            }
        }
    }

    fn order(&mut self) -> Option<NewOrder> {
        if self.sight.quotes.is_empty() || self.sight.accounts.is_empty() {
            return None;
        }
        let sells = !self.sight.sellable.is_empty() && self.rng.chance(50);
        let (account, quote, held) = if sells { self.pick_sale()? } else { self.pick_buy()? };
        let side = if sells { Side::Sell } else { Side::Buy };
        let lots = self.rng.between(0, 4);
        let mut quantity = quote.lot + lots * quote.step.max(1) * if quote.step < quote.lot { quote.lot } else { 1 };
        if sells && quantity > held {
            quantity = held / quote.lot.max(1) * quote.lot;
        }
        let order_type = self.order_type(&quote);
        let price = self.price(&quote, side, order_type);
        self.ticket_order(account, quote.id, side, order_type, price, quantity)
    }

    fn ticket_order(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        order_type: OrderType,
        price: Price,
        quantity: i64,
    ) -> Option<NewOrder> {
        let number = self.rng.draw() & 0xffff_ffff;
        (quantity > 0).then(|| NewOrder {
            account,
            // Random below the start's own mark: an accidental repeat is refused as a used key, and harms nobody.
            client_order: ClientOrderId(u128::from(self.began) << 40 | u128::from(number) | 0x62 << 112),
            trade_date: self.sight.date,
            instrument,
            side,
            order_type,
            price,
            quantity: Qty(quantity),
            self_trade: SelfTrade::CancelNewest,
        })
    }

    fn pick_sale(&mut self) -> Option<(AccountId, Quote, i64)> {
        let at = usize::try_from(self.rng.below(self.sight.sellable.len() as u64)).ok()?;
        let (account, instrument, held) = self.sight.sellable[at];
        let quote = self.sight.quotes.iter().find(|quote| quote.id == instrument)?;
        Some((account, *quote, held))
    }

    fn pick_buy(&mut self) -> Option<(AccountId, Quote, i64)> {
        let account = usize::try_from(self.rng.below(self.sight.accounts.len() as u64)).ok()?;
        // Low numbers trade more, as popular stocks do.
        let count = self.sight.quotes.len() as u64;
        let quote = usize::try_from(self.rng.below(count).min(self.rng.below(count))).ok()?;
        Some((self.sight.accounts[account], self.sight.quotes[quote], 0))
    }

    fn order_type(&mut self, quote: &Quote) -> OrderType {
        match (quote.board, quote.phase) {
            (Board::Hk, Phase::Continuous) => OrderType::EnhancedLimit,
            (Board::Hk, _) => OrderType::AtAuctionLimit,
            (_, Phase::AfterHours) => OrderType::AfterHoursFixed,
            (_, Phase::Continuous) if self.rng.chance(8) => OrderType::Best5OrCancel,
            _ => OrderType::Limit,
        }
    }

    /// Most rest a little away from the middle, some cross it; the middle leans with the instrument's bias.
    fn price(&mut self, quote: &Quote, side: Side, order_type: OrderType) -> Price {
        let bias = self.bias.get(&quote.id.0).copied().unwrap_or(0);
        let away = if order_type == OrderType::Best5OrCancel { -8 } else { self.rng.between(-2, 6) };
        let ticks = if side == Side::Buy { bias - away } else { bias + away };
        let price = Price((quote.mid.0 + ticks * quote.tick.0).max(quote.tick.0));
        match quote.limits {
            Some((down, up)) => Price(price.0.clamp(down.0, up.0)),
            None => price,
        }
    }
}
