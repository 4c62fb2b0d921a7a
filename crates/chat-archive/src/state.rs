//! What the archive knows besides its segments: who was erased, and which deletions are applied.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::disk;
use crate::error::Error;
use crate::header::{HEADER_BYTES, Header};
use crate::keys::{KeyFile, Purpose, random};
use crate::limits::{STATE_BYTES_MAX, TOMBSTONES_MAX};

/// The file, and what names it in errors. No segment is called so.
const FILE: &str = "state";

/// As it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    hash_key: String,
    tombstones: BTreeMap<String, Tombstone>,
    settled: BTreeMap<String, u64>,
}

/// An erasure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    /// What the user did up to then is erased.
    pub(crate) until_ms: u64,
    /// Whether it is gone from all segments of that time.
    pub(crate) is_done: bool,
}

impl Tombstone {
    fn is_over(&self, before_ms: u64) -> bool {
        self.is_done && self.until_ms < before_ms
    }
}

/// Who was erased: keyed hashes.
#[derive(Clone, Debug)]
pub(crate) struct Tombstones {
    key: hmac::Key,
    by_hash: BTreeMap<String, Tombstone>,
}

impl Tombstones {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether what the user did at that time is to be gone.
    pub(crate) fn takes(&self, user: &str, at_ms: u64) -> bool {
        if self.by_hash.is_empty() {
            return false;
        }
        let tombstone = self.by_hash.get(&self.hash(user));
        tombstone.is_some_and(|tombstone| at_ms <= tombstone.until_ms)
    }

    pub(crate) fn insert(&mut self, user: &str, until_ms: u64) {
        while self.by_hash.len() >= TOMBSTONES_MAX {
            let oldest = self.by_hash.iter().min_by_key(|(_, it)| it.until_ms);
            let Some(oldest) = oldest.map(|(hash, _)| hash.clone()) else {
                break;
            };
            self.by_hash.remove(&oldest);
        }
        let hash = self.hash(user);
        let known = self.by_hash.get(&hash).map_or(0, |it| it.until_ms);
        let until_ms = until_ms.max(known);
        let tombstone = Tombstone {
            until_ms,
            is_done: false,
        };
        self.by_hash.insert(hash, tombstone);
    }

    /// The user's is done, unless a later one came.
    pub(crate) fn done(&mut self, user: &str, until_ms: u64) {
        let hash = self.hash(user);
        if let Some(tombstone) = self.by_hash.get_mut(&hash) {
            tombstone.is_done |= tombstone.until_ms <= until_ms;
        }
    }

    /// Those that were `seen` are done.
    pub(crate) fn all_done(&mut self, seen: &Self) {
        for (hash, tombstone) in &mut self.by_hash {
            let seen = seen.by_hash.get(hash);
            tombstone.is_done |= seen.is_some_and(|seen| tombstone.until_ms <= seen.until_ms);
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.by_hash.values().all(|it| it.is_done)
    }

    /// Forgets those of before a time: there is nothing left that they could take.
    pub(crate) fn forget(&mut self, before_ms: u64) {
        self.by_hash.retain(|_, it| !it.is_over(before_ms));
    }

    /// Whether there are any to be forgotten.
    pub(crate) fn has_before(&self, before_ms: u64) -> bool {
        self.by_hash.values().any(|it| it.is_over(before_ms))
    }

    fn hash(&self, user: &str) -> String {
        BASE64_STANDARD.encode(hmac::sign(&self.key, user.as_bytes()))
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct State {
    hash_key: [u8; 32],
    pub(crate) tombstones: Tombstones,
    /// Deletions in segments of a room before this number are applied to all of them.
    pub(crate) settled: BTreeMap<String, u64>,
}

impl State {
    /// Of a new archive.
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self::of(random()?, BTreeMap::new(), BTreeMap::new()))
    }

    fn of(
        hash_key: [u8; 32],
        by_hash: BTreeMap<String, Tombstone>,
        settled: BTreeMap<String, u64>,
    ) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &hash_key);
        Self {
            hash_key,
            tombstones: Tombstones { key, by_hash },
            settled,
        }
    }

    /// None if there is none.
    pub(crate) fn load(directory: &Path, keys: &KeyFile) -> Result<Option<Self>, Error> {
        let path = directory.join(FILE);
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(Error::io("open", &path))?,
        };
        let mut bytes = Vec::new();
        let read = file.take(STATE_BYTES_MAX).read_to_end(&mut bytes);
        read.map_err(Error::io("read", &path))?;
        let tampered = || Error::Tampered {
            file: FILE.to_owned(),
            record: 0,
        };
        let (header, _) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or_else(tampered)?;
        let header = Header::open(*header, keys, FILE)?;
        let text = bytes.get_mut(HEADER_BYTES..).unwrap_or_default();
        let opened = header.key.open(Purpose::Record, 0, FILE.as_bytes(), text);
        let stored = serde_json::from_slice::<Stored>(opened.ok_or_else(tampered)?);
        let stored = stored.map_err(|_| tampered())?;
        let hash_key = BASE64_STANDARD.decode(stored.hash_key).ok();
        let hash_key = hash_key.and_then(|key| key.try_into().ok());
        let hash_key = hash_key.ok_or_else(tampered)?;
        Ok(Some(Self::of(hash_key, stored.tombstones, stored.settled)))
    }

    /// Puts it in the place of what was there, durably, under the first key.
    pub(crate) fn save(&self, directory: &Path, keys: &KeyFile) -> Result<(), Error> {
        let path = directory.join(FILE);
        let stored = Stored {
            hash_key: BASE64_STANDARD.encode(self.hash_key),
            tombstones: self.tombstones.by_hash.clone(),
            settled: self.settled.clone(),
        };
        let mut text = serde_json::to_vec(&stored).map_err(|_| Error::Seal)?;
        let header = Header::new(keys, FILE)?;
        let aad = FILE.as_bytes();
        let tag = header.key.seal(Purpose::Record, 0, aad, &mut text)?;
        let file = disk::unfinished(directory)?;
        disk::write(file.as_file(), &header.bytes)
            .and_then(|()| disk::write(file.as_file(), &text))
            .and_then(|()| disk::write(file.as_file(), &tag))
            .and_then(|()| file.as_file().sync_all())
            .map_err(Error::io("write", &path))?;
        let kept = file.persist(&path).map_err(|error| error.error);
        kept.map_err(Error::io("write", &path))?;
        disk::sync_directory(directory)
    }
}
