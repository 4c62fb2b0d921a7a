//! Sites: one request per resource however many wait, nobody gets what is another's, purging, and
//! Weir's own names beside them.

use std::time::Instant;

use http::Method;
use loadtest::client::{Client, Fetched, Protocol, Trust};
use tests::edge::Edge;
use tests::herds::{self, Herd};
use tests::node::Settings;
use tests::parent::{Gate, Parent, Reply, pattern};
use toml::{Table, Value};

const PATH: &str = "/a/b.html?c=d";
const HERD: usize = 60;
const TOKEN: &str = "0123456789abcdef";

/// An edge with `site` for the host `localhost`, and `own` for all others.
async fn edge(site: &Parent, own: &Parent) -> anyhow::Result<Edge> {
    let mut table = Table::new();
    table.insert("hosts".to_owned(), vec![Value::from("LOCALHOST")].into());
    table.insert("urls".to_owned(), vec![Value::from(site.url())].into());
    let settings = Settings::default()
        .set("admin", "token", TOKEN)
        .set_root("sites", vec![Value::Table(table)]);
    Edge::start_with("edge", &[own.url()], &settings).await
}

async fn both() -> anyhow::Result<(Parent, Edge, Client)> {
    let site = Parent::start().await?;
    let edge = edge(&site, &site).await?;
    let client = edge.client(Protocol::H2).await?;
    Ok((site, edge, client))
}

fn page(control: &str) -> Reply {
    Reply::ok(pattern(3000)).header("Cache-Control", control)
}

async fn purge(edge: &Edge, what: &str) -> anyhow::Result<Fetched> {
    let client = Client::connect(&edge.admin_url(), Protocol::H1, &Trust::Insecure).await?;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Authorization", bearer.as_str())];
    let body = what.to_owned().into();
    let answer = client
        .request_with(Method::POST, "/v1/purge", &headers, body)
        .await?;
    Ok(answer.collect().await)
}

#[tokio::test]
async fn a_resource_is_asked_for_once_whatever_becomes_of_it() -> anyhow::Result<()> {
    let (site, edge, _) = both().await?;
    for (number, reply) in [
        page("max-age=60"),
        page("max-age=60").without_length(),
        page("x"),
        Reply::status(404).header("Cache-Control", "x"),
        Reply::status(503).header("Cache-Control", "x"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{number}");
        let gate = Gate::new();
        site.on(&path, reply.held(&gate));
        let clients = herds::clients(&edge, HERD).await?;
        let herd = Herd::start(clients, std::slice::from_ref(&path), HERD);
        herd.arrived(&edge, HERD).await?;
        site.asked(&path, 1).await?;
        gate.open();
        let report = herd.report().await?;
        assert_eq!(report.timed_out, 0, "{report}");
        assert_eq!(site.requests(&path), 1, "{path}: {report}");
    }
    Ok(())
}

#[tokio::test]
async fn a_parent_that_hangs_up_is_not_stampeded() -> anyhow::Result<()> {
    let (site, edge, _) = both().await?;
    site.on(PATH, Reply::hang_up());
    let clients = herds::clients(&edge, HERD).await?;
    let began = Instant::now();
    let report = Herd::start(clients, &[PATH.to_owned()], HERD)
        .report()
        .await?;
    let memos = usize::try_from(began.elapsed().as_millis() / 500)?;
    assert!(
        site.requests(PATH) <= 1 + memos,
        "{}: {report}",
        site.requests(PATH)
    );
    Ok(())
}

#[tokio::test]
async fn nobody_gets_what_is_anothers() -> anyhow::Result<()> {
    let (site, edge, _) = both().await?;
    for (number, control) in ["private", "no-store", "x"].into_iter().enumerate() {
        let path = format!("/{number}");
        let gate = Gate::new();
        site.on(&path, page(control).held(&gate));
        let mut asking = Vec::new();
        for _ in 0..6 {
            let (client, path) = (edge.client(Protocol::H2).await?, path.clone());
            let cookie = format!("who={}", asking.len());
            asking.push(tokio::spawn(async move {
                let answer = client.fetch(&path, &[("cookie", &cookie)]).await;
                answer.map(|answer| (answer.status, answer.is_whole()))
            }));
        }
        edge_has(&edge, 6.0).await?;
        assert_eq!(site.requests(&path), 1);
        gate.open();
        for asked in asking {
            assert_eq!(asked.await??, (http::StatusCode::OK, true));
        }
        assert_eq!(site.requests(&path), 6, "{control}");
        let heads = site.heads().join("\n");
        for who in 0..6 {
            assert!(heads.contains(&format!("who={who}")), "{control}: {who}");
        }
    }
    Ok(())
}

async fn edge_has(edge: &Edge, requests: f64) -> anyhow::Result<()> {
    let within = std::time::Duration::from_secs(10);
    tests::wait::until("all wait", within, async || {
        let there = edge.metric("edge_requests_in_progress", &[]).await?;
        anyhow::ensure!(there >= requests, "{there} are there");
        Ok(Some(()))
    })
    .await
}

#[tokio::test]
async fn purged_by_url_and_by_key_softly_and_not() -> anyhow::Result<()> {
    let (site, edge, client) = both().await?;
    let tagged = page("max-age=60")
        .header("ETag", "\"v1\"")
        .header("Surrogate-Key", "news front");
    site.on(PATH, tagged);
    client.fetch(PATH, &[]).await?;
    let hit = client.fetch(PATH, &[]).await?;
    assert!(
        hit.header("cache-status")
            .is_some_and(|it| it.contains("hit")),
        "{hit:?}"
    );
    assert_eq!(site.requests(PATH), 1);

    let url = format!("{}{PATH}", edge.https_url());
    for (asked, what) in [
        (2, format!(r#"{{"url":"{url}"}}"#)),
        (3, r#"{"surrogate_key":"front"}"#.to_owned()),
    ] {
        let purged = purge(&edge, &what).await?;
        assert_eq!(purged.text(), r#"{"purged":1}"#, "{what}");
        client.fetch(PATH, &[]).await?;
        assert_eq!(site.requests(PATH), asked, "{what}");
        assert!(!site.heads().join("\n").contains("if-none-match"), "{what}");
    }
    assert_eq!(
        purge(&edge, r#"{"surrogate_key":"sport"}"#).await?.text(),
        r#"{"purged":0}"#
    );

    site.on(
        PATH,
        Reply::status(304)
            .header("ETag", "\"v1\"")
            .header("Cache-Control", "max-age=60"),
    );
    let soft = r#"{"surrogate_key":"news","soft":true}"#;
    assert_eq!(purge(&edge, soft).await?.text(), r#"{"purged":1}"#);
    let validated = client.fetch(PATH, &[]).await?;
    assert_eq!(validated.status, 200);
    let told = validated.header("cache-status").unwrap_or_default();
    assert!(told.contains("fwd=stale; fwd-status=304"), "{told}");
    let last = site
        .heads()
        .last()
        .cloned()
        .unwrap_or_default()
        .to_lowercase();
    assert!(last.contains("if-none-match: \"v1\""), "{last}");
    Ok(())
}

#[tokio::test]
async fn stale_is_served_where_that_is_allowed() -> anyhow::Result<()> {
    let (site, _edge, client) = both().await?;
    site.on("/swr", page("max-age=0, stale-while-revalidate=60"));
    client.fetch("/swr", &[]).await?;
    let gate = Gate::new();
    site.on("/swr", page("max-age=60").held(&gate));
    let stale = client.fetch("/swr", &[]).await?;
    let told = stale.header("cache-status").unwrap_or_default();
    assert!(
        told.contains("hit") && told.contains("detail=stale-while-revalidate"),
        "{told}"
    );
    site.asked("/swr", 2).await?;
    gate.open();

    site.on("/sie", page("max-age=0, stale-if-error=60"));
    client.fetch("/sie", &[]).await?;
    site.on("/sie", Reply::status(503));
    let stale = client.fetch("/sie", &[]).await?;
    assert_eq!(stale.status, 200);
    site.on(
        "/must",
        page("max-age=0, must-revalidate").header("ETag", "\"a\""),
    );
    client.fetch("/must", &[]).await?;
    site.on("/must", Reply::hang_up());
    assert_eq!(client.fetch("/must", &[]).await?.status, 502);
    Ok(())
}

#[tokio::test]
async fn parts_heads_and_unsafe_methods() -> anyhow::Result<()> {
    let (site, _edge, client) = both().await?;
    site.on(PATH, page("max-age=60"));
    let whole = client.fetch(PATH, &[]).await?;
    let part = client.fetch(PATH, &[("range", "bytes=10-19")]).await?;
    assert_eq!(part.status, 206);
    assert_eq!(part.body, whole.body.slice(10..20));
    let head = client.request(Method::HEAD, PATH, &[]).await?;
    assert_eq!(head.header("content-length"), Some("3000"));
    assert_eq!(site.requests(PATH), 1);
    let only = [("cache-control", "only-if-cached")];
    assert_eq!(client.fetch(PATH, &only).await?.status, 200);
    assert_eq!(client.fetch("/other", &only).await?.status, 504);
    assert_eq!(site.requests("/other"), 0);

    let posted = client.request(Method::DELETE, PATH, &[]).await?;
    assert_eq!(posted.collect().await.status, 200);
    client.fetch(PATH, &[]).await?;
    assert_eq!(site.requests(PATH), 3);
    let head = site
        .heads()
        .last()
        .cloned()
        .unwrap_or_default()
        .to_lowercase();
    assert!(
        head.contains("via: 2 edge") && head.contains("x-forwarded-proto: https"),
        "{head}"
    );
    let long = format!("/?{}", "x".repeat(5000));
    assert_eq!(client.fetch(&long, &[]).await?.status, 414);
    Ok(())
}

#[tokio::test]
async fn hosts_of_no_site_are_weirs() -> anyhow::Result<()> {
    const PART: &str = "/live/demo/720p/100.3.m4s";
    let (site, own) = (Parent::start().await?, Parent::start().await?);
    let edge = edge(&site, &own).await?;
    for parent in [&site, &own] {
        parent.on(PART, Reply::ok(pattern(100)));
    }
    let of_weir = Client::connect(&edge.http_url(), Protocol::H1, &Trust::Insecure).await?;
    assert_eq!(of_weir.fetch(PART, &[("x-a", "b")]).await?.status, 200);
    assert_eq!((own.requests(PART), site.requests(PART)), (1, 0));
    assert!(!own.heads().join("\n").contains("x-a"));
    let of_site = edge.client(Protocol::H3).await?;
    assert_eq!(of_site.fetch(PART, &[("x-a", "b")]).await?.status, 200);
    assert_eq!((own.requests(PART), site.requests(PART)), (1, 1));
    assert_eq!(of_weir.fetch(PATH, &[]).await?.status, 404);
    Ok(())
}

/// RFC 8470: what a proxy in front calls early may be answered 425, and that is for nobody else.
#[tokio::test]
async fn what_is_early_is_asked_for_one_client_alone() -> anyhow::Result<()> {
    let (site, _edge, client) = both().await?;
    let early = [("early-data", "1")];
    let says_early = || {
        let heads = site.heads();
        let last = heads.last().map(|head| head.to_ascii_lowercase());
        last.is_some_and(|head| head.contains("early-data: 1"))
    };
    let too_early = Reply::status(425).header("Cache-Control", "max-age=60");
    site.on(PATH, too_early);
    assert_eq!(client.fetch(PATH, &early).await?.status, 425);
    assert!(says_early());
    site.on(PATH, page("max-age=60"));
    assert_eq!(client.fetch(PATH, &[]).await?.status, 200);
    assert!(!says_early());
    assert_eq!(site.requests(PATH), 2);
    // What is stored is for everybody.
    assert_eq!(client.fetch(PATH, &early).await?.status, 200);
    assert_eq!(site.requests(PATH), 2);
    Ok(())
}
