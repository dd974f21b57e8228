//! The web console, from the binary itself.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use heng_transport::{Problem, Reason};
use rust_embed::Embed;

/// What `npm run build` made, as it was when this binary was built. Without it there is only the page that says so.
#[derive(Embed)]
#[folder = "$OUT_DIR/console"]
struct Built;

const NOT_BUILT: &str = include_str!("not_built.html");

/// Files whose names hold a hash of their content never change.
const FOREVER: &str = "public, max-age=31536000, immutable";

fn file(path: &str) -> Option<Response> {
    let file = Built::get(path)?;
    let kind = match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "webmanifest") => "application/json",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("ico") => "image/x-icon",
        _ => "application/octet-stream",
    };
    let mut response = ([(header::CONTENT_TYPE, kind)], file.data.into_owned()).into_response();
    let keep = if path.starts_with("assets/") { FOREVER } else { "no-cache" };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    Some(response)
}

fn index() -> Response {
    file("index.html").unwrap_or_else(|| {
        let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        (StatusCode::OK, headers, NOT_BUILT).into_response()
    })
}

/// A file of the console; its first page for whatever else a browser asks for, because the console's own pages have
/// paths that only it knows; and a refusal for programs.
async fn page(request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    if let Some(found) = file(path) {
        return found;
    }
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    if path.is_empty() || (request.method() == Method::GET && accepted.contains("text/html")) {
        return index();
    }
    let path: String = request.uri().path().chars().take(200).collect();
    Problem::new(StatusCode::NOT_FOUND, Reason::NOT_FOUND, format!("there is nothing at {path}")).into_response()
}

/// Whatever no operation of the API takes.
pub(crate) fn routes() -> Router {
    Router::new().route("/", get(page)).route("/{*path}", any(page))
}
