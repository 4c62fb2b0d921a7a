//! Multivariant and Media Playlists, blocking reloads included.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use content_coding::{Coding, negotiate};
use hls::Rejection;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Uri};
use tokio::time::Instant;

use super::hold::Asked;
use super::listener::Peer;
use super::{Counted, ServeError, Site};
use crate::metrics::RequestKind;
use crate::window::{LiveStream, PlaylistAnswer, PlaylistText};

/// RFC 8216 section 4.
const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";
/// `max-age` of an answer to a blocking reload, in seconds: six Target Durations, since the same
/// position gives the same text for ever (Appendix B).
pub(super) const BLOCKING_SECONDS: u32 = 12;
/// That of any other playlist: half a Target Duration.
pub(super) const PLAIN_SECONDS: u32 = 1;
/// What playlists come in (RFC 8216bis Appendix B.1 asks for gzip), smallest first.
const CODINGS: [Coding; 2] = [Coding::Zstd, Coding::Gzip];

/// `/live/{stream}/index.m3u8`.
pub(super) async fn multivariant(
    State(site): State<Arc<Site>>,
    Path(stream): Path<String>,
    Extension(Peer(peer)): Extension<Peer>,
    uri: Uri,
    headers: HeaderMap,
) -> Counted {
    let answer = async {
        site.gate.admit(&stream, &uri, &headers, peer).await?;
        let live = site.stream(&stream)?;
        // There is none until ffmpeg has said what it makes.
        let changes = live.subscribe(0).ok_or(ServeError::UnknownStream)?;
        let ask = || match live.multivariant() {
            _ if live.is_cut() => Err(ServeError::UnknownStream),
            Some(text) => Ok(Asked::Answer(text)),
            None if live.is_ended() => Err(ServeError::UnknownStream),
            None => Asked::later(&live),
        };
        let patience = live.blocked_max();
        let held = site
            .holds
            .until(changes, patience, ServeError::HeldTooLong, ask);
        let coding = negotiate(&headers, &CODINGS);
        Ok(respond(&site, &held.await?.answer, coding, PLAIN_SECONDS))
    };
    Counted::new(RequestKind::Multivariant, answer.await)
}

/// `/live/{stream}/{rendition}/index.m3u8`.
pub(super) async fn media_playlist(
    site: &Site,
    live: &LiveStream,
    rendition: usize,
    query: &str,
    headers: &HeaderMap,
) -> Result<Response, ServeError> {
    let changes = live
        .subscribe(rendition)
        .ok_or(ServeError::UnknownRendition)?;
    let ask = || match live.playlist(rendition, query) {
        _ if live.is_cut() => Err(ServeError::UnknownStream),
        PlaylistAnswer::Reject(rejection) => Err(rejection.into()),
        PlaylistAnswer::Wait => Asked::later(live),
        PlaylistAnswer::Ready {
            text,
            blocking,
            newest_part_arrival,
        } => Ok(Asked::Answer((text, blocking, newest_part_arrival))),
    };
    let too_long = Rejection::BlockedTooLong.into();
    let held = site
        .holds
        .until(changes, live.blocked_max(), too_long, ask)
        .await?;
    let (text, blocking, newest_part_arrival) = held.answer;
    if held.was_held
        && let Some(arrival) = newest_part_arrival
    {
        site.metrics.reload_latency(Instant::now() - arrival);
    }
    let lifetime = if blocking {
        BLOCKING_SECONDS
    } else {
        PLAIN_SECONDS
    };
    let coding = negotiate(headers, &CODINGS);
    Ok(respond(site, &text, coding, lifetime))
}

/// A playlist that is never waited for: that of I-frames, or of images.
pub(super) fn plain(
    site: &Site,
    live: &LiveStream,
    text: Option<Arc<PlaylistText>>,
    headers: &HeaderMap,
) -> Result<Response, ServeError> {
    if live.is_cut() {
        return Err(ServeError::UnknownStream);
    }
    let text = text.ok_or(ServeError::UnknownObject)?;
    let coding = negotiate(headers, &CODINGS);
    Ok(respond(site, &text, coding, PLAIN_SECONDS))
}

/// The fields of every playlist, whatever its lifetime and coding.
pub(super) fn fields(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PLAYLIST_TYPE));
    headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
}

fn respond(site: &Site, text: &PlaylistText, coding: Coding, seconds: u32) -> Response {
    let (body, coding) = text.coded(coding, || site.metrics.compressed(coding));
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    fields(headers);
    if let Ok(lifetime) = HeaderValue::try_from(format!("max-age={seconds}")) {
        headers.insert(CACHE_CONTROL, lifetime);
    }
    if coding != Coding::Identity {
        let coding = HeaderValue::from_static(coding.as_str());
        headers.insert(CONTENT_ENCODING, coding);
    }
    response
}
