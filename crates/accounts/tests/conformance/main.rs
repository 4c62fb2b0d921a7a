//! One suite for both stores: what accounts promise, whatever keeps them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test fails by panicking"
)]

mod broken;
mod keys;
mod people;
mod privacy;
mod sessions;

use std::time::Duration;

use accounts::{
    Account, Accounts, AccountsOptions, DisplayName, Error, Login, NewAccount, OpenError, Password,
    Refreshed, Role, Room, SignIn, SignedIn, Store,
};
use database::config::DatabaseSettings;
use database::testing::{Kit, PostgresKit, SqliteKit};

/// Any time.
pub(crate) const NOW: u64 = 1_800_000_000_000;
pub(crate) const DAY_MS: u64 = 86_400_000;
pub(crate) const RIGHT: &str = "correct horse";
pub(crate) const WRONG: &str = "battery staple";
/// How long calls may wait in tests.
const TIMEOUT: Duration = Duration::from_secs(2);
const HOME: &str = "192.0.2.1";

async fn open<K: Kit>(kit: &K) -> Accounts {
    let store = store(kit).await.expect("a store");
    let options = AccountsOptions::new("weir", "weir");
    Accounts::new(store, options, NOW).await.expect("accounts")
}

async fn store<K: Kit>(kit: &K) -> Result<Store, OpenError> {
    match kit.settings(TIMEOUT) {
        DatabaseSettings::Sqlite(options) => accounts::sqlite::open(options),
        DatabaseSettings::Postgres(options) => accounts::postgres::open(options).await,
    }
}

fn login(text: &str) -> Login {
    Login::new(text).expect("a login name")
}

fn password(text: &str) -> Password {
    Password::new(text).expect("a password")
}

fn role(text: &str) -> Role {
    Role::new(text).expect("a role")
}

fn room(text: &str) -> Room {
    Room::new(text).expect("a room")
}

fn new(name: &str) -> NewAccount {
    NewAccount {
        login: login(name),
        display_name: DisplayName::new(&name.to_uppercase()).expect("a name"),
        password: password(RIGHT),
    }
}

async fn register(accounts: &Accounts, name: &str) -> Account {
    let account = accounts.register(new(name), NOW).await;
    account.expect("an account")
}

async fn try_from(
    accounts: &Accounts,
    (name, text, client): (&str, &str, &str),
    now_ms: u64,
) -> Result<SignedIn, Error> {
    let sign_in = SignIn {
        login: login(name),
        password: password(text),
        client: client.parse().expect("an address"),
    };
    accounts.sign_in(sign_in, now_ms).await
}

async fn sign_in(accounts: &Accounts, name: &str, now_ms: u64) -> SignedIn {
    let signed_in = try_from(accounts, (name, RIGHT, HOME), now_ms).await;
    signed_in.expect("the right password")
}

/// New tokens for those of a sign-in.
async fn refresh(accounts: &Accounts, signed_in: &SignedIn, now_ms: u64) -> SignedIn {
    let token = signed_in.tokens.refresh.clone();
    match accounts.refresh(token, now_ms).await {
        Ok(Refreshed::Tokens(next)) => *next,
        other => panic!("{other:?}"),
    }
}

database::suite! {
    people:
        somebody_registers_and_signs_in
        login_names_are_unique
        enumeration_tells_nothing
        a_guesser_waits_and_the_owner_does_not
        a_network_does_not_keep_others_waiting
        a_password_is_changed
        an_old_hash_is_replaced
        roles_and_grants_are_bounded
        a_room_that_goes_takes_its_roles
        injections_are_text
        who_joins_is_signed_in
        logins_are_searched
        a_list_has_all;
    sessions:
        a_refresh_rotates
        a_lost_answer_is_asked_for_again
        a_stolen_token_ends_the_family
        two_refreshes_at_once
        devices_are_bounded
        signing_out
        a_block_ends_everything
        what_expired_is_swept;
    keys:
        keys_outlive_the_process_and_rotate
        first_keys_are_made_once;
    privacy:
        a_person_is_exported_and_erased;
    broken:
        a_newer_schema_is_refused
        a_store_that_hangs;
}
