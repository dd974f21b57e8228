//! Bytes of an event: decoding never panics, and what it accepts has the same bytes again.
#![no_main]

use heng_model::Event;
use heng_model::wire::{Wire as _, decode_all, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = decode_all::<Event>(bytes) {
        let again = decode_all::<Event>(&encode(&event)).expect("our own bytes");
        assert_eq!(again, event);
        let _ = event.show();
    }
});
