//! A small registry of counters, gauges and histograms, told in the Prometheus text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Upper bounds, in seconds, that suit answers and commits: 100 µs to 10 s.
pub const SECONDS: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Changes it.
    pub fn add(&self, by: i64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Measurements in buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    buckets: Vec<AtomicU64>,
    nanos: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, nanos: AtomicU64::new(0) }
    }

    /// Adds one measurement.
    pub fn record(&self, elapsed: std::time::Duration) {
        let seconds = elapsed.as_secs_f64();
        let at = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX / 2);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

type Reading = Box<dyn Fn() -> f64 + Send + Sync>;

enum Series {
    Counter(Arc<Counter>),
    Gauge(Arc<Gauge>),
    Histogram(Arc<Histogram>),
    Reading(Reading),
}

struct Family {
    kind: &'static str,
    help: &'static str,
    series: BTreeMap<String, Series>,
}

/// All metrics of a process. Handed to whoever measures by constructor; there is no global one.
#[derive(Default)]
pub struct Metrics {
    families: Mutex<BTreeMap<&'static str, Family>>,
}

/// A metric's name, what it means, and its labels.
type Labels<'a> = &'a [(&'a str, &'a str)];

impl Metrics {
    /// The counter of this name and these labels, made on first use.
    ///
    /// # Panics
    /// If the name is already used for another kind of metric: our own bug.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Arc<Counter> {
        self.with(
            name,
            ("counter", help),
            labels,
            || Series::Counter(Arc::default()),
            |series| match series {
                Series::Counter(counter) => Some(Arc::clone(counter)),
                _ => None,
            },
        )
    }

    /// The gauge of this name and these labels, made on first use.
    ///
    /// # Panics
    /// If the name is already used for another kind of metric: our own bug.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Arc<Gauge> {
        self.with(
            name,
            ("gauge", help),
            labels,
            || Series::Gauge(Arc::default()),
            |series| match series {
                Series::Gauge(gauge) => Some(Arc::clone(gauge)),
                _ => None,
            },
        )
    }

    /// The histogram of this name and these labels, made on first use.
    ///
    /// # Panics
    /// If the name is already used for another kind of metric: our own bug.
    pub fn histogram(&self, name: &'static str, help: &'static str, labels: Labels<'_>) -> Arc<Histogram> {
        let make = || Series::Histogram(Arc::new(Histogram::new(SECONDS)));
        self.with(name, ("histogram", help), labels, make, |series| match series {
            Series::Histogram(histogram) => Some(Arc::clone(histogram)),
            _ => None,
        })
    }

    /// A gauge that is read when it is asked for; a second one of the same name and labels replaces the first.
    pub fn reading(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        let mut families = self.families.lock().expect("no holder of this lock panics");
        let family = families.entry(name).or_insert_with(|| Family { kind: "gauge", help, series: BTreeMap::new() });
        family.series.insert(label_text(labels), Series::Reading(Box::new(read)));
    }

    fn with<T>(
        &self,
        name: &'static str,
        (kind, help): (&'static str, &'static str),
        labels: Labels<'_>,
        make: impl FnOnce() -> Series,
        get: impl FnOnce(&Series) -> Option<T>,
    ) -> T {
        let mut families = self.families.lock().expect("no holder of this lock panics");
        let family = families.entry(name).or_insert_with(|| Family { kind, help, series: BTreeMap::new() });
        let series = family.series.entry(label_text(labels)).or_insert_with(make);
        get(series).expect("one name stands for one kind of metric")
    }

    /// All counters of this name together, whatever their labels; 0 if there is none.
    #[must_use]
    pub fn total(&self, name: &str) -> u64 {
        let families = self.families.lock().expect("no holder of this lock panics");
        let series = families.get(name).into_iter().flat_map(|family| family.series.values());
        series.map(|series| if let Series::Counter(counter) = series { counter.value() } else { 0 }).sum()
    }

    /// Everything in the Prometheus text format, version 0.0.4, in order of name.
    #[must_use]
    pub fn render(&self) -> String {
        let families = self.families.lock().expect("no holder of this lock panics");
        let mut out = String::new();
        for (name, family) in families.iter() {
            let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {}", family.help, family.kind);
            for (labels, series) in &family.series {
                render_series(&mut out, name, labels, series);
            }
        }
        out
    }
}

fn label_text(labels: Labels<'_>) -> String {
    let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect::<Vec<_>>().join(",")
}

fn render_series(out: &mut String, name: &str, labels: &str, series: &Series) {
    let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    // Writing to a String cannot fail.
    let _ = match series {
        Series::Counter(counter) => writeln!(out, "{name}{braced} {}", counter.value()),
        Series::Gauge(gauge) => writeln!(out, "{name}{braced} {}", gauge.value()),
        Series::Reading(read) => writeln!(out, "{name}{braced} {}", read()),
        Series::Histogram(histogram) => {
            render_histogram(out, name, labels, histogram);
            Ok(())
        }
    };
}

fn render_histogram(out: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut total = 0;
    for (at, bucket) in histogram.buckets.iter().enumerate() {
        total += bucket.load(Ordering::Relaxed);
        let bound = histogram.bounds.get(at).map_or("+Inf".to_owned(), f64::to_string);
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {total}");
    }
    let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let seconds = histogram.nanos.load(Ordering::Relaxed) as f64 / 1e9;
    let _ = writeln!(out, "{name}_sum{braced} {seconds}\n{name}_count{braced} {total}");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.counter("b_total", "Requests.", &[("status", "2\"x")]).add(2);
        metrics.counter("b_total", "Requests.", &[("status", "2\"x")]).add(1);
        metrics.reading("a_lag", "Lag.", &[], || 1.5);
        let histogram = metrics.histogram("c_seconds", "Times.", &[("way", "in")]);
        histogram.record(Duration::from_micros(90));
        histogram.record(Duration::from_secs(20));
        metrics.counter("b_total", "Requests.", &[("status", "3")]).add(4);
        assert_eq!((metrics.total("b_total"), metrics.total("c_seconds"), metrics.total("none")), (7, 0, 0));
        let text = metrics.render();
        assert!(text.starts_with("# HELP a_lag Lag.\n# TYPE a_lag gauge\na_lag 1.5\n# HELP b_total"));
        assert!(text.contains("b_total{status=\"2\\\"x\"} 3\n"));
        assert!(text.contains("c_seconds_bucket{way=\"in\",le=\"0.0001\"} 1\n"));
        assert!(text.contains("c_seconds_bucket{way=\"in\",le=\"10\"} 1\n"));
        assert!(text.contains("c_seconds_bucket{way=\"in\",le=\"+Inf\"} 2\n"));
        assert!(text.contains("c_seconds_count{way=\"in\"} 2\n"));
        assert!(text.contains("c_seconds_sum{way=\"in\"} 20.00009\n"));
    }
}
