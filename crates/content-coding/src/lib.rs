//! Content codings of texts that many ask for: which one a client takes (RFC 9110 section 12.5.3),
//! and each made once, however many ask at the same time.
//!
//! It holds no text and no answer. Media does not come here: it does not get smaller.

mod accept;
mod cell;

pub use accept::negotiate;
pub use cell::{Codings, decode_zstd};

/// A content coding that Weir makes, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// The text as it is.
    Identity,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// Its name in `Accept-Encoding` and `Content-Encoding`, and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Identity => "identity",
            Self::Zstd => "zstd",
        }
    }
}
