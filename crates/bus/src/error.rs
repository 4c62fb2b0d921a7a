//! Why a bus cannot be made at all.

use std::path::PathBuf;

/// A bus that cannot be made. Whether anybody is reachable is no part of that: a bus is made while
/// the other side is away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// A file that the options name cannot be used.
    #[error("{path}: {reason}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The metrics are registered already.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// An option is outside its range; says which, and what it may be.
    #[error("{0}")]
    Options(String),
    /// TLS cannot be configured.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// Checks an option against its range.
pub(crate) fn in_range<T: PartialOrd + std::fmt::Debug>(
    name: &str,
    value: T,
    min: T,
    max: T,
) -> Result<(), BusError> {
    if value >= min && value <= max {
        return Ok(());
    }
    let reason = format!("{name} is {value:?}, and has to be from {min:?} to {max:?}");
    Err(BusError::Options(reason))
}
