//! The filters of this node: how they do, what they log, and what an operator does here and now.
//!
//! What is to run is the registry's to say; it hears of a rollback from the agent, and makes it the
//! wish for all nodes.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use filter_registry::agent::AgentStatus;
use filter_registry::node::FilterNode;
use serde::{Deserialize, Serialize};
use wasm_filters::grants::{Revocation, RevocationError, RevocationKind};
use wasm_filters::host::{Host, HostStatus, RollbackError};
use wasm_filters::log_ring::LogLine;
use wasm_filters::manifest::{Digest, FilterName, VersionId};

use super::refusal::Refusal;
use super::{Admin, Shared, parse};
use crate::clock;

/// A revocation holds for so long at most: 30 days.
const REVOCATION_SECONDS_MAX: u64 = 2_592_000;
/// Longest reason of a rollback, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// The host of this node, and the agent that feeds it.
#[derive(Debug)]
pub struct NodeFilters {
    node: Arc<FilterNode>,
}

impl NodeFilters {
    /// Of a node that was started.
    pub fn new(node: Arc<FilterNode>) -> Self {
        Self { node }
    }

    fn host(&self) -> &Host {
        &self.node.host
    }

    /// How far this node is with what the registry wants.
    pub(super) fn agent(&self) -> AgentStatus {
        self.node.agent.status()
    }
}

impl Admin {
    fn host(&self) -> Result<&Host, Refusal> {
        let filters = self.filters.as_ref().map(NodeFilters::host);
        filters.ok_or_else(|| {
            let detail = "this edge runs no filters (filters.enabled)";
            Refusal::new(StatusCode::NOT_FOUND, detail)
        })
    }
}

pub(super) async fn status(State(admin): State<Shared>) -> Result<Json<HostStatus>, Refusal> {
    Ok(Json(admin.host()?.status()))
}

#[derive(Debug, Deserialize)]
pub(super) struct After {
    #[serde(default)]
    after: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct LogPage {
    /// Oldest first.
    lines: Vec<LogLine>,
    /// What to ask `after` next.
    next: u64,
}

pub(super) async fn logs(
    State(admin): State<Shared>,
    Path(name): Path<String>,
    after: Result<Query<After>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<LogPage>, Refusal> {
    let host = admin.host()?;
    let filter = named(&name)?;
    let Query(After { after }) =
        after.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    if !host.status().filters.contains_key(&filter) {
        return Err(unknown(&filter));
    }
    let lines = host.logs(&filter, after);
    let next = lines.last().map_or(after, |line| line.number);
    Ok(Json(LogPage { lines, next }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rollback {
    reason: String,
}

#[derive(Debug, Serialize)]
pub(super) struct RolledBack {
    from: VersionId,
    to: VersionId,
}

pub(super) async fn rollback(
    State(admin): State<Shared>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<RolledBack>, Refusal> {
    admin.authorise(&headers)?;
    let host = admin.host()?;
    let filter = named(&name)?;
    let Rollback { reason } = parse(body)?;
    if reason.len() > REASON_BYTES_MAX {
        let detail = format!("a reason has at most {REASON_BYTES_MAX} bytes");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, detail));
    }
    let reason = match reason.as_str() {
        "" => "an operator of this node went back",
        reason => reason,
    };
    let taken = host.rollback(&filter, reason).map_err(|error| {
        let status = match error {
            RollbackError::UnknownFilter(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::CONFLICT,
        };
        Refusal::new(status, error.to_string())
    })?;
    tracing::info!(%filter, from = %taken.from, to = %taken.to, reason, "rolled back by an operator");
    Ok(Json(RolledBack {
        from: taken.from,
        to: taken.to,
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    kind: RevocationKind,
    #[serde(default)]
    value: String,
    seconds: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Revoked {
    until_unix_ms: u64,
}

pub(super) async fn revoke(
    State(admin): State<Shared>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Revoked>, Refusal> {
    admin.authorise(&headers)?;
    let host = admin.host()?;
    let now_unix_ms = clock::unix_ms();
    let revocation = parse::<Revoke>(body)?.resolve(now_unix_ms)?;
    host.revoke(&revocation, now_unix_ms).map_err(|error| {
        let status = match error {
            RevocationError::Full => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Refusal::new(status, error.to_string())
    })?;
    // The value may be a token.
    tracing::info!(kind = ?revocation.kind, "grants revoked by an operator");
    Ok(Json(Revoked {
        until_unix_ms: revocation.until_unix_ms,
    }))
}

impl Revoke {
    /// A token becomes its digest, which is all that the host keeps.
    fn resolve(self, now_unix_ms: u64) -> Result<Revocation, Refusal> {
        if !(1..=REVOCATION_SECONDS_MAX).contains(&self.seconds) {
            let detail = format!("seconds has to be from 1 to {REVOCATION_SECONDS_MAX}");
            return Err(Refusal::new(StatusCode::BAD_REQUEST, detail));
        }
        let is_token = self.kind == RevocationKind::Token && !self.value.is_empty();
        let value = if is_token && self.value.parse::<Digest>().is_err() {
            Digest::of(self.value.as_bytes()).to_string()
        } else {
            self.value
        };
        Ok(Revocation {
            kind: self.kind,
            value,
            until_unix_ms: now_unix_ms.saturating_add(self.seconds.saturating_mul(1000)),
        })
    }
}

fn named(name: &str) -> Result<FilterName, Refusal> {
    name.parse()
        .map_err(|error: wasm_filters::manifest::NameError| {
            Refusal::new(StatusCode::NOT_FOUND, error.to_string())
        })
}

fn unknown(filter: &FilterName) -> Refusal {
    let error = RollbackError::UnknownFilter(filter.clone());
    Refusal::new(StatusCode::NOT_FOUND, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revocation(body: &str) -> Result<Revocation, StatusCode> {
        let revoke: Revoke = serde_json::from_str(body).unwrap();
        revoke.resolve(5).map_err(|refusal| refusal.status)
    }

    #[test]
    fn a_token_is_revoked_by_its_digest() {
        let digest = Digest::of(b"a.b").to_string();
        for value in ["a.b", &digest] {
            let body = format!(r#"{{"kind":"token","value":"{value}","seconds":2}}"#);
            let revoked = revocation(&body).unwrap();
            assert_eq!(revoked.value, digest);
            assert_eq!(revoked.until_unix_ms, 2005);
        }
        let user = revocation(r#"{"kind":"user","value":"ann","seconds":1}"#).unwrap();
        assert_eq!(user.value, "ann");
    }

    #[test]
    fn a_revocation_ends() {
        for seconds in [0, REVOCATION_SECONDS_MAX + 1] {
            let body = format!(r#"{{"kind":"all","seconds":{seconds}}}"#);
            assert_eq!(revocation(&body), Err(StatusCode::BAD_REQUEST));
        }
    }
}
