//! A log of what people did with more power than others: one JSON object a line, bounded.
//!
//! What a line says is its owner's business. Nothing here reads one for its meaning.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes of one file; there are two, and the older one goes.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// The log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the log {path}: {source}")]
pub struct AuditError {
    path: PathBuf,
    source: io::Error,
}

/// The log. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    inner: Arc<Mutex<Files>>,
}

#[derive(Debug)]
struct Files {
    now: PathBuf,
    before: PathBuf,
    file: File,
    bytes: u64,
}

impl Audit {
    /// Opens `stem`.jsonl.
    pub(crate) async fn open(stem: &Path) -> Result<Self, AuditError> {
        let now = stem.with_extension("jsonl");
        let before = stem.with_extension("1.jsonl");
        let opened = run({
            let now = now.clone();
            move || open(&now)
        });
        let (file, bytes) = opened.await.map_err(|source| AuditError {
            path: now.clone(),
            source,
        })?;
        Ok(Self {
            inner: Arc::new(Mutex::new(Files {
                now,
                before,
                file,
                bytes,
            })),
        })
    }

    /// Writes lines, in order. Whether they are there; if not, the log of the process has them.
    pub(crate) async fn append<L: Serialize>(&self, lines: &[L]) -> bool {
        let mut text = Vec::new();
        for line in lines {
            if serde_json::to_writer(&mut text, line).is_ok() {
                text.push(b'\n');
            }
        }
        let text = Arc::new(text);
        let (inner, kept) = (Arc::clone(&self.inner), Arc::clone(&text));
        let written = run(move || inner.lock().append(&kept)).await;
        if let Err(error) = &written {
            for line in String::from_utf8_lossy(&text).lines() {
                tracing::error!(%error, line, "an act is not in its log");
            }
        }
        written.is_ok()
    }

    /// The last `limit` lines that are meant, oldest first.
    pub(crate) async fn last<L: DeserializeOwned + Send + 'static>(
        &self,
        limit: usize,
        is_meant: impl Fn(&L) -> bool + Send + 'static,
    ) -> io::Result<Vec<L>> {
        let paths = {
            let files = self.inner.lock();
            [files.before.clone(), files.now.clone()]
        };
        run(move || {
            let mut found = VecDeque::new();
            for path in paths {
                let file = match File::open(path) {
                    Ok(file) => file,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
                for line in BufReader::new(file).lines() {
                    // A line that a crash or a full disk cut off is left out.
                    let Ok(line) = serde_json::from_str::<L>(&line?) else {
                        continue;
                    };
                    if is_meant(&line) {
                        found.push_back(line);
                    }
                    if found.len() > limit {
                        found.pop_front();
                    }
                }
            }
            Ok(found.into())
        })
        .await
    }
}

impl Files {
    fn append(&mut self, text: &[u8]) -> io::Result<()> {
        if self.bytes + text.len() as u64 > FILE_BYTES_MAX && self.bytes > 0 {
            match std::fs::rename(&self.now, &self.before) {
                Ok(()) => {}
                // It was moved before, and a new one could not be opened.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            (self.file, self.bytes) = open(&self.now)?;
        }
        let written = self.file.write_all(text);
        if written.is_err() {
            // Half a line would spoil the one after it.
            drop(self.file.set_len(self.bytes));
            return written;
        }
        self.bytes += text.len() as u64;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

async fn run<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        who: String,
        at: u64,
    }

    fn line(who: &str, at: u64) -> Line {
        Line {
            who: who.to_owned(),
            at,
        }
    }

    #[tokio::test]
    async fn the_last_lines_that_are_meant() {
        let dir = tempfile::tempdir().unwrap();
        let stem = dir.path().join("audit");
        let audit = Audit::open(&stem).await.unwrap();
        let lines: Vec<Line> = (0..5).map(|at| line("a", at)).collect();
        assert!(audit.append(&lines).await);
        assert!(audit.append(&[line("b", 9)]).await);
        // Cut off by a crash.
        let mut file = OpenOptions::new()
            .append(true)
            .open(stem.with_extension("jsonl"))
            .unwrap();
        file.write_all(b"{\"at\":1,\n").unwrap();
        let audit = Audit::open(&stem).await.unwrap();
        let last = audit.last(2, |line: &Line| line.who == "a").await.unwrap();
        assert_eq!(last, [line("a", 3), line("a", 4)]);
        assert_eq!(audit.last(100, |_: &Line| true).await.unwrap().len(), 6);
    }
}
