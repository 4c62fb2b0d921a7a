//! Keys that are good for one broadcast: their encoders come back to it, and to no other.

use std::process::Command;
use std::time::Duration;

use database::testing::Server;
use hls::media::MediaPlaylist;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::harness::{Origin, Publisher, Setup, eventually, operator, stranger};

const ROOM: &str = "/v1/admin/rooms/kitchen";
const USED: &str = "good for one broadcast";

impl Publisher {
    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Ends it without a word, and waits until the origin knows.
    async fn vanish(self, origin: &Origin) {
        drop(self);
        nobody_is_connected(origin).await;
    }

    /// Has it end its stream, as somebody at a keyboard would.
    async fn leave(mut self, origin: &Origin) {
        self.signal("-INT");
        self.exited().await;
        nobody_is_connected(origin).await;
    }
}

async fn nobody_is_connected(origin: &Origin) {
    eventually("end of the publisher's connection", async || {
        let connections = origin.metric("origin_ingest_connections").await;
        (connections == Some(0.0)).then_some(())
    })
    .await;
}

/// A room's key for one broadcast, and its id.
async fn once(origin: &Origin) -> (String, String) {
    origin.create("kitchen").await;
    let ask = json!({ "once": true, "expires_in": 3600 });
    let made = origin.key("kitchen", ask).await;
    assert!(made.body["expires_at_ms"].is_u64());
    (made.text("/key").to_owned(), made.text("/id").to_owned())
}

async fn playlist(origin: &Origin) -> Option<MediaPlaylist> {
    let path = "/live/kitchen/360p/index.m3u8";
    let answer = origin.ask(stranger(path)).await;
    let is_there = answer.status == StatusCode::OK;
    is_there.then(|| hls::media::parse(&answer.page).unwrap())
}

/// A playlist with so many segments of media, each of them of one publisher after the other.
async fn media(origin: &Origin, count: usize, discontinuities: usize) -> MediaPlaylist {
    eventually("segments", async || {
        let playlist = playlist(origin).await?;
        let breaks = playlist.segments.iter();
        let breaks = breaks.filter(|own| own.head.discontinuity).count();
        let media = playlist.segments.iter().rev().take_while(|own| !own.gap);
        (breaks >= discontinuities && media.count() >= count).then_some(playlist)
    })
    .await
}

async fn state_of_the_key(origin: &Origin) -> String {
    let list = operator(Method::GET, &format!("{ROOM}/keys"));
    let list = origin.operate(list).await.is(200);
    list.text("/keys/0/state").to_owned()
}

#[tokio::test]
async fn who_vanished_comes_back_to_the_same_broadcast() {
    let origin = Setup::new().encoder().start().await;
    let (key, _) = once(&origin).await;
    let url = origin.publish_url(&key);
    let first = Publisher::start(&url, 30);
    let before = media(&origin, 2, 0).await;
    let said = origin.refused(&key).await;
    assert!(said.contains("is being published already"), "{said}");
    first.vanish(&origin).await;
    for discontinuities in 1..3 {
        let again = Publisher::start(&url, 30);
        let after = media(&origin, 2, discontinuities).await;
        assert!(!after.end_list);
        assert_eq!(
            after.media_sequence, before.media_sequence,
            "viewers have the playlist that they had"
        );
        assert_eq!(state_of_the_key(&origin).await, "used");
        again.vanish(&origin).await;
    }
    let again = Publisher::start(&url, 30);
    media(&origin, 1, 3).await;
    again.leave(&origin).await;
    let said = origin.refused(&key).await;
    assert!(said.contains(USED), "it said goodbye: {said}");
    assert!(playlist(&origin).await.unwrap().end_list);
}

#[tokio::test]
async fn who_is_silent_is_taken_over_by_its_own_key() {
    let origin = Setup::new().encoder().start().await;
    let (key, _) = once(&origin).await;
    let url = origin.publish_url(&key);
    let first = Publisher::start(&url, 30);
    media(&origin, 1, 0).await;
    first.signal("-STOP");
    let second = eventually("a second publisher who is let in", async || {
        let mut second = Publisher::start(&url, 30);
        let refused = timeout(Duration::from_secs(3), second.exited()).await;
        refused.is_err().then_some(second)
    })
    .await;
    let after = media(&origin, 1, 1).await;
    assert!(!after.end_list);
    // The first finds out when it goes on, and must not get in again while the second is there.
    first.signal("-CONT");
    let said = origin.refused(&key).await;
    assert!(said.contains("is being published already"), "{said}");
    second.vanish(&origin).await;
}

#[tokio::test]
async fn nobody_comes_back_after_the_grace() {
    let grace = "[publish]\nreconnect_grace_seconds = 1\n";
    let origin = Setup::new().encoder().with(grace).start().await;
    let (key, _) = once(&origin).await;
    let first = Publisher::start(&origin.publish_url(&key), 30);
    media(&origin, 1, 0).await;
    first.vanish(&origin).await;
    eventually("EXT-X-ENDLIST", async || {
        playlist(&origin).await?.end_list.then_some(())
    })
    .await;
    let said = origin.refused(&key).await;
    assert!(said.contains(USED), "{said}");
}

#[tokio::test]
async fn nobody_comes_back_to_a_room_that_was_stopped_or_with_a_key_that_was_deleted() {
    let origin = Setup::new().encoder().start().await;
    let (key, _) = once(&origin).await;
    let first = Publisher::start(&origin.publish_url(&key), 30);
    media(&origin, 1, 0).await;
    first.vanish(&origin).await;
    for act in ["stop", "start"] {
        let path = format!("{ROOM}/{act}");
        origin.operate(operator(Method::POST, &path)).await.is(200);
    }
    let said = origin.refused(&key).await;
    assert!(said.contains(USED), "{said}");

    let made = origin.key("kitchen", json!({ "once": true })).await;
    let key = made.text("/key");
    let second = Publisher::start(&origin.publish_url(key), 30);
    media(&origin, 1, 0).await;
    second.vanish(&origin).await;
    let path = format!("{ROOM}/keys/{}", made.text("/id"));
    let delete = operator(Method::DELETE, &path);
    origin.operate(delete).await.is(204);
    let said = origin.refused(key).await;
    assert!(said.contains("it was deleted"), "{said}");
}

#[tokio::test]
async fn who_published_comes_back_behind_a_restart_of_the_origin() {
    let directory = tempfile::tempdir().unwrap();
    let state = format!(
        "[packaging]\nstate_dir = \"{}\"\n",
        directory.path().display()
    );
    let mut origin = Setup::new().encoder().with(&state).start().await;
    let (key, _) = once(&origin).await;
    let first = Publisher::start(&origin.publish_url(&key), 30);
    let before = media(&origin, 2, 0).await;
    origin.restart().await;
    drop(first);
    let again = Publisher::start(&origin.publish_url(&key), 30);
    let after = media(&origin, 1, 0).await;
    assert!(after.media_sequence > before.media_sequence);
    assert_eq!(
        after.discontinuity_sequence,
        before.discontinuity_sequence + 1,
        "it is the same stream"
    );
    again.leave(&origin).await;
    origin.restart().await;
    let said = origin.refused(&key).await;
    assert!(said.contains(USED), "{said}");
}

#[tokio::test]
async fn no_other_origin_lets_in_who_vanished_from_this_one() {
    let server = spawn_blocking(Server::start).await.unwrap();
    let store = format!("kind = \"postgres\"\nurl = \"{}\"\n", server.url());
    let start = async || Setup::new().encoder().store(&store).start().await;
    let (here, there) = (start().await, start().await);
    let (key, _) = once(&here).await;
    let url = here.publish_url(&key);
    let first = Publisher::start(&url, 30);
    media(&here, 1, 0).await;
    let said = there.refused(&key).await;
    assert!(said.contains(USED), "it is published here: {said}");
    first.vanish(&here).await;
    let said = there.refused(&key).await;
    assert!(said.contains(USED), "it is waited for here: {said}");
    let again = Publisher::start(&url, 30);
    media(&here, 1, 1).await;
    again.vanish(&here).await;
    // A stop of another origin ends the broadcast, though this one may not have looked yet.
    for act in ["stop", "start"] {
        let path = format!("{ROOM}/{act}");
        there.operate(operator(Method::POST, &path)).await.is(200);
    }
    let said = here.refused(&key).await;
    assert!(said.contains(USED), "{said}");
}
