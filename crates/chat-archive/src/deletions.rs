//! Deletions by moderators that are not applied to the files yet.

use std::collections::HashMap;

use rooms::schema::{Act, Body, Event, Message};

/// Where an event stands in its room: epoch, and `seq` in it.
pub(crate) type Position = (u64, u64);

/// What was deleted, and up to where. The same rules as in the rooms' windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deletions {
    messages: HashMap<String, Position>,
    users: HashMap<String, Position>,
    everything: Option<Position>,
}

impl Deletions {
    pub(crate) fn len(&self) -> usize {
        self.messages.len() + self.users.len() + usize::from(self.everything.is_some())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes note of an act.
    pub(crate) fn note(&mut self, epoch: u64, event: &Event) {
        let Body::Moderation(moderation) = &event.body else {
            return;
        };
        let position = (epoch, event.seq);
        let known = match &moderation.act {
            Act::DeleteMessage { id } => self.messages.entry(id.clone()).or_insert(position),
            Act::DeleteUser { user } => self.users.entry(user.clone()).or_insert(position),
            Act::Clear => self.everything.get_or_insert(position),
            _ => return,
        };
        *known = position.max(*known);
    }

    /// Takes those of another segment.
    pub(crate) fn join(&mut self, other: Self) {
        for (id, at) in other.messages {
            let known = self.messages.entry(id).or_insert(at);
            *known = at.max(*known);
        }
        for (id, at) in other.users {
            let known = self.users.entry(id).or_insert(at);
            *known = at.max(*known);
        }
        self.everything = self.everything.max(other.everything);
    }

    /// Those that were `done` are forgotten, unless they were repeated since.
    pub(crate) fn settle(&mut self, done: &Self) {
        self.messages
            .retain(|id, at| done.messages.get(id) != Some(at));
        self.users.retain(|id, at| done.users.get(id) != Some(at));
        if self.everything == done.everything {
            self.everything = None;
        }
    }

    fn takes(&self, at: Position, message: &Message) -> bool {
        let is_before = |act: Option<&Position>| act.is_some_and(|act| at < *act);
        is_before(self.everything.as_ref())
            || is_before(self.messages.get(&message.id))
            || is_before(self.users.get(&message.author.id))
    }

    /// What is left of an event at a position; none if it stays as it is.
    pub(crate) fn rest_of(&self, at: Position, body: &Body) -> Option<Body> {
        if self.is_empty() {
            return None;
        }
        match body {
            Body::Message(message) if self.takes(at, message) => Some(Body::Void),
            Body::Moderation(moderation) => {
                let Act::Pin { id, message } = &moderation.act else {
                    return None;
                };
                if !message.as_ref().is_some_and(|it| self.takes(at, it)) {
                    return None;
                }
                let mut rest = moderation.clone();
                rest.act = Act::Pin {
                    id: id.clone(),
                    message: None,
                };
                Some(Body::Moderation(rest))
            }
            // Whom it was about stays, what was said does not.
            Body::Review(review) if self.takes(at, &review.message) => {
                let mut rest = review.clone();
                rest.message = Message {
                    id: review.message.id.clone(),
                    author: review.message.author.clone(),
                    ..Message::default()
                };
                (rest != *review).then_some(Body::Review(rest))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rooms::schema::Moderation;

    use super::*;

    fn noted(deletions: &mut Deletions, seq: u64, act: Act) {
        let event = Event {
            seq,
            at_ms: 0,
            media_ms: None,
            body: Body::Moderation(Moderation {
                actor: String::new(),
                reason: String::new(),
                act,
            }),
        };
        deletions.note(1, &event);
    }

    #[test]
    fn what_came_while_others_were_applied_still_waits() {
        let user = |user: &str| Act::DeleteUser {
            user: user.to_owned(),
        };
        let mut deletions = Deletions::default();
        noted(&mut deletions, 1, user("ann"));
        noted(&mut deletions, 2, user("bob"));
        noted(&mut deletions, 3, Act::Clear);
        let applied = deletions.clone();
        noted(&mut deletions, 4, user("ann"));
        noted(&mut deletions, 5, user("cid"));
        noted(&mut deletions, 6, Act::Clear);
        deletions.settle(&applied);
        assert_eq!(deletions.len(), 3);
        assert_eq!(deletions.everything, Some((1, 6)));
        deletions.settle(&deletions.clone());
        assert!(deletions.is_empty());
    }
}
