//! Going back in a live stream: I-frame playlists, pictures to seek by, and the page's seek bar.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use loadtest::client::{Client, Protocol};
use tests::edge::Edge;
use tests::node::Settings;
use tests::origin::{Origin, PUBLISH_KEY, STREAM};
use tests::publisher::Publisher;
use tests::{browser, playlist, wait};

/// The stream has to have been live for longer than the page goes back.
const LIVE: Duration = Duration::from_secs(44);
const BACK_SECONDS: u32 = 30;
const WAIT: Duration = Duration::from_secs(90);

fn settings() -> Settings {
    let ladder = tests::origin::ladder(&[("720p", 720, 2800), ("360p", 360, 700)]);
    Settings::default()
        .set_root("ladder", ladder)
        .set("transcode", "preset", "ultrafast")
}

async fn text(client: &Client, path: &str) -> anyhow::Result<String> {
    let fetched = client.fetch(path, &[]).await?;
    ensure!(fetched.status.as_u16() == 200, "{path}: {}", fetched.status);
    Ok(String::from_utf8(fetched.body.to_vec())?)
}

/// Waits until the image playlist behind `client` lists so many pictures of the open tile.
async fn pictures(client: &Client, count: u32) -> anyhow::Result<String> {
    wait::until("pictures are made", WAIT, async || {
        let path = format!("/live/{STREAM}/360p/images.m3u8");
        let fetched = client.fetch(&path, &[]).await?;
        let text = String::from_utf8_lossy(&fetched.body).into_owned();
        Ok(text.contains(&format!("COUNT={count}")).then_some(text))
    })
    .await
}

fn quoted<'a>(text: &'a str, attribute: &str) -> anyhow::Result<&'a str> {
    let (_, rest) = text
        .split_once(&format!("{attribute}=\""))
        .with_context(|| format!("no {attribute} in {text}"))?;
    Ok(rest.split('"').next().unwrap_or_default())
}

#[tokio::test]
async fn i_frames_decode_and_pictures_are_made() -> anyhow::Result<()> {
    let origin = Origin::start_with(&settings()).await?;
    let _publisher = Publisher::start_barcode(&origin.publish_url(PUBLISH_KEY))?;
    let leaf = Edge::start("leaf", &[origin.http_url()]).await?;
    let client = leaf.client(Protocol::H2).await?;
    playlist::playing(&client, "360p").await?;

    let images = pictures(&client, 2).await?;
    let uri = quoted(&images, "OPEN-TILE:URI")?;
    let image = client
        .fetch(&format!("/live/{STREAM}/360p/{uri}"), &[])
        .await?;
    assert_eq!(image.status.as_u16(), 200);
    assert_eq!(image.headers.get("content-type").unwrap(), "image/jpeg");
    let lifetime = image.headers.get("cache-control").unwrap().to_str()?;
    assert!(lifetime.ends_with("immutable"), "{lifetime}");
    assert!(image.body.starts_with(b"\xFF\xD8") && image.body.ends_with(b"\xFF\xD9"));

    let multivariant = text(&client, &format!("/live/{STREAM}/index.m3u8")).await?;
    let i_frames = multivariant
        .lines()
        .filter(|line| line.starts_with("#EXT-X-I-FRAME-STREAM-INF:"));
    assert_eq!(i_frames.count(), 2, "{multivariant}");
    assert!(
        multivariant.contains("URI=\"360p/images.m3u8\""),
        "{multivariant}"
    );

    for rendition in ["720p", "360p"] {
        for base in [leaf.http_url(), origin.http_url()] {
            let url = format!("{base}/live/{STREAM}/{rendition}/iframes.m3u8");
            let frames = i_frames_of(&url).await?;
            assert!(frames.len() >= 3, "{url}: {frames:?}");
            assert!(frames.iter().all(|kind| kind == "I"), "{url}: {frames:?}");
        }
    }
    Ok(())
}

/// The types of the frames that an I-frame playlist of a live stream decodes to, in the first seconds.
async fn i_frames_of(url: &str) -> anyhow::Result<Vec<String>> {
    let mut command = Command::new("ffprobe");
    command.args([
        "-v",
        "error",
        "-live_start_index",
        "0",
        "-fpsprobesize",
        "0",
        "-read_intervals",
        "%+6",
    ]);
    command.args(["-show_entries", "frame=pict_type", "-of", "csv=p=0", url]);
    let probing = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(30), probing)
        .await
        .context("ffprobe does not end")??;
    let complaints = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && complaints.is_empty(),
        "{url}: {complaints}"
    );
    let told = String::from_utf8(output.stdout)?;
    let kinds = told.lines().map(|line| line.trim_matches(',').to_owned());
    Ok(kinds.filter(|kind| !kind.is_empty()).collect())
}

#[tokio::test]
async fn the_page_goes_back_and_comes_back() -> anyhow::Result<()> {
    let origin = Origin::start_with(&settings()).await?;
    let _publisher = Publisher::start_barcode(&origin.publish_url(PUBLISH_KEY))?;
    let leaf = Edge::start("leaf", &[origin.http_url()]).await?;
    let client = leaf.client(Protocol::H2).await?;
    wait::until("the stream is old enough", WAIT, async || {
        let listed = playlist::playing(&client, "720p").await?;
        Ok((listed.duration() >= LIVE).then_some(()))
    })
    .await?;
    let url = format!("{}/watch/{STREAM}", leaf.https_url());
    let sought = browser::seek(&url, &leaf.spki()?, BACK_SECONDS).await?;
    // The script itself fails where an age is not what it should be.
    assert!(sought.behind > sought.live + 20.0, "{sought:?}");
    assert!(sought.label.contains('−'), "{sought:?}");
    assert!(sought.image.source.ends_with(".jpg"), "{sought:?}");
    assert_eq!((sought.image.width, sought.image.height), (480, 180));
    assert!(sought.skips > 0, "no delta updates: {sought:?}");
    assert_eq!(sought.errors, Vec::<String>::new(), "{sought:?}");
    Ok(())
}
