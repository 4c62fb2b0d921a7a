//! The schema's versions. A migration that was released is never edited: the next one corrects it.

use ring::digest::{SHA256, digest};

use crate::error::OpenError;

/// A step of the schema.
#[derive(Debug)]
pub(crate) struct Migration {
    pub(crate) version: i64,
    pub(crate) text: &'static str,
}

impl Migration {
    /// Tells whether what was applied is what is known.
    pub(crate) fn digest(&self) -> Vec<u8> {
        digest(&SHA256, self.text.as_bytes()).as_ref().to_vec()
    }
}

pub(crate) const SQLITE: &[Migration] = &[Migration {
    version: 1,
    text: include_str!("../migrations/sqlite/0001_accounts.sql"),
}];

pub(crate) const POSTGRES: &[Migration] = &[Migration {
    version: 1,
    text: include_str!("../migrations/postgres/0001_accounts.sql"),
}];

/// What is still to be applied.
pub(crate) fn missing<'a>(
    known: &'a [Migration],
    applied: &[(i64, Vec<u8>)],
) -> Result<Vec<&'a Migration>, OpenError> {
    let last = known.last().map_or(0, |migration| migration.version);
    for (version, digest) in applied {
        let migration = known
            .iter()
            .find(|migration| migration.version == *version)
            .ok_or(OpenError::Newer {
                found: *version,
                known: last,
            })?;
        if migration.digest() != *digest {
            return Err(OpenError::Changed { version: *version });
        }
    }
    let is_missing = |migration: &&Migration| {
        applied
            .iter()
            .all(|(version, _)| *version != migration.version)
    };
    Ok(known.iter().filter(is_missing).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_from_one() {
        for known in [SQLITE, POSTGRES] {
            let versions: Vec<_> = known.iter().map(|migration| migration.version).collect();
            let expected: Vec<_> = (1..).take(known.len()).collect();
            assert_eq!(versions, expected);
        }
    }

    #[test]
    fn newer_and_edited_schemas_are_refused() {
        let first = &SQLITE[0];
        let applied = |version, digest| vec![(version, digest)];
        assert_eq!(missing(SQLITE, &[]).expect("a new one").len(), SQLITE.len());
        assert!(missing(SQLITE, &applied(1, first.digest())).is_ok());
        let newer = missing(SQLITE, &applied(99, Vec::new()));
        assert!(matches!(newer, Err(OpenError::Newer { found: 99, .. })));
        let edited = missing(SQLITE, &applied(1, Vec::new()));
        assert!(matches!(edited, Err(OpenError::Changed { version: 1 })));
    }
}
