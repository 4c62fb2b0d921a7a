//! A real publisher.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use super::eventually;

/// A publishing ffmpeg; it is killed when dropped.
pub(crate) struct Publisher {
    pub(crate) child: Child,
}

impl Publisher {
    /// A moving picture of 640x360 at 30 fps with the given GOP, and a tone.
    pub(crate) fn start(url: &str, gop_frames: u32) -> Self {
        Self::with(url, gop_frames, &["-c:a", "aac", "-b:a", "64k", "-ac", "2"])
    }

    /// The same with other output options.
    pub(crate) fn with(url: &str, gop_frames: u32, options: &[&str]) -> Self {
        let gop = gop_frames.to_string();
        let mut command = Command::new("ffmpeg");
        command
            .args(["-hide_banner", "-loglevel", "error", "-nostdin", "-re"])
            .args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"])
            .args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"])
            .args("-c:v libx264 -preset ultrafast -tune zerolatency".split(' '))
            .args(["-g", &gop, "-keyint_min", &gop, "-sc_threshold", "0"])
            .args(["-pix_fmt", "yuv420p", "-b:v", "600k", "-bf", "0"])
            .args(options)
            .args(["-f", "flv", url]);
        Self::spawn(command)
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Self {
            child: command.spawn().expect("ffmpeg is installed"),
        }
    }

    /// Waits for it to exit by itself: whether it was content, and what it said.
    pub(crate) async fn exited(&mut self) -> (bool, String) {
        let status = eventually("exit of the publisher", async || {
            self.child.try_wait().unwrap()
        })
        .await;
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        (status.success(), said)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
