//! The way to the control API, in an origin: identities, accounts, wallets, gifts.
//!
//! An edge passes on what viewers ask. It shows the token of its link and says for whom it asks, so that
//! the API can bound who guesses passwords; a request is built anew, and nothing that a viewer made up
//! gets there but what [`FORWARDED`] names.

mod places;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use prometheus::IntCounterVec;
use settings::Secret;
use telemetry::Registry;
use telemetry::metrics::{self, RegisterError};
use tokio::sync::Semaphore;

use crate::target;
pub use places::asker;
use places::{Place, Places};

/// Until there is a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Between two pieces of an answer, and until the first: a ledger is added up again before it comes.
const READ_WITHIN: Duration = Duration::from_secs(60);
/// An answer that is read whole.
const WHOLE_WITHIN: Duration = Duration::from_secs(10);
/// The longest answer that is read whole, in bytes.
const WHOLE_BYTES_MAX: usize = 64 << 10;
/// Requests at once; one more is answered 503. An API that hangs must not fill the edge.
const REQUESTS_MAX: usize = 512;
/// Of these for one asker: nobody takes them all.
const REQUESTS_OF_ONE_MAX: usize = 64;
/// Requests of the edge's own at once: gifts and guests go on whatever is passed on.
const OWN_REQUESTS_MAX: usize = 512;
/// So much of an answer that is passed on is read before the first byte goes to the viewer; an answer that
/// is no longer keeps no place while a slow viewer takes it.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// What of a viewer's fields goes on.
const FORWARDED: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("weir-signature"),
];
/// The one cookie that goes on.
const REFRESH_COOKIE: &str = "weir_refresh";
/// What of an answer's fields goes back.
pub const RETURNED: [HeaderName; 8] = [
    header::ALLOW,
    header::CACHE_CONTROL,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::LOCATION,
    header::RETRY_AFTER,
    header::SET_COOKIE,
];

/// Why the control API cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The certificates to trust cannot be read.
    #[error("{path}: {reason}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The client cannot be made.
    #[error("{0}")]
    Client(#[from] reqwest::Error),
    /// A metric is registered twice: a bug.
    #[error(transparent)]
    Metrics(#[from] RegisterError),
}

/// The way to the control API. Clones are the same.
#[derive(Clone, Debug)]
pub struct ControlApi {
    client: reqwest::Client,
    base: Arc<str>,
    /// The token of the link: only edges may ask.
    link: HeaderValue,
    /// For what viewers ask.
    places: Arc<Places>,
    /// For what the edge asks.
    own_places: Arc<Semaphore>,
    /// `weir_edge_control_requests_total{outcome}`.
    requests: IntCounterVec,
}

/// For whom an edge asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Their fields; some of them go on.
    pub headers: &'a HeaderMap,
    /// From where.
    pub address: IpAddr,
    /// Whether nobody could read it on its way.
    pub is_secure: bool,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// JSON.
    pub body: Bytes,
    /// Its `Content-Type`.
    pub content_type: HeaderValue,
    /// Seconds to wait.
    pub retry_after: Option<u32>,
}

/// An answer that is passed on.
#[derive(Debug)]
pub struct Growing {
    /// Its head, of which [`RETURNED`] goes back.
    pub head: http::response::Parts,
    /// What is read of its body.
    start: Option<Bytes>,
    /// The rest of it, if it is a long one.
    rest: Option<(reqwest::Response, Place)>,
}

impl Growing {
    async fn read(mut response: reqwest::Response, place: Place) -> reqwest::Result<Self> {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = response.status();
        head.headers = std::mem::take(response.headers_mut());
        let mut start = BytesMut::new();
        let rest = loop {
            match response.chunk().await? {
                None => break None,
                Some(chunk) => start.extend_from_slice(&chunk),
            }
            if start.len() > READ_AHEAD_BYTES {
                break Some((response, place));
            }
        };
        Ok(Self {
            head,
            start: Some(start.freeze()).filter(|start| !start.is_empty()),
            rest,
        })
    }

    /// The next piece of its body; `None` after the last.
    ///
    /// # Errors
    /// The answer breaks off.
    pub async fn chunk(&mut self) -> reqwest::Result<Option<Bytes>> {
        match (self.start.take(), &mut self.rest) {
            (Some(start), _) => Ok(Some(start)),
            (None, Some((response, _))) => response.chunk().await,
            (None, None) => Ok(None),
        }
    }
}

/// Nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// As many ask as may.
    Busy,
    /// The path is another one to the next server.
    Malformed,
    /// It cannot be reached.
    Unreachable,
}

impl ControlApi {
    /// Asks at `url`, the origin's HTTP listener.
    ///
    /// # Errors
    /// The file of certificates; a metric that is there already.
    pub fn new(
        url: &str,
        token: &Secret,
        ca_file: Option<&Path>,
        registry: &Registry,
    ) -> Result<Self, ControlError> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(READ_WITHIN)
            .redirect(reqwest::redirect::Policy::none());
        if let Some(path) = ca_file {
            let failed = |reason: String| ControlError::CaFile {
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
            base: url.trim_end_matches('/').into(),
            places: Arc::new(Places::new(REQUESTS_MAX, REQUESTS_OF_ONE_MAX)),
            own_places: Arc::new(Semaphore::new(OWN_REQUESTS_MAX)),
            requests: metrics::counter_vec(
                registry,
                "weir_edge_control_requests_total",
                "Requests to the control API, by outcome (2xx, 3xx, 4xx, 5xx, busy, malformed, unreachable).",
                &["outcome"],
            )?,
        })
    }

    /// Asks for an identity, or another name. `client` stands for the one who asks, whom the control
    /// API bounds; it never learns the address itself.
    pub async fn guest(&self, headers: &HeaderMap, client: &str, body: Bytes) -> Answer {
        let mut request = self
            .request(Method::POST, format!("{}/v1/guests", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .header("weir-client", client)
            .body(body);
        if let Some(bearer) = headers.get(header::AUTHORIZATION) {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        self.whole(request).await
    }

    /// Hands over what is JSON, and reads the answer whole.
    pub async fn hand_over(&self, path: &str, body: Bytes) -> Answer {
        let request = self
            .request(Method::POST, format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        self.whole(request).await
    }

    /// Passes on what a viewer asks.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    pub async fn pass_on(
        &self,
        method: Method,
        path_and_query: &str,
        asker: Asker<'_>,
        body: Bytes,
    ) -> Result<Growing, NoAnswer> {
        let Some(url) = target::below(&self.base, path_and_query) else {
            self.count("malformed");
            return Err(NoAnswer::Malformed);
        };
        let Some(place) = self.places.take(asker.address) else {
            self.count("busy");
            return Err(NoAnswer::Busy);
        };
        // Who asks is said with all that is passed on, and with nothing else: see the origin's `caller`.
        let mut request = self
            .request(method, url)
            .header("weir-address", asker.address.to_string());
        if asker.is_secure {
            request = request.header("weir-secure", "1");
        }
        for name in &FORWARDED {
            if let Some(value) = asker.headers.get(name) {
                request = request.header(name, value);
            }
        }
        if let Some(cookie) = refresh_cookie(asker.headers) {
            request = request.header(header::COOKIE, cookie);
        }
        let answer = async { Growing::read(request.body(body).send().await?, place).await };
        match answer.await {
            Ok(growing) => {
                self.count(class(growing.head.status));
                Ok(growing)
            }
            Err(error) => {
                self.count("unreachable");
                tracing::warn!(%error, "the control API cannot be asked");
                Err(NoAnswer::Unreachable)
            }
        }
    }

    fn request(&self, method: Method, url: impl reqwest::IntoUrl) -> reqwest::RequestBuilder {
        self.client
            .request(method, url)
            .header("weir-link", self.link.clone())
    }

    async fn whole(&self, request: reqwest::RequestBuilder) -> Answer {
        let Ok(_place) = self.own_places.try_acquire() else {
            self.count("busy");
            return unavailable("busy");
        };
        match exchange(request.timeout(WHOLE_WITHIN)).await {
            Ok(answer) => {
                self.count(class(answer.status));
                answer
            }
            Err(error) => {
                self.count("unreachable");
                tracing::warn!(%error, "the control API cannot be asked");
                unavailable("unavailable")
            }
        }
    }

    fn count(&self, outcome: &str) {
        self.requests.with_label_values(&[outcome]).inc();
    }
}

async fn exchange(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
    let answer = request.send().await?;
    let field = |name| answer.headers().get(name).cloned();
    let retry_after = field(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let content_type = field(header::CONTENT_TYPE);
    let status = answer.status();
    let mut body = answer.bytes().await?;
    body.truncate(WHOLE_BYTES_MAX);
    Ok(Answer {
        status,
        body,
        content_type: content_type.unwrap_or_else(|| HeaderValue::from_static("application/json")),
        retry_after,
    })
}

fn unavailable(code: &'static str) -> Answer {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let detail = "the control API does not answer right now; try again";
    let body = crate::problem::body(status, detail, Some(code));
    Answer {
        status,
        body: body.into(),
        content_type: HeaderValue::from_static(crate::problem::CONTENT_TYPE),
        retry_after: Some(2),
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// The refresh cookie alone: a viewer's other cookies are nobody's business.
fn refresh_cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    let fields = headers.get_all(header::COOKIE).iter();
    let mut pairs = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .map(str::trim);
    let pair = pairs.find(|pair| {
        pair.strip_prefix(REFRESH_COOKIE)
            .is_some_and(|rest| rest.starts_with('='))
    })?;
    HeaderValue::from_str(pair).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_cookies_only_the_refresh_token_goes_on() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("a=1; weir_token=x"),
        );
        assert_eq!(refresh_cookie(&headers), None);
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("weir_refreshed=no; weir_refresh=abc; b=2"),
        );
        assert_eq!(refresh_cookie(&headers).unwrap(), "weir_refresh=abc");
    }
}
