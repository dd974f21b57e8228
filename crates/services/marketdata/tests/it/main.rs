//! Tests of the market data service through its doors, its decoders and its view.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod candles;
mod decoders;
mod indicators;
mod market;
mod past;
mod real_days;
mod streams;
mod support;
mod view;
