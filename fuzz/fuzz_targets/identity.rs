//! What strangers and tables hand to the identity role: answers of passkeys, and names of roles, scopes and actions at
//! the policy. No answer is ever good, and nothing is permitted beyond what the roles permit.
#![no_main]

use heng_identity::fuzzed;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, rest)) = bytes.split_first() else { return };
    if kind % 2 == 0 { fuzzed::passkey_answer(rest) } else { fuzzed::policy_question(rest) }
});
