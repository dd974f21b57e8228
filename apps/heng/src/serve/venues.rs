//! How the venues elsewhere are, for operators: on the API, in the metrics, and in one word each in the health.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use heng_model::UnixNanos;
use heng_ports::Gatekeeper;
use heng_trading::{FixVenue, VenueHealth};
use heng_transport::{Api, Check, Health, Metrics, Operation, RateLimits};
use serde::Serialize;
use utoipa::ToSchema;

use super::system::time_text;

/// Tells how one venue is.
pub(crate) type Teller = Box<dyn Fn() -> VenueHealth + Send + Sync>;

/// One venue.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct VenueShown {
    /// The name in the configuration.
    name: String,
    /// The kind of adapter.
    kind: String,
    /// The venue partition that it serves.
    partition: u16,
    /// `up` = logged on and routing; `catching-up` = it reads the record; `down` = not logged on.
    session: &'static str,
    /// When the last report came, by the machine's clock; null = never since the start.
    last_heard_at: Option<String>,
    /// Orders whose state is not known, because no report came in time.
    orders_unknown: u64,
    /// Orders that are held: they wait to be sent.
    orders_held: u64,
    /// Live orders that the venue has.
    orders_out: u64,
    /// Cancels without an answer.
    cancels_out: u64,
    /// Live orders of which the venue told more trades than it has reported.
    trades_missing: u64,
    /// Reports since the start, and what they were.
    reports: u64,
    /// Trades that were handed to the core.
    fills: u64,
    /// Reports that had come before.
    repeats: u64,
    /// Orders that the venue refused.
    refused: u64,
    /// Reports that name no live order of ours, or tell what cannot be. A person must look.
    strange: u64,
    /// Trades that came after our books had closed their order. A person must look.
    late: u64,
    /// Orders that were refused because the venue could not be reached in time.
    gave_up: u64,
    /// Enquiries that were sent.
    enquiries: u64,
    /// Times that the session logged on.
    logons: u64,
    /// The last command of the record that was looked at.
    as_of_sequence: u64,
}

/// All venues elsewhere.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct VenuesShown {
    /// None if all orders trade in this core.
    venues: Vec<VenueShown>,
}

fn shown(health: VenueHealth) -> VenueShown {
    let session = match (health.connected, health.current) {
        (_, false) => "catching-up",
        (true, true) => "up",
        (false, true) => "down",
    };
    let heard = i64::try_from(health.last_report_ns).ok().filter(|at| *at > 0);
    VenueShown {
        session,
        last_heard_at: heard.map(|at| time_text(UnixNanos(at))),
        name: health.name,
        kind: health.kind,
        partition: health.partition,
        orders_unknown: health.unknown,
        orders_held: health.orders_waiting,
        orders_out: health.orders_out,
        cancels_out: health.cancels_out,
        trades_missing: health.trades_missing,
        reports: health.reports,
        fills: health.fills,
        repeats: health.repeats,
        refused: health.refused,
        strange: health.strange,
        late: health.late,
        gave_up: health.gave_up,
        enquiries: health.enquiries,
        logons: health.logons,
        as_of_sequence: health.as_of_sequence,
    }
}

/// What a person should know of a venue.
fn checked(venue: &VenueHealth) -> Check {
    let VenueHealth { name, connected, orders_out, orders_waiting, unknown, fills, refused, strange, late, .. } = venue;
    let detail = format!(
        "{name}: connected {connected}, orders out {orders_out}, held {orders_waiting}, unknown {unknown}, fills {fills}, \
         refused {refused}"
    );
    Check { well: *connected && *strange == 0 && *late == 0, detail }
}

/// A number of a venue's health.
type Read = fn(&VenueHealth) -> u64;

/// What the metrics tell of each venue.
const SERIES: [(&str, &str, Read); 11] = [
    ("heng_venue_connected", "1 if the venue's session is logged on.", |venue| u64::from(venue.connected)),
    ("heng_venue_last_report_seconds", "When the last report came, Unix time; 0 = never.", |venue| {
        venue.last_report_ns / 1_000_000_000
    }),
    ("heng_venue_orders_out", "Live orders that the venue has.", |venue| venue.orders_out),
    ("heng_venue_orders_held", "Live orders that wait to be sent.", |venue| venue.orders_waiting),
    ("heng_venue_orders_unknown", "Live orders whose state is not known.", |venue| venue.unknown),
    ("heng_venue_cancels_out", "Cancels without an answer.", |venue| venue.cancels_out),
    ("heng_venue_trades_missing", "Live orders with trades that were told, not reported.", |venue| {
        venue.trades_missing
    }),
    ("heng_venue_reports", "Reports since the start.", |venue| venue.reports),
    ("heng_venue_refused", "Orders that the venue refused since the start.", |venue| venue.refused),
    ("heng_venue_strange", "Reports since the start that a person must look at.", |venue| venue.strange + venue.late),
    ("heng_venue_logons", "Times that the session logged on since the start.", |venue| venue.logons),
];

/// Tells operators how a venue is, in metrics and health.
pub(crate) fn watch(name: &str, venue: &FixVenue, metrics: &Metrics, health: &Health) {
    for (series, help, read) in SERIES {
        let tell = venue.teller();
        metrics.reading(series, help, &[("venue", name)], move || read(&tell()) as f64);
    }
    let tell = venue.teller();
    health.add(format!("venue {name}"), move || checked(&tell()));
}

type Tellers = State<Arc<Vec<Teller>>>;

async fn list(State(tellers): Tellers) -> Json<VenuesShown> {
    Json(VenuesShown { venues: tellers.iter().map(|tell| shown(tell())).collect() })
}

/// The operation that tells the venues.
pub(crate) fn api(tellers: Vec<Teller>, gatekeeper: Arc<dyn Gatekeeper>, limits: Arc<RateLimits>) -> Api {
    let mut api = Api::new(gatekeeper, limits);
    let op = Operation::get("/v1/system/venues", "listVenues").tag("system").needs("system.read");
    let op = op.summary("Venues elsewhere: session, last report, orders that are held or unknown.");
    api.add(op.answers::<VenuesShown>(200, "The venues."), list);
    api.with_state(Arc::new(tellers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_is_told_in_the_words_of_operators() {
        let known = VenueHealth {
            name: "sse".into(),
            kind: "fix".into(),
            partition: 1,
            connected: true,
            current: true,
            orders_waiting: 3,
            unknown: 2,
            last_report_ns: 1_783_300_500_000_000_000,
            ..VenueHealth::default()
        };
        let told = shown(known.clone());
        assert_eq!((told.session, told.orders_held, told.orders_unknown), ("up", 3, 2));
        assert_eq!(told.last_heard_at.as_deref(), Some("2026-07-06T09:15:00.000+08:00"));
        assert_eq!(shown(VenueHealth { connected: false, ..known.clone() }).session, "down");
        let never = shown(VenueHealth::default());
        assert_eq!((never.session, never.last_heard_at), ("catching-up", None));
        assert!(checked(&known).well && !checked(&VenueHealth { late: 1, ..known }).well);
    }
}
