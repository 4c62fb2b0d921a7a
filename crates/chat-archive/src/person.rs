//! What an event says of a person: what an export shows, and what an erasure takes.

use std::collections::HashSet;

use rooms::schema::{Act, Attr, Body, Message, Moderation, Review};
use serde_json::Value;

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays.
    Keep,
    /// This is left of it.
    Change(Box<Body>),
    /// Nothing is left.
    Drop,
}

/// The people to be left out, and their messages' ids.
pub(crate) struct People<'a> {
    /// Whether a user id is one of theirs. Never asked about "".
    pub(crate) is_theirs: &'a dyn Fn(&str) -> bool,
    /// Ids of messages that they wrote, as far as those are known.
    pub(crate) messages: &'a HashSet<String>,
}

impl People<'_> {
    /// What is left of `body`: their own records go, those of others lose what is theirs.
    pub(crate) fn rest_of(&self, body: &Body) -> Verdict {
        let rest = match body {
            Body::Message(it) if self.is(&it.author.id) => return Verdict::Drop,
            Body::Gift(it) if self.is(&it.sender.id) => return Verdict::Drop,
            Body::Review(it) if self.is(&it.by) => return Verdict::Drop,
            Body::Moderation(it) if self.is(&it.actor) => return Verdict::Drop,
            Body::Notice(it) if self.is_in(&it.payload) => return Verdict::Drop,
            Body::Message(it) => self.rest_of_message(it).map(Body::Message),
            Body::Gift(it) => {
                let mut rest = it.clone();
                if self.is(&it.recipient) {
                    rest.recipient.clear();
                }
                if let Some(animation) = &mut rest.animation
                    && self.is_in(&animation.payload)
                {
                    animation.payload.clear();
                }
                (rest != *it).then_some(Body::Gift(rest))
            }
            Body::Review(it) => self.rest_of_review(it).map(Body::Review),
            Body::Moderation(it) => self.rest_of_act(it).map(Body::Moderation),
            Body::Notice(_) | Body::Void => None,
        };
        rest.map_or(Verdict::Keep, |rest| Verdict::Change(Box::new(rest)))
    }

    fn is(&self, id: &str) -> bool {
        !id.is_empty() && (self.is_theirs)(id)
    }

    fn rest_of_message(&self, message: &Message) -> Option<Message> {
        let is_reply = |id: &String| self.messages.contains(id);
        let mut rest = message.clone();
        rest.reply_to = rest.reply_to.filter(|id| !is_reply(id));
        self.clean(&mut rest.attrs);
        (rest != *message).then_some(rest)
    }

    fn rest_of_review(&self, review: &Review) -> Option<Review> {
        let mut rest = review.clone();
        if self.is(&review.message.author.id) || self.messages.contains(&review.message.id) {
            rest.message = Message::default();
            // It may say who, and what.
            rest.reason.clear();
        } else if let Some(message) = self.rest_of_message(&review.message) {
            rest.message = message;
        }
        (rest != *review).then_some(rest)
    }

    fn rest_of_act(&self, moderation: &Moderation) -> Option<Moderation> {
        let mut rest = moderation.clone();
        match &mut rest.act {
            Act::DeleteUser { user }
            | Act::Timeout { user, .. }
            | Act::Ban { user }
            | Act::ShadowBan { user }
            | Act::Unban { user }
            | Act::ShadowUnban { user } => {
                if self.is(user) {
                    user.clear();
                    rest.reason.clear();
                }
            }
            Act::Pin { id, message } => {
                let is_theirs = message.as_ref().is_some_and(|it| self.is(&it.author.id));
                if is_theirs || self.messages.contains(id) {
                    id.clear();
                    *message = None;
                    rest.reason.clear();
                } else if let Some(less) = message.as_ref().and_then(|it| self.rest_of_message(it))
                {
                    *message = Some(less);
                }
            }
            Act::DeleteMessage { id } => {
                if self.messages.contains(id) {
                    id.clear();
                    rest.reason.clear();
                }
            }
            Act::Settings { patch } => self.clean(&mut patch.attrs),
            Act::Clear | Act::Unpin | Act::Approve { .. } | Act::Dismiss { .. } => {}
        }
        (rest != *moderation).then_some(rest)
    }

    fn clean(&self, attrs: &mut Vec<Attr>) {
        attrs.retain(|attr| !self.is(&attr.value) && !self.is_in(&attr.value));
    }

    /// Whether JSON of a filter names one of them, as a whole string or key.
    fn is_in(&self, json: &str) -> bool {
        // Most are no JSON, and a number is nobody.
        json.starts_with(['{', '['])
            && serde_json::from_str(json).is_ok_and(|value| self.is_in_value(&value))
    }

    fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.is(text),
            Value::Array(items) => items.iter().any(|item| self.is_in_value(item)),
            Value::Object(fields) => {
                let mut fields = fields.iter();
                fields.any(|(key, value)| self.is(key) || self.is_in_value(value))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}

/// An event as the person is shown it, if it is about the person. It does not say who moderated
/// and who complained, nor what others said.
pub(crate) fn shown_to(user: &str, body: &Body) -> Option<Body> {
    let people = People {
        is_theirs: &|id| id == user,
        messages: &HashSet::new(),
    };
    let is_others = matches!(body, Body::Message(it) if it.author.id != user);
    if is_others || people.rest_of(body) == Verdict::Keep {
        return None;
    }
    let mut body = body.clone();
    match &mut body {
        Body::Moderation(it) if it.actor != user => it.actor.clear(),
        Body::Review(it) => {
            if it.by != user {
                it.by.clear();
            }
            if it.message.author.id != user {
                it.message = Message {
                    id: std::mem::take(&mut it.message.id),
                    ..Message::default()
                };
            }
        }
        _ => {}
    }
    if let Body::Moderation(Moderation {
        act: Act::Pin { message, .. },
        ..
    }) = &mut body
        && message.as_ref().is_some_and(|it| it.author.id != user)
    {
        *message = None;
    }
    Some(body)
}
