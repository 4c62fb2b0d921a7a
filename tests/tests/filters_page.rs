//! The operator's hands: the page of filters in Chromium, and `weirctl`, against a running fleet.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tests::browser;
use tests::filters::{Filter, Fleet, OPERATOR_TOKEN};
use tests::node::{self, Settings};
use wasm_filters::manifest::Hook;

fn labelled(label: &str) -> anyhow::Result<Filter> {
    let config = json!({ "label": label });
    Filter::guest("all-hooks", "label", &[Hook::HttpResponse], config)
}

#[tokio::test]
async fn the_page_shows_versions_and_rolls_back() -> anyhow::Result<()> {
    let fleet = Fleet::start(1, &Settings::default()).await?;
    fleet
        .operator
        .deploy(&labelled("one")?, fleet.nodes())
        .await?;
    fleet
        .operator
        .deploy(&labelled("two")?, fleet.nodes())
        .await?;
    let edge = fleet.edges.first().context("an edge")?;
    let shots = node::directory("page")?;
    let admin = edge.admin_url();
    let rolled = browser::roll_back(&admin, OPERATOR_TOKEN, "label", ("v2", "v1"), &shots).await?;
    assert_eq!(
        (rolled.before.name.as_str(), rolled.after.name.as_str()),
        ("v2", "v1")
    );
    assert_eq!(rolled.errors, Vec::<String>::new(), "{}", rolled.answered);
    for shot in ["before.png", "after.png"] {
        let bytes = std::fs::metadata(shots.join(shot))?.len();
        assert!(bytes > 20_000, "{shot} has {bytes} bytes");
    }
    // The page is the operator's: viewers do not get it.
    let viewer = edge.client(loadtest::client::Protocol::H2).await?;
    assert_eq!(viewer.fetch("/filters", &[]).await?.status, 404);
    assert_eq!(viewer.fetch("/admin/filters.html", &[]).await?.status, 404);
    Ok(())
}

/// Runs weirctl; its standard output, or its error.
async fn weirctl(registry: &str, token: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(node::binary("weirctl")?);
    command
        .args(arguments)
        .env("WEIR_REGISTRY", registry)
        .env("WEIR_TOKEN", token);
    let output = tokio::process::Command::from(command).output().await?;
    ensure!(
        output.status.success(),
        "{:?}: {}",
        output.status.code(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
async fn weirctl_pushes_shows_and_takes_back() -> anyhow::Result<()> {
    let fleet = Fleet::start(2, &Settings::default()).await?;
    let registry = fleet.origin.admin_url();
    let run = async |arguments: &[&str]| weirctl(&registry, OPERATOR_TOKEN, arguments).await;
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/filters/");
    let (wasm, manifest) = (
        format!("{shipped}http-headers.wasm"),
        format!("{shipped}http-headers.toml"),
    );
    let push = |manifest: &str| -> Vec<String> {
        let arguments = [
            "filter",
            "push",
            "--activate",
            "--component",
            &wasm,
            "--manifest",
            manifest,
        ];
        arguments.map(str::to_owned).to_vec()
    };
    let first = push(&manifest);
    run(&first.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let edge = fleet.edges.first().context("an edge")?;
    let client = edge.client(loadtest::client::Protocol::H2).await?;
    let robots = async || -> anyhow::Result<Option<String>> {
        let fetched = client.fetch("/", &[]).await?;
        Ok(fetched.header("x-robots-tag").map(str::to_owned))
    };
    assert_eq!(robots().await?.as_deref(), Some("noindex"));

    let changed = node::directory("weirctl")?.join("changed.toml");
    let text = std::fs::read_to_string(&manifest)?.replace("noindex", "none");
    std::fs::write(&changed, text)?;
    let second = push(&changed.to_string_lossy());
    run(&second.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    assert_eq!(robots().await?.as_deref(), Some("none"));
    let status = run(&["filter", "status", "http-headers"]).await?;
    for word in ["v1", "v2", "edge-1", "edge-2", "weir-origin", "tests"] {
        assert!(status.contains(word), "no {word} in:\n{status}");
    }
    run(&["filter", "rollback", "http-headers", "--reason", "a test"]).await?;
    tests::wait::until(
        "the edge has gone back",
        std::time::Duration::from_secs(10),
        async || Ok((robots().await?.as_deref() == Some("noindex")).then_some(())),
    )
    .await?;

    let denied = weirctl(&registry, "not-a-token-of-anybody", &["filter", "list"]).await;
    let denied = format!("{:#}", denied.expect_err("it must be refused"));
    assert!(denied.starts_with("Some(1)"), "{denied}");
    Ok(())
}
