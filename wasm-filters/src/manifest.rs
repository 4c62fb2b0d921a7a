//! A filter's manifest: its name, its hooks, what it may use, its configuration and its samples.
//!
//! It is JSON on the wire and TOML (`filter.toml`) in an author's folder, with one schema. It does
//! not say who may upload a filter or where it runs; that is the registry's business.
//!
//! **The configuration is part of the manifest**, so a change of configuration is a new version
//! with the same life as a change of code.

mod digest;
mod name;
mod ordered;
mod resources;
mod sample;
mod validate;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use digest::{Digest, HexError, VersionId};
pub use name::{
    FilterName, HEADER_NAME_BYTES_MAX, KeyName, NAME_BYTES_MAX, NameError, ROUTE_BYTES_MAX,
    RoutePattern, Sight,
};
pub use resources::{DisableAfter, KvLimits, Limits};
pub use sample::{SAMPLE_NOW_MS, Sample, SampleCall};
pub use validate::{
    CONFIG_BYTES_MAX, CONFIG_DEPTH_MAX, DESCRIPTION_BYTES_MAX, DISABLE_WITHIN_MS_MAX, KEYS_MAX,
    KV_BYTES_MAX, KV_ENTRIES_MAX, MANIFEST_BYTES_MAX, ManifestError, ROUTES_MAX, SAMPLES_MAX,
    SEES_MAX, VERSION_BYTES_MAX,
};

/// What an author says about a filter.
///
/// A field that is added later has a default and is left out of the JSON while it has it: the JSON
/// of an old manifest, and with it the id of its version, must not change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The filter that this is a version of.
    pub name: FilterName,
    /// The author's label: 1 to 64 visible ASCII characters. Nothing is ordered by it.
    pub version: String,
    /// For people; at most [`DESCRIPTION_BYTES_MAX`] bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where it is called: at least one, none twice. The component exports what they need.
    pub hooks: Vec<Hook>,
    /// Place in the chain of a hook: lower is earlier, ties go by name.
    #[serde(default = "default_order")]
    pub order: i32,
    /// None: [`Manifest::isolation`] chooses by the hooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// None: [`Manifest::failure`] chooses by the hook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailurePolicy>,
    /// The breaker. `false` in JSON and TOML: none.
    #[serde(
        default = "resources::default_disable_after",
        with = "resources::disable_after"
    )]
    pub disable_after: Option<DisableAfter>,
    /// Bounds of each call.
    #[serde(default)]
    pub limits: Limits,
    /// Keys of the node that it may name in `crypto`; at most [`KEYS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyName>,
    /// Bounds of its `kv`.
    #[serde(default)]
    pub kv: KvLimits,
    /// What the `auth` hook is asked about.
    #[serde(default = "Action::all")]
    pub actions: Vec<Action>,
    /// Paths for which the `http` hooks are called; at most [`ROUTES_MAX`].
    #[serde(default = "default_routes")]
    pub routes: Vec<RoutePattern>,
    /// What of a request it is given; at most [`SEES_MAX`]. None: [`Manifest::sees`] chooses by
    /// the hook. Fewer is more private, and lets the node reuse more answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sees: Option<Vec<Sight>>,
    /// What `configure` is called with: an object of at most [`CONFIG_BYTES_MAX`] bytes of JSON.
    #[serde(default = "empty_object", serialize_with = "ordered::serialize")]
    pub config: serde_json::Value,
    /// Calls with known answers, made before the version serves anybody; at most [`SAMPLES_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
}

/// Where a filter is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Hook {
    /// Who may play, publish, join, give, administer.
    #[serde(rename = "auth")]
    Auth,
    /// Messages, and people who come and go.
    #[serde(rename = "chat")]
    Chat,
    /// The catalogue of gifts, and each gift.
    #[serde(rename = "gifts")]
    Gifts,
    /// Heads of requests.
    #[serde(rename = "http.request")]
    HttpRequest,
    /// Heads of responses.
    #[serde(rename = "http.response")]
    HttpResponse,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Auth,
        Self::Chat,
        Self::Gifts,
        Self::HttpRequest,
        Self::HttpResponse,
    ];

    /// As in a manifest, a metric or a log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Chat => "chat",
            Self::Gifts => "gifts",
            Self::HttpRequest => "http.request",
            Self::HttpResponse => "http.response",
        }
    }

    /// The interface of the contract that a component exports for it.
    #[must_use]
    pub fn interface(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Chat => "chat",
            Self::Gifts => "gifts",
            Self::HttpRequest | Self::HttpResponse => "http",
        }
    }
}

impl std::fmt::Display for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What of a filter outlives a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Nothing: each call has an instance of its own.
    Call,
    /// Instances are used again, until they are recycled.
    Pooled,
}

/// What the node does when a filter could not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// As if it had refused.
    Closed,
    /// As if it had not been there.
    Open,
    /// The version before is asked; where there is none, closed.
    Previous,
}

/// What somebody wants to do, as `auth` of the contract has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Watch a stream.
    Play,
    /// Broadcast one.
    Publish,
    /// Enter a room.
    Join,
    /// Give a gift.
    Gift,
    /// Operate a node.
    Admin,
}

impl Action {
    /// All of them, which is the default.
    #[must_use]
    pub fn all() -> Vec<Self> {
        vec![
            Self::Play,
            Self::Publish,
            Self::Join,
            Self::Gift,
            Self::Admin,
        ]
    }

    /// As in a manifest, a metric or a log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Play => "play",
            Self::Publish => "publish",
            Self::Join => "join",
            Self::Gift => "gift",
            Self::Admin => "admin",
        }
    }
}

/// A version of a filter, whole: which code, and the manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionDocument {
    /// SHA-256 of the component.
    pub component: Digest,
    /// What its author said about it.
    pub manifest: Manifest,
}

impl VersionDocument {
    /// SHA-256 of [`VersionDocument::canonical_json`].
    #[must_use]
    pub fn id(&self) -> VersionId {
        VersionId::from(Digest::of(&self.canonical_json()))
    }

    /// JSON without white space: fields in the order of the types, keys of free objects sorted.
    ///
    /// Reading it back gives an equal document with the same id.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "writing to memory cannot fail, and no map in it has keys that are not strings"
    )]
    pub fn canonical_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a document is JSON")
    }
}

impl Manifest {
    /// The least a manifest says; everything else has its default. For tests and tools.
    #[must_use]
    pub fn new(name: FilterName, version: impl Into<String>, hooks: Vec<Hook>) -> Self {
        Self {
            name,
            version: version.into(),
            description: String::new(),
            hooks,
            order: default_order(),
            isolation: None,
            failure: None,
            disable_after: resources::default_disable_after(),
            limits: Limits::default(),
            keys: Vec::new(),
            kv: KvLimits::default(),
            actions: Action::all(),
            routes: default_routes(),
            sees: None,
            config: empty_object(),
            samples: Vec::new(),
        }
    }

    /// The isolation that holds. A filter that decides on permission or money keeps nothing from
    /// one caller to the next, unless its author says otherwise.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        self.isolation.unwrap_or_else(|| {
            if self.has(Hook::Auth) || self.has(Hook::Gifts) {
                Isolation::Call
            } else {
                Isolation::Pooled
            }
        })
    }

    /// The failure policy that holds for a hook.
    #[must_use]
    pub fn failure(&self, hook: Hook) -> FailurePolicy {
        self.failure.unwrap_or(match hook {
            Hook::Auth | Hook::Gifts => FailurePolicy::Closed,
            Hook::Chat | Hook::HttpRequest | Hook::HttpResponse => FailurePolicy::Open,
        })
    }

    /// What of a request the filter is given at a hook.
    #[must_use]
    pub fn sees(&self, hook: Hook) -> &[Sight] {
        const ALL_BUT_HEADERS: &[Sight] = &[
            Sight::Ip,
            Sight::Country,
            Sight::UserAgent,
            Sight::Referer,
            Sight::Origin,
            Sight::Query,
        ];
        match (&self.sees, hook) {
            (Some(sees), _) => sees,
            (None, Hook::Auth) => ALL_BUT_HEADERS,
            (None, _) => &[],
        }
    }

    /// Whether it is called at a hook.
    #[must_use]
    pub fn has(&self, hook: Hook) -> bool {
        self.hooks.contains(&hook)
    }

    /// Interfaces of the contract that the component has to export, `lifecycle` first.
    #[must_use]
    pub fn interfaces(&self) -> Vec<&'static str> {
        let mut interfaces = vec!["lifecycle"];
        for hook in &self.hooks {
            if !interfaces.contains(&hook.interface()) {
                interfaces.push(hook.interface());
            }
        }
        interfaces
    }
}

fn default_order() -> i32 {
    100
}

fn default_routes() -> Vec<RoutePattern> {
    vec![RoutePattern::everything()]
}

fn empty_object() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}
