//! Erasing a person: they own no room, and nobody is told any more what they gave.

use super::{COUNT_CHANGE, Channels, FEWER, head};
use crate::error::Error;

const DISOWN: &str = "UPDATE channels_rooms SET owner = NULL WHERE owner = $1";
const UNTELL: &str = "DELETE FROM channels_deliveries WHERE sender = $1";

impl Channels {
    /// Forgets somebody, by their user id. Their rooms stay, and are nobody's. Again is the same.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget(&self, user: &str) -> Result<(), Error> {
        self.run(user.to_owned(), |tx, user| {
            Box::pin(async move {
                let head = head(tx).await?;
                let gone = tx.execute(UNTELL, &[user.as_str().into()]).await?;
                let waiting = head.waiting.saturating_sub(gone);
                tx.execute(FEWER, &[waiting.into()]).await?;
                if tx.execute(DISOWN, &[user.as_str().into()]).await? > 0 {
                    tx.execute(COUNT_CHANGE, &[]).await?;
                }
                Ok(())
            })
        })
        .await
    }
}
