//! Traces across tiers: one request, one trace, whoever works for it.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use loadtest::client::Protocol;
use tests::collector::{Collector, Span};
use tests::edge::Edge;
use tests::origin::{Origin, PUBLISH_KEY};
use tests::parent::{Gate, Parent, Reply};
use tests::playlist::{path, playing};
use tests::publisher::Publisher;
use tests::wait;

/// OTLP's numbers of kinds of spans.
const SERVER: &str = "2";
const CLIENT: &str = "3";

const JOINED_WITHIN: Duration = Duration::from_secs(10);
const STRANGERS: &str = "0af7651916cd43dd8448eb211c80319c";

fn find<'a>(spans: &'a [Span], node: &str, kind: &str) -> anyhow::Result<&'a Span> {
    let span = spans
        .iter()
        .find(|span| span.node == node && span.kind == kind);
    span.with_context(|| format!("no span of kind {kind} of {node}: {spans:#?}"))
}

fn is(attributes: &HashMap<String, String>, wanted: &[(&str, &str)]) -> anyhow::Result<()> {
    for (key, value) in wanted {
        let found = attributes.get(*key).map(String::as_str);
        ensure!(found == Some(*value), "{key}: {found:?}, not {value}");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_is_one_trace_across_all_tiers() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let origin = Origin::start_with(&collector.settings(0.0, true)).await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let shield = collector.settings(0.0, true);
    let shield = Edge::start_with("shield", &[origin.http_url()], &shield).await?;
    let leaf = Edge::start_below("leaf", &shield, &collector.settings(1.0, false)).await?;
    let direct = origin.client(Protocol::H1).await?;
    let now = playing(&direct, "360p").await?;
    let last = now.segments.last().context("no segment")?;

    let viewer = leaf.client(Protocol::H3).await?;
    let target = path("360p", &last.uri);
    let stranger = format!("00-{STRANGERS}-b7ad6b7169203331-01");
    for _ in 0..2 {
        let fetched = viewer.fetch(&target, &[("traceparent", &stranger)]).await?;
        assert_eq!(fetched.status, 200, "{}", fetched.text());
    }
    let of_target = |span: &Span| span.attributes.get("url.path") == Some(&target);
    let all = collector.until(6, of_target).await?;
    let miss = |span: &&Span| {
        span.attributes
            .get("weir.cache")
            .is_some_and(|it| it == "miss")
    };
    let first = all.iter().filter(miss).find(|span| span.node == "leaf");
    let trace = &first.context("no miss of the leaf")?.trace;
    assert_ne!(trace, STRANGERS);
    let spans: Vec<Span> = all
        .iter()
        .filter(|it| it.trace == *trace)
        .cloned()
        .collect();
    let viewers = find(&spans, "leaf", SERVER)?;
    assert_eq!(
        (viewers.name.as_str(), viewers.parent.as_str()),
        ("GET segment", "")
    );
    let expected = [
        ("http.response.status_code", "200"),
        ("network.protocol.version", "3"),
        ("weir.stream", "demo"),
        ("http.request.method", "GET"),
    ];
    is(&viewers.attributes, &expected)?;
    assert_eq!(viewers.events, ["admitted", "flight head", "head"]);
    let chain = [
        ("leaf", CLIENT),
        ("shield", SERVER),
        ("shield", CLIENT),
        ("weir-origin", SERVER),
    ];
    let mut above = viewers;
    for (node, kind) in chain {
        let span = find(&spans, node, kind)?;
        assert_eq!(span.parent, above.id, "{node} {kind}");
        is(&span.attributes, &[("http.response.status_code", "200")])?;
        above = span;
    }
    // The second one asked nobody.
    let second: Vec<&Span> = all.iter().filter(|it| it.trace != *trace).collect();
    assert_eq!(second.len(), 1, "{second:#?}");
    is(&second[0].attributes, &[("weir.cache", "hit")])
}

#[tokio::test]
async fn who_waits_for_anothers_fetch_is_linked_to_it() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let parent = Parent::start().await?;
    let gate = Gate::new();
    let target = "/live/demo/360p/init-1.mp4";
    parent.on(target, Reply::ok("media").held(&gate));
    // The parent keeps heads of HTTP/1.1.
    let settings = collector.settings(1.0, false).set("parents", "h2c", false);
    let edge = Edge::start_with("edge", &[parent.url()], &settings).await?;
    let clients = edge.clients(Protocol::H2, 2).await?;
    let ask = async |index: usize| anyhow::Ok(clients[index].fetch(target, &[]).await?.status);
    let joins = async {
        parent.asked(target, 1).await?;
        let opens = async {
            wait::until("both have looked", JOINED_WITHIN, async || {
                let looks = [("stage", "lookup")];
                let looks = edge.metric("edge_stage_seconds_count", &looks).await?;
                Ok((looks == 2.0).then_some(()))
            })
            .await?;
            gate.open();
            anyhow::Ok(())
        };
        let (status, opened) = tokio::join!(ask(1), opens);
        opened.and(status)
    };
    let (led, joined) = tokio::join!(ask(0), joins);
    for status in [led?, joined?] {
        assert_eq!(status, 200);
    }
    let spans = collector.until(2, |span| span.kind == SERVER).await?;
    let cache = |wanted: &str| {
        let found = spans
            .iter()
            .find(|span| span.attributes["weir.cache"] == wanted);
        found.with_context(|| format!("no {wanted}: {spans:#?}"))
    };
    let (leader, follower) = (cache("miss")?, cache("collapsed")?);
    assert_eq!(follower.links, [&*leader.id]);
    assert_ne!(follower.trace, leader.trace);
    // The parent was told of the leader's trace, and once.
    let told: Vec<String> = parent
        .heads()
        .iter()
        .flat_map(|head| head.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.to_ascii_lowercase().starts_with("traceparent:"))
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&leader.trace), "{told:?}");
    Ok(())
}
