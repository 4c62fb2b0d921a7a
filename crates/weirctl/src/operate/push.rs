//! `weirctl filter push`: checks here, uploads, perhaps activates, and waits for the nodes.

use std::path::Path;
use std::time::Duration;

use filter_registry::Client;
use filter_registry::signature::Signature;
use filter_registry::wire::{self, Generation, NewVersion, Pushed, VersionRef};
use serde::Serialize;
use wasm_filters::check::{COMPONENT_BYTES_MAX, CheckReport, check};
use wasm_filters::manifest::{Digest, Manifest, VersionDocument};

use super::change::want_of;
use super::keys;
use super::wait::{self, Goal, Nodes, Want};
use crate::args::{Component, Push};
use crate::author::build;
use crate::author::project::{Project, read_manifest};
use crate::failure::Failure;
use crate::output::{Output, bytes, count, millis};

/// A version that could be pushed.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// The component's digest and the manifest.
    pub(crate) document: VersionDocument,
    /// The component.
    pub(crate) wasm: Vec<u8>,
    /// What was found in it.
    pub(crate) report: CheckReport,
}

/// What a push has come to.
#[derive(Debug, Serialize)]
struct Outcome {
    pushed: Pushed,
    #[serde(skip_serializing_if = "Option::is_none")]
    activated: Option<Generation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadowed: Option<Generation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Nodes>,
}

impl Candidate {
    /// Puts component and manifest together, and checks them as a node would.
    ///
    /// # Errors
    /// Nodes would refuse it, for the same reason.
    pub(crate) fn new(manifest: Manifest, wasm: Vec<u8>) -> Result<Self, Failure> {
        let report = check(&wasm, &manifest).map_err(|error| {
            Failure::failed(format!("{} {}: {error}", manifest.name, manifest.version))
        })?;
        let document = VersionDocument {
            component: Digest::of(&wasm),
            manifest,
        };
        Ok(Self {
            document,
            wasm,
            report,
        })
    }

    fn line(&self) -> String {
        let manifest = &self.document.manifest;
        format!(
            "checked {} {}: {}, {} functions, id {}",
            manifest.name,
            manifest.version,
            bytes(self.report.bytes),
            count(self.report.functions),
            self.document.id().short()
        )
    }
}

/// Builds where that is asked for, reads, and checks.
///
/// # Errors
/// It does not build, or nodes would refuse it.
pub(super) async fn read_candidate(output: Output, from: &Component) -> Result<Candidate, Failure> {
    let (component, manifest) = match (&from.component, &from.manifest) {
        (Some(component), Some(manifest)) => (component.clone(), read_manifest(manifest)?),
        _ => {
            let project = Project::open(&from.dir)?;
            let built = build::obtain(&project, from.no_build).await?;
            if !from.no_build {
                output.step(&built.line());
            }
            (built.component, project.manifest()?)
        }
    };
    let candidate = Candidate::new(manifest, read_component(&component)?)?;
    output.step(&candidate.line());
    Ok(candidate)
}

/// Reads a component, within the bound that nodes have.
///
/// # Errors
/// It cannot be read, or is too large.
pub(crate) fn read_component(path: &Path) -> Result<Vec<u8>, Failure> {
    let named = |reason: String| Failure::failed(format!("{}: {reason}", path.display()));
    let length = std::fs::metadata(path).map(|metadata| metadata.len());
    let length = length.map_err(|error| named(error.to_string()))?;
    if length > COMPONENT_BYTES_MAX as u64 {
        let most = bytes(COMPONENT_BYTES_MAX as u64);
        return Err(named(format!(
            "has {}; nodes take at most {most}",
            bytes(length)
        )));
    }
    std::fs::read(path).map_err(|error| named(error.to_string()))
}

/// Uploads component and version.
///
/// # Errors
/// The registry refused, and says why; or it cannot be reached.
pub(crate) async fn upload(
    client: &Client,
    candidate: &Candidate,
    serial: u64,
    signature: Option<Signature>,
) -> Result<Pushed, Failure> {
    let document = &candidate.document;
    let component = candidate.wasm.clone().into();
    client.put_blob(component).await.map_err(Failure::failed)?;
    let version = NewVersion {
        manifest: document.manifest.clone(),
        component: document.component,
        serial,
        signature,
    };
    client.push(&version).await.map_err(Failure::failed)
}

/// `filter push`
///
/// # Errors
/// Refused here or there, or not on every node in time.
pub(crate) async fn run(client: &Client, output: Output, wanted: &Push) -> Result<(), Failure> {
    // A key that cannot be read should not cost a build first.
    let key = keys::load(&wanted.signing)?;
    let candidate = read_candidate(output, &wanted.component).await?;
    let (serial, signature) = match (&wanted.signature, key) {
        (Some(file), _) => {
            let signed = keys::read_signed(file, &candidate)?;
            (signed.serial, Some(signed.signature))
        }
        (None, Some(key)) => {
            let signed = keys::signed(&key, &candidate, keys::serial_now());
            (signed.serial, Some(signed.signature))
        }
        (None, None) => (keys::serial_now(), None),
    };
    let pushed = upload(client, &candidate, serial, signature).await?;
    output.step(&line(&candidate, &pushed));
    let mut outcome = Outcome {
        pushed,
        activated: None,
        shadowed: None,
        nodes: None,
    };
    let (want, generation) = put_to_use(client, output, wanted, &candidate, &mut outcome).await?;
    let goal = Goal {
        name: candidate.document.manifest.name.clone(),
        version: outcome.pushed.id,
        generation,
        want,
    };
    let patience = Duration::from_secs(wanted.waiting.wait);
    let mut verdict = Ok(String::new());
    if !wanted.waiting.no_wait {
        let nodes = wait::nodes(client, &goal, patience, output).await?;
        verdict = wait::verdict(&nodes, &goal, patience);
        outcome.nodes = Some(nodes);
    }
    if output.json {
        output.json_line(&outcome)?;
    }
    let verdict = verdict?;
    if !verdict.is_empty() {
        let Goal { name, .. } = &goal;
        output.step(&format!("{name} v{} is {verdict}", outcome.pushed.number));
    }
    Ok(())
}

/// Activates or shadows, as asked; says what has to come of it on the nodes.
async fn put_to_use(
    client: &Client,
    output: Output,
    wanted: &Push,
    candidate: &Candidate,
    outcome: &mut Outcome,
) -> Result<(Want, u64), Failure> {
    let name = &candidate.document.manifest.name;
    let version = VersionRef::Id(outcome.pushed.id);
    let number = outcome.pushed.number;
    if wanted.activate {
        let request = wire::Activate {
            version,
            percent: wanted.percent,
            bake_ms: wanted.bake.map(|seconds| seconds * 1000),
            if_generation: None,
        };
        let answer = client
            .activate(name, &request)
            .await
            .map_err(Failure::failed)?;
        outcome.activated = Some(answer);
        let share = wanted.percent.unwrap_or(100);
        output.step(&format!(
            "activated v{number} for {share} % (generation {})",
            answer.generation
        ));
        return Ok((want_of(wanted.percent), answer.generation));
    }
    if wanted.shadow {
        let request = wire::Shadow {
            version: Some(version),
            if_generation: None,
        };
        let answer = client
            .shadow(name, &request)
            .await
            .map_err(Failure::failed)?;
        outcome.shadowed = Some(answer);
        output.step(&format!(
            "v{number} is the shadow (generation {})",
            answer.generation
        ));
        return Ok((Want::InForce, answer.generation));
    }
    Ok((Want::Ready, outcome.pushed.generation))
}

fn line(candidate: &Candidate, pushed: &Pushed) -> String {
    let name = &candidate.document.manifest.name;
    let number = pushed.number;
    if !pushed.created {
        return format!("{name} v{number} was there already, the same to the byte");
    }
    let vetting = &pushed.vetting;
    let mut line = format!(
        "pushed {name} v{number}; the registry tried it in {}, {} samples passed",
        millis(vetting.took_ms),
        vetting.samples_passed
    );
    for warning in &vetting.warnings {
        line.push_str(&format!(
            "\n  warning: {}",
            crate::output::printable(warning)
        ));
    }
    line
}
