//! A request target gives an error, or a key that is its own key and a usable request target.
#![no_main]

use cache_policy::{CacheKey, PATH_BYTES_MAX};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|target: &str| {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let Ok(key) = CacheKey::new(path, query) else {
        return;
    };
    assert!(key.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(key.path().len() <= PATH_BYTES_MAX);
    assert!(
        !key.path()
            .split('/')
            .any(|segment| matches!(segment, "." | ".."))
    );
    assert_eq!(CacheKey::new(key.path(), key.query()), Ok(key.clone()));
    // The key is what the parent is asked for: adding to the query must not change it.
    let more = format!("{}&token=x", key.query().unwrap_or_default());
    assert_eq!(CacheKey::new(key.path(), Some(&more)), Ok(key));
});
