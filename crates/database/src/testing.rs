//! Databases for tests: PostgreSQL, really running, and a kit for each kind, to run one suite against
//! both.
//!
//! Not for production: everything here panics when something is wrong.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod kits;
mod postgres;

pub use kits::{Kit, PostgresKit, SqliteKit};
pub use postgres::Server;

/// One suite for both databases: each case is a function of a kit, and becomes a test of the module
/// `on_sqlite` and one of `on_postgres`. The module that calls it has `SqliteKit`, `PostgresKit` and the trait
/// `Kit`, and the modules of the cases.
///
/// ```text
/// database::suite! {
///     module:
///         a_case
///         another_case;
/// }
/// ```
#[macro_export]
macro_rules! suite {
    ($($module:ident: $($case:ident)*;)*) => {
        mod on_sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$module::$case(<super::SqliteKit as super::Kit>::new()).await;
                }
            )*)*
        }
        mod on_postgres {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::$module::$case(<super::PostgresKit as super::Kit>::new()).await;
                }
            )*)*
        }
    };
}
