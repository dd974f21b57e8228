//! Quarantine: the record by which two people turn one command into a refusal on all replicas.
//!
//! Payload: sequence u64, then reason, first and second approver, each as length u16 and UTF-8.

use crate::error::{Refusal, Result};
use crate::format::u64_at;
use crate::limits::{APPROVER_BYTES_MAX, REASON_BYTES_MAX};

/// A command that replay must refuse instead of executing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// Sequence of the command (not the index of a record).
    pub sequence: u64,
    /// Why, at most 1,024 bytes, not empty.
    pub reason: String,
    /// Names of the two approvers, each at most 128 bytes, not empty, different.
    pub approvers: [String; 2],
}

impl Quarantine {
    /// Refuses what four eyes have not approved.
    pub fn check(&self) -> Result<()> {
        let [first, second] = &self.approvers;
        let bounded = |text: &str, max| !text.trim().is_empty() && text.len() <= max;
        if !bounded(&self.reason, REASON_BYTES_MAX) {
            return Err(Refusal::Quarantine("the reason is empty or too long").into());
        }
        if !bounded(first, APPROVER_BYTES_MAX) || !bounded(second, APPROVER_BYTES_MAX) {
            return Err(Refusal::Quarantine("an approver is empty or too long").into());
        }
        // Case and spaces do not make a second person.
        if first.trim().to_lowercase() == second.trim().to_lowercase() {
            return Err(Refusal::Quarantine("the approvers are one person").into());
        }
        Ok(())
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        self.check()?;
        let mut bytes = self.sequence.to_le_bytes().to_vec();
        for text in [&self.reason, &self.approvers[0], &self.approvers[1]] {
            bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        Ok(bytes)
    }

    /// Reads the payload of a quarantine record; `None` if it is malformed or unapproved.
    #[must_use]
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let (sequence, mut rest) = payload.split_at_checked(8)?;
        let mut text = || {
            let (length, tail) = rest.split_at_checked(2)?;
            let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
            let (text, tail) = tail.split_at_checked(length)?;
            rest = tail;
            String::from_utf8(text.to_vec()).ok()
        };
        let quarantine = Self { sequence: u64_at(sequence, 0), reason: text()?, approvers: [text()?, text()?] };
        let whole = rest.is_empty() && quarantine.check().is_ok();
        whole.then_some(quarantine)
    }
}
