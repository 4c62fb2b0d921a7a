//! Says who may do what.

use std::sync::OnceLock;

use exports::weir::filter::auth::{Decision, Grant, Guest, Request};
use exports::weir::filter::lifecycle;
use serde::Deserialize;
use weir::filter::types::{Context, FilterError, Roles, User};

wit_bindgen::generate!({ path: "wit", world: "filter", generate_all });

struct Filter;
export!(Filter);

/// The manifest's `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    open_streams: Vec<String>,
    cache_ms: u32,
}

static CONFIG: OnceLock<Config> = OnceLock::new();

impl lifecycle::Guest for Filter {
    fn describe() -> lifecycle::FilterInfo {
        lifecycle::FilterInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: String::new(),
        }
    }

    /// Called once for each instance, before all else. An error refuses the version.
    fn configure(document: String) -> Result<(), String> {
        let config = serde_json::from_str(&document).map_err(|error| error.to_string())?;
        CONFIG
            .set(config)
            .map_err(|_| "configured twice".to_owned())
    }
}

fn config() -> Result<&'static Config, FilterError> {
    CONFIG
        .get()
        .ok_or_else(|| FilterError::Internal("not configured".to_owned()))
}

impl Guest for Filter {
    fn authorize(_ctx: Context, request: Request) -> Result<Decision, FilterError> {
        let config = config()?;
        if !config.open_streams.contains(&request.stream) {
            // No opinion: the next filter is asked. When all pass, the answer is no.
            return Ok(Decision::Pass);
        }
        Ok(Decision::Allow(Grant {
            user: User {
                id: "guest".to_owned(),
                name: "Guest".to_owned(),
                roles: Roles::empty(),
                level: 0,
                attrs: Vec::new(),
            },
            stream: None,
            expires_at_ms: None,
            cache_ms: config.cache_ms,
            accepted: None,
            attrs: Vec::new(),
        }))
    }
}
