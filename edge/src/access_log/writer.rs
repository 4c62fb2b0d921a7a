//! The thread that writes lines, and the queue to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Counts, Output};

/// Lines are gathered up to so many bytes, and written when the queue is empty or that is reached.
const GATHER_BYTES_MAX: usize = 64 << 10;
/// Between two looks at whether a file was moved away, as logrotate does.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Whoever wants all to be written finds a full queue, and asks again after so long.
const ASK_AGAIN: Duration = Duration::from_millis(5);

#[derive(Debug)]
enum Message {
    /// A line, with its end.
    Line(String),
    /// Answered when all before it is written.
    Flush(oneshot::Sender<()>),
}

/// The queue's near end.
#[derive(Debug)]
pub(super) struct Writer {
    queue: SyncSender<Message>,
    counts: Counts,
}

impl Writer {
    pub(super) fn start(output: &Output, queue_max: usize, counts: Counts) -> io::Result<Self> {
        let sink = match output {
            Output::Stdout => Sink::Stdout,
            Output::File(path) => Sink::open(path.clone())?,
        };
        let (queue, lines) = sync_channel(queue_max);
        let mut task = Task {
            sink,
            gathered: Vec::new(),
            count: 0,
            counts: counts.clone(),
        };
        thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || task.run(&lines))?;
        Ok(Self { queue, counts })
    }

    /// Never waits.
    pub(super) fn write(&self, line: String) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.queue.try_send(Message::Line(line))
        {
            self.counts.dropped.with_label_values(&["queue"]).inc();
        }
    }

    pub(super) async fn flush(&self, within: Duration) -> bool {
        let (done, is_done) = oneshot::channel();
        let flush = async {
            let mut message = Message::Flush(done);
            // A full queue empties, or the output hangs: then the deadline ends it.
            while let Err(error) = self.queue.try_send(message) {
                let TrySendError::Full(again) = error else {
                    return false;
                };
                message = again;
                tokio::time::sleep(ASK_AGAIN).await;
            }
            is_done.await.is_ok()
        };
        tokio::time::timeout(within, flush).await.unwrap_or(false)
    }
}

/// The thread's own.
struct Task {
    sink: Sink,
    gathered: Vec<u8>,
    /// Lines in it.
    count: u64,
    counts: Counts,
}

impl Task {
    /// Ends when the near end is gone.
    fn run(&mut self, lines: &Receiver<Message>) {
        loop {
            let message = match lines.try_recv() {
                Ok(message) => message,
                Err(_) => {
                    self.write();
                    match lines.recv_timeout(LOOK_EVERY) {
                        Ok(message) => message,
                        Err(RecvTimeoutError::Timeout) => continue,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            };
            match message {
                Message::Line(line) => {
                    self.gathered.extend_from_slice(line.as_bytes());
                    self.count += 1;
                    if self.gathered.len() >= GATHER_BYTES_MAX {
                        self.write();
                    }
                }
                Message::Flush(done) => {
                    self.write();
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
            }
        }
    }

    fn write(&mut self) {
        if self.count == 0 {
            return;
        }
        match self.sink.write(&self.gathered) {
            Ok(()) => self.counts.written.inc_by(self.count),
            Err(error) => {
                // Once per failed write, of up to 64 KiB of lines.
                tracing::warn!(%error, lines = self.count, "the access log cannot be written");
                let dropped = self.counts.dropped.with_label_values(&["write"]);
                dropped.inc_by(self.count);
            }
        }
        self.gathered.clear();
        self.count = 0;
    }
}

/// What is written to.
enum Sink {
    File {
        path: PathBuf,
        file: File,
        looked: Instant,
    },
    Stdout,
}

impl Sink {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = append_to(&path)?;
        Ok(Self::File {
            path,
            file,
            looked: Instant::now(),
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Self::File { path, file, looked } => {
                if looked.elapsed() >= LOOK_EVERY {
                    if !is_at(file, path) {
                        *file = append_to(path)?;
                    }
                    *looked = Instant::now();
                }
                file.write_all(bytes)
            }
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Whether `path` still is this file.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), path.metadata()) else {
        return false;
    };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}
