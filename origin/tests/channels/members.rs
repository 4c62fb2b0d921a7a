//! Who is in a room when it is stopped: their edge is told, and sends them away.

use bus::embedded::{EdgeOptions, edge};
use bus::{EdgeBus, EdgeEvent, EdgeInbox, EdgeName, RoomName};
use http::Method;
use rooms::schema::{FromEdge, FromEdgeBody, ToEdge};
use serde_json::Value;
use settings::Secret;
use tokio::time::timeout;

use crate::harness::{LINK, Origin, PATIENCE};

async fn heard(inbox: &mut EdgeInbox) -> EdgeEvent {
    timeout(PATIENCE, inbox.recv())
        .await
        .expect("something in time")
}

/// Says hello until the hub answers with what is expected.
async fn hears(
    (bus, inbox): (&EdgeBus, &mut EdgeInbox),
    says_hello: bool,
    is_expected: fn(&ToEdge) -> bool,
) {
    let room = RoomName::new("kitchen").unwrap();
    if says_hello {
        let hello = FromEdge {
            edge: "leaf".to_owned(),
            incarnation: 1,
            body: FromEdgeBody::Hello { position: None },
        };
        bus.send(&room, hello.to_binary()).unwrap();
    }
    loop {
        if let EdgeEvent::Message { message, .. } = heard(inbox).await
            && is_expected(&ToEdge::from_binary(&message).unwrap())
        {
            return;
        }
    }
}

#[tokio::test]
async fn edges_are_told_that_there_is_no_room() {
    let origin = Origin::start().await;
    origin.create("kitchen").await;
    let name = EdgeName::new("leaf").unwrap();
    let options = EdgeOptions::new(origin.public(), Secret::new(LINK), name);
    let (bus, mut inbox) = edge(options, &telemetry::Registry::new()).unwrap();
    bus.follow(RoomName::new("kitchen").unwrap()).unwrap();
    while heard(&mut inbox).await != EdgeEvent::Up {}
    let is_there = |message: &ToEdge| matches!(message, ToEdge::Reset { .. } | ToEdge::Fill { .. });
    let is_gone = |message: &ToEdge| matches!(message, ToEdge::NoRoom);
    hears((&bus, &mut inbox), true, is_there).await;
    let stop = "/v1/admin/rooms/kitchen/stop";
    origin
        .operate(Method::POST, stop, Value::Null)
        .await
        .is(200);
    hears((&bus, &mut inbox), false, is_gone).await;
    hears((&bus, &mut inbox), true, is_gone).await;
    let start = "/v1/admin/rooms/kitchen/start";
    origin
        .operate(Method::POST, start, Value::Null)
        .await
        .is(200);
    hears((&bus, &mut inbox), true, is_there).await;
}
