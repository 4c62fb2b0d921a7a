//! The harness itself: what the tests believe when the client says "whole" and the parent says
//! "asked once".

use std::time::Duration;

use bytes::Bytes;
use loadtest::client::{Broken, Client, Protocol, Trust};
use tests::parent::{Cut, Gate, Parent, Reply, pattern};
use tests::wait;

const TARGET: &str = "/live/demo/720p/100.0.m4s";

/// HTTP/1.1 and HTTP/2 with prior knowledge.
const PLAIN: [Protocol; 2] = [Protocol::H1, Protocol::H2];

async fn client(parent: &Parent, protocol: Protocol) -> anyhow::Result<Client> {
    Ok(Client::connect(&parent.url(), protocol, &Trust::Insecure).await?)
}

#[tokio::test]
async fn a_whole_body_is_whole_and_counted_once() -> anyhow::Result<()> {
    for protocol in PLAIN {
        let parent = Parent::start().await?;
        let body = pattern(300_000);
        for reply in [
            Reply::ok(body.clone()),
            Reply::ok(body.clone()).without_length(),
        ] {
            parent.on(TARGET, reply);
            let fetched = client(&parent, protocol).await?.fetch(TARGET, &[]).await?;
            assert_eq!(fetched.broken, None, "{protocol}");
            assert_eq!(fetched.body, body, "{protocol}");
        }
        assert_eq!(parent.requests(TARGET), 2);
        assert_eq!((parent.active(), parent.abandoned()), (0, 0));
    }
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_broken() -> anyhow::Result<()> {
    for protocol in PLAIN {
        for cut in [Cut::Close, Cut::Reset] {
            for with_length in [true, false] {
                let parent = Parent::start().await?;
                let open = Gate::new();
                open.open();
                let mut reply = Reply::ok(pattern(300_000)).cut_after(100_000, &open, cut);
                if !with_length {
                    reply = reply.without_length();
                }
                parent.on(TARGET, reply);
                let fetched = client(&parent, protocol).await?.fetch(TARGET, &[]).await;
                // A reset may overtake the header; no answer is no whole answer either.
                if let Ok(fetched) = fetched {
                    assert!(
                        matches!(fetched.broken, Some(Broken::Reset { .. })),
                        "{protocol} {cut:?} length {with_length}: {:?}",
                        fetched.broken
                    );
                }
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn bodies_that_lie_about_their_length_are_broken() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    let mut reply = Reply::ok(pattern(1000));
    reply = reply.header("X-Comment", "says 1000, sends 10");
    parent.on(
        TARGET,
        reply.steps(vec![tests::parent::Step::Send(Bytes::from_static(
            b"0123456789",
        ))]),
    );
    let fetched = client(&parent, Protocol::H2)
        .await?
        .fetch(TARGET, &[])
        .await?;
    assert!(fetched.broken.is_some());
    Ok(())
}

#[tokio::test]
async fn a_gate_holds_and_leaving_is_noticed() -> anyhow::Result<()> {
    for protocol in PLAIN {
        let parent = Parent::start().await?;
        let gate = Gate::new();
        parent.on(TARGET, Reply::ok("late").held(&gate));
        let patient = client(&parent, protocol).await?;
        let patient = tokio::spawn(async move { patient.fetch(TARGET, &[]).await });
        let hasty = client(&parent, protocol).await?;
        let hasty = tokio::spawn(async move { hasty.fetch(TARGET, &[]).await });
        parent.asked(TARGET, 2).await?;
        hasty.abort();
        wait::until("one has left", Duration::from_secs(5), async || {
            Ok((parent.abandoned() == 1).then_some(()))
        })
        .await?;
        gate.open();
        assert_eq!(patient.await??.text(), "late", "{protocol}");
    }
    Ok(())
}

#[tokio::test]
async fn silence_and_hanging_up_are_no_answers() -> anyhow::Result<()> {
    for protocol in PLAIN {
        let parent = Parent::start().await?;
        parent.on(TARGET, Reply::hang_up());
        let client = client(&parent, protocol).await?;
        assert!(client.fetch(TARGET, &[]).await.is_err(), "{protocol}");
        parent.die();
        wait::until("the port is closed", Duration::from_secs(5), async || {
            let again = Client::connect(&parent.url(), protocol, &Trust::Insecure).await;
            Ok(again.is_err().then_some(()))
        })
        .await?;
    }
    Ok(())
}
