//! What staff begin is ended and written down, whoever is there by then.

use ledger::HoldState;
use serde_json::Value;

use super::super::harness::{WATCHFUL, World, order, until};
use super::*;

/// The connection closes as soon as the request was read.
async fn asks_and_goes(answer: impl Future<Output = Result<StatusCode, Problem>>) {
    tokio::select! {
        biased;
        _ = answer => {}
        () = std::future::ready(()) => {}
    }
}

/// What the log says of a gift, in order.
fn acts(world: &World, gift: &str) -> Vec<String> {
    let text = std::fs::read_to_string(world.file("audit/log.jsonl")).unwrap_or_default();
    // The last may be half there.
    let lines = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .filter(|line: &Value| line["details"]["gift"] == gift)
        .filter_map(|line| Some(line["act"].as_str()?.to_owned()))
        .collect()
}

#[tokio::test]
async fn what_was_begun_is_written_down() {
    let world = World::new(WATCHFUL).await;
    let ana = world.rich("ana", 100).await;
    for id in ["g1", "g2"] {
        world.hold(&order(id, &ana, 10)).await.unwrap();
    }
    let desk = || Held(world.desk.clone());
    let by = || Actor("u-staff".to_owned());
    let path = |id: &str| Path(id.to_owned());
    asks_and_goes(approve(desk(), by(), path("g1"))).await;
    asks_and_goes(reject(desk(), by(), path("g2"))).await;
    until("both acts are written down", async || {
        acts(&world, "g1") == ["gift-approved"] && acts(&world, "g2") == ["gift-rejected"]
    })
    .await;
    assert_eq!(world.coins(&ana).await, 90);
    until("the gift is recorded", async || {
        world.record_of(&order("g1", &ana, 10)).await == Some(State::Given)
    })
    .await;
    let why = Refund {
        reason: "a child had the phone".to_owned(),
    };
    asks_and_goes(refund(desk(), by(), path("g1"), Checked(Json(why)))).await;
    until("the refund is written down", async || {
        acts(&world, "g1") == ["gift-approved", "gift-refunded"]
    })
    .await;
    assert_eq!(world.coins(&ana).await, 100);
}

/// A crash left the record, and nothing is reserved: it is not approved, but given again, or rejected.
#[tokio::test]
async fn what_is_not_reserved_is_not_approved() {
    let world = World::new(WATCHFUL).await;
    let ana = world.rich("ana", 100).await;
    let [first, second] = ["g1", "g2"].map(|id| order(id, &ana, 10));
    for order in [&first, &second] {
        let record = super::super::records::held(order, &["velocity"], unix_ms());
        world.desk.records.hold(record).await.unwrap();
        let refused = world.desk.approve("u-staff", &order.id).await.unwrap_err();
        assert_eq!(refused.code(), "not-reserved");
    }
    assert!(world.hold(&first).await.unwrap().is_new);
    world.desk.approve("u-staff", &first.id).await.unwrap();
    world.desk.reject("u-staff", &second.id).await.unwrap();
    assert_eq!(world.record_of(&second).await, Some(State::Rejected));
    assert_eq!(world.coins(&ana).await, 90);
}

/// The same tap was paid by another request that was cut off; whether the outbox has said so yet or not.
#[tokio::test]
async fn approving_what_was_paid_elsewhere_frees_what_is_reserved() {
    let world = World::new(WATCHFUL).await;
    let ana = world.rich("ana", 100).await;
    let order = order("g1", &ana, 10);
    world.hold(&order).await.unwrap();
    world.commit(&order).await.unwrap();
    world.desk.approve("u-staff", &order.id).await.unwrap();
    assert_ne!(world.hold_of(&order).await, Some(HoldState::Open));
    assert_eq!(world.coins(&ana).await, 90);
}
