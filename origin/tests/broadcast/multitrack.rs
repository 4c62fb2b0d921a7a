//! A broadcaster's own ladder: several video tracks over one connection.

use rtmp::flv::VideoCodec;

use crate::codecs::{played, published, says, variant};
use crate::encoder::{Encoded, interleave};
use crate::harness::Origin;

const LADDER: &[(&str, u32, u32)] = &[("360p", 360, 700), ("180p", 180, 250)];

fn picture(directory: &std::path::Path, size: &str, rate: u32, gop: u32) -> Encoded {
    let input = format!("testsrc2=size={size}:rate={rate}:duration=6");
    let options = format!(
        "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -bf 0 -g {gop} -sc_threshold 0 -s {size}"
    );
    Encoded::new(directory, &input, &options, "avcC")
}

#[tokio::test]
async fn a_broadcasters_own_ladder_is_packaged_as_it_came() {
    let directory = tempfile::tempdir().unwrap();
    let full = picture(directory.path(), "640x360", 30, 30);
    let half = picture(directory.path(), "426x240", 15, 15);
    let hevc = "-c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p -x265-params \
        keyint=30:min-keyint=30:scenecut=0:open-gop=0:bframes=0:log-level=error";
    let input = "testsrc2=size=640x360:rate=30:duration=6";
    let hevc = Encoded::new(directory.path(), input, hevc, "hvcC");
    let origin = Origin::start(LADDER, "").await;
    let tags = interleave([
        full.video_tags(VideoCodec::Avc, 0),
        half.video_tags(VideoCodec::Avc, 1),
        hevc.video_tags(VideoCodec::Hevc, 2),
    ]);
    let multivariant = published(&origin, tags).await;
    let expected = [
        ("360p-hevc", "CODECS=\"hvc1.", "SCORE=3", "30.000", 180),
        ("360p", "CODECS=\"avc1.", "SCORE=2", "30.000", 180),
        ("240p", "CODECS=\"avc1.", "SCORE=1", "15.000", 90),
    ];
    for (rendition, codec, score, rate, frames) in expected {
        let rate = format!("FRAME-RATE={rate}");
        says(variant(&multivariant, rendition), &[codec, score, &rate]);
        assert_eq!(played(&origin, rendition).await.1, frames, "{rendition}");
    }
    assert_eq!(multivariant.matches("#EXT-X-STREAM-INF").count(), 3);
}

#[tokio::test]
async fn tracks_with_other_keyframes_leave_track_0_alone() {
    let directory = tempfile::tempdir().unwrap();
    let full = picture(directory.path(), "640x360", 30, 30);
    let other = picture(directory.path(), "320x180", 30, 20);
    let origin = Origin::start(LADDER, "").await;
    let tags = interleave([
        full.video_tags(VideoCodec::Avc, 0),
        other.video_tags(VideoCodec::Avc, 1),
    ]);
    let multivariant = published(&origin, tags).await;
    assert_eq!(multivariant.matches("#EXT-X-STREAM-INF").count(), 2);
    says(variant(&multivariant, "360p"), &["RESOLUTION=640x360"]);
    assert_eq!(played(&origin, "360p").await.1, 180);
    // Made by ffmpeg from track 0, with its keyframes.
    assert_eq!(played(&origin, "180p").await.1, 180);
}
