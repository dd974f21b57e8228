//! What the core tells about itself to those who watch it.

use heng_model::wire::{Reader, Value, Wire, WireError, Writer};

/// Latencies in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyPoints {
    /// Number of measurements since the start.
    pub count: u64,
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
}

/// How the core is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreStatus {
    /// Last durable command.
    pub durable: u64,
    /// Last command whose events have left.
    pub released: u64,
    /// Last snapshot; 0 = none.
    pub snapshot: u64,
    /// Number of the reject code with which new commands are refused; 0 = they are taken.
    pub refusal: u16,
    /// From one command to the next inside the core.
    pub core: LatencyPoints,
    /// From submission to the durable answer.
    pub ack: LatencyPoints,
}

/// Tells how the core is doing.
pub trait CoreWatch: Send + Sync {
    /// The status; `None` if the core cannot be reached.
    fn status(&self) -> Option<CoreStatus>;
}

impl CoreStatus {
    fn fields(&self) -> [u64; 12] {
        let points = |p: LatencyPoints| [p.count, p.p50_ns, p.p99_ns, p.p999_ns];
        let ([a, b, c, d], [e, f, g, h]) = (points(self.core), points(self.ack));
        [self.durable, self.released, self.snapshot, u64::from(self.refusal), a, b, c, d, e, f, g, h]
    }
}

impl Wire for CoreStatus {
    const KIND: &'static str = "core status";

    fn put(&self, out: &mut Writer) {
        self.fields().into_iter().for_each(|field| out.put_u64(field));
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut next = || from.get_u64();
        let (durable, released, snapshot) = (next()?, next()?, next()?);
        let refusal = u16::try_from(next()?).map_err(|_| WireError::OutOfRange { of: "reject code" })?;
        let mut points = || Ok(LatencyPoints { count: next()?, p50_ns: next()?, p99_ns: next()?, p999_ns: next()? });
        Ok(Self { durable, released, snapshot, refusal, core: points()?, ack: points()? })
    }

    fn show(&self) -> Value {
        Value::Text(format!("{self:?}"))
    }
}
