//! The file of the log: turned over when it is full, with a bounded number of old ones beside it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A log file that never grows beyond its size, and what it was before: `heng.log`, `heng.log.1`, …
pub(crate) struct LogFiles {
    path: PathBuf,
    file: File,
    len: u64,
    len_max: u64,
    files_max: u32,
}

impl LogFiles {
    /// Goes on with the file at `path`. Each has at most `len_max` bytes; there are at most `files_max`, this one
    /// included.
    pub(crate) fn open(path: &Path, len_max: u64, files_max: u32) -> std::io::Result<Self> {
        let file = append_to(path)?;
        let len = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, len, len_max, files_max })
    }

    fn old(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Puts the file away and begins another one. A file that cannot be put away is gone on with: a log that is too long
    /// is better than none.
    fn turn(&mut self) {
        for number in (1..self.files_max.saturating_sub(1)).rev() {
            // Those that are not there yet cannot be moved.
            let _ = std::fs::rename(self.old(number), self.old(number + 1));
        }
        let moved = match self.files_max {
            0 | 1 => std::fs::remove_file(&self.path),
            _ => std::fs::rename(&self.path, self.old(1)),
        };
        if moved.is_ok()
            && let Ok(file) = append_to(&self.path)
        {
            (self.file, self.len) = (file, 0);
        }
    }

    /// Writes a line, which ends with a newline.
    pub(crate) fn write(&mut self, line: &str) {
        if self.len > 0 && self.len + line.len() as u64 > self.len_max {
            self.turn();
        }
        // A log that cannot be written must not stop the market.
        if self.file.write_all(line.as_bytes()).is_ok() {
            self.len += line.len() as u64;
        }
    }
}

fn append_to(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_full_file_is_put_away_and_the_oldest_goes() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("heng.log");
        let mut files = LogFiles::open(&path, 20, 3).expect("a log");
        for number in 0..10 {
            files.write(&format!("line {number:03}\n"));
        }
        assert_eq!(names(folder.path()), ["heng.log", "heng.log.1", "heng.log.2"]);
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("text");
        assert_eq!(read("heng.log"), "line 008\nline 009\n");
        assert_eq!(read("heng.log.2"), "line 004\nline 005\n");
        drop(files);
        // A restart goes on with what is there.
        LogFiles::open(&path, 20, 3).expect("a log").write("line 010\n");
        assert_eq!((read("heng.log"), read("heng.log.1")), ("line 010\n".into(), "line 008\nline 009\n".into()));
    }

    #[test]
    fn one_file_alone_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut files = LogFiles::open(&folder.path().join("l"), 10, 1).expect("a log");
        files.write("12345678\n");
        files.write("abcdefgh\n");
        assert_eq!(names(folder.path()), ["l"]);
        assert_eq!(std::fs::read_to_string(folder.path().join("l")).expect("text"), "abcdefgh\n");
    }
}
