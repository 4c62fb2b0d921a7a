//! `cases/keys.json`: the keys that a filter finds while its cases run.
//!
//! ```json
//! { "playback": { "secrets": ["at least thirty-two bytes of secret"] },
//!   "accounts": { "jwks": { "keys": [] } } }
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use wasm_filters::keys::{JwksSource, Key, KeyRing, Secrets};
use wasm_filters::manifest::KeyName;

use crate::failure::Failure;

/// Its name; not a file of cases.
pub(crate) const FILE: &str = "keys.json";

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeyText {
    /// Of HMACs and of tokens with HS256; the first one signs.
    Secrets(Vec<String>),
    /// A JWK set.
    Jwks(Value),
}

/// Reads the keys; none where there is no file.
///
/// # Errors
/// It cannot be read, or a key in it is none.
pub(super) fn read(path: &Path) -> Result<KeyRing, Failure> {
    let named = |reason: String| Failure::failed(format!("{}: {reason}", path.display()));
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(KeyRing::default()),
        text => text.map_err(|error| named(error.to_string()))?,
    };
    parse(&text).map_err(named)
}

fn parse(text: &[u8]) -> Result<KeyRing, String> {
    let keys: BTreeMap<KeyName, KeyText> =
        serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let keys = keys.into_iter().map(|(name, key)| {
        let key = match key {
            KeyText::Secrets(secrets) => {
                Key::Secrets(Secrets::new(secrets).map_err(|error| format!("{name}: {error}"))?)
            }
            KeyText::Jwks(set) => {
                let set = JwksSource::fixed(set.to_string().as_bytes());
                Key::Jwks(Arc::new(set.map_err(|error| format!("{name}: {error}"))?))
            }
        };
        Ok((name, key))
    });
    let keys = keys.collect::<Result<Vec<_>, String>>()?;
    Ok(KeyRing::new(keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_both_kinds() {
        let secret = "0123456789abcdef0123456789abcdef";
        let ring = parse(format!(r#"{{"playback": {{"secrets": ["{secret}"]}}}}"#).as_bytes());
        assert!(ring.unwrap().contains("playback"));
        let short = parse(br#"{"playback": {"secrets": ["short"]}}"#).unwrap_err();
        assert!(short.starts_with("playback: "), "{short}");
        assert!(parse(br#"{"Bad Name": {"secrets": []}}"#).is_err());
        assert!(parse(br#"{"a": {"password": "x"}}"#).is_err());
        assert!(
            !read(Path::new("/no/such/keys.json"))
                .unwrap()
                .contains("playback")
        );
    }
}
