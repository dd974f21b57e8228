//! The cookie of a session: what it is called, how it is set, and how it is found in a request.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};

/// A mark of requests that came under TLS, ended by this door or by the proxy that it names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secured;

/// The cookie of a session at this door. Under TLS its name has the prefix with which browsers keep it for this very
/// host, under TLS alone (RFC 6265bis, 4.1.3): no other host and no plain page can set it. A plain door cannot have that.
#[derive(Clone, Copy, Debug)]
pub struct SessionCookie {
    secured: bool,
}

const PLAIN: &str = "heng_session";
const SECURED: &str = "__Host-heng_session";

impl SessionCookie {
    pub(super) fn of(extensions: &Extensions) -> Self {
        Self { secured: extensions.get::<Secured>().is_some() }
    }

    /// Whether the request came under TLS: other cookies of this door are set the same way.
    #[must_use]
    pub const fn is_secured(self) -> bool {
        self.secured
    }

    const fn name(self) -> &'static str {
        if self.secured { SECURED } else { PLAIN }
    }

    /// What the request brought; the first of the name counts, the other name never.
    #[must_use]
    pub fn brought(self, headers: &HeaderMap) -> Option<String> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.name()).map(|(_, value)| value.to_owned())
    }

    /// The header `set-cookie` that keeps `token` for `age_s` seconds.
    #[must_use]
    pub fn set(self, token: &str, age_s: u64) -> String {
        let secure = if self.secured { "; Secure" } else { "" };
        format!("{}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}", self.name())
    }

    /// The header `set-cookie` that takes it away.
    #[must_use]
    pub const fn gone(self) -> &'static str {
        if self.secured {
            "__Host-heng_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure"
        } else {
            "heng_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SessionCookie {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.extensions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_under_tls_takes_the_prefixed_cookie_alone() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "heng_session=plain; a=b".parse().expect("a header"));
        headers.append(header::COOKIE, "__Host-heng_session=kept".parse().expect("a header"));
        let mut extensions = Extensions::new();
        assert_eq!(SessionCookie::of(&extensions).brought(&headers).as_deref(), Some("plain"));
        extensions.insert(Secured);
        let cookie = SessionCookie::of(&extensions);
        assert_eq!(cookie.brought(&headers).as_deref(), Some("kept"));
        let set = cookie.set("t", 60);
        assert_eq!(set, "__Host-heng_session=t; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure");
        assert!(cookie.gone().starts_with("__Host-heng_session=;") && cookie.gone().ends_with("; Secure"));
        assert!(!SessionCookie { secured: false }.set("t", 60).contains("Secure"));
    }
}
