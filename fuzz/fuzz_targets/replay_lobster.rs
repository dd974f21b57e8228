//! Order flow in the LOBSTER form: an error with file and line, or a report; never a panic.
#![no_main]

use heng::replay::parse_lobster;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|files: (&[u8], &[u8])| {
    let _ = parse_lobster(files.0, files.1);
});
