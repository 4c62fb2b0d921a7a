//! The rules, in the order in which they are asked: is it ours, is it not too soon, may it be given
//! here and by them, and last what it costs.

use serde_json::{Value, json};

use crate::exports::weir::filter::gifts::{Animation, Combo, Plan};
use crate::money::Sum;
use crate::node::{Node, digest, tap};
use crate::note;
use crate::refusal::Refusal;
use crate::settings::{Config, Offer};
use crate::weir::filter::types::{Attr, Context, Roles};
use crate::{Gift, Item};

/// Attribute of a call's context: whether a room takes gifts.
const SWITCH: &str = "gifts";
/// The same as a key of this one, which has all that a room sets for itself.
const ROOM_SETTINGS: &str = "room-settings";

/// What is on offer in a room.
pub(crate) fn catalog(config: &Config, ctx: &Context) -> Vec<Item> {
    if is_off(ctx) {
        return Vec::new();
    }
    let offered = config.items.iter().filter(|it| !it.retired);
    offered.map(|offer| item(config, offer)).collect()
}

fn item(config: &Config, offer: &Offer) -> Item {
    let attr = |key: &str, value: String| Attr {
        key: key.to_owned(),
        value,
    };
    let combo = if offer.combo { "yes" } else { "no" };
    let mut attrs = vec![
        attr("emoji", offer.emoji.clone()),
        attr("tier", offer.tier.as_str().to_owned()),
        attr("combo", combo.to_owned()),
        attr("duration_ms", offer.duration_ms.to_string()),
    ];
    // Everybody is shown it: that one could give it is a reason to become somebody who may.
    attrs.extend(
        offer
            .for_roles
            .names()
            .map(|names| attr("for_roles", names)),
    );
    Item {
        id: offer.id.clone(),
        name: offer.name.clone(),
        price: offer.price,
        currency: config.currency.clone(),
        animation: offer.asset.clone(),
        attrs,
    }
}

/// What becomes of a gift; none: it is not an item of ours.
pub(crate) fn judge(
    config: &Config,
    node: &mut dyn Node,
    ctx: &Context,
    gift: &Gift,
) -> Result<Option<Plan>, Refusal> {
    let Some(offer) = config.offer(&gift.item) else {
        return Ok(None);
    };
    // Each tap counts, and most of all those that are refused.
    if config.taps_per_minute > 0 {
        let (burst, per_minute) = (config.taps_burst, config.taps_per_minute);
        tap(node, &gift.sender.id, burst, per_minute)
            .map_err(|retry_after_ms| Refusal::TooFast { retry_after_ms })?;
    }
    may_give(config, ctx, gift, offer)?;
    let sum = Sum::of(offer.price, gift.count, config.earned_percent)?;
    Ok(Some(Plan {
        total: sum.total,
        currency: config.currency.clone(),
        transfers: sum.transfers(config, gift, offer),
        combo: offer.combo.then(|| combo(config, node, gift)),
        animation: Some(animation(offer)),
        commands: Vec::new(),
    }))
}

fn may_give(config: &Config, ctx: &Context, gift: &Gift, offer: &Offer) -> Result<(), Refusal> {
    let roles = gift.sender.roles;
    if is_off(ctx) {
        return Err(Refusal::Off);
    }
    if offer.retired {
        return Err(Refusal::Retired);
    }
    // What a room earns goes to its broadcaster: half of it would come back, and be a score.
    if roles.contains(Roles::BROADCASTER) || gift.recipient == gift.sender.id {
        return Err(Refusal::SelfGift);
    }
    if !offer.for_roles.admits(roles) {
        return Err(Refusal::MissingRole);
    }
    if !(1..=config.count_max).contains(&gift.count) {
        let count_max = config.count_max;
        return Err(Refusal::Count { count_max });
    }
    let Some(note) = &gift.note else {
        return Ok(());
    };
    if roles.contains(Roles::MUTED) && !note::is_blank(note) {
        return Err(Refusal::Muted);
    }
    note::check(note, config.note_chars_max)
}

/// Only what says so is off: a room that the node knows nothing of takes gifts.
fn is_off(ctx: &Context) -> bool {
    let value = |key: &str| ctx.attrs.iter().find(|attr| attr.key == key);
    let is_no = |text: &str| matches!(text, "off" | "false" | "0");
    if let Some(switch) = value(SWITCH) {
        return is_no(&switch.value);
    }
    let settings = value(ROOM_SETTINGS).map(|it| serde_json::from_str::<Value>(&it.value));
    let Some(Ok(settings)) = settings else {
        return false;
    };
    match settings.get(SWITCH) {
        Some(Value::String(text)) => is_no(text),
        Some(Value::Bool(on)) => !on,
        Some(Value::Number(number)) => number.as_u64() == Some(0),
        _ => false,
    }
}

/// The same for all of a series, and for no other: lengths keep apart what ids could run together.
fn combo(config: &Config, node: &mut dyn Node, gift: &Gift) -> Combo {
    let parts = [&gift.sender.id, &gift.item, &gift.recipient];
    let series = parts.map(|part| format!("{}:{part}", part.len())).concat();
    Combo {
        id: digest(node, series.as_bytes()),
        // The room's hub counts for itself, with those of other nodes.
        count: gift.combo_so_far.saturating_add(gift.count),
        window_ms: config.combo_window_ms,
    }
}

fn animation(offer: &Offer) -> Animation {
    let payload = json!({
        "emoji": offer.emoji,
        "name": offer.name,
        "tier": offer.tier.as_str(),
    });
    Animation {
        asset: offer.asset.clone(),
        duration_ms: offer.duration_ms,
        layer: offer.tier.layer(),
        payload: payload.to_string(),
    }
}

#[cfg(test)]
mod tests;
