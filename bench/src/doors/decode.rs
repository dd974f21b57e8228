//! The feed decoders of `marketdata` on one thread, in memory.

use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use heng_marketdata::decode::{itch50, sample, snapshot_bin, sse_csv, sse_log, tick_bin};
use serde::Serialize;

/// Bytes of text that a pass reads at least.
const TEXT_MIN: usize = 64 << 20;
const SEED: u64 = 1;

/// Figures of the decoders.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DecodeFigures {
    /// Nanoseconds a message, mean of the best pass.
    pub(crate) decode_ns_mean: BTreeMap<&'static str, f64>,
    /// Millions of bytes a second, best pass.
    pub(crate) decode_text_mb_s: BTreeMap<&'static str, f64>,
    /// Where the texts come from.
    pub(crate) decode_data: String,
}

/// Seconds of the fastest pass, and what it counted. Every pass must count the same.
fn best(passes: usize, mut pass: impl FnMut() -> usize) -> (f64, usize) {
    let (mut seconds, mut counted) = (f64::MAX, None);
    for _ in 0..passes.max(1) {
        let began = Instant::now();
        let count = black_box(pass());
        seconds = seconds.min(began.elapsed().as_secs_f64());
        assert_eq!(*counted.get_or_insert(count), count, "a decoder reads the same each time");
    }
    (seconds, counted.unwrap_or(0))
}

/// How many messages are good. Each is looked at, so that none is left out by the compiler.
fn good<T, E>(messages: impl Iterator<Item = Result<T, E>>) -> usize {
    messages.map(black_box).filter(Result::is_ok).count()
}

fn ns_mean(name: &str, passes: usize, messages: usize, pass: impl FnMut() -> usize) -> Result<f64, Box<dyn Error>> {
    let (seconds, count) = best(passes, pass);
    if count != messages {
        return Err(format!("{name}: {count} of {messages} messages were read").into());
    }
    Ok(seconds * 1e9 / messages as f64)
}

/// The file, unpacked; `None` where the folder of test data is not named or does not hold it.
fn real(path: &str) -> Option<Vec<u8>> {
    let root = std::env::var_os("HENG_DATA")?;
    let packed = std::fs::read(Path::new(&root).join("data-orderflow").join(path)).ok()?;
    zstd::stream::decode_all(packed.as_slice()).ok()
}

/// The lines again and again until there are enough bytes; a header stands once.
fn enough(text: &[u8], has_header: bool) -> Vec<u8> {
    let body = if has_header { text.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1) } else { 0 };
    let mut out = text.to_vec();
    while out.len() < TEXT_MIN && body < text.len() {
        if out.last() != Some(&b'\n') {
            out.push(b'\n');
        }
        out.extend_from_slice(&text[body..]);
    }
    out
}

fn mb_s(name: &str, passes: usize, text: &[u8], pass: impl FnMut() -> usize) -> Result<f64, Box<dyn Error>> {
    let (seconds, count) = best(passes, pass);
    if count == 0 {
        return Err(format!("{name}: nothing was read").into());
    }
    Ok(text.len() as f64 / 1e6 / seconds)
}

/// Runs all of them.
///
/// # Errors
/// If a decoder refuses what it should read.
pub(crate) fn run(messages: usize, passes: usize) -> Result<DecodeFigures, Box<dyn Error>> {
    let (itch, ticks) = (sample::itch50(messages, SEED), sample::tick_stream(messages, SEED));
    let snapshots = sample::snapshot_stream(messages / 8, SEED);
    let decode_ns_mean = BTreeMap::from([
        ("itch50", ns_mean("itch50", passes, messages, || good(itch50::Decoder::new(&itch)))?),
        ("tick_bin", ns_mean("tick_bin", passes, messages, || tick_bin::Decoder::new(&ticks).map_or(0, good))?),
        (
            "snapshot_bin",
            ns_mean("snapshot_bin", passes, messages / 8, || snapshot_bin::Decoder::new(&snapshots).map_or(0, good))?,
        ),
    ]);
    let real_log = real("sse-600519-20230207/AX_sbe_sse_600519.log.zst");
    let real_csv = real("sse-600519-20230201/entrust.csv.zst");
    let decode_data = if real_log.is_some() && real_csv.is_some() {
        "texts: the Shanghai order flow in HENG_DATA, repeated; binary forms generated".to_owned()
    } else {
        "all generated: HENG_DATA names no folder with data-orderflow".to_owned()
    };
    let log = enough(&real_log.unwrap_or_else(|| sample::sse_log(messages / 4, SEED).into_bytes()), false);
    let csv = enough(&real_csv.unwrap_or_else(|| sample::sse_csv(messages / 4, SEED).into_bytes()), true);
    let decode_text_mb_s = BTreeMap::from([
        ("sse_log", mb_s("sse_log", passes, &log, || good(sse_log::Messages::new(&log)))?),
        ("sse_csv", mb_s("sse_csv", passes, &csv, || sse_csv::Orders::new(&csv).map_or(0, good))?),
    ]);
    Ok(DecodeFigures { decode_ns_mean, decode_text_mb_s, decode_data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_repeated_without_its_header() {
        let text = enough(b"a,b\n1,2\n3,4", true);
        assert!(text.len() >= TEXT_MIN && text.starts_with(b"a,b\n1,2\n3,4\n1,2\n3,4\n1,2"));
        assert!(enough(b"x=1\n", false).starts_with(b"x=1\nx=1\n"));
        assert_eq!(enough(b"", false), b"");
    }

    #[test]
    fn every_decoder_reads_all_of_a_sample() {
        let figures = run(2_000, 1).expect("samples are good");
        assert_eq!((figures.decode_ns_mean.len(), figures.decode_text_mb_s.len()), (3, 2));
    }
}
