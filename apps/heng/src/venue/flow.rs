//! Background liquidity: orders of other people, so that clients' orders trade.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::exchange::{Ask, Input};
use super::floor::Floor;
use crate::market::Rng;

/// Resting orders of the flow at most; the oldest is taken back.
const RESTING_MAX: usize = 2_000;
/// How often orders are made.
const STEP: Duration = Duration::from_millis(5);

/// Places `rate` orders a second until `stop` turns true. What it decides follows from the seed; when it decides, from
/// the clock.
pub(super) fn run(floor: &Arc<Floor>, rate: u32, seed: u64, stop: &watch::Receiver<bool>) {
    let mut rng = Rng::new(seed, 5);
    let mut resting: VecDeque<u64> = floor.look().exchange.flow_orders().collect();
    let (began, mut made) = (Instant::now(), 0_u64);
    while !*stop.borrow() {
        std::thread::sleep(STEP);
        let due = began.elapsed().as_millis() * u128::from(rate) / 1_000;
        while u128::from(made) < due {
            made += 1;
            if let Err(error) = step(floor, &mut rng, &mut resting) {
                tracing::error!(%error, "keep an order of the background flow");
                return;
            }
        }
    }
}

fn step(floor: &Floor, rng: &mut Rng, resting: &mut VecDeque<u64>) -> std::io::Result<()> {
    let markets = floor.look().exchange.quotable();
    if markets.is_empty() {
        return Ok(());
    }
    let (symbol, last, tick) = &markets[rng.below(markets.len() as u64) as usize];
    let price = (last.0 + rng.between(-4, 4) * tick).max(*tick) / tick * tick;
    let ask = Ask {
        client: None,
        symbol: symbol.clone(),
        buys: rng.chance(50),
        kind: "2".to_owned(),
        time: "0".to_owned(),
        price,
        quantity: rng.between(1, 10) * 100,
        refuse: false,
    };
    resting.push_back(floor.take(&Input::Place(ask))?);
    if resting.len() > RESTING_MAX
        && let Some(number) = resting.pop_front()
    {
        floor.take(&Input::Withdraw { number })?;
    }
    Ok(())
}
