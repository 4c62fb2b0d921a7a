//! Builds a project's component with the tool of its language.
//!
//! It judges nothing: whether a component can be a filter, the host says (`author::check`).

mod cargo;
mod componentize;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::process::Command;

use crate::args::Language;
use crate::author::project::Project;
use crate::failure::Failure;
use crate::output::{Output, bytes, millis};

/// A component on disk.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Built {
    /// Where.
    pub(crate) component: PathBuf,
    /// In bytes.
    pub(crate) size: u64,
    /// What it took.
    #[serde(rename = "took_ms", serialize_with = "as_millis")]
    pub(crate) took: Duration,
}

/// What to build for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To run for long: small and fast.
    Release,
    /// To be tried at once: built fast.
    Watch,
}

/// Builds.
///
/// # Errors
/// The tool is missing and cannot be had, or it failed; its own words are on stderr then.
pub(crate) async fn build(project: &Project, purpose: Purpose) -> Result<Built, Failure> {
    let begun = Instant::now();
    let component = match project.language {
        Language::Rust => cargo::build(project, purpose).await?,
        Language::Javascript => componentize::javascript(project).await?,
        Language::Python => componentize::python(project).await?,
    };
    Built::at(component, begun.elapsed())
}

/// What was built last.
///
/// # Errors
/// Nothing was.
pub(crate) async fn built(project: &Project) -> Result<Built, Failure> {
    let component = match project.language {
        Language::Rust => cargo::built(project).await?,
        Language::Javascript | Language::Python => componentize::output(project)?,
    };
    Built::at(component, Duration::ZERO)
}

/// Builds, or takes what was built last.
///
/// # Errors
/// As [`build`] and [`built`].
pub(crate) async fn obtain(project: &Project, no_build: bool) -> Result<Built, Failure> {
    if no_build {
        built(project).await
    } else {
        build(project, Purpose::Release).await
    }
}

/// `weirctl filter build`
///
/// # Errors
/// As [`build`].
pub(crate) async fn run(output: Output, dir: &Path) -> Result<(), Failure> {
    let project = Project::open(dir)?;
    let built = build(&project, Purpose::Release).await?;
    output.show(&built, |built, _| built.line())
}

impl Built {
    fn at(component: PathBuf, took: Duration) -> Result<Self, Failure> {
        let size = std::fs::metadata(&component).map(|metadata| metadata.len());
        let size = size.map_err(|error| {
            Failure::failed(format!(
                "{}: {error}; `weirctl filter build` makes it",
                component.display()
            ))
        })?;
        Ok(Self {
            component,
            size,
            took,
        })
    }

    /// For people.
    pub(crate) fn line(&self) -> String {
        let path = shown(&self.component);
        let took = millis(u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX));
        format!("built {path} ({}) in {took}", bytes(self.size))
    }
}

/// A path as short as it can be said from here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let inside = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    inside
        .unwrap_or_else(|| path.to_owned())
        .display()
        .to_string()
}

fn as_millis<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}

/// Runs a tool whose messages are for the author: on stderr, so that stdout stays ours.
async fn run_tool(command: &mut Command, what: &str) -> Result<(), Failure> {
    let output = spawn(command.stdout(Stdio::piped()), what).await?;
    drop(std::io::Write::write_all(
        &mut std::io::stderr(),
        &output.stdout,
    ));
    succeeded(output.status, what)
}

/// Runs a tool and takes its stdout.
async fn spawn(command: &mut Command, what: &str) -> Result<std::process::Output, Failure> {
    command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let child = command.spawn().map_err(|error| {
        let program = command
            .as_std()
            .get_program()
            .to_string_lossy()
            .into_owned();
        Failure::failed(format!("{what}: {program}: {error}"))
    })?;
    let output = child.wait_with_output().await;
    output.map_err(|error| Failure::failed(format!("{what}: {error}")))
}

fn succeeded(status: std::process::ExitStatus, what: &str) -> Result<(), Failure> {
    if status.success() {
        Ok(())
    } else {
        Err(Failure::failed(format!(
            "{what} failed ({status}); its messages are above"
        )))
    }
}
