//! An HTTP/3 request whose FIN comes late is still a GET without a body.

use std::time::Duration;

use loadtest::client::Protocol;
use tests::edge::Edge;
use tests::node::Settings;
use tests::parent::{Parent, Reply, pattern};

#[tokio::test]
async fn the_parent_sees_a_plain_get_however_late_the_fin() -> anyhow::Result<()> {
    for h2c in [true, false] {
        let parent = Parent::start().await?;
        let settings = Settings::default().set("parents", "h2c", h2c);
        let leaf = Edge::start_with("leaf", &[parent.url()], &settings).await?;
        let client = leaf.client(Protocol::H3).await?;
        // Around the 200 ms that the trial waited, and far beyond.
        for (msn, delay) in [0, 50, 190, 210, 1000].into_iter().enumerate() {
            let segment = format!("/live/demo/720p/{msn}.m4s");
            let body = pattern(50_000);
            parent.on(&segment, Reply::ok(body.clone()));
            let delay = Duration::from_millis(delay);
            let fetched = client
                .get_with_late_fin(&segment, delay)
                .await?
                .collect()
                .await;
            assert_eq!(fetched.status, 200, "h2c {h2c}, FIN after {delay:?}");
            assert_eq!(fetched.broken, None, "h2c {h2c}, FIN after {delay:?}");
            assert_eq!(fetched.body, body);
            assert_eq!(parent.requests(&segment), 1);
        }
        for head in parent.heads() {
            let head = head.to_ascii_lowercase();
            assert!(!head.contains("transfer-encoding"), "{head}");
            assert!(!head.contains("content-length"), "{head}");
        }
    }
    Ok(())
}
