//! The faults that the venue can be told to have.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::market::Rng;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FaultKind {
    /// Each message leaves later.
    Slow,
    /// Takes everything, and answers nothing.
    Silent,
    /// Each message leaves twice.
    Duplicate,
    /// A message changes its place with the next.
    OutOfOrder,
    /// New orders are refused.
    RejectStorm,
    /// The connection breaks after every so many messages.
    Disconnect,
    /// The connection breaks before a report leaves.
    Drop,
}

/// A fault: its kind, how often it strikes and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// In how many of 100 cases it strikes.
    #[serde(default = "always")]
    pub(super) rate: u64,
    /// Slow: how much later, in milliseconds.
    #[serde(default = "delay")]
    pub(super) delay_ms: u64,
    /// Disconnect: after how many messages.
    #[serde(default = "every")]
    pub(super) every: u64,
    /// How long it lasts, in milliseconds; without it, until it is taken away.
    #[serde(default)]
    pub(super) for_ms: Option<u64>,
}

const fn always() -> u64 {
    100
}

const fn delay() -> u64 {
    300
}

const fn every() -> u64 {
    20
}

/// `kind` or `kind:name=value,…`.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let kind = <FaultKind as clap::ValueEnum>::from_str(kind, false).map_err(|_| {
            format!("{kind:?} is no fault; slow, silent, duplicate, out-of-order, reject-storm, disconnect or drop")
        })?;
        let mut fault = Self { kind, rate: always(), delay_ms: delay(), every: every(), for_ms: None };
        for word in rest.split(',').filter(|word| !word.is_empty()) {
            let (name, value) = word.split_once('=').ok_or_else(|| format!("{word:?}: name=value"))?;
            let value: u64 = value.parse().map_err(|_| format!("{word:?}: a whole number"))?;
            match name {
                "rate" => fault.rate = value,
                "delay_ms" => fault.delay_ms = value,
                "every" => fault.every = value,
                "for_ms" => fault.for_ms = Some(value),
                _ => return Err(format!("{name:?}: rate, delay_ms, every or for_ms")),
            }
        }
        fault.checked()
    }
}

impl Fault {
    /// Whether the numbers are possible.
    pub(super) fn checked(self) -> Result<Self, String> {
        match self {
            Self { rate: 101.., .. } => Err("rate is at most 100".to_owned()),
            Self { delay_ms: 60_001.., .. } => Err("delay_ms is at most 60000".to_owned()),
            Self { every: 0, .. } => Err("every is at least 1".to_owned()),
            fault => Ok(fault),
        }
    }
}

/// How often each kind struck.
pub(super) type Struck = std::collections::BTreeMap<FaultKind, u64>;

struct Inner {
    active: Vec<(Fault, Option<Instant>)>,
    struck: Struck,
    rng: Rng,
    messages: u64,
}

/// The faults that hold now.
pub(super) struct Faults(Mutex<Inner>);

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(Inner { active: Vec::new(), struck: Struck::new(), rng: Rng::new(seed, 11), messages: 0 }))
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fault begins; it takes the place of one of its kind.
    pub(super) fn begin(&self, fault: Fault) {
        let until = fault.for_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
        let mut inner = self.inner();
        inner.active.retain(|(other, _)| other.kind != fault.kind);
        inner.active.push((fault, until));
    }

    /// All faults end.
    pub(super) fn end_all(&self) {
        self.inner().active.clear();
    }

    /// What holds now, and how often each kind struck.
    pub(super) fn show(&self) -> (Vec<Fault>, Struck) {
        let inner = self.inner();
        (inner.active.iter().map(|(fault, _)| *fault).collect(), inner.struck.clone())
    }

    /// Whether a fault of this kind strikes now.
    pub(super) fn strikes(&self, kind: FaultKind) -> Option<Fault> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let now = Instant::now();
        inner.active.retain(|(_, until)| until.is_none_or(|until| until > now));
        let fault = inner.active.iter().map(|(fault, _)| *fault).find(|fault| fault.kind == kind)?;
        if kind == FaultKind::Disconnect {
            inner.messages += 1;
            if !inner.messages.is_multiple_of(fault.every) {
                return None;
            }
        }
        if !inner.rng.chance(fault.rate) {
            return None;
        }
        *inner.struck.entry(kind).or_default() += 1;
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_bounded() {
        let fault: Fault = "slow:delay_ms=20,rate=50,for_ms=900".parse().expect("a fault");
        let expected = Fault { kind: FaultKind::Slow, rate: 50, delay_ms: 20, every: 20, for_ms: Some(900) };
        assert_eq!(fault, expected);
        assert_eq!("out-of-order".parse::<Fault>().map(|fault| fault.rate), Ok(100));
        for text in ["fast", "slow:x", "slow:rate=101", "slow:rate=-1", "disconnect:every=0", "slow:ms=2"] {
            assert!(text.parse::<Fault>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_says_and_ends() {
        let faults = Faults::new(1);
        faults.begin("duplicate:rate=0".parse().expect("a fault"));
        faults.begin("disconnect:every=3".parse().expect("a fault"));
        assert!((0..100).all(|_| faults.strikes(FaultKind::Duplicate).is_none()));
        let struck = (0..9).filter(|_| faults.strikes(FaultKind::Disconnect).is_some()).count();
        assert_eq!(struck, 3);
        faults.begin("silent:for_ms=0".parse().expect("a fault"));
        assert!(faults.strikes(FaultKind::Silent).is_none());
        faults.end_all();
        assert!((0..9).all(|_| faults.strikes(FaultKind::Disconnect).is_none()));
    }
}
