//! What becomes of a publish: an event for everybody, an answer for its author alone, or a refusal.

use std::sync::Arc;

use super::{Hub, HubOutput, Source};
use crate::{
    limits::{ATTRS_MAX, FRAME_BYTES_MAX, FRAME_EVENTS_MAX},
    moderation::Deletion,
    schema::{Act, Body, Event, Gift, Message, Moderation, Outcome, Publish, RefusalCode, Roles},
    validate, window,
};

impl Hub {
    pub(super) fn decide(&mut self, now_ms: u64, publish: Publish, source: Source) -> Outcome {
        let now_ms = self.advance(now_ms);
        if !validate::publish(&publish) {
            return self.refuse(RefusalCode::Malformed, None);
        }
        let key = (publish.author, publish.client_id);
        let known = self.known(source);
        known.expire(now_ms);
        if let Some(answer) = known.answer(&key) {
            let answer = answer.clone();
            self.counts.duplicates += 1;
            return answer;
        }
        let outcome = match publish.body {
            Body::Message(message) => self.message(&key.0, message, publish.media_ms),
            Body::Moderation(moderation) => self.moderate(moderation, publish.media_ms),
            Body::Gift(gift) => self.gift(gift, publish.media_ms),
            Body::Notice(notice) => {
                let id = notice.id.clone();
                self.accept(id, Body::Notice(notice), publish.media_ms)
            }
            Body::Review(review) => self.review(review, publish.media_ms),
            Body::Void => self.refuse(RefusalCode::Malformed, None),
        };
        if matches!(outcome, Outcome::Accepted { .. }) {
            self.known(source).insert(now_ms, key, outcome.clone());
        }
        outcome
    }

    fn message(&mut self, author: &str, message: Message, media_ms: Option<u64>) -> Outcome {
        if message.author.id != author {
            return self.refuse(RefusalCode::Malformed, None);
        }
        if let Some((code, retry_after_ms)) = self.saved.room.refusal(&message.author, self.now_ms)
        {
            return self.refuse(code, retry_after_ms);
        }
        if self.saved.room.is_shadowed(&message.author) {
            self.counts.shadowed += 1;
            return author_only(message.id);
        }
        let is_in_charge = message.author.roles.intersects(Roles::IN_CHARGE);
        let per_second = self.saved.room.settings().chat_per_second_max;
        if !is_in_charge && !self.bucket.take(self.now_ms, per_second) {
            self.counts.sampled += 1;
            return author_only(message.id);
        }
        let id = message.id.clone();
        self.accept(id, Body::Message(message), media_ms)
    }

    /// What was paid is not refused.
    fn gift(&mut self, mut gift: Gift, media_ms: Option<u64>) -> Outcome {
        if self.saved.scores.add(&gift.sender, gift.points) {
            self.soft_version += 1;
        }
        if let Some(ended) = self.combos.count(&mut gift, self.next_seq, self.now_ms) {
            self.accept(ended.id.clone(), Body::Notice(ended), None);
        }
        let id = gift.id.clone();
        self.accept(id, Body::Gift(gift), media_ms)
    }

    fn moderate(&mut self, mut moderation: Moderation, media_ms: Option<u64>) -> Outcome {
        let approved = match self.approved(&moderation.act) {
            Ok(approved) => approved,
            Err((code, retry_after_ms)) => return self.refuse(code, retry_after_ms),
        };
        match &mut moderation.act {
            Act::Timeout {
                seconds, until_ms, ..
            } => *until_ms = self.now_ms + u64::from(*seconds) * 1_000,
            Act::Pin { id, message } => {
                let Some(found) = self.find(id) else {
                    return self.refuse(RefusalCode::UnknownMessage, None);
                };
                *message = Some(found);
            }
            Act::Settings { patch } => {
                // As many attributes as there would be, if none of them were taken away.
                let known = &self.saved.room.settings().attrs;
                let new = patch.attrs.iter().filter(|attr| {
                    !attr.value.is_empty() && known.iter().all(|old| old.key != attr.key)
                });
                if known.len() + new.count() > ATTRS_MAX {
                    return self.refuse(RefusalCode::Full, None);
                }
            }
            _ => {}
        }
        if let Act::Timeout { user, .. } | Act::Ban { user } | Act::ShadowBan { user } =
            &moderation.act
            && !self.saved.room.has_room_for(user, self.now_ms)
        {
            return self.refuse(RefusalCode::Full, None);
        }
        if let Some(deletion) = Deletion::of(&moderation.act) {
            self.window.delete(self.next_seq, deletion);
            window::redact(&mut self.open, self.next_seq, deletion);
        }
        let outcome = self.accept(String::new(), Body::Moderation(moderation), media_ms);
        if let Some(message) = approved {
            self.accept(message.id.clone(), Body::Message(message), None);
        }
        outcome
    }

    pub(super) fn find(&self, id: &str) -> Option<Message> {
        let mut open = self.open.iter().rev();
        let event = open
            .find(|event| window::is_message(event, id))
            .or_else(|| self.window.message(id))?;
        match &event.body {
            Body::Message(message) => Some(message.clone()),
            _ => None,
        }
    }

    pub(super) fn accept(&mut self, id: String, body: Body, media_ms: Option<u64>) -> Outcome {
        let seq = self.next_seq;
        self.next_seq += 1;
        let event = Event {
            seq,
            at_ms: self.now_ms,
            media_ms,
            body,
        };
        if self.saved.room.apply(&event) {
            self.durable_version += 1;
        }
        self.outputs.extend(written(&event));
        self.open_bytes += window::weight(&event);
        self.open.push(Arc::new(event));
        if self.open.len() >= FRAME_EVENTS_MAX || self.open_bytes >= FRAME_BYTES_MAX {
            self.flush();
        }
        Outcome::Accepted { seq: Some(seq), id }
    }

    pub(super) fn refuse(&mut self, code: RefusalCode, retry_after_ms: Option<u64>) -> Outcome {
        *self.counts.refused.entry(code).or_default() += 1;
        Outcome::Refused {
            code,
            retry_after_ms,
        }
    }
}

/// What the log says of an event that was just accepted.
fn written(event: &Event) -> Option<HubOutput> {
    let (seq, at_ms) = (event.seq, event.at_ms);
    match &event.body {
        Body::Moderation(moderation) => Some(HubOutput::Acted {
            seq,
            at_ms,
            moderation: moderation.clone(),
        }),
        Body::Review(review) => Some(HubOutput::Reviewed {
            seq,
            at_ms,
            review: review.clone(),
        }),
        Body::Message(_) | Body::Gift(_) | Body::Notice(_) | Body::Void => None,
    }
}

/// To its author it looks like any other.
pub(super) fn author_only(id: String) -> Outcome {
    Outcome::Accepted { seq: None, id }
}
