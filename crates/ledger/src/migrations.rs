//! The tables, and how they came to be.

use database::{Migrations, Schema};

pub(crate) const SCHEMA: Schema = Schema {
    name: "ledger",
    sqlite: Migrations {
        table: "migrations",
        steps: &[include_str!("../migrations/sqlite/0001_ledger.sql")],
    },
    postgres: Migrations {
        table: "ledger_migrations",
        steps: &[include_str!("../migrations/postgres/0001_ledger.sql")],
    },
};
