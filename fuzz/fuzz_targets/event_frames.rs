//! A block of event frames: an error or frames, never a panic.
#![no_main]

use heng_engine::EventFrames;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut frames = EventFrames::new(bytes);
    let mut at = 0;
    while let Ok(Some(_)) = frames.next_frame() {
        assert!(frames.position() > at, "a frame takes bytes");
        at = frames.position();
    }
});
