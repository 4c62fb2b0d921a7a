//! The outbox: in order, and again until it is done.

use ledger::{Error, Queued, Store as _};

use crate::batches::at_once;
use crate::support::kits::{Kit, Setup};
use crate::support::{NOW, gift, message, top_up};
use crate::{clean, with_coins};

fn seqs(messages: &[Queued]) -> Vec<u64> {
    messages.iter().map(|message| message.seq).collect()
}

pub(crate) async fn messages_come_in_order_until_they_are_done<K: Kit>(kit: K) {
    let ledger = with_coins(&kit, 1_000).await;
    let gifts = (0..40).map(|n| gift(&format!("g{n:02}"), "viewer", "diamonds-a", 1));
    at_once(&ledger, gifts.collect()).await;
    let two = top_up("two", "viewer", 1);
    let two = two.with_messages(vec![message("a", "first"), message("", "")]);
    ledger
        .commit(two.expect("few"), NOW)
        .await
        .expect("a commit");

    let all = ledger.outbox_after(0, 1_000).await.expect("messages");
    assert_eq!(seqs(&all), (1..=42).collect::<Vec<_>>());
    // Batches in their order, too, and each message is of the batch it names.
    assert!(all.is_sorted_by_key(|message| message.batch));
    for told in &all[..40] {
        let name = std::str::from_utf8(&told.payload).expect("a name");
        let coins = crate::support::id(&format!("{name}/coins"));
        let posted = ledger
            .find_transfer(&coins)
            .await
            .expect("a read")
            .expect("it is there");
        assert_eq!(posted.batch, told.batch);
    }
    assert_eq!(
        (all[40].topic.as_str(), &all[40].payload[..]),
        ("a", &b"first"[..])
    );
    assert_eq!(
        (all[41].topic.as_str(), &all[41].payload[..]),
        ("", &b""[..])
    );
    let page = ledger.outbox_after(10, 5).await.expect("messages");
    assert_eq!(seqs(&page), [11, 12, 13, 14, 15]);

    // Not done: it comes again, also after a restart.
    ledger.close().await;
    let ledger = kit.open(Setup::default()).await.expect("a ledger");
    assert_eq!(ledger.outbox_after(0, 1_000).await.expect("messages"), all);
    ledger.outbox_done(30).await.expect("done");
    ledger.outbox_done(12).await.expect("done before");
    let rest = ledger.outbox_after(0, 1_000).await.expect("messages");
    assert_eq!(seqs(&rest), (31..=42).collect::<Vec<_>>());
    clean(&ledger).await;
    let refused = ledger.outbox_done(43).await;
    assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
    ledger.outbox_done(42).await.expect("done");
    assert_eq!(ledger.outbox_after(0, 10).await, Ok(Vec::new()));
    clean(&ledger).await;
    ledger
        .commit(gift("next", "viewer", "diamonds-a", 1), NOW)
        .await
        .expect("a gift");
    assert_eq!(
        seqs(&ledger.outbox_after(0, 10).await.expect("messages")),
        [43]
    );
    // What is done is done, for those who repeat the gift, too.
    let again = ledger
        .commit(gift("g00", "viewer", "diamonds-a", 1), NOW)
        .await;
    assert!(!again.expect("as before").is_new());
    assert_eq!(
        seqs(&ledger.outbox_after(0, 10).await.expect("messages")),
        [43]
    );
    clean(&ledger).await;
}
