//! Attacks over HTTP/1.1: requests and bodies that never end, readers who do not read, heads that
//! are too large. Good clients beside them are served all the time.

use std::time::{Duration, Instant};

use tests::edge::Edge;
use tests::node::Settings;
use tests::parent::{Parent, Reply, pattern};
use tests::raw::{self, ATTACKER, Beside, WITHIN};
use tests::wait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const PART: &str = "/live/demo/720p/1.m4s";
const BIG: &str = "/live/demo/720p/2.m4s";
const HEAD_WITHIN: Duration = Duration::from_secs(1);

async fn start() -> anyhow::Result<(Parent, Edge, Beside)> {
    let parent = Parent::start().await?;
    parent.on(PART, Reply::ok(pattern(2_000)));
    parent.on(BIG, Reply::ok(pattern(20_000_000)));
    let settings = Settings::default()
        .set("limits", "head_timeout_ms", 1_000)
        .set("limits", "write_timeout_ms", 1_000);
    let edge = Edge::start_with("edge", &[parent.url()], &settings).await?;
    let beside = Beside::begin(&edge, PART).await?;
    Ok((parent, edge, beside))
}

async fn attacked(edge: &Edge, kind: &str) -> anyhow::Result<f64> {
    edge.metric("edge_attacks_total", &[("kind", kind)]).await
}

/// Writes `piece` every 20 ms until the other end closes, and returns what it said.
async fn dribble(stream: TcpStream, piece: &'static [u8]) -> anyhow::Result<String> {
    let (mut read, mut write) = stream.into_split();
    let writing = tokio::spawn(async move {
        while write.write_all(piece).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let answer = raw::rest(&mut read).await;
    writing.abort();
    answer
}

#[tokio::test]
async fn a_head_that_dribbles_is_not_waited_for() -> anyhow::Result<()> {
    let (_parent, edge, beside) = start().await?;
    let mut stream = raw::plain(ATTACKER, &edge).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").await?;
    let began = Instant::now();
    let answer = dribble(stream, b"X-A: b\r\n").await?;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(began.elapsed() >= HEAD_WITHIN - Duration::from_millis(100));
    assert!(began.elapsed() < HEAD_WITHIN * 5);
    // Silence in the middle of a head is the same; over TLS as well.
    let mut stream = raw::tls(ATTACKER, &edge, b"http/1.1").await?;
    let answer = raw::ask(&mut stream, b"GET / HT").await?;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(attacked(&edge, "h1_head_too_slow").await?, 2.0);
    beside.end().await
}

#[tokio::test]
async fn each_head_on_a_connection_has_its_own_time() -> anyhow::Result<()> {
    let (_parent, edge, beside) = start().await?;
    let mut stream = raw::plain(ATTACKER, &edge).await?;
    let request = format!("GET {PART} HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut buffer = vec![0; 64 << 10];
    // For longer than one head may take, with pauses in which nothing is begun.
    for _ in 0..4 {
        stream.write_all(request.as_bytes()).await?;
        let mut read = 0;
        while read < 2_000 {
            let count = stream.read(&mut buffer).await?;
            anyhow::ensure!(count > 0, "closed");
            read += count;
        }
        tokio::time::sleep(HEAD_WITHIN / 2).await;
    }
    // The next one dribbles.
    let answer = dribble(stream, b"G").await?;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    beside.end().await
}

#[tokio::test]
async fn a_body_that_dribbles_holds_nothing() -> anyhow::Result<()> {
    let (_parent, edge, beside) = start().await?;
    let mut stream = raw::plain(ATTACKER, &edge).await?;
    // Nobody wants this body: the answer comes, and then the end, however much is to come.
    let head = format!("POST {PART} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let began = Instant::now();
    let answer = dribble(stream, b"a").await?;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(began.elapsed() < WITHIN / 2, "{:?}", began.elapsed());
    beside.end().await
}

#[tokio::test]
async fn who_does_not_read_loses_the_answer() -> anyhow::Result<()> {
    let (_parent, edge, beside) = start().await?;
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = raw::plain(ATTACKER, &edge).await?;
        let request = format!("GET {BIG} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        streams.push(stream);
    }
    wait::until("the stalled answers are given up", WITHIN, async || {
        let begun = edge
            .metric("edge_connections_total", &[("protocol", "h1")])
            .await?;
        let open = edge
            .metric("edge_connections", &[("protocol", "h1")])
            .await?;
        // One good client keeps one.
        Ok((begun >= 6.0 && open <= 1.0).then_some(()))
    })
    .await?;
    for mut stream in streams {
        let answer = raw::rest(&mut stream).await?;
        assert!(answer.len() < 20_000_000, "not the whole");
    }
    beside.end().await
}

#[tokio::test]
async fn heads_have_a_size() -> anyhow::Result<()> {
    let (parent, edge, beside) = start().await?;
    let before = parent.requests_total();
    let long = "a".repeat(40_000);
    for (request, kind) in [
        (
            format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"),
            "a long line",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}\r\n\r\n"),
            "a long field",
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
                "Abcdefgh: ijklmnopqrst\r\n".repeat(3_000)
            ),
            "many fields",
        ),
    ] {
        let mut stream = raw::plain(ATTACKER, &edge).await?;
        let answer = raw::ask(&mut stream, request.as_bytes()).await?;
        assert!(answer.starts_with("HTTP/1.1 4"), "{kind}: {answer:.200}");
    }
    assert_eq!(attacked(&edge, "h1_head_too_large").await?, 2.0);
    // In many pieces: parsing starts over with each.
    let mut stream = raw::tls(ATTACKER, &edge, b"http/1.1").await?;
    stream.write_all(b"GET / HTTP/1.1\r\nA: ").await?;
    for _ in 0..5_000 {
        // A record each.
        if stream.write_all(b"a").await.is_err() || stream.flush().await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    raw::rest(&mut stream).await?;
    assert_eq!(parent.requests_total(), before);
    beside.end().await
}
