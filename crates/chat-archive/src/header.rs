//! The beginning of each file: which key, and the salt.

use crate::error::Error;
use crate::keys::{FileKey, KeyFile, Purpose, SALT_BYTES, TAG_BYTES, is_word, random};
use crate::limits::KEY_ID_BYTES_MAX;

/// Names the format and its version.
const MAGIC: [u8; 8] = *b"WEIRCA\x00\x01";
const SALT_AT: usize = MAGIC.len() + KEY_ID_BYTES_MAX;
const TAG_AT: usize = SALT_AT + SALT_BYTES;
/// Magic, id of the key (zeros behind it), salt, tag.
pub(crate) const HEADER_BYTES: usize = TAG_AT + TAG_BYTES;

/// A header, and what follows from it.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) bytes: [u8; HEADER_BYTES],
    pub(crate) key: FileKey,
    pub(crate) key_id: String,
}

impl Header {
    /// Of a new file, under the first key.
    pub(crate) fn new(keys: &KeyFile, file: &str) -> Result<Self, Error> {
        let salt: [u8; SALT_BYTES] = random()?;
        let key_id = keys.first().to_owned();
        let mut head = Vec::with_capacity(HEADER_BYTES);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(key_id.as_bytes());
        head.resize(SALT_AT, 0);
        head.extend_from_slice(&salt);
        let key = keys.derive(&key_id, &salt, file).ok_or(Error::Seal)?;
        let tag = key.seal(Purpose::Header, 0, &head, &mut [])?;
        head.extend_from_slice(&tag);
        let bytes = head.try_into().map_err(|_| Error::Seal)?;
        Ok(Self { bytes, key, key_id })
    }

    /// Of a file that is there.
    pub(crate) fn open(
        bytes: [u8; HEADER_BYTES],
        keys: &KeyFile,
        file: &str,
    ) -> Result<Self, Error> {
        let tampered = || Error::Tampered {
            file: file.to_owned(),
            record: 0,
        };
        let (head, tag) = bytes.split_at(TAG_AT);
        let (magic, rest) = head.split_at(MAGIC.len());
        let (id, salt) = rest.split_at(KEY_ID_BYTES_MAX);
        let end = id.iter().position(|byte| *byte == 0).unwrap_or(id.len());
        let (id, zeros) = id.split_at(end);
        let id = std::str::from_utf8(id).map_err(|_| tampered())?;
        let is_ours = magic == MAGIC && zeros.iter().all(|byte| *byte == 0);
        if !is_ours || !is_word(id, KEY_ID_BYTES_MAX) {
            return Err(tampered());
        }
        let unknown = || Error::KeyUnknown {
            file: file.to_owned(),
            key: id.to_owned(),
        };
        let key = keys.derive(id, salt, file).ok_or_else(unknown)?;
        let mut tag = tag.to_vec();
        let opened = key.open(Purpose::Header, 0, head, &mut tag);
        opened.ok_or_else(tampered)?;
        let key_id = id.to_owned();
        Ok(Self { bytes, key, key_id })
    }
}
