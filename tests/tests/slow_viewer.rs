//! A viewer who hardly reads, and came first, slows nobody down.

use std::time::Duration;

use anyhow::Context as _;
use loadtest::client::Protocol;
use tests::edge::Edge;
use tests::parent::{Parent, Reply, pattern};
use tokio::time::timeout;

/// Far more than all the buffers between a parent and a viewer who does not read.
const OBJECT_BYTES: usize = 20_000_000;

/// A viewer who reads gets 20 MB over loopback well within this.
const FAST_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_slow_viewer_who_came_first_slows_nobody() -> anyhow::Result<()> {
    let parent = Parent::start().await?;
    let leaf = Edge::start("leaf", &[parent.url()]).await?;
    let body = pattern(OBJECT_BYTES);
    let mut msn = 100;
    for slow_protocol in Protocol::ALL {
        for with_length in [true, false] {
            msn += 1;
            let segment = format!("/live/demo/720p/{msn}.m4s");
            let mut reply = Reply::ok(body.clone());
            if !with_length {
                reply = reply.without_length();
            }
            parent.on(&segment, reply);
            let case = format!("slow over {slow_protocol}, length {with_length}");

            let slow = leaf.client(slow_protocol).await?;
            let mut slow = slow.get(&segment, &[]).await?;
            let first = slow.chunk().await?.context("an empty object")?;
            // From here on the slow viewer does not read: the object stays cold for him.
            for protocol in Protocol::ALL {
                let fast = leaf.client(protocol).await?;
                let fetched = timeout(FAST_WITHIN, fast.fetch(&segment, &[]))
                    .await
                    .with_context(|| format!("{case}: the viewer over {protocol} starves"))??;
                assert_eq!(fetched.broken, None, "{case}, fast over {protocol}");
                assert_eq!(fetched.body, body, "{case}, fast over {protocol}");
            }
            assert_eq!(parent.requests(&segment), 1, "{case}");

            let mut received = first.len();
            while let Some(data) = slow.chunk().await? {
                received += data.len();
            }
            assert_eq!(received, OBJECT_BYTES, "{case}: the slow one's own copy");
        }
    }
    Ok(())
}
