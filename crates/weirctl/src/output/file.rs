//! Where exports go: stdout, or a file that is there only when it is whole.

use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::{bytes, count};
use crate::args::Saving;
use crate::failure::Failure;

/// How often a terminal is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Takes an export.
pub(crate) struct Sink {
    to: To,
    lines: u64,
    bytes: u64,
    /// The last line has ended.
    ended: bool,
    /// When a terminal was told last; none where nobody looks on.
    told: Option<Instant>,
}

enum To {
    Stdout,
    File {
        file: Box<BufWriter<NamedTempFile>>,
        path: PathBuf,
        force: bool,
    },
}

impl Sink {
    /// Where `saving` says. Refuses at once what would be refused at the end.
    ///
    /// # Errors
    /// The file is there already, or cannot be made.
    pub(crate) fn new(saving: &Saving) -> Result<Self, Failure> {
        let Some(path) = &saving.to else {
            return Ok(Self::of(To::Stdout, None));
        };
        if !saving.force && path.symlink_metadata().is_ok() {
            return Err(there_already(path));
        }
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
        let directory = directory.unwrap_or_else(|| Path::new("."));
        // For its owner alone: what is in it is nobody else's business.
        let file = NamedTempFile::new_in(directory);
        let file = file.map_err(|error| named(path, &error))?;
        let to = To::File {
            file: Box::new(BufWriter::new(file)),
            path: path.clone(),
            force: saving.force,
        };
        let looked_on = std::io::stderr().is_terminal();
        Ok(Self::of(to, looked_on.then(Instant::now)))
    }

    fn of(to: To, told: Option<Instant>) -> Self {
        Self {
            to,
            lines: 0,
            bytes: 0,
            ended: true,
            told,
        }
    }

    /// Writes what came.
    ///
    /// # Errors
    /// The disk is full, or nobody reads stdout.
    pub(crate) fn write(&mut self, chunk: &[u8]) -> Result<(), Failure> {
        match &mut self.to {
            // `... | head` ends the pipe: that is no failure worth a message.
            To::Stdout => std::io::stdout()
                .lock()
                .write_all(chunk)
                .map_err(|_| Failure::Shown)?,
            To::File { file, path, .. } => {
                let written = file.write_all(chunk);
                written.map_err(|error| named(path, &error))?;
            }
        }
        self.ended = chunk.last().map_or(self.ended, |last| *last == b'\n');
        self.bytes += chunk.len() as u64;
        self.lines += chunk.iter().filter(|byte| **byte == b'\n').count() as u64;
        if self.told.is_some_and(|told| told.elapsed() >= TELL_EVERY) {
            self.tell("\r", "");
            self.told = Some(Instant::now());
        }
        Ok(())
    }

    /// Ends the last line, if whoever wrote it did not.
    ///
    /// # Errors
    /// As [`Sink::write`].
    pub(crate) fn end_line(&mut self) -> Result<(), Failure> {
        if self.ended {
            return Ok(());
        }
        self.write(b"\n")
    }

    /// It is whole: the file gets its name.
    ///
    /// # Errors
    /// As [`Sink::write`]; or somebody made the file meanwhile.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        if self.told.is_some() {
            self.tell("\r", "\n");
        }
        let To::File { file, path, force } = self.to else {
            return std::io::stdout().flush().map_err(|_| Failure::Shown);
        };
        let file = file.into_inner();
        let file = file.map_err(|error| named(&path, error.error()))?;
        file.as_file()
            .sync_all()
            .map_err(|error| named(&path, &error))?;
        let kept = if force {
            file.persist(&path)
        } else {
            file.persist_noclobber(&path)
        };
        match kept {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(there_already(&path))
            }
            Err(error) => Err(named(&path, &error.error)),
        }
    }

    /// Not stdout.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.to, To::File { .. })
    }

    /// How much it is: lines and bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.lines, self.bytes)
    }

    fn tell(&self, before: &str, after: &str) {
        let (lines, size) = (count(self.lines), bytes(self.bytes));
        let mut stderr = std::io::stderr();
        drop(write!(stderr, "{before}{lines} lines, {size}{after}"));
        drop(stderr.flush());
    }
}

fn there_already(path: &Path) -> Failure {
    Failure::failed(format!(
        "{} is there already; --force overwrites it",
        path.display()
    ))
}

fn named(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saving(path: &Path, force: bool) -> Saving {
        Saving {
            to: Some(path.to_owned()),
            force,
        }
    }

    fn export(path: &Path, force: bool, text: &str) -> Result<(), Failure> {
        let mut sink = Sink::new(&saving(path, force))?;
        sink.write(text.as_bytes())?;
        sink.finish()
    }

    #[test]
    fn a_file_is_there_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let mut sink = Sink::new(&saving(&path, false)).unwrap();
        sink.write(b"one\ntwo\n").unwrap();
        sink.end_line().unwrap();
        assert_eq!(sink.size(), (2, 8));
        assert!(!path.exists());
        drop(sink);
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 0, "one that is given up leaves nothing");

        export(&path, false, "first").unwrap();
        let failure = export(&path, false, "second").unwrap_err();
        assert!(failure.line().unwrap().contains("--force"), "{failure:?}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
        export(&path, true, "second").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
    }

    #[test]
    fn one_that_somebody_made_meanwhile_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        let sink = Sink::new(&saving(&path, false)).unwrap();
        std::fs::write(&path, "theirs").unwrap();
        assert!(sink.finish().is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs");
        let nowhere = directory.path().join("no/where");
        assert!(Sink::new(&saving(&nowhere, false)).is_err());
    }
}
