//! Order flow in the CSV form: an error with file and line, or a report; never a panic.
#![no_main]

use heng::replay::parse_sse_csv;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|files: (&[u8], &[u8], &[u8])| {
    let _ = parse_sse_csv(files.0, files.1, files.2);
});
