//! The log of what moderators and filters did: one JSON object a line, bounded.
//!
//! It names people by their ids alone: neither names nor addresses, nor what was said.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bus::RoomName;
use parking_lot::Mutex;
use rooms::schema::{Act, Moderation, Review};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of one file; there are two, and the older one goes.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// The log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the log of rooms, {path}: {source}")]
pub struct AuditError {
    path: PathBuf,
    source: io::Error,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at_ms: u64,
    pub(super) room: String,
    /// Of its event; none for what has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    /// User id; "filter" is a filter by itself.
    pub(super) actor: String,
    pub(super) act: Value,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
}

impl Line {
    pub(super) fn acted(room: &RoomName, seq: u64, at_ms: u64, moderation: Moderation) -> Self {
        let Moderation { actor, reason, act } = moderation;
        // What was pinned is somebody's words; its id says which.
        let act = match act {
            Act::Pin { id, .. } => Act::Pin { id, message: None },
            act => act,
        };
        Self {
            at_ms,
            room: room.as_str().to_owned(),
            seq: Some(seq),
            actor,
            act: serde_json::to_value(act).unwrap_or_default(),
            reason,
        }
    }

    /// An operator gave somebody an identity.
    pub(super) fn given(
        room: &RoomName,
        at_ms: u64,
        user: &str,
        roles: &[String],
        seconds: u64,
    ) -> Self {
        Self {
            at_ms,
            room: room.as_str().to_owned(),
            seq: None,
            actor: super::OPERATOR.to_owned(),
            act: serde_json::json!({
                "type": "token",
                "user": user,
                "roles": roles,
                "seconds": seconds,
            }),
            reason: String::new(),
        }
    }

    pub(super) fn reviewed(room: &RoomName, seq: u64, at_ms: u64, review: &Review) -> Self {
        Self {
            at_ms,
            room: room.as_str().to_owned(),
            seq: Some(seq),
            actor: if review.by.is_empty() {
                "filter".to_owned()
            } else {
                review.by.clone()
            },
            act: serde_json::json!({
                "type": "review",
                "kind": review.kind,
                "id": review.id,
                "author": review.message.author.id,
            }),
            reason: review.reason.clone(),
        }
    }

    pub(super) fn said(
        room: &RoomName,
        at_ms: u64,
        edge: String,
        actor: String,
        text: String,
    ) -> Self {
        // The chat filter's are JSON, another one's may be anything.
        let said = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self {
            at_ms,
            room: room.as_str().to_owned(),
            seq: None,
            actor: if actor.is_empty() {
                "filter".to_owned()
            } else {
                actor
            },
            act: serde_json::json!({ "type": "filter", "edge": edge, "said": said }),
            reason: String::new(),
        }
    }
}

/// The log.
#[derive(Clone, Debug)]
pub(super) struct Audit {
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
    pub(super) async fn open(stem: &Path) -> Result<Self, AuditError> {
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
    pub(super) async fn append(&self, lines: Vec<Line>) -> bool {
        let mut text = Vec::new();
        for line in &lines {
            if serde_json::to_writer(&mut text, line).is_ok() {
                text.push(b'\n');
            }
        }
        let inner = Arc::clone(&self.inner);
        let written = run(move || inner.lock().append(&text)).await;
        if let Err(error) = &written {
            for line in &lines {
                let act = line.act.to_string();
                let (room, actor) = (&line.room, &line.actor);
                tracing::error!(%error, room, actor, act, "an act is not in the log of rooms");
            }
        }
        written.is_ok()
    }

    /// The last `limit` lines of a room, or of all, oldest first.
    pub(super) async fn last(&self, room: Option<String>, limit: usize) -> io::Result<Vec<Line>> {
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
                    let Ok(line) = serde_json::from_str::<Line>(&line?) else {
                        continue;
                    };
                    if room.as_ref().is_none_or(|room| *room == line.room) {
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
    use super::*;

    fn line(room: &str, at_ms: u64) -> Line {
        Line {
            at_ms,
            room: room.to_owned(),
            seq: Some(at_ms),
            actor: "ann".to_owned(),
            act: serde_json::json!({ "type": "clear" }),
            reason: String::new(),
        }
    }

    #[tokio::test]
    async fn the_last_lines_of_a_room() {
        let dir = tempfile::tempdir().unwrap();
        let stem = dir.path().join("audit");
        let audit = Audit::open(&stem).await.unwrap();
        assert!(audit.append((0..5).map(|at| line("a", at)).collect()).await);
        assert!(audit.append(vec![line("b", 9)]).await);
        // Cut off by a crash.
        let mut file = OpenOptions::new()
            .append(true)
            .open(stem.with_extension("jsonl"))
            .unwrap();
        file.write_all(b"{\"at_ms\":1,\n").unwrap();
        let audit = Audit::open(&stem).await.unwrap();
        let last = audit.last(Some("a".to_owned()), 2).await.unwrap();
        assert_eq!(last, [line("a", 3), line("a", 4)]);
        assert_eq!(audit.last(None, 100).await.unwrap().len(), 6);
    }

    #[test]
    fn what_was_pinned_is_not_logged() {
        let room = RoomName::new("a").unwrap();
        let message = rooms::schema::Message {
            text: "a secret".to_owned(),
            ..Default::default()
        };
        let moderation = Moderation {
            actor: "ann".to_owned(),
            reason: String::new(),
            act: Act::Pin {
                id: "m1".to_owned(),
                message: Some(message),
            },
        };
        let line = Line::acted(&room, 1, 2, moderation);
        let text = serde_json::to_string(&line).unwrap();
        assert!(text.contains("m1") && !text.contains("secret"), "{text}");
    }
}
