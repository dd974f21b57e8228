//! The application of conformance suites: what comes in goes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::application::{FixApplication, FixRefused, FixReplies, FixTaken};
use super::config::FixSessionId;
use super::dictionary::Begin;
use super::encode::FixBody;
use super::fields::FixMessage;
use super::reject::FixRefusal;

/// How many order numbers of a session are remembered.
const SEEN_MAX: usize = 100_000;

/// Returns each message to its sender, fields ordered by tag, groups as they came.
///
/// What a broker sends and never receives (reports, refusals) is not supported. A message with PossResend whose ClOrdID
/// (11) was seen since the logon is ignored (session test 19a).
#[derive(Debug, Default)]
pub struct EchoApplication {
    seen: Mutex<BTreeMap<FixSessionId, BTreeSet<Vec<u8>>>>,
}

impl EchoApplication {
    /// False if the order was seen before and may be a resend.
    fn is_new(&self, message: &FixMessage<'_>, session: &FixSessionId) -> bool {
        let Some(id) = message.get(11) else { return true };
        let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = all.entry(session.clone()).or_default();
        if seen.len() >= SEEN_MAX {
            seen.pop_first();
        }
        seen.insert(id.to_vec()) || !message.possible_resend()
    }
}

impl FixApplication for EchoApplication {
    fn logged_out(&self, session: &FixSessionId) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(session);
    }

    fn received(&self, message: &FixMessage<'_>, replies: &mut FixReplies<'_>) -> Result<FixTaken, FixRefused> {
        if matches!(message.kind(), b"8" | b"9" | b"h" | b"AS" | b"P") {
            // The public suite expects DefaultApplVerID here, which no dictionary gives to this message.
            let version = (replies.session().begin == Begin::Fixt11).then(|| message.version().id());
            let _ = replies.send(&unsupported(message, version));
            return Ok(FixTaken::Settled);
        }
        if self.is_new(message, replies.session()) {
            // If the session is ending, there is nobody to return it to.
            let _ = replies.send(&returned(message));
        }
        Ok(FixTaken::Settled)
    }
}

fn unsupported(message: &FixMessage<'_>, version: Option<&str>) -> FixBody {
    let refusal = FixRefusal::UnsupportedMessageType;
    let mut body = FixBody::new("j");
    body.number(45, message.sequence()).text(58, refusal.text()).bytes(372, message.kind());
    body.number(380, refusal.code());
    if let Some(version) = version {
        body.text(1137, version);
    }
    body
}

fn returned(message: &FixMessage<'_>) -> FixBody {
    let mut body = FixBody::with_kind(message.kind());
    for tag in [97, 1128] {
        body.header(tag, message.get(tag).unwrap_or(&[]));
    }
    // Each run is a field with the group members behind it.
    let fields: Vec<(u32, &[u8], u8)> = message.body().collect();
    let mut runs: Vec<&[(u32, &[u8], u8)]> = fields.chunk_by(|_, next| next.2 > 0).collect();
    runs.sort_by_key(|run| run[0].0);
    for (tag, value, _) in runs.into_iter().flatten() {
        body.raw(*tag, value);
    }
    body
}
