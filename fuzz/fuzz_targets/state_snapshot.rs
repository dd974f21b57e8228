//! Sections of a snapshot: an error or a state, never a panic.
#![no_main]

use heng_engine::{Capacity, State};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|sections: Vec<(u8, Vec<u8>)>| {
    let sections: Vec<(u32, Vec<u8>)> =
        sections.into_iter().map(|(number, bytes)| (u32::from(number), bytes)).collect();
    let _ = State::read_state(&sections, Capacity::default());
});
