//! A page in Chromium whose broadcaster vanishes, and whose origin is killed: it plays on by itself when they are
//! back.

use std::path::Path;
use std::time::Duration;

use loadtest::client::Protocol;
use tests::browser;
use tests::edge::Edge;
use tests::node::{self, Settings};
use tests::origin::{self, Origin, PUBLISH_KEY, STREAM};
use tests::playlist;
use tests::publisher::Publisher;
use tests::wait;

/// For what a browser does on a machine that is busy.
const WITHIN: Duration = Duration::from_secs(120);

/// From the return of the broadcaster to a picture that has moved for a second and a half. 1.5 to 3.7 s were seen; a busy
/// machine may be slower, but nobody waits for a page that opens the stream a second time.
const BACK_SECONDS_MAX: f64 = 15.0;

async fn says(directory: &Path, file: String) -> anyhow::Result<()> {
    let path = directory.join(&file);
    wait::until(&file, WITHIN, async || Ok(path.exists().then_some(()))).await
}

#[tokio::test]
async fn a_page_plays_on_behind_outages() -> anyhow::Result<()> {
    let settings = Settings::default().set_root("ladder", origin::ladder(&[("360p", 360, 700)]));
    let mut origin = Origin::start_with(&settings).await?;
    let leaf = Edge::start("leaf", &[origin.http_url()]).await?;
    let mut publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    playlist::playing(&leaf.client(Protocol::H2).await?, "360p").await?;
    let directory = node::directory("comes-back")?;
    let url = format!("{}/watch/{STREAM}", leaf.https_url());
    let spki = leaf.spki()?;
    let watching = browser::come_back(&url, &spki, &directory, 2);
    let outages = async {
        says(&directory, "moves-1".to_owned()).await?;
        publisher.process().kill()?;
        let client = origin.client(Protocol::H1).await?;
        wait::until("gaps are listed", WITHIN, async || {
            let listed = playlist::fetch(&client, "360p", "").await?;
            let gaps = listed.segments.iter().filter(|segment| segment.gap);
            // Longer than the page leaves any other stall to hls.js.
            Ok((gaps.count() >= 6).then_some(()))
        })
        .await?;
        let mut publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
        std::fs::write(directory.join("back-1"), "")?;

        says(&directory, "moves-2".to_owned()).await?;
        origin.kill()?;
        publisher.process().kill()?;
        origin.start_again().await?;
        let publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
        std::fs::write(directory.join("back-2"), "")?;
        anyhow::Ok(publisher)
    };
    let (seen, _publisher) = tokio::try_join!(watching, outages)?;
    println!("{seen:?}");
    assert_eq!(seen.errors, Vec::<String>::new(), "{seen:?}");
    assert_eq!(seen.reloaded, 1);
    assert_eq!(seen.back.len(), 2);
    for back in &seen.back {
        let seconds = back.unwrap_or(f64::INFINITY);
        assert!(seconds <= BACK_SECONDS_MAX, "{seen:?}");
    }
    Ok(())
}
