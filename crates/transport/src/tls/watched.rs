//! Files that belong together, looked at again and again.
//!
//! What counts is their content. So it does not matter how they are replaced: written in place,
//! renamed over, by a symbolic link that points elsewhere (as Kubernetes mounts secrets), or on a file
//! system that tells nobody.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of one file; keys and chains are some kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Files that are read together.
#[derive(Debug)]
pub struct WatchedFiles {
    paths: Vec<PathBuf>,
    /// Of what was last looked at, whatever became of it.
    seen: Option<Digest>,
    /// Of what is in force.
    in_force: Option<Digest>,
}

type Digest = [u8; 32];

/// What a look at files finds.
#[derive(Debug)]
#[non_exhaustive]
pub enum Look {
    /// What is in force, or what was found wanting before.
    Same,
    /// Something new: the contents, in the order of the paths.
    New(Vec<Vec<u8>>),
    /// This file cannot be read, and that is new.
    Unreadable(PathBuf, io::Error),
}

impl WatchedFiles {
    /// Nothing of them has been seen.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            seen: None,
            in_force: None,
        }
    }

    /// The first of them, which names them all.
    #[must_use]
    pub fn name(&self) -> &Path {
        self.paths
            .first()
            .map_or_else(|| Path::new(""), PathBuf::as_path)
    }

    /// Reads them. With `again` also what was found wanting before is new.
    pub fn look(&mut self, again: bool) -> Look {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let mut contents = Vec::with_capacity(self.paths.len());
        let mut unreadable = None;
        for path in &self.paths {
            match read(path) {
                Ok(content) => {
                    digest.update(&content.len().to_be_bytes());
                    digest.update(&content);
                    contents.push(content);
                }
                Err(error) => {
                    digest.update(path.as_os_str().as_encoded_bytes());
                    digest.update(error.to_string().as_bytes());
                    unreadable = Some((path.clone(), error));
                    break;
                }
            }
        }
        let mut found = Digest::default();
        found.copy_from_slice(digest.finish().as_ref());
        let seen = self.seen.replace(found);
        if Some(found) == self.in_force || (!again && Some(found) == seen) {
            return Look::Same;
        }
        match unreadable {
            Some((path, error)) => Look::Unreadable(path, error),
            None => Look::New(contents),
        }
    }

    /// What the last look found is in force now.
    pub fn accept(&mut self) {
        self.in_force = self.seen;
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn kind(look: &Look) -> &'static str {
        match look {
            Look::Same => "same",
            Look::New(_) => "new",
            Look::Unreadable(..) => "unreadable",
        }
    }

    #[test]
    fn each_state_is_new_once() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let mut files = WatchedFiles::new(vec![a.clone(), b.clone()]);
        fs::write(&a, "1").unwrap();
        for (again, expect) in [(false, "unreadable"), (false, "same"), (true, "unreadable")] {
            assert_eq!(kind(&files.look(again)), expect);
        }
        fs::write(&b, "2").unwrap();
        assert_eq!(kind(&files.look(false)), "new");
        assert_eq!(kind(&files.look(false)), "same", "refused");
        assert_eq!(kind(&files.look(true)), "new");
        files.accept();
        assert_eq!(kind(&files.look(true)), "same", "in force");
        // What one file loses and the other gains is a change.
        fs::write(&a, "12").unwrap();
        fs::write(&b, "").unwrap();
        assert_eq!(kind(&files.look(false)), "new");
        // Back to what is in force.
        fs::write(&a, "1").unwrap();
        fs::write(&b, "2").unwrap();
        assert_eq!(kind(&files.look(false)), "same");
    }

    /// `file -> ..data/file`, `..data -> 1`: a rename of the link in the middle changes all at once.
    #[test]
    fn a_swapped_link_and_a_rename_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for version in ["1", "2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("file"), version).unwrap();
        }
        symlink("1", at("..data")).unwrap();
        symlink("..data/file", at("file")).unwrap();
        let mut files = WatchedFiles::new(vec![at("file")]);
        assert_eq!(kind(&files.look(false)), "new");
        files.accept();
        symlink("2", at("next")).unwrap();
        fs::rename(at("next"), at("..data")).unwrap();
        let Look::New(contents) = files.look(false) else {
            panic!("the swap was not seen");
        };
        assert_eq!(contents, [b"2"]);
        fs::write(at("new"), "3").unwrap();
        fs::rename(at("new"), at("file")).unwrap();
        assert_eq!(kind(&files.look(false)), "new");
    }

    #[test]
    fn a_huge_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let mut files = WatchedFiles::new(vec![path]);
        assert_eq!(kind(&files.look(false)), "unreadable");
    }
}
