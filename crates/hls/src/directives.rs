//! Delivery Directives: the `_HLS_*` query parameters of a playlist request.
//!
//! Parses and spells them; whether a request can be answered is [`crate::reload`]'s to say.

use std::fmt;

use thiserror::Error;

use crate::{Msn, PartIndex};

/// The longest query that is looked at.
pub const QUERY_BYTES_MAX: usize = 8 * 1024;

/// The directives of one playlist request (RFC 8216bis 6.2.5).
///
/// Its `Display` is the canonical query string, in the UTF-8 order the draft asks for and with
/// every other parameter dropped. That makes it fit for a cache key: two requests with the same
/// text want the same bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeliveryDirectives {
    block_until: Option<BlockUntil>,
    skip: Option<Skip>,
}

/// What a Blocking Playlist Reload waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockUntil {
    /// `_HLS_msn` alone: the complete Segment, or a later one.
    Segment(Msn),
    /// `_HLS_msn` and `_HLS_part`: that Part, or a later one.
    Part(Msn, PartIndex),
}

impl BlockUntil {
    /// The Media Sequence Number asked for.
    #[must_use]
    pub const fn msn(self) -> Msn {
        match self {
            Self::Segment(msn) | Self::Part(msn, _) => msn,
        }
    }
}

/// `_HLS_skip`: the client takes a Playlist Delta Update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// `YES`: Segments may be skipped.
    Yes,
    /// `v2`: EXT-X-DATERANGE tags may be skipped as well.
    V2,
}

impl Skip {
    /// The directive's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "YES",
            Self::V2 => "v2",
        }
    }
}

/// Why a query is refused. Each is the client's fault: see [`DirectiveError::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DirectiveError {
    /// A directive is given twice. Which one counts would depend on who reads it.
    #[error("{0} is given more than once")]
    Duplicate(&'static str),
    /// `_HLS_msn` is not an integer between 0 and 2^64-1.
    #[error("_HLS_msn is not a decimal integer")]
    Msn,
    /// `_HLS_part` is not an integer between 0 and 2^32-1.
    #[error("_HLS_part is not a decimal integer")]
    Part,
    /// `_HLS_part` without `_HLS_msn`, which the draft says MUST be refused.
    #[error("_HLS_part needs _HLS_msn")]
    PartWithoutMsn,
    /// The query is longer than [`QUERY_BYTES_MAX`].
    #[error("the query is longer than {QUERY_BYTES_MAX} bytes")]
    QueryTooLong,
    /// `_HLS_skip` is neither `YES` nor `v2`.
    #[error("_HLS_skip is neither YES nor v2")]
    Skip,
}

impl DirectiveError {
    /// The HTTP status to answer with.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Duplicate(_) | Self::Msn | Self::Part | Self::PartWithoutMsn | Self::Skip => 400,
            Self::QueryTooLong => 414,
        }
    }

    /// A short label for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate(_) => "duplicate_directive",
            Self::Msn => "bad_msn",
            Self::Part => "bad_part",
            Self::PartWithoutMsn => "part_without_msn",
            Self::QueryTooLong => "query_too_long",
            Self::Skip => "bad_skip",
        }
    }
}

const MSN: &str = "_HLS_msn";
const PART: &str = "_HLS_part";
const SKIP: &str = "_HLS_skip";

impl DeliveryDirectives {
    /// Directives from their parts.
    #[must_use]
    pub const fn new(block_until: Option<BlockUntil>, skip: Option<Skip>) -> Self {
        Self { block_until, skip }
    }

    /// Reads a query string (without the `?`), as it came: nothing is percent-decoded, because
    /// no directive needs it and a second spelling would be a second cache key. Parameters that
    /// are no directives of ours, other `_HLS_*` ones included, are ignored.
    ///
    /// # Errors
    /// [`DirectiveError`] for a malformed or repeated directive.
    pub fn parse(query: &str) -> Result<Self, DirectiveError> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(DirectiveError::QueryTooLong);
        }
        let (mut msn, mut part, mut skip) = (None, None, None);
        for parameter in query.split('&') {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match key {
                MSN => set_once(&mut msn, MSN, Msn::parse(value).ok_or(DirectiveError::Msn)?)?,
                PART => {
                    let index = PartIndex::parse(value).ok_or(DirectiveError::Part)?;
                    set_once(&mut part, PART, index)?;
                }
                SKIP => set_once(&mut skip, SKIP, parse_skip(value)?)?,
                _ => {}
            }
        }
        let block_until = match (msn, part) {
            (Some(msn), Some(part)) => Some(BlockUntil::Part(msn, part)),
            (Some(msn), None) => Some(BlockUntil::Segment(msn)),
            (None, Some(_)) => return Err(DirectiveError::PartWithoutMsn),
            (None, None) => None,
        };
        Ok(Self { block_until, skip })
    }

    /// What the request waits for, if it is a Blocking Playlist Reload.
    #[must_use]
    pub const fn block_until(&self) -> Option<BlockUntil> {
        self.block_until
    }

    /// Whether the client takes a Playlist Delta Update.
    #[must_use]
    pub const fn skip(&self) -> Option<Skip> {
        self.skip
    }

    /// True for a plain request, whose canonical query is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.block_until.is_none() && self.skip.is_none()
    }
}

impl fmt::Display for DeliveryDirectives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.block_until {
            Some(BlockUntil::Segment(msn)) => write!(f, "{MSN}={msn}")?,
            Some(BlockUntil::Part(msn, part)) => write!(f, "{MSN}={msn}&{PART}={part}")?,
            None => {}
        }
        match self.skip {
            Some(skip) if self.block_until.is_some() => write!(f, "&{SKIP}={}", skip.as_str()),
            Some(skip) => write!(f, "{SKIP}={}", skip.as_str()),
            None => Ok(()),
        }
    }
}

fn parse_skip(value: &str) -> Result<Skip, DirectiveError> {
    match value {
        "YES" => Ok(Skip::Yes),
        "v2" => Ok(Skip::V2),
        _ => Err(DirectiveError::Skip),
    }
}

fn set_once<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), DirectiveError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(DirectiveError::Duplicate(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, canonical: &str) {
        let directives = DeliveryDirectives::parse(query).unwrap();
        assert_eq!(directives.to_string(), canonical);
        assert_eq!(DeliveryDirectives::parse(canonical), Ok(directives));
    }

    #[track_caller]
    fn check_error(query: &str, error: DirectiveError) {
        assert_eq!(DeliveryDirectives::parse(query), Err(error));
    }

    #[test]
    fn canonical_form_is_sorted_and_bare() {
        check("", "");
        check("token=abc&CMCD=br%3D1", "");
        check("_HLS_msn=5", "_HLS_msn=5");
        check(
            "_HLS_skip=YES&_HLS_part=1&x=y&_HLS_msn=005",
            "_HLS_msn=5&_HLS_part=1&_HLS_skip=YES",
        );
        check("_HLS_skip=v2", "_HLS_skip=v2");
        check("_HLS_report=1&_HLS_start_offset=3", "");
        check("&&=&_hls_msn=x", "");
    }

    #[test]
    fn part_needs_msn() {
        check_error("_HLS_part=0", DirectiveError::PartWithoutMsn);
        assert_eq!(DirectiveError::PartWithoutMsn.status(), 400);
    }

    #[test]
    fn only_integers_in_range() {
        for bad in [
            "",
            "-1",
            "+1",
            "1.5",
            "a",
            "%31",
            "18446744073709551616",
            "1 ",
        ] {
            check_error(&format!("_HLS_msn={bad}"), DirectiveError::Msn);
            check_error(&format!("_HLS_msn=1&_HLS_part={bad}"), DirectiveError::Part);
        }
        check_error("_HLS_msn", DirectiveError::Msn);
        check_error("_HLS_msn=1&_HLS_part=4294967296", DirectiveError::Part);
        for bad in ["", "yes", "NO", "v3"] {
            check_error(&format!("_HLS_skip={bad}"), DirectiveError::Skip);
        }
    }

    #[test]
    fn duplicates_are_refused_even_when_equal() {
        check_error("_HLS_msn=1&_HLS_msn=1", DirectiveError::Duplicate(MSN));
        check_error(
            "_HLS_msn=1&_HLS_part=1&_HLS_part=2",
            DirectiveError::Duplicate(PART),
        );
        check_error(
            "_HLS_skip=YES&_HLS_skip=v2",
            DirectiveError::Duplicate(SKIP),
        );
    }

    #[test]
    fn long_queries_are_not_read() {
        check_error(
            &"a".repeat(QUERY_BYTES_MAX + 1),
            DirectiveError::QueryTooLong,
        );
        assert_eq!(DirectiveError::QueryTooLong.status(), 414);
    }
}
