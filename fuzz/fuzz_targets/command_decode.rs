//! Bytes of a command: decoding never panics, and what it accepts has the same bytes again.
#![no_main]

use heng_model::Command;
use heng_model::wire::{Wire as _, decode_all, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(command) = decode_all::<Command>(bytes) {
        let again = decode_all::<Command>(&encode(&command)).expect("our own bytes");
        assert_eq!(again, command);
        let _ = command.show();
    }
});
