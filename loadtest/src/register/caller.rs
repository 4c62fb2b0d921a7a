//! Asks one server, again and again if it has to be.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Plan;
use crate::client::{Client, Fetched, Protocol, Trust};
use crate::problem::Problem;

/// No answer within this time is none. Passwords are hashed one after the other.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Before a request is repeated, unless the server says how long; and the longest that it may say.
const WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(300);

/// A wait of this length is told each time, a shorter one when its reason is new.
const TOLD_FROM: Duration = Duration::from_secs(5);

/// So often in a row a server may not be reached.
const UNREACHED_MAX: u32 = 30;

pub(super) struct Caller {
    url: String,
    protocol: Protocol,
    trust: Trust,
    deadline: Instant,
    client: Option<Client>,
    tell: fn(&str),
    told: String,
    /// Whether the server has answered anything yet.
    pub(super) is_reached: bool,
    pub(super) repeats: u64,
}

impl Caller {
    pub(super) fn new(url: &str, protocol: Protocol, plan: &Plan, deadline: Instant) -> Self {
        Self {
            url: url.to_owned(),
            protocol,
            trust: plan.trust.clone(),
            deadline,
            client: None,
            tell: plan.tell,
            told: String::new(),
            is_reached: false,
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
        self.told.clear();
        loop {
            let asked = self.ask(path, headers, body.clone()).await;
            self.is_reached |= asked.is_ok();
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
            self.tell_wait(format!("{path}: {why}"), wait);
            tokio::time::sleep(wait).await;
        }
    }

    fn tell_wait(&mut self, why: String, wait: Duration) {
        if wait >= TOLD_FROM || why != self.told {
            (self.tell)(&format!("{why}; again in {} s", wait.as_secs()));
            self.told = why;
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
