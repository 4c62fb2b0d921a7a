//! What differs between two configurations, and whether a running edge can follow. Pure.
//!
//! Keys are compared as they are written in the files, over the defaults; a key that says in other
//! words what it said before is no difference. Secrets are called changed, never shown.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::{Table, Value};

use crate::config::{Config, DEFAULT_TOML};

/// Keys, and tables of keys, that take effect at once. All others need another process.
pub const LIVE: &[&str] = &[
    "access_log",
    "admin.token",
    "cache.error_memo_ms",
    "drain.grace_seconds",
    "limits.exempt",
    "limits.head_timeout_ms",
    "limits.ip",
    "limits.ipv6_prefix",
    "limits.stream",
    "limits.tenant",
    "limits.token",
    "log.access",
    "parents.backup_urls",
    "parents.body_timeout_ms",
    "parents.ca_file",
    "parents.choice",
    "parents.connect_timeout_ms",
    "parents.h2c",
    "parents.head_timeout_ms",
    "parents.ping_interval_ms",
    "parents.probe_interval_ms",
    "parents.requests_max",
    "parents.streams_per_connection_max",
    "parents.urls",
    "playback",
    "relay",
    "sites",
];

/// Keys whose values are secrets, by their last part.
const SECRETS: &[&str] = &["password", "secrets", "token", "token_keys"];
/// What stands for a secret.
const HIDDEN: &str = "(secret)";
/// What stands for a key that is not written down and has no default: one of an array's tables.
const ABSENT: &str = "(none)";
/// A longer value is cut.
const VALUE_CHARS_MAX: usize = 300;

/// A key whose value is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The dotted key; tables of an array are counted from 1.
    pub key: String,
    /// As TOML; `(secret)` for a secret.
    pub old: String,
    /// The same.
    pub new: String,
}

impl Change {
    /// Whether a running edge can follow it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        LIVE.iter().any(|live| is_in(&self.key, live))
    }
}

/// A configuration as typed, and as it stands in its file.
pub type Written<'a> = (&'a Config, &'a Table);

/// Every key that differs, in order.
#[must_use]
pub fn changes(old: Written<'_>, new: Written<'_>) -> Vec<Change> {
    let (before, after) = (leaves(old.1), leaves(new.1));
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort();
    keys.dedup();
    let differs = |key: &&&String| before.get(**key) != after.get(**key);
    let mut changes: Vec<Change> = keys
        .iter()
        .filter(differs)
        .filter(|key| !is_same_section(section_of(key), old.0, new.0))
        .map(|key| Change {
            key: (*key).clone(),
            old: shown(key, before.get(*key)),
            new: shown(key, after.get(*key)),
        })
        .collect();
    // An empty array beside its elements says nothing.
    let elements: Vec<String> = changes.iter().map(|change| change.key.clone()).collect();
    changes.retain(|change| {
        let element = format!("{}[", change.key);
        !elements.iter().any(|key| key.starts_with(&element))
    });
    changes
}

fn section_of(key: &str) -> &str {
    key.split(['.', '[']).next().unwrap_or(key)
}

fn is_in(key: &str, table: &str) -> bool {
    let rest = key.strip_prefix(table);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether a table of the file means the same in both.
fn is_same_section(section: &str, old: &Config, new: &Config) -> bool {
    // All of them: one that is added and not compared here is none that the compiler lets pass.
    let Config {
        node,
        log,
        access_log,
        metrics,
        traces,
        listen,
        tls,
        parents,
        relay,
        cache,
        sites,
        playback,
        filters,
        rooms,
        admin,
        limits,
        threads,
        drain,
    } = new;
    match section {
        "node" => *node == old.node,
        "log" => *log == old.log,
        "access_log" => *access_log == old.access_log,
        "metrics" => *metrics == old.metrics,
        "traces" => *traces == old.traces,
        "listen" => *listen == old.listen,
        "tls" => *tls == old.tls,
        "parents" => *parents == old.parents,
        "relay" => *relay == old.relay,
        "cache" => *cache == old.cache,
        "sites" => *sites == old.sites,
        "playback" => *playback == old.playback,
        "filters" => *filters == old.filters,
        "rooms" => *rooms == old.rooms,
        "admin" => *admin == old.admin,
        "limits" => *limits == old.limits,
        "threads" => *threads == old.threads,
        "drain" => *drain == old.drain,
        _ => false,
    }
}

/// Every value by its dotted key, defaults included.
fn leaves(written: &Table) -> BTreeMap<String, Value> {
    // The shipped file holds every default; a test says so.
    let mut table: Table = toml::from_str(DEFAULT_TOML).unwrap_or_default();
    lay_over(&mut table, written);
    let mut found = BTreeMap::new();
    for (key, value) in table {
        gather(key, value, &mut found);
    }
    found
}

fn lay_over(below: &mut Table, above: &Table) {
    for (key, value) in above {
        match (below.get_mut(key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => lay_over(below, above),
            _ => {
                below.insert(key.clone(), value.clone());
            }
        }
    }
}

fn gather(key: String, value: Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) => {
            for (inner, value) in table {
                gather(format!("{key}.{inner}"), value, found);
            }
        }
        Value::Array(values) if values.first().is_some_and(Value::is_table) => {
            for (index, value) in values.into_iter().enumerate() {
                gather(format!("{key}[{}]", index + 1), value, found);
            }
        }
        value => {
            found.insert(key, value);
        }
    }
}

fn is_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    let last = last.split('[').next().unwrap_or(last);
    SECRETS.contains(&last)
}

fn shown(key: &str, value: Option<&Value>) -> String {
    let Some(value) = value else {
        return ABSENT.to_owned();
    };
    if is_secret(key) {
        return HIDDEN.to_owned();
    }
    let text = without_credentials(&value.to_string());
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// URLs may hold a name and a password: `scheme://name:password@host`.
fn without_credentials(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("://");
        let authority = part.find(['/', '"', '\'', ' ']).unwrap_or(part.len());
        let at = part.get(..authority).and_then(|it| it.rfind('@'));
        if at.is_some() {
            shown.push_str(HIDDEN);
        }
        shown.push_str(part.get(at.unwrap_or(0)..).unwrap_or_default());
    }
    shown
}

#[cfg(test)]
mod tests;
