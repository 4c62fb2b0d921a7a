//! Saves, as the author's editor makes them: several events each, of which one round is made.

use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::author::project::Project;
use crate::failure::Failure;

/// After the last event of a save. Editors write, rename and change modes within a few
/// milliseconds.
const QUIET: Duration = Duration::from_millis(30);
/// Events that wait while a round goes on; more say nothing new.
const EVENTS_MAX: usize = 16;

/// Watches a project.
pub(super) struct Changes {
    events: mpsc::Receiver<()>,
    /// Ends the watching when it is dropped.
    _watcher: RecommendedWatcher,
}

impl Changes {
    /// Begins to watch.
    ///
    /// # Errors
    /// The system has no more watches, or the folder is gone.
    pub(super) fn watch(project: &Project) -> Result<Self, Failure> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let watched = project.clone();
        let handler = move |event: notify::Result<Event>| {
            // What cannot be told is taken for a change: one build too many is the lesser harm.
            if event.map_or(true, |event| concerns(&watched, &event)) {
                // Full: a round is due already.
                let _ = sender.try_send(());
            }
        };
        let named = |error| Failure::failed(format!("{}: {error}", project.dir.display()));
        let mut watcher = notify::recommended_watcher(handler).map_err(named)?;
        // Not all at once: below target/ and .tools/ lie thousands of folders.
        watcher
            .watch(&project.dir, RecursiveMode::NonRecursive)
            .map_err(named)?;
        let entries = std::fs::read_dir(&project.dir);
        let entries = entries.map_err(|error| named(notify::Error::io(error)))?;
        for folder in entries.flatten().map(|entry| entry.path()) {
            if folder.is_dir() && project.concerns(&folder) {
                watcher
                    .watch(&folder, RecursiveMode::Recursive)
                    .map_err(named)?;
            }
        }
        Ok(Self {
            events,
            _watcher: watcher,
        })
    }

    /// Waits for a save, to its end.
    ///
    /// # Errors
    /// The watching has ended.
    pub(super) async fn next(&mut self) -> Result<(), Failure> {
        let ended = || Failure::failed("the project cannot be watched any more");
        self.events.recv().await.ok_or_else(ended)?;
        loop {
            match tokio::time::timeout(QUIET, self.events.recv()).await {
                Ok(Some(())) => {}
                Ok(None) => return Err(ended()),
                Err(_) => return Ok(()),
            }
        }
    }
}

fn concerns(project: &Project, event: &Event) -> bool {
    let changes = matches!(
        event.kind,
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Any
    );
    changes && event.paths.iter().any(|path| project.concerns(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Language;

    fn project(directory: &tempfile::TempDir) -> Project {
        let dir = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(dir.join("src")).unwrap();
        std::fs::create_dir_all(dir.join("target")).unwrap();
        Project {
            dir,
            language: Language::Rust,
        }
    }

    #[tokio::test]
    async fn a_save_is_noticed_however_the_editor_makes_it() {
        let directory = tempfile::tempdir().unwrap();
        let project = project(&directory);
        let mut changes = Changes::watch(&project).unwrap();
        let source = project.dir.join("src/lib.rs");
        std::fs::write(project.dir.join("src/.lib.rs.swp"), "new").unwrap();
        std::fs::rename(project.dir.join("src/.lib.rs.swp"), &source).unwrap();
        changes.next().await.unwrap();
        std::fs::write(&source, "newer").unwrap();
        changes.next().await.unwrap();
        std::fs::write(project.dir.join("filter.toml"), "newer").unwrap();
        changes.next().await.unwrap();
    }

    #[test]
    fn reading_and_building_are_no_changes() {
        use notify::event::{AccessKind, CreateKind, ModifyKind};
        let directory = tempfile::tempdir().unwrap();
        let project = project(&directory);
        let event = |kind, path: &str| Event::new(kind).add_path(project.dir.join(path));
        let modify = EventKind::Modify(ModifyKind::Any);
        assert!(concerns(&project, &event(modify, "src/lib.rs")));
        assert!(!concerns(&project, &event(modify, "target/x.wasm")));
        let access = EventKind::Access(AccessKind::Any);
        assert!(!concerns(&project, &event(access, "src/lib.rs")));
        let create = EventKind::Create(CreateKind::File);
        assert!(concerns(&project, &event(create, "cases/b.json")));
    }
}
