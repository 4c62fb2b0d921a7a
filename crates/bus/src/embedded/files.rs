//! Values as files of a directory.
//!
//! A value is written to a file of another name, made durable, renamed, and the directory made
//! durable: at each moment there is the old value or the new one under a room's name.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use crate::lanes::Lanes;
use crate::name::RoomName;
use crate::store::StoreError;

/// End of a value's file name. Names of rooms have no dot.
const SUFFIX: &str = ".room";
/// Beginning of the name of a file that is being written.
const UNFINISHED: &str = ".unfinished-";
/// Of one operation, the wait for its turn included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The directory.
#[derive(Clone, Debug)]
pub(crate) struct Files(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    value_bytes_max: usize,
    /// A change that was given up by its caller keeps its turn until it is done.
    lanes: Lanes,
}

impl Files {
    /// Makes the directory, and removes what a crash left unfinished.
    pub(super) fn open(directory: &Path, value_bytes_max: usize) -> Result<Self, StoreError> {
        let failed = |error| failed("open", directory, error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed)?;
        for entry in directory.read_dir().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                // What stays is in nobody's way.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(Self(Arc::new(Shared {
            directory: directory.to_owned(),
            value_bytes_max,
            lanes: Lanes::default(),
        })))
    }

    pub(crate) async fn load(&self, room: &RoomName) -> Result<Option<Bytes>, StoreError> {
        let (path, max) = (self.0.path(room), self.0.value_bytes_max);
        run(None, move || read(&path, max)).await
    }

    pub(crate) async fn save(&self, room: &RoomName, value: Bytes) -> Result<(), StoreError> {
        let max = self.0.value_bytes_max;
        if value.len() > max {
            let bytes = u64::try_from(value.len()).unwrap_or(u64::MAX);
            return Err(StoreError::TooLarge { bytes, max });
        }
        let (path, shared) = (self.0.path(room), Arc::clone(&self.0));
        run(Some((&self.0.lanes, room)), move || {
            replace(&shared.directory, &path, &value).map_err(|e| failed("write", &path, e))
        })
        .await
    }

    pub(crate) async fn remove(&self, room: &RoomName) -> Result<(), StoreError> {
        let (path, shared) = (self.0.path(room), Arc::clone(&self.0));
        run(Some((&self.0.lanes, room)), move || {
            let removed = match std::fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => Err(error),
                Ok(()) => sync(&shared.directory),
            };
            removed.map_err(|error| failed("remove", &path, error))
        })
        .await
    }

    pub(crate) async fn list(&self) -> Result<Vec<RoomName>, StoreError> {
        let shared = Arc::clone(&self.0);
        run(None, move || {
            let list = names(&shared.directory);
            list.map_err(|error| failed("list", &shared.directory, error))
        })
        .await
    }
}

impl Shared {
    fn path(&self, room: &RoomName) -> PathBuf {
        self.directory.join(format!("{room}{SUFFIX}"))
    }
}

/// Does work on files, away from the threads that must not block, when it is its turn.
async fn run<T: Send + 'static>(
    lane: Option<(&Lanes, &RoomName)>,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = async {
        let turn = match lane {
            Some((lanes, room)) => lanes.turn(room).await,
            None => None,
        };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.unwrap_or_else(|error| {
            Err(StoreError::Io {
                what: "work on files".to_owned(),
                error: error.into(),
            })
        })
    };
    timeout(TIMEOUT, done)
        .await
        .unwrap_or(Err(StoreError::Timeout))
}

fn read(path: &Path, max: usize) -> Result<Option<Bytes>, StoreError> {
    let failed = |error| failed("read", path, error);
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let bytes = file.metadata().map_err(failed)?.len();
    let limit = u64::try_from(max).unwrap_or(u64::MAX);
    if bytes > limit {
        return Err(StoreError::TooLarge { bytes, max });
    }
    let mut value = Vec::new();
    file.take(limit).read_to_end(&mut value).map_err(failed)?;
    Ok(Some(value.into()))
}

fn replace(directory: &Path, path: &Path, value: &[u8]) -> io::Result<()> {
    // Mode 0600; removed if anything fails.
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(directory)?;
    file.write_all(value)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync(directory)
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn names(directory: &Path) -> io::Result<Vec<RoomName>> {
    let mut rooms = Vec::new();
    for entry in directory.read_dir()? {
        let name = entry?.file_name();
        let room = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        rooms.extend(room.and_then(|room| RoomName::new(room).ok()));
    }
    rooms.sort();
    Ok(rooms)
}

fn failed(what: &str, path: &Path, error: io::Error) -> StoreError {
    StoreError::Io {
        what: format!("{what} {}", path.display()),
        error,
    }
}
