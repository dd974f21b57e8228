//! Market data: decoding, depth, push, candles, history.
