//! What happened, for the audit log.

use serde::{Deserialize, Serialize};
use wasm_filters::manifest::{Digest, FilterName, VersionId};

use super::{Rejection, RevocationKind, UnixMillis};
use crate::wire::NodeName;

/// Who asked for a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The bearer token's name, or the node's.
    pub name: String,
    /// Address and port, when it came over a socket.
    pub peer: Option<String>,
}

impl Actor {
    /// An actor in this process.
    pub fn local(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            peer: None,
        }
    }
}

/// Something that happened, before it has its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who.
    pub actor: Actor,
    /// When.
    pub at_unix_ms: UnixMillis,
    /// The catalogue's generation after it.
    pub generation: u64,
    /// What.
    pub action: AuditAction,
}

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// 1, 2, 3... without a gap.
    pub seq: u64,
    /// When.
    pub at_unix_ms: UnixMillis,
    /// Operator or node.
    pub actor: String,
    /// From where.
    pub peer: Option<String>,
    /// The catalogue's generation after it.
    pub generation: u64,
    /// What.
    #[serde(flatten)]
    pub action: AuditAction,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum AuditAction {
    /// A component arrived.
    Uploaded {
        /// Its digest.
        component: Digest,
        /// In bytes.
        size: u64,
    },
    /// A version was accepted.
    Pushed {
        /// The filter.
        filter: FilterName,
        /// Its number.
        number: u32,
        /// Its id.
        id: VersionId,
        /// Of the push.
        serial: u64,
        /// Which key signed it.
        key_id: Option<String>,
    },
    /// A version made room for newer ones.
    Dropped {
        /// The filter.
        filter: FilterName,
        /// Its number.
        number: u32,
        /// Its id.
        id: VersionId,
    },
    /// A version was activated, for all or for a share.
    Activated {
        /// The filter.
        filter: FilterName,
        /// Its number.
        number: u32,
        /// Its id.
        id: VersionId,
        /// 100 is for all.
        percent: u8,
        /// What was active.
        before: Option<u32>,
        /// 0 is not judged.
        bake_ms: u64,
    },
    /// A shadow began, or ended.
    Shadowed {
        /// The filter.
        filter: FilterName,
        /// None: ended.
        number: Option<u32>,
    },
    /// Back to the version before.
    RolledBack {
        /// The filter.
        filter: FilterName,
        /// What was left.
        from: Option<u32>,
        /// What is active now.
        to: Option<u32>,
        /// The operator's word, or the node's judgement.
        reason: String,
        /// The node that judged.
        node: Option<NodeName>,
    },
    /// Taken into all chains, or out.
    EnabledSet {
        /// The filter.
        filter: FilterName,
        /// Which of the two.
        enabled: bool,
    },
    /// Grants were revoked.
    Revoked {
        /// Of what.
        kind: RevocationKind,
        /// Whose; of a token its digest.
        value: String,
        /// How long.
        seconds: u64,
    },
    /// A node could not make a version ready.
    Rejected {
        /// The node.
        node: NodeName,
        /// The filter.
        filter: FilterName,
        /// The version's number.
        number: u32,
        /// Where and why.
        #[serde(flatten)]
        rejection: Rejection,
    },
}
