//! Gifts from viewers to a room: what there is, what it costs, what the room earns.
//!
//! A gift goes through `rules`, which say in which order what is asked; the rest is about one thing
//! each:
//!
//! * `settings`: the operator's, with the items;
//! * `note`: what a sender may write beside a gift;
//! * `money`: the plan, that is who pays whom how much;
//! * `node`: what of the node is used; `refusal`: what a sender is told.
//!
//! It moves no money: it says what should move, and the node and the ledger look at that again.

mod money;
mod node;
mod note;
mod refusal;
mod rules;
mod settings;

use std::sync::OnceLock;

use exports::weir::filter::gifts::{Decision, Gift, Guest, Item};
use exports::weir::filter::lifecycle;
use weir::filter::metrics;
use weir::filter::types::{Context, FilterError, User};

use node::Host;
use settings::Config;

wit_bindgen::generate!({ path: "../../wit", world: "gift-filter" });

struct Gifts;
export!(Gifts);

/// An instance is configured once and then asked.
static CONFIG: OnceLock<Config> = OnceLock::new();

impl lifecycle::Guest for Gifts {
    fn describe() -> lifecycle::FilterInfo {
        lifecycle::FilterInfo {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: env!("CARGO_PKG_DESCRIPTION").to_owned(),
        }
    }

    fn configure(document: String) -> Result<(), String> {
        let config = Config::parse(&document)?;
        CONFIG
            .set(config)
            .map_err(|_| "configured twice".to_owned())
    }
}

impl Guest for Gifts {
    fn catalog(ctx: Context, _: User) -> Result<Vec<Item>, FilterError> {
        Ok(rules::catalog(config()?, &ctx))
    }

    fn on_gift(ctx: Context, gift: Gift) -> Result<Decision, FilterError> {
        let decision = rules::judge(config()?, &mut Host, &ctx, &gift);
        Ok(match decision {
            Ok(None) => Decision::Pass,
            Ok(Some(plan)) => {
                metrics::count("planned_total", 1);
                Decision::Accept(plan)
            }
            Err(refusal) => {
                metrics::count(&refusal.metric(), 1);
                Decision::Reject(refusal.into())
            }
        })
    }
}

fn config() -> Result<&'static Config, FilterError> {
    CONFIG
        .get()
        .ok_or_else(|| FilterError::Internal("not configured".to_owned()))
}
