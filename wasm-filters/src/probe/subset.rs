//! Whether an answer contains what was expected of it, and where it does not.

use std::fmt;

use serde_json::Value;

use super::json::repeat;

/// Most differences that are listed.
pub const DIFFERENCES_MAX: usize = 20;

/// A place where an answer is not as expected.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Difference {
    /// Where: `$.ok.verdict`.
    pub path: String,
    /// What should be there.
    pub expected: Value,
    /// What is there; None: nothing is.
    pub got: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            expected,
            got,
        } = self;
        let got = got.as_ref().map_or_else(|| "nothing".to_owned(), repeat);
        write!(f, "{path}: expected {}, got {got}", repeat(expected))
    }
}

/// Compares: all keys that are expected must be there and match, lists must have the same length,
/// scalars must be equal. At most [`DIFFERENCES_MAX`] differences are returned.
#[must_use]
pub fn differences(expected: &Value, got: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("$", expected, Some(got), &mut found);
    found
}

pub(super) fn compare(
    path: &str,
    expected: &Value,
    got: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    if found.len() >= DIFFERENCES_MAX {
        return;
    }
    match (expected, got) {
        (Value::Object(expected), Some(Value::Object(got))) => {
            for (key, value) in expected {
                compare(&format!("{path}.{key}"), value, got.get(key), found);
            }
        }
        (Value::Array(expected), Some(Value::Array(got))) if expected.len() == got.len() => {
            for (at, (expected, got)) in expected.iter().zip(got).enumerate() {
                compare(&format!("{path}[{at}]"), expected, Some(got), found);
            }
        }
        (expected, Some(got)) if same(expected, got) => {}
        (expected, got) => found.push(Difference {
            path: path.to_owned(),
            expected: expected.clone(),
            got: got.cloned(),
        }),
    }
}

/// Equal, or the same number written in two ways (`1` and `1.0`).
fn same(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() != b.is_f64() => {
            a.as_f64() == b.as_f64()
        }
        _ => expected == got,
    }
}
