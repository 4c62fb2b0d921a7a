//! Requests that two servers in a row would read differently. The edge refuses them, over every
//! protocol, and of what they carry nothing reaches a parent: it records every byte.

use std::net::Ipv4Addr;
use std::sync::Arc;

use parking_lot::Mutex;
use tests::edge::Edge;
use tests::node::Settings;
use tests::raw::{self, ATTACKER, END_HEADERS, END_STREAM, H2, H3, HEADERS};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use toml::{Table, Value};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\nok";

/// A parent that answers each read, and keeps what it read.
async fn recorder() -> anyhow::Result<(String, Arc<Mutex<Vec<u8>>>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&bytes);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                let mut request = Vec::new();
                while let Ok(count) = stream.read(&mut buffer).await
                    && count > 0
                {
                    let piece = buffer.get(..count).unwrap_or_default();
                    kept.lock().extend_from_slice(piece);
                    request.extend_from_slice(piece);
                    if is_whole(&request) {
                        request.clear();
                        if stream.write_all(ANSWER).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    Ok((url, bytes))
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap_or(0))
}

/// An edge in front of a site at the host `a`, of whose parent every byte is kept.
async fn start() -> anyhow::Result<(Edge, Arc<Mutex<Vec<u8>>>)> {
    let (url, bytes) = recorder().await?;
    let mut table = Table::new();
    table.insert("hosts".to_owned(), vec![Value::from("*")].into());
    table.insert("urls".to_owned(), vec![Value::from(url.clone())].into());
    let settings = Settings::default().set_root("sites", vec![Value::Table(table)]);
    let edge = Edge::start_with("edge", &[url], &settings).await?;
    Ok((edge, bytes))
}

/// What would be a request of its own to whoever reads it so.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

/// Requests, behind each of which another one hides, and what is wrong with them. `^` is [`POST`].
const AMBIGUOUS: [(&str, &str); 21] = [
    (
        "^Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "CL.TE",
    ),
    (
        "^Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5\r\nGET /\r\n0\r\n\r\n",
        "TE.CL",
    ),
    (
        "^Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "an unknown coding",
    ),
    (
        "^Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "chunked is not last",
    ),
    (
        "^Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "a coding more",
    ),
    (
        "^Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "two codings",
    ),
    (
        "^Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "a space before the colon",
    ),
    (
        "^X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "a folded field",
    ),
    (
        "^X: a\r\n\tb\r\nContent-Length: 0\r\n\r\n",
        "a folded field, by a tab",
    ),
    ("^X: a\nContent-Length: 5\r\n\r\nabcde", "a bare LF"),
    (
        "POST /p HTTP/1.1\nHost: a\nContent-Length: 0\n\n",
        "bare LFs alone",
    ),
    ("^X: a\rContent-Length: 5\r\n\r\n", "a bare CR"),
    (
        "^Content-Length: 0\r\nContent-Length: 35\r\n\r\n",
        "two lengths",
    ),
    (
        "^Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
        "the same length twice",
    ),
    ("^Content-Length: 0, 35\r\n\r\n", "a list of lengths"),
    ("^Content-Length: +5\r\n\r\nabcde", "a length with a sign"),
    ("^Content-Length: -1\r\n\r\n", "a negative length"),
    (
        "^Content-Length: 99999999999999999999\r\n\r\n",
        "an endless length",
    ),
    (
        "POST /p HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "chunked in 1.0",
    ),
    ("^Host: b\r\nContent-Length: 0\r\n\r\n", "two hosts"),
    ("^X: a\0b\r\nContent-Length: 0\r\n\r\n", "a NUL"),
];
const POST: &str = "POST /p HTTP/1.1\r\nHost: a\r\n";

#[tokio::test]
async fn what_is_ambiguous_over_http1_is_refused() -> anyhow::Result<()> {
    let (edge, bytes) = start().await?;
    for (request, what) in AMBIGUOUS {
        let request = request.replace('^', POST) + HIDDEN;
        let mut stream = raw::plain(ATTACKER, &edge).await?;
        let answer = raw::ask(&mut stream, request.as_bytes()).await?;
        assert!(answer.starts_with("HTTP/1.1 4"), "{what}: {answer:?}");
        // One answer, and the end: what is behind it is nobody's request.
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: {answer:?}");
    }
    let seen = bytes.lock().clone();
    assert!(seen.is_empty(), "{:?}", String::from_utf8_lossy(&seen));
    let two = [("kind", "h1_two_lengths")];
    assert_eq!(edge.metric("edge_attacks_total", &two).await?, 2.0);
    Ok(())
}

#[tokio::test]
async fn a_body_is_framed_anew() -> anyhow::Result<()> {
    let (edge, bytes) = start().await?;
    // Extensions and trailers of chunks are the client's hop's.
    let request = "POST /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;ext=\"GET /hidden HTTP/1.1\"\r\nabcde\r\n0\r\nX-Trailer: /hidden\r\n\r\n";
    let mut stream = raw::plain(ATTACKER, &edge).await?;
    let answer = raw::ask(&mut stream, request.as_bytes()).await?;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer:?}");
    let seen = String::from_utf8_lossy(&bytes.lock()).into_owned();
    assert!(!seen.contains("hidden"), "{seen:?}");
    if answer.starts_with("HTTP/1.1 200") {
        assert!(seen.contains("abcde"), "{seen:?}");
    }
    // Chunk sizes that are none.
    for size in ["-5", "0x5", "5 5", "ffffffffffffffffff", "5\n"] {
        bytes.lock().clear();
        let request = format!(
            "POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\nabcde\r\n0\r\n\r\n{HIDDEN}"
        );
        let mut stream = raw::plain(ATTACKER, &edge).await?;
        let answer = raw::ask(&mut stream, request.as_bytes()).await?;
        let seen = String::from_utf8_lossy(&bytes.lock()).into_owned();
        assert!(!seen.contains("hidden"), "{size}: {seen:?}");
        assert!(!answer.starts_with("HTTP/1.1 200"), "{size}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_malformed_over_http2_is_refused() -> anyhow::Result<()> {
    let (edge, bytes) = start().await?;
    let whole = END_STREAM | END_HEADERS;
    for (name, value) in [
        ("connection", &b"close"[..]),
        ("transfer-encoding", b"chunked"),
        ("upgrade", b"h2c"),
        ("keep-alive", b"1"),
        ("proxy-connection", b"close"),
        ("te", b"gzip"),
        ("x-a", b"b\r\ntransfer-encoding: chunked"),
        ("x-a", b"b\nc"),
        ("x-a", b"b\0c"),
        ("x-a\r\nhost", b"b"),
        ("X-A", b"b"),
        ("x a", b"b"),
        ("content-length", b"5"),
        (":path", b"/hidden"),
        ("host", b"b"),
    ] {
        let mut h2 = H2::connect(ATTACKER, &edge).await?;
        let mut block = h2.get("/p");
        raw::field(&mut block, name, value);
        h2.send(HEADERS, whole, 1, &block).await?;
        let what = format!("{name:?}: {:?}", String::from_utf8_lossy(value));
        // A reset, a GOAWAY, or 400 of the static table.
        match h2.answer(1).await? {
            Err(_) => {}
            Ok(block) => assert_eq!(block.first(), Some(&0x8c), "{what}"),
        }
    }
    for path in [
        "/p /hidden",
        "/p\r\nx: y",
        "",
        "hidden",
        "/p\thidden",
        "http://b/hidden",
    ] {
        let mut h2 = H2::connect(ATTACKER, &edge).await?;
        let block = h2.get(path);
        h2.send(HEADERS, whole, 1, &block).await?;
        match h2.answer(1).await? {
            Err(_) => {}
            Ok(block) => assert_eq!(block.first(), Some(&0x8c), "{path:?}"),
        }
    }
    let seen = bytes.lock().clone();
    assert!(seen.is_empty(), "{:?}", String::from_utf8_lossy(&seen));
    Ok(())
}

#[tokio::test]
async fn what_is_malformed_over_http3_is_refused() -> anyhow::Result<()> {
    let (edge, bytes) = start().await?;
    for (name, value) in [
        ("connection", &b"close"[..]),
        ("transfer-encoding", b"chunked"),
        ("upgrade", b"h2c"),
        ("te", b"gzip"),
        ("x-a", b"b\r\ntransfer-encoding: chunked"),
        ("x-a", b"b\0c"),
        ("X-A", b"b"),
        ("x a", b"b"),
        ("content-length", b"5"),
        ("host", b"b"),
    ] {
        let h3 = H3::connect(ATTACKER, &edge).await?;
        let what = format!("{name:?}: {:?}", String::from_utf8_lossy(value));
        let answer = h3.answer(&h3.get("/p", &[(name, value)])).await?;
        assert!(
            answer.is_err() || answer.is_ok_and(|bytes| !bytes.ends_with(b"ok")),
            "{what}"
        );
    }
    for path in ["/p /hidden", "/p\r\nx: y", "hidden"] {
        let h3 = H3::connect(ATTACKER, &edge).await?;
        let answer = h3.answer(&h3.get(path, &[])).await?;
        assert!(
            answer.is_err() || answer.is_ok_and(|bytes| !bytes.ends_with(b"ok")),
            "{path:?}"
        );
    }
    let seen = bytes.lock().clone();
    assert!(seen.is_empty(), "{:?}", String::from_utf8_lossy(&seen));
    Ok(())
}
