//! Playlists come compressed to whoever takes it, and are compressed once for everybody.

use std::io::Read as _;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use loadtest::client::{Client, Fetched, Protocol};
use tests::edge::{Edge, curl};
use tests::herds;
use tests::node::Settings;
use tests::origin::{Origin, PUBLISH_KEY};
use tests::parent::{Gate, Parent, Reply, pattern};
use tests::publisher::Publisher;
use tests::{playlist, wait};

const VIEWERS: usize = 999;

const RELOAD: &str = "/live/demo/360p/index.m3u8?_HLS_msn=100&_HLS_part=2";
const SEGMENT: &str = "/live/demo/360p/99.m4s";

fn reload() -> Reply {
    Reply::ok(playlist::text(100, 3, 3))
        .header("Content-Type", "application/vnd.apple.mpegurl")
        .header("Cache-Control", "max-age=60")
        .header("ETag", "\"v1\"")
}

fn plain(coding: &str, coded: &Bytes) -> anyhow::Result<Bytes> {
    let mut text = Vec::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(&**coded).read_to_end(&mut text)?,
        "zstd" => zstd::Decoder::new(&**coded)?.read_to_end(&mut text)?,
        other => anyhow::bail!("'{other}' was not asked for"),
    };
    Ok(text.into())
}

async fn compressions(edge: &Edge) -> anyhow::Result<f64> {
    edge.metric("edge_playlist_compressions_total", &[]).await
}

async fn fetch(client: &Client, path: &str, accepts: &str) -> anyhow::Result<Fetched> {
    Ok(client.fetch(path, &[("accept-encoding", accepts)]).await?)
}

#[tokio::test]
async fn a_thousand_who_join_a_flight_have_it_compressed_once_in_each_coding() -> anyhow::Result<()>
{
    let parent = Parent::start().await?;
    let gate = Gate::new();
    parent.on(RELOAD, reload().held(&gate));
    let leaf = Edge::start("leaf", &[parent.url()]).await?;
    let clients = herds::clients(&leaf, VIEWERS).await?;
    let viewers = (0..VIEWERS).zip(clients.iter().cycle());
    let asked = try_join_all(viewers.map(async |(viewer, client)| {
        let (coding, accepts) = match viewer % 2 {
            0 => ("gzip", "gzip, deflate, br"),
            _ => ("zstd", "gzip, deflate, br, zstd"),
        };
        Ok::<_, anyhow::Error>((coding, fetch(client, RELOAD, accepts).await?))
    }));
    let opened = async {
        let all = "all are waiting";
        wait::until(all, std::time::Duration::from_secs(60), async || {
            let there = leaf.metric("edge_requests_in_progress", &[]).await?;
            Ok((there >= VIEWERS as f64).then_some(()))
        })
        .await?;
        gate.open();
        Ok(())
    };
    let (answers, ()) = tokio::try_join!(asked, opened)?;

    let text = playlist::text(100, 3, 3);
    for (coding, answer) in &answers {
        assert_eq!((answer.status.as_u16(), &answer.broken), (200, &None));
        assert_eq!(answer.header("content-encoding"), Some(*coding));
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        let tag = format!("\"v1-{coding}\"");
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
        assert_eq!(plain(coding, &answer.body)?, text);
    }
    assert_eq!(compressions(&leaf).await?, 2.0, "once in each coding");
    assert_eq!(parent.requests(RELOAD), 1);
    let heads = parent.heads().concat().to_ascii_lowercase();
    assert!(
        heads.contains("identity") && !heads.contains("gzip"),
        "{heads}"
    );

    for protocol in Protocol::ALL {
        let client = leaf.client(protocol).await?;
        let hit = fetch(&client, RELOAD, "gzip").await?;
        assert_eq!(plain("gzip", &hit.body)?, text, "{protocol}");
        let length = hit.body.len().to_string();
        assert_eq!(hit.header("content-length"), Some(length.as_str()));
    }
    assert_eq!(compressions(&leaf).await?, 2.0, "hits are as they were");
    Ok(())
}

#[tokio::test]
async fn a_compressed_playlist_is_a_representation_of_its_own() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    parent.on(RELOAD, reload());
    let media = Reply::ok(pattern(1000)).header("Content-Type", "video/mp4");
    parent.on(SEGMENT, media.header("Cache-Control", "max-age=60"));
    let leaf = Edge::start("leaf", &[parent.url()]).await?;
    let text = playlist::text(100, 3, 3);
    for protocol in Protocol::ALL {
        let client = leaf.client(protocol).await?;
        let identity = client.fetch(RELOAD, &[]).await?;
        assert_eq!(identity.body, text);
        assert_eq!(identity.header("content-encoding"), None);
        assert_eq!(identity.header("etag"), Some("\"v1\""));
        assert_eq!(identity.header("vary"), Some("Accept-Encoding"));

        let gzip = fetch(&client, RELOAD, "gzip").await?;
        for (tag, status) in [("\"v1-gzip\"", 304), ("\"v1\"", 200), ("*", 304)] {
            let fields = [("accept-encoding", "gzip"), ("if-none-match", tag)];
            let answer = client.fetch(RELOAD, &fields).await?;
            assert_eq!(answer.status, status, "{protocol} {tag}");
            if status == 304 {
                assert_eq!(answer.header("etag"), Some("\"v1-gzip\""));
                assert_eq!(answer.header("content-encoding"), None);
            }
        }
        let fields = [("accept-encoding", "gzip"), ("range", "bytes=2-9")];
        let range = client.fetch(RELOAD, &fields).await?;
        assert_eq!(range.status, 206, "{protocol}");
        assert_eq!(range.body, gzip.body.slice(2..10));
        assert_eq!(range.header("content-encoding"), Some("gzip"));
        let of = format!("bytes 2-9/{}", gzip.body.len());
        assert_eq!(range.header("content-range"), Some(of.as_str()));

        let media = fetch(&client, SEGMENT, "gzip, zstd").await?;
        assert_eq!(media.body, pattern(1000));
        assert_eq!(media.header("content-encoding"), None);
        assert_eq!(media.header("vary"), None);
    }
    let url = format!("{}{RELOAD}", leaf.https_url());
    let ca = leaf.ca_file().display().to_string();
    let gzip = "Accept-Encoding: gzip";
    for version in ["--http1.1", "--http2"] {
        let head = curl(&["--cacert", &ca, version, "--head", "--header", gzip, &url]).await?;
        let head = head.to_ascii_lowercase();
        let client = leaf.client(Protocol::H2).await?;
        let length = fetch(&client, RELOAD, "gzip").await?.body.len();
        for line in [
            "content-encoding: gzip",
            &format!("content-length: {length}"),
        ] {
            assert!(head.contains(line), "{line}: {head}");
        }
        let body = curl(&["--cacert", &ca, version, "--compressed", &url]).await?;
        assert_eq!(body, text);
    }
    Ok(())
}

/// Both kinds of playlists, of every tier.
#[tokio::test]
async fn every_tier_compresses_and_ranks_what_it_sends() -> anyhow::Result<()> {
    let origin = Origin::start().await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let shield = Edge::start("shield", &[origin.http_url()]).await?;
    let leaf = Edge::start_below("leaf", &shield, &Settings::default()).await?;
    let direct = origin.client(Protocol::H1).await?;
    let listed = playlist::playing(&direct, "360p").await?;
    let segment = listed.segments.last().context("no Segment")?;
    let audio = playlist::playing(&direct, "audio").await?;
    let sound = audio.segments.last().context("no Segment")?;
    let init = segment.head.map.as_ref().context("no EXT-X-MAP")?;

    let mut clients = vec![
        ("origin", direct),
        ("origin", origin.client(Protocol::H2).await?),
    ];
    for (name, edge) in [("shield", &shield), ("leaf", &leaf)] {
        for protocol in Protocol::ALL {
            clients.push((name, edge.client(protocol).await?));
        }
    }
    let missing = "/live/demo/360p/1.m4s".to_owned();
    for (path, urgency) in [
        ("/live/demo/index.m3u8".to_owned(), "u=1"),
        (playlist::path("360p", "index.m3u8"), "u=1"),
        (playlist::path("360p", "index.m3u8?_HLS_part=1"), "u=1"),
        (playlist::path("360p", init), "u=2"),
        (playlist::path("audio", &sound.uri), "u=2"),
        (playlist::path("360p", &segment.uri), "u=3"),
        (missing, "u=3"),
        ("/live/nobody/index.m3u8".to_owned(), "u=1"),
        ("/api/streams".to_owned(), "u=3"),
    ] {
        for (name, client) in &clients {
            let answer = fetch(client, &path, "gzip").await?;
            let place = format!("{name} over {}, {path}", client.protocol());
            assert_eq!(answer.header("priority"), Some(urgency), "{place}");
            let is_playlist = answer.status == 200 && path.contains(".m3u8");
            let coding = is_playlist.then_some("gzip");
            assert_eq!(answer.header("content-encoding"), coding, "{place}");
            if is_playlist {
                let text = plain("gzip", &answer.body)?;
                ensure!(text.starts_with(b"#EXTM3U"), "{place}");
                let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
                assert_eq!(vary.len(), 1, "{place}: {vary:?}");
            }
        }
    }
    Ok(())
}
