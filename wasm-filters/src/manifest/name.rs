//! Names in a manifest: filters, keys, routes, and what of a request a filter sees.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most bytes of a filter's or a key's name. It becomes a metric label and part of a path.
pub const NAME_BYTES_MAX: usize = 63;

/// Most bytes of a route.
pub const ROUTE_BYTES_MAX: usize = 1024;

/// Most bytes of a header's name.
pub const HEADER_NAME_BYTES_MAX: usize = 128;

/// A filter's name: `[a-z][a-z0-9-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterName(String);

/// Name of a key in the node's key ring: `[a-z][a-z0-9._-]{0,62}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// A path, or a prefix of paths that ends in `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutePattern(String);

/// Something of a request that a filter is given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sight {
    /// The viewer's address.
    Ip,
    /// Where that address is.
    Country,
    /// The `User-Agent` field.
    UserAgent,
    /// The `Referer` field.
    Referer,
    /// The `Origin` field.
    Origin,
    /// The query parameters.
    Query,
    /// A header field, by its name in lower case.
    Header(String),
}

/// A name that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Of a filter.
    #[error(
        "{0:?} is no filter name: a lower-case letter, then at most 62 lower-case letters, digits and hyphens"
    )]
    Filter(String),
    /// Of a key.
    #[error(
        "{0:?} is no key name: a lower-case letter, then at most 62 lower-case letters, digits, dots, hyphens and underscores"
    )]
    Key(String),
    /// Of a route.
    #[error(
        "{0:?} is no route: a path of at most 1024 visible ASCII characters that begins with /, where * may only be the last"
    )]
    Route(String),
    /// Of something to see.
    #[error(
        "{0:?} is nothing to see: ip, country, user-agent, referer, origin, query, or header:<name in lower case>"
    )]
    Sight(String),
}

/// As much of a refused text as an error repeats.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

fn is_name(text: &str, also: &[u8]) -> bool {
    let mut bytes = text.bytes();
    text.len() <= NAME_BYTES_MAX
        && bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || also.contains(&byte))
}

impl FromStr for FilterName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text, b"-") {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Filter(cut(text)))
        }
    }
}

impl FromStr for KeyName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if is_name(text, b"-_.") {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Key(cut(text)))
        }
    }
}

impl FromStr for RoutePattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let body = text.strip_suffix('*').unwrap_or(text);
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'?' | b'#');
        if text.len() <= ROUTE_BYTES_MAX && body.starts_with('/') && body.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Route(cut(text)))
        }
    }
}

impl FromStr for Sight {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        // RFC 9110 5.6.2 (token), without capitals: filters are given names in lower case.
        let token = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
        };
        Ok(match text {
            "ip" => Self::Ip,
            "country" => Self::Country,
            "user-agent" => Self::UserAgent,
            "referer" => Self::Referer,
            "origin" => Self::Origin,
            "query" => Self::Query,
            _ => match text.strip_prefix("header:") {
                Some(name)
                    if (1..=HEADER_NAME_BYTES_MAX).contains(&name.len())
                        && name.bytes().all(token) =>
                {
                    Self::Header(name.to_owned())
                }
                _ => return Err(NameError::Sight(cut(text))),
            },
        })
    }
}

impl RoutePattern {
    /// `/*`: all paths.
    #[must_use]
    pub fn everything() -> Self {
        Self("/*".to_owned())
    }

    /// Whether a path (without query) is one of these.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => path == self.0,
        }
    }
}

impl FilterName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl KeyName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RoutePattern {
    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ip => "ip",
            Self::Country => "country",
            Self::UserAgent => "user-agent",
            Self::Referer => "referer",
            Self::Origin => "origin",
            Self::Query => "query",
            Self::Header(name) => return write!(f, "header:{name}"),
        })
    }
}

impl std::borrow::Borrow<str> for FilterName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for KeyName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

macro_rules! display {
    ($($type:ident),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

macro_rules! as_text {
    ($($type:ident),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

display!(FilterName, KeyName, RoutePattern);
as_text!(FilterName, KeyName, RoutePattern, Sight);
