//! What a child asks of a parent: renditions of one stream, and from where on.

use std::fmt;

use hls::{Msn, PartIndex, RenditionName};
use thiserror::Error;

/// Renditions of one subscription. A ladder has fewer.
pub const RENDITIONS_MAX: usize = 32;

/// The longest query that is looked at, in bytes.
const QUERY_BYTES_MAX: usize = 8 << 10;

/// The parameter that names the renditions.
const PARAMETER: &str = "renditions";

/// The renditions that a child wants. Its `Display` is the query of the subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    wanted: Vec<Wanted>,
}

/// One rendition that a child wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub rendition: RenditionName,
    /// The first Part that the child does not have; `None`: what is made from now on.
    pub from: Option<(Msn, PartIndex)>,
}

/// Why a query names no renditions. Each is the child's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InterestError {
    /// A rendition's name, or the Part behind it, is none; or it is there twice.
    #[error("a rendition is not NAME or NAME:MSN.PART, or is there twice")]
    Rendition,
    /// None are named.
    #[error("?renditions=NAME[:MSN.PART],... is missing")]
    Missing,
    /// There are more than [`RENDITIONS_MAX`], or the query is too long.
    #[error("more than {RENDITIONS_MAX} renditions")]
    TooMany,
}

impl Interest {
    /// Interest in these renditions; those beyond [`RENDITIONS_MAX`] are left out.
    #[must_use]
    pub fn new(wanted: impl IntoIterator<Item = Wanted>) -> Self {
        Self {
            wanted: wanted.into_iter().take(RENDITIONS_MAX).collect(),
        }
    }

    /// Reads a query string, without the `?`. Other parameters are ignored.
    ///
    /// # Errors
    /// See [`InterestError`].
    pub fn parse(query: &str) -> Result<Self, InterestError> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(InterestError::TooMany);
        }
        let list = query
            .split('&')
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| *name == PARAMETER)
            .ok_or(InterestError::Missing)?
            .1;
        let mut wanted: Vec<Wanted> = Vec::new();
        for item in list.split(',') {
            let item = Wanted::parse(item).ok_or(InterestError::Rendition)?;
            if wanted.iter().any(|had| had.rendition == item.rendition) {
                return Err(InterestError::Rendition);
            }
            if wanted.len() == RENDITIONS_MAX {
                return Err(InterestError::TooMany);
            }
            wanted.push(item);
        }
        Ok(Self { wanted })
    }

    /// The renditions, in the order in which they were named.
    #[must_use]
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }
}

impl fmt::Display for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PARAMETER}=")?;
        for (place, wanted) in self.wanted.iter().enumerate() {
            if place > 0 {
                f.write_str(",")?;
            }
            f.write_str(wanted.rendition.as_str())?;
            if let Some((msn, part)) = wanted.from {
                write!(f, ":{msn}.{part}")?;
            }
        }
        Ok(())
    }
}

impl Wanted {
    fn parse(text: &str) -> Option<Self> {
        let (name, from) = match text.split_once(':') {
            Some((name, from)) => (name, Some(from)),
            None => (text, None),
        };
        let from = match from {
            Some(from) => {
                let (msn, part) = from.split_once('.')?;
                Some((Msn::parse(msn)?, PartIndex::parse(part)?))
            }
            None => None,
        };
        Some(Self {
            rendition: RenditionName::new(name).ok()?,
            from,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_and_back() {
        for query in [
            "renditions=720p",
            "renditions=720p:12.3,audio",
            "renditions=a:0.0,b:18446744073709551615.4294967295",
        ] {
            assert_eq!(Interest::parse(query).unwrap().to_string(), query);
        }
        let other = Interest::parse("x=1&renditions=a&renditions=b").unwrap();
        assert_eq!(other.to_string(), "renditions=a");
    }

    #[test]
    fn what_is_no_interest() {
        let many = vec!["a"; RENDITIONS_MAX + 1];
        let many: Vec<_> = many
            .iter()
            .zip(0..)
            .map(|(a, n)| format!("{a}{n}"))
            .collect();
        let many = format!("renditions={}", many.join(","));
        let long = format!("renditions={}", "a,".repeat(QUERY_BYTES_MAX));
        for (query, error) in [
            ("", InterestError::Missing),
            ("rendition=a", InterestError::Missing),
            ("renditions=", InterestError::Rendition),
            ("renditions=a,", InterestError::Rendition),
            ("renditions=a,a:1.2", InterestError::Rendition),
            ("renditions=a%2f", InterestError::Rendition),
            ("renditions=a:", InterestError::Rendition),
            ("renditions=a:1", InterestError::Rendition),
            ("renditions=a:1.x", InterestError::Rendition),
            (many.as_str(), InterestError::TooMany),
            (long.as_str(), InterestError::TooMany),
        ] {
            assert_eq!(Interest::parse(query), Err(error), "{query}");
        }
    }
}
