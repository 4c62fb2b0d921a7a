//! A parent that dies in the middle of an object: nobody ever takes the half for the whole.

use std::time::Duration;

use anyhow::Context as _;
use tests::edge::Edge;
use tests::herds::{self, Herd};
use tests::node::Settings;
use tests::parent::{Cut, Gate, Parent, Reply, pattern};
use tests::wait;

const READERS: usize = 200;
const PART: &str = "/live/demo/720p/100.3.m4s";
const BODY_BYTES: usize = 300_000;

/// How soon after a broken fill the same object can be had again.
const CURED_WITHIN: Duration = Duration::from_secs(10);

/// How the parent dies.
#[derive(Debug, Clone, Copy)]
struct Death {
    h2c: bool,
    with_length: bool,
    cut: Cut,
    /// Bytes of the body sent before.
    after: usize,
}

#[tokio::test]
async fn no_reader_takes_half_of_a_part_for_the_whole() -> anyhow::Result<()> {
    for h2c in [true, false] {
        for with_length in [true, false] {
            for cut in [Cut::Close, Cut::Reset] {
                for after in [BODY_BYTES / 2, 0, BODY_BYTES - 1] {
                    let death = Death {
                        h2c,
                        with_length,
                        cut,
                        after,
                    };
                    // The full matrix for the middle, the borders once per framing.
                    if after == BODY_BYTES / 2 || cut == Cut::Reset {
                        die(death).await?;
                    }
                }
            }
        }
    }
    Ok(())
}

async fn die(death: Death) -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    let settings = Settings::default().set("parents", "h2c", death.h2c);
    let leaf = Edge::start_with("leaf", &[parent.url()], &settings).await?;
    let body = pattern(BODY_BYTES);
    let gate = Gate::new();
    let mut reply = Reply::ok(body.clone()).cut_after(death.after, &gate, death.cut);
    if !death.with_length {
        reply = reply.without_length();
    }
    parent.on(PART, reply);

    let clients = herds::clients(&leaf, READERS).await?;
    let herd = Herd::start(clients.clone(), &[PART.to_owned()], READERS);
    herd.arrived(&leaf, READERS).await?;
    assert_eq!(parent.requests(PART), 1, "{death:?}");
    gate.open();
    let report = herd.report().await?;
    assert_eq!(report.timed_out, 0, "{death:?}: {report}");
    let whole_200 = report.distinct_bodies.get(PART).copied().unwrap_or(0);
    assert_eq!(whole_200, 0, "{death:?}: {report}");

    // Nothing of it stays: the next who asks gets the object as it is.
    parent.on(PART, Reply::ok(body.clone()));
    let client = clients.first().context("there are clients")?;
    wait::until("the object is whole again", CURED_WITHIN, async || {
        let fetched = client.fetch(PART, &[]).await?;
        Ok((fetched.status == 200 && fetched.is_whole() && fetched.body == body).then_some(()))
    })
    .await
}

/// The same through two tiers: the shield is killed while it passes a part on.
#[tokio::test]
async fn a_shield_killed_mid_part_leaves_no_half_behind() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    let mut shield = Edge::start("shield", &[parent.url()]).await?;
    let leaf = Edge::start_below("leaf", &shield, &Settings::default()).await?;
    for with_length in [true, false] {
        let body = pattern(BODY_BYTES);
        let gate = Gate::new();
        let mut reply = Reply::ok(body.clone()).cut_after(BODY_BYTES / 2, &gate, Cut::Reset);
        if !with_length {
            reply = reply.without_length();
        }
        let part = format!("/live/demo/720p/10{}.0.m4s", u8::from(with_length));
        parent.on(&part, reply);

        let clients = herds::clients(&leaf, READERS).await?;
        let herd = Herd::start(clients, std::slice::from_ref(&part), READERS);
        herd.arrived(&leaf, READERS).await?;
        parent.asked(&part, 1).await?;
        shield.kill()?;
        let report = herd.report().await?;
        assert_eq!(report.timed_out, 0, "length {with_length}: {report}");
        let whole_200 = report.distinct_bodies.get(&part).copied().unwrap_or(0);
        assert_eq!(whole_200, 0, "length {with_length}: {report}");

        parent.on(&part, Reply::ok(body.clone()));
        shield.start_again().await?;
        let client = leaf.client(loadtest::client::Protocol::H2).await?;
        wait::until("the leaf has recovered", CURED_WITHIN, async || {
            let fetched = client.fetch(&part, &[]).await?;
            Ok((fetched.status == 200 && fetched.is_whole() && fetched.body == body).then_some(()))
        })
        .await?;
    }
    Ok(())
}
