//! Signed playback: who has no valid token gets nothing, at any tier; who has one shares the cache
//! with everybody else.

use std::time::{SystemTime, UNIX_EPOCH};

use loadtest::client::{Client, Protocol};
use playback_token::{Key, Keyring, Scope};
use tests::edge::Edge;
use tests::node::Settings;
use tests::origin::{Origin, PUBLISH_KEY, STREAM};
use tests::parent::{Parent, Reply, pattern};
use tests::playlist;
use tests::publisher::Publisher;
use toml::Value;

const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";
const SEGMENT: &str = "/live/demo/720p/100.m4s";

fn signed() -> Settings {
    let keys = Value::Array(vec![SECRET.into()]);
    Settings::default()
        .set("playback", "auth", "signed")
        .set("playback", "token_keys", keys)
}

fn keyring(secret: &str) -> anyhow::Result<Keyring> {
    Ok(Keyring::new([Key::new(None, secret.as_bytes())?])?)
}

/// A token for `scope` that expires `seconds` from now.
fn token(secret: &str, scope: &Scope, seconds: i64) -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let expires = now.saturating_add_signed(seconds);
    Ok(keyring(secret)?.sign(scope, expires)?)
}

fn demo() -> Scope {
    Scope::Stream(STREAM.into())
}

async fn status(client: &Client, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<u16> {
    Ok(client.fetch(path, headers).await?.status.as_u16())
}

#[tokio::test]
async fn a_token_opens_and_its_absence_does_not() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    parent.on(SEGMENT, Reply::ok(pattern(10_000)));
    let leaf = Edge::start_with("leaf", &[parent.url()], &signed()).await?;
    // A lifetime unlike that of the edge's own tokens, to tell them apart upstream.
    let good = token(SECRET, &demo(), 1234)?;
    let with = |token: &str| format!("{SEGMENT}?token={token}");
    for client in leaf.clients_of_all(1).await? {
        let over = client.protocol();
        assert_eq!(status(&client, SEGMENT, &[]).await?, 401, "none, {over}");
        let forged = token("another-secret-of-at-least-32-bytes!!", &demo(), 60)?;
        let expired = token(SECRET, &demo(), -1)?;
        let elsewhere = token(SECRET, &Scope::Stream("other".into()), 60)?;
        for bad in [&forged, &expired, &elsewhere, "nonsense", "a.b"] {
            let status = status(&client, &with(bad), &[]).await?;
            assert!(matches!(status, 401 | 403), "{bad} over {over}: {status}");
        }
        let bearer = format!("Bearer {good}");
        let cookie = format!("other=1; weir_token={good}");
        for (path, headers) in [
            (with(&good), vec![]),
            (with(&token(SECRET, &Scope::All, 60)?), vec![]),
            (SEGMENT.to_owned(), vec![("authorization", bearer.as_str())]),
            (SEGMENT.to_owned(), vec![("cookie", cookie.as_str())]),
        ] {
            let status = status(&client, &path, &headers).await?;
            assert_eq!(status, 200, "{path} {headers:?} over {over}");
        }
    }
    // Tokens are no part of the cache key, and nobody without one reached the parent.
    assert_eq!(parent.requests_total(), 1);
    let head = parent.heads().concat();
    assert!(
        !head.contains(&good),
        "a viewer's token went upstream: {head}"
    );
    Ok(())
}

/// The token in the URL of the Multivariant Playlist becomes a cookie: relative URLs lose a query.
#[tokio::test]
async fn a_token_in_the_url_becomes_a_cookie_of_the_stream() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    parent.on("/live/demo/index.m3u8", Reply::ok("#EXTM3U\n"));
    let leaf = Edge::start_with("leaf", &[parent.url()], &signed()).await?;
    let client = leaf.client(Protocol::H2).await?;
    let token = token(SECRET, &demo(), 60)?;
    let path = format!("/live/demo/index.m3u8?token={token}");
    let fetched = client.fetch(&path, &[]).await?;
    assert_eq!(fetched.status, 200);
    let cookie = fetched.header("set-cookie").unwrap_or_default();
    assert!(cookie.contains(&format!("weir_token={token}")), "{cookie}");
    assert!(cookie.contains("Path=/live/demo/"), "{cookie}");
    assert!(cookie.contains("HttpOnly"), "{cookie}");
    Ok(())
}

#[tokio::test]
async fn tiers_ask_each_other_with_tokens_of_their_own() -> anyhow::Result<()> {
    let origin = Origin::start_with(&signed()).await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let keys = signed();
    let shield = Edge::start_with("shield", &[origin.http_url()], &keys).await?;
    let leaf = Edge::start_below("leaf", &shield, &keys).await?;
    let good = token(SECRET, &demo(), 600)?;
    let bearer = format!("Bearer {good}");
    let path = playlist::path("360p", "index.m3u8");
    let direct = origin.client(Protocol::H1).await?;
    tests::wait::until(
        "the stream plays",
        std::time::Duration::from_secs(30),
        async || {
            let status = status(&direct, &path, &[("authorization", &bearer)]).await?;
            Ok((status == 200).then_some(()))
        },
    )
    .await?;
    assert_eq!(status(&direct, &path, &[]).await?, 401);
    for edge in [&shield, &leaf] {
        for client in edge.clients_of_all(1).await? {
            assert_eq!(status(&client, &path, &[]).await?, 401);
            let with_token = status(&client, &path, &[("authorization", &bearer)]).await?;
            assert_eq!(with_token, 200, "over {}", client.protocol());
        }
    }
    Ok(())
}
