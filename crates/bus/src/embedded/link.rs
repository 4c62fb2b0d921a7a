//! One link at the hub: the upgrade, and what is read and written on it.

use std::error::Error as _;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite;

use super::envelope::{Envelope, HEADER_BYTES_MAX};
use super::hub::{Frame, Hub, Place};
use super::{CLOSE_REPLACED, CLOSE_TIMEOUT, EDGE_HEADER};
use crate::metrics::Refusal;
use crate::name::EdgeName;
use crate::queue::Receiver;

/// After which a hub with too many links is worth asking again.
const RETRY_AFTER_SECONDS: &str = "5";

/// Why a link ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The edge left, or the connection broke.
    Gone,
    /// The hub's process ends.
    Closing,
    Refused(Refusal),
}

/// `GET /v1/bus`.
pub(super) async fn upgrade(
    State(hub): State<Hub>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let bearer = headers.get(header::AUTHORIZATION);
    let bearer = bearer.and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|value| value.split_once(' '));
    let known = token.is_some_and(|(scheme, token)| {
        scheme.eq_ignore_ascii_case("bearer") && hub.knows(token.trim())
    });
    if !known {
        // Anybody can make this happen as often as they like: there is a metric, and an edge logs
        // its own refusals.
        tracing::debug!("a link without a known token was refused");
        let detail = "a bearer token of the bus is needed";
        return refuse(&hub, Refusal::Unauthorized, detail);
    }
    let name = headers
        .get(EDGE_HEADER)
        .and_then(|value| value.to_str().ok());
    let edge = match EdgeName::new(name.unwrap_or_default()) {
        Ok(edge) => edge,
        Err(error) => {
            let detail = format!("{EDGE_HEADER}: {error}");
            return refuse(&hub, Refusal::Name, &detail);
        }
    };
    if hub.closed().is_cancelled() {
        let detail = "this origin is going away";
        return problem(StatusCode::SERVICE_UNAVAILABLE, detail);
    }
    if !hub.has_room_for(&edge) {
        tracing::warn!(%edge, max = hub.options().links_max, "too many links to the bus");
        let detail = "as many edges as may be have a link already";
        return refuse(&hub, Refusal::TooManyLinks, detail);
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return problem(rejection.status(), &rejection.body_text()),
    };
    let bytes_max = HEADER_BYTES_MAX + hub.options().message_bytes_max;
    upgrade
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max)
        .on_upgrade(|socket| run(hub, edge, socket))
}

fn refuse(hub: &Hub, why: Refusal, detail: &str) -> Response {
    hub.metrics().refused(why);
    let status = match why {
        Refusal::Unauthorized => StatusCode::UNAUTHORIZED,
        Refusal::TooManyLinks => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    problem(status, detail)
}

/// A problem document (RFC 9457).
fn problem(status: StatusCode, detail: &str) -> Response {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut response = (status, body.to_string()).into_response();
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        headers.insert(header::WWW_AUTHENTICATE, scheme);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let after = HeaderValue::from_static(RETRY_AFTER_SECONDS);
        headers.insert(header::RETRY_AFTER, after);
    }
    response
}

async fn run(hub: Hub, edge: EdgeName, socket: WebSocket) {
    let (mut sink, stream) = socket.split();
    let Some((place, frames)) = hub.admit(&edge) else {
        hub.metrics().refused(Refusal::TooManyLinks);
        close(&mut sink, End::Refused(Refusal::TooManyLinks)).await;
        return;
    };
    tracing::info!(%edge, "an edge is linked");
    let end = tokio::select! {
        () = place.replaced.cancelled() => End::Refused(Refusal::Replaced),
        () = hub.closed().cancelled() => End::Closing,
        end = read(&hub, &place, stream) => end,
        end = write(&hub, &mut sink, frames) => end,
    };
    // Nothing is sent to it while it is being closed.
    drop(place);
    match end {
        End::Refused(Refusal::Replaced) => {}
        End::Refused(why) => {
            hub.metrics().refused(why);
            tracing::warn!(%edge, why = why.as_str(), "the link of an edge is ended");
        }
        End::Gone | End::Closing => tracing::info!(%edge, "an edge is not linked any more"),
    }
    close(&mut sink, end).await;
}

/// Tells the edge why, if it still listens.
async fn close(sink: &mut SplitSink<WebSocket, Message>, end: End) {
    let code = match end {
        End::Gone => return,
        End::Closing => 1001,
        End::Refused(Refusal::Replaced) => CLOSE_REPLACED,
        End::Refused(Refusal::TooLarge) => 1009,
        End::Refused(Refusal::TooManyLinks) => 1013,
        End::Refused(_) => 1002,
    };
    let reason = match end {
        End::Refused(why) => why.as_str(),
        End::Gone | End::Closing => "",
    };
    let frame = CloseFrame {
        code,
        reason: reason.into(),
    };
    let _ = timeout(CLOSE_TIMEOUT, sink.send(Message::Close(Some(frame)))).await;
}

async fn read(hub: &Hub, place: &Place, mut stream: SplitStream<WebSocket>) -> End {
    loop {
        let next = match timeout(hub.options().idle_timeout, stream.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(error))) => {
                tracing::debug!(edge = %place.edge, %error, "the link of an edge broke");
                return broken(&error);
            }
            Ok(None) => return End::Gone,
            Err(_) => return End::Refused(Refusal::Silent),
        };
        let envelope = match next {
            Message::Binary(frame) => Envelope::decode(frame),
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => return End::Gone,
            Message::Text(_) => return End::Refused(Refusal::Protocol),
        };
        let done = match envelope {
            Ok(envelope) => place.handle(envelope),
            Err(error) => {
                tracing::warn!(edge = %place.edge, %error, "an edge said nonsense");
                Err(Refusal::Protocol)
            }
        };
        if let Err(why) = done {
            return End::Refused(why);
        }
    }
}

/// What an error of a socket says about the edge.
fn broken(error: &axum::Error) -> End {
    let source = error.source();
    match source.and_then(|error| error.downcast_ref::<tungstenite::Error>()) {
        Some(tungstenite::Error::Capacity(_)) => End::Refused(Refusal::TooLarge),
        _ => End::Gone,
    }
}

async fn write(
    hub: &Hub,
    sink: &mut SplitSink<WebSocket, Message>,
    mut frames: Receiver<Frame>,
) -> End {
    let mut pings = interval(hub.options().ping_interval);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let written = tokio::select! {
            frame = frames.recv() => match frame {
                Some(frame) => pass_on(hub, sink, frame, &mut frames).await,
                None => return End::Gone,
            },
            _ = pings.tick() => sink.send(Message::Ping(bytes::Bytes::new())).await,
        };
        if written.is_err() {
            return End::Gone;
        }
    }
}

/// A frame and those that came meanwhile, flushed once.
async fn pass_on(
    hub: &Hub,
    sink: &mut SplitSink<WebSocket, Message>,
    first: Frame,
    frames: &mut Receiver<Frame>,
) -> Result<(), axum::Error> {
    let mut next = Some(first);
    while let Some(frame) = next {
        sink.feed(Message::Binary(frame.bytes)).await?;
        if let Some(bytes) = frame.payload {
            hub.metrics().sent(bytes);
        }
        next = frames.try_recv();
    }
    sink.flush().await
}
