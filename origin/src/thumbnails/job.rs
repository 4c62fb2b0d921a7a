//! One ffmpeg for some tenths of a second: keyframes in, a JPEG tile out.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use hls::images::Tile;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

/// A job that takes longer is given up.
const JOB_TIMEOUT: Duration = Duration::from_secs(10);
/// A tile that is larger is none.
const JPEG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// As much of its complaints as the log shows.
const COMPLAINT_BYTES_MAX: u64 = 500;
/// Runs a program at the lowest priority (POSIX).
const NICE: &str = "/usr/bin/nice";

/// Why there is no tile.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    /// The program could not be run, or its pipes broke.
    #[error("ffmpeg: {0}")]
    Io(#[from] std::io::Error),
    /// It gave no JPEG.
    #[error("ffmpeg made no picture: {0}")]
    NoPicture(String),
    /// It took too long.
    #[error("ffmpeg took more than {} s", JOB_TIMEOUT.as_secs())]
    TooLong,
}

/// What is to be made with what.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) ffmpeg: &'a Path,
    pub(super) tile: &'a Tile,
}

impl Job<'_> {
    /// Makes the tile; the process is gone when this returns or is dropped.
    pub(super) async fn run(&self, input: &[Bytes]) -> Result<Bytes, JobError> {
        let made = timeout(JOB_TIMEOUT, self.pipe(input)).await;
        made.unwrap_or(Err(JobError::TooLong))
    }

    async fn pipe(&self, input: &[Bytes]) -> Result<Bytes, JobError> {
        let mut command = if Path::new(NICE).exists() {
            let mut command = Command::new(NICE);
            command.args(["-n", "19"]).arg(self.ffmpeg);
            command
        } else {
            Command::new(self.ffmpeg)
        };
        let mut child = command
            .args(self.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut stdin = child.stdin.take();
        let write = async {
            if let Some(stdin) = &mut stdin {
                for bytes in input {
                    // It may have seen enough; whether it has is told by what it makes.
                    if stdin.write_all(bytes).await.is_err() {
                        break;
                    }
                }
            }
            drop(stdin.take());
        };
        let jpeg = read(child.stdout.take(), JPEG_BYTES_MAX as u64);
        let complaint = read(child.stderr.take(), COMPLAINT_BYTES_MAX);
        let ((), jpeg, complaint) = tokio::join!(write, jpeg, complaint);
        let (jpeg, complaint) = (jpeg?, complaint?);
        let status = child.wait().await?;
        let is_jpeg = jpeg.starts_with(b"\xFF\xD8") && jpeg.ends_with(b"\xFF\xD9");
        if status.success() && is_jpeg {
            return Ok(jpeg.into());
        }
        let complaint = String::from_utf8_lossy(&complaint);
        Err(JobError::NoPicture(format!(
            "{status}: {}",
            complaint.trim()
        )))
    }

    fn arguments(&self) -> Vec<String> {
        let ((width, height), (columns, rows)) = (self.tile.size, self.tile.layout);
        let filter = format!(
            "scale={width}:{height}:flags=area:out_range=full,setsar=1,format=yuvj420p,\
             tile={columns}x{rows}"
        );
        let fixed = "-nostdin -hide_banner -loglevel error -threads 1 -skip_frame nokey \
                     -f mp4 -i pipe:0 -an -filter_threads 1 -frames:v 1";
        fixed
            .split_whitespace()
            .chain(["-vf", &filter])
            .chain(["-c:v", "mjpeg", "-q:v", "6", "-f", "mjpeg", "pipe:1"])
            .map(str::to_owned)
            .collect()
    }
}

/// All of a pipe, up to a bound; what follows is thrown away, so that the writer can end.
async fn read(pipe: Option<impl AsyncRead + Unpin>, bytes_max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(bytes_max).read_to_end(&mut bytes).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}
