//! SIGTERM: what is in flight is finished, nothing new is taken, and the exit is clean.

use std::time::{Duration, Instant};

use loadtest::client::{Client, Protocol, Trust};
use loadtest::process::Signal;
use tests::edge::Edge;
use tests::node::Settings;
use tests::origin::{Origin, PUBLISH_KEY};
use tests::parent::{Gate, Parent, Reply, pattern};
use tests::playlist;
use tests::publisher::Publisher;
use tests::wait;
use tokio::task::JoinSet;

const PART: &str = "/live/demo/720p/100.3.m4s";
const GRACE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_edge_finishes_its_holds_before_it_goes() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    let gate = Gate::new();
    let body = pattern(200_000);
    parent.on(PART, Reply::ok(body.clone()).held(&gate));
    let grace = i64::try_from(GRACE.as_secs())?;
    let settings = Settings::default().set("drain", "grace_seconds", grace);
    let mut leaf = Edge::start_with("leaf", &[parent.url()], &settings).await?;
    let mut holds = JoinSet::new();
    for client in leaf.clients_of_all(2).await? {
        holds.spawn(async move { (client.protocol(), client.fetch(PART, &[]).await) });
    }
    let held = holds.len() as f64;
    wait::until("all are held", GRACE, async || {
        let now = leaf.metric("edge_requests_in_progress", &[]).await?;
        Ok((now == held).then_some(()))
    })
    .await?;

    leaf.process()?.signal(Signal::Terminate)?;
    let began = Instant::now();
    wait::until("nothing new is taken", GRACE, async || {
        let fresh = Client::connect(&leaf.https_url(), Protocol::H2, &Trust::Insecure).await;
        Ok(fresh.is_err().then_some(()))
    })
    .await?;
    gate.open();
    while let Some(hold) = holds.join_next().await {
        let (protocol, fetched) = hold?;
        let fetched = fetched?;
        assert_eq!(fetched.status, 200, "{protocol}");
        assert_eq!(fetched.broken, None, "{protocol}");
        assert_eq!(fetched.body, body, "{protocol}");
    }
    let status = leaf.exited(GRACE + Duration::from_secs(5)).await?;
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < GRACE, "idle connections kept it");
    Ok(())
}

#[tokio::test]
async fn an_origin_answers_its_holds_before_it_goes() -> anyhow::Result<()> {
    let mut origin = Origin::start().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let client = origin.client(Protocol::H2).await?;
    let now = playlist::playing(&client, "360p").await?;
    // The end of the open Segment is up to two seconds away.
    let query = format!("index.m3u8?_HLS_msn={}", now.open_msn().value() + 1);
    let path = playlist::path("360p", &query);
    let hold = tokio::spawn(async move { client.fetch(&path, &[]).await });
    wait::until("the request is held", GRACE, async || {
        let held = origin.metric("origin_http_held_requests", &[]).await?;
        Ok((held >= 1.0).then_some(()))
    })
    .await?;
    origin.process()?.signal(Signal::Terminate)?;
    let fetched = hold.await??;
    assert!(fetched.is_whole(), "{:?}", fetched.broken);
    let status = fetched.status.as_u16();
    assert!(matches!(status, 200 | 404 | 503), "{status}");
    let status = origin.exited(GRACE + Duration::from_secs(5)).await?;
    assert!(status.success(), "{status}");
    Ok(())
}
