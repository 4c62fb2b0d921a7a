//! Whether a manifest can be obeyed: its own bounds, and a node's caps.

use std::fmt::Display;

use serde_json::Value;

use super::{Hook, KvLimits, Limits, Manifest};

/// Most bytes of a version label.
pub const VERSION_BYTES_MAX: usize = 64;
/// Most bytes of a description.
pub const DESCRIPTION_BYTES_MAX: usize = 1024;
/// Most keys that a filter names.
pub const KEYS_MAX: usize = 32;
/// Most routes: they are tried one by one for each request.
pub const ROUTES_MAX: usize = 64;
/// Most things to see.
pub const SEES_MAX: usize = 64;
/// Most samples: they are run whenever a node makes the version ready.
pub const SAMPLES_MAX: usize = 64;
/// Most bytes of the configuration as JSON.
pub const CONFIG_BYTES_MAX: usize = 64 << 10;
/// Deepest nesting of the configuration.
pub const CONFIG_DEPTH_MAX: usize = 32;
/// Most bytes of a manifest as JSON.
pub const MANIFEST_BYTES_MAX: usize = 256 << 10;
/// Longest window of the breaker, in milliseconds: an hour.
pub const DISABLE_WITHIN_MS_MAX: u32 = 3_600_000;
/// Most keys of a `kv`.
pub const KV_ENTRIES_MAX: u32 = 1_000_000;
/// Most bytes of a `kv`.
pub const KV_BYTES_MAX: u64 = 64 << 20;

/// A page of linear memory: less than one is no memory.
const MEMORY_BYTES_MIN: u64 = 64 << 10;

/// Why a manifest is refused: the field, what is wrong, and the number where there is one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A number is outside its range.
    #[error("{field} is {value}; it must be {min} to {max}")]
    Range {
        /// As in the manifest.
        field: &'static str,
        /// What it is.
        value: u64,
        /// The least it may be.
        min: u64,
        /// The most it may be.
        max: u64,
    },
    /// More than this node gives to any filter.
    #[error("{field} is {value}; this node gives at most {max}")]
    Cap {
        /// As in the manifest.
        field: &'static str,
        /// What it asks for.
        value: u64,
        /// The node's cap.
        max: u64,
    },
    /// A list that must not be empty.
    #[error("{field} is empty; {why}")]
    Empty {
        /// As in the manifest.
        field: &'static str,
        /// Why there must be one.
        why: &'static str,
    },
    /// More entries or bytes than allowed.
    #[error("{field} has {count} {unit}; at most {max} are allowed")]
    TooMany {
        /// As in the manifest.
        field: &'static str,
        /// How many there are.
        count: usize,
        /// Of what.
        unit: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// An entry that is there twice.
    #[error("{field} names {value} twice")]
    Twice {
        /// As in the manifest.
        field: &'static str,
        /// The entry.
        value: String,
    },
    /// The label is no label.
    #[error("version {0:?} is no label: 1 to 64 visible ASCII characters")]
    Version(String),
    /// Not an object, or something in it that is no configuration.
    #[error("config {0}")]
    Config(&'static str),
    /// A sample that cannot be run.
    #[error("sample {name:?}: {reason}")]
    Sample {
        /// The sample's name.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

impl Manifest {
    /// Whether a node with these caps can obey the manifest.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn validate(&self, caps: &Limits) -> Result<(), ManifestError> {
        self.validate_texts()?;
        self.validate_hooks()?;
        validate_limits(&self.limits, caps)?;
        validate_kv(&self.kv)?;
        if let Some(after) = self.disable_after {
            let failures = u64::from(after.failures);
            range("disable_after.failures", failures, 1, u64::from(u32::MAX))?;
            let within = u64::from(after.within_ms);
            let within_max = u64::from(DISABLE_WITHIN_MS_MAX);
            range("disable_after.within_ms", within, 1, within_max)?;
        }
        validate_config(&self.config)?;
        self.validate_samples()?;
        // Everything has its bound; this one is for all of it together.
        let bytes = json_bytes(self);
        at_most("manifest", bytes, "bytes of JSON", MANIFEST_BYTES_MAX)
    }

    fn validate_texts(&self) -> Result<(), ManifestError> {
        let label = &self.version;
        if !(1..=VERSION_BYTES_MAX).contains(&label.len())
            || !label.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(ManifestError::Version(label.chars().take(80).collect()));
        }
        let bytes = self.description.len();
        at_most("description", bytes, "bytes", DESCRIPTION_BYTES_MAX)
    }

    fn validate_hooks(&self) -> Result<(), ManifestError> {
        not_empty("hooks", &self.hooks, "a filter is called somewhere")?;
        unique("hooks", &self.hooks)?;
        if self.has(Hook::Auth) {
            not_empty("actions", &self.actions, "the auth hook is asked about one")?;
        }
        unique("actions", self.actions.iter().map(|action| action.as_str()))?;
        if self.has(Hook::HttpRequest) || self.has(Hook::HttpResponse) {
            not_empty("routes", &self.routes, "an http hook is called for some")?;
        }
        at_most("routes", self.routes.len(), "entries", ROUTES_MAX)?;
        unique("routes", &self.routes)?;
        let sees = self.sees.as_deref().unwrap_or_default();
        at_most("sees", sees.len(), "entries", SEES_MAX)?;
        unique("sees", sees)?;
        at_most("keys", self.keys.len(), "entries", KEYS_MAX)?;
        unique("keys", &self.keys)
    }

    fn validate_samples(&self) -> Result<(), ManifestError> {
        at_most("samples", self.samples.len(), "entries", SAMPLES_MAX)?;
        unique("samples", self.samples.iter().map(|sample| &sample.name))?;
        for sample in &self.samples {
            let refuse = |reason: String| {
                Err(ManifestError::Sample {
                    name: sample.name.chars().take(80).collect(),
                    reason,
                })
            };
            if sample.name.is_empty() || sample.name.len() > 128 {
                return refuse("its name must have 1 to 128 bytes".to_owned());
            }
            if !self.has(sample.call.hook()) {
                let (call, hook) = (sample.call.as_str(), sample.call.hook());
                return refuse(format!("it calls {call}, but hooks has no \"{hook}\""));
            }
            if !sample.input.is_object() {
                return refuse("its input must be an object of arguments by name".to_owned());
            }
        }
        Ok(())
    }
}

fn validate_limits(limits: &Limits, caps: &Limits) -> Result<(), ManifestError> {
    let small = |field, value: u32, min: u32, cap: u32| {
        within_cap(field, u64::from(value), u64::from(min), u64::from(cap))
    };
    let memory = limits.memory_bytes;
    within_cap(
        "limits.memory_bytes",
        memory,
        MEMORY_BYTES_MIN,
        caps.memory_bytes,
    )?;
    within_cap(
        "limits.result_bytes",
        limits.result_bytes,
        1,
        caps.result_bytes,
    )?;
    small(
        "limits.table_elements",
        limits.table_elements,
        0,
        caps.table_elements,
    )?;
    small("limits.cpu_ms", limits.cpu_ms, 1, caps.cpu_ms)?;
    small(
        "limits.deadline_ms",
        limits.deadline_ms,
        1,
        caps.deadline_ms,
    )?;
    small("limits.host_calls", limits.host_calls, 0, caps.host_calls)?;
    small("limits.log_lines", limits.log_lines, 0, caps.log_lines)?;
    small("limits.commands", limits.commands, 0, caps.commands)?;
    small("limits.instances", limits.instances, 1, caps.instances)
}

fn validate_kv(kv: &KvLimits) -> Result<(), ManifestError> {
    range(
        "kv.entries",
        u64::from(kv.entries),
        0,
        u64::from(KV_ENTRIES_MAX),
    )?;
    range("kv.bytes", kv.bytes, 0, KV_BYTES_MAX)?;
    // A value that never fits is a slip of the pen.
    range("kv.value_bytes", kv.value_bytes, 0, kv.bytes)
}

fn validate_config(config: &Value) -> Result<(), ManifestError> {
    if !config.is_object() {
        return Err(ManifestError::Config("must be an object"));
    }
    at_most(
        "config",
        json_bytes(config),
        "bytes of JSON",
        CONFIG_BYTES_MAX,
    )?;
    walk(config, CONFIG_DEPTH_MAX)
}

fn walk(value: &Value, depth_left: usize) -> Result<(), ManifestError> {
    let Some(depth_left) = depth_left.checked_sub(1) else {
        return Err(ManifestError::Config("is nested deeper than 32 levels"));
    };
    match value {
        Value::Array(values) => values.iter().try_for_each(|value| walk(value, depth_left)),
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            // How the toml crate hands a date to a type that knows none.
            if key.starts_with("$__toml_private") {
                let why = "has a TOML date or time; write it as a string";
                return Err(ManifestError::Config(why));
            }
            walk(value, depth_left)
        }),
        _ => Ok(()),
    }
}

fn json_bytes(value: &impl serde::Serialize) -> usize {
    // It was JSON or TOML before; if it could not be JSON, it has no size that is allowed.
    serde_json::to_vec(value).map_or(usize::MAX, |json| json.len())
}

fn range(field: &'static str, value: u64, min: u64, max: u64) -> Result<(), ManifestError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(ManifestError::Range {
        field,
        value,
        min,
        max,
    })
}

fn within_cap(field: &'static str, value: u64, min: u64, cap: u64) -> Result<(), ManifestError> {
    if value > cap {
        return Err(ManifestError::Cap {
            field,
            value,
            max: cap,
        });
    }
    range(field, value, min, cap)
}

fn at_most(
    field: &'static str,
    count: usize,
    unit: &'static str,
    max: usize,
) -> Result<(), ManifestError> {
    if count <= max {
        return Ok(());
    }
    Err(ManifestError::TooMany {
        field,
        count,
        unit,
        max,
    })
}

fn not_empty<T>(field: &'static str, list: &[T], why: &'static str) -> Result<(), ManifestError> {
    if list.is_empty() {
        return Err(ManifestError::Empty { field, why });
    }
    Ok(())
}

fn unique<T: Display + Ord>(
    field: &'static str,
    entries: impl IntoIterator<Item = T>,
) -> Result<(), ManifestError> {
    let mut seen = std::collections::BTreeSet::new();
    for entry in entries {
        if let Some(twice) = seen.replace(entry) {
            let value = twice.to_string();
            return Err(ManifestError::Twice { field, value });
        }
    }
    Ok(())
}
