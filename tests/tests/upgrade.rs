//! SIGUSR2: a new process takes over, under load, and nobody notices but the operator.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use loadtest::client::Protocol;
use loadtest::process::{Signal, send};
use playback_token::{Key, Keyring, Scope};
use serde_json::Value;
use tests::edge::Edge;
use tests::filters::{Filter, Fleet};
use tests::node::Settings;
use tests::parent::{Gate, Parent, Reply, Step, pattern};
use tests::steady::Steady;
use tests::wait;
use tokio::task::JoinSet;

const WITHIN: Duration = Duration::from_secs(40);
/// Longer than all that the test does while downloads are held.
const GRACE_SECONDS: i64 = 300;

const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";
const NEXT_SECRET: &str = "another-secret-of-thirty-two-bytes-at-least";
const SEGMENT: &str = "/live/demo/720p/100.m4s";

/// The process that serves now: not a child of the test after an upgrade.
struct Serving(u32);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = send(self.0, Signal::Kill);
    }
}

async fn status(edge: &Edge) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(
        &edge.admin("/v1/status").await?.text(),
    )?)
}

/// Upgrades the process `pid`, and returns the one that serves then.
async fn upgrade(edge: &Edge, pid: u32) -> anyhow::Result<Serving> {
    send(pid, Signal::Upgrade)?;
    wait::until("another process serves", WITHIN, async || {
        let now = status(edge).await?;
        let now = now.get("pid").and_then(Value::as_u64).unwrap_or_default();
        let now = u32::try_from(now)?;
        Ok((now != pid).then(|| Serving(now)))
    })
    .await
}

fn settings() -> Settings {
    // What is held is held by the test.
    Settings::default()
        .set("drain", "grace_seconds", GRACE_SECONDS)
        .set("parents", "body_timeout_ms", GRACE_SECONDS * 1000)
}

/// Two upgrades in a row, with downloads of the first process that end after both.
#[tokio::test]
async fn nobody_notices_upgrades_under_load() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    parent.otherwise(Reply::ok(pattern(20_000)));
    let (gate, body) = (Gate::new(), pattern(3_000_000));
    let long = |number: usize| format!("/live/demo/720p/{number}.m4s");
    let halves = vec![
        Step::Send(body.slice(..1_000_000)),
        Step::Wait(gate.clone()),
        Step::Send(body.slice(1_000_000..)),
    ];
    let mut edge = Edge::start_with("leaf", &[parent.url()], &settings()).await?;
    let first = edge.process()?.pid();
    let mut downloads = JoinSet::new();
    for (number, protocol) in Protocol::ALL.into_iter().enumerate() {
        parent.on(&long(number), Reply::ok(body.clone()).steps(halves.clone()));
        let (client, path) = (edge.client(protocol).await?, long(number));
        downloads.spawn(async move { (protocol, client.fetch(&path, &[]).await) });
        parent.asked(&long(number), 1).await?;
    }
    let mut load = Steady::start(&edge);
    load.answers(100).await?;

    let second = upgrade(&edge, first).await?;
    load.answers(200).await?;
    assert_eq!(edge.admin("/readyz").await?.status, 200);
    assert_eq!(status(&edge).await?["process_generation"], 1);
    let third = upgrade(&edge, second.0).await?;
    load.answers(200).await?;
    assert_eq!(status(&edge).await?["process_generation"], 2);
    assert_eq!(edge.admin("/readyz").await?.status, 200);
    // All three protocols are served by the new process.
    for protocol in Protocol::ALL {
        let labels = [("protocol", protocol.as_str())];
        assert!(
            edge.metric("edge_requests_total", &labels).await? > 0.0,
            "{protocol}"
        );
    }
    assert!(
        edge.process_mut()?.is_running(),
        "the first process left its downloads"
    );
    assert_eq!(downloads.len(), Protocol::ALL.len());

    gate.open();
    while let Some(download) = downloads.join_next().await {
        let (protocol, fetched) = download?;
        let fetched = fetched?;
        assert_eq!(fetched.status, 200, "{protocol}");
        assert!(fetched.is_whole(), "{protocol}: {:?}", fetched.broken);
        assert_eq!(fetched.body, body, "{protocol}");
    }
    load.answers(50).await?;
    let (asked, again) = load.end().await?;
    println!("{asked} requests, {again} asked again");
    // Each of the three that keep their connections, at most once per upgrade.
    assert!(again <= 6, "{again} of {asked}");
    let forwarded = edge.metric("edge_quic_forwarded_total", &[]).await?;
    assert!(
        forwarded > 0.0,
        "the download over HTTP/3 was not the first process's"
    );
    let ended = edge.exited(WITHIN).await?;
    assert!(ended.success(), "{ended}");
    drop((second, third));
    Ok(())
}

/// A new process that cannot serve leaves everything as it was, and the next one can.
#[tokio::test]
async fn a_failed_upgrade_changes_nothing() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    parent.otherwise(Reply::ok(pattern(20_000)));
    let edge = Edge::start_with("leaf", &[parent.url()], &settings()).await?;
    let pid = edge.process()?.pid();
    let file = edge.directory().join("config.toml");
    let original = std::fs::read_to_string(&file)?;
    let mut load = Steady::start(&edge);
    load.answers(50).await?;
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let elsewhere = format!("https = \"{}\"", taken.local_addr()?);
    let listened = format!("https = \"[::]:{}\"", edge.https_port());
    anyhow::ensure!(original.contains(&listened), "{original}");
    let broken = [
        (format!("{original}\n[no_such_table]\n"), "exit status: 64"),
        (original.replace(&listened, &elsewhere), "exit status: 1"),
    ];
    for (count, (text, expect)) in broken.into_iter().enumerate() {
        std::fs::write(&file, text)?;
        send(pid, Signal::Upgrade)?;
        wait::until("the upgrade has failed", WITHIN, async || {
            let failed = edge.metric("edge_upgrades_total", &[("result", "failed")]);
            Ok((failed.await? == (count + 1) as f64).then_some(()))
        })
        .await?;
        assert!(edge.log().contains(expect), "{}", edge.log());
        load.answers(100).await?;
        let status = status(&edge).await?;
        assert_eq!(
            (status["pid"].as_u64(), &status["ready"]),
            (Some(u64::from(pid)), &true.into())
        );
    }
    std::fs::write(&file, original)?;
    let _next = upgrade(&edge, pid).await?;
    load.answers(100).await?;
    let (asked, again) = load.end().await?;
    assert!(again <= 3, "{again} of {asked}");
    Ok(())
}

/// A key that a reload refuses is taken by an upgrade, a new listener among them.
#[tokio::test]
async fn an_upgrade_takes_what_a_reload_cannot() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    parent.otherwise(Reply::ok("x"));
    let edge = Edge::start_with("leaf", &[parent.url()], &settings()).await?;
    let file = edge.directory().join("config.toml");
    let original = std::fs::read_to_string(&file)?;
    let port = tests::node::free_port()?;
    let plain = edge.http_url().replace("http://", "");
    let moved = original.replace(&plain, &format!("127.0.0.1:{port}"));
    std::fs::write(
        &file,
        format!("{moved}\n[cache]\nmemory_bytes = 100000000\n"),
    )?;
    let pid = edge.process()?.pid();
    send(pid, Signal::Hangup)?;
    wait::until("the reload is refused", WITHIN, async || {
        let labels = [("result", "needs_upgrade")];
        let refused = edge.metric("edge_config_reloads_total", &labels).await?;
        Ok((refused == 1.0).then_some(()))
    })
    .await?;
    assert!(
        edge.log().contains("cache.memory_bytes, listen.http"),
        "{}",
        edge.log()
    );
    let _next = upgrade(&edge, pid).await?;
    // Both processes take requests for a moment.
    wait::until("the new process alone answers", WITHIN, async || {
        let status = status(&edge).await?;
        let bytes = status.pointer("/cache/bytes_max").and_then(Value::as_u64);
        Ok((bytes == Some(100_000_000)).then_some(()))
    })
    .await?;
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    wait::until("the old listener is gone", WITHIN, async || {
        Ok(std::net::TcpStream::connect(&plain).is_err().then_some(()))
    })
    .await
}

fn token(secret: &str, seconds: u64) -> anyhow::Result<String> {
    let keys = Keyring::new([Key::new(None, secret.as_bytes())?])?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(keys.sign(&Scope::All, now + seconds)?)
}

/// Over a new connection of each protocol.
async fn statuses(edge: &Edge, token: &str) -> anyhow::Result<Vec<u16>> {
    let mut statuses = Vec::new();
    for client in edge.clients_of_all(1).await? {
        let fetched = client
            .fetch(&format!("{SEGMENT}?token={token}"), &[])
            .await?;
        statuses.push(fetched.status.as_u16());
    }
    Ok(statuses)
}

/// By the filter: 503 would be that there is none.
fn are_refused(statuses: &[u16]) -> bool {
    statuses.iter().all(|status| [401, 403].contains(status))
}

/// The new process lets nobody in, and turns nobody away, before it has its filters; and filters know
/// the token keys of a reload.
#[tokio::test]
async fn filters_are_asked_through_an_upgrade_and_know_the_keys_of_a_reload() -> anyhow::Result<()>
{
    let keys = toml::Value::Array(vec![SECRET.into()]);
    let by_filters =
        Settings::default()
            .set("playback", "auth", "filters")
            .set("playback", "token_keys", keys);
    let fleet = Fleet::start(1, &by_filters).await?;
    fleet.parent.on(SEGMENT, Reply::ok(pattern(1_000)));
    let auth = Filter::shipped("auth")?;
    fleet.operator.deploy(&auth, fleet.nodes()).await?;
    let edge = fleet.edges.first().context("an edge")?;
    let pid = edge.process()?.pid();
    assert_eq!(statuses(edge, &token(SECRET, 600)?).await?, [200; 3]);

    send(pid, Signal::Upgrade)?;
    let mut serving = None;
    for seconds in 601.. {
        assert_eq!(statuses(edge, &token(SECRET, seconds)?).await?, [200; 3]);
        assert!(are_refused(&statuses(edge, "nonsense").await?));
        let now = status(edge).await?;
        let now = now.get("pid").and_then(Value::as_u64);
        let now = u32::try_from(now.unwrap_or_default())?;
        if now != pid {
            serving.get_or_insert_with(|| Serving(now));
        }
        if serving.is_some() && seconds > 620 {
            break;
        }
        assert!(seconds < 1_200, "no other process serves:\n{}", edge.log());
    }

    let file = edge.directory().join("config.toml");
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text.replace(SECRET, NEXT_SECRET))?;
    let serving = serving.context("another process")?;
    send(serving.0, Signal::Hangup)?;
    wait::until("the next key is good", WITHIN, async || {
        let good = statuses(edge, &token(NEXT_SECRET, 600)?).await? == [200; 3];
        Ok(good.then_some(()))
    })
    .await?;
    let before = statuses(edge, &token(SECRET, 2_000)?).await?;
    assert!(
        are_refused(&before),
        "the key before is good still: {before:?}"
    );
    Ok(())
}
