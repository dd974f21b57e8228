//! Rule files from outside, and the bundle that a command carries: errors with file and line, never a panic.
#![no_main]

use heng_rulebook::{Rulebook, bundle, parse_bundle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(files) = parse_bundle(bytes) {
        assert_eq!(parse_bundle(&bundle(&files)).as_ref(), Ok(&files), "a bundle has one form");
    }
    let _ = Rulebook::from_bundle(bytes);
    if let Ok(text) = core::str::from_utf8(bytes) {
        let _ = Rulebook::parse(&[("fuzzed.toml".to_owned(), text.to_owned())]);
    }
});
