//! Identities for guests: asked of the origin's control API, which signs them.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use settings::Secret;

/// A request to the control API, whole.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest request and answer, in bytes.
const GUEST_BYTES_MAX: usize = 8 << 10;

/// Why the control API cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum GuestsError {
    /// The certificates to trust cannot be read.
    #[error("{path}: {reason}")]
    CaFile {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// The client cannot be made.
    #[error("{0}")]
    Client(#[from] reqwest::Error),
}

/// The way to the control API.
#[derive(Clone, Debug)]
pub struct Guests {
    client: reqwest::Client,
    url: String,
    /// The token of the link: only edges may ask.
    link: HeaderValue,
}

/// What the control API said.
#[derive(Clone, Debug)]
pub struct GuestAnswer {
    /// Its status.
    pub status: StatusCode,
    /// JSON.
    pub body: Bytes,
    /// Its `Content-Type`.
    pub content_type: HeaderValue,
    /// Seconds to wait.
    pub retry_after: Option<u32>,
}

impl Guests {
    /// Asks at `url`, the origin's HTTP listener.
    ///
    /// # Errors
    /// The file of certificates.
    pub fn new(url: &str, token: &Secret, ca_file: Option<&Path>) -> Result<Self, GuestsError> {
        let mut builder = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = ca_file {
            let failed = |reason: String| GuestsError::CaFile {
                path: path.to_owned(),
                reason,
            };
            let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
            let bundle = reqwest::Certificate::from_pem_bundle(&pem);
            for certificate in bundle.map_err(|error| failed(error.to_string()))? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        // The configuration lets no other token through.
        let link = HeaderValue::from_str(token.expose());
        let mut link = link.unwrap_or_else(|_| HeaderValue::from_static(""));
        link.set_sensitive(true);
        Ok(Self {
            link,
            client: builder.build()?,
            url: format!("{}/v1/guests", url.trim_end_matches('/')),
        })
    }

    /// Asks for an identity, or another name. `client` stands for the one who asks, whom the control
    /// API bounds; it never learns the address itself.
    pub async fn ask(&self, headers: &HeaderMap, client: &str, body: Bytes) -> GuestAnswer {
        let mut request = self
            .client
            .post(&self.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header("weir-client", client)
            .header("weir-link", self.link.clone())
            .body(body);
        if let Some(bearer) = headers.get(header::AUTHORIZATION) {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        match self.exchange(request).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "the control API cannot be asked for an identity");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let detail = "nobody can give names out right now; try again";
                let body = crate::problem::body(status, detail, Some("unavailable"));
                GuestAnswer {
                    status,
                    body: body.into(),
                    content_type: HeaderValue::from_static("application/problem+json"),
                    retry_after: Some(2),
                }
            }
        }
    }

    async fn exchange(&self, request: reqwest::RequestBuilder) -> reqwest::Result<GuestAnswer> {
        let answer = request.send().await?;
        let field = |name| answer.headers().get(name).cloned();
        let retry_after = field(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let content_type = field(header::CONTENT_TYPE);
        let status = answer.status();
        let mut body = answer.bytes().await?;
        body.truncate(GUEST_BYTES_MAX);
        Ok(GuestAnswer {
            status,
            body,
            content_type: content_type
                .unwrap_or_else(|| HeaderValue::from_static("application/json")),
            retry_after,
        })
    }
}
