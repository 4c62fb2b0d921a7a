//! `GET /api/streams`: what can be watched.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hls::ProgramDateTime;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde::Serialize;

use super::{Counted, Site};
use crate::metrics::RequestKind;
use crate::window::LiveStream;

#[derive(Serialize)]
struct List {
    streams: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// RFC 3339, UTC.
    started_at: String,
    /// Video best first, then audio.
    renditions: Vec<String>,
    width: u32,
    height: u32,
    fps: f64,
    passthrough: bool,
    /// Connections in the stream's room, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    viewers: Option<u32>,
}

impl Entry {
    fn new(live: &LiveStream, viewers: Option<u32>) -> Self {
        let source = live.source();
        let names = live.renditions().iter();
        Self {
            name: live.name().to_owned(),
            title: live.title().map(str::to_owned),
            started_at: ProgramDateTime::from(live.started_at()).to_string(),
            renditions: names.map(|(name, _)| name.as_str().to_owned()).collect(),
            width: source.width,
            height: source.height,
            fps: source.frames_per_second,
            passthrough: source.passthrough,
            viewers,
        }
    }
}

/// Streams that are being published; those that linger are not offered.
pub(super) async fn list(State(site): State<Arc<Site>>) -> Counted {
    let live = site.catalog.all();
    let live = live.iter().filter(|live| !live.is_ended());
    let streams = live
        .map(|live| Entry::new(live, site.counts.viewers(live.name())))
        .collect();
    let mut response: Response = Json(List { streams }).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("max-age=1"));
    Counted::new(RequestKind::Streams, Ok(response))
}
