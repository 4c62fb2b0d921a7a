//! Who asks an origin over HTTP.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use super::PATIENCE;

pub(crate) struct Client(legacy::Client<HttpConnector, Full<Bytes>>);

impl Client {
    pub(crate) fn new() -> Self {
        Self(legacy::Client::builder(TokioExecutor::new()).build_http())
    }

    pub(crate) async fn send<'a>(
        &self,
        method: Method,
        (address, path): (SocketAddr, &str),
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
        body: Bytes,
    ) -> Response<Bytes> {
        let uri = format!("http://{address}{path}");
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let answer = timeout(PATIENCE, self.0.request(request)).await;
        let (head, body) = answer.expect("an answer in time").unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(head, body)
    }

    /// The value of the line that begins so, on the admin listener.
    pub(crate) async fn metric(&self, admin: SocketAddr, line: &str) -> Option<f64> {
        let answer = self.send(Method::GET, (admin, "/metrics"), [], Bytes::new());
        let text = String::from_utf8(answer.await.into_body().to_vec()).unwrap();
        let of_line = |own: &str| own.strip_prefix(line)?.strip_prefix(' ').map(str::to_owned);
        let found = text.lines().find_map(of_line)?;
        Some(found.parse().expect("a number"))
    }
}
