//! Limits: what one address, token, stream or tenant may take, over every protocol, and that those
//! beside it do not notice.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use loadtest::client::Protocol;
use tests::edge::Edge;
use tests::node::Settings;
use tests::parent::{Parent, Reply, pattern};
use tests::raw::{self, ATTACKER, Beside, H2, H3, HEADERS, NEIGHBOUR, WITHIN};
use tests::wait;
use tokio::io::AsyncWriteExt as _;
use toml::{Table, Value};

const PART: &str = "/live/demo/720p/1.m4s";
const OTHER: &str = "/live/other/720p/1.m4s";
const BURST: usize = 5;
const BURST_SETTING: i64 = 5;

/// The limits of a scope; whoever comes from 127.0.0.1 has none.
fn limits(scope: &str, values: &[(&str, i64)]) -> Settings {
    let mut table = Table::new();
    for (key, value) in values {
        table.insert((*key).to_owned(), (*value).into());
    }
    Settings::default()
        .set("limits", "exempt", vec![Value::from("127.0.0.1")])
        .set("limits", scope, table)
}

/// One request in a thousand seconds after a burst.
fn few(scope: &str) -> Settings {
    limits(
        scope,
        &[
            ("requests_per_second", 1),
            ("requests_burst", BURST_SETTING),
        ],
    )
}

async fn start(settings: &Settings) -> anyhow::Result<(Parent, Edge)> {
    let parent = Parent::start().await?;
    for path in [PART, OTHER] {
        parent.on(path, Reply::ok(pattern(2_000)));
    }
    let edge = Edge::start_with("edge", &[parent.url()], settings).await?;
    Ok((parent, edge))
}

async fn get(edge: &Edge, from: Ipv4Addr, path: &str, fields: &str) -> anyhow::Result<String> {
    let mut stream = raw::plain(from, edge).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n");
    raw::ask(&mut stream, request.as_bytes()).await
}

async fn refused(edge: &Edge, limit: &str, scope: &str) -> anyhow::Result<f64> {
    let labels = [("limit", limit), ("scope", scope)];
    edge.metric("edge_limits_refused_total", &labels).await
}

/// How many of `count` requests at once got through; the others got `status`.
async fn through(
    edge: &Edge,
    from: Ipv4Addr,
    path: &str,
    fields: &str,
    status: &str,
) -> anyhow::Result<usize> {
    let mut good = 0;
    for _ in 0..BURST * 3 {
        let answer = get(edge, from, path, fields).await?;
        if answer.starts_with("HTTP/1.1 200") {
            good += 1;
        } else {
            anyhow::ensure!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
            anyhow::ensure!(answer.contains("application/problem+json"), "{answer}");
            anyhow::ensure!(answer.to_lowercase().contains("retry-after: "), "{answer}");
        }
    }
    Ok(good)
}

/// A burst, and what a second or two earn.
fn is_limited(good: usize) -> bool {
    (BURST..BURST * 2).contains(&good)
}

#[tokio::test]
async fn connections_of_one_address_are_bounded_before_their_handshake() -> anyhow::Result<()> {
    let (_parent, edge) = start(&limits("ip", &[("connections_max", 4)])).await?;
    let beside = Beside::begin(&edge, PART).await?;
    let h1 = raw::tls(ATTACKER, &edge, b"http/1.1").await?;
    let h2 = H2::connect(ATTACKER, &edge).await?;
    // The second half has to prove its address first: Retry.
    let h3 = H3::connect(ATTACKER, &edge).await?;
    let plain = raw::plain(ATTACKER, &edge).await?;
    let asked = [("reason", "unvalidated")];
    assert_eq!(edge.metric("edge_h3_refused_total", &asked).await?, 1.0);

    let mut fifth = raw::tcp(ATTACKER, edge.https_port()).await?;
    assert_eq!(raw::rest(&mut fifth).await?, "", "closed without a word");
    assert_eq!(refused(&edge, "connections", "ip").await?, 1.0);
    let error = H3::connect(ATTACKER, &edge).await.unwrap_err().to_string();
    assert!(error.contains("refused"), "{error}");
    assert_eq!(refused(&edge, "connections", "ip").await?, 2.0);
    assert!(
        get(&edge, NEIGHBOUR, PART, "")
            .await?
            .starts_with("HTTP/1.1 200")
    );

    // Each that ends makes room, over every protocol.
    h3.connection.close(0_u32.into(), b"");
    drop((h1, h2, plain));
    wait::until("there is room again", WITHIN, async || {
        let held = edge.metric("edge_limits_keys", &[("scope", "ip")]).await?;
        Ok((held == 0.0).then_some(()))
    })
    .await?;
    let h3 = H3::connect(ATTACKER, &edge).await?;
    assert!(h3.answer(&h3.get(PART, &[])).await?.is_ok());
    beside.end().await
}

#[tokio::test]
async fn requests_of_one_address_are_refused_before_the_parent_hears_of_them() -> anyhow::Result<()>
{
    let (parent, edge) = start(&few("ip")).await?;
    let beside = Beside::begin(&edge, PART).await?;
    assert!(is_limited(through(&edge, ATTACKER, PART, "", "429").await?));
    assert!(refused(&edge, "requests", "ip").await? >= 1.0);
    // The same debt over HTTP/2 and HTTP/3, and nobody asks the parent.
    let mut h2 = H2::connect(ATTACKER, &edge).await?;
    let h3 = H3::connect(ATTACKER, &edge).await?;
    let mut limited = 0;
    for number in 0..20_u32 {
        let path = format!("/live/demo/720p/{}.m4s", 1_000 + number);
        let stream = number * 2 + 1;
        h2.send(HEADERS, 5, stream, &h2.get(&path)).await?;
        let block = h2.answer(stream).await?.unwrap();
        let answer = h3.answer(&h3.get(&path, &[])).await?.unwrap();
        limited += usize::from(String::from_utf8_lossy(&answer).contains("\"limited\""));
        assert!(!block.is_empty());
    }
    let labels = |protocol| [("protocol", protocol), ("status", "429")];
    for protocol in ["h1", "h2", "h3"] {
        let count = edge
            .metric("edge_requests_total", &labels(protocol))
            .await?;
        assert!(count >= 5.0, "{protocol}: {count}");
    }
    assert!(limited >= 15, "{limited}");
    assert!(parent.requests_total() <= 10, "{}", parent.requests_total());
    assert!(
        get(&edge, NEIGHBOUR, PART, "")
            .await?
            .starts_with("HTTP/1.1 200")
    );
    assert!(edge.log().contains("refused=\"limit-ip-requests\""));
    beside.end().await
}

#[tokio::test]
async fn tokens_streams_and_tenants_have_limits_of_their_own() -> anyhow::Result<()> {
    let (_parent, edge) = start(&few("token")).await?;
    let token = "Authorization: Bearer aaaa\r\n";
    assert!(is_limited(
        through(&edge, ATTACKER, PART, token, "429").await?
    ));
    assert!(get(&edge, NEIGHBOUR, PART, token).await?.contains(" 429 "));
    let other = "Authorization: Bearer bbbb\r\n";
    assert!(get(&edge, ATTACKER, PART, other).await?.contains(" 200 "));

    let (_parent, edge) = start(&few("stream")).await?;
    assert!(is_limited(through(&edge, ATTACKER, PART, "", "429").await?));
    assert!(get(&edge, NEIGHBOUR, PART, "").await?.contains(" 429 "));
    assert!(get(&edge, ATTACKER, OTHER, "").await?.contains(" 200 "));
    assert!(
        edge.client(Protocol::H2)
            .await?
            .fetch(PART, &[])
            .await?
            .status
            == 200
    );

    let site = Parent::start().await?;
    site.on("/", Reply::ok("site"));
    let mut table = Table::new();
    table.insert("hosts".to_owned(), vec![Value::from("site.test")].into());
    table.insert("urls".to_owned(), vec![Value::from(site.url())].into());
    let settings = few("tenant").set_root("sites", vec![Value::Table(table)]);
    let (_parent, edge) = start(&settings).await?;
    assert!(is_limited(through(&edge, ATTACKER, PART, "", "429").await?));
    let mut stream = raw::plain(ATTACKER, &edge).await?;
    let request = b"GET / HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n";
    let answer = raw::ask(&mut stream, request).await?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn the_address_that_a_balancer_names_is_the_one_that_counts() -> anyhow::Result<()> {
    let settings = few("ip").set(
        "listen",
        "proxy_protocol_from",
        vec![Value::from("127.0.0.66")],
    );
    let (_parent, edge) = start(&settings).await?;
    let ask = async |client: &str| {
        let mut stream = raw::plain(ATTACKER, &edge).await?;
        let request = format!(
            "PROXY TCP4 {client} 10.0.0.1 1234 80\r\n\
             GET {PART} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        );
        raw::ask(&mut stream, request.as_bytes()).await
    };
    let mut good = 0;
    for _ in 0..BURST * 3 {
        good += usize::from(ask("192.0.2.1").await?.starts_with("HTTP/1.1 200"));
    }
    assert!(is_limited(good), "{good}");
    assert!(ask("192.0.2.2").await?.starts_with("HTTP/1.1 200"));
    Ok(())
}

#[tokio::test]
async fn answers_wait_for_the_bandwidth_and_are_whole() -> anyhow::Result<()> {
    let settings = limits("ip", &[("bytes_per_second", 1_000_000)]);
    let (parent, edge) = start(&settings).await?;
    let body = pattern(3_000_000);
    parent.on(PART, Reply::ok(body.clone()));
    let beside = Beside::begin(&edge, OTHER).await?;
    let began = Instant::now();
    let mut stream = raw::plain(ATTACKER, &edge).await?;
    let request = format!("GET {PART} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let answer = raw::rest(&mut stream).await?;
    // 1 MB at once, and 2 MB in two seconds.
    assert!(
        began.elapsed() >= Duration::from_millis(1_900),
        "{:?}",
        began.elapsed()
    );
    assert!(answer.len() > 2_900_000 && answer.starts_with("HTTP/1.1 200"));
    let paced = edge
        .metric("edge_limits_paced_seconds_total", &[("scope", "ip")])
        .await?;
    // Less than the whole, where the machine itself took some of the time.
    assert!(paced > 0.5, "{paced}");
    beside.end().await
}

#[tokio::test]
async fn over_the_bandwidth_of_a_tenant_there_are_no_further_answers() -> anyhow::Result<()> {
    let settings = limits("tenant", &[("bytes_per_second", 100_000)]);
    let (parent, edge) = start(&settings).await?;
    parent.on(PART, Reply::ok(pattern(60_000)));
    // From the cache it goes out in one piece; while it arrives, each piece would wait for the one before.
    let kept = get(&edge, NEIGHBOUR, PART, "").await?;
    assert!(kept.starts_with("HTTP/1.1 200"), "{kept}");
    // Answers of 0.6 s each, until one would have to wait for too long. None is read before.
    let mut streams = Vec::new();
    let deadline = Instant::now() + WITHIN;
    while refused(&edge, "bytes", "tenant").await? < 1.0 {
        assert!(Instant::now() < deadline, "never over its bandwidth");
        let mut stream = raw::plain(ATTACKER, &edge).await?;
        let request = format!("GET {PART} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        streams.push(stream);
    }
    // Those that were let in are whole, each in its turn, and then there is room again.
    let mut over = 0;
    for mut stream in streams {
        let answer = raw::rest(&mut stream).await?;
        if answer.starts_with("HTTP/1.1 503") {
            assert!(answer.to_lowercase().contains("retry-after: "), "{answer}");
            over += 1;
        } else {
            assert!(answer.starts_with("HTTP/1.1 200") && answer.len() > 30_000);
        }
    }
    assert!(over >= 1);
    wait::until("there is bandwidth again", WITHIN, async || {
        let answer = get(&edge, NEIGHBOUR, OTHER, "").await?;
        Ok(answer.starts_with("HTTP/1.1 200").then_some(()))
    })
    .await
}
