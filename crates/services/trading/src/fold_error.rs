//! Why an event cannot become rows, in English and Chinese.

use heng_store::StoreError;

/// A word of the view's errors, in English and Chinese.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noun {
    /// English.
    pub english: &'static str,
    /// Chinese.
    pub chinese: &'static str,
}

impl Noun {
    pub(crate) const ORDER: Self = Self::new("order", "委托");
    pub(crate) const ACCOUNT: Self = Self::new("account", "账户");
    pub(crate) const INSTRUMENT: Self = Self::new("instrument", "证券");
    pub(crate) const PARENT: Self = Self::new("parent", "母单");

    pub(crate) const fn new(english: &'static str, chinese: &'static str) -> Self {
        Self { english, chinese }
    }
}

impl std::fmt::Display for Noun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.english)
    }
}

/// Why an event could not become rows.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event names something that no earlier event made.
    #[error("{what} {id} is not in the view")]
    Missing {
        /// What it is.
        what: Noun,
        /// Its id.
        id: u64,
    },
    /// An event's number is not the one that follows from the events before it.
    #[error("{what} of {id}: the event says {told}, the view has {found}")]
    Differs {
        /// Which number.
        what: Noun,
        /// Of what.
        id: u64,
        /// What the event says.
        told: i64,
        /// What the view has.
        found: i64,
    },
}

impl FoldError {
    /// The same in Chinese. What the database says stays as it says it.
    #[must_use]
    pub fn chinese(&self) -> String {
        match self {
            Self::Store(error) => format!("数据库出错：{error}"),
            Self::Missing { what, id } => format!("视图中没有{} {id}", what.chinese),
            Self::Differs { what, id, told, found } => {
                format!("{} {id}：事件为 {told}，视图为 {found}", what.chinese)
            }
        }
    }
}
