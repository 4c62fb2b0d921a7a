//! One suite for both databases: what rooms, keys and the queue promise.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    reason = "a test fails by panicking"
)]

mod keys;
mod queue;
mod rooms;

use std::time::Duration;

use channels::{Channels, NewKey, NewRoom, PublishKey, Room};
use database::testing::{Kit, PostgresKit, SqliteKit};

/// Any time.
pub(crate) const NOW: u64 = 1_800_000_000_000;
/// How long calls may wait in tests.
const TIMEOUT: Duration = Duration::from_secs(5);

async fn open<K: Kit>(kit: &K) -> Channels {
    let opened = Channels::open(kit.settings(TIMEOUT)).await;
    opened.expect("a store")
}

async fn room(channels: &Channels, name: &str) -> Room {
    let new = NewRoom::new(name.to_owned(), name.to_uppercase(), None).expect("a name");
    channels.create_room(new, NOW).await.expect("a room")
}

/// A key of a room, as it is shown once, and its id.
async fn key(
    channels: &Channels,
    room: &str,
    expires_ms: Option<u64>,
    once: bool,
) -> (PublishKey, String) {
    let key = PublishKey::random().expect("random bytes");
    let new = NewKey::new(&key, "a label".to_owned(), expires_ms, once).expect("a label");
    let made = channels.create_key(room, new, NOW).await.expect("a key");
    (key, made.id)
}

database::suite! {
    rooms:
        a_room_is_made_changed_stopped_and_deleted
        names_are_taken_once
        a_configured_room_stays_what_it_is
        a_stop_that_was_missed_can_be_seen
        whom_staff_stopped_staff_open
        pages_have_all
        rules_are_kept_as_they_are_written
        a_database_of_before_rules_is_taken_over
        everything_is_there_after_a_restart;
    keys:
        a_key_opens_its_room_until_it_does_not
        one_that_is_good_once_is_used_once
        one_that_is_good_once_comes_back_to_its_broadcast
        nobody_comes_back_with_a_key_that_is_no_longer_good
        keys_of_rooms_and_their_owner_are_taken_back
        keys_are_bounded_and_old_ones_forgotten
        a_stopped_room_opens_for_nobody;
    queue:
        only_who_wants_to_hears
        an_endpoint_hears_in_order_and_others_do_not_wait
        the_same_event_is_queued_once
        the_oldest_is_dropped
        a_webhook_that_goes_takes_its_queue
        who_is_erased_is_told_of_no_more;
}
