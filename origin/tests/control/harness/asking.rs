//! Requests as edges and operators make them, and the answers.

use bytes::Bytes;
use futures::future::join_all;
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::Value;
use tokio::sync::Barrier;

use super::people::HOME;
use super::setup::{LINK, OPERATOR};

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Null where it is none that says that it is JSON.
    pub(crate) body: Value,
    /// The body as it came.
    pub(crate) page: String,
}

impl From<Response<Bytes>> for Answer {
    fn from(answer: Response<Bytes>) -> Self {
        let (head, body) = answer.into_parts();
        let page = String::from_utf8(body.to_vec()).unwrap();
        let body = serde_json::from_str(&page);
        let kind = head.headers.get("content-type");
        let is_json = kind.is_some_and(|it| {
            ["application/json", "application/problem+json"].contains(&it.to_str().unwrap())
        });
        assert!(body.is_ok() || !is_json, "{}: {page}", head.status);
        Self {
            status: head.status,
            headers: head.headers,
            body: body.unwrap_or(Value::Null),
            page,
        }
    }
}

impl Answer {
    pub(crate) fn text(&self, pointer: &str) -> &str {
        let found = self.body.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("{pointer} of {self:?}"))
    }

    /// Status and code of a refusal.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, &str) {
        let kind = self.headers.get("content-type").unwrap();
        assert_eq!(kind, "application/problem+json", "{self:?}");
        assert_eq!(self.headers.get("cache-control").unwrap(), "no-store");
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
        (self.status.as_u16(), self.text("/code"))
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}

/// A request as edges and operators make them.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Bytes>,
}

/// Whoever has no link asks for a page.
pub(crate) fn stranger(path: &str) -> Call {
    Call {
        method: Method::GET,
        path: path.to_owned(),
        headers: Vec::new(),
        body: None,
    }
}

/// A request as an edge passes it on.
pub(crate) fn call(method: Method, path: &str) -> Call {
    let call = Call {
        method,
        ..stranger(path)
    };
    call.field("weir-link", LINK).field("weir-address", HOME)
}

pub(crate) fn get(path: &str) -> Call {
    call(Method::GET, path)
}

pub(crate) fn post(path: &str, body: Value) -> Call {
    call(Method::POST, path).json(body)
}

/// What an edge asks itself: it says of nobody that they asked it.
pub(crate) fn edge(path: &str, body: Value) -> Call {
    post(path, body).without("weir-address")
}

/// A request of an operator, on the admin listener.
pub(crate) fn operator(method: Method, path: &str) -> Call {
    call(method, path).bearer(OPERATOR)
}

/// Asks so many times, all at the same instant; the answers in their order.
pub(crate) async fn at_once<T>(count: usize, ask: impl AsyncFn(usize) -> T) -> Vec<T> {
    let barrier = Barrier::new(count);
    let one = async |n| {
        barrier.wait().await;
        ask(n).await
    };
    join_all((0..count).map(one)).await
}

impl Call {
    /// In place of what was there.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    pub(crate) fn from(self, address: &str) -> Self {
        self.field("weir-address", address)
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.field("authorization", &format!("Bearer {token}"))
    }

    /// The same again, with this key, is done once.
    pub(crate) fn once(self, key: &str) -> Self {
        self.field("idempotency-key", key)
    }

    pub(crate) fn json(self, body: Value) -> Self {
        let body = body.to_string();
        self.field("content-type", "application/json").raw(body)
    }

    pub(crate) fn raw(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }
}
