//! A sign-on between its start and its return, kept by the browser: a sealed cookie, from which state, nonce and proof key
//! are made again. Nothing waits here for a sign-on that never comes back, so nobody can fill a memory by starting many.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::SECOND;
use crate::secret::{digest, random};

/// How long somebody may take at the provider.
pub(crate) const FLOW_S: i64 = 600;
/// Characters of a path to come back to at most.
const BACK_MAX: usize = 200;
/// Returns that are remembered, so that each counts once; beyond it the oldest is forgotten, and the provider alone sees
/// to it that its code counts once.
const USED_MAX: usize = 50_000;

/// A sign-on that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    seed: [u8; 32],
    until: i64,
    /// The path that the browser opens at the end.
    pub(crate) back: String,
}

/// Seals flows, and takes each once.
pub(crate) struct Flows {
    key: [u8; 32],
    used: Mutex<HashMap<[u8; 32], i64>>,
}

impl Flows {
    pub(crate) fn new() -> Self {
        Self { key: random(), used: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn begin(&self, back: &str, now: i64) -> Flow {
        Flow { seed: random(), until: now + FLOW_S * SECOND, back: back.to_owned() }
    }

    fn mac(&self, purpose: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length makes a key");
        for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    fn derived(&self, purpose: &str, flow: &Flow) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(purpose, &[&flow.seed]).finalize().into_bytes())
    }

    /// What comes back with the answer, unchanged (RFC 6749, section 10.12).
    pub(crate) fn state(&self, flow: &Flow) -> String {
        self.derived("state", flow)
    }

    /// What stands in the ID token (OpenID Connect Core 1.0, section 15.5.2).
    pub(crate) fn nonce(&self, flow: &Flow) -> String {
        self.derived("nonce", flow)
    }

    /// The proof key (RFC 7636): 43 characters. The browser that carries the cookie cannot make it.
    pub(crate) fn verifier(&self, flow: &Flow) -> String {
        self.derived("verifier", flow)
    }

    /// The challenge of the proof key, by S256.
    pub(crate) fn challenge(&self, flow: &Flow) -> String {
        URL_SAFE_NO_PAD.encode(digest(self.verifier(flow).as_bytes()))
    }

    /// The cookie's value.
    pub(crate) fn seal(&self, flow: &Flow) -> String {
        let mut bytes = flow.seed.to_vec();
        bytes.extend_from_slice(&flow.until.to_be_bytes());
        bytes.extend_from_slice(flow.back.as_bytes());
        let mac = self.mac("cookie", &[&bytes]).finalize().into_bytes();
        format!("{}.{}", URL_SAFE_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(mac))
    }

    /// The flow of a cookie, if it is one of ours, its time is not over, and `state` is that of its answer. It is taken
    /// whatever becomes of the sign-on.
    pub(crate) fn take(&self, cookie: &str, state: &str, now: i64) -> Option<Flow> {
        let flow = self.open(cookie)?;
        let same = subtle::ConstantTimeEq::ct_eq(self.state(&flow).as_bytes(), state.as_bytes());
        if now >= flow.until || !bool::from(same) {
            return None;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        make_room(&mut used, now);
        used.insert(flow.seed, flow.until).is_none().then_some(flow)
    }

    fn open(&self, cookie: &str) -> Option<Flow> {
        let (bytes, mac) = cookie.split_once('.').filter(|_| cookie.len() <= 512)?;
        let (bytes, mac) = (URL_SAFE_NO_PAD.decode(bytes).ok()?, URL_SAFE_NO_PAD.decode(mac).ok()?);
        self.mac("cookie", &[&bytes]).verify_slice(&mac).ok()?;
        let (seed, rest) = bytes.split_first_chunk::<32>()?;
        let (until, back) = rest.split_first_chunk::<8>()?;
        let back = std::str::from_utf8(back).ok()?.to_owned();
        Some(Flow { seed: *seed, until: i64::from_be_bytes(*until), back })
    }
}

fn make_room(used: &mut HashMap<[u8; 32], i64>, now: i64) {
    if used.len() < USED_MAX {
        return;
    }
    used.retain(|_, until| *until > now);
    if used.len() >= USED_MAX
        && let Some(oldest) = used.iter().min_by_key(|(_, until)| **until).map(|(seed, _)| *seed)
    {
        used.remove(&oldest);
    }
}

/// A path of the console to come back to; another text becomes `/`. Operations are no pages.
pub(crate) fn checked_path(text: &str) -> &str {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/_-.~?=&%:,".contains(&b);
    let inside = text.starts_with('/') && !text.starts_with("//") && text.len() <= BACK_MAX && text.bytes().all(plain);
    let page = !text.starts_with("/v1/") && !text.starts_with("/oauth/");
    if inside && page { text } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_taken_once_in_time_by_its_own_browser_and_answer() {
        let flows = Flows::new();
        let flow = flows.begin("/orders?day=1", 5 * SECOND);
        let (cookie, state) = (flows.seal(&flow), flows.state(&flow));
        let other = flows.begin("/", 5 * SECOND);
        assert_eq!(flows.take(&cookie, &flows.state(&other), 6 * SECOND), None, "another answer");
        assert_eq!(flows.take(&flows.seal(&other), &state, 6 * SECOND), None, "another browser");
        assert_eq!(flows.take(&cookie, &state, (FLOW_S + 5) * SECOND), None, "over");
        assert_eq!(Flows::new().take(&cookie, &state, 6 * SECOND), None, "another process");
        let taken = flows.take(&cookie, &state, 6 * SECOND).expect("its own");
        assert_eq!((taken.back.as_str(), flows.nonce(&taken)), ("/orders?day=1", flows.nonce(&flow)));
        assert_eq!(flows.take(&cookie, &state, 6 * SECOND), None, "once");
    }

    #[test]
    fn a_changed_cookie_opens_nothing() {
        let flows = Flows::new();
        let flow = flows.begin("/orders", SECOND);
        let (cookie, state) = (flows.seal(&flow), flows.state(&flow));
        for at in 0..cookie.len() {
            let mut spoilt = cookie.clone().into_bytes();
            spoilt[at] = if spoilt[at] == b'A' { b'B' } else { b'A' };
            let spoilt = String::from_utf8(spoilt).expect("ASCII");
            // The last character of base64 has bits that count for nothing; decoding refuses them unless they are zero.
            assert_eq!(flows.take(&spoilt, &state, 2 * SECOND), None, "at {at}");
        }
        for odd in ["", ".", "a.b", &"A".repeat(600)] {
            assert_eq!(flows.take(odd, &state, 2 * SECOND), None);
        }
    }

    #[test]
    fn the_proof_key_has_its_form_and_its_parts_differ() {
        let flows = Flows::new();
        let flow = flows.begin("/", 0);
        let all = [flows.state(&flow), flows.nonce(&flow), flows.verifier(&flow), flows.challenge(&flow)];
        assert!(all.iter().all(|text| text.len() == 43));
        assert!((0..4).all(|a| (0..a).all(|b| all[a] != all[b])), "{all:?}");
    }

    #[test]
    fn only_pages_of_the_console_are_come_back_to() {
        for good in ["/", "/orders", "/orders?day=2026-07-06&x=%20", "/security"] {
            assert_eq!(checked_path(good), good);
        }
        let long = format!("/{}", "a".repeat(300));
        for bad in [
            "",
            "orders",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/v1/me",
            "/oauth/token",
            "/a\r\nb",
            &long,
        ] {
            assert_eq!(checked_path(bad), "/", "{bad}");
        }
    }
}
