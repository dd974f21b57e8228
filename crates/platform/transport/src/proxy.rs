//! Proxies in front of a door: whose word about a caller's address is taken, and how it is read.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::api::Secured;
use crate::listener::Peer;
use crate::network::Network;

/// Addresses of one request that are looked at most.
const HOPS_MAX: usize = 32;
/// For one year, and for the names below (RFC 6797).
const STRICT: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// The header in which the proxies tell where a request came from. Only one is read: a caller may send the other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: addresses with commas between.
    #[default]
    ForwardedFor,
    /// `Forwarded` of RFC 7239, its `for` parameters.
    Forwarded,
}

/// What stands in front of a door.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Front {
    /// Proxies whose word is taken; none = the socket's address is the caller's.
    pub trusted: Vec<Network>,
    /// In which header they tell it.
    pub header: ProxyHeader,
    /// Browsers reach this door under TLS: it speaks it itself, or a proxy ends it.
    pub secured: bool,
}

impl Front {
    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.holds(address))
    }

    /// The caller: from the socket backwards, the first address that is no proxy of ours. What cannot be read ends the
    /// walk at the proxy that told it.
    fn caller(&self, socket: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(socket) {
            return socket;
        }
        let told = match self.header {
            ProxyHeader::ForwardedFor => addresses(headers, "x-forwarded-for", |element| Some(element)),
            ProxyHeader::Forwarded => addresses(headers, "forwarded", for_of),
        };
        let mut caller = socket;
        for address in told.into_iter().rev().take(HOPS_MAX) {
            let Some(address) = address else { break };
            caller = address;
            if !self.trusts(address) {
                break;
            }
        }
        caller
    }
}

/// Every element of a list in one header, in order; none for what is no address.
fn addresses(headers: &HeaderMap, name: &str, part: fn(&str) -> Option<&str>) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(name).iter();
    let elements = lines.flat_map(|line| line.to_str().unwrap_or("?").split(','));
    elements.map(|element| part(element.trim()).and_then(node)).collect()
}

/// The `for` of an element of `Forwarded`.
fn for_of(element: &str) -> Option<&str> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("for"));
    found.map(|(_, value)| value.trim_matches('"'))
}

/// An address, with or without port and brackets.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let found = bare.parse::<IpAddr>().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    found.map(|address| address.to_canonical())
}

/// Outermost of all: tells those behind it whose request it is and whether it came under TLS, and browsers to come back
/// under TLS alone.
pub(crate) async fn stand_in_front(State(front): State<Arc<Front>>, mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(Peer(socket))) = request.extensions().get::<ConnectInfo<Peer>>().copied() {
        let caller = front.caller(socket.ip(), request.headers());
        if caller != socket.ip() {
            // The port belongs to the proxy's own connection.
            request.extensions_mut().insert(ConnectInfo(Peer(SocketAddr::new(caller, 0))));
        }
    }
    if front.secured {
        request.extensions_mut().insert(Secured);
    }
    let mut response = next.run(request).await;
    if front.secured {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, STRICT);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn front(header: ProxyHeader) -> Front {
        let trusted = ["10.0.0.0/8", "2001:db8::7"].map(|text| text.parse().expect("a network")).to_vec();
        Front { trusted, header, secured: true }
    }

    fn check(header: ProxyHeader, socket: &str, lines: &[&str], expected: &str) {
        let mut headers = HeaderMap::new();
        let name = if header == ProxyHeader::Forwarded { "forwarded" } else { "x-forwarded-for" };
        let other = if header == ProxyHeader::Forwarded { "x-forwarded-for" } else { "forwarded" };
        headers.append(other, HeaderValue::from_static("for=6.6.6.6"));
        for line in lines {
            headers.append(name, line.parse().expect("a header"));
        }
        let found = front(header).caller(socket.parse().expect("an address"), &headers);
        assert_eq!(found, expected.parse::<IpAddr>().expect("an address"), "{lines:?}");
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_is_the_callers() {
        use ProxyHeader::{Forwarded, ForwardedFor};
        check(ForwardedFor, "10.0.0.1", &["203.0.113.9"], "203.0.113.9");
        check(ForwardedFor, "10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.2.3.4"], "203.0.113.9");
        check(ForwardedFor, "10.0.0.1", &["1.1.1.1", "203.0.113.9:4711"], "203.0.113.9");
        check(ForwardedFor, "10.0.0.1", &["203.0.113.9, junk"], "10.0.0.1");
        check(ForwardedFor, "10.0.0.1", &["203.0.113.9, junk, 10.9.9.9"], "10.9.9.9");
        check(ForwardedFor, "10.0.0.1", &[], "10.0.0.1");
        check(ForwardedFor, "203.0.113.1", &["1.1.1.1"], "203.0.113.1");
        check(ForwardedFor, "2001:db8::7", &["2001:db8:ffff::1"], "2001:db8:ffff::1");
        check(Forwarded, "10.0.0.1", &["for=\"[2001:db8:cafe::17]:4711\";proto=https"], "2001:db8:cafe::17");
        check(Forwarded, "10.0.0.1", &["for=1.1.1.1, For=203.0.113.9;by=10.0.0.1"], "203.0.113.9");
        check(Forwarded, "10.0.0.1", &["for=_hidden"], "10.0.0.1");
    }

    #[test]
    fn long_lists_end() {
        let long = vec!["10.1.1.1"; 5_000].join(",");
        check(ProxyHeader::ForwardedFor, "10.0.0.1", &[&long], "10.1.1.1");
    }
}
