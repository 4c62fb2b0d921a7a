//! Machine code on disk.
//!
//! Whoever can write to a file of machine code can run anything as this user. So each file carries a
//! MAC, over its name too, by a key that lies in the same directory and that only this user can
//! read: a file that was cut, altered, renamed or brought from elsewhere is never loaded. It does not
//! protect from somebody who is this user already, or root.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use tempfile::NamedTempFile;

use super::code::Code;

const KEY_FILE: &str = "key";
const KEY_BYTES: usize = 32;
const CODE_SUFFIX: &str = ".cwasm";
const NEW_PREFIX: &str = ".new-";

/// What a file begins with; after it come the MAC and the code.
const MAGIC: [u8; 16] = *b"weir-code-cache1";
const MAC_BYTES: usize = 32;

/// A file that was being written so long ago is not being written any more.
const LEFT_OVER: Duration = Duration::from_secs(3600);

/// A directory of machine code.
#[derive(Debug)]
pub(super) struct Cache {
    dir: PathBuf,
    key: hmac::Key,
    bytes_max: u64,
}

/// What is in the cache under a name.
pub(super) enum Found {
    Code(Code),
    Absent,
    /// Something that is not as it was written; the file is gone now.
    Damaged(&'static str),
}

impl Cache {
    /// Opens a directory that nobody else can look into, and makes it where there is none.
    pub(super) fn open(dir: &Path, bytes_max: u64) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let metadata = fs::metadata(dir)?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user {
            return Err(io::Error::other(format!(
                "belongs to user {}, but this is user {user}: machine code from there would be trusted",
                metadata.uid()
            )));
        }
        if metadata.mode() & 0o077 != 0 {
            fs::set_permissions(dir, Permissions::from_mode(0o700))?;
        }
        let cache = Self {
            dir: dir.to_owned(),
            key: open_key(dir)?,
            bytes_max,
        };
        cache.remove_left_over()?;
        Ok(cache)
    }

    pub(super) fn find(&self, name: &str) -> Found {
        let path = self.dir.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Absent,
            Err(_) => return Found::Damaged("it cannot be read"),
        };
        match self.verified(name, bytes) {
            Some(code) => {
                // The time of the last use, for `shrink`. Without it the file only goes sooner.
                let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Found::Code(code)
            }
            None => {
                // If it cannot be removed it is found damaged again, and never used.
                let _ = fs::remove_file(&path);
                Found::Damaged("its MAC is not right")
            }
        }
    }

    /// Writes code so that it is there whole or not at all.
    pub(super) fn keep(&self, name: &str, code: &Code) -> io::Result<()> {
        let code = code.as_bytes();
        if code.len() as u64 > self.bytes_max {
            return Err(io::Error::other(format!(
                "{} bytes are more than the whole cache may have ({})",
                code.len(),
                self.bytes_max
            )));
        }
        let mut file = tempfile::Builder::new()
            .prefix(NEW_PREFIX)
            .tempfile_in(&self.dir)?;
        file.write_all(&MAGIC)?;
        file.write_all(hmac::sign(&self.key_for(name), code).as_ref())?;
        file.write_all(code)?;
        sync(&file)?;
        file.persist(self.dir.join(name))
            .map_err(|error| error.error)?;
        sync_dir(&self.dir)?;
        self.shrink()
    }

    /// The key for one name: the code of one component is not taken for another's.
    fn key_for(&self, name: &str) -> hmac::Key {
        let key = hmac::sign(&self.key, name.as_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
    }

    fn verified(&self, name: &str, mut bytes: Vec<u8>) -> Option<Code> {
        let (mac, code) = bytes.strip_prefix(&MAGIC)?.split_at_checked(MAC_BYTES)?;
        hmac::verify(&self.key_for(name), code, mac).ok()?;
        Some(Code::of_cache(bytes.split_off(MAGIC.len() + MAC_BYTES)))
    }

    /// Removes the least recently used files until the rest fits.
    fn shrink(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().ends_with(CODE_SUFFIX) {
                continue;
            }
            // Another process may share the directory and have removed it.
            if let Ok(metadata) = entry.metadata() {
                files.push((metadata.modified()?, metadata.len(), entry.path()));
            }
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if total <= self.bytes_max {
                break;
            }
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => total = total.saturating_sub(bytes),
            }
        }
        Ok(())
    }

    /// Removes files that a process which was killed had begun.
    fn remove_left_over(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let begun = entry.file_name().to_string_lossy().starts_with(NEW_PREFIX);
            let old = entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LEFT_OVER));
            if begun && old {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// The directory's key, made at random where there is none. With a key that is lost all files are
/// damaged, which costs compiling them anew.
fn open_key(dir: &Path) -> io::Result<hmac::Key> {
    let path = dir.join(KEY_FILE);
    let key = match read_key(&path)? {
        Some(key) => key,
        None => make_key(dir, &path)?,
    };
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &key))
}

fn make_key(dir: &Path, path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    SystemRandom::new()
        .fill(&mut key)
        .map_err(|_| io::Error::other("no random numbers"))?;
    let mut file = tempfile::Builder::new()
        .prefix(NEW_PREFIX)
        .tempfile_in(dir)?;
    file.write_all(&key)?;
    sync(&file)?;
    match file.persist_noclobber(path) {
        Ok(_) => sync_dir(dir)?,
        // Another process that shares the directory was faster: its key is the key. What is no key
        // at all is replaced.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            if let Some(theirs) = read_key(path)? {
                return Ok(theirs);
            }
            error.file.persist(path).map_err(|error| error.error)?;
            sync_dir(dir)?;
        }
        Err(error) => return Err(error.error),
    }
    Ok(key)
}

/// None: there is none, or it is not one of ours.
fn read_key(path: &Path) -> io::Result<Option<[u8; KEY_BYTES]>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // A key that others could read is no secret.
    if file.metadata()?.mode() & 0o077 != 0 {
        return Ok(None);
    }
    let mut key = Vec::new();
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut key)?;
    Ok(key.try_into().ok())
}

/// Makes sure that what was written survives a loss of power. tempfile makes files that only this
/// user can read (0600).
fn sync(file: &NamedTempFile) -> io::Result<()> {
    file.as_file().sync_all()
}

/// The same for the names in a directory.
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
