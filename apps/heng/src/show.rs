//! What the commands print: model values as JSON, whole answers, and what to do if nobody takes them.

use std::io::{ErrorKind, Write as _};

use anyhow::Context as _;
use heng_model::wire::Value;

/// The JSON form of a value.
#[must_use]
pub fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Unsigned(number) => (*number).into(),
        Value::Signed(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::List(items) => items.iter().map(json).collect::<Vec<_>>().into(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), json(value)));
            serde_json::Value::Object(fields.collect())
        }
    }
}

/// Writes a whole answer to stdout.
///
/// # Errors
/// If stdout takes no more.
pub(crate) fn say(answer: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(answer.as_bytes()).and_then(|()| out.flush()).context("write the answer")
}

/// Whether the error says no more than that whoever read our output has enough, as `head` and `grep -m1` do.
pub(crate) fn reader_has_enough(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let kind = cause
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind)
            .or_else(|| cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind));
        kind == Some(ErrorKind::BrokenPipe)
    })
}

/// An error and its causes on one line. Many errors tell their cause themselves; it is not told twice.
pub(crate) fn story(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |told, cause| {
        let cause = cause.to_string();
        match told.as_str() {
            "" => cause,
            told if told.ends_with(&cause) => told.to_owned(),
            told => format!("{told}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    #[test]
    fn an_error_tells_each_cause_once() {
        let twice = anyhow!("full").context("write F: full").context("stop");
        assert_eq!(super::story(&twice), "stop: write F: full");
        assert_eq!(super::story(&anyhow!("a").context("b").context("c")), "c: b: a");
    }
}
