//! The text of Segments that will not change any more, so that a playlist costs what is new in it.
//!
//! A Segment's text is settled when its Parts leave the list. It goes on being listed for the rest of
//! the window, some hundred versions of the playlist long.

use super::{Entry, snapshot::segment};
use crate::Msn;

/// Bytes that have left the front before the rest is moved there.
const SLACK_BYTES: usize = 64 * 1024;

/// The settled Segments' text, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Settled {
    text: String,
    /// Where the oldest one that is still listed begins.
    front: usize,
}

impl Settled {
    /// Adds the next Segment; `init` is the Initialization Section of the one before. Returns the length
    /// of its text.
    pub(super) fn push(&mut self, entry: &Entry, mut init: Option<Msn>) -> usize {
        let before = self.text.len();
        self.text.push_str(&segment(entry, &mut init).to_string());
        self.text.len() - before
    }

    /// Takes the oldest Segment away, whose text is so long.
    pub(super) fn pop(&mut self, length: usize) {
        self.front = (self.front + length).min(self.text.len());
        if self.front >= SLACK_BYTES && self.front * 2 >= self.text.len() {
            self.text.drain(..self.front);
            self.front = 0;
        }
    }

    /// The newest so many bytes: whole Segments, if the caller adds up lengths.
    pub(super) fn last(&self, length: usize) -> &str {
        let from = self.text.len().saturating_sub(length).max(self.front);
        self.text.get(from..).unwrap_or_default()
    }

    /// All of it.
    pub(super) fn all(&self) -> &str {
        self.text.get(self.front..).unwrap_or_default()
    }
}
