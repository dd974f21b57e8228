//! What the dashboard shows, taken in one look at the core and one at the view.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heng_core::{CoreError, CorePort};
use heng_engine::State;
use heng_ledger::invariants::{cash_imbalance, securities_imbalance};
use heng_model::{Board, InstrumentId, Phase, Price, Side, TradeDate, UnixNanos};
use heng_runtime::LatencySummary;
use heng_trading::{Parked, RecentTrade, ViewStatus};

/// The head of one book.
#[derive(Clone, Debug)]
pub(super) struct BookHead {
    pub(super) symbol: String,
    pub(super) phase: Option<Phase>,
    pub(super) bid: Option<(Price, i64)>,
    pub(super) ask: Option<(Price, i64)>,
    pub(super) last: Option<Price>,
}

/// One look at the core.
struct Sight {
    time: UnixNanos,
    date: TradeDate,
    orders: u32,
    resting: usize,
    cash_imbalance: u64,
    securities_imbalance: u64,
    books: Vec<BookHead>,
}

/// Everything that is shown.
pub(super) struct Pulse {
    pub(super) time: UnixNanos,
    pub(super) date: TradeDate,
    pub(super) orders: u32,
    pub(super) orders_per_s: f64,
    pub(super) trades: u64,
    pub(super) resting: usize,
    /// From one command to the next inside the core.
    pub(super) core: LatencySummary,
    /// From submission to the durable answer.
    pub(super) durable: LatencySummary,
    pub(super) sequence: u64,
    pub(super) cash_imbalance: u64,
    pub(super) securities_imbalance: u64,
    pub(super) books: Vec<BookHead>,
    pub(super) view_at: u64,
    pub(super) view_lag: Duration,
    pub(super) view_parked: Option<Parked>,
    pub(super) last_trades: Vec<RecentTrade>,
}

/// Takes pulses.
pub(super) struct PulseTaker {
    port: CorePort,
    view: Arc<ViewStatus>,
    before: Option<(Instant, TradeDate, u32)>,
}

/// The first instruments of each board.
fn shown(state: &State) -> Vec<InstrumentId> {
    let first_of = |board: Board| {
        let mut of_board = state.instruments().filter(move |i| i.definition.board == board);
        // Seven rows in all: what a terminal of 24 has room for.
        let count = if board == Board::SseMain { 2 } else { 1 };
        (0..count).map_while(move |_| of_board.next().map(|i| i.definition.instrument)).collect::<Vec<_>>()
    };
    Board::ALL.iter().flat_map(|board| first_of(*board)).collect()
}

fn head(state: &State, id: InstrumentId) -> Option<BookHead> {
    let symbol = state.instrument(id)?.definition.symbol.clone();
    let best = |side| state.venue().depth(id, side, 1).first().map(|(price, quantity, _)| (*price, *quantity));
    let last = state.venue().quote(id).and_then(|(_, _, last)| last);
    Some(BookHead { symbol, phase: state.venue().phase(id), bid: best(Side::Buy), ask: best(Side::Sell), last })
}

fn look(state: &State) -> Sight {
    Sight {
        time: state.time(),
        date: state.trade_date().0,
        orders: state.orders_today(),
        resting: state.venue().resting_orders(),
        cash_imbalance: cash_imbalance(state.ledger()),
        securities_imbalance: securities_imbalance(state.ledger()),
        books: shown(state).into_iter().filter_map(|id| head(state, id)).collect(),
    }
}

impl PulseTaker {
    pub(super) const fn new(port: CorePort, view: Arc<ViewStatus>) -> Self {
        Self { port, view, before: None }
    }

    /// Looks at core and view.
    pub(super) fn take(&mut self) -> Result<Pulse, CoreError> {
        let sight = self.port.inspect(look)?;
        let now = Instant::now();
        let rate = self.before.filter(|(_, date, _)| *date == sight.date).map_or(0.0, |(at, _, orders)| {
            f64::from(sight.orders.saturating_sub(orders)) / now.duration_since(at).as_secs_f64().max(0.001)
        });
        self.before = Some((now, sight.date, sight.orders));
        Ok(Pulse {
            time: sight.time,
            date: sight.date,
            orders: sight.orders,
            orders_per_s: rate,
            trades: self.view.trades_today(),
            resting: sight.resting,
            core: self.port.published().core_latency(),
            durable: self.port.published().ack_latency().summary(),
            sequence: self.port.published().durable().0,
            cash_imbalance: sight.cash_imbalance,
            securities_imbalance: sight.securities_imbalance,
            books: sight.books,
            view_at: self.view.applied(),
            view_lag: self.view.lag(),
            view_parked: self.view.parked(),
            last_trades: self.view.recent_trades(),
        })
    }
}
