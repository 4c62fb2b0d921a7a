//! What becomes of what a member says: filters first, once, then the hub.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::digest::{Context, SHA256};
use rooms::schema::{
    Act, Attr, Body, Message, Moderation, Outcome, Publish, RefusalCode, Review, ReviewKind, Roles,
    User,
};
use rooms::{ATTR_BYTES_MAX, ATTRS_MAX, ID_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX};
use wasm_filters::contract::{chat, types};
use wasm_filters::host::{ChatAnswer, ChatVerdict};
use wasm_filters::manifest::Hook;

use super::effects;
use super::member::Member;
use super::roles::to_contract;

/// Bytes of a hash that are a message's id.
const MESSAGE_ID_BYTES: usize = 16;
/// Kinds that people may send; filters may make others.
const KINDS: [&str; 3] = ["text", "emote", "slash"];

/// A client's `publish`.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) client_id: String,
    pub(super) kind: String,
    pub(super) text: String,
    pub(super) reply_to: Option<String>,
    pub(super) media_ms: Option<u64>,
}

impl Said {
    fn is_well_formed(&self) -> bool {
        (1..=ID_BYTES_MAX).contains(&self.client_id.len())
            && self.kind.len() <= NAME_BYTES_MAX
            && KINDS.contains(&self.kind.as_str())
            && (1..=TEXT_BYTES_MAX).contains(&self.text.len())
            && self
                .reply_to
                .as_ref()
                .is_none_or(|id| (1..=ID_BYTES_MAX).contains(&id.len()))
    }
}

/// Says something.
pub(super) async fn speak(member: &Arc<Member>, said: Said) {
    let room = member.room();
    if !said.is_well_formed() {
        return room.refuse(member, said.client_id, RefusalCode::Malformed);
    }
    let user = member.user();
    let id = message_id(room.name().as_str(), &user.id, &said.client_id);
    // It comes again after a reconnect: the filters have let it pass.
    if let Some(mut publish) = room.passed(&id) {
        // With the roles of now: they may have been taken away since.
        match &mut publish.body {
            Body::Message(message) => message.author = user,
            Body::Review(review) => review.message.author = user,
            _ => {}
        }
        return room.publish(member.connection(), publish);
    }
    let message = Message {
        id: id.clone(),
        author: user.clone(),
        kind: said.kind,
        text: said.text,
        reply_to: said.reply_to,
        attrs: Vec::new(),
    };
    let ChatAnswer { verdict, commands } = ask(member, &user, &message).await;
    let publish = |body| Publish {
        author: user.id.clone(),
        client_id: said.client_id.clone(),
        media_ms: said.media_ms,
        body,
    };
    match verdict {
        ChatVerdict::Deliver(delivered) => {
            let message = edited(message, delivered);
            if is_command(&message) {
                room.answer(member, said.client_id, unknown_command());
            } else {
                let publish = publish(Body::Message(message));
                room.publish_passed(member.connection(), &id, publish);
            }
        }
        ChatVerdict::Drop(rejection) => {
            let refusal = effects::refusal(room, &user, &commands);
            room.answer(member, said.client_id, rejected(rejection, refusal));
            if refusal.is_some() {
                return;
            }
        }
        ChatVerdict::ShadowDrop => {
            room.echo(member.connection(), said.client_id, message);
        }
        ChatVerdict::Hold {
            message: held,
            reason,
        } => {
            let mut message = edited(message, held);
            effects::edit_held(&mut message, &commands);
            let review = Review {
                id: message.id.clone(),
                kind: ReviewKind::Held,
                message,
                reason,
                by: String::new(),
            };
            // The author hears of it when the hub has it.
            room.publish_passed(member.connection(), &id, publish(Body::Review(review)));
        }
    }
    effects::apply(member.rooms(), room, Some(&user), &id, commands);
}

/// What the filter says of a message that it keeps, unless what it wants done cannot be.
fn rejected(by: types::Rejection, refusal: Option<(&str, &str)>) -> Outcome {
    match refusal {
        Some((code, message)) => Outcome::Rejected {
            code: code.to_owned(),
            message: message.to_owned(),
            retry_after_ms: None,
        },
        None => Outcome::Rejected {
            code: by.code,
            message: by.message,
            retry_after_ms: by.retry_after_ms.map(u64::from),
        },
    }
}

/// The filter that obeys commands is not there, or out of order: what was meant for it is nothing
/// for everybody's eyes.
fn unknown_command() -> Outcome {
    Outcome::Rejected {
        code: "unknown-command".to_owned(),
        message: "commands are not understood here".to_owned(),
        retry_after_ms: None,
    }
}

/// Moderates, without filters: who may is settled.
pub(super) fn act(member: &Arc<Member>, client_id: String, reason: String, act: Act) {
    let room = member.room();
    let actor = member.user();
    if !actor.roles.intersects(Roles::IN_CHARGE) || !may_act(member, &actor, &act) {
        return room.refuse(member, client_id, RefusalCode::Forbidden);
    }
    let publish = Publish {
        author: actor.id.clone(),
        client_id,
        media_ms: None,
        body: Body::Moderation(Moderation {
            actor: actor.id,
            reason,
            act,
        }),
    };
    room.publish(member.connection(), publish);
}

/// Nobody acts against those above: a moderator does not ban the broadcaster.
fn may_act(member: &Member, actor: &User, act: &Act) -> bool {
    effects::target_of(act).is_none_or(|target| {
        let theirs = member.room().roles_of(target).unwrap_or(Roles::NONE);
        target == actor.id || rank(actor.roles) > rank(theirs)
    })
}

/// Who may act against whom.
pub(super) fn rank(roles: Roles) -> u8 {
    const ORDER: [Roles; 3] = [Roles::STAFF, Roles::BROADCASTER, Roles::MODERATOR];
    let above = ORDER.iter().position(|role| roles.intersects(*role));
    above.map_or(0, |at| u8::try_from(ORDER.len() - at).unwrap_or(u8::MAX))
}

async fn ask(member: &Arc<Member>, user: &User, message: &Message) -> ChatAnswer {
    let filters = member.rooms().filters();
    let table = filters.host().snapshot();
    let asked = chat::Message {
        id: message.id.clone(),
        sender: contract_user(user, member.attrs()),
        text: message.text.clone(),
        kind: message.kind.clone(),
        reply_to: message.reply_to.clone(),
        attrs: Vec::new(),
    };
    if !table.has(Hook::Chat) {
        return ChatAnswer {
            verdict: ChatVerdict::Deliver(asked),
            commands: Vec::new(),
        };
    }
    let attrs = member.room().attrs();
    let request_id = filters.request_id();
    let info = filters.room_info(&request_id, member.room().name().as_str(), &user.id, &attrs);
    filters.host().on_message(&table, info, asked).await
}

/// Somebody, as filters are told.
pub(super) fn contract_user(user: &User, attrs: &[types::Attr]) -> types::User {
    types::User {
        id: user.id.clone(),
        name: user.name.clone(),
        roles: to_contract(user.roles),
        level: user.level,
        attrs: attrs.to_vec(),
    }
}

/// The message as filters have made it. Who said it, and what it is called, is not theirs to say.
fn edited(message: Message, by: chat::Message) -> Message {
    let attrs = by.attrs.into_iter().filter(|attr| {
        (1..=NAME_BYTES_MAX).contains(&attr.key.len()) && attr.value.len() <= ATTR_BYTES_MAX
    });
    Message {
        kind: by.kind,
        text: by.text,
        attrs: attrs
            .take(ATTRS_MAX)
            .map(|attr| Attr {
                key: attr.key,
                value: attr.value,
            })
            .collect(),
        ..message
    }
}

/// Typed for a filter.
fn is_command(message: &Message) -> bool {
    let text = message.text.trim_start();
    message.kind == "slash" || (text.starts_with('/') && !text.starts_with("//"))
}

/// The same for the same thing said by the same person, on whichever edge it comes again: it is shown
/// once.
pub(super) fn message_id(room: &str, author: &str, client_id: &str) -> String {
    let mut hash = Context::new(&SHA256);
    for part in [room, author, client_id] {
        hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finish();
    let bytes = digest.as_ref().get(..MESSAGE_ID_BYTES).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_everything_apart() {
        let id = message_id("a", "bc", "d");
        assert_eq!(id.len(), 22);
        assert_eq!(id, message_id("a", "bc", "d"));
        for (room, author, client) in [("ab", "c", "d"), ("a", "b", "cd"), ("a", "bc", "e")] {
            assert_ne!(id, message_id(room, author, client));
        }
    }

    #[test]
    fn who_stands_above_whom() {
        let both = Roles::MODERATOR.union(Roles::BROADCASTER);
        assert!(rank(Roles::STAFF) > rank(both));
        assert!(rank(both) > rank(Roles::MODERATOR));
        assert!(rank(Roles::MODERATOR) > rank(Roles::VIP));
        assert_eq!(rank(Roles::SUBSCRIBER), rank(Roles::NONE));
    }

    #[test]
    fn two_slashes_are_no_command() {
        let message = |kind: &str, text: &str| Message {
            kind: kind.to_owned(),
            text: text.to_owned(),
            ..Message::default()
        };
        assert!(is_command(&message("text", " /ban x")));
        assert!(is_command(&message("slash", "ban x")));
        assert!(!is_command(&message("text", "//comment")));
        assert!(!is_command(&message("text", "either/or")));
    }
}
