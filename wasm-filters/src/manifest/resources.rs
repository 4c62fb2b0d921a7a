//! How much a filter may use.

use serde::{Deserialize, Serialize};

/// Bounds of an instance and of each of its calls. The same type holds a node's caps on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Linear memory of an instance, in bytes: whole pages of 64 KiB are given.
    pub memory_bytes: u64,
    /// Elements of its tables.
    pub table_elements: u32,
    /// Processor time of a call, in milliseconds.
    pub cpu_ms: u32,
    /// From the start of a call to its answer, in milliseconds.
    pub deadline_ms: u32,
    /// Calls of the host in a call, `log` aside.
    pub host_calls: u32,
    /// Log lines in a call; those beyond it are counted and dropped.
    pub log_lines: u32,
    /// Commands that a call may return.
    pub commands: u32,
    /// Strings and lists of a call's result, in bytes.
    pub result_bytes: u64,
    /// Instances at once on a node. A call that finds none waits for its deadline.
    pub instances: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 16 << 20,
            table_elements: 10_000,
            cpu_ms: 10,
            deadline_ms: 50,
            host_calls: 256,
            log_lines: 32,
            commands: 64,
            result_bytes: 64 << 10,
            instances: 32,
        }
    }
}

impl Limits {
    /// A node's caps, where its operator sets no others.
    pub const NODE_MAX: Self = Self {
        // What the instance pool keeps a slot for.
        memory_bytes: 64 << 20,
        table_elements: 100_000,
        // A request waits for its filters: more than this is a viewer's stalled player.
        cpu_ms: 100,
        deadline_ms: 1000,
        host_calls: 10_000,
        log_lines: 1000,
        commands: 1000,
        result_bytes: 1 << 20,
        instances: 256,
    };
}

/// Bounds of a filter's `kv`, per tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KvLimits {
    /// Keys.
    pub entries: u32,
    /// Keys and values together, in bytes.
    pub bytes: u64,
    /// One value, in bytes.
    pub value_bytes: u64,
}

impl Default for KvLimits {
    fn default() -> Self {
        Self {
            entries: 10_000,
            bytes: 1 << 20,
            value_bytes: 64 << 10,
        }
    }
}

/// The breaker: so many failures within this time, and the filter is left out for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisableAfter {
    /// Traps, missed deadlines and `filter-error`s; at least 1.
    pub failures: u32,
    /// In milliseconds, 1 to an hour's.
    pub within_ms: u32,
}

pub(super) fn default_disable_after() -> Option<DisableAfter> {
    Some(DisableAfter {
        failures: 10,
        within_ms: 10_000,
    })
}

/// TOML has no null, so that "no breaker" is `false` in both languages.
pub(super) mod disable_after {
    use std::fmt;

    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::DisableAfter;

    pub(in super::super) fn serialize<S: Serializer>(
        value: &Option<DisableAfter>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_bool(false),
        }
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DisableAfter>, D::Error> {
        deserializer.deserialize_any(OffOrValue)
    }

    struct OffOrValue;

    impl<'de> Visitor<'de> for OffOrValue {
        type Value = Option<DisableAfter>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("disable_after: { failures, within_ms }, or false for no breaker")
        }

        fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
            if value {
                Err(E::invalid_value(serde::de::Unexpected::Bool(true), &self))
            } else {
                Ok(None)
            }
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            DisableAfter::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
}
