//! Media Sequence Numbers and Part Indexes: where a Segment or a Part stands in the stream.
//!
//! Only the numbers. What a number means for a request is decided in [`crate::reload`].

use std::fmt;

/// Media Sequence Number: the position of a Segment in the stream, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Msn(u64);

impl Msn {
    /// Wraps a raw number.
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The raw number, as it stands in playlists and in object names.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The number of the following Segment. Saturates: EXT-X-MEDIA-SEQUENCE must never wrap.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The number `count` Segments later. Saturates like [`Msn::next`].
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// How many Segments lie between `earlier` and `self`; 0 when `self` is not later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads a `decimal-integer` (digits only; `None` when empty, signed or above 2^64-1).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_decimal_integer(text).map(Self)
    }
}

impl fmt::Display for Msn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Part Index: the position of a Part within its Segment, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartIndex(u32);

impl PartIndex {
    /// The first Part of a Segment.
    pub const ZERO: Self = Self(0);

    /// Wraps a raw index.
    #[must_use]
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The raw index.
    #[must_use]
    pub const fn value(self) -> u32 {
        self.0
    }

    /// The index of the following Part. Saturates.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Reads a `decimal-integer` (digits only; `None` when empty, signed or above 2^32-1).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_decimal_integer(text)
            .and_then(|value| u32::try_from(value).ok())
            .map(Self)
    }
}

impl fmt::Display for PartIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A `decimal-integer` of RFC 8216bis 4.2: digits only, at most 2^64-1. Stricter than
/// `u64::from_str`, which takes a leading `+`.
pub(crate) fn parse_decimal_integer(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_within_range_parse() {
        assert_eq!(Msn::parse("0"), Some(Msn::new(0)));
        assert_eq!(Msn::parse("007"), Some(Msn::new(7)));
        assert_eq!(Msn::parse("18446744073709551615"), Some(Msn::new(u64::MAX)));
        for bad in [
            "",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1.0",
            "0x1",
            "18446744073709551616",
            "१",
        ] {
            assert_eq!(Msn::parse(bad), None, "{bad}");
        }
        assert_eq!(PartIndex::parse("4294967296"), None);
    }

    #[test]
    fn numbers_never_wrap() {
        assert_eq!(Msn::new(u64::MAX).next(), Msn::new(u64::MAX));
        assert_eq!(PartIndex::new(u32::MAX).next(), PartIndex::new(u32::MAX));
        assert_eq!(Msn::new(3).since(Msn::new(5)), 0);
    }
}
