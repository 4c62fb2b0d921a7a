//! Initialization Sections, Segments, Parts and images.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hls::ObjectName;
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};

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
    request: &HeaderMap,
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
    let mut response = ranged(held.answer, request);
    fields(site, live, rendition, object, response.headers_mut())?;
    Ok(response)
}

/// The fields of an object, whatever part of it is sent.
pub(super) fn fields(
    site: &Site,
    live: &LiveStream,
    rendition: usize,
    object: ObjectName,
    headers: &mut HeaderMap,
) -> Result<(), ServeError> {
    let (_, kind) = live
        .renditions()
        .get(rendition)
        .ok_or(ServeError::UnknownRendition)?;
    let content_type = match (object, kind) {
        (ObjectName::Image(..), _) => "image/jpeg",
        (_, RenditionKind::Audio) => "audio/mp4",
        (_, RenditionKind::Video) => "video/mp4",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let lifetime = format!("max-age={}, immutable", site.media_seconds);
    if let Ok(lifetime) = HeaderValue::try_from(lifetime) {
        headers.insert(CACHE_CONTROL, lifetime);
    }
    if !matches!(object, ObjectName::Init(_) | ObjectName::Image(..)) {
        priority::set(headers, priority::of_media(live, rendition));
    }
    Ok(())
}

/// The object, or the bytes of it that were asked for: I-frame playlists list byte ranges. Only
/// `bytes=FIRST-LAST` is understood, and all else answered as if it were not there (RFC 9110 14.2).
fn ranged(pieces: Vec<Bytes>, request: &HeaderMap) -> Response {
    let length: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
    let last = length.saturating_sub(1);
    let range = request
        .get(RANGE)
        .filter(|_| !request.contains_key(IF_RANGE));
    let range = range.and_then(|range| first_and_last(range.to_str().ok()?));
    let range = range.filter(|(first, own)| first <= own && *first < length);
    let Some((first, last)) = range.map(|(first, own)| (first, own.min(last))) else {
        let mut response = Response::new(Body::new(Pieces::new(pieces)));
        let fields = response.headers_mut();
        fields.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        return response;
    };
    let mut at = 0;
    let pieces = pieces.into_iter().filter_map(|piece| {
        let start = first.saturating_sub(at).min(piece.len() as u64);
        let end = (last + 1).saturating_sub(at).min(piece.len() as u64);
        at += piece.len() as u64;
        // Both are at most the piece's length.
        (start < end).then(|| piece.slice(start as usize..end as usize))
    });
    let mut response = Response::new(Body::new(Pieces::new(pieces.collect())));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    if let Ok(range) = HeaderValue::try_from(format!("bytes {first}-{last}/{length}")) {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    response
}

fn first_and_last(range: &str) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn ranges_run_across_pieces() {
        for (range, status, expected) in [
            ("bytes=0-0", 206, "a"),
            ("bytes=1-4", 206, "bcde"),
            ("bytes=3-99", 206, "def"),
            ("bytes=6-9", 200, "abcdef"),
            ("bytes=4-1", 200, "abcdef"),
            ("bytes=-2", 200, "abcdef"),
            ("bytes=0-1,3-4", 200, "abcdef"),
        ] {
            let pieces = [&b"ab"[..], b"", b"cde", b"f"].map(Bytes::from_static);
            let pieces = pieces.to_vec();
            let mut request = HeaderMap::new();
            request.insert(RANGE, HeaderValue::from_static(range));
            let response = ranged(pieces, &request);
            assert_eq!(response.status(), status, "{range}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, expected, "{range}");
        }
    }
}
