//! The control API of an origin: people, gifts, the ledger and signing keys, below `/v1/admin`.

pub(crate) mod gifts;
pub(crate) mod keys;
pub(crate) mod ledger;
pub(crate) mod users;

use std::fmt;

use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Target;
use crate::failure::Failure;
use crate::node::client::{Answer, Ask, NodeClient, Stream, segment};

/// The control API, as an operator.
struct Desk<'a> {
    client: NodeClient,
    origin: &'a Url,
}

impl<'a> Desk<'a> {
    fn new(target: &'a Target) -> Result<Self, Failure> {
        Ok(Self {
            client: NodeClient::new(target)?,
            origin: &target.registry,
        })
    }

    /// The answer, whatever it is.
    async fn send(&self, ask: Ask<'_>) -> Result<Answer, Failure> {
        self.client.send(self.origin, ask).await
    }

    async fn ask<T: DeserializeOwned>(&self, ask: Ask<'_>) -> Result<T, Failure> {
        self.said(self.send(ask).await?.read()?)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Ask::new(Method::GET, path)).await
    }

    /// Has something done that answers nothing.
    async fn act(&self, ask: Ask<'_>) -> Result<(), Failure> {
        self.ask::<Value>(ask).await.map(drop)
    }

    async fn stream(&self, path: &str) -> Result<Stream, Failure> {
        self.said(self.client.stream(self.origin, path).await?)
    }

    fn said<T>(&self, answer: Option<T>) -> Result<T, Failure> {
        let origin = self.origin;
        answer.ok_or_else(|| {
            Failure::failed(format!(
                "{origin} has no accounts, gifts and ledger: is it the admin listener of an origin \
                 with control.enabled?"
            ))
        })
    }
}

/// Where a list goes on: a number or a text, for whoever gave it to understand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Cursor {
    Number(u64),
    Text(String),
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The part of a query that has a value.
fn query(parameters: &[(&str, Option<String>)]) -> String {
    let set = parameters.iter().filter_map(|(name, value)| {
        let value = segment(value.as_deref()?);
        Some(format!("{name}={value}"))
    });
    let set = set.collect::<Vec<_>>();
    if set.is_empty() {
        String::new()
    } else {
        format!("?{}", set.join("&"))
    }
}

/// A table that goes on: without its header, unless it is the first part.
fn part(text: String, first: bool) -> String {
    match text.split_once('\n') {
        Some((_, rows)) if !first => rows.to_owned(),
        _ => text,
    }
}

/// What somebody gave or took, with its sign and its thousands apart.
fn signed(amount: i64) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    format!("{sign}{}", crate::output::count(amount.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_have_what_is_set() {
        assert_eq!(query(&[("a", None)]), "");
        let set = [
            ("a", Some("x y".to_owned())),
            ("b", None),
            ("c", Some("1".to_owned())),
        ];
        assert_eq!(query(&set), "?a=x%20y&c=1");
    }

    #[test]
    fn cursors_are_numbers_or_texts() {
        let read = |json: &str| serde_json::from_str::<Cursor>(json).unwrap().to_string();
        assert_eq!(read("17"), "17");
        assert_eq!(read("\"u-1\""), "u-1");
    }

    #[test]
    fn tables_that_go_on() {
        assert_eq!(part("A\n1\n".to_owned(), true), "A\n1\n");
        assert_eq!(part("A\n1\n".to_owned(), false), "1\n");
        assert_eq!(signed(-1_200), "-1 200");
        assert_eq!(signed(i64::MIN), "-9 223 372 036 854 775 808");
    }
}
