//! The urgency of answers (RFC 9218), by RFC 8216bis Appendix B.1: playlists 1, media from 2 to 6,
//! and none higher for a higher bitrate.
//!
//! | urgency | what |
//! |---|---|
//! | 1 | playlists |
//! | 2 | audio: a stutter is worse than a frozen picture; and Initialization Sections: nothing plays without |
//! | 3 to 6 | video, the lowest rung first; the rungs above the fourth share the last |
//! | 6 | pictures to seek by: nothing waits for them |
//! | 3 | everything else, as the RFC has it where nothing is said |
//!
//! Errors are as urgent as what was asked for; those of Parts and Segments as everything else. Nothing
//! is `i` (incremental): that is for what is of use in pieces, and a Part is of none before it is whole,
//! so that two that share the connection would both come late.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::metrics::RequestKind;
use crate::window::{LiveStream, RenditionKind};

const PRIORITY: HeaderName = HeaderName::from_static("priority");

pub(super) const PLAYLIST: &str = "u=1";
const AUDIO: &str = "u=2";
const INIT: &str = AUDIO;
/// Pictures to seek by.
const IMAGE: &str = "u=6";
/// The lowest rung first.
const VIDEO: [&str; 4] = ["u=3", "u=4", "u=5", "u=6"];
/// RFC 9218 section 4.1: the default.
const OTHER: &str = "u=3";

/// That of a Part or a Segment of a rendition.
pub(super) fn of_media(live: &LiveStream, rendition: usize) -> HeaderValue {
    let kinds = live.renditions().iter().map(|(_, kind)| *kind);
    HeaderValue::from_static(among(kinds, rendition))
}

/// The urgency of the rendition at this place among all, best video first.
fn among(kinds: impl Iterator<Item = RenditionKind>, rendition: usize) -> &'static str {
    let mut behind = kinds.skip(rendition);
    match behind.next() {
        Some(RenditionKind::Video) => {
            let lower = behind.filter(|kind| *kind == RenditionKind::Video).count();
            let [.., last] = VIDEO;
            VIDEO.get(lower).copied().unwrap_or(last)
        }
        Some(RenditionKind::Audio) => AUDIO,
        None => OTHER,
    }
}

/// Gives an answer that has no urgency yet that of what was asked for.
pub(super) async fn add(mut response: Response) -> Response {
    let urgency = match response.extensions().get() {
        Some(RequestKind::Multivariant | RequestKind::Playlist) => PLAYLIST,
        Some(RequestKind::Init) => INIT,
        Some(RequestKind::Image) => IMAGE,
        Some(
            RequestKind::Part
            | RequestKind::Relay
            | RequestKind::Segment
            | RequestKind::Streams
            | RequestKind::Other,
        )
        | None => OTHER,
    };
    let fields = response.headers_mut();
    fields
        .entry(PRIORITY)
        .or_insert_with(|| HeaderValue::from_static(urgency));
    response
}

/// Sets it.
pub(super) fn set(headers: &mut HeaderMap, urgency: HeaderValue) {
    headers.insert(PRIORITY, urgency);
}

#[cfg(test)]
mod tests {
    use RenditionKind::{Audio, Video};

    use super::*;

    #[test]
    fn the_lower_the_rung_the_more_urgent() {
        let ladder = [Video, Video, Video, Video, Video, Audio];
        let urgencies: Vec<_> = (0..7)
            .map(|rendition| among(ladder.into_iter(), rendition))
            .collect();
        assert_eq!(
            urgencies,
            ["u=6", "u=6", "u=5", "u=4", "u=3", "u=2", "u=3"],
            "the last is none of them"
        );
        assert_eq!(among([Video, Audio].into_iter(), 0), "u=3");
    }
}
