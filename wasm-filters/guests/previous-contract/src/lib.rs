//! A filter that was built against version 1.0.0 of the contract, and is not built anew.
//!
//! It uses an interface of each kind, so that a change that breaks such filters breaks a test.

use exports::weir::filter::{auth, chat, gifts, http, lifecycle};
use weir::filter::types::{Command, Context, FilterError, Rejection, Roles, User};
use weir::filter::{crypto, kv, log};

wit_bindgen::generate!({ path: "../../wit/frozen/1.0.0.wit", world: "any-filter" });

struct Previous;
export!(Previous);

impl lifecycle::Guest for Previous {
    fn describe() -> lifecycle::FilterInfo {
        lifecycle::FilterInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
        }
    }

    fn configure(_: String) -> Result<(), String> {
        Ok(())
    }
}

impl auth::Guest for Previous {
    fn authorize(_: Context, request: auth::Request) -> Result<auth::Decision, FilterError> {
        Ok(auth::Decision::Allow(auth::Grant {
            user: User {
                id: request.stream,
                name: String::new(),
                roles: Roles::VIP | Roles::MUTED,
                level: 3,
                attrs: vec![],
            },
            stream: None,
            expires_at_ms: Some(4_000_000_000_000),
            cache_ms: 5,
            accepted: None,
            attrs: vec![],
        }))
    }
}

impl chat::Guest for Previous {
    fn on_message(_: Context, message: chat::Message) -> Result<chat::Outcome, FilterError> {
        let count = kv::add(&message.sender.id, 1, Some(60_000))
            .map_err(|error| FilterError::Unavailable(format!("{error:?}")))?;
        log::log(log::Level::Info, &format!("message {count}"));
        let digest = crypto::sha256(message.text.as_bytes());
        Ok(chat::Outcome {
            verdict: chat::Verdict::Hold(format!("{count}: {} bytes", digest.len())),
            commands: vec![Command::SlowMode(250)],
        })
    }

    fn on_join(_: Context, _: User) -> Result<Vec<Command>, FilterError> {
        Ok(vec![])
    }

    fn on_leave(_: Context, _: User) -> Result<Vec<Command>, FilterError> {
        Ok(vec![])
    }
}

impl gifts::Guest for Previous {
    fn catalog(_: Context, _: User) -> Result<Vec<gifts::Item>, FilterError> {
        Ok(vec![])
    }

    fn on_gift(_: Context, gift: gifts::Gift) -> Result<gifts::Decision, FilterError> {
        Ok(gifts::Decision::Reject(Rejection {
            code: "sold-out".to_owned(),
            message: gift.item,
            retry_after_ms: Some(1000),
        }))
    }
}

impl http::Guest for Previous {
    fn on_request(_: Context, _: http::Request) -> Result<http::RequestOutcome, FilterError> {
        Ok(http::RequestOutcome {
            action: http::RequestAction::Next,
            cache_ms: 1,
        })
    }

    fn on_response(
        _: Context,
        _: http::Request,
        _: http::ResponseHead,
    ) -> Result<http::ResponseOutcome, FilterError> {
        Ok(http::ResponseOutcome {
            action: http::ResponseAction::Next,
            cache_ms: 1,
        })
    }
}
