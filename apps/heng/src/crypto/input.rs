//! What a command works on: a file, standard input, or hexadecimal digits of the command line.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

/// Longest input in bytes of the commands that must hold it as a whole. Hashes and signatures take every length.
const LONGEST: u64 = 256 << 20;
/// Longest file in bytes of hexadecimal digits that stands for an argument.
const LONGEST_ARGUMENT: u64 = 1 << 20;
/// Bytes that are read at once.
const PART: usize = 1 << 20;

/// Bytes that were told in hexadecimal digits.
#[derive(Clone, Debug)]
pub(super) struct Hexadecimal(pub(super) Vec<u8>);

/// One of the two.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct InputArgs {
    /// The file; - is standard input
    file: Option<PathBuf>,
    /// The bytes themselves in hexadecimal digits
    #[arg(long, value_name = "H", value_parser = hexadecimal)]
    hex: Option<Hexadecimal>,
}

impl InputArgs {
    /// Gives the input part by part.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn each_part(&self, mut take: impl FnMut(&[u8])) -> anyhow::Result<()> {
        if let Some(Hexadecimal(bytes)) = &self.hex {
            take(bytes);
            return Ok(());
        }
        let (path, mut source) = self.source()?;
        let mut part = vec![0; PART];
        loop {
            match source.read(&mut part).with_context(|| format!("read {}", path.display()))? {
                0 => return Ok(()),
                count => take(&part[..count]),
            }
        }
    }

    /// All of the input.
    ///
    /// # Errors
    /// If the file cannot be read or has more than 256 MiB.
    pub(super) fn whole(&self) -> anyhow::Result<Vec<u8>> {
        if let Some(Hexadecimal(bytes)) = &self.hex {
            return Ok(bytes.clone());
        }
        let (path, source) = self.source()?;
        let mut bytes = Vec::new();
        source.take(LONGEST + 1).read_to_end(&mut bytes).with_context(|| format!("read {}", path.display()))?;
        if bytes.len() as u64 > LONGEST {
            bail!("{} has more than {} MiB, which this command does not take", path.display(), LONGEST >> 20);
        }
        Ok(bytes)
    }

    fn source(&self) -> anyhow::Result<(&Path, Box<dyn Read>)> {
        let path = self.file.as_deref().context("there is neither a file nor --hex")?;
        if path == Path::new("-") {
            return Ok((path, Box::new(std::io::stdin().lock())));
        }
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        Ok((path, Box::new(file)))
    }
}

/// Reads hexadecimal digits, or `@FILE` that holds them.
pub(super) fn hexadecimal(text: &str) -> Result<Hexadecimal, String> {
    let Some(path) = text.strip_prefix('@') else { return digits(text).map(Hexadecimal) };
    let told = |error| format!("{path}: {error}");
    let mut content = String::new();
    let file = File::open(path).map_err(told)?;
    file.take(LONGEST_ARGUMENT).read_to_string(&mut content).map_err(told)?;
    digits(content.trim()).map(Hexadecimal).map_err(|reason| format!("{path}: {reason}"))
}

fn digits(text: &str) -> Result<Vec<u8>, String> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(format!("{} hexadecimal digits are no whole number of bytes", text.len()));
    }
    let value = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    let byte = |(at, [high, low]): (usize, &[u8; 2])| {
        let wrong = || format!("no hexadecimal digits at place {}", 2 * at + 1);
        value(*high).zip(value(*low)).map(|(high, low)| high << 4 | low).ok_or_else(wrong)
    };
    pairs.iter().enumerate().map(byte).collect()
}

/// The same for a known number of bytes.
pub(super) fn bytes<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let Hexadecimal(bytes) = hexadecimal(text)?;
    let count = bytes.len();
    bytes.try_into().map_err(|_| format!("{count} bytes where {N} are needed ({} hexadecimal digits)", 2 * N))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_and_others_refused_with_their_place() {
        assert_eq!(digits("00fFA1"), Ok(vec![0, 255, 0xa1]));
        assert_eq!(digits(""), Ok(vec![]));
        for (text, part) in
            [("0", "no whole number"), ("00x1", "at place 3"), ("é", "at place 1"), ("+1", "at place 1")]
        {
            assert!(digits(text).unwrap_err().contains(part), "{text}");
        }
        assert_eq!(bytes::<2>("0102"), Ok([1, 2]));
        assert!(bytes::<2>("010203").unwrap_err().contains("3 bytes where 2 are needed"));
        assert!(hexadecimal("@/no/such/file").unwrap_err().contains("/no/such/file"));
    }
}
