//! The client of the registry's API, for agents and for `weirctl`.
//!
//! It does not retry: an agent has its own rhythm, and a person wants to know.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Certificate, Method, RequestBuilder, Response, StatusCode, header, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use settings::Secret;
use wasm_filters::manifest::{Digest, FilterName, VersionDocument, VersionId};

use crate::api::COMPONENT_BYTES_MAX;
use crate::wire::{
    Activate, AuditPage, BlobStored, Generation, LogPage, NewVersion, NodeCatalogue, NodeName,
    NodeReport, Overview, ProblemDetails, Pushed, ReportTaken, Revoke, Rollback, SetEnabled,
    Shadow,
};

/// Until a connection is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A request whose answer takes no work.
const TIMEOUT: Duration = Duration::from_secs(15);
/// An upload of a component, and its vetting.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(300);
/// Largest JSON answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Largest part of an unexpected answer that an error shows, in bytes.
const SHOWN_BYTES_MAX: usize = 500;

/// How a registry is reached.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// `http://HOST:PORT` or `https://HOST:PORT`, with or without a slash at the end.
    pub url: String,
    /// Bearer token.
    pub token: Secret,
    /// PEM certificates to trust for https, instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The options cannot be used.
    #[error("{0}")]
    Options(String),
    /// The file with certificates cannot be read.
    #[error("{path}: {error}")]
    CaFile {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The registry refused, and says why.
    #[error("{}", Told(.0))]
    Refused(Box<ProblemDetails>),
    /// Something answered that is no registry, or not as it should.
    #[error("{url} answered {status} and no problem document: {body}")]
    Strange {
        /// What was asked.
        url: String,
        /// What came.
        status: StatusCode,
        /// Its beginning.
        body: String,
    },
    /// The answer is not what was asked for.
    #[error("{url} answered something else than expected: {reason}")]
    Answer {
        /// What was asked.
        url: String,
        /// Why.
        reason: String,
    },
    /// No answer.
    #[error("the registry cannot be reached: {}", causes(.0))]
    Unreachable(#[from] reqwest::Error),
}

impl ClientError {
    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(problem) => StatusCode::from_u16(problem.status).ok(),
            Self::Strange { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What the registry said.
    pub fn problem(&self) -> Option<&ProblemDetails> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}

/// A refusal in one line.
struct Told<'a>(&'a ProblemDetails);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.detail.as_str() {
            "" => write!(f, "{} {}", self.0.status, self.0.title),
            detail => f.write_str(detail),
        }
    }
}

/// reqwest's own text leaves out what went wrong.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A client; clones share its connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Secret,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Client");
        out.field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client. Nothing is connected yet. A process without a TLS provider gets ring.
    ///
    /// # Errors
    /// A URL, token or certificate file that cannot be used.
    pub fn new(options: &ClientOptions) -> Result<Self, ClientError> {
        // reqwest panics without one, even for http. Another thread may install it meanwhile.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let base = options.url.trim_end_matches('/').to_owned();
        let https = base.starts_with("https://");
        if !https && !base.starts_with("http://") {
            let reason = format!("{base:?} is not http://HOST:PORT or https://HOST:PORT");
            return Err(ClientError::Options(reason));
        }
        let token = options.token.expose();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = "a bearer token has visible ASCII characters only".to_owned();
            return Err(ClientError::Options(reason));
        }
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // The token is for this server only.
            .redirect(redirect::Policy::none())
            .no_proxy();
        if let Some(path) = &options.ca_file {
            let pem = fs::read(path).map_err(|error| ClientError::CaFile {
                path: path.clone(),
                error,
            })?;
            builder = builder.tls_certs_only(Certificate::from_pem_bundle(&pem)?);
        } else if !https {
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            http: builder.build()?,
            base,
            token: options.token.clone(),
        })
    }

    /// Puts a component; safe to repeat.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub async fn put_blob(&self, component: Bytes) -> Result<BlobStored, ClientError> {
        let digest = Digest::of(&component);
        let request = self
            .request(Method::PUT, &format!("blobs/{digest}"), UPLOAD_TIMEOUT)
            .header(header::CONTENT_TYPE, "application/wasm")
            .body(component);
        self.json(request).await
    }

    /// A component, its digest checked.
    ///
    /// # Errors
    /// Refused, unreachable, or not the component.
    pub async fn blob(&self, digest: Digest) -> Result<Bytes, ClientError> {
        let request = self.request(Method::GET, &format!("blobs/{digest}"), UPLOAD_TIMEOUT);
        let answer = self.send(request).await?;
        let url = answer.url().to_string();
        let bytes = read(answer, COMPONENT_BYTES_MAX).await?;
        if Digest::of(&bytes) == digest {
            Ok(bytes)
        } else {
            let reason = "the component has another digest".to_owned();
            Err(ClientError::Answer { url, reason })
        }
    }

    /// Pushes a version of the filter that the manifest names; its component has been put. The
    /// answer comes after the version was vetted.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub async fn push(&self, version: &NewVersion) -> Result<Pushed, ClientError> {
        let path = format!("{}/versions", version.manifest.name);
        let request = self.request(Method::POST, &path, UPLOAD_TIMEOUT);
        self.json(request.json(version)).await
    }

    /// A version's document, its digest checked.
    ///
    /// # Errors
    /// Refused, unreachable, or not the document.
    pub async fn document(
        &self,
        name: &FilterName,
        id: VersionId,
    ) -> Result<VersionDocument, ClientError> {
        let request = self.request(Method::GET, &format!("{name}/versions/{id}"), TIMEOUT);
        let document: VersionDocument = self.json(request).await?;
        if document.id() == id {
            Ok(document)
        } else {
            Err(ClientError::Answer {
                url: self.base.clone(),
                reason: format!("the document of {id} has another digest"),
            })
        }
    }

    /// Everything, for people.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub async fn overview(&self) -> Result<Overview, ClientError> {
        let request = self.http.get(format!("{}/v1/filters", self.base));
        self.json(request.timeout(TIMEOUT)).await
    }

    /// What nodes follow, held by the registry until its generation differs from `after` or
    /// `wait` is over. None: nothing changed.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub async fn catalogue(
        &self,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<Option<NodeCatalogue>, ClientError> {
        let wait_ms = wait.as_millis();
        let path = after.map_or_else(
            || "catalogue".to_owned(),
            |after| format!("catalogue?after={after}&wait_ms={wait_ms}"),
        );
        let answer = self
            .send(self.request(Method::GET, &path, TIMEOUT + wait))
            .await?;
        if answer.status() == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        decode(answer).await.map(Some)
    }

    /// Activates a version.
    ///
    /// # Errors
    /// Refused or unreachable; 412 when somebody was faster, with who it was.
    pub async fn activate(
        &self,
        name: &FilterName,
        request: &Activate,
    ) -> Result<Generation, ClientError> {
        self.post(&format!("{name}/activate"), request).await
    }

    /// Begins or ends a shadow.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub async fn shadow(
        &self,
        name: &FilterName,
        request: &Shadow,
    ) -> Result<Generation, ClientError> {
        self.post(&format!("{name}/shadow"), request).await
    }

    /// Goes back to the version before.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub async fn rollback(
        &self,
        name: &FilterName,
        request: &Rollback,
    ) -> Result<Generation, ClientError> {
        self.post(&format!("{name}/rollback"), request).await
    }

    /// Takes a filter out of every chain, or back in.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub async fn set_enabled(
        &self,
        name: &FilterName,
        request: &SetEnabled,
    ) -> Result<Generation, ClientError> {
        self.post(&format!("{name}/enabled"), request).await
    }

    /// Makes grants void.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub async fn revoke(&self, request: &Revoke) -> Result<Generation, ClientError> {
        self.post("revocations", request).await
    }

    /// A node's report.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub async fn report(
        &self,
        node: &NodeName,
        report: &NodeReport,
    ) -> Result<ReportTaken, ClientError> {
        self.post(&format!("nodes/{node}"), report).await
    }

    /// The audit log after a record's number; the next page is after the last one's.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub async fn audit(&self, after: u64) -> Result<AuditPage, ClientError> {
        let path = format!("audit?after={after}");
        self.json(self.request(Method::GET, &path, TIMEOUT)).await
    }

    /// A filter's log lines after a position; the next page is after `next`.
    ///
    /// # Errors
    /// Refused or unreachable.
    pub async fn logs(&self, name: &FilterName, after: u64) -> Result<LogPage, ClientError> {
        let path = format!("{name}/logs?after={after}");
        self.json(self.request(Method::GET, &path, TIMEOUT)).await
    }

    fn request(&self, method: Method, path: &str, timeout: Duration) -> RequestBuilder {
        let url = format!("{}/v1/filters/{path}", self.base);
        self.http.request(method, url).timeout(timeout)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::POST, path, TIMEOUT);
        self.json(request.json(body)).await
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        decode(self.send(request).await?).await
    }

    /// Sends, and turns a refusal into an error.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let answer = request.bearer_auth(self.token.expose()).send().await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (status, url) = (answer.status(), answer.url().to_string());
        let body = read(answer, ANSWER_BYTES_MAX).await?;
        match serde_json::from_slice::<ProblemDetails>(&body) {
            Ok(problem) if problem.status == status.as_u16() => {
                Err(ClientError::Refused(Box::new(problem)))
            }
            _ => {
                let body = String::from_utf8_lossy(&body);
                let body = crate::wire::cut(&body, SHOWN_BYTES_MAX).to_owned();
                Err(ClientError::Strange { url, status, body })
            }
        }
    }
}

async fn decode<T: DeserializeOwned>(answer: Response) -> Result<T, ClientError> {
    let url = answer.url().to_string();
    let body = read(answer, ANSWER_BYTES_MAX).await?;
    serde_json::from_slice(&body).map_err(|error| ClientError::Answer {
        url,
        reason: error.to_string(),
    })
}

/// A body, up to a bound.
async fn read(mut answer: Response, max: usize) -> Result<Bytes, ClientError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > max {
            return Err(ClientError::Answer {
                url: answer.url().to_string(),
                reason: format!("the answer is larger than {max} bytes"),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests;
