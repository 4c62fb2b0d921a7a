//! Attacks over HTTP/3: requests that are given up as soon as they are made, heads that do not end,
//! fields that are too large. Good clients beside them are served all the time.

use std::time::Duration;

use tests::edge::Edge;
use tests::parent::{Gate, Parent, Reply, pattern};
use tests::raw::{ATTACKER, Beside, H3, WITHIN};
use tests::wait;

const PART: &str = "/live/demo/720p/1.m4s";
const HELD: &str = "/live/demo/720p/2.m4s";
/// H3_REQUEST_CANCELLED.
const CANCELLED: u32 = 0x10c;
/// H3_EXCESSIVE_LOAD.
const EXCESSIVE_LOAD: u64 = 0x107;

async fn start() -> anyhow::Result<(Parent, Edge, Beside)> {
    let parent = Parent::start().await?;
    parent.on(PART, Reply::ok(pattern(2_000)));
    let edge = Edge::start("edge", &[parent.url()]).await?;
    let beside = Beside::begin(&edge, PART).await?;
    Ok((parent, edge, beside))
}

#[tokio::test]
async fn requests_that_are_given_up_end_the_connection() -> anyhow::Result<()> {
    let (parent, edge, beside) = start().await?;
    let gate = Gate::new();
    parent.on(HELD, Reply::ok("late").held(&gate));
    let h3 = H3::connect(ATTACKER, &edge).await?;
    let request = h3.get(HELD, &[]);
    let attack = async {
        loop {
            let (mut send, mut receive) = h3.connection.open_bi().await?;
            send.write_all(&request).await?;
            send.finish()?;
            tokio::time::sleep(Duration::from_millis(1)).await;
            receive.stop(CANCELLED.into())?;
        }
    };
    let ended: anyhow::Result<()> = tokio::time::timeout(WITHIN, attack).await?;
    assert!(ended.is_err());
    match h3.connection.closed().await {
        quinn::ConnectionError::ApplicationClosed(close) => {
            assert_eq!(close.error_code.into_inner(), EXCESSIVE_LOAD);
        }
        other => panic!("{other}"),
    }
    let labels = [("kind", "h3_resets")];
    assert_eq!(edge.metric("edge_attacks_total", &labels).await?, 1.0);
    assert_eq!(parent.requests(HELD), 1, "all of them together");
    wait::until("nobody waits any more", WITHIN, async || {
        let waiting = edge.metric("edge_waiters", &[]).await?;
        Ok((waiting == 0.0).then_some(()))
    })
    .await?;
    gate.open();
    beside.end().await
}

#[tokio::test]
async fn heads_that_are_reset_end_the_connection() -> anyhow::Result<()> {
    let (parent, edge, beside) = start().await?;
    let before = parent.requests_total();
    let h3 = H3::connect(ATTACKER, &edge).await?;
    let request = h3.get(PART, &[]);
    let attack = async {
        loop {
            let (mut send, mut receive) = h3.connection.open_bi().await?;
            // A head that is cut off.
            send.write_all(&request[..8]).await?;
            send.reset(CANCELLED.into())?;
            receive.stop(CANCELLED.into())?;
            tokio::task::yield_now().await;
        }
    };
    let ended: anyhow::Result<()> = tokio::time::timeout(WITHIN, attack).await?;
    assert!(ended.is_err());
    let labels = [("reason", "malformed")];
    assert!(edge.metric("edge_h3_refused_total", &labels).await? >= 1_000.0);
    assert_eq!(parent.requests_total(), before);
    beside.end().await
}

#[tokio::test]
async fn fields_have_a_size() -> anyhow::Result<()> {
    let (parent, edge, beside) = start().await?;
    let before = parent.requests_total();
    let h3 = H3::connect(ATTACKER, &edge).await?;
    let long = vec![b'a'; 50_000];
    let answer = h3.answer(&h3.get(PART, &[("x-long", &long)])).await?;
    // A bare 431, or a reset: no body, and the request has gone nowhere.
    assert!(answer.is_err() || answer.is_ok_and(|bytes| bytes.len() < 1_000));
    // A bomb: a field of the static table, 99 bytes or so, named 40,000 times with two bytes.
    let mut bomb = h3.get(PART, &[]);
    bomb.extend([0xff, 0x00].repeat(40_000));
    let length = u32::try_from(bomb.len() - 5)?;
    bomb[1..5].copy_from_slice(&(0x8000_0000 | length).to_be_bytes());
    let answer = h3.answer(&bomb).await?;
    assert!(answer.is_err() || answer.is_ok_and(|bytes| bytes.len() < 1_000));
    let labels = [("reason", "too_large")];
    assert_eq!(edge.metric("edge_h3_refused_total", &labels).await?, 2.0);
    // The connection is still good.
    let answer = h3.answer(&h3.get(PART, &[])).await?.unwrap();
    assert!(answer.len() > 2_000);
    assert_eq!(parent.requests_total(), before);
    beside.end().await
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() -> anyhow::Result<()> {
    let (_parent, edge, beside) = start().await?;
    let h3 = H3::connect(ATTACKER, &edge).await?;
    let request = h3.get(PART, &[]);
    let (mut send, mut receive) = h3.connection.open_bi().await?;
    send.write_all(&request[..request.len() - 1]).await?;
    let ended = tokio::time::timeout(WITHIN, receive.read_to_end(1_000)).await?;
    assert!(ended.is_err());
    let labels = [("reason", "too_slow")];
    assert_eq!(edge.metric("edge_h3_refused_total", &labels).await?, 1.0);
    beside.end().await
}
