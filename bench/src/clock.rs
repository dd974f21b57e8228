//! Processor time of the calling thread, and wall time.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of processor time that this thread has used.
pub(crate) fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The middle one; of two middle ones the higher.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The value at this quantile, 0 to 1; reorders `values`.
pub(crate) fn quantile(values: &mut [u32], at: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let place = ((values.len() - 1) as f64 * at).round() as usize;
    f64::from(*values.select_nth_unstable(place).1)
}
