//! What an operator sees of requests: bytes that can be billed by, an access log without secrets, the same sample on
//! every tier, and what players report.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::Method;
use loadtest::client::{Client, Protocol, Trust};
use serde_json::Value;
use tests::edge::Edge;
use tests::node::Settings;
use tests::parent::{Cut, Gate, Parent, Reply, pattern};
use tests::wait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SEGMENT: &str = "/live/demo/720p/100.m4s";
const PART: &str = "/live/demo/720p/100.3.m4s";
const PLAYLIST: &str = "/live/demo/720p/index.m3u8";
const SEGMENT_BYTES: usize = 1_200_000;
const COUNTED_WITHIN: Duration = Duration::from_secs(20);
/// What HTTP/1.1 and HTTP/2 may have taken of an answer that broke off without its being counted.
const PIECE_BYTES: f64 = 65_536.0;

const BYTES: &str = "edge_stream_body_bytes_total";
const REQUESTS: &str = "edge_stream_requests_total";
const DEMO: [(&str, &str); 3] = [
    ("stream", "demo"),
    ("tenant", "default"),
    ("asker", "viewer"),
];

fn log_to_file(sample: f64) -> Settings {
    Settings::default()
        .set("access_log", "output", "access.log")
        .set("access_log", "sample", sample)
}

/// Waits until `requests` answers of the stream `demo` are counted; how many bytes.
async fn counted(edge: &Edge, requests: f64) -> anyhow::Result<f64> {
    let what = format!("{requests} requests are counted");
    wait::until(&what, COUNTED_WITHIN, async || {
        let count = edge.metric(REQUESTS, &DEMO).await?;
        anyhow::ensure!(count <= requests, "{count} are counted, not {requests}");
        Ok((count == requests).then_some(()))
    })
    .await?;
    edge.metric(BYTES, &DEMO).await
}

/// The lines of an access log so far, once there are `count`.
async fn lines(edge: &Edge, count: usize) -> anyhow::Result<Vec<Value>> {
    let what = format!("{count} lines of the access log");
    wait::until(&what, COUNTED_WITHIN, async || {
        let log = std::fs::read_to_string(edge.directory().join("access.log"))?;
        let lines: Vec<Value> = log
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        Ok((lines.len() >= count).then_some(lines))
    })
    .await
}

#[tokio::test]
async fn bytes_of_a_stream_are_exactly_what_its_viewers_received() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    let segment = pattern(SEGMENT_BYTES);
    parent.on(SEGMENT, Reply::ok(segment).header("ETag", "\"segment\""));
    parent.on(PART, Reply::ok(pattern(70_000)).without_length());
    let playlist = "#EXTM3U\n".repeat(2_000);
    let type_of = "application/vnd.apple.mpegurl";
    parent.on(
        PLAYLIST,
        Reply::ok(playlist).header("Content-Type", type_of),
    );
    let leaf = Edge::start("leaf", &[parent.url()]).await?;
    let (mut received, mut requests) = (0_u64, 0_u64);
    for protocol in Protocol::ALL {
        let client = leaf.client(protocol).await?;
        for (path, fields, status) in [
            (SEGMENT, &[][..], 200),
            (SEGMENT, &[("range", "bytes=5-99")][..], 206),
            (SEGMENT, &[("range", "bytes=9999999-")][..], 416),
            (PART, &[][..], 200),
            (PLAYLIST, &[("accept-encoding", "gzip")][..], 200),
            (PLAYLIST, &[("accept-encoding", "zstd")][..], 200),
            (PLAYLIST, &[][..], 200),
            ("/live/demo/720p/404.m4s", &[][..], 404),
        ] {
            let fetched = client.fetch(path, fields).await?;
            assert_eq!(fetched.status, status, "{protocol} {path}");
            assert!(fetched.is_whole(), "{protocol} {path}");
            received += fetched.body.len() as u64;
            requests += 1;
        }
        let head = client.request(Method::HEAD, SEGMENT, &[]).await?;
        assert_eq!(head.status(), 200);
        received += head.collect().await.body.len() as u64;
        let tag = client.fetch(SEGMENT, &[]).await?;
        received += tag.body.len() as u64;
        let tag = tag.header("etag").context("an ETag")?.to_owned();
        let same = client.fetch(SEGMENT, &[("if-none-match", &tag)]).await?;
        assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));
        requests += 3;
    }
    let bytes = counted(&leaf, requests as f64).await?;
    assert_eq!(bytes, received as f64);
    // All requests were for this stream.
    let all = leaf.metric("edge_response_body_bytes_total", &[]).await?;
    assert_eq!(all, received as f64);
    // What is not there, by a name that somebody made up, gets no series.
    let client = leaf.client(Protocol::H2).await?;
    let made_up = "/live/made-up/index.m3u8";
    assert_eq!(client.fetch(made_up, &[]).await?.status, 404);
    wait::until("the other is counted", COUNTED_WITHIN, async || {
        let other = leaf.metric(REQUESTS, &[("stream", "(other)")]).await?;
        Ok((other == 1.0).then_some(()))
    })
    .await?;
    assert!(!leaf.admin("/metrics").await?.text().contains("made-up"));
    Ok(())
}

/// The viewer reads some of a large object and goes.
#[tokio::test]
async fn of_an_answer_that_breaks_off_what_was_handed_over_is_counted() -> anyhow::Result<()> {
    const OBJECT_BYTES: usize = 48 << 20;
    const READ_BYTES: usize = 2_000_000;
    let parent = Parent::start().await?;
    parent.on(SEGMENT, Reply::ok(pattern(OBJECT_BYTES)));
    for protocol in Protocol::ALL {
        let leaf = Edge::start("leaf", &[parent.url()]).await?;
        // Into the cache, so that one write has all of it.
        let first = leaf.client(Protocol::H2).await?.fetch(SEGMENT, &[]).await?;
        let before = counted(&leaf, 1.0).await?;
        assert_eq!(before, first.body.len() as f64);
        let client = leaf.client(protocol).await?;
        let mut response = client.get(SEGMENT, &[]).await?;
        let mut received = 0;
        while received < READ_BYTES {
            received += response.chunk().await?.context("not all of it")?.len();
        }
        drop(response);
        client.close();
        let bytes = counted(&leaf, 2.0).await? - before;
        let uncounted = if protocol == Protocol::H3 {
            0.0
        } else {
            PIECE_BYTES
        };
        assert!(
            bytes + uncounted >= received as f64,
            "{protocol}: {bytes} counted, {received} received"
        );
        // The rest stayed here: buffers of both sides have some of it.
        assert!(
            bytes < (OBJECT_BYTES - (8 << 20)) as f64,
            "{protocol}: {bytes} counted, {received} received"
        );
    }
    Ok(())
}

/// The parent breaks off: what came before was handed on, and is counted.
#[tokio::test]
async fn of_a_fill_that_breaks_off_what_was_handed_on_is_counted() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    for protocol in Protocol::ALL {
        let leaf = Edge::start("leaf", &[parent.url()]).await?;
        let client = leaf.client(protocol).await?;
        parent.on(PLAYLIST, Reply::ok("#EXTM3U\n"));
        assert!(client.fetch(PLAYLIST, &[]).await?.is_whole());
        let before = counted(&leaf, 1.0).await?;
        let gate = Gate::new();
        let reply = Reply::ok(pattern(300_000)).cut_after(150_000, &gate, Cut::Reset);
        parent.on(PART, reply);
        let mut response = client.get(PART, &[]).await?;
        let mut received = 0;
        while received < 150_000 {
            received += response.chunk().await?.context("half of it")?.len();
        }
        gate.open();
        assert!(response.chunk().await.is_err(), "{protocol}");
        let bytes = counted(&leaf, 2.0).await? - before;
        assert_eq!(bytes, 150_000.0, "{protocol}");
    }
    Ok(())
}

const SECRET: &str = "s3cr3t-0f-a-v1ewer";

/// The authority of an absolute URL may hold a password. Whether the request got to the pipeline.
async fn ask_with_a_password_in_the_url(leaf: &Edge) -> anyhow::Result<bool> {
    let raw =
        format!("GET http://user:{SECRET}@leaf.example:80{SEGMENT}?token={SECRET} HTTP/1.1\r\n");
    let host = format!("Host: user:{SECRET}@leaf.example\r\nConnection: close\r\n\r\n");
    let mut tcp =
        tokio::net::TcpStream::connect(leaf.http_url().trim_start_matches("http://")).await?;
    tcp.write_all(format!("{raw}{host}").as_bytes()).await?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    Ok(answer.starts_with("HTTP/1.1 200"))
}

#[tokio::test]
async fn no_secret_reaches_a_log() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    parent.on(SEGMENT, Reply::ok("segment"));
    let settings = log_to_file(1.0).set("access_log", "client", "truncated");
    let leaf = Edge::start_with("leaf", &[parent.url()], &settings).await?;
    let bearer = format!("Bearer {SECRET}");
    let cookie = format!("weir_token={SECRET}; other={SECRET}");
    let referer = format!("https://example.org/watch?token={SECRET}");
    let fields = [
        ("authorization", &*bearer),
        ("cookie", &*cookie),
        ("referer", &*referer),
        ("cmcd-session", &*format!("sid=\"{SECRET}\"")),
        ("x-request-id", &*format!("bad id {SECRET}")),
        ("user-agent", "a player"),
    ];
    let mut sent = 0;
    for protocol in Protocol::ALL {
        let client = leaf.client(protocol).await?;
        for path in [
            format!("{SEGMENT}?token={SECRET}&CMCD=sid%3D%22{SECRET}%22"),
            format!("/live/demo/720p/none.m4s?token={SECRET}"),
            format!("/live/demo/index.m3u8%3Ftoken={SECRET}"),
            format!("/live/demo;token={SECRET}/index.m3u8"),
            format!("/live/demo/token={SECRET}"),
            format!("/watch/demo?token={SECRET}"),
            format!("/api/session?token={SECRET}"),
            format!("/api/rooms/demo/socket?token={SECRET}"),
            format!("/api/guests&token={SECRET}"),
        ] {
            client.fetch(&path, &fields).await?;
            sent += 1;
        }
        let body = Bytes::from(format!("{{\"password\":\"{SECRET}\"}}"));
        let signed_in = client.request_with(Method::POST, "/api/session", &fields, body);
        signed_in.await?.collect().await;
        sent += 1;
    }
    let expected = sent + usize::from(ask_with_a_password_in_the_url(&leaf).await?);
    let lines = lines(&leaf, expected).await?;
    let text = std::fs::read_to_string(leaf.directory().join("access.log"))?;
    assert!(!text.contains(SECRET), "{text}");
    let log = leaf.log();
    assert!(!log.contains(SECRET), "{log}");
    for protocol in ["h1", "h2", "h3"] {
        let hit = lines.iter().find(|line| {
            line["protocol"] == protocol && line["path"] == SEGMENT && line["status"] == 200
        });
        let hit = hit.with_context(|| format!("{protocol} in {text}"))?;
        assert_eq!(hit["node"], "leaf");
        assert_eq!(hit["stream"], "demo");
        assert_eq!(hit["tenant"], "default");
        assert_eq!(hit["kind"], "segment");
        assert_eq!(hit["bytes"], 7);
        assert_eq!(hit["user_agent"], "a player");
        let host = hit["host"].as_str().unwrap_or_default();
        assert!(host.starts_with("localhost:"), "{host}");
        let client = hit["client"].as_str().unwrap_or_default();
        assert!(["127.0.0.0", "::"].contains(&client), "{client}");
        assert!(hit["ttfb_ms"].as_f64() > Some(0.0), "{hit}");
        assert!(hit["duration_ms"].as_f64() >= hit["ttfb_ms"].as_f64());
    }
    let dropped = leaf.metric("edge_access_log_dropped_total", &[]).await?;
    assert_eq!(dropped, 0.0);
    Ok(())
}

#[tokio::test]
async fn tiers_sample_the_same_requests_and_every_error() -> anyhow::Result<()> {
    const OBJECTS: usize = 120;
    const ERRORS: usize = 10;
    let parent = Parent::start().await?;
    let shield = Edge::start_with("shield", &[parent.url()], &log_to_file(0.5)).await?;
    let leaf = Edge::start_below("leaf", &shield, &log_to_file(0.5)).await?;
    let client = leaf.client(Protocol::H2).await?;
    for number in 0..OBJECTS {
        let path = format!("/live/demo/720p/{number}.m4s");
        parent.on(&path, Reply::ok("segment"));
        assert_eq!(client.fetch(&path, &[]).await?.status, 200);
    }
    let own = [("x-request-id", "given-by-a-proxy")];
    for number in 0..ERRORS {
        let path = format!("/live/demo/720p/{}.m4s", 1000 + number);
        assert_eq!(client.fetch(&path, &own).await?.status, 404);
    }
    let mut sampled = Vec::new();
    for edge in [&leaf, &shield] {
        let done = [("status", "200"), ("kind", "segment")];
        wait::until("all are done", COUNTED_WITHIN, async || {
            let count = edge.metric("edge_requests_total", &done).await?;
            Ok((count == OBJECTS as f64).then_some(()))
        })
        .await?;
        let errors = |line: &&Value| line["status"] == 404;
        let lines = wait::until("all errors are there", COUNTED_WITHIN, async || {
            let lines = lines(edge, ERRORS).await?;
            Ok((lines.iter().filter(errors).count() == ERRORS).then_some(lines))
        })
        .await?;
        for line in lines.iter().filter(errors) {
            assert_eq!(line["request_id"], "given-by-a-proxy", "{line}");
        }
        let successes = lines.iter().filter(|line| line["status"] == 200);
        let ids: BTreeSet<String> = successes
            .map(|line| line["request_id"].as_str().unwrap_or_default().to_owned())
            .collect();
        sampled.push(ids);
    }
    assert_eq!(sampled.first(), sampled.last());
    let count = sampled.first().map_or(0, BTreeSet::len);
    assert!((OBJECTS / 5..OBJECTS * 4 / 5).contains(&count), "{count}");
    Ok(())
}

#[tokio::test]
async fn what_players_report_moves_the_figures_of_their_stream() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    parent.on(SEGMENT, Reply::ok("segment"));
    let leaf = Edge::start("leaf", &[parent.url()]).await?;
    let query =
        format!("{SEGMENT}?CMCD=bl%3D2000%2Cbr%3D2800%2Cbs%2Cmtp%3D9000%2Csid%3D%22one%22%2Csu");
    let fields = [
        ("cmcd-request", "ltc=1500, bl=(1000;v),mtp=(8000)"),
        ("cmcd-object", "br=(700;v)"),
        ("cmcd-session", "sid=\"two\",v=2,st=ll"),
        ("cmcd-status", "bs,bsd=(400)"),
    ];
    for protocol in Protocol::ALL {
        let client = leaf.client(protocol).await?;
        assert_eq!(client.fetch(&query, &[]).await?.status, 200);
        assert_eq!(client.fetch(SEGMENT, &fields).await?.status, 200);
        for (name, value) in [
            ("cmcd-request", "bl=(1"),
            ("cmcd-status", &*"x".repeat(3000)),
            ("cmcd-object", "br=fast"),
        ] {
            assert_eq!(client.fetch(SEGMENT, &[(name, value)]).await?.status, 200);
        }
        let broken = format!("{SEGMENT}?CMCD=%zz");
        assert_eq!(client.fetch(&broken, &[]).await?.status, 200);
        // Nobody reports on a stream that is not there.
        let none = "/live/none/index.m3u8";
        assert_eq!(client.fetch(none, &fields).await?.status, 404);
    }
    counted(&leaf, 18.0).await?;
    let of = [("stream", "demo"), ("tenant", "default")];
    for (name, value) in [
        ("edge_cmcd_stalls_total", 6.0),
        ("edge_cmcd_startup_requests_total", 3.0),
        ("edge_cmcd_buffer_seconds_sum", 9.0),
        ("edge_cmcd_bitrate_bits_per_second_sum", 10_500e3),
        ("edge_cmcd_throughput_bits_per_second_sum", 51e6),
        ("edge_cmcd_live_latency_seconds_sum", 4.5),
        ("edge_cmcd_reports_total", 9.0),
    ] {
        assert_eq!(leaf.metric(name, &of).await?, value, "{name}");
    }
    let stalled = leaf.metric("edge_cmcd_stalled_seconds_total", &of).await?;
    assert!((stalled - 1.2).abs() < 1e-9, "{stalled}");
    for (reason, count) in [
        ("syntax", 3.0),
        ("too_long", 3.0),
        ("value", 3.0),
        ("encoding", 3.0),
    ] {
        let of = [("reason", reason)];
        let ignored = leaf.metric("edge_cmcd_ignored_total", &of).await?;
        assert_eq!(ignored, count, "{reason}");
    }
    wait::until("both sessions are counted", COUNTED_WITHIN, async || {
        let sessions = leaf.metric("edge_cmcd_sessions", &of).await?;
        Ok((sessions == 2.0).then_some(()))
    })
    .await?;
    assert_eq!(parent.requests(SEGMENT), 1, "CMCD is in no cache key");
    assert!(!parent.heads().concat().to_lowercase().contains("cmcd"));
    Ok(())
}

/// Without TLS, and with tiers that sign their requests: a byte is billed once.
#[tokio::test]
async fn what_a_tier_fetches_is_not_what_viewers_got() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    parent.on(SEGMENT, Reply::ok(pattern(1000)));
    let keys = toml::Value::Array(vec!["0123456789abcdef0123456789abcdef".into()]);
    let signed = Settings::default().set("playback", "token_keys", keys);
    let shield = Edge::start_with("shield", &[parent.url()], &signed).await?;
    let leaf = Edge::start_below("leaf", &shield, &signed).await?;
    let client = Client::connect(&leaf.http_url(), Protocol::H1, &Trust::Insecure).await?;
    for _ in 0..3 {
        assert_eq!(client.fetch(SEGMENT, &[]).await?.body.len(), 1000);
    }
    assert_eq!(counted(&leaf, 3.0).await?, 3000.0);
    let tier = [("stream", "demo"), ("asker", "tier")];
    wait::until("the tier's is counted", COUNTED_WITHIN, async || {
        Ok((shield.metric(BYTES, &tier).await? == 1000.0).then_some(()))
    })
    .await?;
    assert_eq!(shield.metric(BYTES, &DEMO).await?, 0.0);
    assert_eq!(leaf.metric(BYTES, &tier).await?, 0.0);
    Ok(())
}
