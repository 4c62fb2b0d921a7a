//! Certificates by name, renewed under load, tickets that any node takes, and tiers that show who they
//! are.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use http::Method;
use loadtest::client::{Client, Protocol, Trust};
use tests::browser;
use tests::edge::Edge;
use tests::node::{self, Settings};
use tests::parent::{Gate, Parent, Reply, pattern};
use tests::tls::{Authority, Leaf, Visitor};
use tests::wait;
use tokio::task::JoinSet;
use toml::{Table, Value};

const PART: &str = "/live/demo/720p/100.3.m4s";
const TOKEN: &str = "0123456789abcdef";
const WITHIN: Duration = Duration::from_secs(10);
const KEY_A: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const KEY_B: &str = "HxAREhMUFRYXGBkaGxwdHh8AAQIDBAUGBwgJCgsMDQ4=";

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// `[[tls.certificates]]` of these.
fn certificates(directory: &Path, leaves: &[(&str, &Leaf)]) -> anyhow::Result<Value> {
    let tables = leaves.iter().map(|(name, leaf)| {
        let (certificate, key) = leaf.write(directory, name)?;
        let mut table = Table::new();
        table.insert("certificate_file".to_owned(), text(&certificate).into());
        table.insert("key_file".to_owned(), text(&key).into());
        Ok(Value::Table(table))
    });
    Ok(Value::Array(tables.collect::<anyhow::Result<_>>()?))
}

fn with_pair(
    settings: Settings,
    (certificate, key): &(impl AsRef<Path>, impl AsRef<Path>),
) -> Settings {
    settings
        .set("tls", "certificate_file", text(certificate.as_ref()))
        .set("tls", "key_file", text(key.as_ref()))
        .set("admin", "token", TOKEN)
}

/// Looks at the files now; the status and the answer.
async fn reload(edge: &Edge) -> anyhow::Result<(u16, String)> {
    let client = Client::connect(&edge.admin_url(), Protocol::H1, &Trust::Insecure).await?;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let answer = client
        .request(Method::POST, "/v1/tls/reload", &headers)
        .await?;
    let answer = answer.collect().await;
    Ok((answer.status.as_u16(), answer.text()))
}

#[tokio::test]
async fn each_name_has_its_certificate_over_every_protocol() -> anyhow::Result<()> {
    let directory = node::directory("certificates")?;
    let authority = Authority::new()?;
    let first = authority.issue(&["first.example", "127.0.0.1"])?;
    let club = authority.issue(&["club.example", "*.club.example"])?;
    let own = authority.issue(&["own.club.example"])?;
    let leaves = [("first", &first), ("club", &club), ("own", &own)];
    let settings = |strict: bool| -> anyhow::Result<Settings> {
        let certificates = certificates(&directory, &leaves)?;
        let settings = Settings::default().set("tls", "certificates", certificates);
        Ok(settings.set("tls", "strict_sni", strict))
    };
    let open = Edge::start_with("open", &[], &with_parent(settings(false)?)).await?;
    let strict = Edge::start_with("strict", &[], &with_parent(settings(true)?)).await?;
    for (name, expect) in [
        ("first.example", Some(&first)),
        ("FIRST.example", Some(&first)),
        ("club.example", Some(&club)),
        ("a.club.example", Some(&club)),
        ("own.club.example", Some(&own)),
        ("a.b.club.example", None),
        ("example", None),
        ("127.0.0.1", None),
    ] {
        let visitor = Visitor::new(&authority)?;
        let shown = expect.unwrap_or(&first).der()?;
        let port = open.https_port();
        assert_eq!(
            visitor.over_tcp(port, name).await?.leaf,
            shown,
            "{name} over TCP"
        );
        assert_eq!(
            visitor.over_quic(port, name).await?.leaf,
            shown,
            "{name} over QUIC"
        );

        // No session to resume: it would be no proof.
        let visitor = Visitor::new(&authority)?;
        let port = strict.https_port();
        let tcp = visitor.over_tcp(port, name).await;
        let quic = visitor.over_quic(port, name).await;
        if expect.is_some() {
            assert_eq!(tcp?.leaf, shown, "{name} over TCP, strict");
            assert_eq!(quic?.leaf, shown, "{name} over QUIC, strict");
        } else {
            let said = tcp.unwrap_err().to_string();
            assert!(said.contains("UnrecognisedName"), "{name} over TCP: {said}");
            let said = quic.unwrap_err().to_string();
            // QUIC calls alerts 0x100 and their number (RFC 9001 section 4.8): this is 112.
            assert!(
                said.contains("code 0x170") || said.contains("error 112"),
                "{name}: {said}"
            );
        }
    }
    let refused = [("reason", "unknown_name")];
    assert_eq!(
        strict
            .metric("edge_tls_handshakes_failed_total", &refused)
            .await?,
        3.0
    );
    Ok(())
}

#[tokio::test]
async fn chromium_agrees_on_keys_with_ml_kem() -> anyhow::Result<()> {
    let edge = Edge::start_with("keys", &[], &with_parent(Settings::default())).await?;
    let url = format!("{}/watch/demo", edge.https_url());
    let spki = edge.spki()?;
    for (protocol, transport, port) in
        [("h2", "tcp", None), ("h3", "quic", Some(edge.https_port()))]
    {
        let seen = browser::keys(&url, &spki, port).await?;
        let expect = browser::Keys {
            protocol: protocol.to_owned(),
            group: "X25519MLKEM768".to_owned(),
        };
        assert_eq!(seen, expect);
        let of = [
            ("transport", transport),
            ("group", "x25519mlkem768"),
            ("resumed", "no"),
        ];
        let count = edge.metric("edge_tls_handshakes_total", &of).await?;
        assert!(count >= 1.0, "{count} {transport}");
    }
    Ok(())
}

/// A parent that nobody asks.
fn with_parent(settings: Settings) -> Settings {
    let nobody: Vec<Value> = vec!["http://127.0.0.1:9".into()];
    settings.set("parents", "urls", nobody)
}

/// As Kubernetes does it: `tls.pem -> ..data/tls.pem`, `..data -> N`, and one rename for both files.
fn mount(directory: &Path, version: &str, leaf: &Leaf) -> anyhow::Result<()> {
    let data = directory.join(version);
    std::fs::create_dir(&data)?;
    leaf.write(&data, "tls")?;
    symlink(version, directory.join("..new"))?;
    std::fs::rename(directory.join("..new"), directory.join("..data"))?;
    Ok(())
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story: the connections have to last through all of it"
)]
async fn a_renewed_certificate_is_shown_and_nobody_is_dropped() -> anyhow::Result<()> {
    let directory = node::directory("certificates")?;
    let authority = Authority::new()?;
    let ca = authority.write(&directory, "ca.pem")?;
    let old = authority.issue(&["localhost"])?;
    mount(&directory, "1", &old)?;
    let pair = (directory.join("tls.pem"), directory.join("tls.key"));
    for path in [&pair.0, &pair.1] {
        let name = path.file_name().context("no name")?;
        symlink(Path::new("..data").join(name), path)?;
    }
    let parent = Parent::start().await?;
    let gate = Gate::new();
    let body = pattern(200_000);
    parent.on(PART, Reply::ok(body.clone()).held(&gate));
    let settings = with_pair(Settings::default().set("tls", "reload_seconds", 1), &pair);
    let edge = Edge::start_with("edge", &[parent.url()], &settings).await?;
    let port = edge.https_port();

    let mut clients = Vec::new();
    let mut holds = JoinSet::new();
    for protocol in Protocol::ALL {
        let trust = Trust::Ca(ca.clone());
        let client = Client::connect(&edge.https_url(), protocol, &trust).await?;
        clients.push(client.clone());
        holds.spawn(async move { (protocol, client.fetch(PART, &[]).await) });
    }
    wait::until("all are held", WITHIN, async || {
        let now = edge.metric("edge_requests_in_progress", &[]).await?;
        Ok((now == 3.0).then_some(()))
    })
    .await?;

    // By itself, over both.
    let new = authority.issue_for(&["localhost"], Duration::from_secs(5 * 24 * 3600))?;
    mount(&directory, "2", &new)?;
    let (old, new) = (old.der()?, new.der()?);
    assert_ne!(old, new);
    wait::until("the new one is shown over TCP", WITHIN, async || {
        let seen = Visitor::new(&authority)?
            .over_tcp(port, "localhost")
            .await?;
        Ok((seen.leaf == new).then_some(()))
    })
    .await?;
    let seen = Visitor::new(&authority)?
        .over_quic(port, "localhost")
        .await?;
    assert_eq!(seen.leaf, new, "over QUIC");
    let reloaded = [("what", "certificate"), ("outcome", "reloaded")];
    assert_eq!(edge.metric("edge_tls_reloads_total", &reloaded).await?, 1.0);
    wait::until("readiness warns", WITHIN, async || {
        let readiness = edge.admin("/readyz").await?;
        anyhow::ensure!(readiness.status == 200, "not ready");
        Ok(readiness.text().contains("expires in 4 days").then_some(()))
    })
    .await?;

    // One that is of no use: the key is another's.
    let broken = Leaf {
        key: authority.issue(&["localhost"])?.key,
        ..authority.issue(&["localhost"])?
    };
    mount(&directory, "3", &broken)?;
    let (status, said) = reload(&edge).await?;
    assert_eq!(status, 422, "{said}");
    assert!(
        said.contains("refused") && said.contains("tls.key"),
        "{said}"
    );
    for seen in [
        Visitor::new(&authority)?
            .over_tcp(port, "localhost")
            .await?,
        Visitor::new(&authority)?
            .over_quic(port, "localhost")
            .await?,
    ] {
        assert_eq!(seen.leaf, new, "what there was stays");
    }
    let refused = [("what", "certificate"), ("outcome", "refused")];
    assert!(edge.metric("edge_tls_reloads_total", &refused).await? >= 1.0);
    assert!(edge.log().contains("not reloaded"), "{}", edge.log());

    // At once, by request.
    let last = authority.issue(&["localhost"])?;
    mount(&directory, "4", &last)?;
    let (status, said) = reload(&edge).await?;
    assert_eq!(status, 200, "{said}");
    let seen = Visitor::new(&authority)?
        .over_quic(port, "localhost")
        .await?;
    assert_eq!(seen.leaf, last.der()?);
    let not_after = edge
        .metric("edge_tls_certificate_not_after_seconds", &[])
        .await?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let days = (not_after - now.as_secs_f64()) / 86_400.0;
    assert!((89.0..=90.0).contains(&days), "{days}");

    // Through all of it the connections were held, and still are good.
    gate.open();
    while let Some(hold) = holds.join_next().await {
        let (protocol, fetched) = hold?;
        let fetched = fetched?;
        assert_eq!(fetched.status, 200, "{protocol}");
        assert_eq!(fetched.broken, None, "{protocol}");
        assert_eq!(fetched.body, body, "{protocol}");
    }
    let before = edge.metric("edge_connections_total", &[]).await?;
    for client in &clients {
        let fetched = client.fetch(PART, &[]).await?;
        assert_eq!(fetched.status, 200, "{} goes on", client.protocol());
    }
    let after = edge.metric("edge_connections_total", &[]).await?;
    assert_eq!(before, after, "on the connections of before");
    Ok(())
}

#[tokio::test]
async fn a_session_resumes_on_another_node_and_after_a_restart() -> anyhow::Result<()> {
    let directory = node::directory("certificates")?;
    let authority = Authority::new()?;
    let pair = authority.issue(&["localhost"])?.write(&directory, "tls")?;
    let keys = |name: &str, keys: &[&str]| -> anyhow::Result<Settings> {
        let path = directory.join(name);
        std::fs::write(&path, keys.join("\n"))?;
        let settings = with_parent(with_pair(Settings::default(), &pair));
        Ok(settings.set("tls", "ticket_keys_file", text(&path)))
    };
    let mut one = Edge::start_with("one", &[], &keys("one.keys", &[KEY_A])?).await?;
    // The key of the other's tickets is among this one's, though it makes its own with another.
    let two = Edge::start_with("two", &[], &keys("two.keys", &[KEY_B, KEY_A])?).await?;
    let visitor = Visitor::new(&authority)?;
    let name = "localhost";
    assert!(!visitor.over_tcp(one.https_port(), name).await?.resumed);
    assert!(visitor.over_tcp(two.https_port(), name).await?.resumed);
    // Another visitor: tickets of TCP and of QUIC are kept by the same name.
    let quic = Visitor::new(&authority)?;
    assert!(!quic.over_quic(one.https_port(), name).await?.resumed);
    assert!(quic.over_quic(two.https_port(), name).await?.resumed);

    // Tickets of the second node are by its first key, which the first node does not have yet.
    assert!(!visitor.over_tcp(one.https_port(), name).await?.resumed);
    one.kill()?;
    one.start_again().await?;
    assert!(
        visitor.over_tcp(one.https_port(), name).await?.resumed,
        "after a restart"
    );

    // The key is rotated out where the ticket is shown.
    std::fs::write(directory.join("two.keys"), KEY_B)?;
    let (status, said) = reload(&two).await?;
    assert_eq!(status, 200, "{said}");
    assert!(!visitor.over_tcp(two.https_port(), name).await?.resumed);
    assert!(!quic_of(&authority, &one, &two).await?);
    // What cannot be read leaves what there was.
    std::fs::write(directory.join("two.keys"), "no key")?;
    assert_eq!(reload(&two).await?.0, 422);
    assert!(visitor.over_tcp(two.https_port(), name).await?.resumed);
    assert!(!two.log().contains(KEY_A) && !two.log().contains(KEY_B));
    Ok(())
}

/// Whether a new visitor's session of `from` resumes on `to`.
async fn quic_of(authority: &Authority, from: &Edge, to: &Edge) -> anyhow::Result<bool> {
    let visitor = Visitor::new(authority)?;
    visitor.over_quic(from.https_port(), "localhost").await?;
    Ok(visitor
        .over_quic(to.https_port(), "localhost")
        .await?
        .resumed)
}

async fn logged(edge: &Edge, text: &str) -> anyhow::Result<()> {
    wait::until(text, WITHIN, async || {
        Ok(edge.log().contains(text).then_some(()))
    })
    .await
}

#[tokio::test]
async fn tiers_show_who_they_are() -> anyhow::Result<()> {
    let directory = node::directory("certificates")?;
    let (authority, tiers, foreign) = (Authority::new()?, Authority::new()?, Authority::new()?);
    let ca = authority.write(&directory, "ca.pem")?;
    let client_ca = tiers.write(&directory, "tiers.pem")?;
    let pair = authority
        .issue(&["localhost"])?
        .write(&directory, "shield")?;
    let parent = Parent::start().await?;
    parent.on(
        PART,
        Reply::ok(pattern(1000)).header("Cache-Control", "max-age=600"),
    );
    let tiers_port = node::free_port()?;
    let settings = with_pair(Settings::default(), &pair)
        .set("listen", "tiers", format!("[::]:{tiers_port}"))
        .set("tls", "client_ca_file", text(&client_ca));
    let shield = Edge::start_with("shield", &[parent.url()], &settings).await?;
    let urls = [format!("https://localhost:{tiers_port}")];
    let child = |leaf: &Leaf, name: &str| -> anyhow::Result<Settings> {
        let (certificate, key) = leaf.write(&directory, name)?;
        Ok(Settings::default()
            .set("admin", "token", TOKEN)
            .set("parents", "ca_file", text(&ca))
            .set("parents", "client_certificate_file", text(&certificate))
            .set("parents", "client_key_file", text(&key)))
    };

    let leaf = Edge::start_with("leaf", &urls, &child(&tiers.issue(&["leaf"])?, "leaf")?).await?;
    let fetched = leaf.client(Protocol::H2).await?.fetch(PART, &[]).await?;
    assert_eq!(fetched.status, 200);
    assert_eq!(parent.requests(PART), 1);

    // Without one.
    let settings = Settings::default().set("parents", "ca_file", text(&ca));
    let bare = Edge::start_with("bare", &urls, &settings).await?;
    let fetched = bare.client(Protocol::H2).await?.fetch(PART, &[]).await?;
    assert_eq!(fetched.status, 502);
    logged(&bare, "received fatal alert: CertificateRequired").await?;
    let log = shield.log();
    assert!(log.contains("a tier's TLS handshake failed"), "{log}");
    assert!(log.contains("peer sent no certificates"), "{log}");
    let refused = [("reason", "client_certificate")];
    assert!(
        shield
            .metric("edge_tls_handshakes_failed_total", &refused)
            .await?
            >= 1.0
    );

    // With one of somebody else's, and then, without a restart, with a good one.
    let wrong = child(&foreign.issue(&["leaf"])?, "changing")?;
    let changing = Edge::start_with("changing", &urls, &wrong).await?;
    let client = changing.client(Protocol::H2).await?;
    assert_eq!(client.fetch(PART, &[]).await?.status, 502);
    logged(&changing, "received fatal alert: UnknownCA").await?;
    tiers.issue(&["leaf"])?.write(&directory, "changing")?;
    assert_eq!(reload(&changing).await?.0, 200);
    wait::until("the parent takes the new certificate", WITHIN, async || {
        let fetched = client.fetch(PART, &[]).await?;
        Ok((fetched.status == 200).then_some(()))
    })
    .await?;

    // And the other way round: the parent trusts another authority from now on.
    foreign.write(&directory, "tiers.pem")?;
    assert_eq!(reload(&shield).await?.0, 200);
    let stranger = tiers.issue(&["stranger"])?;
    let visitor = Visitor::showing(&authority, Some(&stranger))?;
    assert!(visitor.over_tcp(tiers_port, "localhost").await.is_err());
    let known = foreign.issue(&["known"])?;
    let visitor = Visitor::showing(&authority, Some(&known))?;
    assert!(!visitor.over_tcp(tiers_port, "localhost").await?.resumed);
    // Nothing resumes in place of a certificate: neither a session from here nor a viewer's.
    assert!(!visitor.over_tcp(tiers_port, "localhost").await?.resumed);
    let viewer = Visitor::new(&authority)?;
    viewer.over_tcp(shield.https_port(), "localhost").await?;
    assert!(viewer.over_tcp(tiers_port, "localhost").await.is_err());
    Ok(())
}
