//! What stands around every request: its id, its place among the requests that may run at once, its time, and the
//! net under a handler that panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::limits::REQUEST_ID_MAX;
use crate::metrics::{Gauge, Histogram, Metrics};
use crate::problem::{Problem, Reason};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Shared by all requests of a server.
pub(crate) struct Guard {
    room: Arc<Semaphore>,
    request_max: Duration,
    began: u64,
    next: AtomicU64,
    metrics: Arc<Metrics>,
    running: Arc<Gauge>,
    took: Arc<Histogram>,
}

impl Guard {
    pub(crate) fn new(requests_max: usize, request_max: Duration, metrics: Arc<Metrics>) -> Self {
        // Ids need to differ from those of an earlier process, not to be unguessable.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            room: Arc::new(Semaphore::new(requests_max)),
            request_max,
            began: u64::try_from(since.as_millis()).unwrap_or(0),
            next: AtomicU64::new(1),
            running: metrics.gauge("heng_http_requests_running", "Requests that run now.", &[]),
            took: metrics.histogram("heng_http_request_seconds", "Time from head to answer.", &[]),
            metrics,
        }
    }

    pub(crate) fn running(&self) -> u64 {
        u64::try_from(self.running.value()).unwrap_or(0)
    }

    /// The client's own id if it is short and plain, else a new one.
    fn id_for(&self, request: &Request) -> String {
        let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let fits = |id: &&str| !id.is_empty() && id.len() <= REQUEST_ID_MAX && id.bytes().all(|b| b.is_ascii_graphic());
        given
            .filter(fits)
            .map_or_else(|| format!("{:x}-{:x}", self.began, self.next.fetch_add(1, Ordering::Relaxed)), str::to_owned)
    }

    fn count(&self, status: StatusCode) {
        let class = match status.as_u16() {
            0..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        let exact = status.as_str();
        let labels = [("class", class), ("status", exact)];
        self.metrics.counter("heng_http_requests_total", "Requests answered, by status.", &labels).add(1);
    }
}

/// Outermost: names the request, writes problems with its name, counts.
pub(crate) async fn name_and_count(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let id = guard.id_for(&request);
    let began = Instant::now();
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.response(Some(&id));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    harden(response.headers_mut());
    guard.took.record(began.elapsed());
    guard.count(response.status());
    response
}

/// What every answer tells a browser (OWASP Secure Headers); an answer's own words stay.
fn harden(headers: &mut HeaderMap) {
    const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
        connect-src 'self' ws: wss:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    let usual = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in usual {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// One request in its gauge; leaves it also when it is dropped.
struct Running(Arc<Gauge>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

fn overloaded() -> Problem {
    let detail = "as many requests as this door takes at once are running";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, Reason::OVERLOADED, detail).retry_after_s(1)
}

/// The whole body, inside its limits of size and time: what runs later never waits for a slow client.
async fn read_body(request: Request, request_max: Duration) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    // The limit of size travels in the extensions.
    let mut head = Request::new(body);
    *head.extensions_mut() = parts.extensions.clone();
    match tokio::time::timeout(request_max, Bytes::from_request(head, &())).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Problem::new(rejection.status(), Reason::BAD_REQUEST, "the body is larger than this door takes"))
        }
        Ok(Err(rejection)) => Err(Problem::bad_request(format!("the body did not arrive: {rejection}"))),
        Err(_) => {
            let detail = format!("the body did not arrive within {} ms", request_max.as_millis());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, Reason::BAD_REQUEST, detail))
        }
    }
}

/// Around the business: a place, a time, a net. The request goes on in its own task, so that a client who hangs up
/// does not cut a change in half, and it keeps its place until it has really ended.
pub(crate) async fn bound(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if guard.room.available_permits() == 0 {
        return overloaded().into_response();
    }
    let request = match read_body(request, guard.request_max).await {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    let Ok(place) = Arc::clone(&guard.room).try_acquire_owned() else { return overloaded().into_response() };
    guard.running.add(1);
    let running = Running(Arc::clone(&guard.running));
    let task = tokio::spawn(async move {
        let response = next.run(request).await;
        drop((place, running));
        response
    });
    match tokio::time::timeout(guard.request_max, task).await {
        Ok(Ok(response)) => response,
        Ok(Err(failure)) => Problem::internal(&failure).into_response(),
        Err(_) => {
            let detail = format!("no answer within {} ms", guard.request_max.as_millis());
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, Reason::NO_ANSWER, detail).into_response()
        }
    }
}
