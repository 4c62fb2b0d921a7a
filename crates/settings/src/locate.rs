//! Finds the line of a key, so that an error about a value can name it.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value is: `streams[1].publish_key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Index(usize),
    Key(&'static str),
}

impl KeyPath {
    /// A top-level key or table.
    pub fn new(table: &'static str) -> Self {
        Self(vec![Step::Key(table)])
    }

    /// A key inside it.
    pub fn key(mut self, key: &'static str) -> Self {
        self.0.push(Step::Key(key));
        self
    }

    /// An element of it, counted from 0.
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{}]", index + 1)?,
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// The 1-based line that holds the byte at `offset`.
pub(crate) fn line_of_offset(text: &str, offset: usize) -> usize {
    let head = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + head.iter().filter(|byte| **byte == b'\n').count()
}

/// The line of the key, or of the nearest table around it that the file names.
pub(crate) fn line_of_key(text: &str, path: &KeyPath) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut found = None;
    let mut value: Option<&Spanned<DeValue<'_>>> = None;
    for step in &path.0 {
        let next = match (step, value) {
            (Step::Key(key), None) => entry(document.get_ref(), key),
            (Step::Key(key), Some(value)) => value
                .get_ref()
                .as_table()
                .and_then(|table| entry(table, key)),
            (Step::Index(index), Some(value)) => value
                .get_ref()
                .as_array()
                .and_then(|array| array.get(*index))
                .map(|value| (value.span().start, value)),
            (Step::Index(_), None) => None,
        };
        let Some((offset, inner)) = next else { break };
        found = Some(line_of_offset(text, offset));
        value = Some(inner);
    }
    found
}

fn entry<'t, 'i>(table: &'t DeTable<'i>, key: &str) -> Option<(usize, &'t Spanned<DeValue<'i>>)> {
    table
        .iter()
        .find(|(name, _)| name.get_ref() == key)
        .map(|(name, value)| (name.span().start, value))
}
