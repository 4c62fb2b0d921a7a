//! Schemas and their versions. A migration that was released is never edited: the next one corrects
//! it.

use ring::digest::{SHA256, digest};

use crate::error::OpenError;

/// The tables of one store. Several may share a PostgreSQL database, if their tables have names of
/// their own.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Whose it is: `a-z` and `-`. Connections to PostgreSQL are called `weir-NAME`.
    pub name: &'static str,
    /// For SQLite.
    pub sqlite: Migrations,
    /// For PostgreSQL.
    pub postgres: Migrations,
}

/// The migrations of a schema in one database.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// The table in which is noted what was applied.
    pub table: &'static str,
    /// SQL. The version of each is its place, counted from 1.
    pub steps: &'static [&'static str],
}

/// A step that is still to be applied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) version: i64,
    pub(crate) text: &'static str,
    /// Tells, later, whether what was applied is what is known.
    pub(crate) digest: Vec<u8>,
}

impl Migrations {
    /// What is still to be applied to a database in which versions and digests are noted.
    pub(crate) fn missing(
        &self,
        schema: &'static str,
        applied: &[(i64, Vec<u8>)],
    ) -> Result<Vec<Step>, OpenError> {
        let mut steps: Vec<Step> = (1..)
            .zip(self.steps)
            .map(|(version, text)| Step {
                version,
                text,
                digest: digest(&SHA256, text.as_bytes()).as_ref().to_vec(),
            })
            .collect();
        let known = steps.last().map_or(0, |step| step.version);
        for (version, digest) in applied {
            let step = steps.iter().find(|step| step.version == *version);
            let step = step.ok_or(OpenError::Newer {
                schema,
                found: *version,
                known,
            })?;
            if step.digest != *digest {
                let version = *version;
                return Err(OpenError::Changed { schema, version });
            }
        }
        steps.retain(|step| applied.iter().all(|(version, _)| *version != step.version));
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIGRATIONS: Migrations = Migrations {
        table: "migrations",
        steps: &["CREATE TABLE a ()", "CREATE TABLE b ()"],
    };

    #[test]
    fn versions_count_from_one() {
        let missing = MIGRATIONS.missing("a", &[]).expect("a new one");
        let versions: Vec<_> = missing.iter().map(|step| step.version).collect();
        assert_eq!(versions, [1, 2]);
        let first = missing[0].digest.clone();
        let rest = MIGRATIONS.missing("a", &[(1, first)]).expect("an old one");
        assert_eq!(rest, missing[1..]);
    }

    #[test]
    fn newer_and_edited_schemas_are_refused() {
        let newer = MIGRATIONS.missing("a", &[(99, Vec::new())]);
        assert!(matches!(
            newer,
            Err(OpenError::Newer {
                found: 99,
                known: 2,
                ..
            })
        ));
        let edited = MIGRATIONS.missing("a", &[(1, Vec::new())]);
        assert!(matches!(edited, Err(OpenError::Changed { version: 1, .. })));
    }
}
