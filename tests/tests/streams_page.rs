//! How streams are, as operators see it: the page of an origin in Chromium, and the figures behind it.

use tests::browser;
use tests::node::{self, Settings};
use tests::origin::{Origin, PUBLISH_KEY, STREAM};
use tests::publisher::Publisher;

const TOKEN: &str = "operator-of-the-test";

#[tokio::test]
async fn the_page_shows_a_live_stream_and_its_charts_move() -> anyhow::Result<()> {
    let settings = Settings::default().set("admin", "token", TOKEN);
    let origin = Origin::start_with(&settings).await?;
    let _publisher = Publisher::start(&origin.publish_url(PUBLISH_KEY))?;
    let shots = node::directory("streams-page")?;
    let looked = browser::look_at_stream(&origin.admin_url(), TOKEN, STREAM, &shots).await?;
    assert_eq!(looked.errors, Vec::<String>::new());
    assert!(!looked.overflow, "{looked:?}");
    let states = ["good", "degraded", "bad"];
    assert!(states.contains(&looked.listed.state.as_str()), "{looked:?}");
    assert!(looked.listed.text.contains(STREAM) && looked.listed.text.contains("fps"));
    for chart in [
        "chart-bitrate",
        "chart-frames",
        "chart-latency",
        "chart-round-trip",
    ] {
        assert!(looked.charts.iter().any(|own| own == chart), "{looked:?}");
    }
    let [before, after] = looked.points;
    assert!(after > before && before > 0, "{looked:?}");
    Ok(())
}
