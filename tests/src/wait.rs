//! Waiting for conditions, with a deadline and a name.

use std::time::{Duration, Instant};

use anyhow::bail;

/// How often a condition is looked at again.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Asks `condition` until it answers something; fails, naming `what`, after `within`.
pub async fn until<T, F>(what: &str, within: Duration, mut condition: F) -> anyhow::Result<T>
where
    F: AsyncFnMut() -> anyhow::Result<Option<T>>,
{
    let deadline = Instant::now() + within;
    loop {
        let last = match condition().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => String::from("not yet"),
            Err(error) => format!("{error:#}"),
        };
        if Instant::now() >= deadline {
            bail!("waited {within:?} in vain until {what}; last: {last}");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
