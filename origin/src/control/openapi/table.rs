//! The routes: one line for each. To add one, add a line; the test says which are missing.

use super::Route;
use super::Who::{self, Anyone, Operator, Person, Staff};
use super::shapes::{
    AccountAsk, AmountAsk, Anything, Balance, Board, CreditGiven, Earnings, GiftAsk, GiftGiven,
    Goal, GoalAsk, Items, NameAsk, PasswordAsk, PasswordChange, Record, Records, RefundAsk,
    Session, SignInAsk, TokenAsk, User, Users, Wallet, WalletPage,
};
use crate::control::channels::{
    KeyAsk, Keys, NewKeyShown, RoomAsk, RoomChange, RoomShown, Rooms, StopAsk,
};
use crate::control::signing::{Ask as RotationAsk, Rotated};
use crate::control::webhooks::{HookAsk, HookMade, Hooks};

const fn get(path: &'static str, who: Who, says: &'static str) -> Route {
    Route::new("get", path, says, who)
}

const fn post(path: &'static str, who: Who, says: &'static str) -> Route {
    Route::new("post", path, says, who)
}

const fn put(path: &'static str, who: Who, says: &'static str) -> Route {
    Route::new("put", path, says, who)
}

const fn patch(path: &'static str, who: Who, says: &'static str) -> Route {
    Route::new("patch", path, says, who)
}

const fn delete(path: &'static str, who: Who, says: &'static str) -> Route {
    Route::new("delete", path, says, who)
}

/// All routes.
pub(super) fn routes() -> Vec<Route> {
    [
        people(),
        money(),
        boards(),
        studio(),
        rooms(),
        staff(),
        gifts(),
        ledger(),
    ]
    .concat()
}

#[rustfmt::skip]
fn people() -> Vec<Route> {
    vec![
        get("/openapi.json", Anyone, "This document").gives::<Anything>(200),
        get("/accounts", Anyone, "Whether there are accounts, and whether anybody may register").gives::<Anything>(200),
        post("/accounts", Anyone, "Registers somebody, who is signed in").asks::<AccountAsk>().gives::<Session>(201).again(),
        post("/session", Anyone, "Signs in").asks::<SignInAsk>().gives::<Session>(200),
        post("/session/refresh", Anyone, "A new access token for a refresh token").asks::<TokenAsk>().gives::<Session>(200),
        post("/session/end", Anyone, "Signs out").asks::<TokenAsk>(),
        get("/me", Person, "Who is signed in").gives::<User>(200),
        patch("/me", Person, "Changes the name that others see").asks::<NameAsk>().gives::<User>(200),
        post("/me/password", Person, "Changes the password; all sign-ins end").asks::<PasswordChange>(),
        post("/me/sign-out-everywhere", Person, "Ends all sign-ins"),
        get("/me/export", Person, "All that is kept of who asks").gives::<Anything>(200),
        post("/me/erase", Person, "Erases the account").asks::<PasswordAsk>(),
    ]
}

#[rustfmt::skip]
fn money() -> Vec<Route> {
    vec![
        get("/wallet", Person, "Coins of who asks").gives::<Wallet>(200),
        get("/wallet/history", Person, "What they paid and got, the newest first").query(&["before", "limit"]).gives::<WalletPage>(200),
        post("/rooms/{room}/gifts", Person, "Gives a gift; 200 if it was given before").asks::<GiftAsk>().gives::<GiftGiven>(201),
        post("/payments/{provider}", Anyone, "What a provider of payments reports, signed").asks::<Anything>().gives::<Anything>(200),
    ]
}

#[rustfmt::skip]
fn boards() -> Vec<Route> {
    vec![
        get("/rooms/{room}/gifts", Anyone, "What can be given").gives::<Items>(200).of_edges(),
        get("/leaderboard", Anyone, "Who gave most, in all rooms").query(&["period"]).gives::<Board>(200),
        get("/rooms/{room}/leaderboard", Anyone, "Who gave most, in a room").query(&["period"]).gives::<Board>(200),
        get("/rooms/{room}/goal", Anyone, "What gifts are to reach").gives::<Goal>(200),
        put("/rooms/{room}/goal", Person, "Sets a goal").asks::<GoalAsk>().gives::<Goal>(200),
        delete("/rooms/{room}/goal", Person, "Takes the goal away"),
        get("/rooms/{room}/earnings", Person, "What a room earned, day by day").query(&["days"]).gives::<Earnings>(200),
        get("/rooms/{room}/gifts/latest", Person, "The latest gifts, for who keeps the room").query(&["before", "limit"]).gives::<Records>(200),
    ]
}

#[rustfmt::skip]
fn gifts() -> Vec<Route> {
    vec![
        get("/admin/reports", Staff, "What waits for a decision in open rooms").gives::<Anything>(200),
        post("/admin/reports/{room}/{id}/approve", Staff, "Lets a held message through, or keeps a reported one"),
        post("/admin/reports/{room}/{id}/dismiss", Staff, "Closes it; nothing else happens"),
        get("/admin/gifts", Staff, "Gifts, the newest first").query(&["room", "state", "before", "limit"]).gives::<Records>(200),
        get("/admin/gifts/{id}", Staff, "A gift, and its transfers").gives::<Record>(200),
        post("/admin/gifts/{id}/approve", Staff, "Pays what was held"),
        post("/admin/gifts/{id}/reject", Staff, "Gives back what was held"),
        post("/admin/gifts/{id}/refund", Staff, "Takes back what was paid").asks::<RefundAsk>(),
    ]
}

#[rustfmt::skip]
fn studio() -> Vec<Route> {
    vec![
        get("/rooms/{room}/studio", Person, "A room, for its broadcaster").gives::<RoomShown>(200),
        post("/rooms/{room}/studio/start", Person, "Lets publishers and viewers in again, unless staff stopped the room").gives::<RoomShown>(200),
        post("/rooms/{room}/studio/stop", Person, "Cuts publisher and viewers off; moderators of the room may, too").asks::<StopAsk>().gives::<RoomShown>(200),
        get("/rooms/{room}/studio/keys", Person, "The keys to publish to the room with").gives::<Keys>(200),
        post("/rooms/{room}/studio/keys", Person, "Makes a key, which is shown this once").asks::<KeyAsk>().gives::<NewKeyShown>(201).again(),
        delete("/rooms/{room}/studio/keys/{id}", Person, "Takes a key back"),
    ]
}

#[rustfmt::skip]
fn rooms() -> Vec<Route> {
    vec![
        get("/admin/rooms", Staff, "Rooms by name").query(&["after", "limit"]).gives::<Rooms>(200),
        post("/admin/rooms", Staff, "Makes a room").asks::<RoomAsk>().gives::<RoomShown>(201).again(),
        get("/admin/rooms/{room}", Staff, "A room").gives::<RoomShown>(200),
        patch("/admin/rooms/{room}", Staff, "Changes title, owner or rules").asks::<RoomChange>().gives::<RoomShown>(200),
        delete("/admin/rooms/{room}", Staff, "Deletes a room that the API made; who is there is cut off"),
        post("/admin/rooms/{room}/start", Staff, "Lets publishers and viewers in again").gives::<RoomShown>(200),
        post("/admin/rooms/{room}/stop", Staff, "Cuts publisher and viewers off, until start").asks::<StopAsk>().gives::<RoomShown>(200),
        get("/admin/rooms/{room}/keys", Staff, "The keys to publish to a room with").gives::<Keys>(200),
        post("/admin/rooms/{room}/keys", Staff, "Makes a key, which is shown this once").asks::<KeyAsk>().gives::<NewKeyShown>(201).again(),
        delete("/admin/rooms/{room}/keys/{id}", Staff, "Takes a key back"),
        get("/admin/webhooks", Staff, "Who is told of what").gives::<Hooks>(200),
        post("/admin/webhooks", Staff, "Makes a webhook; its secret is shown this once").asks::<HookAsk>().gives::<HookMade>(201).again(),
        delete("/admin/webhooks/{id}", Staff, "Deletes a webhook, and what it was to hear"),
    ]
}

#[rustfmt::skip]
fn staff() -> Vec<Route> {
    vec![
        get("/admin/users", Staff, "People, by id or by login name").query(&["login", "after", "limit"]).gives::<Users>(200),
        get("/admin/users/{id}", Staff, "Somebody, and their wallet").gives::<User>(200),
        delete("/admin/users/{id}", Staff, "Erases somebody"),
        post("/admin/users/{id}/block", Staff, "Blocks somebody; all sign-ins end"),
        post("/admin/users/{id}/unblock", Staff, "Lets somebody in again"),
        post("/admin/users/{id}/sign-out", Staff, "Ends somebody's sign-ins"),
        put("/admin/users/{id}/roles/{role}", Staff, "Gives a role, everywhere or in a room").query(&["room"]).gives::<User>(200),
        delete("/admin/users/{id}/roles/{role}", Staff, "Takes a role").query(&["room"]).gives::<User>(200),
        post("/admin/users/{id}/password", Staff, "Sets a password; all sign-ins end").asks::<PasswordAsk>(),
        get("/admin/users/{id}/export", Staff, "All that is kept of somebody").gives::<Anything>(200),
        post("/admin/keys/rotate", Operator, "Replaces the key that signs access tokens").asks::<RotationAsk>().gives::<Rotated>(200),
        post("/admin/users/{id}/credits", Staff, "Gives coins, or takes them back").asks::<AmountAsk>().gives::<CreditGiven>(201).again(),
    ]
}

#[rustfmt::skip]
fn ledger() -> Vec<Route> {
    vec![
        get("/admin/ledger/summary", Staff, "The ledger at a glance").gives::<Anything>(200),
        get("/admin/ledger/verify", Staff, "What the last audit found").gives::<Anything>(200),
        post("/admin/ledger/verify", Staff, "Audits the whole ledger").gives::<Anything>(200),
        get("/admin/ledger/accounts/{id}", Staff, "What an account has").gives::<Balance>(200),
        get("/admin/ledger/accounts/{id}/history", Staff, "An account's transfers, the newest first").query(&["before", "limit"]).gives::<Anything>(200),
        get("/admin/ledger/transfers/{id}", Staff, "The transfers of an id, slashes and all").gives::<Anything>(200),
        get("/admin/ledger/export", Staff, "Everything, a line of JSON each").gives::<Anything>(200),
    ]
}
