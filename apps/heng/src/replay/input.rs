//! Opens an input file and hands out its lines, with a limit on everything.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Longest line. A ten-level snapshot takes about two thousand bytes.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// Most bytes read from one file, after decompression.
const FILE_BYTES_MAX: u64 = 64 << 30;
/// Most lines read from one file.
const LINES_MAX: u32 = 200_000_000;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Input that cannot be replayed: where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// The file's name as the user gave it.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// What is wrong.
    pub reason: String,
}

impl InputError {
    pub(crate) fn new(file: &str, line: u32, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, reason: reason.into() }
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.reason),
            line => write!(f, "{}:{line}: {}", self.file, self.reason),
        }
    }
}

impl std::error::Error for InputError {}

/// The lines of one file.
pub(crate) struct Lines<'a> {
    file: String,
    from: Box<dyn BufRead + 'a>,
    line: u32,
    buffer: Vec<u8>,
}

impl<'a> Lines<'a> {
    /// Opens a plain or Zstandard-compressed file, told apart by their first bytes.
    pub(crate) fn open(path: &Path) -> Result<Lines<'static>, InputError> {
        let file = path.display().to_string();
        let failed = |e: io::Error| InputError::new(&file, 0, e.to_string());
        let mut from = BufReader::with_capacity(1 << 17, File::open(path).map_err(failed)?);
        let first = from.fill_buf().map_err(failed)?;
        if first.starts_with(&GZIP_MAGIC) {
            return Err(InputError::new(&file, 0, "gzip is not read here; decompress it or use Zstandard"));
        }
        if !first.starts_with(&ZSTD_MAGIC) {
            return Ok(Lines::over(&file, from.take(FILE_BYTES_MAX)));
        }
        let plain = zstd::stream::read::Decoder::with_buffer(from).map_err(failed)?;
        Ok(Lines::over(&file, BufReader::with_capacity(1 << 17, plain.take(FILE_BYTES_MAX))))
    }

    /// The lines of bytes in memory.
    pub(crate) fn over(file: &str, from: impl BufRead + 'a) -> Self {
        Self { file: file.to_owned(), from: Box::new(from), line: 0, buffer: Vec::new() }
    }

    /// The next line without its end, or `None` after the last.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, InputError> {
        self.buffer.clear();
        let read = self.from.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut self.buffer);
        self.line += 1;
        match read {
            Err(e) => Err(self.error(e.to_string())),
            Ok(0) => Ok(None),
            Ok(read) if read as u64 > LINE_BYTES_MAX => Err(self.error(format!("longer than {LINE_BYTES_MAX} bytes"))),
            Ok(_) if self.line > LINES_MAX => Err(self.error(format!("more than {LINES_MAX} lines"))),
            Ok(_) => {
                let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
                Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
            }
        }
    }

    /// The number of the line handed out last, from 1.
    pub(crate) const fn line(&self) -> u32 {
        self.line
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// An error at the line handed out last.
    pub(crate) fn error(&self, reason: impl Into<String>) -> InputError {
        InputError::new(&self.file, self.line, reason)
    }
}
