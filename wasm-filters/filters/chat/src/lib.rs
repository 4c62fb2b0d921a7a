//! The rules of a room's chat, and moderation by command.
//!
//! `rules` says in which order a message is asked what; each of these is about one thing:
//!
//! * `settings`: the operator's, and those that a room changes while it is live;
//! * `text`: invisible characters, heaps of marks, emotes; `fold` and `words`: lists of words, by
//!   how they look; `links`; `mentions`;
//! * `memory`: slow mode, flood control and unique messages, in the node's `kv`;
//! * `commands`: what moderators type; `refusal`: what an author is told.

mod commands;
mod fold;
mod links;
mod memory;
mod mentions;
mod refusal;
mod rules;
mod settings;
mod text;
mod words;

use std::cell::OnceCell;

use exports::weir::filter::chat::{Edit, Guest, Message, Outcome, Verdict};
use exports::weir::filter::lifecycle;
use weir::filter::metrics;
use weir::filter::types::{Command, Context, FilterError, User};

use memory::Host;
use settings::Policy;

wit_bindgen::generate!({ path: "../../wit", world: "chat-filter" });

struct Chat;
export!(Chat);

thread_local! {
    /// An instance is configured once and then asked, many times.
    static POLICY: OnceCell<Box<Policy>> = const { OnceCell::new() };
}

impl lifecycle::Guest for Chat {
    fn describe() -> lifecycle::FilterInfo {
        lifecycle::FilterInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
        }
    }

    fn configure(document: String) -> Result<(), String> {
        let policy = Policy::parse(&document)?;
        POLICY
            .with(|it| it.set(Box::new(policy)))
            .map_err(|_| "configured twice".to_owned())
    }
}

impl Guest for Chat {
    fn on_message(ctx: Context, message: Message) -> Result<Outcome, FilterError> {
        POLICY.with(|policy| {
            let policy = policy
                .get()
                .ok_or_else(|| FilterError::Internal("not configured".to_owned()))?;
            let outcome =
                rules::judge(policy, &mut Host, &ctx, &message).unwrap_or_else(|refusal| {
                    metrics::count(&refusal.metric(), 1);
                    Outcome {
                        verdict: Verdict::Drop(refusal.into()),
                        commands: Vec::new(),
                    }
                });
            Ok(outcome)
        })
    }

    fn on_join(_: Context, _: User) -> Result<Vec<Command>, FilterError> {
        Ok(Vec::new())
    }

    fn on_leave(_: Context, _: User) -> Result<Vec<Command>, FilterError> {
        Ok(Vec::new())
    }
}
