//! One version of a playlist, and its coded forms.

use bytes::Bytes;
use content_coding::{Coding, Codings};

/// A playlist as it is at one moment. Whoever is answered with this version shares it, and so it is
/// compressed at most once in each coding: outside the stream's lock, when it is first asked for.
#[derive(Debug)]
pub struct PlaylistText {
    plain: Bytes,
    codings: Codings,
}

impl PlaylistText {
    /// A version that nobody has asked for yet.
    pub fn new(text: String) -> Self {
        Self {
            plain: Bytes::from(text),
            codings: Codings::default(),
        }
    }

    /// The text itself.
    pub fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// The text in `coding`, and the coding that it is in: identity where nothing is gained. `made`
    /// is called if it had to be made.
    pub fn coded(&self, coding: Coding, made: impl FnOnce()) -> (Bytes, Coding) {
        match self.codings.coded(&self.plain, coding, made) {
            Some(coded) => (coded, coding),
            None => (self.plain.clone(), Coding::Identity),
        }
    }
}
