//! Latency as it was, not as an average.

use hdrhistogram::Histogram;

/// Latencies in nanoseconds, 1 ns to 100 s, three significant digits; longer ones count as the longest.
#[derive(Clone, Debug)]
pub struct LatencyHistogram(Histogram<u64>);

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LatencySummary {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Number of measurements.
    pub count: u64,
    /// Mean.
    pub mean: f64,
}

const LONGEST_NS: u64 = 100_000_000_000;

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("the bounds are valid"))
    }
}

impl LatencyHistogram {
    /// Adds one latency.
    #[inline]
    pub fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos.max(1));
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// The percentiles.
    #[must_use]
    pub fn summary(&self) -> LatencySummary {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        LatencySummary {
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            count: self.0.len(),
            mean: self.0.mean() / 1_000.0,
        }
    }
}
