//! Waiting for streams to come up, and finding the way from a playlist to its objects.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use hls::media::{self, MediaPlaylist};
use loadtest::client::Client;

use crate::origin::STREAM;
use crate::wait;

/// From ffmpeg's start to the first Segment: its own start, a GOP to look at, a Segment.
const PLAYING_WITHIN: Duration = Duration::from_secs(30);

/// The path of an object of a rendition of [`STREAM`].
pub fn path(rendition: &str, file: &str) -> String {
    format!("/live/{STREAM}/{rendition}/{file}")
}

/// Fetches and parses a Media Playlist; `query` is empty or starts with a question mark.
pub async fn fetch(client: &Client, rendition: &str, query: &str) -> anyhow::Result<MediaPlaylist> {
    let path = path(rendition, &format!("index.m3u8{query}"));
    let fetched = client.fetch(&path, &[]).await?;
    ensure!(
        fetched.status == 200 && fetched.is_whole(),
        "{path}: status {}, broken: {:?}: {}",
        fetched.status,
        fetched.broken,
        fetched.text()
    );
    media::parse(&fetched.text()).with_context(|| fetched.text())
}

/// Waits until the rendition plays: one Segment is listed, and Parts after it.
pub async fn playing(client: &Client, rendition: &str) -> anyhow::Result<MediaPlaylist> {
    wait::until(&format!("{rendition} plays"), PLAYING_WITHIN, async || {
        let playlist = fetch(client, rendition, "").await?;
        let plays = !playlist.segments.is_empty() && !playlist.open.parts.is_empty();
        Ok(plays.then_some(playlist))
    })
    .await
}

/// The query that waits for the Part after the last one listed.
pub fn next_reload(playlist: &MediaPlaylist) -> String {
    format!(
        "?_HLS_msn={}&_HLS_part={}",
        playlist.open_msn().value(),
        playlist.open.parts.len()
    )
}

/// The hinted Part's path.
pub fn hinted_part(rendition: &str, playlist: &MediaPlaylist) -> anyhow::Result<String> {
    let hint = playlist
        .preload_hints
        .iter()
        .find(|hint| hint.kind == media::HintKind::Part)
        .context("no Part is hinted")?;
    Ok(path(rendition, &hint.uri))
}

/// A small Media Playlist as a scripted parent would send it: `segments` whole Segments of six
/// Parts before `msn`, and `parts` Parts of `msn`.
pub fn text(msn: u64, segments: u64, parts: u32) -> String {
    let part = |msn: u64, index: u32| {
        format!("#EXT-X-PART:DURATION=0.33333,URI=\"{msn}.{index}.m4s\",INDEPENDENT=YES\n")
    };
    let first = msn - segments;
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.05\n\
         #EXT-X-PART-INF:PART-TARGET=0.35\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-MAP:URI=\"init-{first}.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-21T10:00:00.000Z\n"
    );
    for listed in first..msn {
        for index in 0..6 {
            text.push_str(&part(listed, index));
        }
        text.push_str(&format!("#EXTINF:2.00000,\n{listed}.m4s\n"));
    }
    for index in 0..parts {
        text.push_str(&part(msn, index));
    }
    text.push_str(&format!(
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{msn}.{parts}.m4s\"\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripted_playlist_parses() {
        let playlist = media::parse(&text(100, 3, 2)).unwrap();
        assert_eq!(playlist.open_msn().value(), 100);
        assert_eq!(next_reload(&playlist), "?_HLS_msn=100&_HLS_part=2");
        assert_eq!(
            hinted_part("720p", &playlist).unwrap(),
            "/live/demo/720p/100.2.m4s"
        );
    }
}
