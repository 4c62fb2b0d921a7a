//! `weirctl filter activate`, `shadow`, `rollback`, `enable`, `disable` and `revoke`.

use std::time::Duration;

use filter_registry::Client;
use filter_registry::catalogue::RevocationKind;
use filter_registry::wire::{self, FilterOverview, Generation, Overview, SetEnabled, VersionRef};
use serde::Serialize;
use wasm_filters::manifest::{Digest, FilterName, VersionId};

use super::wait::{self, Goal, Nodes, Want};
use crate::args::{Activate, Revoke, Rollback, Shadow, Switch, Waiting};
use crate::failure::Failure;
use crate::output::Output;

/// Milliseconds of a second.
const MS: u64 = 1000;

/// What a change has come to.
#[derive(Debug, Serialize)]
struct Changed {
    #[serde(flatten)]
    generation: Generation,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Nodes>,
}

/// `filter activate`
///
/// # Errors
/// Refused, or not active everywhere in time.
pub(crate) async fn activate(
    client: &Client,
    output: Output,
    wanted: &Activate,
) -> Result<(), Failure> {
    let request = wire::Activate {
        version: wanted.version,
        percent: wanted.percent,
        bake_ms: wanted.bake.map(|seconds| seconds * MS),
        if_generation: wanted.if_generation,
    };
    let name = &wanted.name;
    let answer = client
        .activate(name, &request)
        .await
        .map_err(Failure::failed)?;
    let what = match wanted.percent {
        Some(percent @ ..=99) => format!("{name} {} gets {percent} % of calls", wanted.version),
        _ => format!("{name} {} is activated", wanted.version),
    };
    let want = want_of(wanted.percent);
    tell(output, &what, answer);
    follow(
        client,
        output,
        name,
        Some(wanted.version),
        want,
        answer,
        wanted.waiting,
    )
    .await
}

/// What an activation for that share has to come to on each node.
pub(super) fn want_of(percent: Option<u8>) -> Want {
    match percent {
        Some(..=99) => Want::InForce,
        _ => Want::Active,
    }
}

/// `filter shadow`
///
/// # Errors
/// Refused.
pub(crate) async fn shadow(
    client: &Client,
    output: Output,
    wanted: &Shadow,
) -> Result<(), Failure> {
    let request = wire::Shadow {
        version: wanted.version.0,
        if_generation: wanted.if_generation,
    };
    let name = &wanted.name;
    let answer = client
        .shadow(name, &request)
        .await
        .map_err(Failure::failed)?;
    let what = match wanted.version.0 {
        Some(version) => {
            format!("{name} {version} is the shadow; `weirctl filter status {name}` compares")
        }
        None => format!("{name} has no shadow"),
    };
    finish(output, &what, answer)
}

/// `filter rollback`
///
/// # Errors
/// Refused, or not active everywhere in time.
pub(crate) async fn rollback(
    client: &Client,
    output: Output,
    wanted: &Rollback,
) -> Result<(), Failure> {
    let request = wire::Rollback {
        reason: wanted.reason.clone(),
        if_generation: wanted.if_generation,
    };
    let name = &wanted.name;
    let answer = client
        .rollback(name, &request)
        .await
        .map_err(Failure::failed)?;
    tell(output, &format!("{name} goes back"), answer);
    follow(
        client,
        output,
        name,
        None,
        Want::Active,
        answer,
        wanted.waiting,
    )
    .await
}

/// `filter enable` and `filter disable`
///
/// # Errors
/// Refused.
pub(crate) async fn switch(
    client: &Client,
    output: Output,
    wanted: &Switch,
    enabled: bool,
) -> Result<(), Failure> {
    let request = SetEnabled {
        enabled,
        if_generation: wanted.if_generation,
    };
    let name = &wanted.name;
    let answer = client
        .set_enabled(name, &request)
        .await
        .map_err(Failure::failed)?;
    let word = if enabled { "enabled" } else { "disabled" };
    finish(output, &format!("{name} is {word}"), answer)
}

/// `filter revoke`
///
/// # Errors
/// Refused.
pub(crate) async fn revoke(
    client: &Client,
    output: Output,
    wanted: &Revoke,
) -> Result<(), Failure> {
    let kind = wanted.kind.into();
    let value = wanted.value.clone().unwrap_or_default();
    let value = match kind {
        // The digest does as well, and a token that is to be feared is written down nowhere.
        RevocationKind::Token if value.parse::<Digest>().is_err() => {
            Digest::of(value.as_bytes()).to_string()
        }
        _ => value,
    };
    let request = wire::Revoke {
        kind,
        value,
        seconds: wanted.seconds,
    };
    let answer = client.revoke(&request).await.map_err(Failure::failed)?;
    let what = format!("revoked: {}, for {} s", kind.as_str(), wanted.seconds);
    finish(output, &what, answer)
}

/// For people: what was changed.
fn tell(output: Output, what: &str, answer: Generation) {
    let unchanged = if answer.changed {
        ""
    } else {
        "; it was so already"
    };
    output.step(&format!(
        "{what} (generation {}){unchanged}",
        answer.generation
    ));
}

fn finish(output: Output, what: &str, answer: Generation) -> Result<(), Failure> {
    if output.json {
        return output.json_line(&answer);
    }
    tell(output, what, answer);
    Ok(())
}

/// Waits for the nodes. `version` is what was asked for; none: what the registry made active.
async fn follow(
    client: &Client,
    output: Output,
    name: &FilterName,
    version: Option<VersionRef>,
    want: Want,
    generation: Generation,
    waiting: Waiting,
) -> Result<(), Failure> {
    let mut changed = Changed {
        generation,
        nodes: None,
    };
    if waiting.no_wait {
        return if output.json {
            output.json_line(&changed)
        } else {
            Ok(())
        };
    }
    let overview = client.overview().await.map_err(Failure::failed)?;
    let goal = Goal {
        version: version_id(&overview, name, version)?,
        name: name.clone(),
        generation: generation.generation,
        want,
    };
    let patience = Duration::from_secs(waiting.wait);
    let nodes = wait::nodes(client, &goal, patience, output).await?;
    let verdict = wait::verdict(&nodes, &goal, patience);
    if output.json {
        changed.nodes = Some(nodes);
        output.json_line(&changed)?;
    }
    output.step(&verdict?);
    Ok(())
}

/// The id of a version by number, by id, or of the active one.
fn version_id(
    overview: &Overview,
    name: &FilterName,
    version: Option<VersionRef>,
) -> Result<VersionId, Failure> {
    let gone = || {
        Failure::failed(format!(
            "{name} changed meanwhile: `weirctl filter status {name}`"
        ))
    };
    let filter: &FilterOverview = overview.filters.get(name).ok_or_else(gone)?;
    match version {
        None => filter.desired.active.ok_or_else(gone),
        Some(VersionRef::Id(id)) => Ok(id),
        Some(VersionRef::Number(number)) => {
            let mut versions = filter.versions.iter();
            let version = versions.find(|version| version.number == number);
            version.map(|version| version.id).ok_or_else(gone)
        }
    }
}
