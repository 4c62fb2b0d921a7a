//! What requests and answers look like whose types are elsewhere, or nowhere: for the document alone.

#![expect(
    dead_code,
    reason = "their fields are read by the schema's derive alone"
)]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::Value;

/// Why something was not done (RFC 9457).
#[derive(JsonSchema)]
pub(super) struct Problem {
    r#type: String,
    title: String,
    status: u16,
    /// For people.
    detail: String,
    /// Stable, for programs.
    code: String,
    /// When to come again.
    retry_after_ms: Option<u64>,
}

/// JSON that is not described further.
#[derive(JsonSchema)]
pub(super) struct Anything(Value);

/// Somebody to be registered.
#[derive(JsonSchema)]
#[schemars(rename = "NewAccount", deny_unknown_fields)]
pub(super) struct AccountAsk {
    login: String,
    /// That others see.
    name: String,
    password: String,
    /// Whether the refresh token is to be a cookie.
    cookie: Option<bool>,
}

/// Login name and password.
#[derive(JsonSchema)]
#[schemars(rename = "SignIn", deny_unknown_fields)]
pub(super) struct SignInAsk {
    login: String,
    password: String,
    /// Whether the refresh token is to be a cookie.
    cookie: Option<bool>,
}

/// A refresh token, if it is no cookie.
#[derive(JsonSchema)]
#[schemars(rename = "Refresh", deny_unknown_fields)]
pub(super) struct TokenAsk {
    refresh_token: Option<String>,
}

/// A name.
#[derive(JsonSchema)]
#[schemars(rename = "NewName", deny_unknown_fields)]
pub(super) struct NameAsk {
    name: String,
}

/// The password before, and the next.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct PasswordChange {
    present: String,
    next: String,
}

/// A password.
#[derive(JsonSchema)]
#[schemars(rename = "Password", deny_unknown_fields)]
pub(super) struct PasswordAsk {
    password: String,
}

/// Somebody who is signed in.
#[derive(JsonSchema)]
pub(super) struct Session {
    access_token: String,
    /// `Bearer`.
    token_type: String,
    /// Seconds.
    expires_in: u64,
    /// Unless it is a cookie.
    refresh_token: Option<String>,
    user: User,
}

/// A person. State and wallet are for staff.
#[derive(JsonSchema)]
pub(super) struct User {
    id: String,
    login: String,
    name: String,
    /// Everywhere.
    roles: Vec<String>,
    /// In rooms.
    rooms: BTreeMap<String, Vec<String>>,
    created_at_ms: u64,
    /// `active` or `blocked`.
    state: Option<String>,
    wallet: Option<Wallet>,
}

/// Some people; `next` is what to give as `after`.
#[derive(JsonSchema)]
pub(super) struct Users {
    users: Vec<User>,
    next: Option<String>,
}

/// Coins of somebody.
#[derive(JsonSchema)]
pub(super) struct Wallet {
    /// `coin`.
    currency: String,
    balance: i64,
    available: i64,
    held: u64,
}

/// Something that was paid or got.
#[derive(JsonSchema)]
pub(super) struct WalletLine {
    seq: u64,
    at_ms: u64,
    /// `gift`, `topup`, `refund` or `adjustment`.
    kind: String,
    amount: i64,
    currency: String,
}

/// Some of them; `next` is what to give as `before`.
#[derive(JsonSchema)]
pub(super) struct WalletPage {
    items: Vec<WalletLine>,
    next: Option<u64>,
}

/// A gift, as viewers ask edges for it.
#[derive(JsonSchema)]
#[schemars(rename = "NewGift", deny_unknown_fields)]
pub(super) struct GiftAsk {
    /// The same again is the same gift.
    client_id: String,
    item: String,
    count: u32,
    note: Option<String>,
    media_ms: Option<u64>,
}

/// What became of a gift.
#[derive(JsonSchema)]
pub(super) struct GiftGiven {
    id: String,
    /// `given` or `held`.
    state: String,
    total: u64,
    currency: String,
    /// What can still be spent; null if it could not be read: the wallet says.
    available: Option<i64>,
}

/// Coins to be given; fewer than none are taken back.
#[derive(JsonSchema)]
#[schemars(rename = "NewCredit", deny_unknown_fields)]
pub(super) struct AmountAsk {
    amount: i64,
    note: String,
}

/// Coins that were given.
#[derive(JsonSchema)]
#[schemars(rename = "Credit")]
pub(super) struct CreditGiven {
    transfer: String,
    balance: i64,
}

/// What an account of the ledger has.
#[derive(JsonSchema)]
pub(super) struct Balance {
    balance: i64,
    held: u64,
    available: i64,
}

/// Something that can be given.
#[derive(JsonSchema)]
pub(super) struct Item {
    id: String,
    name: String,
    price: u64,
    currency: String,
    animation: String,
    /// Of the filter that has it.
    attrs: BTreeMap<String, String>,
}

/// What can be given.
#[derive(JsonSchema)]
pub(super) struct Items {
    items: Vec<Item>,
}

/// Who somebody is.
#[derive(JsonSchema)]
pub(super) struct Someone {
    id: String,
    name: String,
}

/// A place on a leaderboard.
#[derive(JsonSchema)]
pub(super) struct Place {
    rank: u64,
    user: Someone,
    points: u64,
}

/// A leaderboard.
#[derive(JsonSchema)]
#[schemars(rename = "Leaderboard")]
pub(super) struct Board {
    /// `day` (UTC) or `all`.
    period: String,
    entries: Vec<Place>,
    total: u64,
}

/// What gifts are to reach.
#[derive(JsonSchema)]
pub(super) struct Goal {
    title: String,
    target: u64,
    progress: u64,
    set_at_ms: u64,
    reached_at_ms: Option<u64>,
}

/// A goal to be set.
#[derive(JsonSchema)]
#[schemars(rename = "NewGoal", deny_unknown_fields)]
pub(super) struct GoalAsk {
    title: String,
    target: u64,
}

/// A day of a room.
#[derive(JsonSchema)]
pub(super) struct Day {
    /// `2026-11-22`.
    day: String,
    gifts: u64,
    coins: u64,
    diamonds: u64,
}

/// What a room earned.
#[derive(JsonSchema)]
pub(super) struct Earnings {
    /// `diamond`.
    currency: String,
    balance: i64,
    /// Every day, the oldest first.
    days: Vec<Day>,
}

/// A gift that was given.
#[derive(JsonSchema)]
#[schemars(rename = "Gift")]
pub(super) struct Record {
    id: String,
    seq: u64,
    at_ms: u64,
    room: String,
    sender: Someone,
    item: String,
    count: u32,
    total: u64,
    points: u64,
    /// Diamonds of the room.
    earned: u64,
    note: Option<String>,
    /// `given`, `held`, `rejected` or `refunded`.
    state: String,
    /// Why it was held.
    signals: Vec<String>,
    refunded_at_ms: Option<u64>,
    /// In the ledger; for staff who look at one.
    transfers: Option<Value>,
}

/// Some of them; `next` is what to give as `before`.
#[derive(JsonSchema)]
#[schemars(rename = "Gifts")]
pub(super) struct Records {
    items: Vec<Record>,
    next: Option<u64>,
}

/// Why a gift is taken back.
#[derive(JsonSchema)]
#[schemars(rename = "Refund", deny_unknown_fields)]
pub(super) struct RefundAsk {
    reason: String,
}
