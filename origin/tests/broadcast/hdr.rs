//! HDR sources: they pass through as they are, and what is made of them is SDR and looks right.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use bytes::BytesMut;
use rtmp::amf0::{Value, encode};
use rtmp::flv::VideoCodec;

use crate::codecs::{played, published, says, variant};
use crate::encoder::{Encoded, Tags};
use crate::harness::Origin;

const LADDER: &[(&str, u32, u32)] = &[("360p", 360, 700), ("180p", 180, 250)];
const FRAMES: usize = 90;
/// Luma of an 18 % grey card (26 cd/m²) and of diffuse white (203 cd/m², BT.2408), with ten bits.
const PQ: [u32; 2] = [397, 573];
const HLG: [u32; 2] = [397, 721];
/// The same two in SDR by BT.2390 with a white of 100 cd/m² from a peak of 1000: 26 cd/m² stay what they
/// are, 203 become 88; with BT.1886's gamma and eight bits. The sample values of PQ are 99 and 143.
const BT_2390: [u8; 2] = [141, 224];
/// Mobius gives 82 cd/m² for the white.
const TOLERANCE: u8 = 9;

/// Its left half is the grey, its right half the white.
fn picture([grey, white]: [u32; 2]) -> String {
    format!(
        "color=black:s=640x360:r=30:d=0.03,format=yuv420p10le,\
         geq=lum='if(lt(X,320),{grey},{white})':cb=512:cr=512,\
         loop=loop={}:size=1,setpts=N/30/TB",
        FRAMES - 1
    )
}

fn clip(directory: &Path, luma: [u32; 2], vui: &str) -> Encoded {
    let options = format!(
        "-c:v libx265 -preset ultrafast -tag:v hvc1 -pix_fmt yuv420p10le -x265-params \
         keyint=30:min-keyint=30:scenecut=0:open-gop=0:log-level=error{vui}"
    );
    Encoded::new(directory, &picture(luma), &options, "hvcC")
}

/// What the encoder says beside its parameter sets: `colorInfo` of Enhanced RTMP.
fn color_info(transfer: f64) -> Tags {
    let number = |name: &str, value: f64| (name.to_owned(), Value::Number(value));
    let config = Value::Object(vec![
        number("bitDepth", 10.0),
        number("transferCharacteristics", transfer),
    ]);
    let mut body = BytesMut::from(&b"\x94hvc1"[..]);
    encode(&Value::String("colorInfo".to_owned()), &mut body);
    encode(
        &Value::Object(vec![("colorConfig".to_owned(), config)]),
        &mut body,
    );
    vec![(0, 9, body.freeze())]
}

/// Where decoding can start in a rendition, in pictures.
async fn keyframes(origin: &Origin, rendition: &str) -> Vec<usize> {
    let url = origin.url(&format!("/live/demo/{rendition}/index.m3u8"));
    let probe = move || {
        Command::new("ffprobe")
            .args(["-v", "error", "-live_start_index", "0", "-of", "csv=p=0"])
            .args(["-show_entries", "packet=flags", &url])
            .output()
            .unwrap()
    };
    let output = tokio::task::spawn_blocking(probe).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let marked = text
        .lines()
        .enumerate()
        .filter(|(_, flags)| flags.starts_with('K'));
    marked.map(|(at, _)| at).collect()
}

/// What a player makes of a rendition: its colours by name, and the luma of grey and white.
async fn seen(origin: &Origin, rendition: &str, width: usize) -> (String, [u8; 2]) {
    assert_eq!(
        played(origin, rendition).await,
        ("h264".to_owned(), FRAMES),
        "{rendition}"
    );
    let url = origin.url(&format!("/live/demo/{rendition}/index.m3u8"));
    let look = move || {
        let colours = Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", "v", "-show_entries"])
            .arg("stream=color_range,color_space,color_transfer,color_primaries,pix_fmt")
            .args(["-of", "default=nk=1:nw=1", &url])
            .output()
            .unwrap();
        let picture = Command::new("ffmpeg")
            .args(["-v", "error", "-live_start_index", "0", "-i", &url])
            .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "yuv420p"])
            .arg("-")
            .output()
            .unwrap();
        (colours.stdout, picture.stdout)
    };
    let (colours, picture) = tokio::task::spawn_blocking(look).await.unwrap();
    let colours = String::from_utf8(colours).unwrap();
    // The stream is listed once more within its program.
    let colours: Vec<&str> = colours.lines().take(5).collect();
    let row = width * 9 / 32 * width;
    let at = |x: usize| picture[row + x];
    (colours.join(" "), [at(width / 4), at(width * 3 / 4)])
}

#[track_caller]
fn looks_right(rendition: &str, luma: [u8; 2]) {
    for (seen, expected) in luma.into_iter().zip(BT_2390) {
        assert!(
            seen.abs_diff(expected) <= TOLERANCE,
            "{rendition}: {luma:?}, not {BT_2390:?}"
        );
    }
}

const BT709: &str = "yuv420p tv bt709 bt709 bt709";

#[tokio::test]
async fn pq_passes_through_beside_sdr_that_looks_like_it() {
    let directory = tempfile::tempdir().unwrap();
    let vui = ":colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc";
    let source = clip(directory.path(), PQ, vui);
    let origin = Origin::start(LADDER, "").await;
    let multivariant = published(&origin, source.video_tags(VideoCodec::Hevc, 0)).await;
    says(
        variant(&multivariant, "360p-hevc"),
        &["CODECS=\"hvc1.2.4.", "VIDEO-RANGE=PQ", "SCORE=3"],
    );
    for (rendition, width) in [("360p", 640), ("180p", 320)] {
        says(
            variant(&multivariant, rendition),
            &["CODECS=\"avc1.", "VIDEO-RANGE=SDR"],
        );
        let (colours, luma) = seen(&origin, rendition, width).await;
        assert_eq!(colours, BT709, "{rendition}");
        looks_right(rendition, luma);
        // The filters let through where the source has them.
        assert_eq!(keyframes(&origin, rendition).await, [0, 30, 60]);
    }
    let passed = played(&origin, "360p-hevc").await;
    assert_eq!(passed, ("hevc".to_owned(), FRAMES));
}

#[tokio::test]
async fn av1_with_pq_is_mapped_too() {
    let directory = tempfile::tempdir().unwrap();
    let options = "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p10le -color_primaries bt2020 \
        -color_trc smpte2084 -colorspace bt2020nc -svtav1-params keyint=30:irefresh-type=2";
    let source = Encoded::new(directory.path(), &picture(PQ), options, "av1C");
    let origin = Origin::start(&LADDER[..1], "").await;
    let multivariant = published(&origin, source.video_tags(VideoCodec::Av1, 0)).await;
    says(variant(&multivariant, "360p-av1"), &["VIDEO-RANGE=PQ"]);
    says(variant(&multivariant, "360p"), &["VIDEO-RANGE=SDR"]);
    let (colours, luma) = seen(&origin, "360p", 640).await;
    assert_eq!(colours, BT709);
    looks_right("360p", luma);
}

/// What is passed through and what is made of it know the same: nothing but `colorInfo` says it.
#[tokio::test]
async fn hlg_that_only_color_info_tells_of_is_mapped_too() {
    let directory = tempfile::tempdir().unwrap();
    let source = clip(directory.path(), HLG, "");
    let origin = Origin::start(LADDER, "").await;
    let mut tags = color_info(18.0);
    tags.extend(source.video_tags(VideoCodec::Hevc, 0));
    let multivariant = published(&origin, tags).await;
    says(variant(&multivariant, "360p-hevc"), &["VIDEO-RANGE=HLG"]);
    says(variant(&multivariant, "360p"), &["VIDEO-RANGE=SDR"]);
    let (colours, luma) = seen(&origin, "360p", 640).await;
    assert_eq!(colours, BT709);
    looks_right("360p", luma);
}

/// Has no zscale.
const POOR_FFMPEG: &str = "#!/bin/sh
case \"$*\" in
*-filters*) ffmpeg \"$@\" | grep -v zscale ;;
*zscale*) exit 1 ;;
*) exec ffmpeg \"$@\" ;;
esac
";

/// The rungs then are what they are called.
#[tokio::test]
async fn an_ffmpeg_that_cannot_map_makes_rungs_that_say_so() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("ffmpeg");
    std::fs::write(&program, POOR_FFMPEG).unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    let more = format!(
        "[transcode]\nffmpeg = \"{}\"\npreset = \"ultrafast\"\nshed_lag_ms = 0\n",
        program.display()
    );
    let source = clip(directory.path(), PQ, "");
    let origin = Origin::start(&LADDER[..1], &more).await;
    let mut tags = color_info(16.0);
    tags.extend(source.video_tags(VideoCodec::Hevc, 0));
    let multivariant = published(&origin, tags).await;
    for rendition in ["360p-hevc", "360p"] {
        says(variant(&multivariant, rendition), &["VIDEO-RANGE=PQ"]);
    }
    let (colours, luma) = seen(&origin, "360p", 640).await;
    assert_eq!(colours, "yuv420p tv bt2020nc smpte2084 bt2020");
    assert!(luma[0].abs_diff(99) <= 2 && luma[1].abs_diff(143) <= 2);
}
