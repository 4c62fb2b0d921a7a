//! Webhooks: made, listed, deleted.

use database::Row;

use super::{Channels, FEWER, count, head, owned};
use crate::error::Error;
use crate::key::random_id;
use crate::limits::WEBHOOKS_MAX;
use crate::model::{Events, NewWebhook, Webhook};

const COUNT: &str = "SELECT count(*) FROM channels_webhooks";
const INSERT: &str = "INSERT INTO channels_webhooks (id, url, events, room, secret, created_ms) \
    VALUES ($1, $2, $3, $4, $5, $6)";
const ALL: &str = "SELECT id, url, events, room, created_ms FROM channels_webhooks \
    ORDER BY created_ms, id";
const DELETE: &str = "DELETE FROM channels_webhooks WHERE id = $1";
const DELETE_WAITING: &str = "DELETE FROM channels_deliveries WHERE webhook = $1";

impl Channels {
    /// Stores a webhook.
    ///
    /// # Errors
    /// [`Error::TooManyWebhooks`].
    pub async fn create_webhook(&self, new: NewWebhook, now_ms: u64) -> Result<Webhook, Error> {
        let id = random_id("wh-")?;
        self.run((id, new, now_ms), |tx, (id, new, now_ms)| {
            Box::pin(async move {
                head(tx).await?;
                if count(tx, COUNT, &[]).await? >= WEBHOOKS_MAX {
                    return Err(Error::TooManyWebhooks);
                }
                let values = [
                    id.as_str().into(),
                    new.url.as_str().into(),
                    new.events.bits().into(),
                    new.room.as_deref().into(),
                    new.secret.expose().into(),
                    (*now_ms).into(),
                ];
                tx.execute(INSERT, &values).await?;
                Ok(Webhook {
                    id: id.clone(),
                    url: new.url.clone(),
                    events: new.events,
                    room: new.room.clone(),
                    created_ms: *now_ms,
                })
            })
        })
        .await
    }

    /// All webhooks, the oldest first, without what they sign with.
    ///
    /// # Errors
    /// The store's.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>, Error> {
        self.run((), |tx, ()| {
            Box::pin(async move { tx.query(ALL, &[]).await?.iter().map(read).collect() })
        })
        .await
    }

    /// Removes a webhook, and what it was to hear.
    ///
    /// # Errors
    /// [`Error::UnknownWebhook`].
    pub async fn delete_webhook(&self, id: &str) -> Result<(), Error> {
        self.run(id.to_owned(), |tx, id| {
            Box::pin(async move {
                let head = head(tx).await?;
                if tx.execute(DELETE, &[id.as_str().into()]).await? == 0 {
                    return Err(Error::UnknownWebhook);
                }
                let gone = tx.execute(DELETE_WAITING, &[id.as_str().into()]).await?;
                let waiting = head.waiting.saturating_sub(gone);
                tx.execute(FEWER, &[waiting.into()]).await?;
                Ok(())
            })
        })
        .await
    }
}

fn read(row: &Row) -> Result<Webhook, Error> {
    Ok(Webhook {
        id: row.text(0)?.to_owned(),
        url: row.text(1)?.to_owned(),
        events: Events::of_bits(row.number(2)?),
        room: owned(row, 3)?,
        created_ms: row.number(4)?,
    })
}
