//! Broadcasters who vanish and come back, and origins that do.

use std::time::Duration;

use hls::media::MediaPlaylist;
use http::StatusCode;
use tokio::time::Instant;

use crate::harness::{KEY, Origin, Publisher, eventually};

const LADDER: &[(&str, u32, u32)] = &[("360p", 360, 700), ("144p", 144, 100)];

impl Publisher {
    /// Ends it without a word.
    fn vanish(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Another encoder on the same key: smaller, slower, silent.
fn another(url: &str) -> Publisher {
    let mut command = std::process::Command::new("ffmpeg");
    command
        .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-re"])
        .args(["-f", "lavfi", "-i", "testsrc2=size=426x240:rate=25"])
        .args("-c:v libx264 -preset ultrafast -tune zerolatency".split(' '))
        .args("-g 25 -keyint_min 25 -sc_threshold 0 -pix_fmt yuv420p -bf 0".split(' '))
        .args(["-f", "flv", url]);
    Publisher::spawn(command)
}

/// The discontinuity that a segment belongs to, for each that is listed, and their numbers.
fn sequence(playlist: &MediaPlaylist) -> Vec<(u64, u64, bool)> {
    let mut discontinuity = playlist.discontinuity_sequence;
    let segments = playlist.segments.iter().zip(0..);
    segments
        .map(|(segment, index)| {
            discontinuity += u64::from(segment.head.discontinuity);
            let msn = playlist.media_sequence.plus(index);
            (msn.value(), discontinuity, segment.gap)
        })
        .collect()
}

/// A playlist with two segments of the next publisher behind gaps, and no gap after the first of them.
async fn resumed(origin: &Origin, rendition: &str) -> MediaPlaylist {
    let playlist = eventually("segments of the next publisher", async || {
        let playlist = origin.playlist(rendition, "").await;
        let gap = playlist.segments.iter().position(|segment| segment.gap)?;
        let behind = playlist.segments.iter().skip(gap);
        (behind.filter(|own| !own.gap).count() >= 2).then_some(playlist)
    })
    .await;
    let gaps: Vec<bool> = playlist.segments.iter().map(|own| own.gap).collect();
    let turns = gaps.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(turns, 2, "media, gaps, and media again: {gaps:?}");
    playlist
}

async fn gaps(origin: &Origin, rendition: &str, least: usize) -> MediaPlaylist {
    eventually("gaps", async || {
        let playlist = origin.playlist(rendition, "").await;
        let gaps = playlist.segments.iter().filter(|segment| segment.gap);
        (gaps.count() >= least).then_some(playlist)
    })
    .await
}

#[tokio::test]
async fn a_publisher_that_vanishes_keeps_its_viewers_and_comes_back_as_another() {
    let origin = Origin::start(LADDER, "").await;
    let publisher = Publisher::start(&origin.publish_url(KEY), 30);
    let before = origin.segments("360p", 2).await;
    let announced = origin.get("/live/demo/index.m3u8").await;
    publisher.vanish();

    let absent = gaps(&origin, "360p", 1).await;
    assert!(!absent.end_list);
    assert_eq!(
        absent.preload_hints.len(),
        1,
        "players go on asking for what comes next"
    );
    let gap = absent.segments.iter().position(|segment| segment.gap);
    let gap = &absent.segments[gap.unwrap()];
    assert!(gap.head.parts.iter().all(|part| part.gap));
    let path = format!("/live/demo/360p/{}", gap.uri);
    assert_eq!(origin.get(&path).await.status, StatusCode::NOT_FOUND);

    let _another = another(&origin.publish_url(KEY));
    let after = resumed(&origin, "360p").await;
    assert_eq!(after.part_target, before.part_target);
    assert_eq!(after.target_duration, before.target_duration);
    assert_eq!(
        after.media_sequence, before.media_sequence,
        "no segment has left the list"
    );
    let first = before.discontinuity_sequence;
    let listed = sequence(&after);
    let (_, last, _) = listed.last().unwrap();
    assert_eq!(*last, first + 1, "{listed:?}");
    let maps: Vec<_> = after
        .segments
        .iter()
        .filter_map(|segment| segment.head.map.clone())
        .collect();
    assert_eq!(maps.len(), 2, "one for each publisher: {maps:?}");
    for map in &maps {
        let init = origin.get(&format!("/live/demo/360p/{map}")).await;
        assert_eq!(init.status, StatusCode::OK);
    }
    let dates = after.segments.iter().map(|own| own.head.program_date_time);
    assert!(dates.is_sorted(), "dates go back");

    // All renditions agree, and the one of sound goes on in gaps.
    for rendition in ["144p", "audio"] {
        let other = eventually("the same segments", async || {
            let other = origin.playlist(rendition, "").await;
            (other.segments.len() >= listed.len()).then_some(sequence(&other))
        })
        .await;
        let same = other.iter().zip(&listed).all(|(other, own)| {
            (other.0, other.1) == (own.0, own.1) && (rendition == "audio" || other.2 == own.2)
        });
        assert!(same, "{rendition}: {other:?} {listed:?}");
    }
    let path = "/live/demo/audio/index.m3u8";
    assert!(origin.get(path).await.text().contains("#EXT-X-GAP"));
    let announced_now = origin.get("/live/demo/index.m3u8").await;
    assert!(announced.text().contains("640x360") && announced_now.text().contains("426x240"));
}

#[tokio::test]
async fn whoever_does_not_come_back_has_ended_the_stream() {
    let more = "[publish]\nreconnect_grace_seconds = 2\n";
    let origin = Origin::start(&[("360p", 360, 700)], more).await;
    let publisher = Publisher::start(&origin.publish_url(KEY), 30);
    origin.segments("360p", 1).await;
    publisher.vanish();
    let vanished = Instant::now();
    eventually("EXT-X-ENDLIST", async || {
        let playlist = origin.playlist("360p", "").await;
        playlist.end_list.then_some(())
    })
    .await;
    assert!(
        vanished.elapsed() >= Duration::from_millis(1_900),
        "it was not waited for"
    );
}

#[tokio::test]
async fn a_silent_publisher_is_listed_as_gaps_and_goes_on() {
    let origin = Origin::start(&[("360p", 360, 700)], "").await;
    let publisher = Publisher::start(&origin.publish_url(KEY), 30);
    origin.segments("360p", 1).await;
    publisher.stop();
    let absent = gaps(&origin, "360p", 1).await;
    assert!(!absent.end_list);
    crate::harness::kill("-CONT", publisher.child.id());
    let after = resumed(&origin, "360p").await;
    assert!(!after.end_list);
}

#[tokio::test]
async fn a_stream_goes_on_behind_a_restart_of_the_origin() {
    let directory = tempfile::tempdir().unwrap();
    let more = format!(
        "[packaging]\nstate_dir = \"{}\"\n",
        directory.path().display()
    );
    let origin = Origin::start(LADDER, &more).await;
    let publisher = Publisher::start(&origin.publish_url(KEY), 30);
    let before = origin.segments("360p", 2).await;
    let audio = origin.segments("audio", 2).await;
    publisher.vanish();
    origin.left_behind(directory.path()).await;

    let origin = Origin::start(LADDER, &more).await;
    let path = format!("/live/demo/360p/index.m3u8?_HLS_msn={}", before.open_msn());
    let (held, _publisher) = tokio::join!(
        // Whoever watched asks for what comes next; it is held, not refused.
        origin.get(&path),
        async { another(&origin.publish_url(KEY)) }
    );
    assert!(
        [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&held.status),
        "{held:?}"
    );
    let after = origin.segments("360p", 1).await;
    assert!(after.media_sequence >= before.open_msn());
    assert!(
        after.media_sequence.value() < before.open_msn().value() + 100,
        "numbers go on, they are not the clock's"
    );
    assert_eq!(
        after.discontinuity_sequence,
        before.discontinuity_sequence + 1
    );
    assert_eq!(after.part_target, before.part_target);
    let audio_after = origin.segments("audio", 1).await;
    assert_eq!(audio_after.media_sequence, after.media_sequence);
    assert!(audio_after.segments[0].gap, "it has no sound now");
    assert!(audio_after.open_msn() > audio.open_msn());
}

#[tokio::test]
async fn a_second_publisher_is_refused_or_takes_over() {
    let origin = Origin::start(&[("360p", 360, 700)], "").await;
    let _first = Publisher::start(&origin.publish_url(KEY), 30);
    let before = origin.segments("360p", 1).await;
    let (content, _) = another(&origin.publish_url(KEY)).exited().await;
    assert!(!content, "the first is there, and sends");

    let more = "[publish]\nsecond_publisher = \"take-over\"\n";
    let origin = Origin::start(&[("360p", 360, 700)], more).await;
    let mut first = Publisher::start(&origin.publish_url(KEY), 30);
    origin.segments("360p", 1).await;
    let _second = another(&origin.publish_url(KEY));
    let (content, _) = first.exited().await;
    assert!(!content, "it was sent away");
    let after = eventually("a discontinuity", async || {
        let playlist = origin.playlist("360p", "").await;
        let listed = sequence(&playlist);
        (listed.last()?.1 > playlist.discontinuity_sequence).then_some(playlist)
    })
    .await;
    assert!(!after.end_list && !before.end_list);
}

#[tokio::test]
async fn a_slate_is_shown_until_the_publisher_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let picture = directory.path().join("away.png");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "color=red:size=320x240"])
        .args(["-frames:v", "1"])
        .arg(&picture)
        .status();
    assert!(made.unwrap().success());
    let more = format!("[publish]\nslate = \"{}\"\n", picture.display());
    let origin = Origin::start(&[("360p", 360, 700)], &more).await;
    let publisher = Publisher::start(&origin.publish_url(KEY), 30);
    let before = origin.segments("360p", 2).await;
    publisher.vanish();
    let discontinuities = |playlist: &MediaPlaylist| {
        let listed = sequence(playlist);
        listed.last().map_or(0, |(_, last, _)| *last) - before.discontinuity_sequence
    };
    let slate = eventually("a segment of the slate", async || {
        let playlist = origin.playlist("360p", "").await;
        let is_shown = discontinuities(&playlist) == 1;
        (is_shown && !playlist.segments.last()?.gap).then_some(playlist)
    })
    .await;
    let (map, segment) = {
        let mut maps = slate.segments.iter().filter_map(|own| own.head.map.clone());
        (
            maps.next_back().unwrap(),
            slate.segments.last().unwrap().uri.clone(),
        )
    };
    let mut film = Vec::new();
    for uri in [map, segment] {
        let answer = origin.get(&format!("/live/demo/360p/{uri}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        film.extend_from_slice(&answer.body);
    }
    let shown = directory.path().join("shown.mp4");
    std::fs::write(&shown, film).unwrap();
    let pixels = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&shown)
        .args(["-frames:v", "1", "-vf", "scale=1:1", "-f", "rawvideo"])
        .args(["-pix_fmt", "rgb24", "-"])
        .output()
        .unwrap()
        .stdout;
    // Fitted into 640x360 with black beside it.
    assert!(
        pixels[0] > 120 && pixels[1] < 60 && pixels[2] < 60,
        "{pixels:?}"
    );

    let _another = another(&origin.publish_url(KEY));
    eventually("the next publisher", async || {
        let playlist = origin.playlist("360p", "").await;
        let last = playlist.segments.last()?;
        (discontinuities(&playlist) == 2 && !last.gap).then_some(())
    })
    .await;
}
