//! Disks without room: what runs goes on running, and who is concerned is told.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use filter_registry::ClientError;
use loadtest::client::{Client, Protocol};
use serde_json::json;
use tests::disk::SmallDisk;
use tests::edge::Edge;
use tests::filters::{Filter, Operator, edge_settings, origin_settings};
use tests::origin::Origin;
use tests::parent::{Parent, Reply, pattern};
use tests::wait;
use wasm_filters::manifest::Hook;

const SEGMENT: &str = "/live/demo/720p/100.m4s";
/// The field in which the test's filter says which version it is.
const LABEL: &str = "x-filter";
/// Room for some components and their machine code, and soon full.
const MEBIBYTES: u32 = 16;
const WITHIN: Duration = Duration::from_secs(30);

/// A component of its own for each label, so that it is stored and compiled anew.
fn labelled(label: &str) -> anyhow::Result<Filter> {
    let config = json!({ "label": label });
    let mut filter = Filter::guest("all-hooks", "label", &[Hook::HttpResponse], config)?;
    // A custom section (WebAssembly core 5.5.3) that is named after it.
    let name = u8::try_from(label.len())?;
    let section = [&[0, name + 1, name], label.as_bytes()].concat();
    filter.wasm = Bytes::from([filter.wasm.to_vec(), section].concat());
    Ok(filter)
}

async fn label(client: &Client) -> anyhow::Result<Option<String>> {
    let fetched = client.fetch(SEGMENT, &[]).await?;
    anyhow::ensure!(fetched.status == 200, "status {}", fetched.status);
    Ok(fetched.header(LABEL).map(str::to_owned))
}

async fn until_labelled(client: &Client, expected: &str) -> anyhow::Result<()> {
    wait::until("the edge runs it", WITHIN, async || {
        let label = label(client).await?;
        Ok((label.as_deref() == Some(expected)).then_some(()))
    })
    .await
}

/// The reason that the registry gave for not taking something.
fn refusal(error: &anyhow::Error) -> anyhow::Result<(u16, String)> {
    let error = error.downcast_ref::<ClientError>().context("an answer")?;
    let status = error.status().context("a status")?.as_u16();
    let problem = error.problem().context("a problem document")?;
    Ok((status, problem.detail.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_no_filter_that_runs() -> anyhow::Result<()> {
    let disks = (
        SmallDisk::mount("registry-disk", MEBIBYTES)?,
        SmallDisk::mount("edge-disk", MEBIBYTES)?,
    );
    let (Some(of_registry), Some(of_edge)) = disks else {
        // Only root mounts; continuous integration is root.
        return Ok(());
    };
    let at = |disk: &SmallDisk| disk.path().join("state").display().to_string();
    let registry = origin_settings().set("filter_registry", "dir", at(&of_registry));
    let origin = Origin::start_with(&registry).await?;
    let parent = Parent::start().await?;
    parent.on(
        SEGMENT,
        Reply::ok(pattern(10_000)).header("Cache-Control", "max-age=600"),
    );
    let following = edge_settings(&origin.admin_url()).set("filters", "state_dir", at(&of_edge));
    let mut edge = Edge::start_with("edge", &[parent.url()], &following).await?;
    let operator = Operator::of(&origin)?;
    let client = edge.client(Protocol::H2).await?;
    let first = labelled("first")?;
    operator.deploy(&first, 2).await?;
    until_labelled(&client, "first").await?;

    // The edge has no room: it runs the next one all the same, from memory, and says so.
    of_edge.fill()?;
    operator.deploy(&labelled("second")?, 2).await?;
    until_labelled(&client, "second").await?;
    assert!(
        edge.log().contains("machine code is not kept"),
        "{}",
        edge.log()
    );
    of_edge.empty()?;
    edge.kill()?;
    edge.start_again().await?;
    let client = edge.client(Protocol::H2).await?;
    until_labelled(&client, "second").await?;

    // The registry has no room: it takes nothing, says why, and loses nothing.
    of_registry.fill()?;
    let pushed = operator.push(&labelled("third")?).await;
    let (status, detail) = refusal(&pushed.expect_err("there is no room"))?;
    assert_eq!(status, 507, "{detail}");
    assert!(detail.contains("disk is full"), "{detail}");
    let activated = operator.activate(first.name(), 1).await;
    let (status, detail) = refusal(&activated.expect_err("there is no room"))?;
    assert_eq!(status, 507, "{detail}");
    assert_eq!(label(&client).await?.as_deref(), Some("second"));
    of_registry.empty()?;
    operator.activate(first.name(), 1).await?;
    until_labelled(&client, "first").await?;
    operator.deploy(&labelled("third")?, 2).await?;
    until_labelled(&client, "third").await
}
