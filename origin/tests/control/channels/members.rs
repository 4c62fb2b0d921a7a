//! Who is in a room when it is stopped: their edge is told, and sends them away.

use bus::embedded::{EdgeOptions, edge};
use bus::{EdgeBus, EdgeEvent, EdgeInbox, EdgeName, RoomName};
use http::Method;
use rooms::schema::{
    Body, FromEdge, FromEdgeBody, Message, Publish, Review, ReviewKind, ToEdge, User,
};
use serde_json::json;
use settings::Secret;
use tokio::time::timeout;

use crate::harness::{LINK, Origin, PASSWORD, PATIENCE, call, eventually, get, operator, post};

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

fn is_there(message: &ToEdge) -> bool {
    matches!(message, ToEdge::Reset { .. } | ToEdge::Fill { .. })
}

/// An edge that is linked, and follows the room `kitchen`.
async fn linked(origin: &Origin) -> (EdgeBus, EdgeInbox) {
    origin.create("kitchen").await;
    let name = EdgeName::new("leaf").unwrap();
    let options = EdgeOptions::new(origin.public(), Secret::new(LINK), name);
    let (bus, mut inbox) = edge(options, &telemetry::Registry::new()).unwrap();
    bus.follow(RoomName::new("kitchen").unwrap()).unwrap();
    while heard(&mut inbox).await != EdgeEvent::Up {}
    (bus, inbox)
}

#[tokio::test]
async fn edges_are_told_that_there_is_no_room() {
    let origin = Origin::start().await;
    let (bus, mut inbox) = linked(&origin).await;
    let is_gone = |message: &ToEdge| matches!(message, ToEdge::NoRoom);
    hears((&bus, &mut inbox), true, is_there).await;
    let stop = "/v1/admin/rooms/kitchen/stop";
    origin.operate(operator(Method::POST, stop)).await.is(200);
    hears((&bus, &mut inbox), false, is_gone).await;
    hears((&bus, &mut inbox), true, is_gone).await;
    let start = "/v1/admin/rooms/kitchen/start";
    origin.operate(operator(Method::POST, start)).await.is(200);
    hears((&bus, &mut inbox), true, is_there).await;
}

/// A message that waits for somebody's decision.
fn held(author: &str) -> FromEdge {
    let author = User {
        id: author.to_owned(),
        ..User::default()
    };
    let message = Message {
        id: "m1".to_owned(),
        author: author.clone(),
        kind: "text".to_owned(),
        text: "may I?".to_owned(),
        ..Message::default()
    };
    let review = Review {
        id: "r1".to_owned(),
        kind: ReviewKind::Held,
        message,
        reason: String::new(),
        by: String::new(),
    };
    let publish = Publish {
        author: author.id,
        client_id: "c1".to_owned(),
        media_ms: None,
        body: Body::Review(review),
    };
    FromEdge {
        edge: "leaf".to_owned(),
        incarnation: 1,
        body: FromEdgeBody::Publish(Box::new(publish)),
    }
}

#[tokio::test]
async fn the_log_of_a_room_says_who_acted() {
    let origin = Origin::start().await;
    let (boss, ana) = (origin.staff("Boss").await, origin.register("Ana").await);
    let (bus, mut inbox) = linked(&origin).await;
    hears((&bus, &mut inbox), true, is_there).await;
    let room = RoomName::new("kitchen").unwrap();
    bus.send(&room, held("somebody").to_binary()).unwrap();
    let reports = get("/v1/admin/reports").bearer(&boss.access);
    eventually("a review", async || {
        let open = origin.ask(reports.clone()).await;
        let first = open.is(200).body["reports"][0]["review"]["id"].clone();
        (first == "r1").then_some(())
    })
    .await;
    let dismiss = call(Method::POST, "/v1/admin/reports/kitchen/r1/dismiss");
    let dismissed = origin.ask(dismiss.bearer(&boss.access)).await;
    dismissed.is(204);
    let erase = post("/v1/me/erase", json!({ "password": PASSWORD }));
    origin.ask(erase.bearer(&ana.access)).await.is(204);
    let ban = json!({ "act": { "type": "ban", "user": "x" } });
    let ban = operator(Method::POST, "/v1/rooms/kitchen/acts").json(ban);
    origin.operate(ban).await.is(200);
    let log = operator(Method::GET, "/v1/rooms/kitchen/audit");
    let log = origin.operate(log).await.is(200);
    let lines = log.body["lines"].as_array().unwrap();
    let by = |act: &str| {
        let line = lines.iter().find(|line| line["act"]["type"] == act);
        line.unwrap_or_else(|| panic!("no {act} in {lines:?}"))["actor"].clone()
    };
    assert_eq!(by("dismiss"), boss.id);
    assert_eq!(by("delete_user"), ana.id);
    assert_eq!(by("ban"), "operator");
}
