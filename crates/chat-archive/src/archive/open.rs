//! Opening an archive: what a crash left is put in order, and what was changed is found.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Mutex, RwLock};

use super::{Archive, Options, Shared, Stats, Swept, rooms_directory};
use crate::disk;
use crate::error::{Error, SegmentId};
use crate::keys::KeyFile;
use crate::room::{Common, Found, Room};
use crate::segment::check_room;
use crate::state::State;

/// File that one process holds.
const LOCK: &str = "lock";

/// How an archive was found.
#[derive(Debug)]
pub struct OpenReport {
    /// What is in it, after the sweep.
    pub stats: Stats,
    /// Segments without an end: a crash, or somebody has cut them off.
    pub recovered: Vec<Recovered>,
    /// Segments that cannot be trusted or read, and why. They are left alone: reading them gives
    /// the error, erasures are unfinished as long as they are there, and they go when their time is
    /// over, or an operator removes them.
    pub damaged: Vec<(SegmentId, Error)>,
    /// There are segments and no state: who was erased is not known, which matters for what comes
    /// out of a backup.
    pub is_state_missing: bool,
    /// The first sweep.
    pub swept: Swept,
}

/// A segment that had no end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Which.
    pub segment: SegmentId,
    /// Bytes of a record that was not whole; they are gone.
    pub torn_bytes: u64,
}

impl Archive {
    /// Opens a directory, makes it if it is not there, and sweeps.
    ///
    /// # Errors
    /// It cannot be used at all: another process has it, or its state is damaged or under a key
    /// that is not there. Damaged segments are reported.
    pub fn open(
        directory: &Path,
        keys: KeyFile,
        options: Options,
        now_ms: u64,
    ) -> Result<(Self, OpenReport), Error> {
        options.check()?;
        let rooms = rooms_directory(directory);
        disk::make_directory(&rooms)?;
        let lock = lock(directory)?;
        disk::remove_unfinished(directory)?;
        let known = State::load(directory, &keys)?;
        let is_new = known.is_none();
        let state = known.map_or_else(State::new, Ok)?;
        let erased = RwLock::new(Arc::new(state.tombstones.clone()));
        let common = Arc::new(Common {
            keys,
            options,
            erased,
        });
        let mut report = OpenReport {
            stats: Stats::default(),
            recovered: Vec::new(),
            damaged: Vec::new(),
            is_state_missing: false,
            swept: Swept::default(),
        };
        let rooms = open_rooms(&rooms, &common, &state, &mut report)?;
        report.is_state_missing = is_new && !rooms.is_empty();
        let archive = Self(Arc::new(Shared {
            directory: directory.to_owned(),
            common,
            rooms: RwLock::new(rooms),
            state: Mutex::new(state),
            appended: AtomicU64::new(0),
            _lock: lock,
        }));
        if is_new {
            archive.change_state(|_| ())?;
        }
        report.swept = archive.sweep(now_ms);
        report.stats = archive.stats();
        Ok((archive, report))
    }
}

fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse {
            path: directory.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", &path)(error)),
    }
}

fn open_rooms(
    directory: &Path,
    common: &Arc<Common>,
    state: &State,
    report: &mut OpenReport,
) -> Result<BTreeMap<String, Arc<Room>>, Error> {
    let mut rooms = BTreeMap::new();
    let failed = || Error::io("list", directory);
    for entry in directory.read_dir().map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| check_room(name).is_ok()) else {
            continue;
        };
        if entry.file_type().map_err(failed())?.is_dir() {
            let settled = state.settled.get(name).copied().unwrap_or_default();
            let room = open_room(name, &entry.path(), common, settled, report)?;
            rooms.insert(name.to_owned(), Arc::new(room));
        }
    }
    Ok(rooms)
}

fn open_room(
    name: &str,
    directory: &Path,
    common: &Arc<Common>,
    settled: u64,
    report: &mut OpenReport,
) -> Result<Room, Error> {
    disk::remove_unfinished(directory)?;
    let room = Room::new(
        name.to_owned(),
        directory.to_owned(),
        Arc::clone(common),
        settled,
    );
    let failed = || Error::io("list", directory);
    for entry in directory.read_dir().map_err(failed())? {
        let file_name = entry.map_err(failed())?.file_name();
        let Some(segment) = file_name.to_str().and_then(|it| SegmentId::parse(name, it)) else {
            continue;
        };
        match room.adopt(&segment, settled)? {
            Found::Sound => {}
            Found::Cut { torn_bytes } => report.recovered.push(Recovered {
                segment,
                torn_bytes,
            }),
            Found::Damaged(error) => report.damaged.push((segment, error)),
        }
    }
    Ok(room)
}
