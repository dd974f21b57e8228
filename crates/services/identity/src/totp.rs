//! The second factor: codes of RFC 6238, six digits, steps of 30 s, SHA-1 (the one that every authenticator app knows).

use totp_rs::{Builder, Totp};

use crate::secret::base32;

/// Seconds of a step.
const STEP_S: u64 = 30;

/// The step whose code this is, if it is one of now, the step before or the one after. A step that was used before
/// does not count (RFC 6238, section 5.2).
pub(crate) fn matched_step(secret: &[u8], code: &str, now: i64, used_step: i64) -> Option<i64> {
    if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let seconds = u64::try_from(now / 1_000_000_000).ok()?;
    let step = generator(secret).check(code, seconds)?.cast_signed();
    (step > used_step).then_some(step)
}

/// The code of an instant, for those who hold the secret: tests, and outside tools at a demonstration.
#[must_use]
pub fn totp_code(secret: &[u8], seconds: u64) -> String {
    generator(secret).generate(seconds).to_string()
}

fn generator(secret: &[u8]) -> Totp {
    Builder::new().with_secret(secret.to_vec()).with_step_duration(STEP_S).build_noncompliant()
}

/// What an authenticator app reads.
pub(crate) fn address(name: &str, secret: &[u8]) -> String {
    let name: String = name.bytes().map(percent).collect();
    format!("otpauth://totp/Heng:{name}?secret={}&issuer=Heng&algorithm=SHA1&digits=6&period=30", base32(secret))
}

fn percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, SHA-1, the last six of eight digits.
        let secret = b"12345678901234567890";
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(totp_code(secret, seconds), code);
            let now = i64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1_000_000_000));
            // Nanoseconds end in the year 2262.
            if let Some(now) = now {
                assert_eq!(matched_step(secret, code, now, 0), Some(now / 30_000_000_000));
            }
        }
    }

    #[test]
    fn a_code_counts_once_and_for_a_step_to_each_side() {
        let (secret, at) = (b"12345678901234567890", 1_111_111_109i64);
        let check = |seconds: i64, used| matched_step(secret, "081804", seconds * 1_000_000_000, used).is_some();
        assert!(check(at, 0) && check(at + 30, 0) && check(at - 30, 0));
        assert!(!check(at + 61, 0) && !check(at - 61, 0));
        assert!(!check(at, at / 30), "its step was used");
        assert!(check(at, at / 30 - 1));
        for code in ["", "81804", "0081804", "08180x", "０８１８０４"] {
            assert_eq!(matched_step(secret, code, at * 1_000_000_000, 0), None, "{code}");
        }
    }

    #[test]
    fn the_address_is_what_apps_read() {
        assert_eq!(
            address("a b@c", b"foobar"),
            "otpauth://totp/Heng:a%20b%40c?secret=MZXW6YTBOI&issuer=Heng&algorithm=SHA1&digits=6&period=30"
        );
    }
}
