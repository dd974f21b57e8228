//! An answer, printed as one JSON object or as a table for people.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};

/// One value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Amounts are decimal text.
    Text(String),
    /// Counts are numbers.
    Count(i64),
    /// True or false.
    Flag(bool),
    /// There is none.
    Nothing,
    /// Several answers.
    Rows(Vec<Output>),
}

impl<T: Into<Shown>> From<Option<T>> for Shown {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

impl From<String> for Shown {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Named values in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Output(Vec<(&'static str, Shown)>);

impl Output {
    /// With one more value.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Shown>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// The value of this name.
    #[cfg(test)]
    pub(crate) fn get(&self, name: &str) -> Option<&Shown> {
        self.0.iter().find(|(of, _)| *of == name).map(|(_, value)| value)
    }

    /// Writes the answer to stdout.
    pub(crate) fn print(&self, json: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if json {
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)
        } else {
            self.table(&mut out)
        }
    }

    fn table(&self, out: &mut impl Write) -> io::Result<()> {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in &self.0 {
            match value {
                Shown::Rows(rows) => {
                    writeln!(out, "{name} ({}):", rows.len())?;
                    rows.iter().try_for_each(|row| writeln!(out, "  {}", row.line()))?;
                }
                value => writeln!(out, "{name:width$}  {}", value.text())?,
            }
        }
        Ok(())
    }

    fn line(&self) -> String {
        let parts: Vec<String> = self.0.iter().map(|(_, value)| value.text()).filter(|text| !text.is_empty()).collect();
        parts.join("  ")
    }
}

impl Shown {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
            Self::Nothing => "-".to_owned(),
            Self::Rows(rows) => rows.len().to_string(),
        }
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => to.serialize_str(text),
            Self::Count(count) => to.serialize_i64(*count),
            Self::Flag(flag) => to.serialize_bool(*flag),
            Self::Nothing => to.serialize_unit(),
            Self::Rows(rows) => rows.serialize(to),
        }
    }
}

impl Serialize for Output {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
