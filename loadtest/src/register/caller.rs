//! Asks one server, again and again if it has to be.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::client::{Client, Fetched, Protocol, Trust};
use crate::problem::Problem;

/// No answer within this time is none. Passwords are hashed one after the other.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Before a request is repeated, unless the server says how long; and the longest that it may say.
const WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(300);

/// So often in a row a server may not be reached.
const UNREACHED_MAX: u32 = 30;

pub(super) struct Caller {
    url: String,
    protocol: Protocol,
    trust: Trust,
    deadline: Instant,
    client: Option<Client>,
    pub(super) repeats: u64,
}

impl Caller {
    pub(super) fn new(url: &str, protocol: Protocol, trust: &Trust, deadline: Instant) -> Self {
        Self {
            url: url.to_owned(),
            protocol,
            trust: trust.clone(),
            deadline,
            client: None,
            repeats: 0,
        }
    }

    /// Posts until there is an answer that holds; fails if that is no success.
    pub(super) async fn post<T: DeserializeOwned>(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> anyhow::Result<T> {
        let body = Bytes::from(body.to_string());
        let mut unreached = 0;
        loop {
            let asked = self.ask(path, headers, body.clone()).await;
            let (why, after) = match asked {
                Ok(fetched) if fetched.status.is_success() => {
                    return serde_json::from_slice(&fetched.body)
                        .with_context(|| format!("{path}: an answer that says something else"));
                }
                Ok(fetched) => {
                    let retry_after = fetched.header("retry-after");
                    let status = fetched.status.as_u16();
                    let problem = Problem::read(status, retry_after, &fetched.body);
                    if !problem.may_pass {
                        bail!("{path}: {}", problem.why);
                    }
                    unreached = 0;
                    (problem.why, problem.after)
                }
                Err(error) => {
                    self.client = None;
                    unreached += 1;
                    let why = format!("{error:#}");
                    ensure!(unreached < UNREACHED_MAX, "{path}: {why}");
                    (why, None)
                }
            };
            let wait = after.unwrap_or(WAIT).clamp(WAIT, WAIT_MAX);
            ensure!(
                Instant::now() + wait < self.deadline,
                "{path}: out of time: {why}"
            );
            self.repeats += 1;
            tokio::time::sleep(wait).await;
        }
    }

    async fn ask(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> anyhow::Result<Fetched> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => Client::connect(&self.url, self.protocol, &self.trust).await?,
        };
        self.client = Some(client.clone());
        let mut headers = headers.to_vec();
        headers.push(("content-type", "application/json"));
        let asking = async {
            let asked = client.request_with(Method::POST, path, &headers, body);
            let fetched = asked.await?.collect().await;
            match &fetched.broken {
                Some(broken) => Err(broken.clone().into()),
                None => Ok(fetched),
            }
        };
        tokio::time::timeout(REQUEST_TIMEOUT, asking)
            .await
            .with_context(|| format!("no answer within {REQUEST_TIMEOUT:?}"))?
    }
}
