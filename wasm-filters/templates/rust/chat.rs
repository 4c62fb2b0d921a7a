//! Keeps messages short, and greets who joins.

use std::sync::OnceLock;

use exports::weir::filter::chat::{Guest, Message, Outcome, Verdict};
use exports::weir::filter::lifecycle;
use serde::Deserialize;
use weir::filter::types::{Command, Context, FilterError, Outgoing, Rejection, User};

wit_bindgen::generate!({ path: "wit", world: "filter", generate_all });

struct Filter;
export!(Filter);

/// The manifest's `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    most: usize,
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
    fn on_message(_ctx: Context, message: Message) -> Result<Outcome, FilterError> {
        let most = config()?.most;
        let verdict = if message.text.chars().count() <= most {
            Verdict::Allow
        } else {
            Verdict::Drop(Rejection {
                code: "too-long".to_owned(),
                message: format!("at most {most} characters, please"),
                retry_after_ms: None,
            })
        };
        Ok(Outcome {
            verdict,
            commands: Vec::new(),
        })
    }

    fn on_join(ctx: Context, who: User) -> Result<Vec<Command>, FilterError> {
        // An effect is data: the node carries it out when this call has ended well.
        Ok(vec![Command::Publish(Outgoing {
            room: ctx.room,
            text: format!("Hello {}", who.name),
            to: Some(vec![who.id]),
            kind: "system".to_owned(),
            payload: String::new(),
        })])
    }

    fn on_leave(_ctx: Context, _who: User) -> Result<Vec<Command>, FilterError> {
        Ok(Vec::new())
    }
}
