//! Every error of the API, as a problem document.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Role;
use crate::catalogue::CatalogueError;
use crate::registry::RegistryError;
use crate::store::StoreError;
use crate::wire::ProblemDetails;

/// After which a busy registry is worth asking again.
const RETRY_AFTER_SECONDS: &str = "2";

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// No token, or an unknown one.
    #[error("a bearer token of this registry is needed")]
    Unauthorized,
    /// A token of a lower role.
    #[error("token {token:?} does not open this: role \"{}\" is needed", .needed.as_str())]
    Forbidden {
        /// Its name.
        token: String,
        /// What it takes.
        needed: Role,
    },
    /// The path is right.
    #[error("this path does not know that method")]
    Method,
    /// Malformed.
    #[error("{0}")]
    Bad(String),
    /// Nothing there.
    #[error("{0}")]
    Missing(String),
    /// A body over its bound.
    #[error("the body has more than {0} bytes, which is the limit here")]
    TooLarge(usize),
    /// A body that does not come.
    #[error("the body did not arrive within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// A body that ended early.
    #[error("the body broke off after {0} bytes")]
    BrokenOff(usize),
    /// As many uploads as may be.
    #[error("{0} components arrive already; try again in a moment")]
    Busy(usize),
    /// The registry's own.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Bad(_) | Self::BrokenOff(_) => StatusCode::BAD_REQUEST,
            Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Registry(error) => registry_status(error),
        }
    }
}

fn registry_status(error: &RegistryError) -> StatusCode {
    match error {
        RegistryError::Catalogue(error) => catalogue_status(error),
        RegistryError::Store(StoreError::Full { .. })
        | RegistryError::NoRoom { .. }
        | RegistryError::AuditBehind(_) => StatusCode::INSUFFICIENT_STORAGE,
        RegistryError::Store(_) | RegistryError::Encode(_) | RegistryError::Metrics(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        RegistryError::Signature(_)
        | RegistryError::Rejected(_)
        | RegistryError::NoComponent(_) => StatusCode::UNPROCESSABLE_ENTITY,
        RegistryError::NameMismatch { .. } | RegistryError::DigestMismatch { .. } => {
            StatusCode::BAD_REQUEST
        }
        RegistryError::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn catalogue_status(error: &CatalogueError) -> StatusCode {
    match error {
        CatalogueError::UnknownFilter(_) | CatalogueError::UnknownVersion { .. } => {
            StatusCode::NOT_FOUND
        }
        CatalogueError::Overtaken(_) => StatusCode::PRECONDITION_FAILED,
        CatalogueError::ReservedName(_) | CatalogueError::RejectedByNode { .. } => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        CatalogueError::Replayed { .. }
        | CatalogueError::NothingActive(_)
        | CatalogueError::AlreadyActive
        | CatalogueError::NothingBefore(_)
        | CatalogueError::TooMany { .. } => StatusCode::CONFLICT,
        CatalogueError::Percent(_)
        | CatalogueError::Bake(_)
        | CatalogueError::RevocationSeconds(_)
        | CatalogueError::RevocationValue => StatusCode::BAD_REQUEST,
    }
}

impl From<CatalogueError> for ApiError {
    fn from(error: CatalogueError) -> Self {
        Self::Registry(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut problem = ProblemDetails {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            ..ProblemDetails::default()
        };
        if status.is_server_error() {
            tracing::error!(error = %self, "the registry could not do what was asked");
        }
        if let Self::Registry(error) = &self {
            explain(error, &mut problem);
        }
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let after = HeaderValue::from_static(RETRY_AFTER_SECONDS);
            headers.insert(header::RETRY_AFTER, after);
        }
        response
    }
}

/// The members that programs read.
fn explain(error: &RegistryError, problem: &mut ProblemDetails) {
    let rejection = match error {
        RegistryError::Rejected(rejection) => Some(rejection),
        RegistryError::Catalogue(CatalogueError::RejectedByNode { node, rejection }) => {
            problem.node = Some(node.to_string());
            Some(rejection)
        }
        RegistryError::Catalogue(CatalogueError::Overtaken(changed)) => {
            problem.changed = Some(changed.clone());
            None
        }
        RegistryError::Signature(error) => {
            problem.stage = Some("signature".to_owned());
            problem.reason = Some(error.to_string());
            None
        }
        _ => None,
    };
    if let Some(rejection) = rejection {
        problem.stage = Some(rejection.stage.clone());
        problem.reason = Some(rejection.reason.clone());
    }
}
