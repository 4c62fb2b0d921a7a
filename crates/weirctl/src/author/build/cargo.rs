//! Rust: cargo, for a target whose output is a component already.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use tokio::process::Command;

use super::{Purpose, spawn, succeeded};
use crate::author::project::Project;
use crate::failure::Failure;

/// Its output is a component; `wasm32-unknown-unknown` would need another tool after cargo.
const TARGET: &str = "wasm32-wasip2";

/// The profile of [`Purpose::Watch`], which a project's Cargo.toml need not know: optimisation of
/// the whole program is what makes a release build slow.
const WATCH_PROFILE: [&str; 7] = [
    "profile.weir-watch.inherits='release'",
    "profile.weir-watch.opt-level=1",
    "profile.weir-watch.lto='off'",
    "profile.weir-watch.codegen-units=16",
    "profile.weir-watch.incremental=true",
    "profile.weir-watch.debug=false",
    "profile.weir-watch.strip='debuginfo'",
];

/// Builds, and says where the component is.
pub(super) async fn build(project: &Project, purpose: Purpose) -> Result<PathBuf, Failure> {
    ensure_target(&project.dir).await?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&project.dir).args([
        "build",
        "--target",
        TARGET,
        "--message-format",
        "json-render-diagnostics",
    ]);
    match purpose {
        Purpose::Release => {
            cargo.arg("--release");
        }
        Purpose::Watch => {
            cargo.args(["--quiet", "--profile", "weir-watch"]);
            for setting in WATCH_PROFILE {
                cargo.args(["--config", setting]);
            }
        }
    }
    cargo.stdout(Stdio::piped());
    let output = spawn(&mut cargo, "cargo build").await?;
    succeeded(output.status, "cargo build")?;
    let manifest = project.dir.join("Cargo.toml");
    component_of(&output.stdout, &manifest).ok_or_else(|| {
        Failure::failed(
            "cargo built no component: Cargo.toml needs [lib] with crate-type = [\"cdylib\"]",
        )
    })
}

/// Where cargo puts the component of a release build.
pub(super) async fn built(project: &Project) -> Result<PathBuf, Failure> {
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(&project.dir)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .stdout(Stdio::piped());
    let output = spawn(&mut cargo, "cargo metadata").await?;
    succeeded(output.status, "cargo metadata")?;
    let metadata: Metadata = serde_json::from_slice(&output.stdout)
        .map_err(|error| Failure::failed(format!("cargo metadata: {error}")))?;
    let manifest = project.dir.join("Cargo.toml");
    let package = metadata
        .packages
        .iter()
        .find(|package| package.manifest_path == manifest);
    let library =
        package.and_then(|package| package.targets.iter().find(|target| target.is_component()));
    let library = library
        .ok_or_else(|| Failure::failed("Cargo.toml needs [lib] with crate-type = [\"cdylib\"]"))?;
    let file = format!("{}.wasm", library.name.replace('-', "_"));
    Ok(metadata
        .target_directory
        .join(TARGET)
        .join("release")
        .join(file))
}

/// Has rustup add the target when the toolchain of this folder does not have it.
async fn ensure_target(dir: &Path) -> Result<(), Failure> {
    // Once for all builds of a watch: each save should cost as little as can be.
    static IS_THERE: AtomicBool = AtomicBool::new(false);
    if IS_THERE.load(Ordering::Relaxed) {
        return Ok(());
    }
    let mut rustc = Command::new("rustc");
    rustc
        .current_dir(dir)
        .args(["--print", "target-libdir", "--target", TARGET])
        .stdout(Stdio::piped());
    let output = spawn(&mut rustc, "rustc").await?;
    succeeded(output.status, "rustc")?;
    let library = String::from_utf8_lossy(&output.stdout);
    if Path::new(library.trim()).is_dir() {
        IS_THERE.store(true, Ordering::Relaxed);
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.current_dir(dir).args(["target", "add", TARGET]);
    super::run_tool(&mut rustup, &format!("rustup target add {TARGET}"))
        .await
        .map_err(|failure| {
            let reason = failure.line().unwrap_or_default();
            Failure::failed(format!("the Rust toolchain has no {TARGET}: {reason}"))
        })
}

/// The part of cargo's messages that is looked at.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Default, Deserialize)]
struct Target {
    #[serde(default)]
    name: String,
    #[serde(default)]
    crate_types: Vec<String>,
}

impl Target {
    fn is_component(&self) -> bool {
        self.crate_types.iter().any(|kind| kind == "cdylib")
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

/// The component that the package of this manifest has become.
fn component_of(messages: &[u8], manifest: &Path) -> Option<PathBuf> {
    let lines = messages.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<Message>(line).ok());
    let ours = messages.filter(|message| {
        message.reason == "compiler-artifact"
            && message.manifest_path == manifest
            && message.target.is_component()
    });
    ours.flat_map(|message| message.filenames).find(|file| {
        file.extension()
            .is_some_and(|extension| extension == "wasm")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_the_packages_own() {
        let messages = br#"{"reason":"compiler-artifact","manifest_path":"/dep/Cargo.toml","target":{"name":"dep","crate_types":["cdylib"]},"filenames":["/t/dep.wasm"]}
not json
{"reason":"compiler-artifact","manifest_path":"/mine/Cargo.toml","target":{"name":"build","crate_types":["bin"]},"filenames":["/t/build"]}
{"reason":"compiler-artifact","manifest_path":"/mine/Cargo.toml","target":{"name":"mine","crate_types":["cdylib","rlib"]},"filenames":["/t/libmine.rlib","/t/mine.wasm"]}
{"reason":"build-finished","success":true}
"#;
        let manifest = Path::new("/mine/Cargo.toml");
        assert_eq!(
            component_of(messages, manifest),
            Some(PathBuf::from("/t/mine.wasm"))
        );
        assert_eq!(
            component_of(b"{\"reason\":\"build-finished\"}", manifest),
            None
        );
    }
}
