//! Reads a component's TOML configuration, and says where it is wrong: file, line, key, reason.
//!
//! It knows no component's keys. A component defines its `Config` (as typed, serde) and resolves
//! it to checked runtime types, returning [`Invalid`] for a value outside its range; this crate
//! adds the file and the line. Nothing here opens a port.

mod locate;
mod secret;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use locate::KeyPath;
pub use secret::Secret;

use locate::{line_of_key, line_of_offset};

/// Exit code for a configuration or command line that cannot be used (`EX_USAGE`, sysexits.h).
pub const EXIT_USAGE: u8 = 64;

/// Why a configuration cannot be used. Shown to the operator; holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// The file as given on the command line.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, has an unknown key, or a value of the wrong type.
    #[error("{}:{line}: {reason}", file.display())]
    Syntax {
        /// The file as given on the command line.
        file: PathBuf,
        /// 1-based line.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A value is outside what it may be.
    #[error("{}:{}{key}: {reason}", file.display(), Line(*line))]
    Value {
        /// The file as given on the command line.
        file: PathBuf,
        /// 1-based line of the key, when the file names it.
        line: Option<usize>,
        /// The dotted key.
        key: String,
        /// What it may be instead.
        reason: String,
    },
}

/// A value that is outside its range, before its line is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Where the value is.
    pub key: KeyPath,
    /// What it may be instead.
    pub reason: String,
}

impl Invalid {
    /// Names the value and the reason.
    pub fn new(key: KeyPath, reason: impl Into<String>) -> Self {
        Self {
            key,
            reason: reason.into(),
        }
    }
}

/// Reads, checks and resolves a file.
///
/// # Errors
/// See [`ConfigError`].
pub fn load<C: DeserializeOwned, R>(
    file: &Path,
    resolve: impl FnOnce(C) -> Result<R, Invalid>,
) -> Result<R, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read {
        file: file.to_owned(),
        source,
    })?;
    parse(file, &text, resolve)
}

/// Checks and resolves configuration text; `file` only names it in errors.
///
/// # Errors
/// See [`ConfigError`].
pub fn parse<C: DeserializeOwned, R>(
    file: &Path,
    text: &str,
    resolve: impl FnOnce(C) -> Result<R, Invalid>,
) -> Result<R, ConfigError> {
    let config: C = toml::from_str(text).map_err(|error| ConfigError::Syntax {
        file: file.to_owned(),
        line: error
            .span()
            .map_or(1, |span| line_of_offset(text, span.start)),
        reason: error.message().to_owned(),
    })?;
    resolve(config).map_err(|invalid| ConfigError::Value {
        file: file.to_owned(),
        line: line_of_key(text, &invalid.key),
        key: invalid.key.to_string(),
        reason: invalid.reason,
    })
}

struct Line(Option<usize>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(line) => write!(f, "{line}: "),
            None => f.write_str(" "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        nodes: Vec<Node>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Node {
        weight: u32,
    }

    fn check(text: &str) -> String {
        parse(Path::new("a.toml"), text, |config: Config| {
            for (index, node) in config.nodes.iter().enumerate() {
                if node.weight == 0 {
                    let key = KeyPath::new("nodes").index(index).key("weight");
                    return Err(Invalid::new(key, "has to be at least 1"));
                }
            }
            Ok(())
        })
        .err()
        .map_or_else(|| "ok".to_owned(), |error| error.to_string())
    }

    #[test]
    fn errors_name_file_line_key_and_reason() {
        assert_eq!(check("[[nodes]]\nweight = 1\n"), "ok");
        assert_eq!(
            check("[[nodes]]\nweight = 1\n\n[[nodes]]\nweight = 0\n"),
            "a.toml:5: nodes[2].weight: has to be at least 1"
        );
        assert!(check("[[nodes]]\nweigth = 1\n").starts_with("a.toml:2: unknown field `weigth`"));
        assert!(check("[[nodes]\n").starts_with("a.toml:1: "));
        assert!(check("[[nodes]]\nweight = \"x\"\n").starts_with("a.toml:2: "));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = load(Path::new("/no/such.toml"), |_: Config| Ok(())).unwrap_err();
        assert!(error.to_string().starts_with("/no/such.toml: "));
    }
}
