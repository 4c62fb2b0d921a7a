//! What becomes of gifts after they were paid: rooms are told, whichever of them does not answer, and count
//! what the records have.

use std::path::Path;
use std::time::Instant;

use http::Method;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{
    Origin, PATIENCE, Setup, Someone, control_file, credit, edge, eventually, get, operator,
};

const STUCK: &str = "stuck";
const DEMO: &str = "demo";
/// A second stream beside the harness's.
const BOTH: &str = "[[streams]]\nname = \"stuck\"\npublish_key = \"key-of-the-stuck-stream\"\n";

/// Somebody with so many coins.
async fn rich(origin: &Origin, name: &str, coins: u64) -> Someone {
    let someone = origin.register(name).await;
    let given = origin.operate(credit(&someone.id, coins, name)).await;
    given.is(201);
    someone
}

/// Gives, as an edge does: ten coins.
async fn give(origin: &Origin, giver: &Someone, room: &str, id: &str) {
    let order = json!({
        "id": id,
        "room": room,
        "sender": { "id": giver.id, "name": "Ana" },
        "recipient": format!("room:{room}"),
        "item": "rose",
        "count": 1,
        "filter": "gifts",
        "plan": {
            "total": 10,
            "currency": "coin",
            "transfers": [{
                "debit": giver.id, "credit": "filter:gifts", "amount": 10, "currency": "coin",
            }],
        },
    });
    let path = format!("/v1/rooms/{room}/gifts");
    origin.ask(edge(&path, order)).await.is(201);
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    eventually(what, async || is_so().await.then_some(())).await;
}

/// Events of a room; none while its hub does not answer.
async fn head(origin: &Origin, room: &str) -> Option<u64> {
    let path = format!("/v1/rooms/{room}");
    let answer = origin.operate(operator(Method::GET, &path)).await;
    answer.body["head"].as_u64()
}

/// Points of all, as the records have them.
async fn recorded(origin: &Origin, room: &str) -> Option<u64> {
    let path = format!("/v1/rooms/{room}/leaderboard");
    origin.ask(get(&path)).await.body["total"].as_u64()
}

/// Points of somebody, as the room's hub kept them.
fn kept(directory: &Path, room: &str, user: &str) -> Option<u64> {
    let bytes = std::fs::read(directory.join(format!("rooms/state/{room}.room"))).ok()?;
    let kept: Value = serde_json::from_slice(&bytes).ok()?;
    let score = kept.pointer("/saved/scores/by_user")?.get(user)?;
    score.get(0)?.as_u64()
}

/// As if there had been the same gifts some days before the newest.
fn give_earlier(directory: &Path, days: i64) {
    let records = Connection::open(control_file(directory, "gifts.db")).unwrap();
    let sql = "INSERT INTO gift_records_points \
               SELECT room, day - ?1, user_id, points FROM gift_records_points \
               WHERE day = (SELECT max(day) FROM gift_records_points)";
    assert!(records.execute(sql, [days]).unwrap() > 0);
}

/// Days with a leaderboard, before today.
fn days(origin: &Origin) -> Vec<i64> {
    let records = origin.database("gifts.db");
    let sql = "SELECT DISTINCT (SELECT max(day) FROM gift_records_points) - day AS ago \
               FROM gift_records_points WHERE day >= 0 AND ago > 0 ORDER BY ago";
    let mut statement = records.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Nobody knows any more who is banned there: it is not opened until somebody has looked. Others do not wait
/// for it, not even a little each time.
#[tokio::test]
async fn a_room_that_cannot_be_read_is_in_nobodys_way() {
    let mut origin = Setup::new().with(BOTH).start().await;
    let ana = rich(&origin, "Ana", 10_000).await;
    let state = format!("rooms/state/{STUCK}.room");
    origin
        .restart_after(async |directory| {
            std::fs::write(directory.join(&state), "no room").unwrap();
        })
        .await;
    give(&origin, &ana, STUCK, "stuck-1").await;
    let left_out = async || origin.metric("weir_gift_rooms_left_out").await;
    until("room that is left out", async || {
        left_out().await == Some(1.0)
    })
    .await;
    let began = Instant::now();
    for number in 1..=20 {
        give(&origin, &ana, DEMO, &format!("demo-{number}")).await;
        give(&origin, &ana, STUCK, &format!("stuck-{}", number + 1)).await;
        until("word to the other room", async || {
            head(&origin, DEMO).await >= Some(number)
        })
        .await;
    }
    // Each would wait five seconds for the one that does not answer.
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    for (room, points) in [(DEMO, 200), (STUCK, 210)] {
        until("record of all", async || {
            recorded(&origin, room).await == Some(points)
        })
        .await;
    }
    let waiting = origin.metric("weir_gift_announcements_waiting").await;
    assert_eq!(waiting, Some(21.0));
    // Somebody has looked: it is told everything, once.
    std::fs::remove_file(origin.directory().join(&state)).unwrap();
    until("word to the room", async || {
        head(&origin, STUCK).await == Some(21)
    })
    .await;
    until("end of who is left out", async || {
        left_out().await == Some(0.0)
    })
    .await;
    assert_eq!(head(&origin, DEMO).await, Some(20));
    let inputs = origin.metric("weir_room_duplicates_total").await;
    assert_eq!(inputs, Some(0.0), "nothing was given to a hub twice");
}

/// A hub is told, counts and keeps its points, while the records cannot be written; then the process ends.
/// The next one tells the hub again, which has forgotten what it was told, and not what it counted.
#[tokio::test]
async fn points_are_the_records_after_a_restart() {
    let mut origin = Origin::start().await;
    let ana = rich(&origin, "Ana", 10_000).await;
    let busy = origin.hold("gifts.db");
    for number in 1..=3 {
        give(&origin, &ana, DEMO, &format!("gift-{number}")).await;
    }
    until("word to the room", async || {
        head(&origin, DEMO).await == Some(3)
    })
    .await;
    let user = ana.id.clone();
    origin
        .restart_after(async |directory| {
            assert_eq!(kept(directory, DEMO, &user), Some(30));
            let cursor = "SELECT cursor FROM gift_records_head";
            let cursor = busy.query_row(cursor, [], |row| row.get(0));
            assert_eq!(cursor, Ok(0), "the records are behind");
            busy.execute_batch("ROLLBACK").unwrap();
            drop(busy);
        })
        .await;
    until("word to the room after the restart", async || {
        head(&origin, DEMO).await >= Some(3)
    })
    .await;
    until("record of all", async || {
        recorded(&origin, DEMO).await == Some(30)
    })
    .await;
    until("correction of its points", async || {
        let corrected = "weir_gift_scores_corrected_total";
        origin.metric(corrected).await >= Some(1.0)
    })
    .await;
    // What is asked after it is answered after it.
    assert!(head(&origin, DEMO).await.is_some());
    origin
        .restart_after(async |directory| {
            assert_eq!(kept(directory, DEMO, &user), Some(30));
        })
        .await;
}

#[tokio::test]
async fn leaderboards_of_old_days_are_removed() {
    let mut origin = Origin::start().await;
    let ana = rich(&origin, "Ana", 100).await;
    give(&origin, &ana, DEMO, "gift-1").await;
    until("record of it", async || {
        recorded(&origin, DEMO).await == Some(10)
    })
    .await;
    origin
        .restart_after(async |directory| {
            for ago in [1, 30, 40, 400] {
                give_earlier(directory, ago);
            }
        })
        .await;
    until("end of old days", async || days(&origin) == [1, 30]).await;
    let today = "/v1/rooms/demo/leaderboard?period=day";
    let today = origin.ask(get(today)).await.body["total"].clone();
    assert!(
        today == json!(10) || today == json!(0),
        "but for midnight: {today}"
    );
    assert_eq!(recorded(&origin, DEMO).await, Some(10));
}
