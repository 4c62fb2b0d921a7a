//! A player for each stream, from when there is something to play.

use std::time::{Duration, Instant};

use crate::client::Target;
use crate::play;

/// How often is looked whether a stream has begun.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What became of a watch.
pub(super) type Seen = Result<play::Report, String>;

/// Watches what `plan` says from when it is there until `until`.
pub(super) async fn watch(mut plan: play::Plan, from: Instant, until: Instant) -> Seen {
    tokio::time::sleep_until(from.into()).await;
    let mut why = "the run was over".to_owned();
    while Instant::now() + LOOK_INTERVAL < until {
        match is_there(&plan).await {
            Ok(true) => {
                plan.duration = until.saturating_duration_since(Instant::now());
                match play::run(&plan).await {
                    Ok(report) => return Ok(report),
                    // The Media Playlist may need another moment.
                    Err(error) => why = format!("{error:#}"),
                }
            }
            Ok(false) => "it never began".clone_into(&mut why),
            Err(error) => why = format!("{error:#}"),
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    Err(why)
}

async fn is_there(plan: &play::Plan) -> anyhow::Result<bool> {
    let (_, path) = Target::split(&plan.url)?;
    let client = plan.connect().await?;
    Ok(client.fetch(&path, &[]).await?.status == 200)
}
