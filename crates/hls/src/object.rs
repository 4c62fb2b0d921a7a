//! Names of a rendition's objects, as the URLs carry them.
//!
//! `/live/{stream}/{rendition}/` holds `index.m3u8`, `init-{msn}.mp4`, `{msn}.m4s` (a Segment)
//! and `{msn}.{part}.m4s` (a Part); beside them `iframes.m3u8`, `images.m3u8` and
//! `{msn}.{count}.jpg` (a tile of pictures). No paths and no queries: routing is the server's affair.

use std::fmt;

use thiserror::Error;

use crate::{Msn, PartIndex};

/// The longest rendition name.
pub const RENDITION_NAME_BYTES_MAX: usize = 64;

/// The file name of every playlist, Multivariant and Media.
pub const PLAYLIST_NAME: &str = "index.m3u8";

/// The file name of an I-frame playlist.
pub const I_FRAMES_NAME: &str = "iframes.m3u8";

/// The file name of an image playlist.
pub const IMAGES_NAME: &str = "images.m3u8";

/// The most pictures in one image.
pub const IMAGE_TILES_MAX: u32 = 100;

/// A rendition's name, safe as a path segment and inside a quoted-string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenditionName(String);

impl RenditionName {
    /// Checks a name: 1 to 64 ASCII letters, digits, `_` or `-`.
    ///
    /// # Errors
    /// [`RenditionNameError`] for anything else, so that a name can go unescaped into a URL.
    pub fn new(name: impl Into<String>) -> Result<Self, RenditionNameError> {
        let name = name.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.is_empty() || name.len() > RENDITION_NAME_BYTES_MAX || !name.bytes().all(allowed) {
            return Err(RenditionNameError);
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The Media Playlist's URI as the Multivariant Playlist gives it: `720p/index.m3u8`.
    #[must_use]
    pub fn uri_from_multivariant(&self) -> String {
        format!("{}/{PLAYLIST_NAME}", self.0)
    }

    /// The Media Playlist's URI as a sibling's Rendition Report gives it: `../720p/index.m3u8`.
    #[must_use]
    pub fn uri_from_sibling(&self) -> String {
        format!("../{}/{PLAYLIST_NAME}", self.0)
    }
}

impl fmt::Display for RenditionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A rendition's name is empty, too long or has a character other than letters, digits, `_`, `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a rendition name is 1 to {RENDITION_NAME_BYTES_MAX} ASCII letters, digits, '_' or '-'")]
pub struct RenditionNameError;

/// One object below a rendition's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectName {
    /// `index.m3u8`.
    Playlist,
    /// `init-{msn}.mp4`: the Media Initialization Section in force from that Segment on.
    Init(Msn),
    /// `{msn}.m4s`.
    Segment(Msn),
    /// `{msn}.{part}.m4s`.
    Part(Msn, PartIndex),
    /// `iframes.m3u8`: the I-frames of the Segments (RFC 8216bis 4.4.3.6).
    IFrames,
    /// `images.m3u8`: pictures to seek by.
    Images,
    /// `{msn}.{count}.jpg`: so many pictures, the first of that Segment. A tile that gets another picture
    /// gets another name.
    Image(Msn, u32),
}

impl ObjectName {
    /// Reads a file name; `None` for any other name. Numbers with leading zeros are not names:
    /// one object has exactly one name, else it would be cached twice.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            PLAYLIST_NAME => return Some(Self::Playlist),
            I_FRAMES_NAME => return Some(Self::IFrames),
            IMAGES_NAME => return Some(Self::Images),
            _ => {}
        }
        let object = if let Some(stem) = name.strip_suffix(".jpg") {
            let (msn, count) = stem.split_once('.')?;
            let count = PartIndex::parse(count)?.value();
            (1..=IMAGE_TILES_MAX)
                .contains(&count)
                .then_some(Self::Image(Msn::parse(msn)?, count))?
        } else if let Some(init) = name.strip_prefix("init-") {
            Self::Init(Msn::parse(init.strip_suffix(".mp4")?)?)
        } else {
            let stem = name.strip_suffix(".m4s")?;
            match stem.split_once('.') {
                Some((msn, part)) => Self::Part(Msn::parse(msn)?, PartIndex::parse(part)?),
                None => Self::Segment(Msn::parse(stem)?),
            }
        };
        object.is_spelled(name).then_some(object)
    }

    fn is_spelled(self, name: &str) -> bool {
        // Digits only and no second spelling but leading zeros: comparing lengths would do, but
        // rendering says it without an argument.
        self.to_string() == name
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Playlist => f.write_str(PLAYLIST_NAME),
            Self::Init(msn) => write!(f, "init-{msn}.mp4"),
            Self::Segment(msn) => write!(f, "{msn}.m4s"),
            Self::Part(msn, part) => write!(f, "{msn}.{part}.m4s"),
            Self::IFrames => f.write_str(I_FRAMES_NAME),
            Self::Images => f.write_str(IMAGES_NAME),
            Self::Image(msn, count) => write!(f, "{msn}.{count}.jpg"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for (name, object) in [
            ("index.m3u8", ObjectName::Playlist),
            ("init-7.mp4", ObjectName::Init(Msn::new(7))),
            ("7.m4s", ObjectName::Segment(Msn::new(7))),
            ("7.0.m4s", ObjectName::Part(Msn::new(7), PartIndex::ZERO)),
            ("iframes.m3u8", ObjectName::IFrames),
            ("images.m3u8", ObjectName::Images),
            ("7.6.jpg", ObjectName::Image(Msn::new(7), 6)),
        ] {
            assert_eq!(ObjectName::parse(name), Some(object));
            assert_eq!(object.to_string(), name);
        }
    }

    #[test]
    fn other_spellings_are_no_names() {
        for bad in [
            "",
            ".m4s",
            "7.jpg",
            "7.0.jpg",
            "7.06.jpg",
            "7.101.jpg",
            "07.m4s",
            "7.00.m4s",
            "7.0.0.m4s",
            "init-.mp4",
            "init-7.m4s",
            "7.mp4",
            "7.M4S",
            "+7.m4s",
            "index.m3u8 ",
            "18446744073709551616.m4s",
            "7.4294967296.m4s",
        ] {
            assert_eq!(ObjectName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn rendition_names_are_plain() {
        assert_eq!(
            RenditionName::new("720p").unwrap().uri_from_sibling(),
            "../720p/index.m3u8"
        );
        for bad in ["", ".", "..", "a/b", "a\"b", "a b", "ü", &"x".repeat(65)] {
            assert_eq!(RenditionName::new(bad), Err(RenditionNameError), "{bad}");
        }
    }
}
