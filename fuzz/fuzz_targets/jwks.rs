//! A JWK set: refused, or keys that are public, bounded in number, and the same when written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

use keys::jwk::{Algorithm, KID_BYTES_MAX};
use keys::jwks::{JWKS_BYTES_MAX, JWKS_KEYS_MAX, KeySet};

// By path: the crate brings a compiler with it, which would take minutes to instrument.
#[path = "../../wasm-filters/src/keys"]
#[expect(dead_code, reason = "the rest of the crate uses it")]
mod keys {
    pub mod jwk;
    pub mod jwks;
    pub mod jwt;
    pub mod secrets;
    pub mod strict;
}

fn names(set: &KeySet) -> Vec<(Option<&str>, Algorithm)> {
    (set.keys().iter())
        .map(|key| (key.kid(), key.algorithm()))
        .collect()
}

fuzz_target!(|json: &[u8]| {
    let Ok(set) = KeySet::parse(json) else {
        return;
    };
    assert!(json.len() <= JWKS_BYTES_MAX);
    assert!(!set.keys().is_empty());
    assert!(set.keys().len() + set.ignored().len() <= JWKS_KEYS_MAX);
    for key in set.keys() {
        assert_ne!(key.algorithm(), Algorithm::Hs256);
        assert!(key.kid().is_none_or(|kid| kid.len() <= KID_BYTES_MAX));
        // Nobody signed this.
        assert!(!key.verify(b"message", &[0; 64]));
        assert!(!key.verify(b"message", &[]));
    }
    let document: Value = serde_json::from_slice(json).expect("JSON");
    let values = document["keys"].as_array().expect("an array");
    assert_eq!(values.len(), set.keys().len() + set.ignored().len());
    for (index, value) in values.iter().enumerate() {
        let ignored = set.ignored().iter().any(|key| key.index == index);
        let private = value.get("d").or(value.get("k"));
        assert!(ignored || private.is_none_or(Value::is_null));
    }
    let again = KeySet::parse(document.to_string().as_bytes()).expect("the same set");
    assert_eq!(names(&again), names(&set));
});
