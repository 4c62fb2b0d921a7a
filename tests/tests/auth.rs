//! Playback by the shipped `auth` filter: who has no valid token gets nothing, at any tier; who has
//! one shares the cache with everybody else. Publishing by the same filter.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use filter_registry::catalogue::RevocationKind;
use filter_registry::wire::Revoke;
use loadtest::client::{Client, Protocol};
use playback_token::{Key, Keyring, Scope};
use tests::edge::Edge;
use tests::filters::{Filter, Fleet, Operator, edge_settings, origin_settings};
use tests::node::{self, Settings};
use tests::origin::{Origin, PUBLISH_KEY, STREAM};
use tests::parent::{Parent, Reply, pattern};
use tests::playlist;
use tests::publisher::Publisher;
use tests::tls::Authority;
use tests::wait;
use toml::Value;
use wasm_filters::manifest::Digest;

const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";
const SEGMENT: &str = "/live/demo/720p/100.m4s";
const WITHIN: Duration = Duration::from_secs(30);

fn by_filters() -> Settings {
    let keys = Value::Array(vec![SECRET.into()]);
    Settings::default()
        .set("playback", "auth", "filters")
        .set("playback", "token_keys", keys)
}

/// One edge behind which a segment and a playlist lie, with the shipped filter as it ships.
async fn guarded() -> anyhow::Result<Fleet> {
    let fleet = Fleet::start(1, &by_filters()).await?;
    fleet.parent.on(SEGMENT, Reply::ok(pattern(10_000)));
    fleet
        .parent
        .on("/live/demo/index.m3u8", Reply::ok("#EXTM3U\n"));
    Ok(fleet)
}

async fn deploy_auth(fleet: &Fleet) -> anyhow::Result<()> {
    let auth = Filter::shipped("auth")?;
    fleet.operator.deploy(&auth, fleet.nodes()).await?;
    Ok(())
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
    let fleet = guarded().await?;
    let leaf = fleet.edges.first().context("an edge")?;
    let client = leaf.client(Protocol::H2).await?;
    assert_eq!(
        status(&client, SEGMENT, &[]).await?,
        503,
        "no filter: nobody gets in"
    );
    deploy_auth(&fleet).await?;
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
    assert_eq!(fleet.parent.requests_total(), 1);
    let head = fleet.parent.heads().concat();
    assert!(
        !head.contains(&good),
        "a viewer's token went upstream: {head}"
    );
    Ok(())
}

/// The token in the URL of the Multivariant Playlist becomes a cookie: relative URLs lose a query.
#[tokio::test]
async fn a_token_in_the_url_becomes_a_cookie_of_the_stream() -> anyhow::Result<()> {
    let fleet = guarded().await?;
    deploy_auth(&fleet).await?;
    let leaf = fleet.edges.first().context("an edge")?;
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
    let origin = Origin::start_with(&origin_settings().overlaid(&by_filters())).await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let settings = edge_settings(&origin.admin_url()).overlaid(&by_filters());
    let shield = Edge::start_with("shield", &[origin.http_url()], &settings).await?;
    let leaf = Edge::start_below("leaf", &shield, &settings).await?;
    let operator = Operator::of(&origin)?;
    operator.deploy(&Filter::shipped("auth")?, 3).await?;
    let good = token(SECRET, &demo(), 600)?;
    let bearer = format!("Bearer {good}");
    let path = playlist::path("360p", "index.m3u8");
    let direct = origin.client(Protocol::H1).await?;
    wait::until("the stream plays", WITHIN, async || {
        let status = status(&direct, &path, &[("authorization", &bearer)]).await?;
        Ok((status == 200).then_some(()))
    })
    .await?;
    assert_eq!(status(&direct, &path, &[]).await?, 401);
    for edge in [&shield, &leaf] {
        for client in edge.clients_of_all(1).await? {
            assert_eq!(status(&client, &path, &[]).await?, 401);
            let with_token = status(&client, &path, &[("authorization", &bearer)]).await?;
            assert_eq!(with_token, 200, "over {}", client.protocol());
        }
    }
    // What is handed on unasked is for tiers, whatever token a viewer has.
    wait::until("the leaf is told", WITHIN, async || {
        let told = leaf.metric("edge_relay_subscriptions", &[]).await?;
        Ok((told == 1.0).then_some(()))
    })
    .await?;
    let relay = format!("/relay/v1/{STREAM}?renditions=360p");
    let viewer = shield.client(Protocol::H2).await?;
    for headers in [&[][..], &[("authorization", bearer.as_str())]] {
        assert_eq!(status(&viewer, &relay, headers).await?, 403);
    }
    Ok(())
}

/// Where tiers show certificates, their tokens are good there alone.
#[tokio::test]
async fn a_tier_is_believed_only_where_it_shows_a_certificate() -> anyhow::Result<()> {
    let origin = Origin::start_with(&origin_settings().overlaid(&by_filters())).await?;
    let parent = Parent::start().await?;
    parent.on(SEGMENT, Reply::ok(pattern(10_000)));
    let directory = node::directory("certificates")?;
    let tiers = Authority::new()?;
    let client_ca = tiers.write(&directory, "tiers.pem")?;
    let (certificate, key) = tiers.issue(&["leaf"])?.write(&directory, "leaf")?;
    let port = node::free_port()?;
    let settings = edge_settings(&origin.admin_url())
        .overlaid(&by_filters())
        .set("listen", "tiers", format!("[::]:{port}"))
        .set("tls", "client_ca_file", client_ca.display().to_string());
    let shield = Edge::start_with("shield", &[parent.url()], &settings).await?;
    let operator = Operator::of(&origin)?;
    operator.deploy(&Filter::shipped("auth")?, 2).await?;
    let keys = Value::Array(vec![SECRET.into()]);
    let child = Settings::default()
        .set("playback", "token_keys", keys)
        .set("parents", "ca_file", shield.ca_file().display().to_string())
        .set(
            "parents",
            "client_certificate_file",
            certificate.display().to_string(),
        )
        .set("parents", "client_key_file", key.display().to_string());
    for (url, expect) in [
        (shield.https_url(), 403),
        (format!("https://localhost:{port}"), 200),
    ] {
        let leaf = Edge::start_with("leaf", std::slice::from_ref(&url), &child).await?;
        let client = leaf.client(Protocol::H2).await?;
        assert_eq!(status(&client, SEGMENT, &[]).await?, expect, "{url}");
    }
    assert_eq!(parent.requests(SEGMENT), 1);
    Ok(())
}

/// Revoked is revoked, on every edge and though the token is good for an hour and its grant is
/// cached.
#[tokio::test]
async fn a_revoked_token_opens_nothing_any_more() -> anyhow::Result<()> {
    let fleet = guarded().await?;
    deploy_auth(&fleet).await?;
    let leaf = fleet.edges.first().context("an edge")?;
    let client = leaf.client(Protocol::H3).await?;
    let token = token(SECRET, &demo(), 3600)?;
    let bearer = format!("Bearer {token}");
    let with_token = [("authorization", bearer.as_str())];
    assert_eq!(status(&client, SEGMENT, &with_token).await?, 200);
    let revoke = Revoke {
        kind: RevocationKind::Token,
        // The registry keeps no token.
        value: Digest::of(token.as_bytes()).to_string(),
        seconds: 3600,
    };
    fleet.operator.client.revoke(&revoke).await?;
    wait::until("the edge has heard of it", WITHIN, async || {
        Ok((status(&client, SEGMENT, &with_token).await? == 403).then_some(()))
    })
    .await
}

/// The filter decides who publishes, and what: the URL holds a key, the filter names the stream.
#[tokio::test]
async fn publishing_is_up_to_the_filter() -> anyhow::Result<()> {
    let settings = origin_settings().set("publish", "auth", "filters");
    let origin = Origin::start_with(&settings).await?;
    let operator = Operator::of(&origin)?;
    let key = "the-broadcasters-own-key";
    let digest = Digest::of(key.as_bytes());
    let config = serde_json::json!({
        "publish_keys": [{ "stream": "show", "sha256": digest.to_string() }],
        "playback_tokens": null,
    });
    let mut auth = Filter::shipped("auth")?.configured(config);
    auth.manifest.keys.clear();
    operator.deploy(&auth, 1).await?;

    let mut refused = Publisher::start(&origin.publish_url("another-key"))?;
    refused.process().exited(WITHIN).await?;
    let streams = origin.client(Protocol::H1).await?;
    let live = async || anyhow::Ok(streams.fetch("/api/streams", &[]).await?.text());
    assert!(!live().await?.contains("show"));

    let _publisher = Publisher::start(&origin.publish_url(key))?;
    wait::until(
        "the stream that the filter named is live",
        WITHIN,
        async || Ok(live().await?.contains("\"show\"").then_some(())),
    )
    .await
}
