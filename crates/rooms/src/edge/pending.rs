//! Publishes that the hub has not answered yet.

use std::collections::BTreeMap;

use crate::{
    config::Config,
    schema::{Body, Publish, ReviewKind},
};

#[derive(Debug)]
struct Entry {
    connection: u64,
    publish: Box<Publish>,
    since_ms: u64,
    sent_ms: u64,
}

/// What is to be done with one.
#[derive(Debug)]
pub(super) enum Due {
    Again(Box<Publish>),
    GivenUp { connection: u64, client_id: String },
}

/// There are too many.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingFull;

/// By author and client id.
#[derive(Debug)]
pub(super) struct Pending {
    entries: BTreeMap<(String, String), Entry>,
    /// No entry is due before.
    due_ms: u64,
    entries_max: usize,
    retry_ms: u64,
    timeout_ms: u64,
}

impl Pending {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            entries: BTreeMap::new(),
            due_ms: u64::MAX,
            entries_max: config.pending_max,
            retry_ms: config.retry_ms,
            timeout_ms: config.publish_timeout_ms,
        }
    }

    /// What is to be sent: if it waits already, what it was first. The connection is the last one
    /// that said it, because that is the one that is there.
    pub(super) fn insert(
        &mut self,
        now_ms: u64,
        connection: u64,
        publish: Box<Publish>,
    ) -> Result<Box<Publish>, PendingFull> {
        let key = (publish.author.clone(), publish.client_id.clone());
        if let Some(known) = self.entries.get_mut(&key) {
            known.connection = connection;
            known.since_ms = now_ms;
            known.sent_ms = now_ms;
            return Ok(known.publish.clone());
        }
        if self.entries.len() >= self.entries_max {
            return Err(PendingFull);
        }
        let entry = Entry {
            connection,
            publish: publish.clone(),
            since_ms: now_ms,
            sent_ms: now_ms,
        };
        self.entries.insert(key, entry);
        self.due_ms = self.due_ms.min(now_ms + self.retry_ms);
        Ok(publish)
    }

    /// Whether it waits already.
    pub(super) fn contains(&self, author: &str, client_id: &str) -> bool {
        let key = (author.to_owned(), client_id.to_owned());
        self.entries.contains_key(&key)
    }

    /// Takes out what was answered.
    pub(super) fn remove(
        &mut self,
        author: String,
        client_id: String,
    ) -> Option<(u64, Box<Publish>)> {
        let entry = self.entries.remove(&(author, client_id))?;
        Some((entry.connection, entry.publish))
    }

    /// Takes out what has become this event; its connection, client id and id.
    pub(super) fn remove_seen(&mut self, body: &Body) -> Option<(u64, String, String)> {
        let (author, id) = match body {
            Body::Message(message) => (&message.author.id, &message.id),
            Body::Gift(gift) => (&gift.sender.id, &gift.id),
            Body::Review(review) => match review.kind {
                ReviewKind::Held => (&review.message.author.id, &review.id),
                ReviewKind::Report => (&review.by, &review.id),
            },
            Body::Moderation(_) | Body::Notice(_) | Body::Void => return None,
        };
        let from = (author.clone(), String::new());
        let own = self.entries.range(from..);
        let own = own.take_while(|((other, _), _)| other == author);
        let is_it = |entry: &Entry| match &entry.publish.body {
            Body::Message(message) => message.id == *id,
            Body::Gift(gift) => gift.id == *id,
            Body::Review(review) => review.id == *id,
            _ => false,
        };
        let key = own
            .map(|(key, entry)| (key, is_it(entry)))
            .find_map(|(key, is_it)| is_it.then(|| key.clone()))?;
        let entry = self.entries.remove(&key)?;
        Some((entry.connection, key.1, id.clone()))
    }

    /// What has waited too long, or long enough to be sent again.
    pub(super) fn due(&mut self, now_ms: u64) -> Vec<Due> {
        if now_ms < self.due_ms {
            return Vec::new();
        }
        let mut due = Vec::new();
        let mut next_ms = u64::MAX;
        let (retry_ms, timeout_ms) = (self.retry_ms, self.timeout_ms);
        self.entries.retain(|(_, client_id), entry| {
            if entry.since_ms + timeout_ms <= now_ms {
                due.push(Due::GivenUp {
                    connection: entry.connection,
                    client_id: client_id.clone(),
                });
                return false;
            }
            if entry.sent_ms + retry_ms <= now_ms {
                entry.sent_ms = now_ms;
                due.push(Due::Again(entry.publish.clone()));
            }
            next_ms = next_ms.min(entry.sent_ms + retry_ms);
            true
        });
        self.due_ms = next_ms;
        due
    }

    /// All of them, because there is another link.
    pub(super) fn again(&mut self, now_ms: u64) -> Vec<Publish> {
        let entries = self.entries.values_mut();
        entries
            .map(|entry| {
                entry.sent_ms = now_ms;
                (*entry.publish).clone()
            })
            .collect()
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        (!self.entries.is_empty()).then_some(self.due_ms)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
