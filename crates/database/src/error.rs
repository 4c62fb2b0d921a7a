//! What can go wrong with a database, whatever is kept in it: the operator's concern, never that of
//! whoever asked.

/// Why an operation was not done. After every one of these nothing of it is there, with the one
/// exception that [`Error::Unavailable`] names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More waits already than may (503). Nothing was tried.
    #[error("too much is waiting for the database")]
    Busy,
    /// The database is away, too slow, or broken (503).
    #[error("the database is unavailable: {reason}")]
    Unavailable {
        /// For the log. Not for viewers.
        reason: String,
        /// Whether it may have been done nevertheless.
        unknown: bool,
    },
    /// The disk is full, or the database is read-only (507).
    #[error("the database takes no writes: {reason}")]
    Full {
        /// For the log.
        reason: String,
    },
}

impl Error {
    /// Nothing was committed.
    pub fn unavailable(reason: impl ToString) -> Self {
        Self::Unavailable {
            reason: reason.to_string(),
            unknown: false,
        }
    }

    /// A value that the store never wrote.
    pub fn damaged(what: &'static str) -> Self {
        Self::unavailable(format!("the database holds no valid {what}"))
    }

    /// The status of an HTTP answer (RFC 9110; 507 is of RFC 4918).
    pub fn status(&self) -> u16 {
        match self {
            Self::Busy | Self::Unavailable { .. } => 503,
            Self::Full { .. } => 507,
        }
    }
}

/// Why a database does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the file.
    #[error("{file} is in use by another process")]
    InUse {
        /// The database.
        file: String,
    },
    /// A newer Weir wrote it.
    #[error(
        "the schema of {schema} has version {found}, and this Weir knows {known}: start the newer one"
    )]
    Newer {
        /// Whose it is.
        schema: &'static str,
        /// What is there.
        found: i64,
        /// The last that is known.
        known: i64,
    },
    /// A migration is not the one that was applied.
    #[error("migration {version} of {schema} was applied with another text")]
    Changed {
        /// Whose it is.
        schema: &'static str,
        /// Its number.
        version: i64,
    },
    /// The options are out of range.
    #[error("{0}")]
    Options(&'static str),
    /// The database.
    #[error("{0}")]
    Store(#[from] Error),
    /// The system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Certificates to trust.
    #[error("{0}")]
    Tls(String),
}
