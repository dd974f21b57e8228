//! Order flow in the log form: an error with file and line, or a report; never a panic.
#![no_main]

use heng::replay::parse_sse_log;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_sse_log(bytes);
});
