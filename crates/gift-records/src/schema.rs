//! The tables, and how they came to be.

use database::{Migrations, Schema};

pub(crate) const SCHEMA: Schema = Schema {
    name: "gift-records",
    sqlite: Migrations {
        table: "gift_records_migrations",
        steps: &[include_str!("../migrations/sqlite/0001_gift_records.sql")],
    },
    postgres: Migrations {
        table: "gift_records_migrations",
        steps: &[include_str!("../migrations/postgres/0001_gift_records.sql")],
    },
};
