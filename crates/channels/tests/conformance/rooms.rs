//! Rooms.

use channels::{By, Change, Error, Invalid, NewRoom, Room, RoomState, Source};

use crate::{Kit, NOW, key, open, room};

pub(crate) async fn a_room_is_made_changed_stopped_and_deleted<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    let version = channels.version().await.unwrap();
    let made = room(&channels, "a").await;
    assert_eq!((made.state, made.source), (RoomState::Open, Source::Api));
    assert_eq!((made.title.as_str(), made.created_ms), ("A", NOW));
    let change = Change {
        title: None,
        owner: Some(Some("u-1".to_owned())),
        rules: None,
    };
    let (before, after) = channels.change_room("a", change).await.unwrap();
    assert_eq!((before.owner, after.owner.as_deref()), (None, Some("u-1")));
    assert_eq!(after.title, "A");
    let reason = "the kettle boils over".to_owned();
    let stopped = channels.stop_room("a", By::Staff, reason).await;
    let (was, is) = stopped.unwrap();
    assert_eq!((was.state, is.state), (RoomState::Open, RoomState::Stopped));
    let refused = channels.admit("a").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the room is stopped: the kettle boils over"
    );
    assert_eq!(channels.admit("b").await, Ok(()), "nobody stopped it");
    key(&channels, "a", None, false).await;
    assert_eq!(channels.snapshot().await.unwrap().rooms.len(), 1);
    assert!(channels.version().await.unwrap() >= version + 3);
    assert_eq!(channels.delete_room("a", false).await.unwrap().name, "a");
    assert_eq!(channels.room("a").await, Err(Error::UnknownRoom));
    assert_eq!(
        channels.delete_room("a", false).await,
        Err(Error::UnknownRoom)
    );
    assert_eq!(channels.keys("a").await, Err(Error::UnknownRoom));
}

pub(crate) async fn names_are_taken_once<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let channels = channels.clone();
            let new = NewRoom::new("a".to_owned(), String::new(), None).unwrap();
            tokio::spawn(async move { channels.create_room(new, NOW).await })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => made += 1,
            Err(error) => assert_eq!(error, Error::Taken),
        }
    }
    assert_eq!(made, 1);
}

pub(crate) async fn a_configured_room_stays_what_it_is<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    let demo = |title: &str| vec![("demo".to_owned(), title.to_owned())];
    channels.configure(demo("One"), NOW).await.unwrap();
    let new = NewRoom::new("demo".to_owned(), String::new(), None).unwrap();
    assert_eq!(channels.create_room(new, NOW).await, Err(Error::Taken));
    let stopped = channels.stop_room("demo", By::Staff, String::new());
    stopped.await.unwrap();
    channels.configure(demo("Two"), NOW + 1).await.unwrap();
    let demo = channels.room("demo").await.unwrap();
    assert_eq!(
        (demo.source, demo.state),
        (Source::Config, RoomState::Stopped)
    );
    assert_eq!((demo.title.as_str(), demo.created_ms), ("Two", NOW));
    assert_eq!(
        channels.delete_room("demo", false).await,
        Err(Error::Configured)
    );
    let change = Change {
        title: Some("Three".to_owned()),
        owner: None,
        rules: None,
    };
    let refused = channels.change_room("demo", change).await;
    assert_eq!(refused, Err(Error::Configured));
}

/// Who looks now and then sees two rooms that are open.
pub(crate) async fn a_stop_that_was_missed_can_be_seen<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    let mut stops = room(&channels, "a").await.stops;
    let mut grown = |room: &Room| std::mem::replace(&mut stops, room.stops) < room.stops;
    let stop = async || channels.stop_room("a", By::Staff, String::new()).await;
    assert!(grown(&stop().await.unwrap().1));
    let open = channels.open_room("a", By::Staff).await;
    assert!(!grown(&open.unwrap().1));
    assert!(grown(&stop().await.unwrap().1));
    channels.delete_room("a", false).await.unwrap();
    assert!(grown(&room(&channels, "a").await));
    let seen = channels.snapshot().await.unwrap().rooms;
    assert!(!grown(&seen[0]));
    let demo = vec![("a".to_owned(), String::new())];
    channels.configure(demo, NOW).await.unwrap();
    assert!(!grown(&channels.room("a").await.unwrap()));
}

pub(crate) async fn whom_staff_stopped_staff_open<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    assert_eq!(room(&channels, "a").await.stopped_by, None);
    for (stops, opens) in [
        (By::Moderator, By::Broadcaster),
        (By::Broadcaster, By::Broadcaster),
        (By::Broadcaster, By::Staff),
        (By::Staff, By::Staff),
    ] {
        let stop = || channels.stop_room("a", stops, "tea".to_owned());
        let (before, stopped) = stop().await.unwrap();
        assert_eq!((before.stopped_by, stopped.stopped_by), (None, Some(stops)));
        let (before, again) = stop().await.unwrap();
        assert_eq!((&before, &again), (&stopped, &stopped), "nothing changed");
        let (before, opened) = channels.open_room("a", opens).await.unwrap();
        assert_eq!(before, stopped);
        assert_eq!((opened.state, opened.stopped_by), (RoomState::Open, None));
        assert_eq!(opened.reason, "");
    }
    // Nobody takes it over.
    let own = channels
        .stop_room("a", By::Broadcaster, "tea".to_owned())
        .await;
    own.unwrap();
    let theirs = channels.stop_room("a", By::Staff, "fire".to_owned()).await;
    let (_, theirs) = theirs.unwrap();
    for by in [By::Broadcaster, By::Moderator] {
        let again = channels.stop_room("a", by, "tea".to_owned()).await;
        assert_eq!(again, Ok((theirs.clone(), theirs.clone())));
        assert_eq!(
            channels.open_room("a", by).await,
            Err(Error::StoppedByStaff)
        );
    }
    assert_eq!(channels.room("a").await, Ok(theirs));
}

pub(crate) async fn pages_have_all<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    for name in ["c", "a", "B", "d_1", "d-2"] {
        room(&channels, name).await;
    }
    let (mut names, mut after) = (Vec::new(), None);
    loop {
        let page = channels.rooms(after, 2).await.unwrap();
        assert!(page.rooms.len() <= 2);
        names.extend(page.rooms.into_iter().map(|room| room.name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(
        names,
        ["B", "a", "c", "d-2", "d_1"],
        "in the order of their bytes"
    );
}

pub(crate) async fn everything_is_there_after_a_restart<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    room(&channels, "a").await;
    let (shown, _) = key(&channels, "a", None, false).await;
    channels.close().await;
    let stored = kit.sql("SELECT id || label FROM channels_keys");
    assert!(!stored.contains(shown.expose()));
    let channels = open(&kit).await;
    let (found, of) = channels.find_key(shown.expose(), NOW).await.unwrap();
    assert_eq!((found.room, of.name), ("a".to_owned(), "a".to_owned()));
}

pub(crate) async fn rules_are_kept_as_they_are_written<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    let new = NewRoom::new("a".to_owned(), String::new(), None).unwrap();
    let new = new.with_rules("{\"width_max\":1}".to_owned()).unwrap();
    let made = channels.create_room(new, NOW).await.unwrap();
    assert_eq!(made.rules, "{\"width_max\":1}");
    let change = |rules: &str| Change {
        rules: Some(rules.to_owned()),
        ..Change::default()
    };
    let title = Change {
        title: Some("A".to_owned()),
        ..Change::default()
    };
    let (_, after) = channels.change_room("a", title).await.unwrap();
    assert_eq!(after.rules, made.rules, "left as they were");
    let version = channels.version().await.unwrap();
    let (before, after) = channels.change_room("a", change("")).await.unwrap();
    assert_eq!((before.rules, after.rules.as_str()), (made.rules, ""));
    assert!(channels.version().await.unwrap() > version);
    for rules in ["two\nlines", &"x".repeat(2_049)] {
        let refused = channels.change_room("a", change(rules)).await;
        assert_eq!(refused, Err(Error::Invalid(Invalid::Rules)));
    }
    let demo = vec![("demo".to_owned(), String::new())];
    channels.configure(demo, NOW).await.unwrap();
    let refused = channels.change_room("demo", change("{}")).await;
    assert_eq!(refused, Err(Error::Configured));
    channels.close().await;
    let channels = open(&kit).await;
    assert_eq!(channels.room("a").await.unwrap().rules, "");
}

pub(crate) async fn a_database_of_before_rules_is_taken_over<K: Kit>(kit: K) {
    let channels = open(&kit).await;
    room(&channels, "a").await;
    let (shown, _) = key(&channels, "a", None, true).await;
    channels.close().await;
    // As the version before left it.
    kit.sql("ALTER TABLE channels_rooms DROP COLUMN rules");
    kit.sql("DELETE FROM channels_migrations WHERE version = 6");
    let channels = open(&kit).await;
    let (found, of) = channels.find_key(shown.expose(), NOW).await.unwrap();
    assert_eq!((of.title.as_str(), of.rules.as_str()), ("A", ""));
    channels.use_key(&found, NOW).await.unwrap();
    assert_eq!(kit.sql("SELECT max(version) FROM channels_migrations"), "6");
}
