//! HEVC, AV1 and Opus from the encoder to a player: what was sent is there, frame by frame, under the
//! names that the Multivariant Playlist gives it, and beside it what plays everywhere.

use std::process::Command;

use http::StatusCode;
use rtmp::flv::VideoCodec;

use crate::encoder::{Encoded, Tags, broadcast, interleave};
use crate::harness::{KEY, Origin, child_with, eventually, kill};

const PICTURE: &str = "testsrc2=size=640x360:rate=30:duration=6";
const X265: &str = "-c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p -x265-params \
    keyint=30:min-keyint=30:scenecut=0:open-gop=0:log-level=error";
const SVT_AV1: &str =
    "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p -svtav1-params keyint=30:irefresh-type=2";
const LADDER: &[(&str, u32, u32)] = &[("360p", 360, 700), ("180p", 180, 250)];

/// Sends all and waits for the end of the stream: then the playlists list all of it.
pub(crate) async fn published(origin: &Origin, tags: Tags) -> String {
    broadcast(&origin.publish_url(KEY), tags).await;
    let multivariant = origin.get("/live/demo/index.m3u8").await;
    assert_eq!(multivariant.status, StatusCode::OK);
    multivariant.text().to_owned()
}

/// What a player finds in a rendition once it has ended: codec, and how many frames decode.
pub(crate) async fn played(origin: &Origin, rendition: &str) -> (String, usize) {
    eventually("end of the stream", async || {
        let path = format!("/live/demo/{rendition}/index.m3u8");
        let text = origin.get(&path).await.text().to_owned();
        text.contains("#EXT-X-ENDLIST").then_some(())
    })
    .await;
    let url = origin.url(&format!("/live/demo/{rendition}/index.m3u8"));
    let probe = move || {
        Command::new("ffprobe")
            .args(["-v", "error", "-count_frames", "-live_start_index", "0"])
            .args(["-show_entries", "stream=codec_name,nb_read_frames"])
            .args(["-of", "csv=p=0", &url])
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(probe).await.unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // The stream is listed once more within its program.
    let line = text.lines().find(|line| !line.is_empty()).unwrap();
    let (codec, frames) = line.trim_end_matches(',').split_once(',').unwrap();
    (codec.to_owned(), frames.parse().unwrap())
}

/// The EXT-X-STREAM-INF line of a rendition.
#[track_caller]
pub(crate) fn variant<'a>(multivariant: &'a str, rendition: &str) -> &'a str {
    let uri = format!("{rendition}/index.m3u8");
    let mut lines = multivariant.lines();
    let mut before = "";
    let found = lines.find(|line| {
        *line == uri || {
            before = line;
            false
        }
    });
    assert!(found.is_some(), "no {rendition} in {multivariant}");
    before
}

#[track_caller]
pub(crate) fn says(line: &str, attributes: &[&str]) {
    for attribute in attributes {
        assert!(line.contains(attribute), "{line} lacks {attribute}");
    }
}

#[tokio::test]
async fn hevc_passes_through_beside_h264_of_its_height() {
    let directory = tempfile::tempdir().unwrap();
    let source = Encoded::new(directory.path(), PICTURE, X265, "hvcC");
    let origin = Origin::start(LADDER, "").await;
    let multivariant = published(&origin, source.video_tags(VideoCodec::Hevc, 0)).await;
    says(
        variant(&multivariant, "360p-hevc"),
        &[
            "CODECS=\"hvc1.1.6.L63.90\"",
            "RESOLUTION=640x360",
            "FRAME-RATE=30.000",
            "VIDEO-RANGE=SDR",
            "SCORE=3",
            "AVERAGE-BANDWIDTH=",
        ],
    );
    says(
        variant(&multivariant, "360p"),
        &["CODECS=\"avc1.", "RESOLUTION=640x360", "SCORE=2"],
    );
    says(
        variant(&multivariant, "180p"),
        &["CODECS=\"avc1.", "RESOLUTION=320x180", "SCORE=1"],
    );
    let frames = source.packets();
    assert_eq!(frames, 180);
    for (rendition, codec) in [("360p-hevc", "hevc"), ("360p", "h264"), ("180p", "h264")] {
        let expected = (codec.to_owned(), frames);
        assert_eq!(played(&origin, rendition).await, expected, "{rendition}");
    }
}

#[tokio::test]
async fn av1_passes_through_beside_h264_of_its_height() {
    let directory = tempfile::tempdir().unwrap();
    let source = Encoded::new(directory.path(), PICTURE, SVT_AV1, "av1C");
    let origin = Origin::start(LADDER, "").await;
    let multivariant = published(&origin, source.video_tags(VideoCodec::Av1, 0)).await;
    says(
        variant(&multivariant, "360p-av1"),
        &["CODECS=\"av01.0.01M.08\"", "VIDEO-RANGE=SDR", "SCORE=3"],
    );
    let frames = source.packets();
    for (rendition, codec) in [("360p-av1", "av1"), ("360p", "h264"), ("180p", "h264")] {
        let expected = (codec.to_owned(), frames);
        assert_eq!(played(&origin, rendition).await, expected, "{rendition}");
    }
}

/// A new ffmpeg begins in the middle: it hears the header and the present GOP again.
#[tokio::test]
async fn a_new_encoder_goes_on_with_hevc() {
    let directory = tempfile::tempdir().unwrap();
    let picture = PICTURE.replace("duration=6", "duration=12");
    let source = Encoded::new(directory.path(), &picture, X265, "hvcC");
    let origin = Origin::start(LADDER, "").await;
    let tags = source.video_tags(VideoCodec::Hevc, 0);
    let url = origin.publish_url(KEY);
    let publishing = tokio::spawn(async move { broadcast(&url, tags).await });
    origin.segments("360p", 1).await;
    let encoder = child_with("matroska", std::process::id()).expect("an encoder");
    kill("-KILL", encoder);
    publishing.await.unwrap();
    for rendition in ["360p-hevc", "360p", "180p"] {
        let (_, frames) = played(&origin, rendition).await;
        let lost = source.packets() - frames;
        assert!(lost <= 90, "{rendition} lost {lost} frames");
        let text = origin
            .get(&format!("/live/demo/{rendition}/index.m3u8"))
            .await;
        assert_eq!(text.text().matches("#EXT-X-DISCONTINUITY\n").count(), 1);
    }
}

#[tokio::test]
async fn opus_is_packaged_as_it_came() {
    let directory = tempfile::tempdir().unwrap();
    let x264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -bf 0 -g 30 -sc_threshold 0";
    let video = Encoded::new(directory.path(), PICTURE, x264, "avcC");
    let sine = "sine=sample_rate=48000:duration=6";
    let libopus = "-c:a libopus -ac 2 -frame_duration 20";
    let sound = Encoded::new(directory.path(), sine, libopus, "dOps");
    let origin = Origin::start(&LADDER[..1], "").await;
    let tags = interleave([video.video_tags(VideoCodec::Avc, 0), sound.opus_tags()]);
    let multivariant = published(&origin, tags).await;
    let line = variant(&multivariant, "360p");
    says(line, &["CODECS=\"avc1.", ",opus\"", "AUDIO=\"audio\""]);
    assert!(!line.contains("SCORE"), "a single variant needs none");
    assert_eq!(played(&origin, "360p").await, ("h264".to_owned(), 180));
    let (codec, packets) = played(&origin, "audio").await;
    assert_eq!(codec, "opus");
    // Sound ends with the last picture.
    assert!((298..=sound.packets()).contains(&packets), "{packets}");
}
