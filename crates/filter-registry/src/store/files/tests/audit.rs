//! The audit log's bound, and that it loses nothing else.

use super::*;

/// A line of [`record`] has some 130 bytes: three fill a file.
const SMALL: AuditLimits = AuditLimits {
    file_bytes_max: 300,
    full_files_max: 3,
};

async fn open_small(disk: &Arc<SimDisk>) -> FileStore {
    let disk: Arc<dyn Disk> = Arc::clone(disk) as Arc<dyn Disk>;
    FileStore::open_within(disk, "/store".into(), SMALL)
        .await
        .unwrap()
}

async fn seqs(store: &FileStore, after: u64) -> Vec<u64> {
    let records = store.audit(after, usize::MAX).await.unwrap();
    records.iter().map(|record| record.seq).collect()
}

fn files(disk: &SimDisk) -> Vec<(PathBuf, usize)> {
    let state = disk.state.lock();
    let files = state.now.iter();
    files
        .map(|(path, bytes)| (path.clone(), bytes.len()))
        .collect()
}

/// A disk with this many records, appended one by one.
async fn filled(count: u64) -> (Arc<SimDisk>, FileStore) {
    let disk = Arc::new(SimDisk::default());
    let store = open_small(&disk).await;
    for seq in 1..=count {
        store.append_audit(vec![record(seq)]).await.unwrap();
    }
    (disk, store)
}

#[tokio::test]
async fn the_log_is_bounded_and_keeps_the_newest() {
    let (disk, store) = filled(100).await;
    let files = files(&disk);
    assert_eq!(files.len(), 4, "{files:?}");
    assert!(files.iter().all(|(_, bytes)| *bytes < 500), "{files:?}");
    let kept = seqs(&store, 0).await;
    let first = kept[0];
    assert!(kept.len() >= 9, "{kept:?}");
    assert_eq!(kept, (first..=100).collect::<Vec<_>>());
    // Another process finds the same, and goes on.
    let store = open_small(&disk.reborn()).await;
    assert_eq!(store.last_audit().await.unwrap(), 100);
    assert_eq!(seqs(&store, 0).await, kept);
    store.append_audit(vec![record(101)]).await.unwrap();
    assert_eq!(seqs(&store, 99).await, [100, 101]);
}

#[tokio::test]
async fn pages_go_from_file_to_file_and_read_no_other() {
    let (disk, store) = filled(12).await;
    let all = seqs(&store, 0).await;
    assert_eq!(all, (1..=12).collect::<Vec<_>>(), "nothing had to go");
    let mut seen = Vec::new();
    while let Some(last) = store
        .audit(seen.last().copied().unwrap_or_default(), 2)
        .await
        .unwrap()
        .last()
        .map(|record| record.seq)
    {
        seen.push(last);
    }
    assert_eq!(seen, [2, 4, 6, 8, 10, 12]);
    let reads = |disk: &SimDisk| std::mem::take(&mut disk.state.lock().reads);
    reads(&disk);
    assert!(seqs(&store, 12).await.is_empty());
    assert_eq!(reads(&disk), Vec::<PathBuf>::new(), "nothing is new");
    assert_eq!(seqs(&store, 11).await, [12]);
    assert_eq!(reads(&disk), [PathBuf::from("/store/audit.jsonl")]);
    assert_eq!(store.audit(0, 2).await.unwrap().len(), 2);
    assert_eq!(reads(&disk), [PathBuf::from("/store/audit.3.jsonl")]);
}

#[tokio::test]
async fn killed_or_without_power_while_a_file_becomes_full_nothing_is_lost() {
    // The next record begins a file, and the oldest of four goes.
    let count = 12;
    let (disk, store) = filled(count).await;
    disk.plan(usize::MAX, Trouble::Killed);
    store.append_audit(vec![record(count + 1)]).await.unwrap();
    let steps = disk.steps();
    assert!(steps >= 5, "{steps} steps: no new file was begun");
    for trouble in [Trouble::Killed, Trouble::PowerCut, Trouble::Full] {
        for at in 1..=steps {
            let context = format!("{trouble:?} at step {at}");
            let (disk, store) = filled(count).await;
            disk.plan(at, trouble);
            let refused = store.append_audit(vec![record(count + 1)]).await;
            assert!(refused.is_err(), "{context}");
            let store = if trouble == Trouble::Full {
                disk.plan(usize::MAX, Trouble::Full);
                store
            } else {
                open_small(&disk.reborn()).await
            };
            let last = store.last_audit().await.unwrap();
            assert!((count..=count + 1).contains(&last), "{context}");
            assert_eq!(
                seqs(&store, count - 3).await,
                (count - 2..=last).collect::<Vec<_>>(),
                "{context}"
            );
            store.append_audit(vec![record(last + 1)]).await.unwrap();
            assert_eq!(seqs(&store, last).await, [last + 1], "{context}");
            let kept = seqs(&store, 0).await;
            assert_eq!(
                kept,
                (kept[0]..=last + 1).collect::<Vec<_>>(),
                "{context}: a hole"
            );
        }
    }
}

#[tokio::test]
async fn half_a_line_at_the_end_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path()).await.unwrap();
    store.append_audit(vec![record(1)]).await.unwrap();
    let path = dir.path().join("audit.jsonl");
    let whole = std::fs::read(&path).unwrap();
    let torn = [whole.as_slice(), b"{\"seq\":2,\"at_un"].concat();
    std::fs::write(&path, torn).unwrap();
    let store = FileStore::open(dir.path()).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    assert_eq!(store.last_audit().await.unwrap(), 1);
    store.append_audit(vec![record(2)]).await.unwrap();
    assert_eq!(seqs(&store, 0).await, [1, 2]);
}
