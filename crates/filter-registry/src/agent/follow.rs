//! Asks for the next catalogue, for ever.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::slots::pause;
use super::{FOLLOW_WAIT, RETRY_MAX, RETRY_MIN};
use crate::metrics::AgentMetrics;
use crate::source::{Source, SourceError};
use crate::wire::NodeCatalogue;

/// What the registry said.
#[derive(Debug)]
pub(super) enum News {
    /// Another generation.
    Catalogue(NodeCatalogue),
    /// It answers, and nothing changed.
    Alive,
    /// It does not answer.
    Lost(SourceError),
}

/// Follows until the receiver is dropped.
pub(super) async fn follow(
    source: Arc<dyn Source>,
    metrics: AgentMetrics,
    news: mpsc::Sender<News>,
) {
    // The first answer comes at once, whatever the own copy says: it tells that the registry is
    // there, and a registry that was set back to an older state is believed.
    let mut after = None;
    let mut failures = 0;
    loop {
        // A registry that is back says so at once, not when the next thing changes.
        let wait = if failures > 0 {
            Duration::ZERO
        } else {
            FOLLOW_WAIT
        };
        let answer = tokio::select! {
            answer = source.catalogue(after, wait) => answer,
            () = news.closed() => return,
        };
        let item = match answer {
            Ok(catalogue) => {
                failures = 0;
                metrics.last_contact.set(unix_seconds());
                catalogue.map_or(News::Alive, |catalogue| {
                    after = Some(catalogue.generation);
                    News::Catalogue(catalogue)
                })
            }
            Err(error) => {
                failures += 1;
                metrics.failures.with_label_values(&["catalogue"]).inc();
                News::Lost(error)
            }
        };
        if news.send(item).await.is_err() {
            return;
        }
        if failures > 0 {
            let pause = pause(failures - 1, RETRY_MIN, RETRY_MAX);
            tokio::select! {
                () = sleep(pause) => {}
                () = news.closed() => return,
            }
        }
    }
}

pub(super) fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}
