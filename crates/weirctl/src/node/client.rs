//! HTTP towards one node. It does not retry: a person wants to know.

use std::time::Duration;

use filter_registry::wire::ProblemDetails;
use reqwest::{Certificate, Method, StatusCode, Url, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use settings::Secret;

use crate::config::Target;
use crate::failure::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(15);
/// Largest answer that is read: a status with every filter's last trap.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// As much of an answer that is no JSON as an error repeats.
const SHOWN_CHARS_MAX: usize = 200;

/// A client of nodes.
#[derive(Debug)]
pub(super) struct NodeClient {
    http: reqwest::Client,
    token: Option<Secret>,
}

impl NodeClient {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// The certificates cannot be used.
    pub(super) fn new(target: &Target) -> Result<Self, Failure> {
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
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        node: &Url,
        path: &str,
    ) -> Result<Option<T>, Failure> {
        self.ask(Method::GET, node, path, None::<&()>).await
    }

    /// Has a node do something; `None` when there is no such path.
    ///
    /// # Errors
    /// As [`NodeClient::get`].
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        node: &Url,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Option<T>, Failure> {
        self.ask(Method::POST, node, path, Some(body)).await
    }

    /// Asks for text; `None` when there is none to be had.
    pub(super) async fn text(&self, node: &Url, path: &str) -> Option<String> {
        let answer = self.send(Method::GET, node, path, None::<&()>).await.ok()?;
        let (_, status, body) = answer;
        status
            .is_success()
            .then(|| String::from_utf8_lossy(&body).into_owned())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        node: &Url,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Option<T>, Failure> {
        let (url, status, bytes) = self.send(method, node, path, body).await?;
        read(&url, status, &bytes)
    }

    /// The URL that was asked, the status and the whole body.
    async fn send(
        &self,
        method: Method,
        node: &Url,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<(String, StatusCode, Vec<u8>), Failure> {
        let url = format!("{}{path}", node.as_str().trim_end_matches('/'));
        let mut request = self.http.request(method, &url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await;
        let mut answer = answer.map_err(|error| {
            Failure::failed(format!("{node} cannot be reached: {}", causes(&error)))
        })?;
        let status = answer.status();
        let mut bytes = Vec::new();
        loop {
            let chunk = answer.chunk().await;
            let chunk = chunk.map_err(|error| {
                Failure::failed(format!("{url}: the answer was cut off: {}", causes(&error)))
            })?;
            let Some(chunk) = chunk else { break };
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failure::failed(format!("{url}: the answer is too large")));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((url, status, bytes))
    }
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
    use serde_json::Value;

    use super::*;

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
    }
}
