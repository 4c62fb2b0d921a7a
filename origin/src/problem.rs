//! What is said when something is not done (RFC 9457), everywhere in the same form.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::de::DeserializeOwned;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    /// Stable, for programs.
    code: &'static str,
    /// For people.
    detail: String,
    retry_after_ms: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after_ms: None,
        }
    }

    /// 400: it cannot be read.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// 401: nobody is signed in.
    pub(crate) fn signed_out() -> Self {
        let detail = "sign in: the access token is missing, or no longer good";
        Self::new(StatusCode::UNAUTHORIZED, "signed-out", detail)
    }

    /// 403.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 429.
    pub(crate) fn too_many(detail: impl Into<String>, wait: Duration) -> Self {
        let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail).after_ms(milliseconds)
    }

    /// 404.
    pub(crate) fn unknown(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 503: the same again may go well.
    pub(crate) fn unavailable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).after_ms(1_000)
    }

    /// What a database did not do. Why is for the log alone.
    pub(crate) fn of_store(what: &str, error: &database::Error) -> Self {
        use database::Error;
        match error {
            Error::Busy => Self::unavailable("busy", format!("more waits for {what} than may")),
            Error::Full { .. } => {
                tracing::error!(%error, "{what}: no writes are taken");
                let detail = format!("no changes of {what} are taken right now");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "full", detail)
            }
            _ => {
                tracing::error!(%error, "{what}: unavailable");
                let detail = format!("{what} cannot be reached right now");
                Self::unavailable("unavailable", detail)
            }
        }
    }

    /// When to come again.
    #[must_use]
    pub(crate) fn after_ms(mut self, milliseconds: u64) -> Self {
        self.retry_after_ms = Some(milliseconds);
        self
    }

    /// The same, and what else there is to know.
    #[must_use]
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.detail = format!("{}; {more}", self.detail);
        self
    }

    /// Whether somebody else than the caller is to blame.
    pub(crate) fn is_ours(&self) -> bool {
        self.status.is_server_error()
    }

    /// For metrics.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }
}

/// For the log.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        if let (Some(milliseconds), Some(fields)) = (self.retry_after_ms, body.as_object_mut()) {
            fields.insert("retry_after_ms".to_owned(), milliseconds.into());
        }
        let mut response = (self.status, Json(body)).into_response();
        let fields = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        fields.insert(CONTENT_TYPE, kind);
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(milliseconds) = self.retry_after_ms {
            fields.insert(RETRY_AFTER, milliseconds.div_ceil(1_000).max(1).into());
        }
        response.extensions_mut().insert(Code(self.code));
        response
    }
}

/// The code of a refusal, for whoever counts answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code(pub(crate) &'static str);

/// What is taken out of a request, where what cannot be taken is a [`Problem`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked<E>(pub(crate) E);

impl<S, E> FromRequestParts<S> for Checked<E>
where
    S: Send + Sync,
    E: FromRequestParts<S>,
    Problem: From<E::Rejection>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(E::from_request_parts(parts, state).await?))
    }
}

impl<S, T> FromRequest<S> for Checked<Json<T>>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Ok(Self(Json::from_request(request, state).await?))
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "Content-Type has to be application/json",
            ),
            _ => Self::malformed(rejection.body_text()),
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::malformed(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::malformed(rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(_: BytesRejection) -> Self {
        too_large()
    }
}

fn too_large() -> Problem {
    let detail = "the request is too long";
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
}
