//! OpenSSL as other people built it: the one inside PyPI `cryptography` for SM4-GCM, AES-GCM and SM3, and the machine's
//! own command for SM2, which that package does not offer.
//!
//! Python hands over a mebibyte at a time to one running context, as if it were one long message, so neither its own cost
//! nor the beginning and end of messages count; both favour OpenSSL.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// What Python is asked for.
pub(super) const NAMES: [&str; 3] = ["sm4_gcm_8k_mb_s", "aes128_gcm_8k_mb_s", "sm3_mb_s"];

const SCRIPT: &str = r#"
import sys, time
from cryptography.hazmat.backends.openssl import backend
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

data, room = bytes(1 << 20), bytearray((1 << 20) + 16)

def sealing(algorithm):
    def begin():
        running = Cipher(algorithm(bytes(16)), modes.GCM(bytes(12))).encryptor()
        return lambda: running.update_into(data, room)
    return begin

def hashing():
    running = hashes.Hash(hashes.SM3())
    return lambda: running.update(data)

works = {
    "sm4_gcm_8k_mb_s": sealing(algorithms.SM4),
    "aes128_gcm_8k_mb_s": sealing(algorithms.AES),
    "sm3_mb_s": hashing,
}
print(backend.openssl_version_text(), flush=True)
for line in sys.stdin:
    name, seconds = line.split()
    call, count, began = works[name](), 0, time.process_time()
    while True:
        call()
        count += 1
        spent = time.process_time() - began
        if spent >= float(seconds):
            break
    print(count * len(data) / spent / 1e6, flush=True)
"#;

/// A Python process that measures when it is asked.
pub(super) struct Python {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What it calls its OpenSSL.
    pub(super) version: String,
}

impl Drop for Python {
    fn drop(&mut self) {
        // It has nothing to lose; if it is gone already, so be it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Python {
    pub(super) fn start(python: &Path) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", python.display()))?;
        let (Some(ask), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a child without pipes".into());
        };
        let mut python = Self { child, ask, answers: BufReader::new(answers), version: String::new() };
        python.version = python.line()?;
        Ok(python)
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("it ended".into());
        }
        Ok(line.trim().to_owned())
    }

    /// Megabytes a second.
    pub(super) fn measure(&mut self, name: &str, slice: Duration) -> Result<f64, Box<dyn Error>> {
        writeln!(self.ask, "{name} {}", slice.as_secs_f64())?;
        Ok(self.line()?.parse()?)
    }
}

/// What the openssl command calls itself.
pub(super) fn command_version() -> Option<String> {
    let output = Command::new("openssl").arg("version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Signatures and verifications of the openssl command in a second of its processor time each.
pub(super) fn sm2_per_second() -> Result<(f64, f64), Box<dyn Error>> {
    let output = Command::new("openssl").args(["speed", "-mr", "-seconds", "1", "sm2"]).output();
    let output = output.map_err(|error| format!("openssl: {error}"))?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    per_second(&told).ok_or_else(|| "this openssl command does not measure SM2".into())
}

/// The line `+F7:number:bits:name:seconds a signature:seconds a verification` that `-mr` prints.
fn per_second(told: &str) -> Option<(f64, f64)> {
    let line = told.lines().find(|line| line.starts_with("+F") && line.contains("SM2"))?;
    let mut rates = line.rsplit(':').take(2).map(|field| field.trim().parse::<f64>().ok());
    let (verify, sign) = (rates.next()??, rates.next()??);
    // Versions differ in whether they print seconds or counts.
    let rate = |value: f64| if value < 1.0 { 1.0 / value } else { value };
    Some((rate(sign), rate(verify)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rates_are_read_from_the_line() {
        let told = "+H:x\n+F7:0:256:CurveSM2:4215.384615:4520.000000\n";
        assert_eq!(super::per_second(told), Some((4215.384615, 4520.0)));
        assert_eq!(super::per_second("+F7:0:256:CurveSM2:0.00025:0.0002\n"), Some((4000.0, 5000.0)));
        assert_eq!(super::per_second("+F2:0:256:nistp256:4000.0:5000.0\n"), None);
        assert_eq!(super::per_second("Doing 256 bits sign SM2 ops for 1s"), None);
    }
}
