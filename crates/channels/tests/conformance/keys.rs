//! Keys to publish with.

use channels::limits::{KEYS_KEPT_MAX, KEYS_MAX};
use channels::{By, Change, Error, KeyState, NewKey, PublishKey, Refused};

use crate::{Kit, NOW, key, open, room};

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Refused {
    match result {
        Err(Error::Refused(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_key_opens_its_room_until_it_does_not<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    room(&channels, "a").await;
    room(&channels, "b").await;
    let (old, old_id) = key(&channels, "a", None, false).await;
    let (new, _) = key(&channels, "a", Some(NOW + 10), false).await;
    // Two are valid at a time: that is how one is replaced.
    for shown in [&old, &new] {
        let (found, of) = channels.find_key(shown.expose(), NOW).await.unwrap();
        assert_eq!(of.name, "a");
        channels.use_key(&found, NOW + 1).await.unwrap();
    }
    let listed = channels.keys("a").await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].last_used_ms, Some(NOW + 1));
    let wrong = channels.find_key("k-wrong", NOW).await;
    assert_eq!(refused(wrong), Refused::WrongKey);
    assert_eq!(
        channels.revoke_key("b", &old_id).await,
        Err(Error::UnknownKey)
    );
    channels.revoke_key("a", &old_id).await.unwrap();
    assert_eq!(
        channels.revoke_key("a", &old_id).await,
        Err(Error::UnknownKey)
    );
    assert_eq!(channels.keys("a").await.unwrap().len(), 1);
    let revoked = channels.find_key(old.expose(), NOW).await;
    assert_eq!(refused(revoked), Refused::Revoked);
    let expired = channels.find_key(new.expose(), NOW + 10).await;
    assert_eq!(refused(expired), Refused::Expired);
}

pub(crate) async fn one_that_is_good_once_is_used_once<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    room(&channels, "a").await;
    let (shown, _) = key(&channels, "a", None, true).await;
    let (found, _) = channels.find_key(shown.expose(), NOW).await.unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (channels, found) = (channels.clone(), found.clone());
            tokio::spawn(async move { channels.use_key(&found, NOW).await })
        })
        .collect();
    let mut used = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => used += 1,
            other => assert_eq!(refused(other), Refused::Used),
        }
    }
    assert_eq!(used, 1);
    // Its encoder is known, and refused by whoever does not wait for it.
    let (found, _) = channels.find_key(shown.expose(), NOW).await.unwrap();
    assert!(found.is_used());
    assert_eq!(found.state(NOW), KeyState::Used);
}

pub(crate) async fn one_that_is_good_once_comes_back_to_its_broadcast<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    room(&channels, "a").await;
    let (shown, _) = key(&channels, "a", None, true).await;
    let (key, _) = channels.find_key(shown.expose(), NOW).await.unwrap();
    let first = channels.use_key(&key, NOW).await.unwrap();
    // Two origins that remember the same: one of them goes on with it.
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (channels, key, first) = (channels.clone(), key.clone(), first.clone());
            tokio::spawn(async move { channels.use_key_again(&key, first, NOW).await })
        })
        .collect();
    let mut goes_on = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(begun) => goes_on.push(begun),
            other => assert_eq!(refused(other), Refused::Used),
        }
    }
    let [second] = &goes_on[..] else {
        panic!("{goes_on:?}");
    };
    assert_ne!(second, &first);
    // A clock that is set back is no reason.
    let again = channels.use_key_again(&key, second.clone(), NOW - 9);
    let third = again.await.unwrap();
    assert!(third.used_ms > second.used_ms);
    assert_eq!(
        refused(channels.use_key(&key, NOW).await),
        Refused::Used,
        "it is no broadcast of its own"
    );
    let last_used = channels.keys("a").await.unwrap()[0].last_used_ms;
    assert_eq!(last_used, Some(third.used_ms));
}

pub(crate) async fn nobody_comes_back_with_a_key_that_is_no_longer_good<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    room(&channels, "a").await;
    let (shown, id) = key(&channels, "a", Some(NOW + 10), true).await;
    let (key, _) = channels.find_key(shown.expose(), NOW).await.unwrap();
    let begun = channels.use_key(&key, NOW).await.unwrap();
    let again = async |now_ms| {
        let again = channels.use_key_again(&key, begun.clone(), now_ms);
        refused(again.await)
    };
    assert_eq!(again(NOW + 10).await, Refused::Expired);
    let expired = channels.find_key(shown.expose(), NOW + 10).await;
    assert_eq!(refused(expired), Refused::Expired);
    let stop = channels.stop_room("a", By::Staff, "enough".to_owned());
    stop.await.unwrap();
    let reason = "enough".to_owned();
    assert_eq!(again(NOW).await, Refused::Stopped { reason });
    channels.open_room("a", By::Staff).await.unwrap();
    assert_eq!(again(NOW).await, Refused::Used, "the stop ended it");
    channels.revoke_key("a", &id).await.unwrap();
    assert_eq!(again(NOW).await, Refused::Revoked);
}

pub(crate) async fn keys_of_rooms_and_their_owner_are_taken_back<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    let mut shown = Vec::new();
    for name in ["a", "b", "c"] {
        room(&channels, name).await;
        shown.push(key(&channels, name, None, false).await.0);
    }
    let change = Change {
        title: None,
        owner: Some(Some("u-1".to_owned())),
        rules: None,
    };
    channels.change_room("b", change).await.unwrap();
    let (found, _) = channels.find_key(shown[0].expose(), NOW).await.unwrap();
    let version = channels.version().await.unwrap();
    let rooms = vec!["a".to_owned(), "nowhere".to_owned()];
    let owner = Some("u-1".to_owned());
    let revoked = channels.revoke_keys(rooms.clone(), owner.clone()).await;
    assert_eq!(revoked, Ok(2));
    assert!(channels.version().await.unwrap() > version);
    for shown in &shown[..2] {
        let answer = channels.find_key(shown.expose(), NOW).await;
        assert_eq!(refused(answer), Refused::Revoked);
    }
    let late = channels.use_key(&found, NOW).await;
    assert_eq!(refused(late), Refused::Revoked, "found before");
    channels.find_key(shown[2].expose(), NOW).await.unwrap();
    assert_eq!(channels.revoke_keys(rooms, owner).await, Ok(0));
    let cuts = channels.snapshot().await.unwrap().rooms;
    let cuts: Vec<u64> = cuts.iter().map(|room| room.cuts).collect();
    assert_eq!(cuts, [2, 2, 0]);
}

pub(crate) async fn keys_are_bounded_and_old_ones_forgotten<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    room(&channels, "a").await;
    let mut ids = Vec::new();
    for _ in 0..KEYS_MAX {
        ids.push(key(&channels, "a", None, false).await.1);
    }
    let one_more = || {
        let shown = PublishKey::random().unwrap();
        NewKey::new(&shown, String::new(), None, false).unwrap()
    };
    let refused = channels.create_key("a", one_more(), NOW).await;
    assert_eq!(refused, Err(Error::TooManyKeys));
    for _ in 0..2 * KEYS_MAX {
        let id = ids.remove(0);
        channels.revoke_key("a", &id).await.unwrap();
        ids.push(channels.create_key("a", one_more(), NOW).await.unwrap().id);
    }
    let kept: u64 = kit
        .sql("SELECT count(*) FROM channels_keys")
        .parse()
        .unwrap();
    assert!(kept <= KEYS_KEPT_MAX, "{kept}");
    let listed = channels.keys("a").await.unwrap();
    assert!(listed.iter().all(|key| key.state(NOW) == KeyState::Active));
    assert_eq!(listed.len() as u64, KEYS_MAX);
}

pub(crate) async fn a_stopped_room_opens_for_nobody<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    room(&channels, "a").await;
    let (shown, _) = key(&channels, "a", None, false).await;
    let (found, _) = channels.find_key(shown.expose(), NOW).await.unwrap();
    let stop = channels.stop_room("a", By::Staff, "enough".to_owned());
    stop.await.unwrap();
    let stopped = Refused::Stopped {
        reason: "enough".to_owned(),
    };
    assert_eq!(
        refused(channels.find_key(shown.expose(), NOW).await),
        stopped
    );
    assert_eq!(
        refused(channels.use_key(&found, NOW).await),
        stopped,
        "found before"
    );
    let start = channels.open_room("a", By::Staff);
    start.await.unwrap();
    channels.use_key(&found, NOW).await.unwrap();
    channels.delete_room("a", false).await.unwrap();
    assert_eq!(
        refused(channels.use_key(&found, NOW).await),
        Refused::Revoked
    );
    assert_eq!(
        refused(channels.find_key(shown.expose(), NOW).await),
        Refused::WrongKey
    );
}
