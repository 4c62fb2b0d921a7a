//! The page where people watch and talk, in Chromium, at two edges.

use tests::browser;
use tests::node;
use tests::origin::STREAM;
use tests::rooms::Club;

#[tokio::test]
async fn two_browsers_at_two_edges() -> anyhow::Result<()> {
    let club = Club::start(2).await?;
    let (one, two) = (club.edge(0)?, club.edge(1)?);
    let token = club.person("Owner", &["broadcaster"]).await?;
    let watch = [one, two].map(|edge| format!("{}/watch/{STREAM}", edge.https_url()));
    let studio = format!("{}/studio/{STREAM}#token={token}", one.https_url());
    let spkis = format!("{},{}", one.spki()?, two.spki()?);
    let shots = node::directory("shots")?;
    let talked = browser::talk([&watch[0], &watch[1]], &studio, &spkis, &shots).await?;
    println!("{talked:#?} {}", shots.display());
    assert_eq!(talked.elements, 0, "a message made elements");
    assert!(!talked.title.contains("owned"));
    assert!(!talked.turned, "a message turns the direction of the page");
    assert_eq!(talked.isolated, 1);
    assert_eq!(talked.fragment, "", "the token stays in the address bar");
    assert!(talked.away.status, "nobody was away");
    assert_eq!(talked.away.lines, 0, "nobody was away");
    assert_eq!(talked.missed.len(), 10, "{:?}", talked.missed);
    for (number, text) in talked.missed.iter().enumerate() {
        assert!(text.contains(&format!("while away {number}")), "{text}");
    }
    assert_eq!(talked.gaps, 0);
    assert_eq!(talked.likes, 2);
    let [begun, later] = talked.countdown;
    assert!(begun <= 30 && later < begun, "{:?}", talked.countdown);
    assert_eq!(talked.language, "es");
    assert!(!talked.overflow);
    assert_eq!(talked.errors, Vec::<String>::new());
    // Chromium asks over the HTTP/2 connection that it has (RFC 8441).
    let asked = [("protocol", "h2"), ("kind", "room"), ("status", "200")];
    assert!(one.metric("edge_requests_total", &asked).await? >= 1.0);
    Ok(())
}
