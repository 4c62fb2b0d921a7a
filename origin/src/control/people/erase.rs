//! Erasing a person: everything that says who they were, wherever it is.
//!
//! The account goes last: until then everything can be asked for again, and goes on where it ended. The
//! ledger keeps its opaque id, which means nobody from then on, and what the id has.

use accounts::UserId;

use crate::clock::unix_ms;
use crate::control::Desk;
use crate::control::channels::rooms_of;
use crate::control::problem::Problem;

/// Erases somebody, as `actor` asked. Again is the same; 404 if there never was such an account. Whether
/// they were there.
pub(super) async fn erase(desk: &Desk, user: &UserId, actor: &str) -> Result<bool, Problem> {
    let _place = desk.people.erasing()?;
    let (is_there, rooms) = match desk.accounts.account(user).await {
        Ok(account) => (true, rooms_of(&account)),
        // Erased before, or never there: only the first has anything in rooms.
        Err(accounts::Error::Unknown) => {
            desk.accounts.erase(user, unix_ms()).await?;
            (false, Vec::new())
        }
        Err(error) => return Err(error.into()),
    };
    match desk.accounts.sign_out_everywhere(user).await {
        Ok(_) | Err(accounts::Error::Unknown) => {}
        Err(error) => return Err(error.into()),
    }
    desk.house.lock_out(rooms.clone(), Some(user)).await?;
    desk.rooms.erase(user.as_str(), actor).await?;
    // What is held is given back: nobody could be asked about it.
    for gift in desk.records.export(user.as_str()).await? {
        if gift.state == gift_records::State::Held {
            desk.give_back(&gift.id).await?;
        }
    }
    desk.records.forget(user.as_str()).await?;
    desk.house.store.forget(user.as_str()).await?;
    let _alone = desk.people.naming().await?;
    match desk.accounts.account(user).await {
        Ok(account) => {
            let name = account.display_name.as_str();
            desk.rooms.names().disown(user.as_str(), name, None);
        }
        Err(accounts::Error::Unknown) => {}
        Err(error) => return Err(error.into()),
    }
    desk.accounts.erase(user, unix_ms()).await?;
    if is_there {
        // Until now they could make a key.
        desk.house.lock_out(rooms, Some(user)).await?;
    }
    Ok(is_there)
}
