//! Who sees what the checks look at. The core itself does not care to see it, and pays nothing for that.

use heng_model::{Check, CheckInput, CheckName, CheckOutcome, InputName};

/// Sees each check with its values, before the check decides.
pub trait Witness {
    /// Whether it sees anything at all; where not, no value is gathered.
    const WATCHES: bool;

    /// A check is about to decide by these values.
    fn saw(&mut self, name: CheckName, inputs: &[(InputName, i64)]);
}

/// Sees nothing.
impl Witness for () {
    const WATCHES: bool = false;

    #[inline]
    fn saw(&mut self, _: CheckName, _: &[(InputName, i64)]) {}
}

/// Keeps what it saw; each check stands as passed until somebody who knows better marks it.
impl Witness for Vec<Check> {
    const WATCHES: bool = true;

    fn saw(&mut self, name: CheckName, inputs: &[(InputName, i64)]) {
        let inputs = inputs.iter().map(|(name, value)| CheckInput { name: *name, value: *value }).collect();
        self.push(Check { name, outcome: CheckOutcome::Passed, inputs });
    }
}

/// Gathers the values only where somebody sees them.
#[inline]
pub(crate) fn note<W: Witness, const N: usize>(
    witness: &mut W,
    name: CheckName,
    inputs: impl FnOnce() -> [(InputName, i64); N],
) {
    if W::WATCHES {
        witness.saw(name, &inputs());
    }
}
