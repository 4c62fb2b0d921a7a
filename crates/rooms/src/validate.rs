//! Whether a publish is within the bounds of the schema.

use crate::{
    limits::{
        ATTR_BYTES_MAX, ATTRS_MAX, ID_BYTES_MAX, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX,
        RELAY_USERS_MAX, SLOW_MODE_MS_MAX, TEXT_BYTES_MAX, TIMEOUT_SECONDS_MAX,
    },
    schema::{Act, Attr, Body, Gift, Message, Notice, Publish, Relay, Review, ReviewKind, User},
};

/// Whether the hub can take it; what it says about bounds holds for every event after it.
pub(crate) fn publish(publish: &Publish) -> bool {
    id(&publish.author) && id(&publish.client_id) && body(&publish.body)
}

fn body(body: &Body) -> bool {
    match body {
        Body::Message(it) => message(it),
        Body::Moderation(it) => {
            optional_id(&it.actor) && it.reason.len() <= TEXT_BYTES_MAX && act(&it.act)
        }
        Body::Gift(it) => gift(it),
        Body::Notice(it) => notice(it),
        Body::Review(it) => review(it),
        Body::Void => false,
    }
}

/// Whether edges can do it.
pub(crate) fn relay(relay: &Relay) -> bool {
    match relay {
        Relay::Disconnect { user, reason } => id(user) && reason.len() <= TEXT_BYTES_MAX,
        Relay::Notify { users, notice: it } => {
            users.len() <= RELAY_USERS_MAX && users.iter().all(|user| id(user)) && notice(it)
        }
        Relay::Roles { user, .. } => id(user),
    }
}

/// Whether it fits the log.
pub(crate) fn audit(actor: &str, text: &str) -> bool {
    optional_id(actor) && text.len() <= TEXT_BYTES_MAX
}

fn review(review: &Review) -> bool {
    id(&review.id)
        && optional_id(&review.by)
        && review.reason.len() <= TEXT_BYTES_MAX
        && match review.kind {
            ReviewKind::Held => message(&review.message),
            // As of a pin: the rest is the hub's.
            ReviewKind::Report => id(&review.message.id),
        }
}

fn message(message: &Message) -> bool {
    id(&message.id)
        && user(&message.author)
        && name(&message.kind)
        && message.text.len() <= TEXT_BYTES_MAX
        && message.reply_to.as_deref().is_none_or(id)
        && attrs(&message.attrs)
}

fn act(act: &Act) -> bool {
    match act {
        Act::DeleteMessage { id: it }
        | Act::Pin { id: it, .. }
        | Act::Approve { id: it }
        | Act::Dismiss { id: it } => id(it),
        Act::Timeout { user, seconds, .. } => {
            id(user) && (1..=TIMEOUT_SECONDS_MAX).contains(seconds)
        }
        Act::Ban { user }
        | Act::DeleteUser { user }
        | Act::ShadowBan { user }
        | Act::ShadowUnban { user }
        | Act::Unban { user } => id(user),
        Act::Clear | Act::Unpin => true,
        Act::Settings { patch } => {
            patch.slow_mode_ms.is_none_or(|ms| ms <= SLOW_MODE_MS_MAX) && attrs(&patch.attrs)
        }
    }
}

fn gift(gift: &Gift) -> bool {
    id(&gift.id)
        && user(&gift.sender)
        && id(&gift.recipient)
        && id(&gift.item)
        && gift
            .note
            .as_ref()
            .is_none_or(|note| note.len() <= TEXT_BYTES_MAX)
        && gift.combo.as_ref().is_none_or(|combo| id(&combo.id))
        && gift.animation.as_ref().is_none_or(|animation| {
            animation.asset.len() <= ATTR_BYTES_MAX && animation.payload.len() <= PAYLOAD_BYTES_MAX
        })
}

fn notice(notice: &Notice) -> bool {
    id(&notice.id)
        && name(&notice.kind)
        && notice.text.len() <= TEXT_BYTES_MAX
        && notice.payload.len() <= PAYLOAD_BYTES_MAX
}

pub(crate) fn user(user: &User) -> bool {
    id(&user.id) && name(&user.name)
}

fn attrs(attrs: &[Attr]) -> bool {
    attrs.len() <= ATTRS_MAX
        && attrs
            .iter()
            .all(|attr| id(&attr.key) && attr.value.len() <= ATTR_BYTES_MAX)
}

pub(crate) fn id(id: &str) -> bool {
    !id.is_empty() && id.len() <= ID_BYTES_MAX
}

fn optional_id(id: &str) -> bool {
    id.len() <= ID_BYTES_MAX
}

fn name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX
}
