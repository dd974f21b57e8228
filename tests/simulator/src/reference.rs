//! The run that was never killed.

use heng_engine::{EventFrames, EventWriter, Frame, Outcome, State, apply};
use heng_model::hash::EventDigest;
use heng_model::{PartitionId, Seq, Sequenced};

use crate::script::Script;

/// What the engine makes of a script when nothing fails: outcomes, events, digests, and hashes where they are wanted.
pub struct Reference<'a> {
    script: &'a Script,
    /// Outcome of each command.
    pub outcomes: Vec<Outcome>,
    /// Digest of all events up to each command.
    pub digests: Vec<EventDigest>,
    /// Every event, in order; commands without events leave no frame.
    pub frames: Vec<Frame>,
}

impl<'a> Reference<'a> {
    /// Runs the whole script.
    #[must_use]
    pub fn new(script: &'a Script) -> Self {
        let (mut outcomes, mut digests) = (Vec::new(), Vec::new());
        let (_, writer) = execute(script, script.commands.len() as u64, |outcome, writer| {
            outcomes.push(outcome);
            digests.push(writer.digest());
        });
        let mut reader = EventFrames::new(writer.frames());
        let mut frames = Vec::new();
        while let Some(frame) = reader.next_frame().expect("frames that were written can be read") {
            frames.push(frame);
        }
        Self { script, outcomes, digests, frames }
    }

    /// Hashes of the state after each of these sequences, which must ascend.
    #[must_use]
    pub fn hashes(&self, wanted: &[u64]) -> Vec<[u8; 32]> {
        let mut state = State::new(PartitionId(0), self.script.capacity);
        let mut writer = EventWriter::default();
        let mut hashes = Vec::new();
        for seq in wanted {
            while state.seq().0 < *seq {
                step(self.script, &mut state, &mut writer);
                writer.clear_frames();
            }
            hashes.push(state.hash());
        }
        hashes
    }

    /// The events up to a sequence.
    #[must_use]
    pub fn frames_to(&self, seq: u64) -> &[Frame] {
        &self.frames[..self.frames.partition_point(|frame| frame.seq.0 <= seq)]
    }
}

fn execute(script: &Script, count: u64, mut told: impl FnMut(Outcome, &EventWriter)) -> (State, EventWriter) {
    let mut state = State::new(PartitionId(0), script.capacity);
    let mut writer = EventWriter::default();
    for _ in 0..count {
        let outcome = step(script, &mut state, &mut writer);
        told(outcome, &writer);
    }
    (state, writer)
}

fn step(script: &Script, state: &mut State, writer: &mut EventWriter) -> Outcome {
    let seq: Seq = state.seq().next();
    let (time, command) = script.commands[state.seq().0 as usize].clone();
    let outcome = apply(state, &Sequenced { seq, time, command }, writer);
    writer.finish();
    outcome
}
