//! From the durable answer of an order that fills at once to a query that shows the fill.

use std::io;
use std::time::{Duration, Instant};

use heng_runtime::LatencyHistogram;
use serde_json::Value;

use super::desk::{LOT, Random};
use super::http::Client;
use super::load_rest::reason;
use super::spec::{VisibleLoad, VisibleOutcome, count_reason, millis};

/// How long a fill is looked for.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// What an order has come to in the view.
enum Seen {
    Filled,
    NotFilled,
    NotYet,
}

fn seen(status: u16, order: &Value) -> Seen {
    let filled = order["filled"].as_str().unwrap_or("0");
    match (status, filled, order["status"].as_str().unwrap_or_default()) {
        (200, "0", "cancelled" | "expired" | "rejected") => Seen::NotFilled,
        (200, "0", _) | (404, ..) => Seen::NotYet,
        (200, ..) => Seen::Filled,
        _ => Seen::NotYet,
    }
}

struct Prober {
    load: VisibleLoad,
    client: Client,
    random: Random,
    latencies: LatencyHistogram,
    looks: u64,
    longest_ms: f64,
    outcome: VisibleOutcome,
}

impl Prober {
    fn order(&mut self, number: usize) -> (String, String) {
        let client = &self.load.clients[self.random.below(self.load.clients.len())];
        let listed = &self.load.instruments[self.random.below(self.load.instruments.len())];
        // What it does not find in the five best prices is cancelled, so that every order ends at once.
        let body = format!(
            r#"{{"account":"{}","client_order_id":"{}-{number}","symbol":"{}","side":"buy","type":"best5-or-cancel","price":"{}","quantity":"{LOT}"}}"#,
            client.account, self.load.prefix, listed.symbol, listed.limit_up
        );
        (body, client.token.clone())
    }

    async fn probe(&mut self, number: usize) -> io::Result<()> {
        let (body, token) = self.order(number);
        let (status, told) = self.client.json("POST", "/v1/orders", &token, Some(&body)).await?;
        let answered = Instant::now();
        let Some(order) = told["order_id"].as_str().filter(|_| status == 201) else {
            self.outcome.errors += 1;
            let bytes = told.to_string();
            count_reason(&mut self.outcome.reasons, &reason(Ok((status, bytes.as_bytes()))));
            return Ok(());
        };
        let target = format!("/v1/orders/{order}");
        while answered.elapsed() < LOOK_MAX {
            self.looks += 1;
            let (status, order) = self.client.json("GET", &target, &token, None).await?;
            match seen(status, &order) {
                Seen::Filled => {
                    let took = answered.elapsed();
                    self.latencies.record(took.as_nanos() as u64);
                    self.longest_ms = self.longest_ms.max(took.as_secs_f64() * 1e3);
                    self.outcome.fills += 1;
                    return Ok(());
                }
                Seen::NotFilled => {
                    self.outcome.not_filled += 1;
                    return Ok(());
                }
                Seen::NotYet => tokio::time::sleep(PAUSE).await,
            }
        }
        self.outcome.errors += 1;
        count_reason(&mut self.outcome.reasons, "the view did not show the order's end in time");
        Ok(())
    }
}

/// Probes by the clock, one after the other.
///
/// # Errors
/// If the door cannot be reached.
pub(crate) async fn run(load: VisibleLoad) -> io::Result<VisibleOutcome> {
    let mut client = Client::new(load.address);
    client.connect().await?;
    let (random, every) = (Random::new(load.seed), Duration::from_secs_f64(1.0 / load.per_s.max(0.1)));
    let (began, length) = (Instant::now(), Duration::from_secs_f64(load.seconds));
    let (latencies, outcome) = (LatencyHistogram::default(), VisibleOutcome::default());
    let mut prober = Prober { load, client, random, latencies, looks: 0, longest_ms: 0.0, outcome };
    for number in 0.. {
        let due = began + every.mul_f64(f64::from(number));
        if due >= began + length || began.elapsed() >= length {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        if let Err(error) = prober.probe(number as usize).await {
            prober.outcome.errors += 1;
            count_reason(&mut prober.outcome.reasons, &error.to_string());
        }
    }
    let (p50_ms, p99_ms, _) = millis(&prober.latencies);
    let looks = prober.looks as f64 / (prober.outcome.fills + prober.outcome.not_filled).max(1) as f64;
    Ok(VisibleOutcome { looks, p50_ms, p99_ms, max_ms: prober.longest_ms, ..prober.outcome })
}
