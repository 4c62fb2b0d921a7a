//! The gifts hook: a catalogue by configuration, and a split between house and recipient.

use crate::exports::weir::filter::gifts::{Animation, Combo, Decision, Gift, Guest, Item, Plan};
use crate::weir::filter::types::{Context, FilterError, Rejection, Transfer, User};
use crate::{AllHooks, config};

const CURRENCY: &str = "coin";
const COUNT_MAX: u32 = 1000;

impl Guest for AllHooks {
    fn catalog(_: Context, _: User) -> Result<Vec<Item>, FilterError> {
        let items = config()?.prices.iter().map(|(id, price)| Item {
            id: id.clone(),
            name: id.to_uppercase(),
            price: *price,
            currency: CURRENCY.to_owned(),
            animation: format!("{id}.webm"),
            attrs: vec![],
        });
        Ok(items.collect())
    }

    fn on_gift(_: Context, gift: Gift) -> Result<Decision, FilterError> {
        let config = config()?;
        let Some(price) = config.prices.get(&gift.item) else {
            return Ok(Decision::Pass);
        };
        if !(1..=COUNT_MAX).contains(&gift.count) {
            return Ok(Decision::Reject(Rejection {
                code: "count".to_owned(),
                message: format!("1 to {COUNT_MAX} at once"),
                retry_after_ms: None,
            }));
        }
        let Some(total) = price.checked_mul(u64::from(gift.count)) else {
            return Err(FilterError::BadConfig(format!(
                "the price of {}",
                gift.item
            )));
        };
        let house = total / 100 * config.house_percent;
        let transfer = |to: &str, amount| Transfer {
            idempotency_key: format!("{}/{to}", gift.id),
            debit: gift.sender.id.clone(),
            credit: to.to_owned(),
            amount,
            currency: CURRENCY.to_owned(),
            memo: format!("{} x {}", gift.count, gift.item),
        };
        Ok(Decision::Accept(Plan {
            total,
            currency: CURRENCY.to_owned(),
            transfers: vec![
                transfer("house", house),
                transfer(&gift.recipient, total - house),
            ],
            combo: Some(Combo {
                id: format!("{}/{}", gift.sender.id, gift.item),
                count: gift.combo_so_far.saturating_add(1),
                window_ms: 5000,
            }),
            animation: Some(Animation {
                asset: format!("{}.webm", gift.item),
                duration_ms: 1500,
                layer: 0,
                payload: String::new(),
            }),
            commands: vec![],
        }))
    }
}
