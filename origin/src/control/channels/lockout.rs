//! Keys do not say whose they are: they are the room's. So whoever loses a room takes all its keys along,
//! and whoever publishes there is cut off. Who still has the room makes new ones.

use ::accounts::{Account, UserId};

use super::House;
use crate::caller::BROADCASTER;
use crate::control::problem::Problem;

/// Rooms that somebody may make keys of, but for those that are theirs as the owner.
pub(in crate::control) fn rooms_of(account: &Account) -> Vec<String> {
    let grants = account.grants.iter();
    let theirs = grants.filter(|grant| grant.role.as_str() == BROADCASTER);
    theirs.map(|grant| grant.room.to_string()).collect()
}

impl House {
    /// Takes back the keys of rooms, and of all that somebody owns, and cuts off who publishes there. How
    /// many keys there were. To be called when the power over the rooms is gone: a key that is made
    /// meanwhile finds out by itself.
    pub(in crate::control) async fn lock_out(
        &self,
        rooms: Vec<String>,
        owner: Option<&UserId>,
    ) -> Result<u64, Problem> {
        let owner = owner.map(ToString::to_string);
        let revoked = self.store.revoke_keys(rooms, owner).await?;
        self.refresh_or_later().await;
        Ok(revoked)
    }
}
