//! The node's key ring, as configured; sets of keys at a URL are read again and again.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use settings::Secret;
use wasm_filters::keys::{
    JWKS_BYTES_MAX, JwksSource, Key, KeyRing, RefreshOptions, Secrets, refresh_jwks,
};
use wasm_filters::manifest::KeyName;

use crate::config::{KeySource, PLAYBACK_KEY};

/// A set of keys that could not be renewed for so many times its interval is given up: 12 times the
/// default of five minutes is an hour.
const STALE_INTERVALS: u32 = 12;
/// For one reading of a set of keys, in all.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The key's own material.
    #[error("{name}: {reason}")]
    Key {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A set of keys in a file.
    #[error("{name}: {}: {reason}", path.display())]
    File {
        /// Its name.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The client that fetches sets of keys.
    #[error("no client for jwks_url: {0}")]
    Client(#[from] reqwest::Error),
}

/// What [`PLAYBACK_KEY`] stands for, checked.
#[derive(Clone, Debug)]
pub struct PlaybackKey(pub(super) KeyName, pub(super) Option<Key>);

/// The key that these secrets make; none makes none.
///
/// # Errors
/// A secret that is too short, or too many of them.
pub fn playback_key(given: &[Secret]) -> Result<PlaybackKey, KeysError> {
    let name = KeyName::from_str(PLAYBACK_KEY).map_err(|error| KeysError::Key {
        name: PLAYBACK_KEY.to_owned(),
        reason: error.to_string(),
    })?;
    let key = match given {
        [] => None,
        given => Some(secrets(PLAYBACK_KEY, given)?),
    };
    Ok(PlaybackKey(name, key))
}

/// The ring of these keys. Sets at a URL are empty until [`keep_fresh`] has read them.
pub(super) fn ring(
    keys: &[(String, KeySource)],
    playback: &[Secret],
) -> Result<Arc<KeyRing>, KeysError> {
    let mut ring = Vec::with_capacity(keys.len() + 1);
    let PlaybackKey(name, key) = playback_key(playback)?;
    ring.extend(key.map(|key| (name, key)));
    for (name, source) in keys {
        let key = match source {
            KeySource::Secrets(given) => secrets(name, given)?,
            KeySource::JwksFile(path) => Key::Jwks(Arc::new(read(name, path)?)),
            KeySource::JwksUrl(..) => Key::Jwks(Arc::new(JwksSource::new())),
        };
        ring.push(named(name, key)?);
    }
    Ok(Arc::new(KeyRing::new(ring)))
}

/// Reads the sets at URLs now and again, for as long as the runtime runs.
pub(super) fn keep_fresh(ring: &KeyRing, keys: &[(String, KeySource)]) -> Result<(), KeysError> {
    let sources = ring.jwks();
    let source_of = |name: &str| {
        let found = sources.iter().find(|(known, _)| known == name);
        found.map(|(_, source)| Arc::clone(source))
    };
    let urls = keys.iter().filter_map(|(name, source)| match source {
        KeySource::JwksUrl(url, every) => Some((name, url, *every)),
        _ => None,
    });
    for (name, url, every) in urls {
        let Some(source) = source_of(name) else {
            continue;
        };
        let options = RefreshOptions::new(every, every * STALE_INTERVALS);
        let options = options.map_err(|error| KeysError::Key {
            name: name.clone(),
            reason: error.to_string(),
        })?;
        let client = reqwest::Client::builder().timeout(FETCH_TIMEOUT).build()?;
        let url = url.clone();
        tokio::spawn(refresh_jwks(source, options, move || {
            fetch(client.clone(), url.clone())
        }));
    }
    Ok(())
}

fn secrets(name: &str, given: &[Secret]) -> Result<Key, KeysError> {
    let secrets = Secrets::new(given.iter().map(|secret| secret.expose().as_bytes()));
    secrets.map(Key::Secrets).map_err(|error| KeysError::Key {
        name: name.to_owned(),
        reason: error.to_string(),
    })
}

fn named(name: &str, key: Key) -> Result<(KeyName, Key), KeysError> {
    let parsed = KeyName::from_str(name).map_err(|error| KeysError::Key {
        name: name.to_owned(),
        reason: error.to_string(),
    })?;
    Ok((parsed, key))
}

fn read(name: &str, path: &Path) -> Result<JwksSource, KeysError> {
    let wrong = |reason: String| KeysError::File {
        name: name.to_owned(),
        path: path.to_owned(),
        reason,
    };
    let json = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    JwksSource::fixed(&json).map_err(|error| wrong(error.to_string()))
}

async fn fetch(client: reqwest::Client, url: String) -> Result<Bytes, reqwest::Error> {
    let mut response = client.get(&url).send().await?.error_for_status()?;
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        // The source refuses what is larger, and says so.
        if body.len() > JWKS_BYTES_MAX {
            break;
        }
    }
    Ok(body.freeze())
}
