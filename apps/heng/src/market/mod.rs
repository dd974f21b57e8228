//! A simulated market: clients, instruments and order flow, all from one seed.
//!
//! The flow looks at nothing but its own plan, so the same seed gives the same commands whatever the core answers;
//! that is what lets a crashed day be finished to the hash of an uncrashed one.

mod flow;
mod rng;
mod world;

pub use flow::{Flow, FlowOptions};
pub use rng::Rng;
pub use world::{Listed, World, WorldOptions, rulebook_of};
