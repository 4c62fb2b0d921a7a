//! `[traces]`, the same on every node.

use serde::Deserialize;
use settings::{Invalid, KeyPath};

use super::TracesSettings;

/// `[traces]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracesConfig {
    /// The collector's URL; empty: no traces.
    pub endpoint: String,
    /// Which part of the requests is traced.
    pub sample: f64,
    /// Whether `traceparent` of requests counts.
    pub incoming: bool,
}

impl Default for TracesConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            sample: 0.01,
            incoming: false,
        }
    }
}

impl TracesConfig {
    /// Checks it. `service` and `version` are the binary's, `instance` is the node's name.
    ///
    /// # Errors
    /// The key, and what is wrong.
    pub fn resolve(
        self,
        service: &'static str,
        version: &'static str,
        instance: &str,
    ) -> Result<Option<TracesSettings>, Invalid> {
        let at = |key| KeyPath::new("traces").key(key);
        if !(0.0..=1.0).contains(&self.sample) {
            return Err(Invalid::new(at("sample"), "has to be from 0 to 1"));
        }
        if self.endpoint.is_empty() {
            return Ok(None);
        }
        let url: Result<http::Uri, _> = self.endpoint.parse();
        let is_url = url.is_ok_and(|url| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.host().is_some_and(|host| !host.is_empty())
                && url.query().is_none()
        });
        if !is_url {
            let reason = "has to be the URL of a collector, as in http://localhost:4318";
            return Err(Invalid::new(at("endpoint"), reason));
        }
        Ok(Some(TracesSettings {
            endpoint: self.endpoint,
            share: self.sample,
            incoming: self.incoming,
            service,
            instance: instance.to_owned(),
            version,
        }))
    }
}
