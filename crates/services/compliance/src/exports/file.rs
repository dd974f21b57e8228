//! The file of an export: CSV (RFC 4180) in UTF-8, with a mark in head and foot that people read, and the one in its rows
//! that they do not.

use heng_model::UnixNanos;
use heng_security::evidence::hex;
use heng_security::provider::{MessageDigest as _, Sha256, Sm3};
use heng_transport::instant_text;

use super::rows::ExportRow;
use super::watermark::Mark;

/// What tells spreadsheet programs that the text is UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A file as it grows.
pub(super) struct CsvFile {
    bytes: Vec<u8>,
    mark: Mark,
    notice: Vec<String>,
}

/// Whether a spreadsheet program could take the cell for a formula. Numbers with a sign are none.
fn is_formula(text: &str) -> bool {
    let number = |text: &str| {
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) && !number(text)
}

/// The cell as it may stand in a file: no formula, no control characters but line breaks.
pub(super) fn harmless(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c });
    let quote = if is_formula(text) { "'" } else { "" };
    quote.chars().chain(plain).collect()
}

/// Whether CSV asks for quotes around it.
pub(super) fn needs_quotes(text: &str) -> bool {
    text.contains([',', '"', '\n', '\r']) || text.starts_with([' ', '#']) || text.ends_with(' ') || text.is_empty()
}

/// The notice of an export, in both languages.
fn notice(row: &ExportRow) -> Vec<String> {
    let at = |nanos: Option<i64>| nanos.map(|nanos| instant_text(UnixNanos(nanos))).unwrap_or_default();
    let (number, kind, reason) = (row.number, &row.kind, row.reason.replace(char::is_control, " "));
    let asked = format!("{} ({})", row.requested_by, row.requested_as);
    let approved = format!("{} ({})", row.decided_by.unwrap_or_default(), row.decided_as);
    let (data, chinese) = if row.masked { ("masked", "已脱敏") } else { ("plain", "未脱敏") };
    vec![
        format!(
            "# Export {number}: {kind}, personal data {data}. Asked for by {asked}, approved by {approved} at {}. \
             Purpose: {reason}. For whoever asked for it alone; this file can be traced.",
            at(row.decided_at)
        ),
        format!(
            "# 导出 {number}：{kind}，个人信息{chinese}。申请人 {asked}，审批人 {approved}，审批时间 {}。用途：{reason}。\
             仅供申请人使用，本文件可溯源。",
            at(row.decided_at)
        ),
    ]
}

impl CsvFile {
    /// Begins the file: notice and names of the columns.
    pub(super) fn begin(row: &ExportRow, mark: Mark, columns: &[&str]) -> Self {
        let bytes = if row.bom { BOM.to_vec() } else { Vec::new() };
        let mut file = Self { bytes, mark, notice: notice(row) };
        file.put_notice();
        file.bytes.extend_from_slice(columns.join(",").as_bytes());
        file.bytes.extend_from_slice(b"\r\n");
        file
    }

    fn put_notice(&mut self) {
        for line in self.notice.clone() {
            self.put_quoted(&line);
            self.bytes.extend_from_slice(b"\r\n");
        }
    }

    fn put_quoted(&mut self, text: &str) {
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        self.bytes.push(b'"');
    }

    /// Puts a row behind the others.
    pub(super) fn put(&mut self, row: &[String]) {
        let cells: Vec<String> = row.iter().map(|cell| harmless(cell)).collect();
        let first = cells.first().cloned().unwrap_or_default();
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                self.bytes.push(b',');
            }
            if needs_quotes(cell) || self.mark.quotes(&first, cell) {
                self.put_quoted(&self.mark.time(cell));
            } else {
                self.bytes.extend_from_slice(self.mark.time(cell).as_bytes());
            }
        }
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Ends the file with the notice.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.put_notice();
        self.bytes
    }
}

/// SHA-256 and SM3 of a file, hexadecimal.
pub(super) fn hashes(bytes: &[u8]) -> (String, String) {
    (hex(&Sha256.digest(&[bytes])), hex(&Sm3.digest(&[bytes])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "＝1", "-", "+"] {
            assert!(harmless(text).starts_with('\''), "{text}");
        }
        for text in ["-12.50", "+8", "17", "a=b", "2026-07-06"] {
            assert_eq!(harmless(text), text);
        }
        assert_eq!(harmless("a\u{0}b\nc"), "a b\nc");
    }

    #[test]
    fn the_file_is_read_back_by_any_reader_of_csv() {
        let row = ExportRow { number: 7, kind: "audit".into(), reason: "a \"b\"\n=c".into(), ..ExportRow::default() };
        let mark = Mark::of(&[5; 32]).expect("32 bytes");
        let mut file = CsvFile::begin(&ExportRow { bom: true, ..row }, mark, &["id", "text"]);
        file.put(&["1".into(), "a,\"b\"\r\nc".into()]);
        file.put(&["2".into(), String::new()]);
        let bytes = file.end();
        let text = std::str::from_utf8(bytes.strip_prefix(BOM).expect("a mark of UTF-8")).expect("UTF-8");
        assert!(text.starts_with("\"# Export 7: audit, personal data plain."), "{text}");
        assert!(text.contains("Purpose: a \"\"b\"\" =c.") && text.contains("导出 7"), "{text}");
        assert!(text.contains("\"a,\"\"b\"\" \nc\"\r\n"), "{text}");
        assert_eq!(text.matches("# Export 7").count(), 2);
    }
}
