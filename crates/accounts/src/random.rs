//! Random bytes, digests, and how they are written.

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::error::Error;

/// A SHA-256.
pub(crate) type Digest = [u8; SHA256_OUTPUT_LEN];

pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::unavailable("the system gives no random bytes"))?;
    Ok(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    array(digest(&SHA256, bytes).as_ref())
}

/// The first bytes; zeros where there are none.
pub(crate) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(bytes) {
        *to = *from;
    }
    array
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
