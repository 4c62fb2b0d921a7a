//! Attacks over HTTP/2: rapid reset, floods of frames that cost the client nothing, fields without
//! end. The connection that attacks ends with ENHANCE_YOUR_CALM; good clients beside it are served
//! all the time.

use std::time::Duration;

use tests::edge::Edge;
use tests::node::Settings;
use tests::parent::{Gate, Parent, Reply, pattern};
use tests::raw::{
    self, ATTACKER, Beside, CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, H2, HEADERS, PING,
    RST_STREAM, SETTINGS,
};
use tests::wait;

const PART: &str = "/live/demo/720p/1.m4s";
const HELD: &str = "/live/demo/720p/2.m4s";
const WITHOUT_FIELDS: u8 = END_STREAM | END_HEADERS;

async fn start() -> anyhow::Result<(Parent, Edge, Beside)> {
    let parent = Parent::start().await?;
    parent.on(PART, Reply::ok(pattern(2_000)));
    let settings = Settings::default().set("limits", "head_timeout_ms", 1_000);
    let edge = Edge::start_with("edge", &[parent.url()], &settings).await?;
    let beside = Beside::begin(&edge, PART).await?;
    Ok((parent, edge, beside))
}

async fn attacked(edge: &Edge, kind: &str) -> anyhow::Result<f64> {
    edge.metric("edge_attacks_total", &[("kind", kind)]).await
}

/// Sends `bytes` over and over, and reads, until the connection ends.
async fn flood(mut h2: H2, bytes: Vec<u8>, times: usize) -> anyhow::Result<raw::End> {
    for _ in 0..times {
        if h2.bytes(&bytes).await.is_err() {
            break;
        }
    }
    h2.end().await
}

#[tokio::test]
async fn rapid_reset_ends_the_connection() -> anyhow::Result<()> {
    let (parent, edge, beside) = start().await?;
    let gate = Gate::new();
    parent.on(HELD, Reply::ok("late").held(&gate));
    // Each is taken back when it has been taken up, which a millisecond is enough for. Those that are taken
    // back sooner count as well.
    let mut h2 = H2::connect(ATTACKER, &edge).await?;
    let block = h2.get(HELD);
    let mut ended = false;
    for number in 0..2_000_u32 {
        let stream = number * 2 + 1;
        let headers = raw::frame(HEADERS, WITHOUT_FIELDS, stream, &block);
        let reset = raw::frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        if h2.bytes(&headers).await.is_err() {
            ended = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        if h2.bytes(&reset).await.is_err() {
            ended = true;
            break;
        }
    }
    let end = h2.end().await?;
    assert_eq!(end.goaway, Some(CALM), "{ended}");
    assert_eq!(attacked(&edge, "h2_resets").await?, 1.0);
    // All of them together asked the parent once.
    assert_eq!(parent.requests(HELD), 1);
    wait::until("nobody waits any more", raw::WITHIN, async || {
        let waiting = edge.metric("edge_waiters", &[]).await?;
        Ok((waiting == 0.0).then_some(()))
    })
    .await?;
    gate.open();

    // All at once, in one segment: the implementation's own bound.
    let mut h2 = H2::connect(ATTACKER, &edge).await?;
    let mut bytes = Vec::new();
    for number in 0..300_u32 {
        let stream = number * 2 + 1;
        bytes.extend(raw::frame(HEADERS, WITHOUT_FIELDS, stream, &block));
        bytes.extend(raw::frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    let _ = h2.bytes(&bytes).await;
    assert_eq!(h2.end().await?.goaway, Some(CALM));
    beside.end().await
}

#[tokio::test]
async fn fields_without_end_are_not_read() -> anyhow::Result<()> {
    let (parent, edge, beside) = start().await?;
    let before = parent.requests_total();
    // CVE-2024-27316: CONTINUATION after CONTINUATION.
    let mut h2 = H2::connect(ATTACKER, &edge).await?;
    let mut block = h2.get(PART);
    h2.send(HEADERS, END_STREAM, 1, &block).await?;
    let sent = block.len();
    raw::field(&mut block, "x-a", &[b'a'; 1_000]);
    let field = block.split_off(sent);
    let end = flood(h2, raw::frame(CONTINUATION, 0, 1, &field), 20_000).await?;
    assert_eq!(end.goaway, Some(CALM));
    // Empty ones.
    let mut h2 = H2::connect(ATTACKER, &edge).await?;
    let block = h2.get(PART);
    h2.send(HEADERS, END_STREAM, 1, &block).await?;
    let end = flood(h2, raw::frame(CONTINUATION, 0, 1, &[]), 20_000).await?;
    assert_eq!(end.goaway, Some(CALM));
    // None, ever; and a frame that does not end; and a preface that does not come.
    let mut h2 = H2::connect(ATTACKER, &edge).await?;
    h2.send(HEADERS, END_STREAM, 1, &block).await?;
    assert_eq!(h2.end().await?.goaway, Some(CALM));
    let mut h2 = H2::connect(ATTACKER, &edge).await?;
    h2.bytes(&raw::frame(HEADERS, END_STREAM, 1, &block)[..12])
        .await?;
    assert_eq!(h2.end().await?.goaway, Some(CALM));
    let mut silent = raw::tls(ATTACKER, &edge, b"h2").await?;
    raw::ask(&mut silent, b"PRI * HTTP/2.0\r\n").await?;
    assert_eq!(attacked(&edge, "h2_too_slow").await?, 3.0);
    assert_eq!(parent.requests_total(), before);
    beside.end().await
}

#[tokio::test]
async fn frames_that_cost_nothing_are_counted() -> anyhow::Result<()> {
    let (_parent, edge, beside) = start().await?;
    for (frame, kind) in [
        (raw::frame(PING, 0, 0, &[0; 8]), "h2_pings"),
        (raw::frame(SETTINGS, 0, 0, &[]), "h2_settings"),
        (raw::frame(2, 0, 1, &[0, 0, 0, 0, 1]), "h2_frames"),
        (raw::frame(0xbe, 0, 0, &[0; 8]), "h2_frames"),
        (raw::frame(8, 0, 0, &[0, 0, 0, 1]), "h2_frames"),
    ] {
        let before = attacked(&edge, kind).await?;
        let h2 = H2::connect(ATTACKER, &edge).await?;
        let end = flood(h2, frame, 20_000).await?;
        assert_eq!(end.goaway, Some(CALM), "{kind}");
        assert_eq!(attacked(&edge, kind).await?, before + 1.0, "{kind}");
    }
    // Empty DATA on a request that is open.
    let mut h2 = H2::connect(ATTACKER, &edge).await?;
    let block = h2.get(PART);
    h2.send(HEADERS, END_HEADERS, 1, &block).await?;
    let end = flood(h2, raw::frame(DATA, 0, 1, &[]), 20_000).await?;
    assert!(end.goaway.is_some());
    beside.end().await
}

#[tokio::test]
async fn fields_have_a_size_however_small_they_came() -> anyhow::Result<()> {
    let (parent, edge, beside) = start().await?;
    let before = parent.requests_total();
    // An HPACK bomb: one entry of the dynamic table, named again and again with a byte.
    let bomb = |h2: &H2, times: usize| {
        let mut block = h2.get(PART);
        block.push(0x40);
        raw::text(&mut block, b"x-bomb");
        raw::text(&mut block, &[b'a'; 3_000]);
        block.resize(block.len() + times, 0xbe);
        block
    };
    let mut h2 = H2::connect(ATTACKER, &edge).await?;
    let block = bomb(&h2, 8_000);
    h2.send(HEADERS, WITHOUT_FIELDS, 1, &block).await?;
    assert_eq!(h2.end().await?.goaway, Some(CALM), "24 MB in 8 KB");
    // A little too large is a mistake, and is answered.
    let mut h2 = H2::connect(ATTACKER, &edge).await?;
    let block = bomb(&h2, 11);
    h2.send(HEADERS, WITHOUT_FIELDS, 1, &block).await?;
    let block = h2.answer(1).await?.expect("an answer");
    assert!(is_status(&block, "431"), "{block:x?}");
    // The connection is still good.
    let block = h2.get(PART);
    h2.send(HEADERS, WITHOUT_FIELDS, 3, &block).await?;
    let block = h2.answer(3).await?.expect("an answer");
    assert_eq!(block.first(), Some(&0x88), "200, of the static table");
    assert_eq!(parent.requests_total(), before);
    beside.end().await
}

/// Whether a block begins with a status that the static table does not have.
fn is_status(block: &[u8], status: &str) -> bool {
    // Huffman: h2 sends it so.
    let plain = block.windows(3).any(|bytes| bytes == status.as_bytes());
    // 4: 011010, 3: 011001, 1: 00001, and ones.
    plain || (status == "431" && block.windows(3).any(|bytes| bytes == [0x69, 0x90, 0xff]))
}
