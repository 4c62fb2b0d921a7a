//! A registry on a real socket with a vetting that can be told to refuse, a node that follows it
//! and is ready for everything, and `weirctl` as a process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use filter_registry::api::{ApiOptions, Role, Token};
use filter_registry::catalogue::Rejection;
use filter_registry::store::files::FileStore;
use filter_registry::wire::{FilterReport, NodeReport, VersionState};
use filter_registry::{Client, ClientOptions, Registry, RegistryOptions, VetReport, Vetting};
use settings::Secret;
use tokio::net::TcpListener;
use tokio::process::Command;
use wasm_filters::manifest::VersionDocument;

/// An operator's.
pub(crate) const OPERATOR: &str = "operator-token-0123456789";
/// A node's.
pub(crate) const NODE: &str = "node-token-0123456789";
/// Longest that any one command may take; a test that hangs fails.
const COMMAND_MAX: Duration = Duration::from_secs(240);

#[derive(Debug, Default)]
struct FakeVetting {
    refuses: AtomicBool,
}

#[async_trait]
impl Vetting for FakeVetting {
    async fn vet(&self, _: &VersionDocument, _: Bytes) -> Result<VetReport, Rejection> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(Rejection {
                stage: "probe".to_owned(),
                reason: "configure: the moon is wrong".to_owned(),
            });
        }
        Ok(VetReport {
            samples_passed: 2,
            took_ms: 35,
            ..VetReport::default()
        })
    }
}

/// The registry, and a folder for a test's files.
pub(crate) struct World {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    vetting: Arc<FakeVetting>,
}

impl World {
    /// Starts the registry.
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::open(directory.path().join("registry"))
            .await
            .unwrap();
        let vetting = Arc::new(FakeVetting::default());
        let metrics = prometheus::Registry::new();
        let options = RegistryOptions::default();
        let registry = Registry::open(Arc::new(store), options, vetting.clone(), &metrics);
        let registry = registry.await.unwrap();
        let token = |name: &str, secret: &str, role| Token {
            name: name.to_owned(),
            secret: Secret::new(secret),
            role,
        };
        let options = ApiOptions {
            tokens: vec![
                token("alice", OPERATOR, Role::Operator),
                token("edge-1", NODE, Role::Node),
            ],
            ..ApiOptions::default()
        };
        let router = filter_registry::router(registry, options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self {
            directory,
            address,
            vetting,
        }
    }

    /// From now on nothing passes.
    pub(crate) fn refuse(&self) {
        self.vetting.refuses.store(true, Ordering::SeqCst);
    }

    /// A file of the test.
    pub(crate) fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// A component that passes every check without being run, and its manifest.
    pub(crate) fn filter(&self, label: &str) -> (PathBuf, PathBuf) {
        let manifest = format!("name = \"greeter\"\nversion = \"{label}\"\nhooks = [\"chat\"]\n");
        (
            self.file(&format!("{label}.wasm"), component(label)),
            self.file(&format!("{label}.toml"), manifest),
        )
    }

    /// Runs `weirctl` against the registry, as the operator.
    pub(crate) async fn weirctl(&self, arguments: &[&str]) -> Ended {
        let registry = format!("http://{}", self.address);
        let mut all = vec!["--registry", &registry, "--token", OPERATOR];
        all.extend(arguments);
        weirctl(self.directory.path(), &all).await
    }

    /// Pushes a version from [`World::filter`].
    pub(crate) async fn push(&self, label: &str, more: &[&str]) -> Ended {
        let (component, manifest) = self.filter(label);
        let (component, manifest) = (
            component.display().to_string(),
            manifest.display().to_string(),
        );
        let mut all = vec![
            "filter",
            "push",
            "--component",
            &component,
            "--manifest",
            &manifest,
        ];
        all.extend(more);
        self.weirctl(&all).await
    }

    /// A client of the registry with a node's token.
    pub(crate) fn client(&self) -> Client {
        let options = ClientOptions {
            url: format!("http://{}", self.address),
            token: Secret::new(NODE),
            ca_file: None,
        };
        Client::new(&options).unwrap()
    }

    /// A node that does at once what is wanted, for as long as the test runs. It has reported
    /// when this returns.
    pub(crate) async fn node(&self) {
        let client = self.client();
        let mut after = follow(&client, None).await;
        tokio::spawn(async move {
            loop {
                after = follow(&client, after).await;
            }
        });
    }
}

/// Waits for the next catalogue, says that all of it is done, and returns its generation.
async fn follow(client: &Client, after: Option<u64>) -> Option<u64> {
    let news = client.catalogue(after, Duration::from_secs(10)).await;
    let Some(catalogue) = news.unwrap() else {
        return after;
    };
    let filters = catalogue.filters.into_iter().map(|(name, filter)| {
        let ready = |id| (id, VersionState::Ready);
        let versions = filter.versions.iter();
        let report = FilterReport {
            active: filter.desired.active,
            versions: versions.map(|version| ready(version.id)).collect(),
            ..FilterReport::default()
        };
        (name, report)
    });
    let report = NodeReport {
        generation: catalogue.generation,
        role: "edge".to_owned(),
        filters: filters.collect(),
    };
    let node = "edge-1".parse().unwrap();
    client.report(&node, &report).await.unwrap();
    Some(catalogue.generation)
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Its stdout, where it ended well.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// Its last line of stderr, where it ended with 1.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert_eq!(self.code, 1, "{self:?}");
        let line = self.stderr.lines().last().unwrap_or_default();
        line.strip_prefix("weirctl: ").unwrap_or(line).to_owned()
    }
}

/// `weirctl` as a process that sees no configuration of whoever runs the test.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weirctl"));
    for variable in ["WEIR_REGISTRY", "WEIR_TOKEN"] {
        command.env_remove(variable);
    }
    command
        .env("XDG_CONFIG_HOME", home.join("no-config"))
        .env("XDG_CACHE_HOME", home.join("cache"))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs it to its end.
pub(crate) async fn weirctl(home: &Path, arguments: &[&str]) -> Ended {
    let mut command = command(home);
    let output = tokio::time::timeout(COMMAND_MAX, command.args(arguments).output());
    let Output {
        status,
        stdout,
        stderr,
    } = output.await.expect("weirctl hangs").unwrap();
    Ended {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// The least component that exports what a chat filter does: interfaces without functions. `label`
/// lies in a custom section, so that each is another one.
pub(crate) fn component(label: &str) -> Vec<u8> {
    // Binary format of the component model: preamble, then sections as id, length, contents.
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    let section = |bytes: &mut Vec<u8>, id: u8, contents: &[u8]| {
        bytes.extend([id, u8::try_from(contents.len()).unwrap()]);
        bytes.extend(contents);
    };
    let name = |contents: &mut Vec<u8>, name: &str| {
        contents.push(u8::try_from(name.len()).unwrap());
        contents.extend(name.as_bytes());
    };
    // One instance, of no exports.
    section(&mut bytes, 5, &[1, 1, 0]);
    let mut exports = vec![2];
    for interface in ["weir:filter/lifecycle@1.1.0", "weir:filter/chat@1.1.0"] {
        exports.push(0);
        name(&mut exports, interface);
        // Instance 0, as the type that it has.
        exports.extend([5, 0, 0]);
    }
    section(&mut bytes, 11, &exports);
    let mut custom = Vec::new();
    name(&mut custom, "label");
    custom.extend(label.as_bytes());
    section(&mut bytes, 0, &custom);
    bytes
}
