//! Whose a room is, and who has power over it because of that.
//!
//! Roles are in the store of accounts, owners in that of rooms: no transaction has both. So the owner
//! changes last. Whatever fails before, the room has the owner it had, and the same again does all of it.

use ::accounts::{Error as AccountError, Role, Room as Named, UserId};
use ::channels::{Change, Room};

use crate::caller::BROADCASTER;
use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::problem::Problem;

/// The role of whose room it is.
pub(super) fn role(room: &str) -> Result<(Named, Role), Problem> {
    let room = Named::new(room).map_err(AccountError::from)?;
    let role = Role::new(BROADCASTER).map_err(AccountError::from)?;
    Ok((room, role))
}

/// Changes what is said of it in `change`, or whose room it is: `to` is what becomes of the owner, if anything.
/// Whether anything is otherwise, and the room.
pub(super) async fn change(
    desk: &Desk,
    room: &str,
    change: Change,
    to: Option<Option<UserId>>,
) -> Result<(bool, Room), Problem> {
    let store = &desk.house.store;
    let owner = to.as_ref();
    let change = Change {
        owner: owner.map(|to| to.as_ref().map(ToString::to_string)),
        ..change
    };
    // What would be refused is refused before anybody's role changes.
    let before = store.may_change(room, &change).await?;
    let mut is_new = false;
    if let Some(to) = &to {
        is_new |= hand_over(desk, room, before.owner.as_deref(), to.as_ref()).await?;
    }
    let (replaced, after) = store.change_room(room, change).await?;
    if let Some(to) = &to
        && replaced.owner != before.owner
    {
        // Somebody else handed it over meanwhile, to whom it is no longer.
        hand_over(desk, room, replaced.owner.as_deref(), to.as_ref()).await?;
    }
    is_new |= replaced != after;
    Ok((is_new, after))
}

/// Gives the role to whose room it is to be; takes it from whose it was, and with it the room's keys.
/// Again is the same. Whether anybody's roles are otherwise.
async fn hand_over(
    desk: &Desk,
    room: &str,
    from: Option<&str>,
    to: Option<&UserId>,
) -> Result<bool, Problem> {
    let mut is_new = false;
    if let Some(to) = to {
        let (named, role) = role(room)?;
        let granted = desk.accounts.grant(to, Some(named), role, unix_ms());
        is_new |= granted.await?.is_new;
    }
    let from = from.and_then(|id| UserId::new(id).ok());
    let Some(from) = from.filter(|from| Some(from) != to) else {
        return Ok(is_new);
    };
    let (named, role) = role(room)?;
    match desk.accounts.revoke(&from, Some(named), role).await {
        Ok(revoked) => is_new |= revoked.is_new,
        // Who was erased has no roles.
        Err(AccountError::Unknown) => {}
        Err(error) => return Err(error.into()),
    }
    desk.house.lock_out(vec![room.to_owned()], None).await?;
    Ok(is_new)
}

/// Removes a room, after all roles in it: a role in what is not there would be one in whatever is made
/// under that name later.
pub(super) async fn remove(desk: &Desk, room: &str) -> Result<(), Problem> {
    let house = &desk.house;
    let was_configured = !house.configured.contains(room);
    house.store.may_delete(room, was_configured).await?;
    let (named, _) = role(room)?;
    desk.accounts.revoke_room(named).await?;
    house.store.delete_room(room, was_configured).await?;
    Ok(())
}
