//! Lists of gifts.

use database::testing::Kit;
use gift_records::{Applied, Page, State};

use crate::{gift, give, held, open, take_back};

fn ids(page: &Page) -> String {
    let ids: Vec<_> = page.gifts.iter().map(|gift| gift.id.as_str()).collect();
    ids.join(" ")
}

pub(crate) async fn pages_are_stable_while_more_is_given<K: Kit>(kit: K) {
    let records = open(&kit).await;
    let many: Vec<_> = (1..=25)
        .map(|n| (n, Applied::Given(gift(&n.to_string(), "demo", "ana"))))
        .collect();
    records.apply_all(many).await.expect("they are applied");
    let (mut before, mut seen, mut seq) = (None, Vec::new(), 100);
    loop {
        let page = records.gifts(Some("demo"), None, before, 10).await;
        let page = page.expect("a page");
        seen.extend(page.gifts.iter().map(|gift| gift.id.clone()));
        seq += 1;
        give(&records, seq, gift(&format!("new {seq}"), "demo", "ana")).await;
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (1..=25).rev().map(|n: u32| n.to_string()).collect();
    assert_eq!(seen, expected);
    let all = records.gifts(None, None, None, usize::MAX).await;
    assert_eq!(all.expect("a page").gifts.len(), 28);
    let one = records.gifts(None, None, None, 0).await;
    assert_eq!(ids(&one.expect("a page")), "new 103");
}

pub(crate) async fn lists_are_of_rooms_and_states<K: Kit>(kit: K) {
    let records = open(&kit).await;
    give(&records, 1, gift("a", "demo", "ana")).await;
    records.hold(held("b", "demo", "ana")).await.expect("held");
    give(&records, 2, gift("c", "other", "ana")).await;
    records.hold(held("d", "other", "ana")).await.expect("held");
    records.hold(held("e", "demo", "ana")).await.expect("held");
    records.reject_held("e").await.expect("rejected");
    give(&records, 3, gift("f", "demo", "ana")).await;
    take_back(&records, 4, "f").await;
    for (room, state, expected) in [
        (None, None, "f e d c b a"),
        (Some("demo"), None, "f e b a"),
        (None, Some(State::Held), "d b"),
        (None, Some(State::Given), "c a"),
        (Some("demo"), Some(State::Given), "a"),
        (Some("demo"), Some(State::Refunded), "f"),
        (Some("demo"), Some(State::Rejected), "e"),
        (Some("none"), None, ""),
    ] {
        let page = records.gifts(room, state, None, 10).await.expect("a page");
        assert_eq!(ids(&page), expected, "{room:?} {state:?}");
        assert_eq!(page.next, None);
    }
}
