//! The edge's side: the task that keeps the link.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::EdgeOptions;
use super::connect::Connector;
use super::session::{Ended, Session};
use crate::backoff::Backoff;
use crate::edge::{EdgeBus, EdgeInbox, EdgeShared};
use crate::error::BusError;
use crate::follows::Follows;
use crate::inbox;
use crate::metrics::{Metrics, Role};
use crate::queue;

/// More failures than it takes to wait longest.
const FAILURES_MAX: u32 = 30;

pub(super) fn start(
    options: EdgeOptions,
    registry: &Registry,
) -> Result<(EdgeBus, EdgeInbox), BusError> {
    let connector = Connector::new(&options)?;
    let metrics = Metrics::new(Role::Edge, registry)?;
    let (out, outgoing) = queue::queue(options.link_queue_bytes_max, metrics.out_bytes.clone());
    out.shut();
    let shared = Arc::new(EdgeShared {
        follows: Follows::new(options.rooms_max),
        out,
        message_bytes_max: options.message_bytes_max,
        metrics: metrics.clone(),
    });
    let (inbox, events) = inbox::inbox(options.inbox_bytes_max, &shared);
    let stop = CancellationToken::new();
    let session = Session {
        shared: Arc::clone(&shared),
        inbox,
        outgoing,
        ping_interval: options.ping_interval,
        idle_timeout: options.idle_timeout,
        stop: stop.clone(),
    };
    let backoff = Backoff {
        min: options.backoff_min,
        max: options.backoff_max,
    };
    tokio::spawn(keep(connector, backoff, session));
    let inbox = EdgeInbox {
        shared: Arc::clone(&shared),
        queue: events,
        _alive: stop.drop_guard(),
    };
    Ok((EdgeBus(shared), inbox))
}

/// Links again and again, until the inbox is dropped.
async fn keep(connector: Connector, backoff: Backoff, mut session: Session) {
    let stop = session.stop.clone();
    let mut failures = 0_u32;
    let mut linked_before = false;
    while !stop.is_cancelled() {
        let began = Instant::now();
        let link = tokio::select! {
            () = stop.cancelled() => return,
            link = connector.connect() => link,
        };
        match link {
            Ok(link) => {
                if linked_before {
                    session.shared.metrics.reconnects.inc();
                }
                linked_before = true;
                tracing::info!(hub = connector.base(), "linked to the hub");
                let ended = session.run(link).await;
                if matches!(ended, Ended::Stopped) {
                    return;
                }
                tracing::warn!(hub = connector.base(), why = %ended, "the link to the hub is lost");
                failures = match ended {
                    // The other one would lose its link to this one at once.
                    Ended::Replaced => FAILURES_MAX,
                    _ if began.elapsed() > backoff.max => 0,
                    _ => failures.saturating_add(1),
                };
            }
            Err(error) => {
                tracing::warn!(hub = connector.base(), %error, "no link to the hub");
                failures = failures.saturating_add(1);
            }
        }
        pause(backoff.delay(failures.saturating_sub(1)), &stop).await;
    }
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = sleep(time) => {}
    }
}
