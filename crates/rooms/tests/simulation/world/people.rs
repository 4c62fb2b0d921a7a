//! What people in it do.

use std::sync::Arc;

use rand::Rng;
use rooms::schema::{
    Body, Gift, Message, Moderation, Notice, Publish, Relay, Review, ReviewKind, Roles,
};

use super::World;
use crate::chance;

impl World {
    pub(super) fn connected(&mut self) -> Option<(usize, usize, u64)> {
        let at = self.rng.random_range(0..self.clients.len());
        let connection = self.clients[at].connection.as_ref()?;
        // Nobody speaks before having heard anything.
        connection.welcomed.then_some(())?;
        Some((at, connection.edge, connection.id))
    }

    pub(super) fn speak(&mut self) {
        let Some((at, edge, id)) = self.connected() else {
            return;
        };
        let again = self.rng.random_bool(0.05) && !self.said.is_empty();
        let publish = if again {
            let from = self.said.len().saturating_sub(20);
            let (who, publish) = self.said[self.rng.random_range(from..self.said.len())].clone();
            if who != at {
                return;
            }
            publish
        } else {
            self.next_id += 1;
            let number = self.next_id;
            let long = [10, 80, 900][self.rng.random_range(0..3)];
            let user = self.clients[at].user.clone();
            let publish = Publish {
                author: user.id.clone(),
                client_id: format!("c{number}"),
                media_ms: self.rng.random_bool(0.5).then(|| self.now_ms - 3_000),
                body: Body::Message(Message {
                    id: format!("m{number}"),
                    author: user,
                    kind: "text".to_owned(),
                    text: format!("{number} {}", "é".repeat(long)),
                    reply_to: None,
                    attrs: Vec::new(),
                }),
            };
            self.ids.push(format!("m{number}"));
            self.said.push((at, publish.clone()));
            publish
        };
        self.edges[edge].room.publish(self.now_ms, id, publish);
        self.flush();
    }

    /// Holds a message, or complains of one.
    pub(super) fn ask(&mut self) {
        let Some((at, edge, id)) = self.connected() else {
            return;
        };
        self.next_id += 1;
        let number = self.next_id;
        let user = self.clients[at].user.clone();
        let message = |id: String| Message {
            id,
            author: user.clone(),
            kind: "text".to_owned(),
            text: format!("{number} held"),
            ..Message::default()
        };
        let (kind, message) = if self.rng.random_bool(0.5) || self.ids.is_empty() {
            self.ids.push(format!("m{number}"));
            (ReviewKind::Held, message(format!("m{number}")))
        } else {
            let recent = self.ids.len().saturating_sub(20);
            let at = self.rng.random_range(recent..self.ids.len());
            (ReviewKind::Report, message(self.ids[at].clone()))
        };
        self.reviews.push(format!("r{number}"));
        let publish = Publish {
            author: user.id.clone(),
            client_id: format!("c{number}"),
            media_ms: None,
            body: Body::Review(Review {
                id: format!("r{number}"),
                kind,
                message,
                reason: "because".to_owned(),
                by: user.id,
            }),
        };
        self.edges[edge].room.publish(self.now_ms, id, publish);
        self.flush();
    }

    pub(super) fn relay(&mut self) {
        let edge = self.rng.random_range(0..self.edges.len());
        let user = format!("user-{}", self.rng.random_range(0..16));
        let relay = match self.rng.random_range(0..6) {
            0 => Relay::Disconnect {
                user,
                reason: String::new(),
            },
            1 => Relay::Roles {
                user,
                add: Roles::VIP,
                remove: Roles::SUBSCRIBER,
            },
            _ => Relay::Notify {
                users: vec![user, "user-0".to_owned()],
                notice: Arc::new(Notice {
                    id: "n".to_owned(),
                    ..Notice::default()
                }),
            },
        };
        let room = &mut self.edges[edge].room;
        assert!(room.relay(relay));
        room.audit("user-0".to_owned(), "relayed something".to_owned());
        self.flush();
    }

    pub(super) fn moderate(&mut self) {
        let Some((at, edge, id)) = self.connected() else {
            return;
        };
        let act = chance::act(&mut self.rng, &self.ids, &self.reviews);
        self.next_id += 1;
        let publish = Publish {
            author: self.clients[at].user.id.clone(),
            client_id: format!("c{}", self.next_id),
            media_ms: None,
            body: Body::Moderation(Moderation {
                actor: self.clients[at].user.id.clone(),
                reason: "because ".repeat(self.rng.random_range(0..80)),
                act,
            }),
        };
        self.edges[edge].room.publish(self.now_ms, id, publish);
        self.flush();
    }

    pub(super) fn say_from_elsewhere(&mut self) {
        let Some(hub) = &mut self.hub else { return };
        self.next_id += 1;
        let id = format!("x{}", self.next_id);
        let body = if self.rng.random_bool(0.5) {
            let sender = self.clients[0].user.clone();
            Body::Gift(Gift {
                id: id.clone(),
                sender,
                recipient: "user-1".to_owned(),
                item: "rose".to_owned(),
                count: 1,
                points: 10,
                ..Gift::default()
            })
        } else {
            Body::Notice(Notice {
                id: id.clone(),
                kind: "system".to_owned(),
                text: "hello".to_owned(),
                payload: String::new(),
            })
        };
        let publish = Publish {
            author: self.clients[0].user.id.clone(),
            client_id: id,
            media_ms: None,
            body,
        };
        let first = hub.publish(self.now_ms, publish.clone());
        // The outbox says it again, as it may.
        assert_eq!(hub.publish(self.now_ms, publish), first);
    }

    pub(super) fn like(&mut self) {
        if let Some((_, edge, id)) = self.connected() {
            self.edges[edge].room.like(id, 3);
            self.edges[edge].likes += 3;
            self.likes += 3;
        }
    }
}
