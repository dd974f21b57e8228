//! What operators see of this service.

use std::sync::Arc;

use heng_model::RejectCode;
use heng_transport::{Check, Counter, Gauge, Health, Histogram, Metrics};

use crate::status::ViewStatus;

/// Lag from which a person should look (design rule 10).
const ALARM_LAG_S: f64 = 1.0;

/// Counters of the doors.
pub(crate) struct DoorMetrics {
    metrics: Arc<Metrics>,
    pub(crate) accepted: Arc<Counter>,
    pub(crate) repeated: Arc<Counter>,
    pub(crate) unknown: Arc<Counter>,
    pub(crate) cancels: Arc<Counter>,
    pub(crate) submit: Arc<Histogram>,
    streams: Arc<Gauge>,
}

/// A stream of trade events that is open, counted until this is dropped.
pub(crate) struct OpenStream(Arc<Gauge>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

impl DoorMetrics {
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Self {
        let orders =
            |outcome| metrics.counter("heng_orders_total", "Orders of the HTTP door.", &[("outcome", outcome)]);
        Self {
            accepted: orders("accepted"),
            repeated: orders("repeated"),
            unknown: orders("unknown"),
            cancels: metrics.counter("heng_cancels_total", "Cancels of the HTTP door that were accepted.", &[]),
            submit: metrics.histogram("heng_submit_seconds", "Time from submission to the durable answer.", &[]),
            streams: metrics.gauge("heng_trade_streams", "Streams of trade events and drop copy that are open.", &[]),
            metrics: Arc::clone(metrics),
        }
    }

    /// One more stream is open.
    pub(crate) fn stream(&self) -> OpenStream {
        self.streams.add(1);
        OpenStream(Arc::clone(&self.streams))
    }

    /// Counts a refusal by its code.
    pub(crate) fn refused(&self, code: RejectCode) {
        let labels = [("code", code.name())];
        self.metrics.counter("heng_refusals_total", "Refusals of the HTTP door, by code.", &labels).add(1);
    }
}

/// Metrics and health of the view.
pub(crate) fn watch_view(status: &Arc<ViewStatus>, metrics: &Metrics, health: &Health) {
    let view = [("view", "trading")];
    let read = Arc::clone(status);
    metrics.reading("heng_view_lag_seconds", "Age of the oldest command that is not in the view.", &view, move || {
        read.lag().as_secs_f64()
    });
    let read = Arc::clone(status);
    metrics.reading("heng_view_sequence", "Last command whose events are in the view.", &view, move || {
        read.applied() as f64
    });
    let read = Arc::clone(status);
    metrics.reading("heng_view_events", "Events taken since the start.", &view, move || read.events() as f64);
    let read = Arc::clone(status);
    metrics.reading("heng_view_parked", "1 if the view stands still on an event.", &view, move || {
        f64::from(u8::from(read.parked().is_some()))
    });
    let read = Arc::clone(status);
    metrics.reading(
        "heng_view_parked_since_seconds",
        "When the view parked, Unix time; 0 if it runs.",
        &view,
        move || read.parked().map_or(0.0, |parked| (parked.since.0 / heng_model::SECOND) as f64),
    );
    let read = Arc::clone(status);
    health.add("trading-view", move || check(&read));
}

fn check(status: &ViewStatus) -> Check {
    if let Some(parked) = status.parked() {
        return Check { well: false, detail: format!("{}; {}", parked.english(), parked.chinese()) };
    }
    if let Some(trouble) = status.feed_trouble() {
        return Check { well: false, detail: format!("the record cannot be read: {trouble}") };
    }
    let lag = status.lag().as_secs_f64();
    Check { well: lag < ALARM_LAG_S, detail: format!("at command {}, {lag:.3} s behind", status.applied()) }
}
