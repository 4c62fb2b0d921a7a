//! Initialization Sections, Segments and Parts.

use axum::body::Body;
use axum::response::Response;
use hls::ObjectName;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use super::body::Pieces;
use super::hold::Asked;
use super::{ServeError, Site, priority};
use crate::window::{LiveStream, MediaAnswer, RenditionKind};

/// Sends an object, now or when it is complete.
pub(super) async fn media(
    site: &Site,
    live: &LiveStream,
    rendition: usize,
    object: ObjectName,
) -> Result<Response, ServeError> {
    let changes = live
        .subscribe(rendition)
        .ok_or(ServeError::UnknownRendition)?;
    let ask = || match live.media(rendition, object) {
        _ if live.is_cut() => Err(ServeError::UnknownStream),
        MediaAnswer::Ready(pieces) => Ok(Asked::Answer(pieces)),
        MediaAnswer::Hold => Asked::later(live),
        MediaAnswer::NotFound => Err(ServeError::UnknownObject),
    };
    let too_long = ServeError::HeldTooLong;
    let held = site
        .holds
        .until(changes, live.blocked_max(), too_long, ask)
        .await?;
    let (_, kind) = live
        .renditions()
        .get(rendition)
        .ok_or(ServeError::UnknownRendition)?;
    let content_type = match kind {
        RenditionKind::Audio => "audio/mp4",
        RenditionKind::Video => "video/mp4",
    };
    let mut response = Response::new(Body::new(Pieces::new(held.answer)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let lifetime = format!("max-age={}, immutable", site.media_seconds);
    if let Ok(lifetime) = HeaderValue::try_from(lifetime) {
        headers.insert(CACHE_CONTROL, lifetime);
    }
    if !matches!(object, ObjectName::Init(_)) {
        priority::set(&mut response, priority::of_media(live, rendition));
    }
    Ok(response)
}
