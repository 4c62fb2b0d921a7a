//! Requests for the registry: `/v1/filters...` goes there as it came, token included, so that the
//! page needs one address only.
//!
//! This node adds no permission of its own: what the caller may do there is what the caller's token
//! may do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::sync::Semaphore;

use super::Shared;
use super::refusal::Refusal;
use crate::target;

/// Bytes of a relayed body: a component of 32 MiB, and what is around it.
const BODY_BYTES_MAX: usize = 33 << 20;
/// Requests relayed at once; one more is refused.
const RELAYED_MAX: usize = 64;
/// For a connection to the registry.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For a whole request: the registry tries a new version before it answers, and may have others to
/// try before.
const TIMEOUT: Duration = Duration::from_secs(300);
/// What the registry is told of a request.
const REQUEST_FIELDS: [HeaderName; 5] = [
    header::ACCEPT,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
];
/// What the caller is told of an answer.
const RESPONSE_FIELDS: [HeaderName; 6] = [
    header::CACHE_CONTROL,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
];

/// The way to the registry.
#[derive(Debug)]
pub struct Relay {
    base: String,
    client: reqwest::Client,
    free: Arc<Semaphore>,
}

/// Why there is no way to the registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The certificates to trust.
    #[error("{}: {source}", file.display())]
    CaFile {
        /// Their file.
        file: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The HTTP client.
    #[error("the client of the registry: {0}")]
    Client(#[from] reqwest::Error),
}

impl Relay {
    /// To the registry at `base`, without a slash at the end, trusting the certificates in
    /// `ca_file`, or without it the system's.
    ///
    /// # Errors
    /// A file that holds no certificates.
    pub fn new(base: &str, ca_file: Option<&Path>) -> Result<Self, RelayError> {
        let mut client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // The token is for this server only.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(file) = ca_file {
            let broken = |source| RelayError::CaFile {
                file: file.to_owned(),
                source,
            };
            let pem = std::fs::read(file).map_err(|error| broken(Box::new(error)))?;
            let trusted = reqwest::Certificate::from_pem_bundle(&pem)
                .map_err(|error| broken(Box::new(error)))?;
            client = client.tls_certs_only(trusted);
        } else if base.starts_with("http://") {
            // Nothing to trust, and nothing to fail for a machine without certificates.
            client = client.tls_certs_only([]);
        }
        Ok(Self {
            base: base.to_owned(),
            client: client.build()?,
            free: Arc::new(Semaphore::new(RELAYED_MAX)),
        })
    }
}

pub(super) async fn serve(
    State(admin): State<Shared>,
    request: Request,
) -> Result<Response, Refusal> {
    let Some(relay) = &admin.relay else {
        let detail = "this edge runs no filters (filters.enabled), and knows no registry";
        return Err(Refusal::new(StatusCode::NOT_FOUND, detail));
    };
    let Ok(turn) = Arc::clone(&relay.free).try_acquire_owned() else {
        return Err(Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{RELAYED_MAX} requests to the registry are under way"),
        ));
    };
    let (head, body) = request.into_parts();
    let asked = head.uri.path_and_query().map_or("", |asked| asked.as_str());
    // Otherwise a caller could leave `/v1/filters` for other pages of the registry's listener.
    let url = target::below(&relay.base, asked);
    let Some(url) = url.filter(|url| !url.path().contains('%')) else {
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "the path is malformed",
        ));
    };
    let declared = head
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    let has_body = head.method != Method::GET && head.method != Method::HEAD;
    let mut question = relay
        .client
        .request(head.method, url)
        .headers(chosen(&head.headers, &REQUEST_FIELDS));
    if has_body {
        let body = Limited::new(body, BODY_BYTES_MAX).into_data_stream();
        question = question.body(reqwest::Body::wrap_stream(body));
    }
    let answer = question.send().await.map_err(|error| failure(&error))?;
    let (status, headers) = (answer.status(), chosen(answer.headers(), &RESPONSE_FIELDS));
    // The turn ends with the answer's last byte.
    let body = futures::StreamExt::map(answer.bytes_stream(), move |piece| {
        let _turn = &turn;
        piece
    });
    Ok((status, headers, Body::from_stream(body)).into_response())
}

fn chosen(from: &HeaderMap, names: &[HeaderName]) -> HeaderMap {
    let mut chosen = HeaderMap::new();
    for name in names {
        for value in from.get_all(name) {
            chosen.append(name, value.clone());
        }
    }
    chosen
}

fn too_large() -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("more than {BODY_BYTES_MAX} bytes are not relayed"),
    )
}

/// The registry's own answers are relayed; this is for when there was none.
fn failure(error: &reqwest::Error) -> Refusal {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<LengthLimitError>() {
            return too_large();
        }
        cause = inner.source();
    }
    let (status, detail) = if error.is_timeout() && !error.is_connect() {
        (
            StatusCode::GATEWAY_TIMEOUT,
            "the registry did not answer in time",
        )
    } else {
        (StatusCode::BAD_GATEWAY, "the registry cannot be reached")
    };
    tracing::warn!(error = %error, "relaying to the registry");
    Refusal::new(status, detail)
}
