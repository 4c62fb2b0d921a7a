//! Who is in a room when it is stopped: their edge is told, and sends them away.

use bus::embedded::{EdgeOptions, edge};
use bus::{EdgeBus, EdgeEvent, EdgeInbox, EdgeName, RoomName};
use http::Method;
use rooms::schema::{
    Body, FromEdge, FromEdgeBody, Message, Publish, Review, ReviewKind, ToEdge, User,
};
use serde_json::{Value, json};
use settings::Secret;
use tokio::time::timeout;

use crate::harness::{LINK, Origin, PATIENCE, eventually};

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
    let (boss, _) = origin.register("Boss").await;
    let path = format!("/v1/admin/users/{boss}/roles/staff");
    let granted = origin.operate(Method::PUT, &path, Value::Null).await;
    granted.is(200);
    let body = json!({ "login": "boss", "password": "correct horse" });
    let signed_in = origin.ask(Method::POST, "/v1/session", "", body).await;
    let signed_in = signed_in.is(200);
    let staff = signed_in.text("/access_token");
    let (ana, ana_token) = origin.register("Ana").await;
    let (bus, mut inbox) = linked(&origin).await;
    hears((&bus, &mut inbox), true, is_there).await;
    let room = RoomName::new("kitchen").unwrap();
    bus.send(&room, held("somebody").to_binary()).unwrap();
    let reports = "/v1/admin/reports";
    eventually("a review", async || {
        let open = origin.ask(Method::GET, reports, staff, Value::Null).await;
        let first = open.is(200).body["reports"][0]["review"]["id"].clone();
        (first == "r1").then_some(())
    })
    .await;
    let dismiss = "/v1/admin/reports/kitchen/r1/dismiss";
    let dismissed = origin.ask(Method::POST, dismiss, staff, Value::Null).await;
    dismissed.is(204);
    let password = json!({ "password": "correct horse" });
    let gone = origin.ask(Method::POST, "/v1/me/erase", &ana_token, password);
    gone.await.is(204);
    let (ban, by_operator) = (
        json!({ "type": "ban", "user": "x" }),
        "/v1/rooms/kitchen/acts",
    );
    let banned = origin.operate(Method::POST, by_operator, json!({ "act": ban }));
    banned.await.is(200);
    let log = "/v1/rooms/kitchen/audit";
    let lines = origin.operate(Method::GET, log, Value::Null).await.is(200);
    let lines = lines.body["lines"].as_array().unwrap().clone();
    let by = |act: &str| {
        let mut lines = lines.iter().filter(|line| line["act"]["type"] == act);
        lines
            .next()
            .unwrap_or_else(|| panic!("no {act} in {lines:?}"))["actor"]
            .clone()
    };
    assert_eq!(by("dismiss"), boss);
    assert_eq!(by("delete_user"), ana);
    assert_eq!(by("ban"), "operator");
}
