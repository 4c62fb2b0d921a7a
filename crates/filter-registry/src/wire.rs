//! What the API's requests and answers carry, as the server, the client and the agent share it.
//!
//! Times are Unix milliseconds. Requests refuse fields they do not know; answers may gain some.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wasm_filters::manifest::{Digest, FilterName, Hook, Manifest, VersionId};

use crate::catalogue::{AuditRecord, Changed, Desired, Rejection, Revocation, RevocationKind};
use crate::signature::Signature;

/// Longest [`NodeName`].
pub const NODE_NAME_BYTES_MAX: usize = 64;
/// Longest reason that is kept, in bytes; longer ones are cut.
pub const REASON_BYTES_MAX: usize = 2048;

/// Name of a node: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(String);

/// Not a [`NodeName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node's name has 1 to {NODE_NAME_BYTES_MAX} characters out of A-Z a-z 0-9 . _ -")]
pub struct NotANodeName;

impl NodeName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = NotANodeName;

    fn from_str(name: &str) -> Result<Self, NotANodeName> {
        Self::try_from(name.to_owned())
    }
}

impl TryFrom<String> for NodeName {
    type Error = NotANodeName;

    fn try_from(name: String) -> Result<Self, NotANodeName> {
        let fits = (1..=NODE_NAME_BYTES_MAX).contains(&name.len());
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if fits && name.bytes().all(known) {
            Ok(Self(name))
        } else {
            Err(NotANodeName)
        }
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version as people (its number) or machines (its id) name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VersionRef {
    /// 1, 2, 3...: counted per filter, in the order of pushes.
    Number(u32),
    /// Hash of component and manifest.
    Id(VersionId),
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "v{number}"),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

/// Body of `POST /v1/filters/{name}/versions`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewVersion {
    /// Its `name` is the filter's.
    pub manifest: Manifest,
    /// The component, whose bytes were put before.
    pub component: Digest,
    /// Higher than that of every push of this filter before.
    pub serial: u64,
    /// Over filter name, serial and version id; see [`crate::signature`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// Answer to a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// The version's number within its filter.
    pub number: u32,
    /// The version's id.
    pub id: VersionId,
    /// False: the same version was there before, and has kept its number.
    pub created: bool,
    /// The catalogue's generation after the push.
    pub generation: u64,
    /// What the origin saw when it tried the version.
    pub vetting: VetReport,
}

/// What vetting found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VetReport {
    /// Worth telling the operator; the version is accepted all the same.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// How many of the manifest's samples passed.
    #[serde(default)]
    pub samples_passed: u32,
    /// From the component's arrival at the vetting to its end.
    #[serde(default)]
    pub took_ms: u64,
}

/// Body of `POST /v1/filters/{name}/activate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activate {
    /// Which one.
    pub version: VersionRef,
    /// 1..=100; of calls that get it. 100, the default, makes it the active version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// How long nodes compare it with the version before it; 0 is not at all. Default 60 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake_ms: Option<u64>,
    /// Refuse (412) when the filter's wish changed after this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_generation: Option<u64>,
}

/// Body of `POST /v1/filters/{name}/shadow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// None ends the shadow.
    pub version: Option<VersionRef>,
    /// As in [`Activate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_generation: Option<u64>,
}

/// Body of `POST /v1/filters/{name}/rollback`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// For the audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// As in [`Activate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_generation: Option<u64>,
}

/// Body of `POST /v1/filters/{name}/enabled`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetEnabled {
    /// False takes the filter out of every chain.
    pub enabled: bool,
    /// As in [`Activate`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_generation: Option<u64>,
}

/// Body of `POST /v1/filters/revocations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// What `value` names.
    pub kind: RevocationKind,
    /// A user's id, a stream's name, the SHA-256 of a token in hexadecimal; empty for all.
    #[serde(default)]
    pub value: String,
    /// How long it holds, 1..=2,592,000 (30 days).
    pub seconds: u64,
}

/// Answer to every change of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The catalogue's generation now.
    pub generation: u64,
    /// False: it was so already.
    pub changed: bool,
}

/// What nodes follow: `GET /v1/filters/catalogue`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCatalogue {
    /// Rises with every change.
    pub generation: u64,
    /// Every filter.
    pub filters: BTreeMap<FilterName, NodeFilter>,
    /// Those that still hold.
    pub revocations: Vec<Revocation>,
}

/// A filter in [`NodeCatalogue`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFilter {
    /// Lowest number first.
    pub versions: Vec<NodeVersion>,
    /// What is to run.
    pub desired: Desired,
}

impl NodeFilter {
    /// The version of that id.
    pub fn version(&self, id: VersionId) -> Option<&NodeVersion> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// The version pushed last.
    pub fn newest(&self) -> Option<&NodeVersion> {
        self.versions.last()
    }
}

/// A version in [`NodeFilter`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeVersion {
    /// The version's id.
    pub id: VersionId,
    /// Its number within the filter.
    pub number: u32,
    /// Where its bytes are.
    pub component: Digest,
    /// What its signature covers besides name and id.
    pub serial: u64,
    /// Present when it was pushed with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// What a node says of itself: `POST /v1/filters/nodes/{node}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The last generation the node acted upon.
    pub generation: u64,
    /// "edge", "origin".
    #[serde(default)]
    pub role: String,
    /// Every filter the node knows.
    #[serde(default)]
    pub filters: BTreeMap<FilterName, FilterReport>,
}

/// One filter on one node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FilterReport {
    /// What runs, which may not yet (or no longer) be what is wanted.
    #[serde(default)]
    pub active: Option<VersionId>,
    /// Those the node has tried to make ready.
    #[serde(default)]
    pub versions: BTreeMap<VersionId, VersionState>,
    /// The node went back by itself; repeated until acknowledged.
    #[serde(default)]
    pub rolled_back: Option<RolledBack>,
    /// As the node's host counts; an object.
    #[serde(default)]
    pub stats: serde_json::Value,
    /// New since the last report.
    #[serde(default)]
    pub logs: Vec<LogLine>,
}

/// How far a node is with a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum VersionState {
    /// Being fetched, compiled and probed.
    Preparing,
    /// Can be switched to at once.
    Ready,
    /// Could not be fetched; it is tried again.
    Unavailable {
        /// What went wrong.
        reason: String,
    },
    /// Failed a check, the compiler or the probe.
    Rejected(Rejection),
}

/// A node's own rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The version that was worse.
    pub from: VersionId,
    /// What runs instead.
    pub to: Option<VersionId>,
    /// The judgement, with its numbers.
    pub reason: String,
    /// `Desired::since_generation` of the activation this is about.
    pub since_generation: u64,
}

/// A line that a filter, or the node about a filter, logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Counted per node and filter; rises.
    pub seq: u64,
    /// When.
    pub at_unix_ms: u64,
    /// "trace", "debug", "info", "warn", "error".
    pub level: String,
    /// Which version.
    #[serde(default)]
    pub version: Option<VersionId>,
    /// What.
    pub message: String,
}

/// Answer to a report: everything in it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportTaken {
    /// The catalogue's generation now.
    pub generation: u64,
}

/// Answer to `PUT /v1/filters/blobs/{sha256}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobStored {
    /// The digest.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// False: it was there already.
    pub created: bool,
}

/// Everything, for people: `GET /v1/filters`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// The catalogue's generation.
    pub generation: u64,
    /// The registry's clock.
    pub now_unix_ms: u64,
    /// Every filter.
    pub filters: BTreeMap<FilterName, FilterOverview>,
    /// Nodes heard of lately, with their last report.
    pub nodes: BTreeMap<NodeName, NodeOverview>,
    /// Those that still hold.
    pub revocations: Vec<Revocation>,
}

/// A filter in [`Overview`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterOverview {
    /// Highest number first.
    pub versions: Vec<VersionOverview>,
    /// What is to run.
    pub desired: Desired,
    /// Who changed `desired` last.
    pub changed: Option<Changed>,
    /// The serial of the last push; the next one must be higher.
    pub last_serial: u64,
}

/// A version in [`FilterOverview`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionOverview {
    /// Its number within the filter.
    pub number: u32,
    /// The version's id.
    pub id: VersionId,
    /// Where its bytes are.
    pub component: Digest,
    /// The component's size in bytes.
    pub size: u64,
    /// The author's label, from the manifest.
    pub label: String,
    /// From the manifest.
    pub hooks: Vec<Hook>,
    /// Operator.
    pub pushed_by: String,
    /// When.
    pub pushed_at_unix_ms: u64,
    /// Of its push.
    pub serial: u64,
    /// Which key signed it.
    pub key_id: Option<String>,
    /// "active", "previous", "canary", "shadow"; empty when not in use.
    pub roles: Vec<String>,
    /// Nodes on which it is ready.
    pub ready_on: Vec<NodeName>,
    /// Nodes that refused it, and why.
    pub rejected_on: BTreeMap<NodeName, Rejection>,
}

/// A node in [`Overview`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeOverview {
    /// When its last report came.
    pub seen_unix_ms: u64,
    /// From where.
    pub peer: Option<String>,
    /// Without its log lines.
    pub report: NodeReport,
}

/// Answer to `GET /v1/filters/audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// Oldest first; ask again after the last one's `seq` until none comes.
    pub records: Vec<AuditRecord>,
}

/// Answer to `GET /v1/filters/{name}/logs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// Oldest first.
    pub lines: Vec<NodeLogLine>,
    /// What to ask `after` next.
    pub next: u64,
}

/// A log line and the node it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLogLine {
    /// Position in the registry's ring; rises over all nodes.
    pub position: u64,
    /// Where it was logged.
    pub node: NodeName,
    /// The line.
    #[serde(flatten)]
    pub line: LogLine,
}

/// An error's body (RFC 9457), `application/problem+json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDetails {
    /// "about:blank": the status says what kind it is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong here, for people.
    pub detail: String,
    /// Where a version was refused: "check", "signature", "compile", "probe"...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Why it was refused there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Which node refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Who was faster (412).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
}

/// Cuts at a character's border.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max))
        .unwrap_or_default()
}
