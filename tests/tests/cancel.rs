//! Viewers who leave are forgotten, and a fill that nobody waits for any more does not linger.

use std::time::Duration;

use loadtest::client::{Client, Protocol};
use tests::edge::Edge;
use tests::node::Settings;
use tests::parent::{Gate, Parent, Reply, Step, pattern};
use tests::wait;
use tokio::task::JoinSet;

const PART: &str = "/live/demo/720p/100.3.m4s";
const WAITERS_PER_CLIENT: usize = 30;
const HEAD_TIMEOUT_MS: i64 = 3000;
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(10);

/// Starts viewers of every protocol that wait for [`PART`].
async fn viewers(leaf: &Edge) -> anyhow::Result<(Vec<Client>, JoinSet<()>)> {
    let clients = leaf.clients_of_all(2).await?;
    let mut waiting = JoinSet::new();
    for client in &clients {
        for _ in 0..WAITERS_PER_CLIENT {
            let client = client.clone();
            waiting.spawn(async move {
                // Leaves before an answer; whatever there was of one is of no interest.
                let _ = client.fetch(PART, &[]).await;
            });
        }
    }
    Ok((clients, waiting))
}

async fn gauge_is(leaf: &Edge, name: &str, value: f64) -> anyhow::Result<()> {
    wait::until(
        &format!("{name} is {value}"),
        FORGOTTEN_WITHIN,
        async || {
            let now = leaf.metric(name, &[]).await?;
            anyhow::ensure!(now == value, "it is {now}");
            Ok(Some(()))
        },
    )
    .await
}

#[tokio::test]
async fn waiters_who_leave_are_forgotten() -> anyhow::Result<()> {
    for h2c in [true, false] {
        let parent = Parent::start().await?;
        let settings = Settings::default().set("parents", "h2c", h2c).set(
            "parents",
            "head_timeout_ms",
            HEAD_TIMEOUT_MS,
        );
        let leaf = Edge::start_with("leaf", &[parent.url()], &settings).await?;
        let gate = Gate::new();
        parent.on(PART, Reply::ok(pattern(100_000)).held(&gate));

        let (clients, mut waiting) = viewers(&leaf).await?;
        gauge_is(&leaf, "edge_requests_in_progress", waiting.len() as f64).await?;
        // Half leave by resetting their streams, the rest with their connections.
        waiting.shutdown().await;
        for client in &clients {
            client.close();
        }
        drop(clients);
        gauge_is(&leaf, "edge_requests_in_progress", 0.0).await?;
        // The fill ends too: given up, or at the latest by the parent's timeout.
        gauge_is(&leaf, "edge_flights", 0.0).await?;
        wait::until("the parent is left alone", FORGOTTEN_WITHIN, async || {
            Ok((parent.active() == 0).then_some(()))
        })
        .await?;

        // The object is not spoilt for those who come later.
        gate.open();
        let client = leaf.client(Protocol::H3).await?;
        wait::until("the object can be had", FORGOTTEN_WITHIN, async || {
            let fetched = client.fetch(PART, &[]).await?;
            Ok((fetched.status == 200 && fetched.is_whole()).then_some(()))
        })
        .await?;
    }
    Ok(())
}

/// Leaving in the middle of a body ends neither the fill for the others nor the edge's memory of
/// those who left.
#[tokio::test]
async fn leaving_mid_body_harms_nobody() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    let leaf = Edge::start("leaf", &[parent.url()]).await?;
    let (half, rest) = (pattern(200_000), pattern(100_000));
    let gate = Gate::new();
    let whole = [half.clone(), rest.clone()].concat();
    let reply = Reply::ok(whole.clone()).steps(vec![
        Step::Send(half),
        Step::Wait(gate.clone()),
        Step::Send(rest),
    ]);
    parent.on(PART, reply);

    let (clients, mut leaving) = viewers(&leaf).await?;
    let stays = leaf.client(Protocol::H2).await?;
    let stays = tokio::spawn(async move { stays.fetch(PART, &[]).await });
    let there = leaving.len() as f64 + 1.0;
    gauge_is(&leaf, "edge_requests_in_progress", there).await?;
    leaving.shutdown().await;
    drop(clients);
    gauge_is(&leaf, "edge_requests_in_progress", 1.0).await?;
    gate.open();
    let fetched = stays.await??;
    assert_eq!(fetched.broken, None);
    assert_eq!(fetched.body, whole);
    assert_eq!(parent.requests(PART), 1);
    gauge_is(&leaf, "edge_requests_in_progress", 0.0).await
}
