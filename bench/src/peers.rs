//! Order books of other projects on the same events. Their commands are built before the clock runs.

use heng_matching::workload::WorkEvent;
use heng_model::Side;

use crate::books::{BookRun, Fills, Workload, time};

/// Names and versions, as in the workspace manifest.
pub(crate) const NAMES: [&str; 3] = ["lobster 0.7.0", "orderbook-rs 0.15.3", "matchcore 0.4.0"];

/// Runs the peer at this place of [`NAMES`].
pub(crate) fn run(at: usize, work: &Workload) -> BookRun {
    match at {
        0 => run_lobster(work),
        1 => run_orderbook_rs(work),
        _ => run_matchcore(work),
    }
}

/// Numbers of the orders, in order of arrival, beside their events.
fn numbered(events: &[WorkEvent]) -> impl Iterator<Item = (u64, &WorkEvent)> {
    let mut next = 0;
    events.iter().map(move |event| {
        let number = next;
        next += u64::from(matches!(event, WorkEvent::Add { .. }));
        (number, event)
    })
}

fn run_lobster(work: &Workload) -> BookRun {
    use lobster::{OrderBook, OrderEvent, OrderType, Side as LobsterSide};
    let orders: Vec<OrderType> = numbered(&work.events)
        .map(|(number, event)| match *event {
            WorkEvent::Add { side, price, qty } => OrderType::Limit {
                id: u128::from(number),
                side: if side == Side::Buy { LobsterSide::Bid } else { LobsterSide::Ask },
                qty: qty as u64,
                price: price as u64,
            },
            WorkEvent::Cancel(number) => OrderType::Cancel { id: u128::from(number) },
        })
        .collect();
    let mut book = OrderBook::new(work.events.len(), 16, false);
    time(work.shape, &orders, |order, fills: &mut Fills| match book.execute(*order) {
        OrderEvent::PartiallyFilled { fills: made, .. } | OrderEvent::Filled { fills: made, .. } => {
            made.iter().for_each(|fill| fills.add(fill.order_2 as u64, fill.price, fill.qty));
        }
        _ => {}
    })
}

fn run_orderbook_rs(work: &Workload) -> BookRun {
    use orderbook_rs::{Id, OrderBook, Side as PeerSide, TimeInForce};
    enum Call {
        Add(Id, u128, u64, PeerSide),
        Cancel(Id),
    }
    let calls: Vec<Call> = numbered(&work.events)
        .map(|(number, event)| match *event {
            WorkEvent::Add { side, price, qty } => {
                let side = if side == Side::Buy { PeerSide::Buy } else { PeerSide::Sell };
                Call::Add(Id::Sequential(number), price as u128, qty as u64, side)
            }
            WorkEvent::Cancel(number) => Call::Cancel(Id::Sequential(u64::from(number))),
        })
        .collect();
    let book = OrderBook::<()>::new("W");
    time(work.shape, &calls, |call, fills: &mut Fills| match call {
        Call::Add(id, price, quantity, side) => {
            let added = book.add_limit_order_with_result(*id, *price, *quantity, *side, TimeInForce::Gtc, None);
            let Ok((_, Some(result))) = added else { return };
            for trade in result.match_result.trades().as_vec() {
                if let Id::Sequential(maker) = trade.maker_order_id() {
                    fills.add(maker, trade.price().as_u128() as u64, trade.quantity().as_u64());
                }
            }
        }
        // A refused cancel shows in the fills that follow.
        Call::Cancel(id) => drop(book.cancel_order(*id)),
    })
}

fn run_matchcore(work: &Workload) -> BookRun {
    use matchcore::{
        CancelCmd, Command, CommandKind, CommandMeta, CommandOutcome, CommandReport, LimitOrder, NewOrder, OrderBook,
        OrderFlags, OrderId, OrderKind, Price, Quantity, QuantityPolicy, SequenceNumber, Side as PeerSide, SubmitCmd,
        TimeInForce, Timestamp,
    };
    // Its order ids are the sequence numbers of the commands that brought them.
    let mut sequence_of = Vec::with_capacity(work.events.len());
    let mut number_of = vec![0u64; work.events.len()];
    let mut commands = Vec::with_capacity(work.events.len());
    for (sequence, event) in (0u64..).zip(&work.events) {
        let kind = match *event {
            WorkEvent::Add { side, price, qty } => {
                number_of[sequence as usize] = sequence_of.len() as u64;
                sequence_of.push(sequence);
                let side = if side == Side::Buy { PeerSide::Buy } else { PeerSide::Sell };
                let quantity = QuantityPolicy::Standard { quantity: Quantity(qty as u64) };
                let flags = OrderFlags::new(side, false, TimeInForce::Gtc);
                CommandKind::Submit(SubmitCmd {
                    order: NewOrder::Limit(LimitOrder::new(Price(price as u64), quantity, flags)),
                })
            }
            WorkEvent::Cancel(number) => CommandKind::Cancel(CancelCmd {
                order_id: OrderId(sequence_of[number as usize]),
                order_kind: OrderKind::Limit,
            }),
        };
        let meta = CommandMeta { sequence_number: SequenceNumber(sequence), timestamp: Timestamp(sequence) };
        commands.push(Command { meta, kind });
    }
    let mut book = OrderBook::new("W");
    time(work.shape, &commands, |command, fills: &mut Fills| {
        let CommandOutcome::Applied(CommandReport::Submit(effects)) = book.execute(command) else { return };
        let Some(result) = effects.target_order().match_result() else { return };
        for trade in result.trades() {
            let maker = number_of[trade.maker_order_id().0 as usize];
            fills.add(maker, trade.price().0, trade.quantity().0);
        }
    })
}
