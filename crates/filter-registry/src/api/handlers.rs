//! One function for each route.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use wasm_filters::manifest::{Digest, FilterName, VersionId};

use super::answer::{immutable, json};
use super::problem::ApiError;
use super::{Api, BODY_BYTES_MAX, COMPONENT_BYTES_MAX, MANIFEST_BYTES_MAX, REPORT_BYTES_MAX, body};
use crate::catalogue::Actor;
use crate::wire::{NewVersion, NodeName, NodeReport, Revoke};

type Answer = Result<Response, ApiError>;
type Shared = State<Arc<Api>>;

/// `?after=&wait_ms=`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    after: Option<u64>,
    wait_ms: Option<u64>,
}

fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    let query = Query::try_from_uri(uri);
    let query = query.map_err(|error| ApiError::Bad(error.body_text()))?;
    Ok(query.0)
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, ApiError>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| ApiError::Bad(error.to_string()))
}

pub(super) async fn openapi() -> Response {
    json(StatusCode::OK, &super::openapi())
}

pub(super) async fn put_blob(
    State(api): Shared,
    Extension(actor): Extension<Actor>,
    Path(digest): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let digest: Digest = parsed(&digest)?;
    let options = &api.options;
    let permit = api.uploads.try_acquire();
    let _permit = permit.map_err(|_| ApiError::Busy(options.uploads_max))?;
    let bytes = body::read(&headers, body, COMPONENT_BYTES_MAX, options).await?;
    let stored = api.registry.put_blob(digest, bytes, &actor).await?;
    let status = if stored.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(json(status, &stored))
}

pub(super) async fn blob(State(api): Shared, Path(digest): Path<String>) -> Answer {
    let digest: Digest = parsed(&digest)?;
    let bytes = api.registry.blob(digest).await?;
    let bytes =
        bytes.ok_or_else(|| ApiError::Missing(format!("component {digest} is not here")))?;
    Ok(immutable("application/wasm", bytes))
}

pub(super) async fn push(
    State(api): Shared,
    Extension(actor): Extension<Actor>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let name: FilterName = parsed(&name)?;
    let version: NewVersion = body::json(&headers, body, MANIFEST_BYTES_MAX, &api.options).await?;
    let pushed = api.registry.push(&name, version, &actor).await?;
    let status = if pushed.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(json(status, &pushed))
}

pub(super) async fn document(
    State(api): Shared,
    Path((name, id)): Path<(String, String)>,
) -> Answer {
    let name: FilterName = parsed(&name)?;
    let id: VersionId = parsed(&id)?;
    let document = api.registry.document(&name, id).await?;
    let document =
        document.ok_or_else(|| ApiError::Missing(format!("filter {name} has no version {id}")))?;
    Ok(immutable("application/json", document))
}

pub(super) async fn overview(State(api): Shared) -> Answer {
    Ok(json(StatusCode::OK, &api.registry.overview()))
}

pub(super) async fn catalogue(State(api): Shared, uri: Uri) -> Answer {
    let After { after, wait_ms } = query(&uri)?;
    let wait = Duration::from_millis(wait_ms.unwrap_or_default());
    let catalogue = api.registry.follow(after, wait).await;
    Ok(catalogue.map_or_else(
        || StatusCode::NO_CONTENT.into_response(),
        |catalogue| json(StatusCode::OK, &catalogue),
    ))
}

/// A change of one filter: the same for all of them but for the body and the registry's method.
macro_rules! operation {
    ($operation:ident) => {
        pub(super) async fn $operation(
            State(api): Shared,
            Extension(actor): Extension<Actor>,
            Path(name): Path<String>,
            headers: HeaderMap,
            body: Body,
        ) -> Answer {
            let name: FilterName = parsed(&name)?;
            let request = body::json(&headers, body, BODY_BYTES_MAX, &api.options).await?;
            let done = api.registry.$operation(&name, &request, &actor).await?;
            Ok(json(StatusCode::OK, &done))
        }
    };
}

operation!(activate);
operation!(shadow);
operation!(rollback);
operation!(set_enabled);

pub(super) async fn revoke(
    State(api): Shared,
    Extension(actor): Extension<Actor>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let request: Revoke = body::json(&headers, body, BODY_BYTES_MAX, &api.options).await?;
    let done = api.registry.revoke(&request, &actor).await?;
    Ok(json(StatusCode::OK, &done))
}

pub(super) async fn report(
    State(api): Shared,
    Extension(actor): Extension<Actor>,
    Path(node): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let node: NodeName = parsed(&node)?;
    let report: NodeReport = body::json(&headers, body, REPORT_BYTES_MAX, &api.options).await?;
    let taken = api.registry.report(&node, report, actor.peer).await?;
    Ok(json(StatusCode::OK, &taken))
}

pub(super) async fn audit(State(api): Shared, uri: Uri) -> Answer {
    let After { after, .. } = query(&uri)?;
    let page = api.registry.audit(after.unwrap_or_default()).await?;
    Ok(json(StatusCode::OK, &page))
}

pub(super) async fn logs(State(api): Shared, Path(name): Path<String>, uri: Uri) -> Answer {
    let name: FilterName = parsed(&name)?;
    let After { after, .. } = query(&uri)?;
    let page = api.registry.logs(&name, after.unwrap_or_default())?;
    Ok(json(StatusCode::OK, &page))
}
