use std::path::Path;

use parking_lot::Mutex;
use tempfile::TempDir;
use wasm_filters::manifest::{Hook, Manifest};

use super::*;
use crate::catalogue::AuditAction;
use crate::signature::SigningKey;
use crate::store::files::FileStore;
use crate::testing::{LenientVetting, StrictVetting, new_version};
use crate::wire::{FilterReport, LogLine, NewVersion, VersionRef};

fn name() -> FilterName {
    "auth".parse().unwrap()
}

fn alice() -> Actor {
    Actor::local("alice")
}

async fn open_with(dir: &Path, options: RegistryOptions) -> Registry {
    let store = FileStore::open(dir).await.unwrap();
    let metrics = prometheus::Registry::new();
    let vetting = Arc::new(LenientVetting);
    Registry::open(Arc::new(store), options, vetting, &metrics)
        .await
        .unwrap()
}

async fn open(dir: &Path) -> Registry {
    open_with(dir, RegistryOptions::default()).await
}

async fn push(registry: &Registry, label: &str, serial: u64) -> Result<u32, RegistryError> {
    let (version, component) = new_version("auth", label, serial);
    registry
        .put_blob(version.component, component, &alice())
        .await?;
    Ok(registry.push(&name(), version, &alice()).await?.number)
}

fn activate(number: u32) -> Activate {
    Activate {
        version: VersionRef::Number(number),
        percent: None,
        bake_ms: None,
        if_generation: None,
    }
}

async fn actions(registry: &Registry) -> Vec<AuditAction> {
    let page = registry.audit(0).await.unwrap();
    page.records
        .into_iter()
        .map(|record| record.action)
        .collect()
}

#[tokio::test]
async fn everything_comes_back_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let registry = open(dir.path()).await;
    push(&registry, "one", 1).await.unwrap();
    push(&registry, "two", 2).await.unwrap();
    registry
        .activate(&name(), &activate(1), &alice())
        .await
        .unwrap();
    let before = registry.snapshot();
    drop(registry);
    let registry = open(dir.path()).await;
    assert_eq!(registry.snapshot(), before);
    let (version, component) = new_version("auth", "two", 2);
    let blob = registry.blob(version.component).await.unwrap();
    assert_eq!(blob, Some(component));
    assert_eq!(
        actions(&registry).await.len(),
        5,
        "two uploads, two pushes, one activation"
    );
    let error = push(&registry, "three", 2).await.unwrap_err();
    assert!(
        error.to_string().contains("serial 2 was used already"),
        "{error}"
    );
}

#[tokio::test]
async fn a_version_that_does_not_pass_leaves_no_trace_in_the_catalogue() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(FileStore::open(dir.path()).await.unwrap());
    let metrics = prometheus::Registry::new();
    let options = RegistryOptions::default();
    let registry = Registry::open(store, options, Arc::new(StrictVetting), &metrics)
        .await
        .unwrap();
    let error = push(&registry, "one", 1).await.unwrap_err();
    let RegistryError::Rejected(rejection) = error else {
        panic!("{error}");
    };
    assert_eq!(rejection.stage, "probe");
    assert_eq!(registry.snapshot().generation(), 0);
    assert!(registry.snapshot().filter(&name()).is_none());
}

#[tokio::test]
async fn a_signature_is_checked_where_it_is_required() {
    let dir = TempDir::new().unwrap();
    let key = SigningKey::from_pem("ops", &SigningKey::generate_pem().unwrap()).unwrap();
    let public = key.public_key();
    let options = RegistryOptions {
        signatures: SignaturePolicy::new(true, [("ops", public.as_str())]).unwrap(),
        ..RegistryOptions::default()
    };
    let registry = open_with(dir.path(), options).await;
    let error = push(&registry, "one", 1).await.unwrap_err();
    assert!(matches!(error, RegistryError::Signature(_)), "{error}");
    let (mut version, _) = new_version("auth", "one", 1);
    let document = VersionDocument {
        component: version.component,
        manifest: version.manifest.clone(),
    };
    version.signature = Some(key.sign(&name(), 1, document.id()));
    let replayed = NewVersion {
        serial: 7,
        ..version.clone()
    };
    let error = registry
        .push(&name(), replayed, &alice())
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::Signature(_)),
        "another serial: {error}"
    );
    let pushed = registry.push(&name(), version, &alice()).await.unwrap();
    assert_eq!(pushed.number, 1);
    let page = registry.audit(0).await.unwrap();
    let signed = page.records.iter().any(|record| {
        matches!(&record.action, AuditAction::Pushed { key_id: Some(id), .. } if id == "ops")
    });
    assert!(signed, "{page:?}");
}

#[tokio::test]
async fn components_go_with_their_last_version_and_their_room_is_bounded() {
    let dir = TempDir::new().unwrap();
    let size = new_version("auth", "one", 1).1.len() as u64;
    let options = RegistryOptions {
        blob_bytes_max: 2 * size,
        ..RegistryOptions::default()
    };
    let registry = open_with(dir.path(), options.clone()).await;
    push(&registry, "one", 1).await.unwrap();
    let (other, component) = new_version("auth", "two", 2);
    registry
        .put_blob(other.component, component, &alice())
        .await
        .unwrap();
    let error = push(&registry, "six", 3).await.unwrap_err();
    assert!(matches!(error, RegistryError::NoRoom { .. }), "{error}");
    // After a restart what was put for nothing makes room; what is used stays.
    drop(registry);
    let registry = open_with(dir.path(), options).await;
    assert_eq!(registry.blob(other.component).await.unwrap(), None);
    push(&registry, "six", 3).await.unwrap();
}

#[tokio::test]
async fn a_component_that_was_never_put_is_not_pushed() {
    let dir = TempDir::new().unwrap();
    let registry = open(dir.path()).await;
    let (version, component) = new_version("auth", "one", 1);
    let error = registry
        .push(&name(), version.clone(), &alice())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::NoComponent(_)), "{error}");
    let cut = component.slice(..component.len() / 2);
    let error = registry
        .put_blob(version.component, cut, &alice())
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegistryError::DigestMismatch { .. }),
        "{error}"
    );
    assert_eq!(registry.blob(version.component).await.unwrap(), None);
}

#[tokio::test]
async fn a_manifest_of_another_filter_is_refused() {
    let dir = TempDir::new().unwrap();
    let registry = open(dir.path()).await;
    let (mut version, component) = new_version("auth", "one", 1);
    registry
        .put_blob(version.component, component, &alice())
        .await
        .unwrap();
    version.manifest = Manifest::new("chat".parse().unwrap(), "one", vec![Hook::Chat]);
    let error = registry.push(&name(), version, &alice()).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::NameMismatch { .. }),
        "{error}"
    );
}

/// A store whose next writes fail as told.
#[derive(Debug)]
struct Flaky {
    inner: FileStore,
    fail: Mutex<&'static str>,
}

impl Flaky {
    fn check(&self, what: &str) -> Result<(), StoreError> {
        if *self.fail.lock() == what {
            return Err(StoreError::Full {
                what: what.to_owned(),
            });
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Flaky {
    async fn catalogue(&self) -> Result<Option<Bytes>, StoreError> {
        self.inner.catalogue().await
    }
    async fn save_catalogue(&self, catalogue: Bytes) -> Result<(), StoreError> {
        self.check("catalogue")?;
        self.inner.save_catalogue(catalogue).await
    }
    async fn put_blob(&self, digest: Digest, component: Bytes) -> Result<bool, StoreError> {
        self.check("blob")?;
        self.inner.put_blob(digest, component).await
    }
    async fn blob(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        self.inner.blob(digest).await
    }
    async fn blobs(&self) -> Result<Vec<(Digest, u64)>, StoreError> {
        self.inner.blobs().await
    }
    async fn remove_blob(&self, digest: Digest) -> Result<(), StoreError> {
        self.inner.remove_blob(digest).await
    }
    async fn put_document(&self, id: VersionId, document: Bytes) -> Result<(), StoreError> {
        self.check("document")?;
        self.inner.put_document(id, document).await
    }
    async fn document(&self, id: VersionId) -> Result<Option<Bytes>, StoreError> {
        self.inner.document(id).await
    }
    async fn documents(&self) -> Result<Vec<VersionId>, StoreError> {
        self.inner.documents().await
    }
    async fn remove_document(&self, id: VersionId) -> Result<(), StoreError> {
        self.inner.remove_document(id).await
    }
    async fn append_audit(&self, records: Vec<AuditRecord>) -> Result<(), StoreError> {
        self.check("audit")?;
        self.inner.append_audit(records).await
    }
    async fn audit(&self, after: u64, max: usize) -> Result<Vec<AuditRecord>, StoreError> {
        self.inner.audit(after, max).await
    }
    async fn last_audit(&self) -> Result<u64, StoreError> {
        self.inner.last_audit().await
    }
}

#[tokio::test]
async fn a_full_disk_changes_nothing_and_is_told() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(Flaky {
        inner: FileStore::open(dir.path()).await.unwrap(),
        fail: Mutex::new(""),
    });
    let metrics = prometheus::Registry::new();
    let vetting = Arc::new(LenientVetting);
    let options = RegistryOptions::default();
    let registry = Registry::open(store.clone(), options, vetting, &metrics)
        .await
        .unwrap();
    push(&registry, "one", 1).await.unwrap();
    let before = registry.snapshot();
    for what in ["blob", "document", "catalogue"] {
        *store.fail.lock() = what;
        let error = push(&registry, "two", 2).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Store(StoreError::Full { .. })),
            "{error}"
        );
        assert_eq!(registry.snapshot(), before, "{what}");
    }
    *store.fail.lock() = "catalogue";
    let error = registry
        .activate(&name(), &activate(1), &alice())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert_eq!(registry.snapshot(), before);
    *store.fail.lock() = "";
    assert_eq!(push(&registry, "two", 2).await.unwrap(), 2);
}

#[tokio::test]
async fn audit_records_that_could_not_be_appended_come_later_or_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let store = Arc::new(Flaky {
        inner: FileStore::open(dir.path()).await.unwrap(),
        fail: Mutex::new(""),
    });
    let metrics = prometheus::Registry::new();
    let vetting = Arc::new(LenientVetting);
    let options = RegistryOptions::default();
    let registry = Registry::open(store.clone(), options, vetting, &metrics)
        .await
        .unwrap();
    push(&registry, "one", 1).await.unwrap();
    *store.fail.lock() = "audit";
    registry
        .activate(&name(), &activate(1), &alice())
        .await
        .unwrap();
    assert_eq!(actions(&registry).await.len(), 2, "upload and push");
    // Killed now.
    drop(registry);
    let registry = open(dir.path()).await;
    let all = actions(&registry).await;
    assert!(
        matches!(all.last(), Some(AuditAction::Activated { number: 1, .. })),
        "{all:?}"
    );
    let page = registry.audit(0).await.unwrap();
    let seqs: Vec<u64> = page.records.iter().map(|record| record.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
}

#[tokio::test]
async fn a_damaged_catalogue_is_not_taken_for_an_empty_one() {
    let dir = TempDir::new().unwrap();
    let registry = open(dir.path()).await;
    push(&registry, "one", 1).await.unwrap();
    drop(registry);
    let path = dir.path().join("catalogue.json");
    let good = std::fs::read_to_string(&path).unwrap();
    for bad in [
        good.get(..good.len() / 2).unwrap().to_owned(),
        good.replace("\"format\":1", "\"format\":99"),
        good.replace("\"last_number\":1", "\"last_number\":0"),
    ] {
        assert_ne!(bad, good);
        std::fs::write(&path, &bad).unwrap();
        let store = Arc::new(FileStore::open(dir.path()).await.unwrap());
        let metrics = prometheus::Registry::new();
        let vetting = Arc::new(LenientVetting);
        let opened = Registry::open(store, RegistryOptions::default(), vetting, &metrics).await;
        let error = opened.unwrap_err();
        assert!(
            error.to_string().contains("catalogue.json is damaged"),
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_follows_is_woken_by_a_change_and_by_nothing_else() {
    let dir = TempDir::new().unwrap();
    let registry = open(dir.path()).await;
    let first = registry.follow(None, Duration::ZERO).await.unwrap();
    assert_eq!(first.generation, 0);
    let began = tokio::time::Instant::now();
    assert_eq!(
        registry.follow(Some(0), Duration::from_secs(20)).await,
        None
    );
    assert_eq!(began.elapsed().as_secs(), 20);
    assert_eq!(
        registry.follow(Some(0), Duration::from_secs(999)).await,
        None
    );
    assert_eq!(began.elapsed().as_secs(), 50, "held for 30 s at most");
    // A node that is ahead followed a registry that was set back: it is told at once.
    assert!(
        registry
            .follow(Some(9), Duration::from_secs(20))
            .await
            .is_some()
    );
}

#[tokio::test]
async fn log_lines_that_come_twice_are_kept_once() {
    let dir = TempDir::new().unwrap();
    let registry = open(dir.path()).await;
    push(&registry, "one", 1).await.unwrap();
    let line = |seq: u64, at: u64| LogLine {
        seq,
        at_unix_ms: at,
        level: "info".to_owned(),
        version: None,
        message: format!("line {seq} at {at}"),
    };
    let report = |lines: Vec<LogLine>| {
        let filter = FilterReport {
            logs: lines,
            ..FilterReport::default()
        };
        NodeReport {
            filters: [(name(), filter)].into(),
            ..NodeReport::default()
        }
    };
    let node: NodeName = "edge-1".parse().unwrap();
    for lines in [
        vec![line(1, 10), line(2, 10)],
        vec![line(1, 10), line(2, 10), line(3, 11)],
        // Started again.
        vec![line(1, 20)],
    ] {
        registry.report(&node, report(lines), None).await.unwrap();
    }
    let page = registry.logs(&name(), 0).unwrap();
    let kept: Vec<(u64, u64)> = page
        .lines
        .iter()
        .map(|l| (l.line.seq, l.line.at_unix_ms))
        .collect();
    assert_eq!(kept, [(1, 10), (2, 10), (3, 11), (1, 20)]);
    assert!(registry.logs(&name(), page.next).unwrap().lines.is_empty());
    assert_eq!(registry.overview().nodes.len(), 1);
}
