//! Waiting for a condition, with a deadline.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// For what a loaded machine does in its own time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Looks again and again until there is something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} in {PATIENCE:?}");
        sleep(LOOK).await;
    }
}

/// Opens files that an origin had, which lets go of them when its last page of metrics has been
/// read. Any other failure than that somebody has them is final.
pub(crate) async fn patiently<T, E: Display>(mut open: impl AsyncFnMut() -> Result<T, E>) -> T {
    eventually("end of who has the files", async || match open().await {
        Ok(opened) => Some(opened),
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains("in use by another process"), "{error}");
            None
        }
    })
    .await
}
