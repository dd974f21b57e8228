//! The sending side of a session: numbers, keeps and writes what goes out.

use super::config::{FixError, FixLimits, FixSessionId};
use super::encode::{Encoder, Envelope, FixBody};
use super::store::MessageStore;
use super::time::FixMoment;

/// How much of a resend is written before the counterparty has read what was written.
const RESEND_BYTES: usize = 256 * 1024;
/// How many numbers are looked at in one go.
const RESEND_NUMBERS: u64 = 10_000;

/// Messages that are being sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Resend {
    next: u64,
    last: u64,
    /// Since which number there was nothing to send again.
    gap: Option<u64>,
}

/// See the module.
pub(crate) struct Outgoing {
    encoder: Encoder,
    pub(crate) store: Box<dyn MessageStore>,
    /// Bytes for the connection.
    pub(crate) out: Vec<u8>,
    unsent_max: usize,
    /// Messages may go out; otherwise they are kept, and the counterparty requests them after its logon.
    pub(crate) up: bool,
    /// Whatever is kept now is forgotten with the next logon.
    forgets: bool,
    pub(crate) sent_ns: u64,
    /// Messages written since the session was opened.
    pub(crate) sent: u64,
    resend: Option<Resend>,
    /// Why nothing can be sent any more.
    pub(crate) fault: Option<String>,
    kept: Vec<u8>,
}

impl Outgoing {
    pub(crate) fn new(id: &FixSessionId, limits: FixLimits, forgets: bool, store: Box<dyn MessageStore>) -> Self {
        Self {
            encoder: Encoder::new(id.begin, &id.sender, &id.target),
            store,
            out: Vec::new(),
            unsent_max: limits.unsent_max,
            up: false,
            forgets,
            sent_ns: 0,
            sent: 0,
            resend: None,
            fault: None,
            kept: Vec::new(),
        }
    }

    /// A new connection: what was written for the last one is void.
    pub(crate) fn begin(&mut self, now: FixMoment) {
        self.out.clear();
        self.resend = None;
        self.fault = None;
        self.sent_ns = now.steady_ns;
    }

    /// Sends an application message, or keeps it until it is requested.
    pub(crate) fn send(&mut self, body: &FixBody, now: FixMoment) -> Result<u64, FixError> {
        if !self.up && self.forgets {
            return Err(FixError::NotLoggedOn);
        }
        if self.up && self.out.len() > self.unsent_max {
            self.fault = Some("the counterparty does not read what it is sent".to_owned());
            return Err(FixError::SlowReader);
        }
        let number = self.store.outgoing();
        let mut kept = std::mem::take(&mut self.kept);
        pack(body, now.utc_ns, &mut kept);
        let result = self.store.keep(&kept);
        self.kept = kept;
        result.inspect_err(|error| self.fault = Some(format!("message store: {error}")))?;
        if self.up {
            self.write(body, number, now, None);
        }
        Ok(number)
    }

    /// Sends a message of the session itself.
    pub(crate) fn send_own(&mut self, body: &FixBody, now: FixMoment) {
        let number = self.store.outgoing();
        match self.store.keep(&[]) {
            Ok(()) => self.write(body, number, now, None),
            Err(error) => self.fault = Some(format!("message store: {error}")),
        }
    }

    fn write(&mut self, body: &FixBody, number: u64, now: FixMoment, original_ns: Option<u64>) {
        if self.out.len() > self.unsent_max {
            self.fault = Some("the counterparty does not read what it is sent".to_owned());
            return;
        }
        self.sent_ns = now.steady_ns;
        self.sent += 1;
        let (kind, header, fields) = (body.kind(), &body.header, &body.fields);
        let message = Envelope { kind, number, sent_ns: now.utc_ns, original_ns, header, fields };
        self.encoder.write(message, &mut self.out);
    }

    /// Begins to send these numbers again. What was being sent again before is given up: the counterparty asks anew.
    pub(crate) fn resend(&mut self, from: u64, last: u64) {
        self.resend = Some(Resend { next: from.max(1), last, gap: None });
    }

    /// Goes on sending again, as far as the counterparty reads. Returns whether there is more.
    pub(crate) fn pump(&mut self, now: FixMoment) -> bool {
        let Some(mut resend) = self.resend.take() else { return false };
        let until = resend.last.min(resend.next.saturating_add(RESEND_NUMBERS));
        while resend.next <= until && self.out.len() < RESEND_BYTES && self.fault.is_none() {
            self.send_again(&mut resend, now);
        }
        if resend.next <= resend.last {
            self.resend = Some(resend);
            return true;
        }
        if let Some(from) = resend.gap {
            self.gap_fill(from, resend.next, now);
        }
        false
    }

    fn send_again(&mut self, resend: &mut Resend, now: FixMoment) {
        let number = resend.next;
        let mut kept = std::mem::take(&mut self.kept);
        match self.store.load(number, &mut kept) {
            Ok(()) => match unpack(&kept) {
                Some(message) => {
                    if let Some(from) = resend.gap.take() {
                        self.gap_fill(from, number, now);
                    }
                    self.sent_ns = now.steady_ns;
                    let again = Envelope { number, sent_ns: now.utc_ns, original_ns: Some(message.sent_ns), ..message };
                    self.encoder.write(again, &mut self.out);
                }
                None => resend.gap = resend.gap.or(Some(number)),
            },
            Err(error) => self.fault = Some(format!("message store: {error}")),
        }
        self.kept = kept;
        resend.next += 1;
    }

    /// Says that nothing comes for the numbers from `from` to before `next`.
    fn gap_fill(&mut self, from: u64, next: u64, now: FixMoment) {
        let mut body = FixBody::new("4");
        body.number(36, next).text(123, "Y");
        self.write(&body, from, now, Some(now.utc_ns));
    }
}

/// As the store keeps it: length of the type, type, time, length of the header, header, fields.
fn pack(body: &FixBody, sent_ns: u64, out: &mut Vec<u8>) {
    out.clear();
    let kind = body.kind();
    out.push(u8::try_from(kind.len()).expect("a type is at most eight bytes long"));
    out.extend_from_slice(kind);
    out.extend_from_slice(&sent_ns.to_le_bytes());
    let header = u32::try_from(body.header.len()).expect("a header is shorter than 4 GiB");
    out.extend_from_slice(&header.to_le_bytes());
    out.extend_from_slice(&body.header);
    out.extend_from_slice(&body.fields);
}

/// Nothing for what is not sent again.
fn unpack(kept: &[u8]) -> Option<Envelope<'_>> {
    let (length, rest) = kept.split_first()?;
    let (kind, rest) = rest.split_at_checked(usize::from(*length))?;
    let (sent_ns, rest) = rest.split_first_chunk::<8>()?;
    let (header, rest) = rest.split_first_chunk::<4>()?;
    let (header, fields) = rest.split_at_checked(u32::from_le_bytes(*header) as usize)?;
    let sent_ns = u64::from_le_bytes(*sent_ns);
    Some(Envelope { kind, number: 0, sent_ns, original_ns: None, header, fields })
}
