//! Sells roses.

use std::sync::OnceLock;

use exports::weir::filter::gifts::{Decision, Gift, Guest, Item, Plan};
use exports::weir::filter::lifecycle;
use serde::Deserialize;
use weir::filter::types::{Context, FilterError, Transfer, User};

wit_bindgen::generate!({ path: "wit", world: "filter", generate_all });

struct Filter;
export!(Filter);

const ROSE: &str = "rose";

/// The manifest's `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    price: u64,
    currency: String,
    house_percent: u64,
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
    fn catalog(_ctx: Context, _viewer: User) -> Result<Vec<Item>, FilterError> {
        let config = config()?;
        Ok(vec![Item {
            id: ROSE.to_owned(),
            name: "A rose".to_owned(),
            price: config.price,
            currency: config.currency.clone(),
            animation: String::new(),
            attrs: Vec::new(),
        }])
    }

    fn on_gift(_ctx: Context, gift: Gift) -> Result<Decision, FilterError> {
        let config = config()?;
        if gift.item != ROSE {
            // The next filter may sell it.
            return Ok(Decision::Pass);
        }
        let total = config.price.saturating_mul(u64::from(gift.count));
        let house = total / 100 * config.house_percent.min(100);
        let transfer = |credit: &str, amount| Transfer {
            // The same key is paid once, however often a node asks.
            idempotency_key: format!("{}-{credit}", gift.id),
            debit: gift.sender.id.clone(),
            credit: credit.to_owned(),
            amount,
            currency: config.currency.clone(),
            memo: "a rose".to_owned(),
        };
        // `total` has to be what the transfers take from the sender, to the last coin.
        let mut transfers = vec![
            transfer(&gift.recipient, total - house),
            transfer("house", house),
        ];
        transfers.retain(|it| it.amount > 0);
        Ok(Decision::Accept(Plan {
            total,
            currency: config.currency.clone(),
            transfers,
            combo: None,
            animation: None,
            commands: Vec::new(),
        }))
    }
}
