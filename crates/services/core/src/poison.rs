//! A command that makes the core abort, so that the way into quarantine can be tested. It exists in the unit tests of
//! this crate only: no build that others can get knows it.

use heng_model::Command;

/// A memo on this topic strikes the core.
pub(crate) const TOPIC: &str = "poison of a unit test";

/// Panics at a poisoned memo, as the engine would at a bug of our own.
pub(crate) fn strike(command: &Command) {
    if let Command::Memo(memo) = command {
        assert!(memo.topic != TOPIC, "struck by a unit test");
    }
}
