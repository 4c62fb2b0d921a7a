//! What is committed together: linked transfers, and what the world is told of them.

use std::collections::BTreeSet;

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use serde::Serialize;

use crate::error::Invalid;
use crate::limits::{MESSAGES_PER_BATCH_MAX, PAYLOAD_BYTES_MAX, TRANSFERS_PER_BATCH_MAX};
use crate::money::{Amount, Currency, Timestamp};
use crate::text::{AccountId, HoldId, Kind, Reference, TransferId};

/// SHA-256 of the content of a batch or hold.
pub(crate) type Digest = [u8; 32];

/// A movement from one account (debit) to another (credit). Immutable once committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// Unique for ever.
    pub id: TransferId,
    /// Whose balance goes down.
    pub debit: AccountId,
    /// Whose balance goes up.
    pub credit: AccountId,
    /// By how much.
    pub amount: Amount,
    /// Of both accounts.
    pub currency: Currency,
    /// What it is for.
    pub kind: Kind,
    /// What it belongs to.
    pub reference: Reference,
    /// The transfer that this one takes back.
    pub reverses: Option<TransferId>,
}

/// A transfer that is there, with what the store gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Posted {
    /// Its place among all transfers: from 1, without gaps.
    pub seq: u64,
    /// Its batch.
    pub batch: u64,
    /// When it was committed, by the clock of whoever did.
    pub at_ms: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub transfer: Transfer,
}

/// What is to be told to others when, and only when, the batch is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who it is for (a room).
    pub topic: Reference,
    /// Opaque; at most [`PAYLOAD_BYTES_MAX`].
    pub payload: Bytes,
}

/// Transfers that are committed all or none, with their messages. The order of the transfers
/// does not matter: an account must not be below zero *after* all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    transfers: Vec<Transfer>,
    messages: Vec<Message>,
    posts: Option<HoldId>,
    digest: Digest,
}

impl Batch {
    /// A batch of these transfers.
    ///
    /// # Errors
    /// There is none or too many, an id comes twice, or an account pays itself.
    pub fn new(mut transfers: Vec<Transfer>) -> Result<Self, Invalid> {
        if !(1..=TRANSFERS_PER_BATCH_MAX).contains(&transfers.len()) {
            return Err(Invalid::Transfers);
        }
        transfers.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut ids = BTreeSet::new();
        for transfer in &transfers {
            if transfer.debit == transfer.credit {
                return Err(Invalid::SameAccount);
            }
            if !ids.insert(&transfer.id) {
                let id = transfer.id.clone();
                return Err(Invalid::Duplicate { id });
            }
        }
        let mut batch = Self {
            transfers,
            messages: Vec::new(),
            posts: None,
            digest: Digest::default(),
        };
        batch.digest = batch.content();
        Ok(batch)
    }

    /// With messages for the outbox, in this order.
    ///
    /// # Errors
    /// There are too many, or one is too large.
    pub fn with_messages(mut self, messages: Vec<Message>) -> Result<Self, Invalid> {
        if messages.len() > MESSAGES_PER_BATCH_MAX {
            return Err(Invalid::Messages);
        }
        if messages
            .iter()
            .any(|message| message.payload.len() > PAYLOAD_BYTES_MAX)
        {
            return Err(Invalid::Payload);
        }
        self.messages = messages;
        self.digest = self.content();
        Ok(self)
    }

    /// Paid from a hold: what the batch takes from the hold's account is at most what was held,
    /// and what is left of it is released.
    #[must_use]
    pub fn posting(mut self, hold: HoldId) -> Self {
        self.posts = Some(hold);
        self.digest = self.content();
        self
    }

    /// Takes back a whole committed batch, with ids `{id}/0`, `{id}/1`, ... in the order of the
    /// original's transfers.
    ///
    /// # Errors
    /// `original` is empty, or `id` is too long.
    pub fn reversing(
        original: &[Posted],
        id: &TransferId,
        kind: &Kind,
        reference: &Reference,
    ) -> Result<Self, Invalid> {
        if original.is_empty() {
            return Err(Invalid::NothingToReverse);
        }
        let transfers = original.iter().enumerate().map(|(index, posted)| {
            let Transfer {
                id: reversed,
                debit,
                credit,
                amount,
                currency,
                ..
            } = posted.transfer.clone();
            Ok(Transfer {
                id: TransferId::new(&format!("{id}/{index}"))?,
                debit: credit,
                credit: debit,
                amount,
                currency,
                kind: kind.clone(),
                reference: reference.clone(),
                reverses: Some(reversed),
            })
        });
        Self::new(transfers.collect::<Result<_, _>>()?)
    }

    /// Sorted by id.
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// For the outbox.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The hold that it is paid from.
    pub fn posts(&self) -> Option<&HoldId> {
        self.posts.as_ref()
    }

    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What makes two batches the same: everything but the time, and the order of transfers.
    fn content(&self) -> Digest {
        let mut hash = Content::new(b"batch 1");
        hash.number(self.transfers.len() as u64);
        for transfer in &self.transfers {
            hash.text(transfer.id.as_str());
            hash.text(transfer.debit.as_str());
            hash.text(transfer.credit.as_str());
            hash.number(transfer.amount.units());
            hash.text(transfer.currency.as_str());
            hash.text(transfer.kind.as_str());
            hash.text(transfer.reference.as_str());
            hash.text(transfer.reverses.as_ref().map_or("", TransferId::as_str));
        }
        hash.number(self.messages.len() as u64);
        for message in &self.messages {
            hash.text(message.topic.as_str());
            hash.bytes(&message.payload);
        }
        hash.text(self.posts.as_ref().map_or("", HoldId::as_str));
        hash.finish()
    }
}

/// A hash over fields, each with its length before it, so that none runs into the next.
pub(crate) struct Content(Context);

impl Content {
    pub(crate) fn new(domain: &[u8]) -> Self {
        let mut content = Self(Context::new(&SHA256));
        content.bytes(domain);
        content
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(crate) fn finish(self) -> Digest {
        let mut digest = Digest::default();
        for (to, from) in digest.iter_mut().zip(self.0.finish().as_ref()) {
            *to = *from;
        }
        digest
    }
}
