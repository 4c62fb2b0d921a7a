//! Watching one Media Playlist, and fetching what it lists.

use std::time::Duration;

use futures::future::join_all;

use super::multivariant::{Listed, resolve};
use super::playlist::{ByteRange, Part, Playlist};
use super::probe::Prober;
use super::record::{Answer, Fetched, Load, Watch};

/// Pause after an answer that brought nothing, so that a broken server is not hammered.
const PAUSE: Duration = Duration::from_millis(300);

/// The most failures that are kept.
const FAILED_MAX: usize = 50;

/// How many segments are fetched with their parts.
const SEGMENTS: usize = 2;

/// Reloads the playlist by Blocking Playlist Reload (section 6.3.7) as long as `going`.
pub(super) async fn follow(prober: &Prober, listed: Listed, going: impl Fn() -> bool) -> Watch {
    let mut watch = Watch {
        listed,
        loads: Vec::new(),
        failed: Vec::new(),
        media: Vec::new(),
    };
    let mut wanted = None;
    while going() && watch.failed.len() < FAILED_MAX {
        let query = wanted.map_or_else(String::new, |(msn, part)| {
            format!("_HLS_msn={msn}&_HLS_part={part}")
        });
        let (answer, playlist) = prober.playlist(&watch.listed.path, &query).await;
        if !answer.good() {
            watch.failed.push(answer);
            // The place may be what the server does not like.
            wanted = None;
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let next = playlist.next();
        let went_on = wanted.is_none_or(|wanted| next > wanted);
        watch.loads.push(Load {
            wanted,
            answer,
            playlist,
        });
        wanted = Some(next);
        if !went_on {
            // As players do, who would otherwise ask for the same in circles.
            tokio::time::sleep(PAUSE).await;
            wanted = None;
        }
    }
    watch
}

/// Fetches the last segments that are listed whole and with parts.
pub(super) async fn media(prober: &Prober, watch: &Watch) -> Vec<Fetched> {
    let base = &watch.listed.path;
    let Some(load) = watch.loads.last() else {
        return Vec::new();
    };
    let mut fetched = Vec::new();
    for segment in last(&load.playlist) {
        let parts = join_all(segment.parts.iter().map(|it| part(prober, base, it))).await;
        let init = match &segment.map {
            Some(uri) => piece(prober, base, uri, segment.map_range).await,
            None => Answer::default(),
        };
        let whole = piece(prober, base, &segment.uri, segment.byte_range).await;
        fetched.push(Fetched {
            segment: segment.clone(),
            init,
            parts,
            whole,
        });
    }
    fetched
}

/// The last segments that are media with parts.
fn last(playlist: &Playlist) -> Vec<&super::playlist::Segment> {
    let mut segments: Vec<_> = playlist
        .segments
        .iter()
        .filter(|it| !it.parts.is_empty() && !it.gap && it.map.is_some())
        .filter(|it| it.parts.iter().all(|part| !part.gap))
        .collect();
    segments.split_off(segments.len().saturating_sub(SEGMENTS))
}

/// Fetches a part.
pub(super) async fn part(prober: &Prober, base: &str, part: &Part) -> Answer {
    piece(prober, base, &part.uri, part.byte_range).await
}

/// Fetches a resource, or this range of it.
async fn piece(prober: &Prober, base: &str, uri: &str, range: Option<ByteRange>) -> Answer {
    let path = resolve(base, uri);
    match range {
        Some(range) => prober.get(&path, &[("range", &range.field())]).await,
        None => prober.get(&path, &[]).await,
    }
}
