//! SIGHUP and `POST /v1/config/reload`: all of a configuration or none of it, and no request notices.

use std::time::Duration;

use http::Method;
use loadtest::client::{Client, Protocol, Trust};
use loadtest::process::Signal;
use serde_json::{Value, json};
use tests::edge::Edge;
use tests::node::Settings;
use tests::parent::{Gate, Parent, Reply, pattern};
use tests::steady::Steady;
use tests::wait;

const TOKEN: &str = "0123456789abcdef0123";
const SEGMENT: &str = "/live/demo/720p/100.m4s";
const HELD: &str = "/live/demo/720p/101.m4s";
const WITHIN: Duration = Duration::from_secs(10);

fn with_token() -> Settings {
    Settings::default().set("admin", "token", TOKEN)
}

fn edit(edge: &Edge, from: &str, to: &str) -> anyhow::Result<()> {
    let file = edge.directory().join("config.toml");
    let text = std::fs::read_to_string(&file)?;
    anyhow::ensure!(text.contains(from), "no {from} in {text}");
    std::fs::write(&file, text.replace(from, to))?;
    Ok(())
}

async fn reload(edge: &Edge) -> anyhow::Result<(u16, Value)> {
    let url = edge.admin_url();
    let client = Client::connect(&url, Protocol::H1, &Trust::Insecure).await?;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let answer = client
        .request(Method::POST, "/v1/config/reload", &headers)
        .await?;
    let answer = answer.collect().await;
    let body = serde_json::from_str(&answer.text())?;
    Ok((answer.status.as_u16(), body))
}

async fn reloads(edge: &Edge, result: &str) -> anyhow::Result<f64> {
    let labels = [("result", result)];
    edge.metric("edge_config_reloads_total", &labels).await
}

async fn generation(edge: &Edge) -> anyhow::Result<u64> {
    let status: Value = serde_json::from_str(&edge.admin("/v1/status").await?.text())?;
    let number = |pointer| status.pointer(pointer).and_then(Value::as_u64);
    anyhow::ensure!(number("/config/loaded_unix_ms") > Some(1_700_000_000_000));
    Ok(number("/config/generation").unwrap_or_default())
}

/// Parents change under load; what was being fetched ends as it began, and what is cached stays.
#[tokio::test]
async fn parents_change_under_load_and_no_request_notices() -> anyhow::Result<()> {
    let (first, second) = (Parent::start().await?, Parent::start().await?);
    let (gate, body) = (Gate::new(), pattern(300_000));
    for parent in [&first, &second] {
        parent.otherwise(Reply::ok(body.clone()));
    }
    first.on(SEGMENT, Reply::ok("of the first"));
    first.on(HELD, Reply::ok(body.clone()).held(&gate));
    let edge = Edge::start_with("leaf", &[first.url()], &with_token()).await?;
    let client = edge.client(Protocol::H2).await?;
    assert_eq!(client.fetch(SEGMENT, &[]).await?.text(), "of the first");
    let held = {
        let client = edge.client(Protocol::H3).await?;
        tokio::spawn(async move { client.fetch(HELD, &[]).await })
    };
    first.asked(HELD, 1).await?;

    let mut load = Steady::start(&edge);
    load.answers(50).await?;
    edit(&edge, &first.url(), &second.url())?;
    edge.process()?.signal(Signal::Hangup)?;
    wait::until("it is in force", WITHIN, async || {
        Ok((reloads(&edge, "applied").await? == 1.0).then_some(()))
    })
    .await?;
    let before = second.requests_total();
    load.answers(50).await?;
    let (_, again) = load.end().await?;
    assert_eq!(again, 0, "connections were closed");
    assert!(
        second.requests_total() > before,
        "the second parent is not asked"
    );
    assert_eq!(generation(&edge).await?, 2);

    gate.open();
    let held = held.await??;
    assert_eq!(held.status, 200);
    assert_eq!(held.body, body, "what was being fetched did not end whole");
    assert_eq!(client.fetch(SEGMENT, &[]).await?.text(), "of the first");
    let log = edge.log();
    assert!(log.contains("parents.urls"), "{log}");
    assert!(log.contains(&second.url()), "{log}");
    let status: Value = serde_json::from_str(&edge.admin("/v1/status").await?.text())?;
    assert_eq!(status["parents"].as_array().map(Vec::len), Some(1));
    Ok(())
}

/// What is wrong, or needs another process, changes nothing: not even its other keys.
#[tokio::test]
async fn a_file_that_cannot_be_taken_whole_changes_nothing() -> anyhow::Result<()> {
    // Each file has this too: if it took effect, the requests of the load would be refused.
    const LIMIT: &str = "\n[limits]\nexempt = []\n[limits.ip]\nrequests_per_second = 1\n\
                         requests_burst = 1\n";
    let parent = Parent::start().await?;
    parent.otherwise(Reply::ok("x"));
    let edge = Edge::start_with("leaf", &[parent.url()], &with_token()).await?;
    let file = edge.directory().join("config.toml");
    let original = std::fs::read_to_string(&file)?;
    let with = |more: &str| format!("{original}{LIMIT}{more}");

    let mut load = Steady::start(&edge);
    load.answers(20).await?;
    let no_authorities = with("").replace("[parents]\n", "[parents]\nca_file = \"/no/such\"\n");
    for (text, result, count, expect) in [
        (
            with("[threads]\ntcp = 7\nquic = 7\n"),
            "needs_upgrade",
            1.0,
            "threads.quic, threads.tcp: needs an upgrade in place or a restart",
        ),
        (with("[thread]\n"), "invalid", 1.0, "unknown field `thread`"),
        (no_authorities, "invalid", 2.0, "parents.ca_file: /no/such"),
        (
            with("[access_log]\noutput = \"/no/such/log\"\n"),
            "unusable",
            1.0,
            "access_log.output: ",
        ),
    ] {
        std::fs::write(&file, text)?;
        let (status, problem) = reload(&edge).await?;
        assert_eq!(status, 422, "{expect}: {problem}");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(expect), "{expect}: {detail}");
        assert!(
            result != "invalid" || detail.contains("config.toml:"),
            "{detail}"
        );
        assert_eq!(reloads(&edge, result).await?, count);
        if result == "needs_upgrade" {
            assert_eq!(problem["keys"], json!(["threads.quic", "threads.tcp"]));
        }
        assert!(edge.log().contains(expect), "{expect} is not in the log");
        load.answers(20).await?;
    }
    let (_, again) = load.end().await?;
    assert_eq!(again, 0, "connections were closed");
    assert_eq!(generation(&edge).await?, 1);

    std::fs::write(&file, &original)?;
    let (status, answer) = reload(&edge).await?;
    assert_eq!((status, &answer["changes"]), (200, &json!([])));
    // The limit alone is taken, and holds for whoever is connected.
    let client = edge.client(Protocol::H2).await?;
    assert_eq!(client.fetch(SEGMENT, &[]).await?.status, 200);
    std::fs::write(&file, with(""))?;
    let (status, answer) = reload(&edge).await?;
    assert_eq!(status, 200, "{answer}");
    let mut refused = 0;
    for _ in 0..4 {
        refused += usize::from(client.fetch(SEGMENT, &[]).await?.status == 429);
    }
    assert!(refused >= 2, "the limit is not in force: {refused}");
    assert_eq!(generation(&edge).await?, 2);
    Ok(())
}

/// A token key that is added is good at once, and its value is in no log and no answer.
#[tokio::test]
async fn secrets_change_and_are_never_shown() -> anyhow::Result<()> {
    const OLD: &str = "old-old-old-old-old-old-old-old-old-old";
    const NEW: &str = "new-new-new-new-new-new-new-new-new-new";
    let parent = Parent::start().await?;
    let settings = with_token().set("playback", "token_keys", vec![toml::Value::from(OLD)]);
    let edge = Edge::start_with("leaf", &[parent.url()], &settings).await?;
    edit(&edge, OLD, NEW)?;
    let (status, answer) = reload(&edge).await?;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["changes"][0]["key"], "playback.token_keys");
    edit(&edge, TOKEN, "another-token-of-the-admin")?;
    let (status, _) = reload(&edge).await?;
    assert_eq!(status, 200);
    // The one that was presented is not good any more.
    let (status, _) = reload(&edge).await?;
    assert_eq!(status, 401);
    let told = format!("{}{answer}", edge.log());
    assert!(told.contains("admin.token"), "{told}");
    for secret in [OLD, NEW, TOKEN, "another-token"] {
        assert!(!told.contains(secret), "{secret} is in {told}");
    }
    Ok(())
}
