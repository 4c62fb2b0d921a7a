//! What passes a room by: relays, lines of the log, what its author alone sees; and what the driver
//! asks before it lets an act through.

use std::{collections::BTreeSet, sync::Arc};

use super::{EdgeOutput, EdgeRoom};
use crate::{
    limits::{ID_BYTES_MAX, TEXT_BYTES_MAX},
    schema::{
        Audience, Body, FromEdgeBody, Message, Outcome, Publish, Relay, Roles, ServerMessage,
    },
    validate,
};

impl EdgeRoom {
    /// For all edges of the room, this one included, by way of the hub; at most once. Whether it
    /// is within the bounds, and on its way.
    pub fn relay(&mut self, relay: Relay) -> bool {
        let is_sound = validate::relay(&relay);
        if is_sound {
            self.send(FromEdgeBody::Relay(relay));
        }
        is_sound
    }

    /// For the hub's log; at most once. What is too long is cut.
    pub fn audit(&mut self, mut actor: String, mut text: String) {
        cut(&mut actor, ID_BYTES_MAX);
        cut(&mut text, TEXT_BYTES_MAX);
        self.send(FromEdgeBody::Audit { actor, text });
    }

    /// Shows a message to its author alone, as if the hub had left it out.
    pub fn echo(&mut self, now_ms: u64, connection: u64, client_id: String, message: Message) {
        let now_ms = self.advance(now_ms);
        let author = message.author.clone();
        let id = message.id.clone();
        let publish = Publish {
            author: author.id.clone(),
            client_id,
            media_ms: None,
            body: Body::Message(message),
        };
        // What the hub would refuse is refused, and what it is to answer is answered by it.
        if !validate::publish(&publish) || self.pending.contains(&author.id, &publish.client_id) {
            return self.publish(now_ms, connection, publish);
        }
        let Some(publish) = self.echoed(connection, publish) else {
            return;
        };
        if let Some((code, retry_after_ms)) = self.timeline.room().refusal(&author, now_ms) {
            return self.refuse(connection, publish.client_id, code, retry_after_ms);
        }
        let outcome = Outcome::Accepted { seq: None, id };
        let key = (author.id, publish.client_id.clone());
        self.echoes.insert(now_ms, key, outcome.clone());
        self.answer(now_ms, connection, publish, outcome);
    }

    /// Answers what was echoed before; else gives it back.
    pub(super) fn echoed(&mut self, connection: u64, publish: Publish) -> Option<Publish> {
        self.echoes.expire(self.now_ms);
        if self.echoes.len() == 0 {
            return Some(publish);
        }
        let key = (publish.author.clone(), publish.client_id.clone());
        let Some(outcome) = self.echoes.answer(&key).cloned() else {
            return Some(publish);
        };
        self.answer(self.now_ms, connection, publish, outcome);
        None
    }

    /// Roles of somebody who is in the room, on whichever edge: as STATE says, or this edge knows.
    /// None of who is not there, or in a crowd and not among its first.
    pub fn roles_of(&self, user: &str) -> Option<Roles> {
        let published = self.timeline.state().and_then(|state| {
            let (Audience::Everybody { members } | Audience::Crowd { top: members }) =
                &state.audience;
            let member = members.iter().find(|member| member.id == user)?;
            Some(member.roles)
        });
        let here = self.presence.roles_of(user);
        match (published, here) {
            (Some(published), Some(here)) => Some(published.union(here)),
            (published, here) => published.or(here),
        }
    }

    /// A message of the room, if the window still has it.
    pub fn message(&self, id: &str) -> Option<Message> {
        match &self.timeline.window().message(id)?.body {
            Body::Message(message) => Some(message.clone()),
            _ => None,
        }
    }

    /// Those on this edge.
    pub fn connections_of_user(&self, user: &str) -> &[u64] {
        self.connections_of.get(user).map_or(&[], Vec::as_slice)
    }

    pub(super) fn relayed(&mut self, relay: Relay) {
        if !validate::relay(&relay) {
            return;
        }
        match relay {
            Relay::Disconnect { user, reason } => {
                let connections = self.connections_of_user(&user).to_vec();
                if !connections.is_empty() {
                    self.outputs.push_back(EdgeOutput::Disconnect {
                        connections,
                        reason,
                    });
                }
            }
            Relay::Notify { users, notice } => {
                let users: BTreeSet<String> = users.into_iter().collect();
                for user in users {
                    for connection in self.connections_of_user(&user).to_vec() {
                        let notice = Arc::clone(&notice);
                        self.direct(connection, ServerMessage::Notice { notice });
                    }
                }
            }
            Relay::Roles { user, add, remove } => {
                self.presence.set_roles(&user, add, remove);
                let connections = self.connections_of_user(&user).to_vec();
                if !connections.is_empty() {
                    self.outputs.push_back(EdgeOutput::Roles {
                        connections,
                        add,
                        remove,
                    });
                }
            }
        }
    }
}

fn cut(text: &mut String, bytes_max: usize) {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}
