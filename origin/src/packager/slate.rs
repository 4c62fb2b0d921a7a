//! The slate: a picture for viewers whose broadcaster is away, made by an ffmpeg of its own and published to
//! the stream like any source.

use std::path::Path;
use std::process::Stdio;

use bytes::BytesMut;
use rtmp::flv::{AudioBody, Reader, TagKind, VideoBody};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::Instant;

use super::plan::Layout;
use crate::config::StreamSettings;
use crate::publish::{Claim, PublishedBody, PublishedTag, TagsIn};

/// What passes through at every PART-TARGET that Weir uses.
const FRAMES_PER_SECOND: &str = "30";
/// A source is known at its first keyframe behind 0.9 s.
const GOP_FRAMES: &str = "30";
const READ_BYTES: usize = 64 * 1024;
/// Files that are shown as they are for as long as it takes; all others are films, and begin again.
const PICTURES: [&str; 5] = ["bmp", "jpeg", "jpg", "png", "webp"];

/// A slate on its way to viewers. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Slate {
    /// The publisher that viewers see.
    pub(super) claim: Claim,
    /// Killed when dropped.
    _ffmpeg: Child,
}

impl Slate {
    /// Shows the file, a picture or a film, in the size of the stream's first rendition.
    pub(super) fn start(
        ffmpeg: &Path,
        file: &Path,
        layout: &Layout,
        stream: StreamSettings,
    ) -> std::io::Result<Self> {
        let mut child = Command::new(ffmpeg)
            .args(arguments(file, layout))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| std::io::Error::other("ffmpeg has no output"))?;
        let (claim, tags) = Claim::internal(stream);
        tokio::spawn(publish(output, tags));
        Ok(Self {
            claim,
            _ffmpeg: child,
        })
    }
}

fn arguments(file: &Path, layout: &Layout) -> Vec<std::ffi::OsString> {
    let (width, height) = layout
        .rungs
        .first()
        .map_or((1280, 720), |rung| (rung.width, rung.height));
    let extension = file.extension().and_then(|extension| extension.to_str());
    let extension = extension.unwrap_or_default().to_ascii_lowercase();
    let again: &[&str] = if PICTURES.contains(&extension.as_str()) {
        &["-loop", "1", "-framerate", FRAMES_PER_SECOND]
    } else {
        &["-stream_loop", "-1"]
    };
    let fit = format!(
        "scale={width}:{height}:force_original_aspect_ratio=decrease,\
         pad={width}:{height}:-1:-1,setsar=1,fps={FRAMES_PER_SECOND},format=yuv420p"
    );
    let mut arguments: Vec<std::ffi::OsString> = ["-hide_banner", "-nostats", "-re"]
        .iter()
        .chain(again)
        .chain(&["-i"])
        .map(Into::into)
        .collect();
    arguments.push(file.into());
    let rest = [
        "-f",
        "lavfi",
        "-i",
        "anullsrc=r=48000:cl=stereo",
        "-map",
        "0:v:0",
        "-map",
        "1:a:0",
        "-vf",
        &fit,
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-g",
        GOP_FRAMES,
        "-keyint_min",
        GOP_FRAMES,
        "-sc_threshold",
        "0",
        "-c:a",
        "aac",
        "-b:a",
        "64k",
        "-f",
        "flv",
        "pipe:1",
    ];
    arguments.extend(rest.map(Into::into));
    arguments
}

/// Until ffmpeg, or the stream, has ended.
async fn publish(mut output: ChildStdout, tags: TagsIn) {
    let mut reader = Reader::new();
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    while let Ok(1..) = output.read_buf(&mut buffer).await {
        reader.push(&buffer);
        buffer.clear();
        loop {
            let tag = match reader.poll_tag() {
                Ok(Some(tag)) => tag,
                Ok(None) => break,
                Err(_) => return,
            };
            let body = match tag.kind {
                TagKind::Audio => AudioBody::parse(tag.body).map(PublishedBody::Audio),
                TagKind::Video => VideoBody::parse(tag.body).map(PublishedBody::Video),
                _ => continue,
            };
            let Ok(body) = body else {
                return;
            };
            let tag = PublishedTag {
                timestamp_ms: tag.timestamp_ms,
                arrival: Instant::now(),
                body,
            };
            if !tags.send(tag).await {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_and_films_begin_again() {
        let layout = Layout::default();
        let line = |file: &str| {
            let arguments = arguments(Path::new(file), &layout);
            let arguments = arguments.iter().map(|it| it.to_str().unwrap().to_owned());
            arguments.collect::<Vec<_>>().join(" ")
        };
        assert!(line("away.PNG").contains("-re -loop 1 -framerate 30 -i away.PNG -f lavfi"));
        assert!(line("away.mp4").contains("-re -stream_loop -1 -i away.mp4 -f lavfi"));
        assert!(line("-i").contains("-i -i"), "a file is never an option");
    }
}
