//! The encoders that a rung may ask for, and what each is told. Pure: a table.
//!
//! All are told the same things in their own words: give each frame at once (no lookahead, no
//! B-frames), put keyframes where Weir wants them and nowhere else, close every GOP, and peak at
//! 1.1 times the bitrate over a second. x264's line was measured (shared reference, "Ingest and
//! transcode"), x265's and SVT-AV1's were run; those of NVENC, VAAPI and QSV were not, for want
//! of the hardware.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// An encoder of ffmpeg, as `[[ladder]] encoder` names it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoder {
    /// H.264 on NVIDIA hardware.
    NvencH264,
    /// HEVC on NVIDIA hardware.
    NvencHevc,
    /// H.264 on Intel hardware.
    QsvH264,
    /// HEVC on Intel hardware.
    QsvHevc,
    /// AV1 in software.
    SvtAv1,
    /// H.264 by VA-API.
    VaapiH264,
    /// HEVC by VA-API.
    VaapiHevc,
    /// H.264 in software.
    #[default]
    X264,
    /// HEVC in software.
    X265,
}

/// What a rung's pictures are coded in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum RungCodec {
    /// AV1; the record is that of `av1C`.
    Av1,
    /// H.264; the record is that of `avcC`.
    H264,
    /// HEVC; the record is that of `hvcC`.
    Hevc,
}

/// Where a hardware encoder is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hardware {
    /// The device of VA-API and QSV.
    pub device: PathBuf,
    /// The number of NVENC's GPU.
    pub gpu: u32,
}

/// What a rung's encoder has to know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'a> {
    pub(super) preset: &'a str,
    /// Threads; 0: the encoder decides.
    pub(super) threads: u32,
    /// Frames from one keyframe to the next, for who cannot be told where they are.
    pub(super) gop_frames: u32,
    pub(super) hardware: &'a Hardware,
}

/// A longest GOP, whatever the keyframes' expression says.
const GOP_FRAMES_MAX: &str = "600";

const X264_PRESETS: &[&str] = &[
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
];
const SVT_PRESETS: &[&str] = &["6", "7", "8", "9", "10", "11", "12", "13"];
const NVENC_PRESETS: &[&str] = &["p1", "p2", "p3", "p4", "p5", "p6", "p7"];
const QSV_PRESETS: &[&str] = &["veryfast", "faster", "fast", "medium"];

impl Encoder {
    /// Every one, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::X264,
        Self::X265,
        Self::SvtAv1,
        Self::NvencH264,
        Self::NvencHevc,
        Self::VaapiH264,
        Self::VaapiHevc,
        Self::QsvH264,
        Self::QsvHevc,
    ];

    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NvencH264 => "nvenc-h264",
            Self::NvencHevc => "nvenc-hevc",
            Self::QsvH264 => "qsv-h264",
            Self::QsvHevc => "qsv-hevc",
            Self::SvtAv1 => "svt-av1",
            Self::VaapiH264 => "vaapi-h264",
            Self::VaapiHevc => "vaapi-hevc",
            Self::X264 => "x264",
            Self::X265 => "x265",
        }
    }

    /// As in `ffmpeg -encoders`.
    pub fn ffmpeg_name(self) -> &'static str {
        match self {
            Self::NvencH264 => "h264_nvenc",
            Self::NvencHevc => "hevc_nvenc",
            Self::QsvH264 => "h264_qsv",
            Self::QsvHevc => "hevc_qsv",
            Self::SvtAv1 => "libsvtav1",
            Self::VaapiH264 => "h264_vaapi",
            Self::VaapiHevc => "hevc_vaapi",
            Self::X264 => "libx264",
            Self::X265 => "libx265",
        }
    }

    /// What it makes.
    pub fn codec(self) -> RungCodec {
        match self {
            Self::NvencH264 | Self::QsvH264 | Self::VaapiH264 | Self::X264 => RungCodec::H264,
            Self::NvencHevc | Self::QsvHevc | Self::VaapiHevc | Self::X265 => RungCodec::Hevc,
            Self::SvtAv1 => RungCodec::Av1,
        }
    }

    /// The presets that it may be given, fastest first but for SVT-AV1; none: it has no presets.
    pub fn presets(self) -> &'static [&'static str] {
        match self {
            Self::NvencH264 | Self::NvencHevc => NVENC_PRESETS,
            Self::QsvH264 | Self::QsvHevc => QSV_PRESETS,
            Self::SvtAv1 => SVT_PRESETS,
            Self::VaapiH264 | Self::VaapiHevc => &[],
            Self::X264 | Self::X265 => X264_PRESETS,
        }
    }

    /// The preset of a rung that names none; `None` for x264, which has `[transcode] preset`.
    pub fn default_preset(self) -> Option<&'static str> {
        match self {
            Self::NvencH264 | Self::NvencHevc => Some("p4"),
            Self::QsvH264 | Self::QsvHevc => Some("veryfast"),
            // What costs about as much as x264 at "veryfast" costs several times as much here.
            Self::SvtAv1 => Some("12"),
            Self::VaapiH264 | Self::VaapiHevc => Some(""),
            Self::X264 => None,
            Self::X265 => Some("ultrafast"),
        }
    }

    /// The hardware interface whose device ffmpeg has to open for it. One process opens one.
    pub fn device_kind(self) -> Option<&'static str> {
        match self {
            Self::QsvH264 | Self::QsvHevc => Some("qsv"),
            Self::VaapiH264 | Self::VaapiHevc => Some("vaapi"),
            Self::NvencH264 | Self::NvencHevc | Self::SvtAv1 | Self::X264 | Self::X265 => None,
        }
    }

    /// The filters that bring a picture to the rung's size, where the encoder takes it from.
    pub(super) fn filters(self, width: u32, height: u32) -> String {
        match self.device_kind() {
            Some("vaapi") => {
                format!("format=nv12,hwupload,scale_vaapi=w={width}:h={height}:format=nv12")
            }
            // It keeps frames in its pool while it works on them.
            Some(_) => format!(
                "format=nv12,hwupload=extra_hw_frames=16,scale_qsv=w={width}:h={height}:format=nv12"
            ),
            None => format!("scale={width}:{height},format=yuv420p"),
        }
    }

    /// Its own arguments before those that all share.
    pub(super) fn head(self, task: Task<'_>) -> Vec<String> {
        let mut head = vec!["-c:v".to_owned(), self.ffmpeg_name().to_owned()];
        let mut push = |flag: &str, value: &str| {
            head.push(flag.to_owned());
            head.push(value.to_owned());
        };
        if !task.preset.is_empty() {
            push("-preset", task.preset);
        }
        match self {
            Self::X264 => {
                push("-tune", "zerolatency");
                push("-threads", &task.threads.to_string());
            }
            Self::X265 => {
                push("-tune", "zerolatency");
                push("-forced-idr", "1");
                push("-x265-params", &x265_parameters(task.threads));
            }
            Self::SvtAv1 => push("-svtav1-params", &svt_parameters(task)),
            Self::NvencH264 | Self::NvencHevc => {
                push("-gpu", &task.hardware.gpu.to_string());
                for (flag, value) in [
                    ("-tune", "ull"),
                    ("-rc", "vbr"),
                    ("-zerolatency", "1"),
                    ("-delay", "0"),
                    ("-rc-lookahead", "0"),
                    ("-no-scenecut", "1"),
                    ("-forced-idr", "1"),
                ] {
                    push(flag, value);
                }
            }
            Self::VaapiH264 | Self::VaapiHevc => {
                push("-rc_mode", "VBR");
                push("-async_depth", "1");
                // Every keyframe is an IDR picture.
                push("-idr_interval", "0");
            }
            Self::QsvH264 | Self::QsvHevc => {
                push("-async_depth", "1");
                push("-forced_idr", "1");
                push("-adaptive_i", "0");
                push("-adaptive_b", "0");
                if self == Self::QsvH264 {
                    push("-look_ahead", "0");
                }
            }
        }
        head
    }

    /// Its own arguments about GOPs, after where keyframes are forced.
    pub(super) fn gop(self, task: Task<'_>) -> Vec<String> {
        let counted = task.gop_frames.to_string();
        let arguments: &[&str] = match self {
            Self::X264 => &[
                "-g",
                GOP_FRAMES_MAX,
                "-keyint_min",
                "1",
                "-sc_threshold",
                "0",
                "-bf",
                "0",
            ],
            // It knows no forced keyframe without a delay of half a second.
            Self::SvtAv1 => &["-g", &counted],
            Self::NvencH264
            | Self::NvencHevc
            | Self::QsvH264
            | Self::QsvHevc
            | Self::VaapiH264
            | Self::VaapiHevc
            | Self::X265 => &["-g", GOP_FRAMES_MAX, "-bf", "0"],
        };
        arguments.iter().map(|&text| text.to_owned()).collect()
    }

    /// How its output comes through the pipe. FLV carries H.264; what it does not carry comes as
    /// NUT, which has no delay either.
    pub(super) fn container(self) -> &'static [&'static str] {
        match self.codec() {
            RungCodec::H264 => &[
                "-flvflags",
                "no_duration_filesize+no_metadata+no_sequence_end",
                "-f",
                "flv",
            ],
            RungCodec::Av1 | RungCodec::Hevc => &["-f", "nut"],
        }
    }
}

/// Global arguments for a ladder with hardware encoders; empty for one without.
pub(super) fn device(encoders: impl Iterator<Item = Encoder>, device: &Path) -> Vec<String> {
    let Some(kind) = encoders.into_iter().find_map(Encoder::device_kind) else {
        return Vec::new();
    };
    let device = match kind {
        // QSV on Linux sits on VA-API.
        "qsv" => format!("qsv=hw,child_device={}", device.display()),
        _ => format!("{kind}=hw:{}", device.display()),
    };
    let arguments = ["-init_hw_device", &device, "-filter_hw_device", "hw"];
    arguments.map(str::to_owned).to_vec()
}

fn x265_parameters(threads: u32) -> String {
    let mut parameters = String::from(
        "log-level=error:scenecut=0:bframes=0:rc-lookahead=0:open-gop=0:min-keyint=1:\
         repeat-headers=0",
    );
    if threads > 0 {
        parameters.push_str(&format!(":pools={threads}"));
    }
    parameters
}

/// Low delay: it then has constant bitrate only, and counts keyframes.
fn svt_parameters(task: Task<'_>) -> String {
    let mut parameters = String::from("pred-struct=1:rc=2:lookahead=0:scd=0:irefresh-type=2");
    if task.threads > 0 {
        parameters.push_str(&format!(":lp={}", task.threads));
    }
    parameters
}

/// The encoders in the output of `ffmpeg -encoders`: its second column, below a line of dashes.
pub fn listed(output: &str) -> impl Iterator<Item = &str> {
    let lines = output.lines().skip_while(|line| !line.contains("------"));
    lines.skip(1).filter_map(|line| {
        let mut words = line.split_whitespace();
        let kind = words.next()?;
        words.next().filter(|_| kind.starts_with('V'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_configuration() {
        #[derive(Deserialize)]
        struct File {
            encoder: Encoder,
        }
        for encoder in Encoder::ALL {
            let file: File =
                toml::from_str(&format!("encoder = \"{}\"", encoder.as_str())).unwrap();
            assert_eq!(file.encoder, encoder);
            let preset = encoder.default_preset().unwrap_or("veryfast");
            let presets = encoder.presets();
            assert!(
                presets.contains(&preset) || presets.is_empty(),
                "{encoder:?}"
            );
        }
    }

    #[test]
    fn ffmpegs_list_is_read() {
        let output = "Encoders:\n V..... = Video\n A..... = Audio\n ------\n \
                      V....D libx264              libx264 H.264\n A....D aac   AAC\n \
                      V..... h264_vaapi  H.264/AVC (VAAPI)\n";
        let found: Vec<&str> = listed(output).collect();
        assert_eq!(found, ["libx264", "h264_vaapi"]);
    }
}
