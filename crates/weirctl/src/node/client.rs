//! HTTP towards one node. It does not retry: a person wants to know.

use std::time::Duration;

use bytes::Bytes;
use filter_registry::wire::ProblemDetails;
use reqwest::{Certificate, Method, StatusCode, Url, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use settings::Secret;

use crate::config::Target;
use crate::failure::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(15);
/// Largest answer that is read: a status with every filter's last trap.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// As much of an answer that is no JSON as an error repeats.
const SHOWN_CHARS_MAX: usize = 200;

/// Longest wait for the next bytes of a long answer.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Longest that an answer may take which has to read a whole database, and that it may last.
const PATIENCE: Duration = Duration::from_secs(12 * 3600);

/// A client of nodes.
#[derive(Debug)]
pub(crate) struct NodeClient {
    http: reqwest::Client,
    token: Option<Secret>,
}

/// What is asked of a node.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    method: Method,
    path: &'a str,
    body: Option<Value>,
    /// `Idempotency-Key`: the same again is done once.
    key: Option<&'a str>,
    patient: bool,
}

impl<'a> Ask<'a> {
    /// A request without a body.
    pub(crate) fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            body: None,
            key: None,
            patient: false,
        }
    }

    /// With a JSON body.
    pub(crate) fn body(self, body: Value) -> Self {
        let body = Some(body);
        Self { body, ..self }
    }

    /// With an `Idempotency-Key`.
    pub(crate) fn key(self, key: &'a str) -> Self {
        let key = Some(key);
        Self { key, ..self }
    }

    /// For what takes long.
    pub(crate) fn patient(self) -> Self {
        Self {
            patient: true,
            ..self
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    url: String,
    status: StatusCode,
    bytes: Vec<u8>,
}

impl Answer {
    /// The node could not do it now; the same again may go well.
    pub(crate) fn is_for_now(&self) -> bool {
        matches!(self.status.as_u16(), 502..=504)
    }

    /// What it says; `None` when there is no such path.
    ///
    /// # Errors
    /// The node refused, or is no node.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<Option<T>, Failure> {
        read(&self.url, self.status, &self.bytes)
    }
}

impl NodeClient {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub(crate) fn new(target: &Target) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            // The token is for the server that was named.
            .redirect(redirect::Policy::none())
            .no_proxy();
        if let Some(path) = &target.ca_file {
            let named = |reason: String| Failure::usage(format!("{}: {reason}", path.display()));
            let pem = std::fs::read(path).map_err(|error| named(error.to_string()))?;
            let authorities = Certificate::from_pem_bundle(&pem);
            let authorities = authorities.map_err(|error| named(error.to_string()))?;
            builder = builder.tls_certs_merge(authorities);
        }
        Ok(Self {
            http: builder.build().map_err(Failure::failed)?,
            token: target.token.clone(),
        })
    }

    /// Asks; `None` when there is no such path.
    ///
    /// # Errors
    /// The node refused, is no node, or cannot be reached.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        node: &Url,
        path: &str,
    ) -> Result<Option<T>, Failure> {
        self.send(node, Ask::new(Method::GET, path)).await?.read()
    }

    /// Has a node do something; `None` when there is no such path.
    ///
    /// # Errors
    /// As [`NodeClient::get`].
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        node: &Url,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Option<T>, Failure> {
        let body = serde_json::to_value(body).map_err(Failure::failed)?;
        let ask = Ask::new(Method::POST, path).body(body);
        self.send(node, ask).await?.read()
    }

    /// Asks for text; `None` when there is none to be had.
    pub(super) async fn text(&self, node: &Url, path: &str) -> Option<String> {
        let answer = self.send(node, Ask::new(Method::GET, path)).await.ok()?;
        answer
            .status
            .is_success()
            .then(|| String::from_utf8_lossy(&answer.bytes).into_owned())
    }

    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// There is no answer: what was asked for may have been done nevertheless.
    pub(crate) async fn send(&self, node: &Url, ask: Ask<'_>) -> Result<Answer, Failure> {
        let mut stream = self.open(node, ask).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.chunk().await? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                let url = stream.url;
                return Err(Failure::failed(format!("{url}: the answer is too large")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Answer {
            url: stream.url,
            status: stream.answer.status(),
            bytes,
        })
    }

    /// Asks for an answer of any length; `None` when there is no such path.
    ///
    /// # Errors
    /// As [`NodeClient::get`].
    pub(crate) async fn stream(&self, node: &Url, path: &str) -> Result<Option<Stream>, Failure> {
        let ask = Ask::new(Method::GET, path).patient();
        let stream = self.open(node, ask).await?;
        let status = stream.answer.status();
        if status.is_success() {
            return Ok(Some(stream));
        }
        let answer = stream.answer.bytes().await.unwrap_or_default();
        // Not a success, so that it is never read as what was asked for.
        read::<Value>(&stream.url, status, &answer).map(|_| None)
    }

    async fn open(&self, node: &Url, ask: Ask<'_>) -> Result<Stream, Failure> {
        let url = format!("{}{}", node.as_str().trim_end_matches('/'), ask.path);
        let mut request = self.http.request(ask.method, &url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        if let Some(key) = ask.key {
            request = request.header("idempotency-key", key);
        }
        if ask.patient {
            request = request.timeout(PATIENCE);
        }
        let answer = request.send().await;
        let answer = answer.map_err(|error| {
            Failure::failed(format!("{node} cannot be reached: {}", causes(&error)))
        })?;
        Ok(Stream { url, answer })
    }
}

/// An answer that is read as it comes.
#[derive(Debug)]
pub(crate) struct Stream {
    url: String,
    answer: reqwest::Response,
}

impl Stream {
    /// The next bytes; `None` after the last.
    ///
    /// # Errors
    /// The answer broke off.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let url = &self.url;
        let cut = |why: String| Failure::failed(format!("{url}: the answer was cut off: {why}"));
        match tokio::time::timeout(SILENCE_MAX, self.answer.chunk()).await {
            Ok(chunk) => chunk.map_err(|error| cut(causes(&error))),
            Err(_) => Err(cut("nothing more came".to_owned())),
        }
    }
}

/// A text as one segment of a path, or a value of a query (RFC 3986, section 2.3).
pub(crate) fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') {
            segment.push(char::from(byte));
        } else {
            // The dot, too: a segment ".." is another path.
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

fn read<T: DeserializeOwned>(
    url: &str,
    status: StatusCode,
    body: &[u8],
) -> Result<Option<T>, Failure> {
    let problem = serde_json::from_slice::<ProblemDetails>(body).ok();
    let told = problem
        .map(|problem| problem.detail)
        .filter(|detail| !detail.is_empty());
    if status == StatusCode::NOT_FOUND && told.is_none() {
        return Ok(None);
    }
    if !status.is_success() {
        let text = String::from_utf8_lossy(body);
        let cut = || text.chars().take(SHOWN_CHARS_MAX).collect::<String>();
        return Err(Failure::failed(match (told, status) {
            (Some(told), _) => format!("{url}: {told}"),
            (None, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                format!("{url}: the token is missing or not good for this ({status})")
            }
            (None, _) => format!("{url}: {status} {}", cut()),
        }));
    }
    // 204 says nothing, and what says nothing is read as null.
    let body = if body.is_empty() { b"null" } else { body };
    let value = serde_json::from_slice(body);
    value.map(Some).map_err(|error| {
        Failure::failed(format!(
            "{url} answered something else than expected: {error}"
        ))
    })
}

/// reqwest's own text leaves out what went wrong.
fn causes(error: &reqwest::Error) -> String {
    let mut causes =
        std::iter::successors(std::error::Error::source(error), |error| error.source());
    // The outermost repeats the URL, the innermost is what the system said.
    causes
        .by_ref()
        .last()
        .map_or_else(|| error.to_string(), |cause| cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_paths() {
        assert_eq!(segment("coin:u-17"), "coin%3Au-17");
        assert_eq!(segment("../a b/\u{e4}"), "%2E%2E%2Fa%20b%2F%C3%A4");
    }

    fn line(status: u16, body: &str) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        match read::<Value>("http://n/v1/x", status, body.as_bytes()) {
            Ok(value) => format!("{value:?}"),
            Err(failure) => failure.line().unwrap(),
        }
    }

    #[test]
    fn a_node_tells_why_it_refuses() {
        let problem = r#"{"type":"about:blank","title":"x","status":403,"detail":"not yours"}"#;
        assert_eq!(line(403, problem), "http://n/v1/x: not yours");
        assert_eq!(line(404, problem), "http://n/v1/x: not yours");
        assert_eq!(line(404, "nothing"), "None");
        assert!(line(401, "").contains("the token"));
        assert_eq!(
            line(502, "bad\ngateway"),
            "http://n/v1/x: 502 Bad Gateway bad; gateway"
        );
        assert!(line(200, "<html>").contains("something else"));
        assert_eq!(line(200, "7"), "Some(Number(7))");
        assert_eq!(line(204, ""), "Some(Null)");
    }
}
