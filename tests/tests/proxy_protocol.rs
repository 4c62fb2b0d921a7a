//! Behind load balancers: the client is whom the PROXY protocol names, and nobody else may name one.

use std::net::Ipv4Addr;
use std::time::Duration;

use tests::edge::Edge;
use tests::node::Settings;
use tests::tls::{Authority, Visitor};
use tests::{node, wait};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use toml::Value;

const WITHIN: Duration = Duration::from_secs(20);
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x30\x39\x01\xbb";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
const REQUEST: &[u8] = b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn behind(proxies: &[&str]) -> Settings {
    let proxies: Vec<Value> = proxies.iter().map(|&proxy| proxy.into()).collect();
    let nobody: Vec<Value> = vec!["http://127.0.0.1:9".into()];
    Settings::default()
        .set("listen", "proxy_protocol_from", proxies)
        .set("parents", "urls", nobody)
}

async fn connect(edge: &Edge) -> anyhow::Result<TcpStream> {
    let port = edge
        .http_url()
        .rsplit(':')
        .next()
        .unwrap_or_default()
        .parse()?;
    Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?)
}

/// What comes back for `bytes`, each of `pieces` in a segment of its own.
async fn ask(edge: &Edge, pieces: &[&[u8]]) -> anyhow::Result<String> {
    let mut stream = connect(edge).await?;
    stream.set_nodelay(true)?;
    for piece in pieces {
        // The other end may have closed.
        let _ = stream.write_all(piece).await;
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn logged(edge: &Edge, client: &str) -> anyhow::Result<()> {
    wait::until(client, WITHIN, async || {
        Ok(edge
            .log()
            .contains(&format!("client={client}"))
            .then_some(()))
    })
    .await
}

#[tokio::test]
async fn the_client_is_whom_the_balancer_names() -> anyhow::Result<()> {
    let edge = Edge::start_with("edge", &[], &behind(&["127.0.0.0/8"])).await?;
    for (header, client) in [
        (V1, "192.0.2.7:12345"),
        (V2, "[2001:db8::7]:12345"),
        (V2_LOCAL, "127.0.0.1:"),
    ] {
        let whole = [header, REQUEST].concat();
        let answer = ask(&edge, &[&whole]).await?;
        assert!(answer.starts_with("HTTP/1.1 404"), "{client}: {answer}");
        logged(&edge, client).await?;
        // However it is cut.
        let pieces: Vec<&[u8]> = whole.chunks(1).collect();
        let answer = ask(&edge, &pieces).await?;
        assert!(answer.starts_with("HTTP/1.1 404"), "{client}: {answer}");
    }
    Ok(())
}

#[tokio::test]
async fn tls_begins_behind_the_header() -> anyhow::Result<()> {
    let directory = node::directory("certificates")?;
    let authority = Authority::new()?;
    let (certificate, key) = authority.issue(&["localhost"])?.write(&directory, "tls")?;
    let settings = behind(&["127.0.0.1"])
        .set("tls", "certificate_file", certificate.display().to_string())
        .set("tls", "key_file", key.display().to_string());
    let edge = Edge::start_with("edge", &[], &settings).await?;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, edge.https_port())).await?;
    stream.write_all(V2).await?;
    let visitor = Visitor::new(&authority)?;
    visitor.over(stream, "localhost").await?;
    logged(&edge, "[2001:db8::7]:12345").await?;
    // Without it there is no handshake.
    assert!(
        visitor
            .over_tcp(edge.https_port(), "localhost")
            .await
            .is_err()
    );
    Ok(())
}

#[tokio::test]
async fn others_name_nobody_and_balancers_have_to() -> anyhow::Result<()> {
    let edge = Edge::start_with("edge", &[], &behind(&["127.0.0.0/8"])).await?;
    let refused = async |reason: &str| {
        let labels = [("reason", reason)];
        edge.metric("edge_proxy_protocol_refused_total", &labels)
            .await
    };
    assert_eq!(ask(&edge, &[REQUEST]).await?, "");
    assert_eq!(ask(&edge, &[b"PROXY TCP4 x y 1 2\r\n", REQUEST]).await?, "");
    assert_eq!(refused("malformed").await?, 2.0);
    // A check of the port is no fault.
    drop(connect(&edge).await?);
    let mut cut = connect(&edge).await?;
    cut.write_all(&V2[..20]).await?;
    drop(cut);
    wait::until("a cut header is counted", WITHIN, async || {
        Ok((refused("closed").await? == 1.0).then_some(()))
    })
    .await?;
    // Who is silent is not waited for.
    let mut slow = connect(&edge).await?;
    slow.write_all(&V2[..20]).await?;
    let mut nothing = Vec::new();
    tokio::time::timeout(WITHIN, slow.read_to_end(&mut nothing)).await??;
    assert_eq!(refused("too_slow").await?, 1.0);

    let open = Edge::start_with("open", &[], &behind(&["10.0.0.0/8"])).await?;
    let answer = ask(&open, &[V1, REQUEST]).await?;
    assert!(!answer.contains("404"), "{answer}");
    assert!(!open.log().contains("192.0.2.7"));
    Ok(())
}
