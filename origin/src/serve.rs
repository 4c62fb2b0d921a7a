//! The HTTP side: playlists and media for edges and players.
//!
//! Every answer is made from memory. A request for what is about to come is held until it is
//! there, and for no longer than three Target Durations.

mod auth;
mod body;
mod cors;
mod error;
mod hold;
mod listener;
mod media;
mod playlist;
mod priority;
mod relay;
mod streams;

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use hls::ObjectName;
use http::{HeaderMap, Method, StatusCode, Uri};
use telemetry::traces::{Span, Traces};

use crate::config::{HttpSettings, PackagingSettings};
use crate::metrics::{Metrics, RequestKind};
use crate::rooms::Counts;
use crate::window::{Catalog, LiveStream};

pub use auth::Gate;
pub use error::{Fault, ServeError};
pub use listener::serve;

use hold::Holds;
use listener::Peer;

/// What every request needs.
#[derive(Debug)]
pub(crate) struct Site {
    catalog: Catalog,
    counts: Counts,
    metrics: Metrics,
    gate: Gate,
    holds: Holds,
    relays: relay::Places,
    traces: Traces,
    /// Freshness lifetime of media: as long as it stays downloadable.
    media_seconds: u64,
}

impl Site {
    /// The stream of that name, if it can be played.
    fn stream(&self, name: &str) -> Result<Arc<LiveStream>, ServeError> {
        self.catalog.get(name).ok_or(ServeError::UnknownStream)
    }
}

/// All routes.
pub fn router(
    http: &HttpSettings,
    packaging: &PackagingSettings,
    gate: Gate,
    catalog: Catalog,
    counts: Counts,
    (metrics, traces): (Metrics, Traces),
) -> Router {
    // It stays for a whole window, and some time after it left that.
    let media = packaging.window + packaging.removed_max.min(packaging.window);
    let site = Arc::new(Site {
        holds: Holds::new(http.held_requests_max, metrics.held_requests.clone()),
        relays: relay::Places::new(http.relays_max, metrics.relays.clone()),
        catalog,
        counts,
        metrics,
        traces,
        gate,
        media_seconds: media.as_secs(),
    });
    Router::new()
        .route("/api/streams", get(streams::list).options(cors::preflight))
        .route(
            "/live/{stream}/index.m3u8",
            get(playlist::multivariant).options(cors::preflight),
        )
        .route(
            "/live/{stream}/{rendition}/{object}",
            get(object).options(cors::preflight),
        )
        .route("/relay/v1/{stream}", get(relay::subscribe))
        .fallback(async || Counted::refusal(RequestKind::Other, ServeError::UnknownPage))
        .method_not_allowed_fallback(async || {
            Counted::refusal(RequestKind::Other, ServeError::Method)
        })
        .layer(from_fn_with_state(Arc::clone(&site), count))
        .layer(map_response(cors::add))
        .with_state(site)
}

/// An answer that says what was asked for, to be counted.
#[derive(Debug)]
struct Counted {
    kind: RequestKind,
    response: Response,
}

impl Counted {
    fn new(kind: RequestKind, result: Result<Response, ServeError>) -> Self {
        let response = result.unwrap_or_else(|error| {
            if error.fault() != Fault::Downstream {
                tracing::warn!(kind = kind.as_str(), %error, "a request could not be answered");
            }
            error.into_response()
        });
        Self { kind, response }
    }

    fn refusal(kind: RequestKind, error: ServeError) -> Self {
        Self::new(kind, Err(error))
    }
}

impl IntoResponse for Counted {
    fn into_response(self) -> Response {
        let mut response = self.response;
        response.extensions_mut().insert(self.kind);
        response
    }
}

async fn count(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let span = site.traces.server(request.headers());
    // Few are traced: what is said of the others is nothing.
    let span = span.map(|span| {
        (
            span,
            request.method().clone(),
            request.uri().path().to_owned(),
        )
    });
    let response = next.run(request).await;
    let kind = response.extensions().get().copied();
    let kind = kind.unwrap_or(RequestKind::Other);
    site.metrics.request(kind, response.status().as_u16());
    if let Some((mut span, method, path)) = span {
        describe(&mut span, &method, path, kind, response.status());
    }
    response
}

/// A traced request: until the head of its answer, for as long as it was held.
fn describe(span: &mut Span, method: &Method, path: String, kind: RequestKind, status: StatusCode) {
    span.name(format!("{method} {}", kind.as_str()));
    span.set("http.request.method", method.to_string());
    span.set("url.path", path);
    span.set("http.response.status_code", i64::from(status.as_u16()));
    span.set("weir.kind", kind.as_str());
    if status.is_server_error() {
        span.failed(String::new());
    }
}

/// `/live/{stream}/{rendition}/{object}`: a Media Playlist or media.
async fn object(
    State(site): State<Arc<Site>>,
    Path((stream, rendition, object)): Path<(String, String, String)>,
    Extension(Peer(peer)): Extension<Peer>,
    uri: Uri,
    headers: HeaderMap,
) -> Counted {
    let name = ObjectName::parse(&object);
    let kind = match name {
        Some(ObjectName::Playlist | ObjectName::IFrames | ObjectName::Images) => {
            RequestKind::Playlist
        }
        Some(ObjectName::Image(..)) => RequestKind::Image,
        Some(ObjectName::Init(_)) => RequestKind::Init,
        Some(ObjectName::Segment(_)) => RequestKind::Segment,
        Some(ObjectName::Part(..)) => RequestKind::Part,
        None => RequestKind::Other,
    };
    let answer = async {
        site.gate.admit(&stream, &uri, &headers, peer).await?;
        let live = site.stream(&stream)?;
        let index = live
            .rendition(&rendition)
            .ok_or(ServeError::UnknownRendition)?;
        match name {
            Some(ObjectName::Playlist) => {
                let query = uri.query().unwrap_or_default();
                playlist::media_playlist(&site, &live, index, query, &headers).await
            }
            Some(ObjectName::IFrames) => {
                playlist::plain(&site, &live, live.i_frames(index), &headers)
            }
            Some(ObjectName::Images) => playlist::plain(&site, &live, live.images(index), &headers),
            Some(name) => media::media(&site, &live, index, name, &headers).await,
            None => Err(ServeError::UnknownObject),
        }
    };
    Counted::new(kind, answer.await)
}

#[cfg(test)]
mod tests;
