mod audit;

use std::collections::BTreeMap;

use super::*;
use crate::catalogue::{AuditAction, RevocationKind};

/// What one operation of a [`SimDisk`] does instead of working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The process is killed: half of a write happens, and nothing after it.
    Killed,
    /// The same with the power: what was not synced is lost.
    PowerCut,
    /// No room, from here on.
    Full,
}

/// A disk in memory that knows what is synced and what is not.
#[derive(Debug, Default)]
struct SimDisk {
    state: Mutex<SimState>,
}

#[derive(Clone, Debug, Default)]
struct SimState {
    now: BTreeMap<PathBuf, Vec<u8>>,
    /// What a power cut leaves.
    durable: BTreeMap<PathBuf, Vec<u8>>,
    /// Contents that were synced, under whichever name.
    synced: BTreeMap<PathBuf, Vec<u8>>,
    steps: usize,
    trouble: Option<(usize, Trouble)>,
    dead: bool,
    /// Files that were read, in their order.
    reads: Vec<PathBuf>,
}

impl SimDisk {
    fn plan(&self, at: usize, trouble: Trouble) {
        let mut state = self.state.lock();
        (state.steps, state.trouble) = (0, Some((at, trouble)));
    }

    fn steps(&self) -> usize {
        self.state.lock().steps
    }

    /// The disk as the next process finds it.
    fn reborn(&self) -> Arc<Self> {
        let state = self.state.lock();
        let power_cut = matches!(state.trouble, Some((_, Trouble::PowerCut)));
        let left = if power_cut {
            state.durable.clone()
        } else {
            state.now.clone()
        };
        let state = SimState {
            now: left.clone(),
            durable: left.clone(),
            synced: left,
            ..SimState::default()
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    /// One step that changes the disk. `half` is what a killed process leaves of it.
    fn step(
        &self,
        half: impl FnOnce(&mut SimState),
        whole: impl FnOnce(&mut SimState) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.dead {
            return Err(io::Error::other("the process is dead"));
        }
        state.steps += 1;
        match state.trouble {
            Some((at, Trouble::Full)) if state.steps >= at => {
                half(&mut state);
                Err(io::ErrorKind::StorageFull.into())
            }
            Some((at, _)) if state.steps == at => {
                half(&mut state);
                state.dead = true;
                Err(io::Error::other("killed"))
            }
            _ => whole(&mut state),
        }
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for SimDisk {
    fn create_dirs(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let path = path.to_owned();
        let other = path.clone();
        self.step(
            |state| {
                state.now.insert(path, bytes[..bytes.len() / 2].to_vec());
            },
            |state| {
                state.now.insert(other, bytes.to_vec());
                Ok(())
            },
        )
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let add = |state: &mut SimState, bytes: &[u8]| {
            let file = state.now.entry(path.to_owned()).or_default();
            file.extend_from_slice(bytes);
        };
        self.step(
            |state| add(state, &bytes[..bytes.len() / 2]),
            |state| {
                add(state, bytes);
                Ok(())
            },
        )
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        // Giving room back works on a full disk too.
        let mut state = self.state.lock();
        if state.dead {
            return Err(io::Error::other("the process is dead"));
        }
        let file = state.now.get_mut(path).ok_or_else(missing)?;
        file.truncate(usize::try_from(len).unwrap());
        Ok(())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        self.step(
            |_| {},
            |state| {
                let bytes = state.now.get(path).cloned().ok_or_else(missing)?;
                if let Some(durable) = state.durable.get_mut(path) {
                    durable.clone_from(&bytes);
                }
                state.synced.insert(path.to_owned(), bytes);
                Ok(())
            },
        )
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step(
            |_| {},
            |state| {
                let SimState {
                    now,
                    durable,
                    synced,
                    ..
                } = state;
                durable.retain(|file, _| file.parent() != Some(path) || now.contains_key(file));
                for file in now.keys().filter(|file| file.parent() == Some(path)) {
                    // The name lasts; of what was never synced nothing is sure.
                    let bytes = synced.get(file).cloned().unwrap_or_default();
                    durable.insert(file.clone(), bytes);
                }
                Ok(())
            },
        )
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(
            |_| {},
            |state| {
                let bytes = state.now.remove(from).ok_or_else(missing)?;
                state.now.insert(to.to_owned(), bytes);
                let synced = state.synced.remove(from).unwrap_or_default();
                state.synced.insert(to.to_owned(), synced);
                Ok(())
            },
        )
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.dead {
            return Err(io::Error::other("the process is dead"));
        }
        state.now.remove(path).map(drop).ok_or_else(missing)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state.lock();
        state.reads.push(path.to_owned());
        state.now.get(path).cloned().ok_or_else(missing)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
        let state = self.state.lock();
        let files = state.now.iter();
        let files = files.filter(|(file, _)| file.parent() == Some(path));
        Ok(files
            .map(|(file, bytes)| (file.clone(), bytes.len() as u64))
            .collect())
    }
}

fn record(seq: u64) -> AuditRecord {
    AuditRecord {
        seq,
        at_unix_ms: 1000 + seq,
        actor: "alice".to_owned(),
        peer: None,
        generation: seq,
        action: AuditAction::Revoked {
            kind: RevocationKind::User,
            value: format!("user-{seq}"),
            seconds: 60,
        },
    }
}

fn component() -> Bytes {
    Bytes::from(vec![7; 5000])
}

fn document() -> Bytes {
    Bytes::from_static(b"{\"document\":true}")
}

async fn open(disk: &Arc<SimDisk>) -> FileStore {
    let disk: Arc<dyn Disk> = Arc::clone(disk) as Arc<dyn Disk>;
    FileStore::open_on(disk, "/store").await.unwrap()
}

/// A disk with an old state, durable.
async fn prepared() -> Arc<SimDisk> {
    let disk = Arc::new(SimDisk::default());
    let store = open(&disk).await;
    store
        .save_catalogue(Bytes::from_static(b"old"))
        .await
        .unwrap();
    store.append_audit(vec![record(1)]).await.unwrap();
    disk
}

/// What a push does to a store, in its order. Stops at the first error.
async fn work(store: &FileStore) -> Result<(), StoreError> {
    let digest = Digest::of(&component());
    store.put_blob(digest, component()).await?;
    let id = VersionId::from(Digest::of(&document()));
    store.put_document(id, document()).await?;
    store.save_catalogue(Bytes::from_static(b"new")).await?;
    store.append_audit(vec![record(2), record(3)]).await
}

/// Whatever is there is whole, and what is named by the catalogue is there.
async fn check(store: &FileStore, context: &str) {
    let digest = Digest::of(&component());
    let blob = store.blob(digest).await.expect(context);
    let id = VersionId::from(Digest::of(&document()));
    let kept = store.document(id).await.expect(context);
    let catalogue = store.catalogue().await.expect(context).expect(context);
    match catalogue.as_ref() {
        b"old" => {}
        b"new" => {
            assert_eq!(blob, Some(component()), "{context}");
            assert_eq!(kept, Some(document()), "{context}");
        }
        other => panic!("{context}: {other:?}"),
    }
    let records = store.audit(0, 100).await.expect(context);
    let seqs: Vec<u64> = records.iter().map(|record| record.seq).collect();
    assert_eq!(
        seqs,
        (1..=records.len() as u64).collect::<Vec<_>>(),
        "{context}"
    );
    assert!(
        !records.is_empty(),
        "{context}: what was acknowledged is gone"
    );
    assert_eq!(
        store.last_audit().await.expect(context),
        records.len() as u64
    );
    for (name, _) in store.blobs().await.expect(context) {
        assert_eq!(name, digest, "{context}");
    }
}

async fn steps_of_work() -> usize {
    let disk = prepared().await;
    let store = open(&disk).await;
    disk.plan(usize::MAX, Trouble::Killed);
    work(&store).await.unwrap();
    disk.steps()
}

#[tokio::test]
async fn killed_or_without_power_at_any_step_everything_left_is_whole() {
    let steps = steps_of_work().await;
    assert!(steps >= 14, "{steps} steps");
    for trouble in [Trouble::Killed, Trouble::PowerCut] {
        for at in 1..=steps {
            let context = format!("{trouble:?} at step {at}");
            let disk = prepared().await;
            let store = open(&disk).await;
            disk.plan(at, trouble);
            assert!(work(&store).await.is_err(), "{context}");
            let reborn = disk.reborn();
            let store = open(&reborn).await;
            check(&store, &context).await;
            let left: Vec<PathBuf> = reborn.state.lock().now.keys().cloned().collect();
            assert!(
                left.iter()
                    .all(|path| path.extension().is_none_or(|e| e != UNFINISHED)),
                "{context}: {left:?}"
            );
            // And it works on, up to the end.
            let seq = store.last_audit().await.unwrap();
            store
                .append_audit(vec![record(seq + 1)])
                .await
                .expect(&context);
            assert_eq!(store.audit(seq, 9).await.unwrap(), [record(seq + 1)]);
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_power_cut() {
    let disk = prepared().await;
    let store = open(&disk).await;
    work(&store).await.unwrap();
    disk.plan(1, Trouble::PowerCut);
    assert!(
        store
            .save_catalogue(Bytes::from_static(b"never"))
            .await
            .is_err()
    );
    let store = open(&disk.reborn()).await;
    assert_eq!(store.catalogue().await.unwrap().unwrap().as_ref(), b"new");
    assert_eq!(store.audit(0, 9).await.unwrap().len(), 3);
    assert_eq!(
        store.blob(Digest::of(&component())).await.unwrap(),
        Some(component())
    );
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing_half_written() {
    let steps = steps_of_work().await;
    for at in 1..=steps {
        let context = format!("full at step {at}");
        let disk = prepared().await;
        let store = open(&disk).await;
        disk.plan(at, Trouble::Full);
        let error = work(&store).await.unwrap_err();
        assert!(
            matches!(error, StoreError::Full { .. }),
            "{context}: {error}"
        );
        assert!(error.to_string().contains("the disk is full"), "{error}");
        check(&store, &context).await;
        // Room again: the same work, in the same process.
        disk.plan(usize::MAX, Trouble::Full);
        let seq = store.last_audit().await.unwrap();
        if seq == 1 {
            work(&store).await.expect(&context);
        }
        check(&store, &context).await;
    }
}

#[tokio::test]
async fn a_real_directory_keeps_what_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).await.unwrap();
    assert_eq!(store.catalogue().await.unwrap(), None);
    let digest = Digest::of(&component());
    assert!(store.put_blob(digest, component()).await.unwrap());
    assert!(!store.put_blob(digest, component()).await.unwrap());
    let id = VersionId::from(Digest::of(&document()));
    store.put_document(id, document()).await.unwrap();
    let store = FileStore::open(dir.path()).await.unwrap();
    assert_eq!(store.blobs().await.unwrap(), [(digest, 5000)]);
    store.remove_blob(digest).await.unwrap();
    store.remove_blob(digest).await.unwrap();
    assert_eq!(store.blob(digest).await.unwrap(), None);
    assert_eq!(store.documents().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_damaged_component_is_noticed_and_healed_by_the_next_upload() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).await.unwrap();
    let digest = Digest::of(&component());
    store.put_blob(digest, component()).await.unwrap();
    let path = dir.path().join("blobs").join(digest.to_string());
    std::fs::write(&path, b"rot").unwrap();
    let error = store.blob(digest).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(store.put_blob(digest, component()).await.unwrap());
    assert_eq!(store.blob(digest).await.unwrap(), Some(component()));
}

#[tokio::test]
async fn pages_of_the_audit_log_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).await.unwrap();
    assert_eq!(store.audit(0, 10).await.unwrap(), []);
    store
        .append_audit((1..=25).map(record).collect())
        .await
        .unwrap();
    let mut after = 0;
    let mut seen = Vec::new();
    loop {
        let page = store.audit(after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.seq;
        seen.extend(page.into_iter().map(|record| record.seq));
    }
    assert_eq!(seen, (1..=25).collect::<Vec<_>>());
}
