//! What a session must be told.

use std::time::Duration;

use super::dictionary::{ApplVersion, Begin};

/// A session as the configuration file states it (`[[fix.sessions]]`).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixSessionConfig {
    /// BeginString: `FIX.4.2`, `FIX.4.3`, `FIX.4.4` or `FIXT.1.1`.
    pub begin: String,
    /// With `FIXT.1.1`, the version of the messages: `FIX.5.0`, `FIX.5.0SP1`, `FIX.5.0SP2`, or its ApplVerID. The
    /// acceptor follows what the counterparty's Logon says; where several sessions have the same CompIDs, this parts
    /// them.
    #[serde(default)]
    pub default_appl_ver: Option<String>,
    /// Our CompID: SenderCompID of what we send.
    pub sender: String,
    /// The counterparty's CompID.
    pub target: String,
    /// HeartBtInt in seconds; an acceptor takes the counterparty's.
    #[serde(default = "half_minute")]
    pub heartbeat_s: u32,
    /// Begin both sequences at 1 with each logon.
    #[serde(default)]
    pub reset_on_logon: bool,
    /// Who gets the messages.
    #[serde(default)]
    pub application: FixApplicationKind,
}

const fn half_minute() -> u32 {
    30
}

/// The applications that a session may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FixApplicationKind {
    /// Orders and their reports.
    #[default]
    Trading,
    /// Reports of every order that the counterparty may see, through whichever door it came.
    #[serde(rename = "drop-copy")]
    DropCopy,
    /// Returns each message, for conformance suites.
    Echo,
}

/// What is wrong with a session's configuration, or with what one asks of a session.
#[derive(Debug, thiserror::Error)]
pub enum FixError {
    /// The configuration is wrong.
    #[error("FIX session {sender}→{target}: {reason}")]
    Config {
        /// Our CompID.
        sender: String,
        /// The counterparty's.
        target: String,
        /// What is wrong.
        reason: String,
    },
    /// The session begins anew with each logon and there is none now, so the message would be lost.
    #[error("the counterparty is not logged on")]
    NotLoggedOn,
    /// The counterparty does not read; its session was closed.
    #[error("the counterparty does not read what it is sent")]
    SlowReader,
    /// The message store failed.
    #[error("message store: {0}")]
    Store(#[from] std::io::Error),
}

/// Limits of a session and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixLimits {
    /// The longest message, in bytes.
    pub message_max: usize,
    /// How many bytes may wait to be sent before the counterparty counts as a slow reader and is dropped.
    pub unsent_max: usize,
    /// How many bytes of messages that came too early are held while the gap before them is requested. What exceeds
    /// it is dropped and comes again with the gap.
    pub held_max: usize,
    /// How far SendingTime may be from our clock (session test 2o).
    pub latency_max: Duration,
    /// How long a connection may take until its Logon is there, or an initiator waits for the answer.
    pub logon_max: Duration,
    /// How long we wait for the answer to our Logout.
    pub logout_max: Duration,
}

impl Default for FixLimits {
    fn default() -> Self {
        Self {
            message_max: 64 * 1024,
            unsent_max: 8 * 1024 * 1024,
            held_max: 4 * 1024 * 1024,
            latency_max: Duration::from_secs(120),
            logon_max: Duration::from_secs(10),
            logout_max: Duration::from_secs(2),
        }
    }
}

/// Who the two sides are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FixSessionId {
    /// The protocol.
    pub begin: Begin,
    /// Our CompID.
    pub sender: String,
    /// The counterparty's CompID.
    pub target: String,
    /// The version of the messages, where the session has one of its own.
    pub version: ApplVersion,
}

impl std::fmt::Display for FixSessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}→{}", self.version.text(), self.sender, self.target)
    }
}

impl FixSessionConfig {
    /// Checks the words and gives the session's identity.
    ///
    /// # Errors
    /// If a version is not known or does not go with the transport, or a CompID is empty or not printable ASCII.
    pub fn identity(&self) -> Result<FixSessionId, FixError> {
        let wrong =
            |reason: String| FixError::Config { sender: self.sender.clone(), target: self.target.clone(), reason };
        let begin = Begin::from_text(self.begin.as_bytes());
        let begin = begin.ok_or_else(|| wrong(format!("begin {:?} is not known", self.begin)))?;
        let named = self.default_appl_ver.as_deref().map(|name| {
            ApplVersion::from_text(name.as_bytes())
                .ok_or_else(|| wrong(format!("default_appl_ver {name:?} is not known")))
        });
        let version = match (begin.application(), named.transpose()?) {
            (Some(own), Some(named)) if own != named => {
                return Err(wrong(format!("{} carries no {} messages", begin.text(), named.text())));
            }
            (Some(own), _) => own,
            (None, Some(named)) => named,
            (None, None) => return Err(wrong("FIXT.1.1 needs default_appl_ver".to_owned())),
        };
        if [&self.sender, &self.target]
            .iter()
            .any(|id| id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(wrong("CompIDs are printable ASCII without spaces".to_owned()));
        }
        Ok(FixSessionId { begin, sender: self.sender.clone(), target: self.target.clone(), version })
    }
}
