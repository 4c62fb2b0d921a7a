//! Delivery directives and names that make no sense: the right status, at once, at every tier.

use std::time::{Duration, Instant};

use http::Method;
use loadtest::client::{Client, Protocol};
use tests::edge::Edge;
use tests::node::Settings;
use tests::origin::{Origin, PUBLISH_KEY};
use tests::playlist;
use tests::publisher::Publisher;

/// "At once", on a machine that is encoding video beside.
const AT_ONCE: Duration = Duration::from_millis(500);

async fn check(client: &Client, tier: &str, path: &str, expected: u16) -> anyhow::Result<()> {
    let began = Instant::now();
    let fetched = client.fetch(path, &[]).await?;
    let took = began.elapsed();
    let case = format!("{path} at the {tier} over {}", client.protocol());
    assert_eq!(fetched.status, expected, "{case}: {}", fetched.text());
    assert_eq!(fetched.broken, None, "{case}");
    assert!(took < AT_ONCE, "{case} took {took:?}");
    // ll-hls.md 33: hls.js reads these cross-origin, errors included.
    let cors = fetched.header("access-control-allow-origin");
    assert_eq!(cors, Some("*"), "{case}: CORS");
    if expected >= 400 {
        let kind = fetched.header("content-type");
        assert_eq!(kind, Some("application/problem+json"), "{case}");
    }
    Ok(())
}

#[tokio::test]
async fn every_tier_answers_nonsense_at_once() -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let shield = Edge::start("shield", &[origin.http_url()]).await?;
    let leaf = Edge::start_below("leaf", &shield, &Settings::default()).await?;
    let direct = origin.client(Protocol::H1).await?;
    playlist::playing(&direct, "360p").await?;

    let mut tiers = vec![("origin", direct)];
    tiers.push(("origin", origin.client(Protocol::H2).await?));
    for (name, edge) in [("shield", &shield), ("leaf", &leaf)] {
        for client in edge.clients_of_all(1).await? {
            // The edge judges by the last playlist it saw.
            playlist::fetch(&client, "360p", "").await?;
            tiers.push((name, client));
        }
    }
    for (tier, client) in &tiers {
        let now = playlist::fetch(client, "360p", "").await?;
        let open = now.open_msn().value();
        let media = |query: &str| playlist::path("360p", &format!("index.m3u8{query}"));
        let first = now.media_sequence.value();
        for (path, expected) in [
            ("/live/nobody/index.m3u8".to_owned(), 404),
            ("/live/nobody/360p/index.m3u8".to_owned(), 404),
            ("/live/nobody/360p/index.m3u8?_HLS_msn=1".to_owned(), 404),
            ("/live/demo/9000p/index.m3u8".to_owned(), 404),
            (media("?_HLS_part=1"), 400),
            (media("?_HLS_msn=one"), 400),
            (media("?_HLS_msn=-1"), 400),
            (media("?_HLS_msn=99999999999999999999999"), 400),
            (media(&format!("?_HLS_msn={}", open + 10)), 400),
            (
                media(&format!("?_HLS_msn={}&_HLS_part=0", open + 100_000)),
                400,
            ),
            (media(&format!("?_HLS_msn={open}&_HLS_part=100")), 400),
            (media(&format!("?_HLS_msn={first}")), 200),
            (media("?_HLS_msn=0"), 200),
            (
                playlist::path("360p", &format!("{}.0.m4s", open + 100)),
                404,
            ),
            (playlist::path("360p", "0.m4s"), 404),
            (playlist::path("360p", "nonsense.m4s"), 404),
        ] {
            check(client, tier, &path, expected).await?;
        }
        let posted = client.request(Method::POST, &media(""), &[]).await?;
        assert_eq!(posted.status(), 405, "{tier} over {}", client.protocol());
    }
    Ok(())
}

/// ll-hls.md 24: after ENDLIST the directives mean nothing any more.
#[tokio::test]
async fn an_ended_stream_answers_whatever_it_is_asked() -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let mut publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let leaf = Edge::start("leaf", &[origin.http_url()]).await?;
    let client = leaf.client(Protocol::H3).await?;
    playlist::playing(&client, "360p").await?;
    // In good order: ffmpeg says FCUnpublish and deleteStream.
    publisher
        .process()
        .signal(loadtest::process::Signal::Terminate)?;
    let ended = tests::wait::until(
        "the stream has ended",
        Duration::from_secs(30),
        async || {
            let now = playlist::fetch(&client, "360p", "").await?;
            Ok(now.end_list.then_some(now))
        },
    )
    .await?;
    assert!(ended.preload_hints.is_empty(), "hints after ENDLIST");
    let open = ended.open_msn().value();
    for msn in [0, open, open + 10] {
        let path = playlist::path("360p", &format!("index.m3u8?_HLS_msn={msn}"));
        check(&client, "leaf", &path, 200).await?;
    }
    Ok(())
}
