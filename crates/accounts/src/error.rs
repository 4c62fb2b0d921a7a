//! What can go wrong, so that an API can answer it: 401, 403, 404, 409, 422, 429, 503 or 507.

use crate::limits::{
    DISPLAY_BYTES_MAX, GRANTS_MAX, LOGIN_CHARS_MAX, LOGIN_CHARS_MIN, PASSWORD_BYTES_MAX,
    PASSWORD_BYTES_MIN, ROLE_BYTES_MAX, ROLES_MAX, ROOM_BYTES_MAX,
};

/// Why a value cannot be one. Nothing was asked of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A login name.
    #[error(
        "a login name has {LOGIN_CHARS_MIN} to {LOGIN_CHARS_MAX} of a-z, 0-9, '.', '_', '-' and \
         begins and ends with a letter or digit"
    )]
    Login,
    /// A display name.
    #[error("a display name has 1 to {DISPLAY_BYTES_MAX} bytes, and nothing invisible")]
    DisplayName,
    /// The id of a user.
    #[error("a user's id is u- and 32 hexadecimal digits")]
    UserId,
    /// A role's name.
    #[error("a role has 1 to {ROLE_BYTES_MAX} of a-z, 0-9, '-'")]
    Role,
    /// The id of a room.
    #[error("a room has 1 to {ROOM_BYTES_MAX} of a-z, A-Z, 0-9, '.', '_', '-'")]
    Room,
    /// The length of a password.
    #[error("a password has {PASSWORD_BYTES_MIN} to {PASSWORD_BYTES_MAX} bytes")]
    PasswordLength,
    /// A password that everybody tries first.
    #[error("this password is among the commonest, or is the login name")]
    PasswordCommon,
    /// Too many roles.
    #[error("an account has at most {ROLES_MAX} roles, and {GRANTS_MAX} grants for rooms")]
    Roles,
    /// A setting is out of range.
    #[error("{0}")]
    Options(&'static str),
}

/// Why something was not done. After every one of these nothing of it is there, with the one
/// exception that [`database::Error::Unavailable`] names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value is out of range (422).
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Unknown login or wrong password: which of them is not told (401).
    #[error("login name or password is wrong")]
    Credentials,
    /// The refresh token is unknown, expired, revoked, or replaced (401).
    #[error("the refresh token is not valid")]
    RefreshToken,
    /// The account is blocked (403). Only said to who knows the password or has a token.
    #[error("the account is blocked")]
    Blocked,
    /// There is no such account, or no longer (404).
    #[error("there is no such account")]
    Unknown,
    /// The login name is another's (409).
    #[error("the login name is taken")]
    Taken,
    /// Too many failures from this network (429).
    #[error("too many failures: wait {wait_ms} ms")]
    Locked {
        /// Milliseconds until the next attempt is looked at.
        wait_ms: u64,
    },
    /// Too many sign-ins from this network, though they may all be right (429). Nothing was tried.
    #[error("too many sign-ins from where you are: wait {wait_ms} ms")]
    Crowded {
        /// Milliseconds until the next attempt is looked at.
        wait_ms: u64,
    },
    /// More waits already than may (503). Nothing was tried.
    #[error("too much is waiting")]
    Busy,
    /// The database did not do it (503, 507).
    #[error(transparent)]
    Database(#[from] database::Error),
}

/// Whom to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whoever asked.
    Caller,
    /// The operator: the same again may go well.
    Store,
}

impl Error {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Invalid(_)
            | Self::Credentials
            | Self::RefreshToken
            | Self::Blocked
            | Self::Unknown
            | Self::Taken
            | Self::Locked { .. }
            | Self::Crowded { .. } => Fault::Caller,
            Self::Busy | Self::Database(_) => Fault::Store,
        }
    }

    /// The status of an HTTP answer (RFC 9110; 429 is of RFC 6585, 507 of RFC 4918).
    pub fn status(&self) -> u16 {
        match self {
            Self::Credentials | Self::RefreshToken => 401,
            Self::Blocked => 403,
            Self::Unknown => 404,
            Self::Taken => 409,
            Self::Invalid(_) => 422,
            Self::Locked { .. } | Self::Crowded { .. } => 429,
            Self::Busy => 503,
            Self::Database(error) => error.status(),
        }
    }

    /// Nothing was committed.
    pub(crate) fn unavailable(reason: impl ToString) -> Self {
        database::Error::unavailable(reason).into()
    }

    /// A row that this crate has not written.
    pub(crate) fn damaged(what: &'static str) -> Self {
        Self::unavailable(format!("the database holds no valid {what}"))
    }
}

/// Why accounts do not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database.
    #[error("accounts: {0}")]
    Database(#[from] database::OpenError),
    /// The options are out of range.
    #[error(transparent)]
    Options(#[from] Invalid),
    /// What the database holds, or random bytes.
    #[error("{0}")]
    Store(#[from] Error),
}
