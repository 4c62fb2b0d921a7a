//! Whole playlists against the files in `tests/golden`.
//!
//! `UPDATE=1 cargo test -p hls --test golden` rewrites them; read the difference before you
//! commit it.

#![expect(
    clippy::unwrap_used,
    reason = "a test, though clippy does not see it in its helpers"
)]

use std::{fs, path::PathBuf, time::Duration};

use hls::{
    LiveConfig, LivePlaylist, Msn, NewPart, ProgramDateTime, RenderRequest, RenditionName,
    RenditionReport, Skip,
    images::{ImagePlaylist, Tile},
    media,
    multivariant::{AudioRendition, FrameRate, IFrames, Images, Multivariant, Variant, VideoRange},
};

#[track_caller]
fn check(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    assert_eq!(text, expected, "{name} differs; UPDATE=1 rewrites it");
}

/// A live playlist, with what its driver would remember.
struct Stream {
    live: LivePlaylist,
    part: Duration,
}

impl Stream {
    /// 30 frames per second, ten frames to a Part, six Parts to a Segment.
    fn new() -> Self {
        let config = LiveConfig {
            rendition: name("720p"),
            target_duration: Duration::from_secs(2),
            part_target: Duration::from_millis(350),
            part_hold_back: Duration::from_millis(1_050),
            window: Duration::from_secs(16),
            removed_max: Duration::from_secs(14_400),
            start_msn: Msn::new(28_000_000),
            start_discontinuity_sequence: 28_000_000,
            start_time: ProgramDateTime::parse("2026-11-21T10:00:00Z").unwrap(),
        };
        Self {
            live: LivePlaylist::new(config).unwrap(),
            part: Duration::from_secs(1) / 3,
        }
    }

    fn parts(&mut self, count: u32) {
        for _ in 0..count {
            let independent = self.live.next_part().1.value() == 0;
            let part = NewPart {
                duration: self.part,
                independent,
                gap: false,
            };
            self.live.push_part(part).unwrap();
            if independent {
                self.live.begins_with_i_frame(20_000);
            }
        }
    }

    fn segments(&mut self, count: u32) {
        for _ in 0..count {
            self.parts(6);
            self.live.close_segment().unwrap();
        }
    }

    fn gap(&mut self, parts: u32) {
        for _ in 0..parts {
            let part = NewPart {
                duration: self.part,
                independent: false,
                gap: true,
            };
            self.live.push_part(part).unwrap();
        }
        self.live.close_segment().unwrap();
    }

    #[track_caller]
    fn check(&self, file: &str, skip: Option<Skip>) {
        let reports = [("480p", 1), ("audio", 0)].map(|(rendition, part)| RenditionReport {
            uri: name(rendition).uri_from_sibling(),
            last_msn: self.live.next_part().0,
            last_part: Some(hls::PartIndex::new(part)),
        });
        let request = RenderRequest {
            skip,
            reports: &reports,
        };
        let text = self.live.render(&request);
        check(file, &text);
        assert_eq!(media::parse(&text).unwrap(), self.live.snapshot(&request));
    }
}

fn name(name: &str) -> RenditionName {
    RenditionName::new(name).unwrap()
}

#[test]
fn first_segment() {
    let mut stream = Stream::new();
    stream.segments(1);
    stream.check("first-segment.m3u8", None);
}

#[test]
fn sliding_window() {
    let mut stream = Stream::new();
    stream.segments(12);
    stream.parts(2);
    stream.check("sliding-window.m3u8", None);
    stream.check("sliding-window-delta.m3u8", Some(Skip::Yes));
}

#[test]
fn i_frames() {
    let mut stream = Stream::new();
    stream.segments(10);
    stream.gap(6);
    let time = ProgramDateTime::parse("2026-11-21T10:00:25Z").unwrap();
    stream.live.discontinuity(time).unwrap();
    stream.segments(1);
    stream.parts(2);
    check("i-frames.m3u8", &stream.live.render_i_frames());
}

#[test]
fn images() {
    let tile = |msn, count, time| Tile {
        msn: Msn::new(msn),
        count,
        time: ProgramDateTime::parse(time).unwrap(),
        duration: Duration::from_secs(10) * count,
        interval: Duration::from_secs(10),
        size: (160, 90),
        layout: (3, 2),
        discontinuity: count < 6,
    };
    let playlist = ImagePlaylist {
        media_sequence: 7,
        discontinuity_sequence: 3,
        target_duration: Duration::from_secs(60),
        tiles: vec![
            tile(28_000_000, 6, "2026-11-21T10:00:00Z"),
            tile(28_000_031, 2, "2026-11-21T10:01:02Z"),
        ],
        open: Some(tile(28_000_042, 3, "2026-11-21T10:01:30Z")),
        end_list: false,
    };
    check("images.m3u8", &playlist.to_string());
}

#[test]
fn discontinuity() {
    let mut stream = Stream::new();
    stream.segments(3);
    stream.parts(2);
    let time = ProgramDateTime::parse("2026-11-21T10:00:09.500Z").unwrap();
    stream.live.discontinuity(time).unwrap();
    stream.check("discontinuity-ahead.m3u8", None);
    stream.parts(1);
    stream.check("discontinuity-open.m3u8", None);
    stream.parts(5);
    stream.live.close_segment().unwrap();
    stream.check("discontinuity-closed.m3u8", None);
}

#[test]
fn outage() {
    let mut stream = Stream::new();
    stream.segments(2);
    stream.gap(6);
    stream.gap(2);
    let time = ProgramDateTime::parse("2026-11-21T10:00:07Z").unwrap();
    stream.live.discontinuity(time).unwrap();
    stream.parts(3);
    stream.check("outage.m3u8", None);
}

#[test]
fn end() {
    let mut stream = Stream::new();
    stream.segments(9);
    stream.parts(4);
    stream.live.end();
    stream.check("end.m3u8", Some(Skip::Yes));
}

#[test]
fn audio_frames() {
    let mut stream = Stream::new();
    // 1024 samples at 44.1 kHz do not fit any decimal; the text adds up all the same.
    for _ in 0..4 {
        for frames in [15, 14, 14, 15, 14, 14] {
            stream.part = Duration::from_secs(1_024) * frames / 44_100;
            stream.parts(1);
        }
        stream.live.close_segment().unwrap();
    }
    stream.check("audio-44100.m3u8", None);
}

fn video(rendition: &str, bandwidth: u64, codec: &str, resolution: (u32, u32)) -> Variant {
    Variant {
        rendition: name(rendition),
        bandwidth,
        average_bandwidth: Some(bandwidth * 4 / 5),
        codecs: vec![codec.to_owned(), "mp4a.40.2".to_owned()],
        resolution: Some(resolution),
        frame_rate: FrameRate::new(30_000, 1_001),
        video_range: None,
        score: None,
    }
}

#[test]
fn multivariant() {
    let playlist = Multivariant {
        variants: vec![
            video("720p", 3_300_000, "avc1.64001f", (1_280, 720)),
            video("480p", 1_500_000, "avc1.64001e", (854, 480)),
        ],
        audio: vec![AudioRendition {
            rendition: name("audio"),
            name: "Main".to_owned(),
            language: Some("en".to_owned()),
            channels: Some(2),
            default: true,
        }],
        i_frames: vec![IFrames {
            rendition: name("480p"),
            bandwidth: 600_000,
            average_bandwidth: Some(240_000),
            codec: "avc1.64001e".to_owned(),
            resolution: Some((854, 480)),
            video_range: Some(VideoRange::Sdr),
        }],
        images: Some(Images {
            rendition: name("480p"),
            bandwidth: 8_000,
            resolution: (160, 90),
        }),
    };
    check("multivariant.m3u8", &playlist.render().unwrap());
}

#[test]
fn multivariant_of_two_codecs() {
    let ranked = |variant: Variant, range, score| Variant {
        video_range: Some(range),
        score: Some(score),
        ..variant
    };
    let hevc = video("1080p-hevc", 6_000_000, "hvc1.2.4.L123.90", (1_920, 1_080));
    let avc = video("1080p", 5_700_000, "avc1.640028", (1_920, 1_080));
    let playlist = Multivariant {
        variants: vec![
            ranked(hevc, VideoRange::Pq, 2),
            ranked(avc, VideoRange::Sdr, 1),
        ],
        ..Multivariant::default()
    };
    check("multivariant-two-codecs.m3u8", &playlist.render().unwrap());
}

#[test]
fn multivariant_video_only() {
    let mut variant = video("720p", 3_000_000, "avc1.64001f", (1_280, 720));
    variant.codecs.truncate(1);
    let playlist = Multivariant {
        variants: vec![variant],
        ..Multivariant::default()
    };
    check("multivariant-video-only.m3u8", &playlist.render().unwrap());
}

#[test]
fn multivariant_audio_only() {
    let variant = Variant {
        rendition: name("audio"),
        bandwidth: 140_000,
        average_bandwidth: None,
        codecs: vec!["mp4a.40.2".to_owned()],
        resolution: None,
        frame_rate: None,
        video_range: None,
        score: None,
    };
    let playlist = Multivariant {
        variants: vec![variant],
        ..Multivariant::default()
    };
    check("multivariant-audio-only.m3u8", &playlist.render().unwrap());
}
