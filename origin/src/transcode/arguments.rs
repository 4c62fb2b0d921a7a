//! ffmpeg's command line. Pure.
//!
//! Each flag was measured (shared reference, "Ingest and transcode"): together they keep the
//! transcoder at about one frame of delay and put the keyframes of all rungs on the same frames.

use std::time::Duration;

use super::encoder::{self, Hardware, Task};
use super::ladder::Rung;
use super::tone_mapping::Hdr;

/// The child's descriptor of the first rung's output; the next rungs follow.
pub(super) const FIRST_OUTPUT_FD: i32 = 3;
/// Peak over average bitrate, in per cent.
const PEAK_PERCENT: u32 = 110;
/// The rate control buffer lasts this long at the average bitrate: the bound on a burst.
const BUFFER_SECONDS: u32 = 1;

/// Where keyframes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyframes {
    /// Where the source has them: its own rendition shares the grid.
    Source,
    /// Every so much time, counted from the first frame. Time, not frames: a source that loses
    /// frames must not stretch a GOP beyond TARGETDURATION.
    Every(Duration),
}

/// What one child makes.
#[derive(Clone, Debug)]
pub struct EncodeSpec {
    /// The container that the source comes in: see `feed`.
    pub source_format: &'static str,
    /// What the source is, if it is HDR.
    pub hdr: Option<Hdr>,
    /// Threads per encoder; 0: the encoder decides.
    pub threads: u32,
    /// Frames in a segment: where encoders that cannot be told put keyframes.
    pub gop_frames: u32,
    /// Where hardware encoders are.
    pub hardware: Hardware,
    /// One output each.
    pub rungs: Vec<Rung>,
    /// Where keyframes go.
    pub keyframes: Keyframes,
}

/// The arguments for one start. Frames presented before `resume_ms` are decoded, not encoded, so
/// that the first output is a keyframe at the first frame from there on.
pub(super) fn arguments(spec: &EncodeSpec, resume_ms: Option<i64>) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "-hide_banner",
        "-nostats",
        "-loglevel",
        "warning",
        // Frame threads in the decoder would hold 65 ms. Never `-fflags nobuffer`: it drops the
        // first GOP.
        "-flags",
        "low_delay",
        "-probesize",
        "32768",
        "-analyzeduration",
        "0",
        "-copyts",
    ]
    .map(str::to_owned)
    .to_vec();
    let encoders = spec.rungs.iter().map(|rung| rung.encoder);
    arguments.extend(encoder::device(encoders, &spec.hardware.device));
    let input = ["-f", spec.source_format, "-i", "pipe:0", "-filter_complex"];
    arguments.extend(input.map(str::to_owned));
    arguments.push(filter(spec, resume_ms));
    for (index, rung) in spec.rungs.iter().enumerate() {
        arguments.extend(output(spec, index, rung));
    }
    arguments
}

fn filter(spec: &EncodeSpec, resume_ms: Option<i64>) -> String {
    let mut graph = String::from("[0:v:0]");
    if let Some(resume_ms) = resume_ms {
        // The time base of either source format is the millisecond, so `pts` counts milliseconds.
        graph.push_str(&format!("select='gte(pts,{resume_ms})',"));
    }
    let largest = spec
        .rungs
        .iter()
        .max_by_key(|rung| (rung.height, rung.width));
    if let Some((hdr, rung)) = spec.hdr.zip(largest) {
        graph.push_str(&hdr.filters(rung.width, rung.height));
    }
    graph.push_str(&format!("split={}", spec.rungs.len()));
    for index in 0..spec.rungs.len() {
        graph.push_str(&format!("[s{index}]"));
    }
    for (index, rung) in spec.rungs.iter().enumerate() {
        let filters = rung.encoder.filters(rung.width, rung.height);
        graph.push_str(&format!(";[s{index}]{filters}[v{index}]"));
    }
    graph
}

fn output(spec: &EncodeSpec, index: usize, rung: &Rung) -> Vec<String> {
    let kbps = |percent: u32| format!("{}k", rung.bitrate_kbps * percent / 100);
    let force = match spec.keyframes {
        Keyframes::Source => "source".to_owned(),
        Keyframes::Every(period) => format!(
            "expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+{:.3}))",
            period.as_secs_f64()
        ),
    };
    let fd = FIRST_OUTPUT_FD + i32::try_from(index).unwrap_or(i32::MAX - FIRST_OUTPUT_FD);
    let task = Task {
        preset: &rung.preset,
        threads: spec.threads,
        gop_frames: spec.gop_frames,
        hardware: &spec.hardware,
    };
    let mut arguments = vec!["-map".to_owned(), format!("[v{index}]")];
    arguments.extend(rung.encoder.head(task));
    let keyframes = [
        ("-fps_mode", "passthrough"),
        // Without it timestamps shift by 12 ms.
        ("-enc_time_base", "1:1000"),
        ("-force_key_frames", &force),
    ];
    arguments.extend(owned(keyframes));
    arguments.extend(rung.encoder.gop(task));
    arguments.extend(owned([
        ("-b:v", kbps(100).as_str()),
        ("-maxrate", kbps(PEAK_PERCENT).as_str()),
        ("-bufsize", kbps(100 * BUFFER_SECONDS).as_str()),
        ("-flush_packets", "1"),
    ]));
    let container = rung.encoder.container().iter();
    arguments.extend(container.map(|&text| text.to_owned()));
    arguments.push(format!("pipe:{fd}"));
    arguments
}

fn owned<const N: usize>(pairs: [(&str, &str); N]) -> impl Iterator<Item = String> {
    let pairs = pairs.map(|(flag, value)| [flag.to_owned(), value.to_owned()]);
    pairs.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::super::encoder::Encoder;
    use super::super::tone_mapping::{ToneMapping, tests::hdr};
    use super::*;

    fn rung(name: &str, width: u32, height: u32, bitrate_kbps: u32) -> Rung {
        Rung {
            name: name.to_owned(),
            width,
            height,
            bitrate_kbps,
            encoder: Encoder::X264,
            preset: "veryfast".to_owned(),
        }
    }

    fn spec(keyframes: Keyframes) -> EncodeSpec {
        EncodeSpec {
            source_format: "flv",
            hdr: None,
            threads: 0,
            gop_frames: 60,
            hardware: Hardware {
                device: "/dev/dri/renderD128".into(),
                gpu: 0,
            },
            rungs: vec![rung("480p", 854, 480, 1200), rung("360p", 640, 360, 700)],
            keyframes,
        }
    }

    /// The command line of one rung by this encoder.
    fn line(encoder: Encoder) -> String {
        let mut spec = spec(Keyframes::Source);
        spec.rungs = vec![Rung {
            encoder,
            preset: encoder.default_preset().unwrap_or("veryfast").to_owned(),
            ..rung("360p", 640, 360, 700)
        }];
        let line = arguments(&spec, None).join(" ");
        let before = "-hide_banner -nostats -loglevel warning -flags low_delay -probesize 32768 \
                      -analyzeduration 0 -copyts ";
        line.strip_prefix(before).unwrap().to_owned()
    }

    const SOFTWARE: &str = "-f flv -i pipe:0 -filter_complex \
                            [0:v:0]split=1[s0];[s0]scale=640:360,format=yuv420p[v0] -map [v0] ";
    const RATE: &str = "-b:v 700k -maxrate 770k -bufsize 700k -flush_packets 1 ";
    const FLV: &str = "-flvflags no_duration_filesize+no_metadata+no_sequence_end -f flv pipe:3";
    const NUT: &str = "-f nut pipe:3";
    const WHERE: &str = "-fps_mode passthrough -enc_time_base 1:1000 -force_key_frames source ";

    #[test]
    fn the_line_that_was_measured_is_the_line() {
        let x264 = format!(
            "{SOFTWARE}-c:v libx264 -preset veryfast -tune zerolatency -threads 0 {WHERE}-g 600 \
             -keyint_min 1 -sc_threshold 0 -bf 0 {RATE}{FLV}"
        );
        assert_eq!(line(Encoder::X264), x264);
    }

    #[test]
    fn software_encoders_that_flv_cannot_carry_come_as_nut() {
        let x265 = format!(
            "{SOFTWARE}-c:v libx265 -preset ultrafast -tune zerolatency -forced-idr 1 -x265-params \
             log-level=error:scenecut=0:bframes=0:rc-lookahead=0:open-gop=0:min-keyint=1:\
             repeat-headers=0 {WHERE}-g 600 -bf 0 {RATE}{NUT}"
        );
        assert_eq!(line(Encoder::X265), x265);
        let svt = format!(
            "{SOFTWARE}-c:v libsvtav1 -preset 12 -svtav1-params \
             pred-struct=1:rc=2:lookahead=0:scd=0:irefresh-type=2 {WHERE}-g 60 {RATE}{NUT}"
        );
        assert_eq!(line(Encoder::SvtAv1), svt);
    }

    #[test]
    fn hardware_encoders_by_their_documentation() {
        let nvenc = |name: &str, container: &str| {
            format!(
                "{SOFTWARE}-c:v {name} -preset p4 -gpu 0 -tune ull -rc vbr -zerolatency 1 -delay 0 \
                 -rc-lookahead 0 -no-scenecut 1 -forced-idr 1 {WHERE}-g 600 -bf 0 {RATE}{container}"
            )
        };
        assert_eq!(line(Encoder::NvencH264), nvenc("h264_nvenc", FLV));
        assert_eq!(line(Encoder::NvencHevc), nvenc("hevc_nvenc", NUT));
        let vaapi = |name: &str, container: &str| {
            format!(
                "-init_hw_device vaapi=hw:/dev/dri/renderD128 -filter_hw_device hw -f flv -i pipe:0 \
                 -filter_complex [0:v:0]split=1[s0];[s0]format=nv12,hwupload,\
                 scale_vaapi=w=640:h=360:format=nv12[v0] -map [v0] -c:v {name} -rc_mode VBR \
                 -async_depth 1 -idr_interval 0 {WHERE}-g 600 -bf 0 {RATE}{container}"
            )
        };
        assert_eq!(line(Encoder::VaapiH264), vaapi("h264_vaapi", FLV));
        assert_eq!(line(Encoder::VaapiHevc), vaapi("hevc_vaapi", NUT));
        let qsv = |name: &str, own: &str, container: &str| {
            format!(
                "-init_hw_device qsv=hw,child_device=/dev/dri/renderD128 -filter_hw_device hw \
                 -f flv -i pipe:0 -filter_complex [0:v:0]split=1[s0];[s0]format=nv12,\
                 hwupload=extra_hw_frames=16,scale_qsv=w=640:h=360:format=nv12[v0] -map [v0] \
                 -c:v {name} -preset veryfast -async_depth 1 -forced_idr 1 -adaptive_i 0 \
                 -adaptive_b 0 {own}{WHERE}-g 600 -bf 0 {RATE}{container}"
            )
        };
        assert_eq!(
            line(Encoder::QsvH264),
            qsv("h264_qsv", "-look_ahead 0 ", FLV)
        );
        assert_eq!(line(Encoder::QsvHevc), qsv("hevc_qsv", "", NUT));
    }

    #[test]
    fn one_split_feeds_every_output() {
        let arguments = arguments(&spec(Keyframes::Source), None);
        let text = arguments.join(" ");
        assert!(text.contains(
            "[0:v:0]split=2[s0][s1];[s0]scale=854:480,format=yuv420p[v0];[s1]scale=640:360,\
             format=yuv420p[v1]"
        ));
        assert!(text.contains("-force_key_frames source"));
        assert!(text.contains("-b:v 1200k -maxrate 1320k -bufsize 1200k"));
        assert!(text.contains("-map [v1]"));
        assert!(text.ends_with("pipe:4"));
        assert!(!text.contains("nobuffer"));
    }

    #[test]
    fn hdr_is_mapped_once_at_the_largest_size() {
        let graph = |tone_mapping, resume_ms| {
            let mut spec = spec(Keyframes::Source);
            spec.hdr = Some(hdr(16, tone_mapping));
            let arguments = arguments(&spec, resume_ms);
            let at = arguments.iter().position(|text| text == "-filter_complex");
            arguments[at.unwrap() + 1].clone()
        };
        let rungs = "split=2[s0][s1];[s0]scale=854:480,format=yuv420p[v0];[s1]scale=640:360,\
                     format=yuv420p[v1]";
        assert_eq!(
            graph(ToneMapping::Mobius, Some(4_034)),
            format!(
                "[0:v:0]select='gte(pts,4034)',scale=854:480,format=yuv420p10le,\
                 zscale=rin=limited:pin=9:tin=16:min=9:t=linear:p=bt709:npl=100,format=gbrpf32le,\
                 tonemap=mobius:desat=0:peak=10,zscale=t=bt709:m=bt709:r=limited,format=yuv420p,{rungs}"
            )
        );
        assert_eq!(
            graph(ToneMapping::Off, None),
            format!(
                "[0:v:0]setparams=range=limited:color_primaries=9:color_trc=16:colorspace=9,{rungs}"
            )
        );
    }

    #[test]
    fn a_resumed_child_starts_at_a_time() {
        let spec = spec(Keyframes::Every(Duration::from_millis(1_983)));
        let text = arguments(&spec, Some(4_034)).join(" ");
        assert!(text.contains("[0:v:0]select='gte(pts,4034)',split=2"));
        assert!(text.contains("gte(t,prev_forced_t+1.983)"));
    }
}
