//! However many ask for an object, the parent is asked once, and everybody gets the whole of it.

use std::time::Duration;

use loadtest::client::Protocol;
use tests::edge::Edge;
use tests::herds::{self, Herd};
use tests::node::Settings;
use tests::origin::{Origin, PUBLISH_KEY};
use tests::parent::{Gate, Parent, Reply, pattern};
use tests::playlist;
use tests::publisher::Publisher;
use tests::wait;

const MEMBERS: usize = 1000;

/// A first playlist, a subscription, the next Part.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(10);

/// The next Part and the playlist that lists it.
const PART: &str = "/live/demo/360p/100.2.m4s";
const RELOAD: &str = "/live/demo/360p/index.m3u8?_HLS_msn=100&_HLS_part=2";

/// A scripted parent holds both until the whole herd is waiting: nobody can be served from a cache
/// that was filled before he came.
#[tokio::test]
async fn a_thousand_waiters_cost_one_request_per_object() -> anyhow::Result<()> {
    for h2c in [true, false] {
        let parent = Parent::start().await?;
        let gate = Gate::new();
        parent.on(PART, Reply::ok(pattern(100_000)).held(&gate));
        let text = playlist::text(100, 3, 3);
        let reload = Reply::ok(text)
            .header("Content-Type", "application/vnd.apple.mpegurl")
            .header("Cache-Control", "max-age=12");
        parent.on(RELOAD, reload.held(&gate));
        let settings = Settings::default()
            .set("parents", "h2c", h2c)
            .set("relay", "follow", false);
        let leaf = Edge::start_with("leaf", &[parent.url()], &settings).await?;

        let paths = [PART.to_owned(), RELOAD.to_owned()];
        let herd = Herd::start(herds::clients(&leaf, MEMBERS).await?, &paths, MEMBERS);
        herd.arrived(&leaf, MEMBERS).await?;
        gate.open();

        let report = herd.report().await?;
        assert!(report.all_whole_with(200), "h2c {h2c}: {report}");
        assert_eq!(report.distinct_bodies.len(), 2, "{report}");
        assert!(report.distinct_bodies.values().all(|n| *n == 1), "{report}");
        assert_eq!(parent.requests(PART), 1);
        assert_eq!(parent.requests(RELOAD), 1);
        assert_eq!(parent.requests_total(), 2);
    }
    Ok(())
}

/// The same against a live stream, counted by the origin's own counters.
#[tokio::test]
async fn the_origin_sees_one_request_per_object_of_a_live_stream() -> anyhow::Result<()> {
    herds_of_a_live_stream(false).await
}

/// Or none, once it hands the stream on.
#[tokio::test]
async fn the_origin_sees_no_request_for_what_it_hands_on() -> anyhow::Result<()> {
    herds_of_a_live_stream(true).await
}

async fn herds_of_a_live_stream(follow: bool) -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let direct = origin.client(Protocol::H1).await?;
    playlist::playing(&direct, "360p").await?;
    let settings = Settings::default().set("relay", "follow", follow);
    let leaf = Edge::start_with("leaf", &[origin.http_url()], &settings).await?;
    let clients = herds::clients(&leaf, MEMBERS).await?;
    if follow {
        playlist::playing(&leaf.client(Protocol::H2).await?, "360p").await?;
        wait::until("the stream is handed on", FOLLOWED_WITHIN, async || {
            let parts = [("frame", "part")];
            let told = leaf.metric("edge_relay_frames_total", &parts).await?;
            Ok((told > 0.0).then_some(()))
        })
        .await?;
    }

    for round in 0..3 {
        let now = playlist::fetch(&direct, "360p", "").await?;
        let reload = format!("index.m3u8{}", playlist::next_reload(&now));
        let paths = [
            playlist::hinted_part("360p", &now)?,
            playlist::path("360p", &reload),
        ];
        let kinds = ["part", "playlist"];
        let mut before = Vec::new();
        for kind in kinds {
            before.push(requests(&origin, kind).await?);
        }
        let report = Herd::start(clients.clone(), &paths, MEMBERS)
            .report()
            .await?;
        assert!(report.all_whole_with(200), "round {round}: {report}");
        assert!(report.distinct_bodies.values().all(|n| *n == 1), "{report}");
        for (kind, before) in kinds.into_iter().zip(before) {
            let seen = requests(&origin, kind).await? - before;
            let expected = if follow { 0.0 } else { 1.0 };
            assert_eq!(
                seen, expected,
                "round {round}: {kind} requests at the origin"
            );
        }
    }
    Ok(())
}

async fn requests(origin: &Origin, kind: &str) -> anyhow::Result<f64> {
    origin
        .metric("origin_http_requests_total", &[("kind", kind)])
        .await
}
