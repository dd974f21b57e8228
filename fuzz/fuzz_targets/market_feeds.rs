//! Bytes of outside feeds in every form: values or errors, never a panic, and never more values than bytes. What our own
//! forms accept has the same bytes again.
#![no_main]

use heng_marketdata::decode::{itch50, lobster, snapshot_bin, sse_csv, sse_log, tick_bin};
use heng_marketdata::{FeedMarket, decode_messages};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut market = FeedMarket::default();
    let mut count = 0;
    for message in itch50::Decoder::new(bytes).flatten() {
        let _ = market.take_itch(&message);
        count += 1;
    }
    count += itch50::Packet::new(bytes).map_or(0, |packet| packet.messages.count());
    count += lobster::Messages::new(bytes).count();
    for message in sse_log::Messages::new(bytes).flatten() {
        if let sse_log::Message::Tick(tick) = message {
            let _ = market.take(&tick);
        }
        count += 1;
    }
    count += sse_csv::Orders::new(bytes).map_or(0, Iterator::count);
    count += sse_csv::Trades::new(bytes).map_or(0, Iterator::count);
    count += sse_csv::Snapshots::new(bytes).map_or(0, Iterator::count);
    if let Ok(decoder) = tick_bin::Decoder::new(bytes) {
        let mut again = tick_bin::Encoder::new(decoder.date());
        decoder.flatten().for_each(|tick| again.push(&tick));
        assert!(bytes.starts_with(&again.finish()), "what was read has the same bytes");
    }
    if let Ok(decoder) = snapshot_bin::Decoder::new(bytes) {
        let mut again = snapshot_bin::Encoder::new(decoder.date());
        decoder.flatten().for_each(|snapshot| again.push(&snapshot));
        assert!(bytes.starts_with(&again.finish()), "what was read has the same bytes");
    }
    count += decode_messages(bytes).map_or(0, |messages| messages.len());
    assert!(count <= 8 * (bytes.len() + 1), "nothing is handed out for less than a byte");
});
