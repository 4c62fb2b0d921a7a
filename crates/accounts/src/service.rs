//! Accounts as an API serves them: who may sign in, and what they are handed.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::account::{Account, Changed, PersonalData, State};
use crate::crowd::{Crowd, Place};
use crate::error::{Error, OpenError};
use crate::guard::{Attempt, Guard, Source};
use crate::keys::{KeySet, Rotation, StoredKey};
use crate::limits::{ACCESS_SECONDS_DEFAULT, HASHES_DEFAULT};
use crate::password::{Hasher, Password, Verdict};
use crate::refresh::{Family, RefreshToken};
use crate::store::{Found, Page, Shown, Store};
use crate::text::{DisplayName, Login, Role, Room, UserId};
use crate::token::{Claims, TokenError, TokenSettings};

/// How accounts are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountsOptions {
    /// Access tokens.
    pub tokens: TokenSettings,
    /// Passwords that are hashed at once, 1 to [`crate::limits::HASHES_LIMIT`]: 19 MiB and a core
    /// each.
    pub hashes: usize,
}

impl AccountsOptions {
    /// The defaults.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            tokens: TokenSettings {
                issuer: issuer.into(),
                audience: audience.into(),
                lifetime_seconds: ACCESS_SECONDS_DEFAULT,
            },
            hashes: HASHES_DEFAULT,
        }
    }
}

/// Somebody who registers.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// To sign in by.
    pub login: Login,
    /// For others.
    pub display_name: DisplayName,
    /// Not one of the commonest.
    pub password: Password,
}

/// Somebody who signs in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Who.
    pub login: Login,
    /// The proof.
    pub password: Password,
    /// From where: the client's address, not that of a proxy.
    pub client: IpAddr,
}

/// What a client keeps. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// A JWT to show.
    pub access: String,
    /// Seconds for which it is good.
    pub access_seconds: u64,
    /// To get the next by.
    pub refresh: RefreshToken,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Who.
    pub account: Account,
    /// Their tokens.
    pub tokens: Tokens,
}

/// What became of a refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// New tokens.
    Tokens(Box<SignedIn>),
    /// The token was used before, and not just now: two have it, and one is a thief. All tokens of
    /// this sign-in are revoked. To be answered as [`Error::RefreshToken`], logged and counted.
    Reused {
        /// Whose it was.
        user: UserId,
    },
}

/// Accounts.
#[derive(Debug)]
pub struct Accounts {
    store: Store,
    hasher: Hasher,
    guard: Mutex<Guard>,
    crowd: Crowd,
    keys: RwLock<Arc<KeySet>>,
}

impl Accounts {
    /// Serves what is in a store; makes the first signing key if there is none.
    ///
    /// # Errors
    /// The options are out of range, or the store fails.
    pub async fn new(
        store: Store,
        options: AccountsOptions,
        now_ms: u64,
    ) -> Result<Self, OpenError> {
        options.tokens.check()?;
        let hasher = Hasher::new(options.hashes)?;
        let keys = store.keys_or_first(now_ms).await?;
        Ok(Self {
            store,
            hasher,
            guard: Mutex::new(Guard::new()?),
            crowd: Crowd::new(Hasher::places(options.hashes)),
            keys: RwLock::new(Arc::new(KeySet::new(&keys, options.tokens)?)),
        })
    }

    /// Makes an account. That a login name is taken is told, as every registration does: let each
    /// network have only so many.
    ///
    /// # Errors
    /// [`Error::Taken`], [`Error::Invalid`] (a common password), [`Error::Busy`], or the store.
    pub async fn register(&self, new: NewAccount, now_ms: u64) -> Result<Account, Error> {
        new.password.check(&new.login)?;
        let hash = self.hasher.hash(new.password).await?;
        let row = (new.login, new.display_name, hash);
        self.store.create(row, None, now_ms).await
    }

    /// As [`Self::register`], and signs in: both, or neither.
    ///
    /// # Errors
    /// As [`Self::register`].
    pub async fn join(&self, new: NewAccount, now_ms: u64) -> Result<SignedIn, Error> {
        new.password.check(&new.login)?;
        let hash = self.hasher.hash(new.password).await?;
        let refresh = RefreshToken::random()?;
        let row = (new.login, new.display_name, hash);
        let family = Some(Family::new(&refresh, now_ms));
        let account = self.store.create(row, family, now_ms).await?;
        self.signed_in(account, refresh, now_ms)
    }

    /// Signs in. Unknown logins and wrong passwords are the same in answer and time. An attempt that
    /// is given up before its answer counts as a failure.
    ///
    /// # Errors
    /// [`Error::Credentials`], [`Error::Locked`], [`Error::Crowded`], [`Error::Blocked`] (only with the
    /// right password), [`Error::Busy`], or the store.
    pub async fn sign_in(&self, sign_in: SignIn, now_ms: u64) -> Result<SignedIn, Error> {
        let SignIn {
            login,
            password,
            client,
        } = sign_in;
        let (user, verified, rehashed) = self.prove(login, password, client, now_ms).await?;
        let refresh = RefreshToken::random()?;
        let family = Family::new(&refresh, now_ms);
        let hashes = (verified, rehashed);
        let account = self.store.sign_in(user, hashes, family, now_ms).await;
        // Erased while the password was compared.
        let account = account.map_err(|error| match error {
            Error::Unknown => Error::Credentials,
            other => other,
        })?;
        self.signed_in(account, refresh, now_ms)
    }

    /// New tokens for a refresh token, which is replaced. The one that was replaced within the last
    /// 30 seconds gives the same successor again.
    ///
    /// # Errors
    /// [`Error::RefreshToken`], [`Error::Blocked`], or the store.
    pub async fn refresh(&self, token: RefreshToken, now_ms: u64) -> Result<Refreshed, Error> {
        match self.store.show(token, now_ms).await? {
            Shown::Successor(refresh, account) => {
                let signed_in = self.signed_in(account, refresh, now_ms)?;
                Ok(Refreshed::Tokens(Box::new(signed_in)))
            }
            Shown::Reused(user) => Ok(Refreshed::Reused { user }),
            Shown::Refused => Err(Error::RefreshToken),
            Shown::Blocked => Err(Error::Blocked),
        }
    }

    /// Ends the sign-in that a token is of, whether it is the newest or not; answers whether there
    /// was one.
    ///
    /// # Errors
    /// The store.
    pub async fn sign_out(&self, token: &RefreshToken) -> Result<bool, Error> {
        self.store.sign_out(token).await
    }

    /// Ends all sign-ins of an account; how many. Access tokens end by themselves.
    ///
    /// # Errors
    /// [`Error::Unknown`], or the store.
    pub async fn sign_out_everywhere(&self, user: &UserId) -> Result<u64, Error> {
        self.store.end_sessions(user.clone()).await
    }

    /// Changes a password by its owner, and ends all sign-ins.
    ///
    /// # Errors
    /// As [`Self::sign_in`]; [`Error::Unknown`]; [`Error::Invalid`] (a common password).
    pub async fn change_password(
        &self,
        user: &UserId,
        (present, next): (Password, Password),
        client: IpAddr,
        now_ms: u64,
    ) -> Result<(), Error> {
        let login = self.account(user).await?.login;
        next.check(&login)?;
        let (user, verified, _) = self.prove(login, present, client, now_ms).await?;
        let hash = self.hasher.hash(next).await?;
        self.store.set_password(user, Some(verified), hash).await
    }

    /// Lets somebody who is signed in prove once more who they are, before what cannot be undone.
    ///
    /// # Errors
    /// As [`Self::sign_in`], but [`Error::Blocked`]; [`Error::Unknown`].
    pub async fn confirm(
        &self,
        user: &UserId,
        password: Password,
        client: IpAddr,
        now_ms: u64,
    ) -> Result<(), Error> {
        let login = self.account(user).await?.login;
        self.prove(login, password, client, now_ms).await?;
        Ok(())
    }

    /// Sets a password by staff, and ends all sign-ins.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Invalid`] (a common password), [`Error::Busy`], or the store.
    pub async fn set_password(&self, user: &UserId, password: Password) -> Result<(), Error> {
        password.check(&self.account(user).await?.login)?;
        let hash = self.hasher.hash(password).await?;
        self.store.set_password(user.clone(), None, hash).await
    }

    /// An account.
    ///
    /// # Errors
    /// [`Error::Unknown`] (erased ones, too), or the store.
    pub async fn account(&self, user: &UserId) -> Result<Account, Error> {
        let account = self.store.account(user.clone()).await?;
        account.ok_or(Error::Unknown)
    }

    /// The id that a login name belongs to, if any.
    ///
    /// # Errors
    /// The store.
    pub async fn find(&self, login: &Login) -> Result<Option<UserId>, Error> {
        let found = self.store.password(login.clone()).await?;
        Ok(found.map(|(user, _)| user))
    }

    /// Accounts after one, in the order of their ids: 1 to [`crate::limits::PAGE_MAX`].
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self, after: Option<UserId>, limit: usize) -> Result<Page, Error> {
        self.store.list(after, limit).await
    }

    /// Accounts whose login name begins so, in the order of login names, after one: 1 to
    /// [`crate::limits::SEARCH_MAX`]. What no login name begins with has none.
    ///
    /// # Errors
    /// The store.
    pub async fn search(
        &self,
        prefix: &str,
        after: Option<Login>,
        limit: usize,
    ) -> Result<Found, Error> {
        self.store.search(prefix, after, limit).await
    }

    /// Sets the name that others see.
    ///
    /// # Errors
    /// [`Error::Unknown`], or the store.
    pub async fn set_display_name(
        &self,
        user: &UserId,
        name: DisplayName,
    ) -> Result<Account, Error> {
        self.store.set_display_name(user.clone(), name).await
    }

    /// Blocks an account, which ends its sign-ins, or makes it active again.
    ///
    /// # Errors
    /// [`Error::Unknown`], or the store.
    pub async fn set_state(&self, user: &UserId, state: State) -> Result<Changed, Error> {
        self.store.set_state(user.clone(), state).await
    }

    /// Gives a role: in a room, or platform-wide without one. Again is the same. It counts from the
    /// next refresh on.
    ///
    /// # Errors
    /// [`Error::Unknown`]; [`Error::Invalid`]: more than [`crate::limits::ROLES_MAX`] or
    /// [`crate::limits::GRANTS_MAX`]; or the store.
    pub async fn grant(
        &self,
        user: &UserId,
        room: Option<Room>,
        role: Role,
        now_ms: u64,
    ) -> Result<Changed, Error> {
        let what = (room, role);
        self.store.grant(user.clone(), what, now_ms).await
    }

    /// Takes a role. Again is the same. Access tokens have it until they end.
    ///
    /// # Errors
    /// [`Error::Unknown`], or the store.
    pub async fn revoke(
        &self,
        user: &UserId,
        room: Option<Room>,
        role: Role,
    ) -> Result<Changed, Error> {
        self.store.revoke(user.clone(), (room, role)).await
    }

    /// Takes all roles in a room, whoever has them, and answers how many there were: for a room that goes,
    /// so that whatever is called so later is nobody's. Access tokens have them until they end.
    ///
    /// # Errors
    /// The store.
    pub async fn revoke_room(&self, room: Room) -> Result<u64, Error> {
        self.store.revoke_room(room).await
    }

    /// Checks an access token. It asks no store: a blocked account's are good until they end.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, access: &str, now_ms: u64) -> Result<Claims, TokenError> {
        self.keys().verify(access, now_ms)
    }

    /// The key set to publish (RFC 7517). May be cached for [`crate::limits::KEY_PUBLISHED_AHEAD_MS`]
    /// at most, and less is better: a compromised key stays good for as long.
    pub fn jwks(&self, now_ms: u64) -> serde_json::Value {
        self.keys().jwks(now_ms)
    }

    /// Makes a new key, and removes those whose tokens have ended. Planned, it is to be called
    /// regularly, by any origin; while a new key waits to sign nothing is added.
    ///
    /// # Errors
    /// The store.
    pub async fn rotate_keys(&self, rotation: Rotation, now_ms: u64) -> Result<(), Error> {
        let settings = self.keys().settings().clone();
        let lifetime_ms = settings.lifetime_seconds.saturating_mul(1_000);
        let keys = self
            .store
            .rotate_keys(rotation, lifetime_ms, now_ms)
            .await?;
        self.set_keys(&keys)
    }

    /// From when on the newest key signs, in milliseconds since 1970: whoever rotates by it does so
    /// however often the process starts anew.
    pub fn newest_key_ms(&self) -> u64 {
        self.keys().newest_ms()
    }

    /// Reads the keys again, which other origins may have rotated: to be called more often than
    /// [`crate::limits::KEY_PUBLISHED_AHEAD_MS`], every minute say.
    ///
    /// # Errors
    /// The store; then the keys are those from before.
    pub async fn reload_keys(&self) -> Result<(), Error> {
        let keys = self.store.keys().await?;
        self.set_keys(&keys)
    }

    /// All that is kept about a person here.
    ///
    /// # Errors
    /// [`Error::Unknown`], or the store.
    pub async fn export(&self, user: &UserId) -> Result<PersonalData, Error> {
        self.store.export(user.clone()).await
    }

    /// Erases a person: login, names, hash, roles, sign-ins. The id stays, and means nobody. The
    /// login name is free again. Again is the same.
    ///
    /// # Errors
    /// [`Error::Unknown`]: there never was such an account; or the store.
    pub async fn erase(&self, user: &UserId, now_ms: u64) -> Result<(), Error> {
        self.store.erase(user.clone(), now_ms).await
    }

    /// Removes up to [`crate::limits::PAGE_MAX`] sign-ins that have expired; how many.
    ///
    /// # Errors
    /// The store.
    pub async fn sweep(&self, now_ms: u64) -> Result<u64, Error> {
        self.store.sweep(now_ms).await
    }

    /// Waits for what runs, and closes the store. Later calls fail.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Lets somebody prove who they are; answers the id, the hash that is stored, and the one to
    /// store instead.
    async fn prove(
        &self,
        login: Login,
        password: Password,
        client: IpAddr,
        now_ms: u64,
    ) -> Result<(UserId, String, Option<String>), Error> {
        let source = self.guard.lock().source(&login, client);
        let admitted = self.guard.lock().admit(source, now_ms);
        admitted.map_err(|wait_ms| Error::Locked { wait_ms })?;
        // Who has to wait for guessing takes nothing from their neighbours.
        let compared = match self.crowd.enter(source.network(), now_ms) {
            Ok(place) => self.compare(login, password, place).await,
            Err(wait_ms) => Err(Error::Crowded { wait_ms }),
        };
        match &compared {
            Ok(Some(_)) => self.settle(source, Attempt::Right, now_ms),
            Ok(None) => self.settle(source, Attempt::Wrong, now_ms),
            Err(_) => self.settle(source, Attempt::Untried, now_ms),
        }
        compared?.ok_or(Error::Credentials)
    }

    async fn compare(
        &self,
        login: Login,
        password: Password,
        place: Place,
    ) -> Result<Option<(UserId, String, Option<String>)>, Error> {
        let stored = self.store.password(login).await?;
        let hash = stored.as_ref().map(|(_, hash)| hash.clone());
        let verdict = self.hasher.verify(password, hash, Some(place)).await?;
        Ok(match (verdict, stored) {
            (Verdict::Right { rehashed }, Some((user, hash))) => Some((user, hash, rehashed)),
            _ => None,
        })
    }

    fn settle(&self, source: Source, attempt: Attempt, now_ms: u64) {
        self.guard.lock().settle(source, attempt, now_ms);
    }

    fn signed_in(
        &self,
        account: Account,
        refresh: RefreshToken,
        now_ms: u64,
    ) -> Result<SignedIn, Error> {
        let keys = self.keys();
        let settings = keys.settings();
        let person = (account.id.to_string(), account.display_name.to_string());
        let roles = account.roles.iter().map(Role::to_string).collect();
        let mut room_roles = BTreeMap::<String, Vec<String>>::new();
        for grant in &account.grants {
            let there = room_roles.entry(grant.room.to_string()).or_default();
            there.push(grant.role.to_string());
        }
        let claims = Claims::new(settings, person, (roles, room_roles), now_ms)?;
        let tokens = Tokens {
            access: keys.sign(&claims, now_ms)?,
            access_seconds: settings.lifetime_seconds,
            refresh,
        };
        Ok(SignedIn { account, tokens })
    }

    fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.keys.read())
    }

    fn set_keys(&self, keys: &[StoredKey]) -> Result<(), Error> {
        let settings = self.keys().settings().clone();
        let keys = KeySet::new(keys, settings)?;
        *self.keys.write() = Arc::new(keys);
        Ok(())
    }
}
