//! One ffmpeg process: FLV in on stdin, FLV or NUT out on one pipe per rung, complaints into the
//! log.
//!
//! It neither restarts anything nor judges what comes out; see [`super::Transcoder`].

use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use command_fds::{CommandFdExt, FdMapping};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child as Process, ChildStderr, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::arguments::{EncodeSpec, FIRST_OUTPUT_FD, arguments};
use super::encoder::RungCodec;
use super::lines::LineSplitter;
use super::output::{Output, OutputReader};

/// Frames between the readers and the packager. When it is full the pipes fill, ffmpeg stops, and
/// the lag shows it.
const EVENTS_MAX: usize = 256;
/// One read of a pipe.
const READ_BYTES: usize = 64 * 1024;
/// Lines of one child that reach the log.
const LOG_LINES_MAX: usize = 100;
/// Said at every start, since it is told to look at almost nothing before it begins.
const HARMLESS: &str = "not enough frames to estimate rate";
/// After the process has gone its outputs have this long to run dry.
const OUTPUT_GRACE: Duration = Duration::from_millis(500);

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// A pipe could not be made.
    #[error("no pipe to ffmpeg: {0}")]
    Pipe(std::io::Error),
    /// The program could not be run.
    #[error("ffmpeg cannot be run: {0}")]
    Spawn(std::io::Error),
}

/// What a child says.
#[derive(Debug)]
pub(super) enum ChildEvent {
    /// A rung's decoder configuration record.
    Configuration {
        rung: usize,
        codec: RungCodec,
        record: Bytes,
    },
    /// A rung's frame.
    Frame { rung: usize, frame: EncodedFrame },
    /// The process has gone; nothing follows.
    Exited { reason: String },
}

/// One encoded picture, in the source's milliseconds.
#[derive(Clone, Debug)]
pub struct EncodedFrame {
    /// Decode timestamp.
    pub dts_ms: i64,
    /// Presentation minus decode timestamp.
    pub composition_ms: i32,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// H.264, HEVC: NAL units with lengths of four bytes. AV1: a temporal unit without its
    /// delimiter.
    pub data: Bytes,
}

/// A running ffmpeg. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Child {
    /// `None` once the input is finished.
    input: Option<mpsc::UnboundedSender<Bytes>>,
    queued_bytes: Arc<AtomicUsize>,
    events: mpsc::Receiver<ChildEvent>,
    pid: Option<u32>,
    /// Dropped with the handle: the owner task then kills the process.
    _stop: oneshot::Sender<()>,
}

impl Child {
    /// Starts the program. `stream` names it in the log.
    pub(super) fn spawn(
        program: &std::path::Path,
        spec: &EncodeSpec,
        resume_ms: Option<i64>,
        stream: &str,
    ) -> Result<Self, SpawnError> {
        let mut outputs = Vec::with_capacity(spec.rungs.len());
        let mut mappings = Vec::with_capacity(spec.rungs.len());
        for child_fd in (FIRST_OUTPUT_FD..).take(spec.rungs.len()) {
            let (reader, writer) = std::io::pipe().map_err(SpawnError::Pipe)?;
            let reader = pipe::Receiver::from_owned_fd(OwnedFd::from(reader));
            outputs.push(reader.map_err(SpawnError::Pipe)?);
            mappings.push(FdMapping {
                parent_fd: OwnedFd::from(writer),
                child_fd,
            });
        }
        let mut process = {
            // The command owns our copies of the write ends: it has to go at once, else the pipes
            // would never end.
            let mut command = Command::new(program);
            command
                .args(arguments(spec, resume_ms))
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true);
            command
                .fd_mappings(mappings)
                .map_err(|collision| SpawnError::Pipe(std::io::Error::other(collision)))?;
            command.spawn().map_err(SpawnError::Spawn)?
        };
        let pid = process.id();
        let (input, queue) = mpsc::unbounded_channel();
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let (events_in, events) = mpsc::channel(EVENTS_MAX);
        let (stop, stopped) = oneshot::channel();
        let mut workers = JoinSet::new();
        if let Some(stdin) = process.stdin.take() {
            workers.spawn(write_input(stdin, queue, Arc::clone(&queued_bytes)));
        }
        if let Some(stderr) = process.stderr.take() {
            workers.spawn(log_lines(stderr, stream.to_owned()));
        }
        let codecs = spec.rungs.iter().map(|rung| rung.encoder.codec());
        for (rung, (output, codec)) in outputs.into_iter().zip(codecs).enumerate() {
            let events = events_in.clone();
            let stream = stream.to_owned();
            workers.spawn(async move {
                if let Err(reason) = read_output(rung, codec, output, &events).await {
                    tracing::warn!(stream, rung, reason, "ffmpeg's output cannot be read");
                }
            });
        }
        tokio::spawn(own(process, stopped, workers, events_in));
        Ok(Self {
            input: Some(input),
            queued_bytes,
            events,
            pid,
            _stop: stop,
        })
    }

    /// Queues bytes for stdin. Never blocks.
    pub(super) fn feed(&self, bytes: Bytes) {
        if let Some(input) = &self.input {
            self.queued_bytes.fetch_add(bytes.len(), Ordering::Relaxed);
            // A writer that has gone means a process that has gone, which `next` reports.
            drop(input.send(bytes));
        }
    }

    /// Closes stdin once the queue is written: ffmpeg makes what it has and exits.
    pub(super) fn finish(&mut self) {
        self.input = None;
    }

    /// Bytes queued and not yet taken by the process.
    pub(super) fn queued_bytes(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }

    /// The process id, for logs and tests.
    pub(super) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The next event; cancel-safe. After `Exited` there is none.
    pub(super) async fn next(&mut self) -> Option<ChildEvent> {
        self.events.recv().await
    }
}

/// Owns the process until it exits or the handle is dropped.
async fn own(
    mut process: Process,
    stopped: oneshot::Receiver<()>,
    mut workers: JoinSet<()>,
    events: mpsc::Sender<ChildEvent>,
) {
    let status = tokio::select! {
        status = process.wait() => status,
        _ = stopped => {
            drop(process.kill().await);
            return;
        }
    };
    // What it wrote before it died is good: let the readers take it.
    let drained = async { while workers.join_next().await.is_some() {} };
    drop(tokio::time::timeout(OUTPUT_GRACE, drained).await);
    let reason = status.map_or_else(|error| error.to_string(), |status| describe(&status));
    drop(events.send(ChildEvent::Exited { reason }).await);
}

fn describe(status: &ExitStatus) -> String {
    status.to_string()
}

async fn write_input(
    mut stdin: ChildStdin,
    mut queue: mpsc::UnboundedReceiver<Bytes>,
    queued_bytes: Arc<AtomicUsize>,
) {
    while let Some(bytes) = queue.recv().await {
        let written = stdin.write_all(&bytes).await;
        queued_bytes.fetch_sub(bytes.len(), Ordering::Relaxed);
        if written.is_err() {
            return;
        }
    }
}

async fn read_output(
    rung: usize,
    codec: RungCodec,
    mut pipe: pipe::Receiver,
    events: &mpsc::Sender<ChildEvent>,
) -> Result<(), String> {
    let mut reader = OutputReader::new(codec);
    let mut buffer = BytesMut::with_capacity(READ_BYTES);
    loop {
        buffer.reserve(READ_BYTES);
        let read = pipe.read_buf(&mut buffer).await;
        if read.map_err(|error| error.to_string())? == 0 {
            return Ok(());
        }
        reader.push(&buffer);
        buffer.clear();
        while let Some(output) = reader.poll().map_err(|error| error.to_string())? {
            let event = match output {
                Output::Configuration(record) => ChildEvent::Configuration {
                    rung,
                    codec,
                    record,
                },
                Output::Frame(frame) => ChildEvent::Frame { rung, frame },
            };
            if events.send(event).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// Reads to the end whatever it is, so that ffmpeg never blocks on its complaints.
async fn log_lines(mut stderr: ChildStderr, stream: String) {
    let mut lines = LineSplitter::default();
    let mut buffer = [0; 4096];
    let mut logged = 0_usize;
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        for line in lines.push(buffer.get(..read).unwrap_or_default()) {
            if line.contains(HARMLESS) {
                tracing::debug!(stream, line, "ffmpeg");
                continue;
            }
            logged += 1;
            if logged <= LOG_LINES_MAX {
                tracing::warn!(stream, line, "ffmpeg");
            }
        }
    }
    if logged > LOG_LINES_MAX {
        let suppressed = logged - LOG_LINES_MAX;
        tracing::warn!(stream, suppressed, "ffmpeg said more than is logged");
    }
}
