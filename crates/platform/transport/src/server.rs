//! Binding, serving, draining.

use std::future::{Future, IntoFuture as _};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, oneshot};

use crate::error::TransportError;
use crate::guard::{Guard, bound, name_and_count};
use crate::health::Health;
use crate::limits::ServerOptions;
use crate::listener::{BoundedListener, Bounds, Peer};
use crate::metrics::Metrics;
use crate::problem::{Problem, Reason};
use crate::proxy::{Front, stand_in_front};
use crate::tls::ChooseTls;

/// Connections that wait to be accepted at most.
const BACKLOG: u32 = 1_024;

/// A bound server.
pub struct Server {
    options: ServerOptions,
    listener: TcpListener,
    address: SocketAddr,
    metrics: Arc<Metrics>,
    health: Health,
    tls: Option<ChooseTls>,
    front: Front,
    failed: Option<HandshakeFailed>,
}

/// Hears of TLS handshakes that failed: where they came from, and why.
pub type HandshakeFailed = Arc<dyn Fn(IpAddr, &str) + Send + Sync>;

impl Server {
    /// Binds the address; from here on clients may connect, and wait.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(options: ServerOptions, metrics: Arc<Metrics>, health: Health) -> Result<Self, TransportError> {
        let failed = |source| TransportError::Bind { address: options.address, source };
        let listener = listen(&options).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { options, listener, address, metrics, health, tls: None, front: Front::default(), failed: None })
    }

    /// Serves under TLS only.
    #[must_use]
    pub fn with_tls(mut self, tls: ChooseTls) -> Self {
        self.tls = Some(tls);
        self.front.secured = true;
        self
    }

    /// Behind proxies, or where one of them ends TLS. A door that speaks TLS itself stays secured.
    #[must_use]
    pub fn behind(mut self, front: Front) -> Self {
        self.front = Front { secured: front.secured || self.tls.is_some(), ..front };
        self
    }

    /// Tells `failed` of TLS handshakes that fail.
    #[must_use]
    pub fn telling_failed_handshakes(mut self, failed: HandshakeFailed) -> Self {
        self.failed = Some(failed);
        self
    }

    /// The bound address, with the port that was really taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `routes` until `stop` is ready, then drains: no new connections, running requests may end.
    ///
    /// # Errors
    /// If the listener fails, or requests outlive the time to drain.
    pub async fn serve(
        self,
        routes: Router,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), TransportError> {
        let guard =
            Arc::new(Guard::new(self.options.requests_max, self.options.request_max, Arc::clone(&self.metrics)));
        let app = wrap(routes, &guard, self.options.body_max, self.metrics, self.health)
            .layer(from_fn_with_state(Arc::new(self.front), stand_in_front));
        let bounds = Bounds {
            room: Arc::new(Semaphore::new(self.options.connections_max)),
            silence_max: self.options.silence_max,
            head_max: self.options.head_max,
            tls: self.tls,
            failed: self.failed,
        };
        let listener = BoundedListener::begin(self.listener, self.address, bounds);
        let (stopping, stopped) = oneshot::channel::<()>();
        let signal = async move {
            stop.await;
            // The receiver lives as long as the server.
            let _ = stopping.send(());
        };
        let app = app.into_make_service_with_connect_info::<Peer>();
        let serving = axum::serve(listener, app).with_graceful_shutdown(signal);
        let drain_max = self.options.drain_max;
        tokio::select! {
            ended = serving.into_future() => Ok(ended?),
            () = async {
                // An error means that the server ended by itself, which the other branch tells.
                let _ = stopped.await;
                tokio::time::sleep(drain_max).await;
            } => match guard.running() {
                // Connections without a request may be closed; they lose nothing.
                0 => Ok(()),
                running => Err(TransportError::NotDrained { running, seconds: drain_max.as_secs() }),
            },
        }
    }
}

/// Connections inherit the options of the socket that accepts them.
fn listen(options: &ServerOptions) -> std::io::Result<TcpListener> {
    let socket = if options.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    if options.send_buffer > 0 {
        socket.set_send_buffer_size(options.send_buffer)?;
    }
    socket.bind(options.address)?;
    socket.listen(BACKLOG)
}

fn wrap(routes: Router, guard: &Arc<Guard>, body_max: usize, metrics: Arc<Metrics>, health: Health) -> Router {
    let operators =
        Router::new().route("/healthz", get(move || async move { health.answer() })).route(
            "/metrics",
            get(move || async move {
                ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
            }),
        );
    routes
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(Arc::clone(guard), bound))
        .layer(DefaultBodyLimit::max(body_max))
        .merge(operators.method_not_allowed_fallback(no_such_method))
        .layer(from_fn_with_state(Arc::clone(guard), name_and_count))
}

async fn no_such_path(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(StatusCode::NOT_FOUND, Reason::BAD_REQUEST, format!("there is nothing at {path}"))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    let detail = format!("{method} is not possible at {path}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, Reason::BAD_REQUEST, detail)
}
