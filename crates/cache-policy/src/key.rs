//! The cache key: the normalised path and, for a playlist, its delivery directives.
//!
//! Every other query parameter (tokens, CMCD, cache busters) is left out, so that all viewers of
//! an object share one entry and one request to the parent.

use std::fmt;
use std::sync::Arc;

use http::{StatusCode, Uri};

/// The longest path accepted, in bytes. Weir's own paths stay below 200.
pub const PATH_BYTES_MAX: usize = 1024;

/// The longest value of a delivery directive, in bytes: the digits of `u64::MAX`.
pub const DIRECTIVE_BYTES_MAX: usize = 20;

/// The directives that are part of the key, in the order RFC 8216bis 6.2.5 asks of clients.
const DIRECTIVES: [&str; 3] = ["_HLS_msn", "_HLS_part", "_HLS_skip"];

/// Only a playlist takes delivery directives (RFC 8216bis 6.2.5). On any other object they
/// would let a viewer split one entry into as many as he likes.
const PLAYLIST_SUFFIX: &str = ".m3u8";

/// Identifies one stored object.
///
/// Its text is also the request target to ask the parent for: ask with anything else of the
/// viewer's and two different objects could end up under one key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CacheKey {
    text: Arc<str>,
    path_len: usize,
}

/// Why a request target has no cache key. Each is the viewer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A `%` without two hexadecimal digits after it.
    #[error("the path has a broken percent escape")]
    BadEscape,
    /// A delivery directive that is empty, too long, or not letters and digits.
    #[error("a delivery directive has no usable value")]
    Directive,
    /// A segment that is `.` or `..`, escaped or not.
    #[error("the path has a dot segment")]
    DotSegment,
    /// A directive that appears twice.
    #[error("a delivery directive appears twice")]
    DuplicateDirective,
    /// Two slashes in a row.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `%2F` or a backslash, escaped or not: servers disagree on whether it separates segments.
    #[error("the path has an escaped separator")]
    EncodedSlash,
    /// A byte that no path may hold, escaped or not.
    #[error("the path has a byte that is not allowed")]
    InvalidByte,
    /// The path does not start with a slash.
    #[error("the path is not absolute")]
    NotAbsolute,
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("the path is too long")]
    TooLong,
}

impl CacheKey {
    /// Makes the key of a request target given as its path and its query, without the `?`.
    pub fn new(path: &str, query: Option<&str>) -> Result<Self, KeyError> {
        let mut text = normalise_path(path)?;
        let path_len = text.len();
        if text.ends_with(PLAYLIST_SUFFIX)
            && let Some(query) = query
        {
            append_directives(&mut text, query)?;
        }
        Ok(Self {
            text: text.into(),
            path_len,
        })
    }

    /// Makes the key of a request's URI; its authority is left out.
    pub fn from_uri(uri: &Uri) -> Result<Self, KeyError> {
        Self::new(uri.path(), uri.query())
    }

    /// The whole key: path, and `?` with the directives if there are any.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The normalised path.
    pub fn path(&self) -> &str {
        self.text.get(..self.path_len).unwrap_or_default()
    }

    /// The directives, sorted, without the `?`; `None` if there are none.
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path_len + 1..)
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl KeyError {
    /// The status to answer with.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::TooLong => StatusCode::URI_TOO_LONG,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// RFC 3986 6.2.2: escapes of unreserved characters are undone, the others written in capitals.
fn normalise_path(path: &str) -> Result<String, KeyError> {
    if path.len() > PATH_BYTES_MAX {
        return Err(KeyError::TooLong);
    }
    let segments = path.strip_prefix('/').ok_or(KeyError::NotAbsolute)?;
    let mut text = String::with_capacity(path.len());
    let mut rest = segments.split('/').peekable();
    while let Some(segment) = rest.next() {
        text.push('/');
        let start = text.len();
        append_segment(&mut text, segment)?;
        match text.get(start..) {
            Some("." | "..") => return Err(KeyError::DotSegment),
            // The last one may be empty: a trailing slash.
            Some("") if rest.peek().is_some() => return Err(KeyError::EmptySegment),
            _ => {}
        }
    }
    Ok(text)
}

fn append_segment(text: &mut String, segment: &str) -> Result<(), KeyError> {
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            match byte {
                b'\\' => return Err(KeyError::EncodedSlash),
                _ if is_pchar(byte) => text.push(char::from(byte)),
                _ => return Err(KeyError::InvalidByte),
            }
            continue;
        }
        let (Some(high), Some(low)) = (
            bytes.next().and_then(hex_value),
            bytes.next().and_then(hex_value),
        ) else {
            return Err(KeyError::BadEscape);
        };
        match high << 4 | low {
            b'/' | b'\\' => return Err(KeyError::EncodedSlash),
            byte if byte.is_ascii_control() => return Err(KeyError::InvalidByte),
            byte if is_unreserved(byte) => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(())
}

fn append_directives(text: &mut String, query: &str) -> Result<(), KeyError> {
    let mut values = [None; DIRECTIVES.len()];
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        for (known, slot) in DIRECTIVES.iter().zip(&mut values) {
            if *known != name {
                continue;
            }
            if slot.replace(directive_value(value)?).is_some() {
                return Err(KeyError::DuplicateDirective);
            }
        }
    }
    let mut separator = '?';
    for (name, value) in DIRECTIVES.iter().zip(values) {
        if let Some(value) = value {
            text.push(separator);
            text.push_str(name);
            text.push('=');
            text.push_str(value);
            separator = '&';
        }
    }
    Ok(())
}

/// One spelling per number: leading zeros go.
fn directive_value(value: &str) -> Result<&str, KeyError> {
    let usable = (1..=DIRECTIVE_BYTES_MAX).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !usable {
        return Err(KeyError::Directive);
    }
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(value);
    }
    match value.trim_start_matches('0') {
        "" => Ok("0"),
        digits => Ok(digits),
    }
}

fn hex_value(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// RFC 3986 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 3.3, without the escape.
fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(
            byte,
            b'!' | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'@'
        )
}

#[cfg(test)]
mod tests;
