//! ffmpeg's command line. Pure.
//!
//! Each flag was measured (shared reference, "Ingest and transcode"): together they keep the
//! transcoder at about one frame of delay and put the keyframes of all rungs on the same frames.

use std::time::Duration;

use super::ladder::Rung;

/// The child's descriptor of the first rung's output; the next rungs follow.
pub(super) const FIRST_OUTPUT_FD: i32 = 3;
/// Peak over average bitrate, in per cent.
const PEAK_PERCENT: u32 = 110;
/// The rate control buffer lasts this long at the average bitrate: the bound on a burst.
const BUFFER_SECONDS: u32 = 1;
/// No GOP is longer than this, whatever the expression says.
const GOP_FRAMES_MAX: u32 = 600;

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
    /// x264 preset.
    pub preset: String,
    /// Threads per encoder; 0: x264 decides.
    pub threads: u32,
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
        "-f",
        spec.source_format,
        "-i",
        "pipe:0",
        "-filter_complex",
    ]
    .map(str::to_owned)
    .to_vec();
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
    graph.push_str(&format!("split={}", spec.rungs.len()));
    for index in 0..spec.rungs.len() {
        graph.push_str(&format!("[s{index}]"));
    }
    for (index, rung) in spec.rungs.iter().enumerate() {
        graph.push_str(&format!(
            ";[s{index}]scale={}:{},format=yuv420p[v{index}]",
            rung.width, rung.height
        ));
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
    [
        ("-map", format!("[v{index}]")),
        ("-c:v", "libx264".to_owned()),
        ("-preset", spec.preset.clone()),
        ("-tune", "zerolatency".to_owned()),
        ("-threads", spec.threads.to_string()),
        ("-fps_mode", "passthrough".to_owned()),
        // Without it timestamps shift by 12 ms.
        ("-enc_time_base", "1:1000".to_owned()),
        ("-force_key_frames", force),
        ("-g", GOP_FRAMES_MAX.to_string()),
        ("-keyint_min", "1".to_owned()),
        ("-sc_threshold", "0".to_owned()),
        ("-bf", "0".to_owned()),
        ("-b:v", kbps(100)),
        ("-maxrate", kbps(PEAK_PERCENT)),
        ("-bufsize", kbps(100 * BUFFER_SECONDS)),
        ("-flush_packets", "1".to_owned()),
        (
            "-flvflags",
            "no_duration_filesize+no_metadata+no_sequence_end".to_owned(),
        ),
        ("-f", "flv".to_owned()),
    ]
    .into_iter()
    .flat_map(|(flag, value)| [flag.to_owned(), value])
    .chain([format!("pipe:{fd}")])
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(keyframes: Keyframes) -> EncodeSpec {
        let rung = |name: &str, width, height, bitrate_kbps| Rung {
            name: name.to_owned(),
            width,
            height,
            bitrate_kbps,
        };
        EncodeSpec {
            source_format: "flv",
            preset: "veryfast".to_owned(),
            threads: 0,
            rungs: vec![rung("480p", 854, 480, 1200), rung("360p", 640, 360, 700)],
            keyframes,
        }
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
    fn a_resumed_child_starts_at_a_time() {
        let spec = spec(Keyframes::Every(Duration::from_millis(1_983)));
        let text = arguments(&spec, Some(4_034)).join(" ");
        assert!(text.contains("[0:v:0]select='gte(pts,4034)',split=2"));
        assert!(text.contains("gte(t,prev_forced_t+1.983)"));
    }
}
