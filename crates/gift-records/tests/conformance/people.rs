//! What is kept of a person.

use database::testing::Kit;
use gift_records::{Applied, GiftRecord, Period, Spent, State};

use crate::{DAY_MS, NOON, found, gift, give, held, noon, open, take_back};

pub(crate) async fn what_somebody_spent<K: Kit>(kit: K) {
    let records = open(&kit).await;
    let at = |id, at_ms| GiftRecord {
        at_ms,
        ..gift(id, "demo", "ana")
    };
    give(&records, 1, at("yesterday", noon().start_ms() - 1)).await;
    give(&records, 2, at("first", noon().start_ms())).await;
    give(&records, 3, at("last", noon().next().start_ms() - 1)).await;
    give(&records, 4, at("tomorrow", noon().next().start_ms())).await;
    give(&records, 5, gift("ben's", "demo", "ben")).await;
    records
        .hold(held("held", "other", "ana"))
        .await
        .expect("held");
    records
        .hold(held("not", "other", "ana"))
        .await
        .expect("held");
    records.reject_held("not").await.expect("rejected");
    let spent = records.spent("ana", noon()).await.expect("a sum");
    assert_eq!(spent, 30);
    let spent = Spent {
        gifts: 3,
        coins: 30,
    };
    let since = records.spent_since("ana", NOON).await.expect("a sum");
    assert_eq!(since, spent);
    take_back(&records, 6, "last").await;
    assert_eq!(records.spent("ana", noon()).await.expect("a sum"), 20);
    assert_eq!(records.spent("nobody", noon()).await.expect("a sum"), 0);
}

/// More than one transaction reads or changes.
const MANY: u64 = 2_100;

async fn many<K: Kit>(kit: &K) -> gift_records::GiftRecords {
    let records = open(kit).await;
    let all = (1..=MANY).map(|n| {
        let gift = GiftRecord {
            at_ms: NOON + n / 3,
            ..gift(&format!("g{n:05}"), "demo", "ana")
        };
        (n, Applied::Given(gift))
    });
    records.apply_all(all.collect()).await.expect("applied");
    give(&records, MANY + 1, gift("ben's", "demo", "ben")).await;
    records
}

pub(crate) async fn a_person_is_exported<K: Kit>(kit: K) {
    let records = many(&kit).await;
    records
        .hold(held("held", "demo", "ana"))
        .await
        .expect("held");
    let mut expected: Vec<_> = (1..=MANY).map(|n| format!("g{n:05}")).collect();
    // Those of the first moment come in the order of their ids.
    expected.insert(2, "held".to_owned());
    let export = records.export("ana").await.expect("an export");
    let ids: Vec<_> = export.into_iter().map(|gift| gift.id).collect();
    assert_eq!(ids, expected);
    assert_eq!(records.export("nobody").await.expect("an export"), []);
}

pub(crate) async fn a_person_is_forgotten<K: Kit>(kit: K) {
    let records = many(&kit).await;
    records
        .hold(held("held", "demo", "ana"))
        .await
        .expect("held");
    records.forget("ana").await.expect("forgotten");
    // What was on its way comes later.
    give(&records, MANY + 2, gift("late", "demo", "ana")).await;
    records
        .hold(held("odd", "demo", "ana"))
        .await
        .expect("held");
    let export = records.export("ana").await.expect("an export");
    let total = export.iter().map(|gift| gift.total).sum::<u64>();
    assert_eq!(total, 10 * (MANY + 3));
    for gift in export {
        assert_eq!(gift.sender_name, "", "{}", gift.id);
        assert_eq!(gift.note, None, "{}", gift.id);
    }
    let rejected = found(&records, "held").await;
    assert_eq!((rejected.state, rejected.plan), (State::Rejected, None));
    let board = records.leaderboard(Some("demo"), Period::All, 10).await;
    let board = board.expect("a board");
    assert_eq!(board.entries[0].user_id, "ana");
    assert_eq!(board.entries[0].name, "");
    assert_eq!(board.entries[0].points, 10 * (MANY + 1));
    assert_eq!(board.entries[1].name, "BEN");
    for table in ["gift_records", "gift_records_people"] {
        let column = ["sender_name", "name"][usize::from(table.ends_with("people"))];
        let left = kit.sql(&format!(
            "SELECT count(*) FROM {table} WHERE {column} = 'ANA'"
        ));
        assert_eq!(left, "0", "{table}");
    }
    // Again is the same, and so is somebody who never gave.
    records.forget("ana").await.expect("forgotten");
    records.forget("nobody").await.expect("forgotten");
    let ben = found(&records, "ben's").await;
    assert_eq!(ben.note.as_deref(), Some("for you"));
    let spent = records.spent("ana", noon().next()).await.expect("a sum");
    assert_eq!(spent, 0, "{DAY_MS}");
}
