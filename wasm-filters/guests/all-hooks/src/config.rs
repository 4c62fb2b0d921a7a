//! What `configure` takes.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Everything is optional.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Which version this is, in the answers.
    pub(crate) label: String,
    /// Who a credential belongs to.
    pub(crate) tokens: BTreeMap<String, String>,
    /// Of all answers that can be kept.
    pub(crate) cache_ms: u32,
    /// Whether it panics over answers.
    pub(crate) broken: bool,
    /// Where nobody may be.
    pub(crate) blocked_countries: Vec<String>,
    /// Messages with one of these are dropped.
    pub(crate) words: Vec<String>,
    /// The key that `!mac` and `!jwt` name.
    pub(crate) key: String,
    /// Prices of gifts, by item.
    pub(crate) prices: BTreeMap<String, u64>,
    /// Of a gift's price, for the house.
    pub(crate) house_percent: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            label: "v1".to_owned(),
            tokens: BTreeMap::new(),
            cache_ms: 0,
            broken: false,
            blocked_countries: vec![],
            words: vec![],
            key: "test".to_owned(),
            prices: BTreeMap::new(),
            house_percent: 30,
        }
    }
}
