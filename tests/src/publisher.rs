//! A broadcaster: an ffmpeg child that publishes a synthetic picture and a tone over RTMP.

use std::process::Command;

use loadtest::process::Process;

use crate::node;

/// The picture's frame rate. A GOP lasts two seconds.
const FPS: u32 = 30;

/// A running ffmpeg. Dropping it stops it.
#[derive(Debug)]
pub struct Publisher {
    process: Process,
}

impl Publisher {
    /// Publishes a small moving picture and a tone to `url`.
    pub fn start(url: &str) -> anyhow::Result<Self> {
        let gop = (2 * FPS).to_string();
        let mut command = Command::new("ffmpeg");
        command
            .args(["-hide_banner", "-loglevel", "warning", "-nostdin", "-re"])
            .args(["-f", "lavfi", "-i"])
            .arg(format!("testsrc2=size=640x360:rate={FPS}"))
            .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
            .args([
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
            ])
            .args(["-g", &gop, "-keyint_min", &gop, "-sc_threshold", "0"])
            .args(["-pix_fmt", "yuv420p", "-b:v", "600k", "-bf", "0"])
            .args(["-c:a", "aac", "-b:a", "64k", "-ac", "2"])
            .args(["-flags", "+low_delay", "-f", "flv", url]);
        Self::spawn(&mut command)
    }

    /// Publishes the picture with the barcode clock: 1280x720 at 30 frames/s, GOPs of 2 s.
    pub fn start_barcode(url: &str) -> anyhow::Result<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/broadcast.sh");
        // The script ends in `exec ffmpeg`: the process is ffmpeg's own.
        Self::spawn(Command::new(script).arg(url))
    }

    fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let log = node::directory("publisher")?.join("log");
        Ok(Self {
            process: Process::spawn("ffmpeg", command, &log)?,
        })
    }

    /// The ffmpeg process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
