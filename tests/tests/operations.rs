//! What operators rely on: readiness that means it, metrics, and a configuration that is checked
//! before any port opens.

use std::process::Command;

use loadtest::client::{Client, Protocol, Trust};
use tests::edge::Edge;
use tests::node;
use tests::origin::Origin;
use tests::parent::{Parent, Reply};

const SEGMENT: &str = "/live/demo/720p/100.m4s";

/// sysexits.h EX_USAGE, as the contract of both binaries says.
const EXIT_USAGE: i32 = 64;

#[tokio::test]
async fn a_ready_edge_takes_requests_on_every_listener() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    parent.on(SEGMENT, Reply::ok("segment"));
    let mut leaf = Edge::start("leaf", &[parent.url()]).await?;
    for _ in 0..5 {
        leaf.kill()?;
        leaf.start_again().await?;
        for (url, protocol) in [
            (leaf.https_url(), Protocol::H1),
            (leaf.https_url(), Protocol::H2),
            (leaf.https_url(), Protocol::H3),
            (leaf.http_url(), Protocol::H1),
        ] {
            let client = Client::connect(&url, protocol, &Trust::Insecure).await?;
            assert_eq!(client.fetch(SEGMENT, &[]).await?.status, 200, "{url}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn both_binaries_tell_how_they_are() -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let leaf = Edge::start("leaf", &[origin.http_url()]).await?;
    for (node, prefix) in [(&*origin, "origin_"), (&*leaf, "edge_")] {
        assert_eq!(node.admin("/healthz").await?.status, 200);
        assert_eq!(node.admin("/readyz").await?.status, 200);
        let metrics = node.admin("/metrics").await?;
        assert_eq!(metrics.status, 200);
        assert!(metrics.text().contains(prefix), "{}", metrics.text());
    }
    let client = leaf.client(Protocol::H2).await?;
    let streams = client.fetch("/api/streams", &[]).await?;
    assert_eq!(streams.status, 200);
    let streams: serde_json::Value = serde_json::from_str(&streams.text())?;
    assert_eq!(streams, serde_json::json!({ "streams": [] }));
    Ok(())
}

/// The edge offers HTTP/3 to those who come over TCP.
#[tokio::test]
async fn alt_svc_names_the_same_port() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    parent.on(SEGMENT, Reply::ok("segment"));
    let leaf = Edge::start("leaf", &[parent.url()]).await?;
    for protocol in [Protocol::H1, Protocol::H2] {
        let fetched = leaf.client(protocol).await?.fetch(SEGMENT, &[]).await?;
        let offer = fetched.header("alt-svc").unwrap_or_default();
        let expected = format!("h3=\":{}\"", leaf.https_port());
        assert!(offer.contains(&expected), "{protocol}: '{offer}'");
    }
    Ok(())
}

#[test]
fn a_wrong_configuration_is_refused_with_its_line() -> anyhow::Result<()> {
    let directory = node::directory("config")?;
    let file = directory.join("wrong.toml");
    for binary in ["weir-origin", "weir-edge"] {
        std::fs::write(
            &file,
            "[log]\nformat = \"text\"\n\n[admin]\nno_such_key = 1\n",
        )?;
        for arguments in [&["--check-config"][..], &[]] {
            let output = Command::new(node::binary(binary)?)
                .arg("--config")
                .arg(&file)
                .args(arguments)
                .output()?;
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(EXIT_USAGE), "{binary}: {told}");
            assert!(told.contains("wrong.toml"), "{binary}: {told}");
            assert!(told.contains('5') || told.contains('4'), "{binary}: {told}");
        }
        let defaults = Command::new(node::binary(binary)?)
            .arg("--print-default-config")
            .output()?;
        assert!(defaults.status.success());
        std::fs::write(&file, defaults.stdout)?;
        let checked = Command::new(node::binary(binary)?)
            .args(["--check-config", "--config"])
            .arg(&file)
            .output()?;
        let told = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{binary}: {told}");
    }
    Ok(())
}
