//! The keys that a response can be purged by: `Surrogate-Key` (separated by spaces) and
//! `Cache-Tag` (by commas).

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName};

/// Keys that are kept of one response; the rest are left out.
pub const SURROGATE_KEYS_MAX: usize = 128;
/// The longest key, in bytes; a longer one is left out.
pub const SURROGATE_KEY_BYTES_MAX: usize = 256;

const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// The keys of a response.
pub fn surrogate_keys(response: &HeaderMap) -> Vec<Arc<str>> {
    let spaced = values(response, &SURROGATE_KEY).flat_map(|text| text.split([' ', '\t']));
    let listed = values(response, &CACHE_TAG).flat_map(|text| text.split(','));
    let mut keys: Vec<Arc<str>> = Vec::new();
    for key in spaced.chain(listed).map(str::trim) {
        let fits = !key.is_empty() && key.len() <= SURROGATE_KEY_BYTES_MAX;
        if fits && keys.len() < SURROGATE_KEYS_MAX && !keys.iter().any(|known| **known == *key) {
            keys.push(key.into());
        }
    }
    keys
}

fn values<'a>(
    response: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> + use<'a> {
    let lines = response.get_all(name).into_iter();
    lines.filter_map(|line| line.to_str().ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn both_fields_are_read_and_bounded() {
        let mut response = HeaderMap::new();
        response.append("surrogate-key", HeaderValue::from_static("a  b/1 a"));
        response.append("cache-tag", HeaderValue::from_static("c, d e,,b/1"));
        let keys = surrogate_keys(&response);
        assert_eq!(
            keys.iter().map(|key| &**key).collect::<Vec<_>>(),
            ["a", "b/1", "c", "d e"]
        );
        let long = "x".repeat(SURROGATE_KEY_BYTES_MAX + 1);
        let many: Vec<String> = (0..500).map(|n| n.to_string()).collect();
        let line = format!("{long} {}", many.join(" "));
        response.insert("surrogate-key", HeaderValue::from_str(&line).unwrap());
        assert_eq!(surrogate_keys(&response).len(), SURROGATE_KEYS_MAX);
    }
}
