//! The payload of a journal record: commands with their times, or an error.
#![no_main]

use heng_core::decode_batch;
use heng_model::wire::WireError;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut last = None;
    let _ = decode_batch::<WireError>(
        bytes,
        |_, _| Ok(()),
        |sequenced| {
            assert!(last.is_none_or(|seq| sequenced.seq > seq), "sequences grow");
            last = Some(sequenced.seq);
            Ok(())
        },
    );
});
