//! Why a transition is refused.

use wasm_filters::manifest::FilterName;

use super::{Changed, REVOCATION_SECONDS_MAX, REVOCATION_VALUE_BYTES_MAX, Rejection};
use crate::wire::{NodeName, VersionRef};

/// Why a transition is refused. The state stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// No version of it was ever pushed.
    #[error("there is no filter {0}")]
    UnknownFilter(FilterName),
    /// Never pushed, or no longer kept.
    #[error("filter {filter} has no version {version}")]
    UnknownVersion {
        /// The filter.
        filter: FilterName,
        /// What was asked for.
        version: VersionRef,
    },
    /// The name is a path of the API.
    #[error("{0} is a word of the API; a filter needs another name")]
    ReservedName(FilterName),
    /// An old push, or the same one twice.
    #[error("serial {serial} was used already: the last one is {last}, the next must be higher")]
    Replayed {
        /// Of the push.
        serial: u64,
        /// Of the last accepted push.
        last: u64,
    },
    /// Somebody else was faster.
    #[error(
        "somebody was faster: {} {} (generation {}); look, then try again",
        .0.by, .0.what, .0.generation
    )]
    Overtaken(Changed),
    /// A node could not make this version ready.
    #[error("node {node} rejected this version at {}: {}", .rejection.stage, .rejection.reason)]
    RejectedByNode {
        /// Which node.
        node: NodeName,
        /// Where and why.
        rejection: Rejection,
    },
    /// A canary and a shadow are compared with the active version.
    #[error("filter {0} has no active version to compare with: activate one for all first")]
    NothingActive(FilterName),
    /// It runs already.
    #[error("that is the active version")]
    AlreadyActive,
    /// The first activation has nothing before it.
    #[error("filter {0} has no version to go back to; it can be disabled")]
    NothingBefore(FilterName),
    /// Outside 1..=100.
    #[error("percent is {0}, and has to be 1 to 100")]
    Percent(u8),
    /// Outside its range.
    #[error("bake_ms is {0}, and has to be 0 to 86400000 (a day)")]
    Bake(u64),
    /// Outside its range.
    #[error("seconds is {0}, and has to be 1 to {REVOCATION_SECONDS_MAX} (30 days)")]
    RevocationSeconds(u64),
    /// Missing, too long, no digest, or there where it says nothing.
    #[error(
        "value has to be 1 to {REVOCATION_VALUE_BYTES_MAX} bytes, the SHA-256 in hexadecimal of a token, \
         and empty for kind \"all\" only"
    )]
    RevocationValue,
    /// A bound of [`super::Limits`].
    #[error("there are {max} {what} already, which is the limit")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}
