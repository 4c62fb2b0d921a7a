//! A well-behaved filter with all hooks, which answers as its configuration says.
//!
//! Words in chat messages that begin with `!` ask it to use one thing of the host each, and it
//! answers with the text of the message: see [`chat::answer`].

mod chat;
mod config;
mod gifts;

use std::sync::OnceLock;

use exports::weir::filter::{auth, http, lifecycle};
use weir::filter::types::{Attr, ClientInfo, Context, FilterError, Rejection, Roles, User};

use config::Config;

wit_bindgen::generate!({ path: "../../wit", world: "any-filter" });

struct AllHooks;
export!(AllHooks);

static CONFIG: OnceLock<Config> = OnceLock::new();

/// The configuration. An instance that was never configured is the host's mistake.
fn config() -> Result<&'static Config, FilterError> {
    CONFIG
        .get()
        .ok_or_else(|| FilterError::Internal("not configured".to_owned()))
}

impl lifecycle::Guest for AllHooks {
    fn describe() -> lifecycle::FilterInfo {
        lifecycle::FilterInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
        }
    }

    fn configure(document: String) -> Result<(), String> {
        let config: Config = serde_json::from_str(&document).map_err(|error| error.to_string())?;
        CONFIG
            .set(config)
            .map_err(|_| "configured twice".to_owned())
    }
}

impl auth::Guest for AllHooks {
    fn authorize(_: Context, request: auth::Request) -> Result<auth::Decision, FilterError> {
        let config = config()?;
        for (index, credential) in request.credentials.iter().enumerate() {
            let Some(user) = config.tokens.get(&credential.value) else {
                continue;
            };
            return Ok(auth::Decision::Allow(auth::Grant {
                user: User {
                    id: user.clone(),
                    name: user.to_uppercase(),
                    roles: Roles::SUBSCRIBER,
                    level: 1,
                    attrs: vec![Attr {
                        key: "label".to_owned(),
                        value: config.label.clone(),
                    }],
                },
                stream: (request.action == auth::Action::Publish).then(|| format!("{user}-live")),
                expires_at_ms: None,
                cache_ms: config.cache_ms,
                accepted: u32::try_from(index).ok(),
                attrs: vec![],
            }));
        }
        if seen(&request.client, config) {
            return Ok(auth::Decision::Redirect("/blocked".to_owned()));
        }
        if request.credentials.is_empty() {
            return Ok(auth::Decision::Pass);
        }
        Ok(auth::Decision::Deny(Rejection {
            code: "bad-token".to_owned(),
            message: format!("{} does not know you", config.label),
            retry_after_ms: None,
        }))
    }
}

/// Whether the viewer is where the configuration says nobody may be.
fn seen(client: &ClientInfo, config: &Config) -> bool {
    client
        .country
        .as_ref()
        .is_some_and(|country| config.blocked_countries.contains(country))
}

impl http::Guest for AllHooks {
    fn on_request(_: Context, request: http::Request) -> Result<http::RequestOutcome, FilterError> {
        let config = config()?;
        let action = if let Some(path) = request.path.strip_prefix("/old/") {
            http::RequestAction::Modify(http::RequestEdit {
                path: Some(format!("/{path}")),
                query: None,
                set_headers: vec![attr("x-filter", &config.label)],
                remove_headers: vec!["x-remove".to_owned()],
            })
        } else if seen(&request.client, config) {
            http::RequestAction::Respond(http::Reply {
                status: 451,
                headers: vec![attr("content-type", "text/plain")],
                body: b"not where you are\n".to_vec(),
            })
        } else {
            http::RequestAction::Next
        };
        let cache_ms = config.cache_ms;
        Ok(http::RequestOutcome { action, cache_ms })
    }

    fn on_response(
        _: Context,
        _: http::Request,
        response: http::ResponseHead,
    ) -> Result<http::ResponseOutcome, FilterError> {
        let config = config()?;
        assert!(!config.broken, "asked to be broken");
        let action = if response.status == 200 {
            http::ResponseAction::Modify(http::ResponseEdit {
                set_headers: vec![attr("x-filter", &config.label)],
                remove_headers: vec!["server".to_owned()],
            })
        } else {
            http::ResponseAction::Next
        };
        let cache_ms = config.cache_ms;
        Ok(http::ResponseOutcome { action, cache_ms })
    }
}

fn attr(key: &str, value: &str) -> Attr {
    Attr {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}
