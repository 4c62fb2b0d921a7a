//! Adds a field to answers.

use std::sync::OnceLock;

use exports::weir::filter::http::{
    Guest, Request, RequestAction, RequestOutcome, ResponseAction, ResponseEdit, ResponseHead,
    ResponseOutcome,
};
use exports::weir::filter::lifecycle;
use serde::Deserialize;
use weir::filter::types::{Attr, Context, FilterError};

wit_bindgen::generate!({ path: "wit", world: "filter", generate_all });

struct Filter;
export!(Filter);

/// For so long a node may do the same by itself, in milliseconds.
const CACHE_MS: u32 = 60_000;

/// The manifest's `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    greeting: String,
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
    /// Called when `hooks` in filter.toml names `http.request`.
    fn on_request(_ctx: Context, _request: Request) -> Result<RequestOutcome, FilterError> {
        Ok(RequestOutcome {
            action: RequestAction::Next,
            cache_ms: CACHE_MS,
        })
    }

    fn on_response(
        _ctx: Context,
        _request: Request,
        _response: ResponseHead,
    ) -> Result<ResponseOutcome, FilterError> {
        let greeting = Attr {
            key: "x-greeting".to_owned(),
            value: config()?.greeting.clone(),
        };
        let edit = ResponseEdit {
            set_headers: vec![greeting],
            remove_headers: Vec::new(),
        };
        Ok(ResponseOutcome {
            action: ResponseAction::Modify(edit),
            cache_ms: CACHE_MS,
        })
    }
}
