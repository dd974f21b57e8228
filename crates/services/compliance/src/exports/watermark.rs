//! The mark that cannot be seen. Where a file can say the same in two ways, the key of the export chooses; whoever knows
//! the key can tell afterwards whether a text follows its choices.
//!
//! Two choices are made: between the two separators of an instant that RFC 3339 permits (`T` or a blank), by the instant
//! alone; and whether a cell that needs no quotes has some, by the first cell of its row and itself. The first outlives
//! that lines and columns are taken away, turned round, or saved again by a program that treats instants as text; the
//! second outlives it that lines are taken away or turned round. Neither outlives it that a text is typed again in
//! another form, nor that somebody who has two exports of the same rows levels their differences.

use std::collections::BTreeSet;

use heng_security::provider::{MessageDigest as _, Sha256};

use super::file::needs_quotes;

/// Bytes of a text that is looked at at most.
pub(crate) const TEXT_MAX: usize = 48_000;
/// Choices of one kind that are looked at at most.
const SEEN_MAX: usize = 1_000;
/// Choices below which nothing is said.
const SEEN_MIN: u64 = 50;
/// Standard deviations by which the matches must exceed those of chance: about one in 10^12.
const DEVIATIONS: u64 = 7;

/// What an instant begins with, up to its fraction, and where its separator is.
const BEGIN: &[u8; 20] = b"dddd-dd-dd?dd:dd:dd.";
const SEPARATOR: usize = 10;
/// What it ends with.
const END: &[u8] = b"+08:00";
/// Digits of its fraction, from milliseconds to nanoseconds.
const FRACTION: std::ops::RangeInclusive<usize> = 3..=9;

/// The key of an export's mark.
#[derive(Clone)]
pub(crate) struct Mark([u8; 32]);

/// Choices that a text shows. Each counts once.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Instants, with whether a blank stands in them.
    times: BTreeSet<(String, bool)>,
    /// First cell of the row and the cell, with whether it has quotes.
    cells: BTreeSet<(String, String, bool)>,
}

/// How well a text follows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) matches: u64,
    pub(crate) of: u64,
}

impl Found {
    /// Whether chance cannot be the reason.
    const fn is_certain(self) -> bool {
        let (twice, of) = (2 * self.matches, self.of);
        of >= SEEN_MIN && twice > of && (twice - of) * (twice - of) >= DEVIATIONS * DEVIATIONS * of
    }
}

impl Seen {
    /// How many choices there are.
    pub(crate) fn len(&self) -> usize {
        self.times.len() + self.cells.len()
    }
}

/// The instant that `text` begins with, with `T` in it, and whether a blank stood there.
fn instant(text: &[u8]) -> Option<(String, bool)> {
    let begin = text.get(..BEGIN.len())?;
    let fits = begin.iter().zip(BEGIN).all(|(byte, form)| match form {
        b'd' => byte.is_ascii_digit(),
        b'?' => matches!(byte, b'T' | b' '),
        form => byte == form,
    });
    let rest = &text[BEGIN.len()..];
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !fits || !FRACTION.contains(&digits) || !rest[digits..].starts_with(END) {
        return None;
    }
    let whole = &text[..BEGIN.len() + digits + END.len()];
    let plain: String = whole.iter().map(|byte| char::from(*byte)).collect();
    Some((plain.replace(' ', "T"), whole[SEPARATOR] == b' '))
}

/// The instant that a cell is, and nothing besides.
fn whole_instant(cell: &str) -> Option<(String, bool)> {
    instant(cell.as_bytes()).filter(|(plain, _)| plain.len() == cell.len())
}

impl Mark {
    pub(crate) fn of(key: &[u8]) -> Option<Self> {
        key.try_into().ok().map(Self)
    }

    /// A choice. The key stands on both sides, so that nobody goes on from a hash that they know.
    fn choice(&self, about: &[u8], parts: [&str; 2]) -> bool {
        let lengths = parts.map(|part| (part.len() as u64).to_le_bytes());
        let [first, second] = parts.map(str::as_bytes);
        Sha256.digest(&[&self.0, about, &lengths[0], first, &lengths[1], second, &self.0])[0] & 1 == 1
    }

    fn blank(&self, instant: &str) -> bool {
        self.choice(b"time", [instant, ""])
    }

    /// The cell as this export writes it, if it is an instant; else as it is.
    pub(super) fn time(&self, cell: &str) -> String {
        match whole_instant(cell) {
            Some((plain, _)) if self.blank(&plain) => plain.replace('T', " "),
            Some((plain, _)) => plain,
            None => cell.to_owned(),
        }
    }

    /// Whether this export puts quotes around a cell that needs none.
    pub(super) fn quotes(&self, first: &str, cell: &str) -> bool {
        self.choice(b"cell", [first, cell])
    }

    /// How well a text follows this key; none = no better than chance.
    pub(crate) fn judge(&self, seen: &Seen) -> Option<Found> {
        let count = |matches: usize, of: usize| Found { matches: matches as u64, of: of as u64 };
        let times = seen.times.iter().filter(|(instant, blank)| self.blank(instant) == *blank).count();
        let cells = seen.cells.iter().filter(|(first, cell, quoted)| self.quotes(first, cell) == *quoted).count();
        let (times, cells) = (count(times, seen.times.len()), count(cells, seen.cells.len()));
        let both = Found { matches: times.matches + cells.matches, of: times.of + cells.of };
        // A text that was saved again has lost one kind of choice, and must not lose the other by it.
        [both, times, cells].into_iter().find(|found| found.is_certain())
    }
}

/// A cell of a line, with whether quotes stood around it.
type Cell = (String, bool);

/// The rows of a text in CSV, read with patience: it may begin and end anywhere.
fn read_rows(text: &str) -> Vec<Vec<Cell>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut inside, mut quoted) = (false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if inside && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' if inside => inside = false,
            '"' if cell.is_empty() => (inside, quoted) = (true, true),
            ',' if !inside => row.push((std::mem::take(&mut cell), std::mem::take(&mut quoted))),
            '\n' if !inside => {
                row.push((std::mem::take(&mut cell), std::mem::take(&mut quoted)));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !inside => {}
            letter => cell.push(letter),
        }
    }
    row.push((cell, quoted));
    rows.push(row);
    rows
}

/// The choices that a text shows.
pub(crate) fn observe(text: &str) -> Seen {
    let mut seen = Seen::default();
    let text = text.trim_start_matches('\u{feff}');
    let notice = |line: &&str| !line.trim_start_matches('"').starts_with('#');
    let lines: Vec<&str> = text.lines().filter(notice).collect();
    for line in &lines {
        for at in 0..line.len() {
            if seen.times.len() < SEEN_MAX
                && let Some(time) = instant(&line.as_bytes()[at..])
            {
                seen.times.insert(time);
            }
        }
    }
    for row in read_rows(&lines.join("\n")) {
        let Some((first, _)) = row.first().cloned() else { continue };
        for (cell, quoted) in row {
            let plain = match whole_instant(&cell) {
                Some((plain, _)) => plain,
                None => cell,
            };
            if !needs_quotes(&plain) && seen.cells.len() < SEEN_MAX {
                seen.cells.insert((first.clone(), plain, quoted));
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::super::file::CsvFile;
    use super::super::rows::ExportRow;
    use super::*;

    fn mark(key: u8) -> Mark {
        Mark::of(&[key; 32]).expect("32 bytes")
    }

    fn rows(count: u32) -> Vec<Vec<String>> {
        // Services write milliseconds or nanoseconds.
        let fraction = |n: u32| if n.is_multiple_of(2) { format!("{:03}", n % 997) } else { format!("{:09}", n * 7) };
        let time = |n: u32| format!("2026-07-06T09:{:02}:{:02}.{}+08:00", n / 60 % 60, n % 60, fraction(n));
        let row =
            |n: u32| vec![n.to_string(), time(n), "alice, bob".into(), "user.created".into(), format!("p:{}", n % 9)];
        (1..=count).map(row).collect()
    }

    fn file(key: u8, count: u32) -> String {
        let mut file = CsvFile::begin(&ExportRow::default(), mark(key), &["id", "at", "detail", "action", "on"]);
        rows(count).iter().for_each(|row| file.put(row));
        String::from_utf8(file.end()).expect("UTF-8")
    }

    /// Which of the keys 1 to 200 a text is found to follow.
    fn found(text: &str) -> Vec<u8> {
        let seen = observe(text);
        (1..=200).filter(|key| mark(*key).judge(&seen).is_some()).collect()
    }

    /// Saved again by a program that puts quotes where they are needed alone.
    fn saved_again(text: &str) -> String {
        let cell =
            |(cell, _): Cell| if needs_quotes(&cell) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell };
        let line = |row: Vec<Cell>| row.into_iter().map(cell).collect::<Vec<_>>().join(",");
        read_rows(text).into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_whole_file_names_its_export_and_no_other() {
        assert_eq!(found(&file(7, 300)), [7]);
        assert_eq!(found(&file(8, 300)), [8]);
    }

    #[test]
    fn the_mark_outlives_what_people_do_to_files() {
        let text = file(7, 300);
        let body: Vec<&str> =
            text.lines().filter(|line| !line.starts_with("\"#") && !line.starts_with("id,")).collect();
        assert_eq!(found(&body.join("\n")), [7], "without head and foot");
        assert_eq!(found(&body[100..140].join("\r\n")), [7], "forty lines of it");
        let mut turned: Vec<&str> = body.iter().copied().step_by(3).collect();
        turned.reverse();
        assert_eq!(found(&turned.join("\n")), [7], "every third line, turned round");
        assert_eq!(found(&saved_again(&text)), [7], "saved again without our quotes");
        let times: Vec<String> =
            body.iter().map(|line| line.split(',').nth(1).expect("a time").replace('"', "")).collect();
        assert_eq!(found(&times.join(";")), [7], "one column alone, in another form");
        let half: Vec<String> = body
            .iter()
            .enumerate()
            .map(|(n, line)| if n % 4 == 0 { line.replace(' ', "T") } else { (*line).to_owned() })
            .collect();
        assert_eq!(found(&half.join("\n")), [7], "a quarter of it levelled");
    }

    #[test]
    fn nothing_is_said_of_what_shows_too_little() {
        assert_eq!(found(&file(7, 8)), Vec::<u8>::new());
        assert_eq!(found(""), Vec::<u8>::new());
        let plain: Vec<String> = rows(300).iter().map(|row| row.join(";")).collect();
        assert_eq!(found(&plain.join("\n")), Vec::<u8>::new(), "the same rows without a mark");
    }

    #[test]
    fn two_halves_of_two_files_name_both() {
        let (first, second) = (file(7, 400), file(9, 400));
        let mixed: Vec<&str> = first.lines().take(200).chain(second.lines().skip(205)).collect();
        assert_eq!(found(&mixed.join("\n")), [7, 9]);
    }

    #[test]
    fn odd_texts_are_read_to_their_end() {
        for text in ["\"", "\"\"\"", ",,,", "a\"b\"c", "\u{feff}#", "2026-07-06", "é2026-07-06T09:15:00.123+08:0é"] {
            observe(text);
        }
    }
}
