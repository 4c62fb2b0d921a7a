//! Tests of the cache of machine code. Compiling itself is tested in `tests/compile.rs`, with a real
//! child.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::cache::{Cache, Found};
use super::code::Code;

const NAME: &str = "0123-4567.cwasm";

fn open(dir: &Path) -> Cache {
    Cache::open(dir, 10_000).expect("a cache")
}

fn keep(cache: &Cache, name: &str, bytes: &[u8]) {
    cache
        .keep(name, &Code::of_child(bytes.to_vec()))
        .expect("to be kept");
}

fn found(cache: &Cache, name: &str) -> Result<Vec<u8>, &'static str> {
    match cache.find(name) {
        Found::Code(code) => Ok(code.as_bytes().to_vec()),
        Found::Absent => Err("absent"),
        Found::Damaged(_) => Err("damaged"),
    }
}

#[test]
fn code_is_there_again_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let sub = dir.path().join("a/b");
    keep(&open(&sub), NAME, b"code");
    assert_eq!(found(&open(&sub), NAME), Ok(b"code".to_vec()));
    assert_eq!(found(&open(&sub), "other.cwasm"), Err("absent"));
    for (path, mode) in [
        (sub.clone(), 0o700),
        (sub.join("key"), 0o600),
        (sub.join(NAME), 0o600),
    ] {
        let is = fs::metadata(&path).expect("metadata").permissions().mode() & 0o777;
        assert_eq!(is, mode, "{}", path.display());
    }
}

#[test]
fn what_was_cut_altered_renamed_or_brought_is_not_used() {
    let dir = tempfile::tempdir().expect("a directory");
    let other = tempfile::tempdir().expect("a directory");
    let cache = open(dir.path());
    let path = dir.path().join(NAME);
    keep(&open(other.path()), NAME, b"from elsewhere");
    keep(&cache, NAME, b"code");
    let good = fs::read(&path).expect("the file");
    let mut tampered: Vec<Vec<u8>> = (0..good.len()).map(|at| good[..at].to_vec()).collect();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        tampered.push(bytes);
    }
    tampered.push([good.as_slice(), b"more"].concat());
    tampered.push(fs::read(other.path().join(NAME)).expect("the foreign file"));
    tampered.push(b"\x7fELF".to_vec());
    for bytes in tampered {
        fs::write(&path, &bytes).expect("to write");
        assert_eq!(found(&cache, NAME), Err("damaged"), "{bytes:?}");
        assert_eq!(
            found(&cache, NAME),
            Err("absent"),
            "a damaged file is removed"
        );
    }
    fs::write(dir.path().join("renamed.cwasm"), &good).expect("to write");
    assert_eq!(found(&cache, "renamed.cwasm"), Err("damaged"));
    fs::write(&path, &good).expect("to write");
    assert_eq!(
        found(&cache, NAME),
        Ok(b"code".to_vec()),
        "the test itself tampers rightly"
    );
}

#[test]
fn a_key_that_others_could_read_is_not_used() {
    let dir = tempfile::tempdir().expect("a directory");
    keep(&open(dir.path()), NAME, b"code");
    let key = dir.path().join("key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("chmod");
    let cache = open(dir.path());
    assert_eq!(found(&cache, NAME), Err("damaged"), "there is a new key");
    let mode = fs::metadata(&key).expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::write(&key, b"too short").expect("to write");
    keep(&open(dir.path()), NAME, b"code");
    assert_eq!(found(&open(dir.path()), NAME), Ok(b"code".to_vec()));
}

#[test]
fn a_directory_that_others_can_enter_is_closed() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    open(dir.path());
    let mode = fs::metadata(dir.path())
        .expect("metadata")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(
        Cache::open(&dir.path().join("key"), 1).is_err(),
        "a file is no directory"
    );
}

#[test]
fn the_least_recently_used_go_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let cache = open(dir.path());
    let code = [7; 3000];
    for (index, name) in ["a.cwasm", "b.cwasm", "c.cwasm"].iter().enumerate() {
        keep(&cache, name, &code);
        let used = SystemTime::now() - Duration::from_secs(100 - index as u64);
        let file = fs::File::open(dir.path().join(name)).expect("the file");
        file.set_modified(used).expect("to set the time");
    }
    assert!(
        found(&cache, "a.cwasm").is_ok(),
        "which makes it the most recently used"
    );
    keep(&cache, "d.cwasm", &code);
    let there = ["a", "b", "c", "d"].map(|name| found(&cache, &format!("{name}.cwasm")).is_ok());
    assert_eq!(there, [true, false, true, true]);
    let refused = cache.keep("huge.cwasm", &Code::of_child(vec![0; 10_001]));
    assert!(refused.is_err(), "more than the whole cache");
    assert!(found(&cache, "d.cwasm").is_ok(), "and nothing went for it");
}

#[test]
fn files_that_a_killed_process_left_are_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let (old, new) = (dir.path().join(".new-old"), dir.path().join(".new-now"));
    for path in [&old, &new] {
        fs::write(path, b"half").expect("to write");
    }
    let long_ago = SystemTime::now() - Duration::from_secs(7200);
    let file = fs::File::options()
        .write(true)
        .open(&old)
        .expect("the file");
    file.set_modified(long_ago).expect("to set the time");
    open(dir.path());
    assert!(!old.exists() && new.exists());
}

/// Machine code becomes executable in one function. Whoever adds another place has to change this
/// test, and to say why.
#[test]
fn one_file_of_the_crate_has_unsafe_code() {
    fn visit(dir: &Path, found: &mut Vec<(String, usize)>) {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                visit(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                let count = text
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"))
                    // Written so that these lines are not found themselves.
                    .filter(|line| {
                        let unsafe_code = line.contains(concat!("uns", "afe "));
                        unsafe_code || line.contains(concat!("Component::", "deserialize"))
                    })
                    .count();
                let name = path
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned();
                if count > 0 {
                    found.push((name, count));
                }
            }
        }
    }
    let mut found = Vec::new();
    visit(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut found,
    );
    assert_eq!(found, [("code.rs".to_owned(), 1)]);
}
