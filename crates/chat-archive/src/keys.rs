//! Master keys, and the key of each file that is derived from them.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::error::{Error, KeyError};
use crate::limits::{KEY_FILE_BYTES_MAX, KEY_ID_BYTES_MAX, KEYS_MAX};

/// Bytes of a master key.
const MASTER_BYTES: usize = 32;
/// Bytes of a file's salt.
pub(crate) const SALT_BYTES: usize = 32;
/// Bytes of an authentication tag.
pub(crate) const TAG_BYTES: usize = 16;
/// Begins the `info` of the derivation; a change of format changes it.
const CONTEXT: &[u8] = b"weir chat-archive 1";
/// Permission bits that nobody but the owner may have.
const MODE_OTHERS: u32 = 0o077;

/// The master keys: the first encrypts, all decrypt.
#[derive(Clone)]
pub struct KeyFile {
    keys: Vec<Master>,
}

#[derive(Clone)]
struct Master {
    id: String,
    key: [u8; MASTER_BYTES],
}

impl KeyFile {
    /// Reads lines of `id base64`; empty ones and those with `#` are left out.
    ///
    /// # Errors
    /// Not such a file, or somebody else may read it.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let file = File::open(path)?;
        // Of the file that was opened, whatever the path has become.
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        if mode & MODE_OTHERS != 0 {
            return Err(KeyError::Mode { mode });
        }
        let mut text = String::new();
        file.take(KEY_FILE_BYTES_MAX + 1)
            .read_to_string(&mut text)?;
        Self::parse(&text)
    }

    /// The same, of text.
    ///
    /// # Errors
    /// Not such a text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > KEY_FILE_BYTES_MAX {
            return Err(KeyError::TooLarge);
        }
        let mut keys: Vec<Master> = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line_number = at + 1;
            let words: Vec<&str> = line.split_whitespace().collect();
            let (id, key) = match *words.as_slice() {
                [] => continue,
                [first, ..] if first.starts_with('#') => continue,
                [id, key] if is_word(id, KEY_ID_BYTES_MAX) => (id, key),
                _ => return Err(KeyError::Line { line: line_number }),
            };
            let key = BASE64_STANDARD.decode(key).ok();
            let key = key.and_then(|key| <[u8; MASTER_BYTES]>::try_from(key).ok());
            let key = key.ok_or(KeyError::Line { line: line_number })?;
            if keys.iter().any(|known| known.id == id) {
                return Err(KeyError::Duplicate { line: line_number });
            }
            let id = id.to_owned();
            keys.push(Master { id, key });
        }
        match keys.len() {
            0 => Err(KeyError::Empty),
            1..=KEYS_MAX => Ok(Self { keys }),
            _ => Err(KeyError::TooLarge),
        }
    }

    /// Id of the key that encrypts.
    pub fn first(&self) -> &str {
        self.keys.first().map_or("", |key| &key.id)
    }

    /// The key of the file with this salt; none if the master key is not there.
    pub(crate) fn derive(&self, id: &str, salt: &[u8], file: &str) -> Option<FileKey> {
        let master = self.keys.iter().find(|key| key.id == id)?;
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&master.key);
        // No name has a zero byte, so that no two files have one `info`.
        let info = [CONTEXT, b"\0", file.as_bytes()];
        let okm = prk.expand(&info, &CHACHA20_POLY1305).ok()?;
        Some(FileKey(LessSafeKey::new(UnboundKey::from(okm))))
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|key| &key.id);
        f.debug_list().entries(ids).finish()
    }
}

/// 1 to `max` of `A-Z a-z 0-9 - _`.
pub(crate) fn is_word(name: &str, max: usize) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=max).contains(&name.len()) && name.bytes().all(is_word)
}

/// Unpredictable bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::Seal)?;
    Ok(bytes)
}

/// What a nonce is for: it begins the nonce, and the index in the file is the rest. So each is
/// used once per key, and each file has its own key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    Header = 0,
    Length = 1,
    Record = 2,
    Seal = 3,
}

/// The key of one file.
#[derive(Debug)]
pub(crate) struct FileKey(LessSafeKey);

impl FileKey {
    /// Encrypts in place, and gives the tag.
    pub(crate) fn seal(
        &self,
        purpose: Purpose,
        index: u64,
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], Error> {
        let nonce = nonce(purpose, index);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(aad), text);
        let tag = tag.map_err(|_| Error::Seal)?;
        tag.as_ref().try_into().map_err(|_| Error::Seal)
    }

    /// Decrypts what has its tag at the end; none if it is not what was sealed.
    pub(crate) fn open<'a>(
        &self,
        purpose: Purpose,
        index: u64,
        aad: &[u8],
        text: &'a mut [u8],
    ) -> Option<&'a [u8]> {
        let nonce = nonce(purpose, index);
        let opened = self.0.open_in_place(nonce, Aad::from(aad), text);
        opened.ok().map(|text| &*text)
    }
}

fn nonce(purpose: Purpose, index: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    let (first, rest) = bytes.split_at_mut(NONCE_LEN - size_of::<u64>());
    first.copy_from_slice(&(purpose as u32).to_le_bytes());
    rest.copy_from_slice(&index.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}
