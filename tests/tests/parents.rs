//! Several parents: who is asked for what, and what viewers see when one of them dies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use loadtest::client::Protocol;
use loadtest::process::{self, Signal};
use tests::edge::Edge;
use tests::node::Settings;
use tests::parent::{Gate, Parent, Reply};
use tests::wait;
use toml::Value;

const STREAMS: usize = 24;

/// Two looks of a second each, the pauses before them, and as much again for a slow machine.
const MOVED_WITHIN: Duration = Duration::from_secs(6);

fn object(stream: usize, number: usize) -> String {
    format!("/live/stream-{stream}/720p/{number}.m4s")
}

/// Parents that have the first objects of all streams and say who they are.
async fn parents(count: usize) -> anyhow::Result<Vec<Parent>> {
    let mut parents = Vec::new();
    for name in 0..count {
        let parent = Parent::start().await?;
        for stream in 0..STREAMS {
            for number in 0..8 {
                parent.on(&object(stream, number), Reply::ok(format!("parent {name}")));
            }
        }
        parents.push(parent);
    }
    Ok(parents)
}

fn urls<'a>(parents: impl IntoIterator<Item = &'a Parent>) -> Vec<String> {
    parents.into_iter().map(Parent::url).collect()
}

fn list(urls: Vec<String>) -> Value {
    urls.into_iter().map(Value::from).collect::<Vec<_>>().into()
}

/// Which parent each stream's object comes from.
async fn homes(leaf: &Edge, number: usize) -> anyhow::Result<BTreeMap<usize, String>> {
    let client = leaf.client(Protocol::H2).await?;
    let mut homes = BTreeMap::new();
    for stream in 0..STREAMS {
        let fetched = client.fetch(&object(stream, number), &[]).await?;
        assert_eq!(fetched.status, 200, "stream {stream}");
        homes.insert(stream, String::from_utf8(fetched.body.to_vec())?);
    }
    Ok(homes)
}

#[tokio::test]
async fn each_stream_has_one_home_until_that_dies() -> anyhow::Result<()> {
    let mut parents = parents(3).await?;
    let hash = Settings::default().set("parents", "choice", "hash");
    let leaf = Edge::start_with("leaf", &urls(&parents), &hash).await?;
    let other = Edge::start_with("other", &urls(parents.iter().rev()), &hash).await?;
    let before = homes(&leaf, 0).await?;
    assert_eq!(
        homes(&other, 0).await?,
        before,
        "whatever the order of the list"
    );
    assert_eq!(homes(&leaf, 1).await?, before, "for all of a stream");
    let of = |name: &str| before.values().filter(|home| *home == name).count();
    for name in ["parent 0", "parent 1", "parent 2"] {
        assert!(of(name) > 0, "{before:?}");
    }

    drop(parents.remove(0));
    let after = homes(&leaf, 2).await?;
    for (stream, home) in &before {
        if home == "parent 0" {
            assert_ne!(after[stream], "parent 0");
        } else {
            assert_eq!(after[stream], *home, "its home has not died");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_backup_is_asked_when_all_others_have_died() -> anyhow::Result<()> {
    let mut parents = parents(3).await?;
    let backup = list(urls(&parents[2..]));
    let settings = Settings::default().set("parents", "backup_urls", backup);
    let leaf = Edge::start_with("leaf", &urls(&parents[..2]), &settings).await?;
    let all_from = |name: &str| BTreeMap::from_iter((0..STREAMS).map(|s| (s, name.to_owned())));
    assert_eq!(homes(&leaf, 0).await?, all_from("parent 0"));
    drop(parents.remove(0));
    assert_eq!(homes(&leaf, 1).await?, all_from("parent 1"));
    drop(parents.remove(0));
    assert_eq!(homes(&leaf, 2).await?, all_from("parent 2"));
    Ok(())
}

#[tokio::test]
async fn who_waits_for_a_frozen_shield_gets_it_from_another() -> anyhow::Result<()> {
    let origin = parents(1).await?;
    let frozen = Edge::start("frozen", &urls(&origin)).await?;
    let well = Edge::start("well", &urls(&origin)).await?;
    let shields = [frozen.http_url(), well.http_url()];
    let settings = Settings::default().set("parents", "h2c", false);
    let leaf = Edge::start_with("leaf", &shields, &settings).await?;
    let client = leaf.client(Protocol::H2).await?;
    let fetch = async |number| {
        let began = Instant::now();
        let fetched = client.fetch(&object(0, number), &[]).await?;
        assert_eq!(fetched.status, 200);
        anyhow::Ok(began.elapsed())
    };
    fetch(0).await?;
    assert_eq!(well.upstream_requests().await?, 0.0, "the first is asked");

    process::send(frozen.process()?.pid(), Signal::Stop)?;
    let waited = fetch(1).await?;
    assert!(waited < MOVED_WITHIN, "{waited:?}");
    let next = fetch(2).await?;
    assert!(
        next < MOVED_WITHIN / 6,
        "the frozen one is left alone: {next:?}"
    );
    let authority = shields[0].trim_start_matches("http://").to_owned();
    let up = async || {
        leaf.metric("edge_parent_up", &[("parent", &authority)])
            .await
    };
    assert_eq!(up().await?, 0.0);

    process::send(frozen.process()?.pid(), Signal::Continue)?;
    wait::until("it is asked again", Duration::from_secs(10), async || {
        Ok((up().await? == 1.0).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_parent_has_as_many_requests_as_it_may() -> anyhow::Result<()> {
    let parents = parents(2).await?;
    let gate = Gate::new();
    for parent in &parents {
        parent.on(&object(0, 0), Reply::ok("held").held(&gate));
        parent.on(&object(1, 0), Reply::ok("held").held(&gate));
    }
    let settings = Settings::default().set("parents", "requests_max", 1);
    let leaf = Edge::start_with("leaf", &urls(&parents), &settings).await?;
    let clients = leaf.clients(Protocol::H2, 3).await?;
    let [first, second, third] = clients.try_into().map_err(|_| anyhow::anyhow!("three"))?;
    let first = tokio::spawn(async move { first.fetch(&object(0, 0), &[]).await });
    parents[0].asked(&object(0, 0), 1).await?;
    let second = tokio::spawn(async move { second.fetch(&object(1, 0), &[]).await });
    parents[1].asked(&object(1, 0), 1).await?;
    let refused = third.fetch(&object(2, 0), &[]).await?;
    assert_eq!(refused.status, 503);
    assert!(refused.headers.contains_key("retry-after"));
    gate.open();
    assert_eq!(first.await??.status, 200);
    assert_eq!(second.await??.status, 200);
    let fetched = third.fetch(&object(3, 0), &[]).await?;
    assert_eq!(fetched.status, 200);
    Ok(())
}
