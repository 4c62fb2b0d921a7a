//! Free JSON written with sorted keys.
//!
//! Whether `serde_json::Map` sorts is decided by a feature that any crate of the build may switch
//! on; the id of a version must not depend on that.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use serde_json::Value;

struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer)
    }
}

pub(super) fn serialize<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&str, Ordered<'_>> = map
                .iter()
                .map(|(key, value)| (key.as_str(), Ordered(value)))
                .collect();
            sorted.serialize(serializer)
        }
        Value::Array(values) => {
            let mut sequence = serializer.serialize_seq(Some(values.len()))?;
            for value in values {
                sequence.serialize_element(&Ordered(value))?;
            }
            sequence.end()
        }
        scalar => scalar.serialize(serializer),
    }
}

pub(super) fn serialize_option<S: Serializer>(
    values: &Option<Vec<Value>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let values = values
        .as_ref()
        .map(|values| values.iter().map(Ordered).collect::<Vec<_>>());
    values.serialize(serializer)
}
