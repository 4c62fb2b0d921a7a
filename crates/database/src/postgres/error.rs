//! What PostgreSQL's errors are to a store.

use tokio_postgres::error::SqlState;

use crate::error::Error;

/// Why something was not done, and whether it is worth trying again.
#[derive(Debug)]
pub struct Failure {
    /// What to answer.
    pub error: Error,
    /// The same may go well now: a deadlock, a lost connection.
    pub retry: bool,
    /// A constraint was broken: of several changes that were tried together, the others need not
    /// fail with the one.
    pub constraint: bool,
}

impl Failure {
    /// What the server or the connection said.
    pub fn of(error: tokio_postgres::Error) -> Self {
        let reason = describe(&error);
        let Some(code) = error.code() else {
            // Not said by the server: the connection is gone, or what it said is not understood.
            return Self::passing(Error::unavailable(reason));
        };
        if *code == SqlState::DISK_FULL || *code == SqlState::READ_ONLY_SQL_TRANSACTION {
            return Self::lasting(Error::Full { reason });
        }
        let passing = [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ];
        let failure = Self::lasting(Error::unavailable(reason));
        Self {
            retry: passing.contains(code) || code.code().starts_with("08"),
            constraint: code.code().starts_with("23"),
            ..failure
        }
    }

    /// Worth another attempt.
    pub fn passing(error: Error) -> Self {
        Self {
            error,
            retry: true,
            constraint: false,
        }
    }

    /// Not worth one.
    pub fn lasting(error: Error) -> Self {
        Self {
            error,
            retry: false,
            constraint: false,
        }
    }
}

/// tokio-postgres says "db error" and keeps the rest for the source. Values are never shown: the
/// detail of a server's error quotes them.
fn describe(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match (error.as_db_error(), error.source()) {
        (Some(server), _) => format!("{} ({})", server.message(), server.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
