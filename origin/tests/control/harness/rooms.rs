//! Rooms, and what most tests do with them.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Origin, Publisher, Someone, eventually, operator, stranger};

impl Origin {
    pub(crate) async fn create(&self, room: &str) -> Answer {
        let ask = operator(Method::POST, "/v1/admin/rooms");
        let made = self.operate(ask.json(json!({ "name": room }))).await;
        made.is(201)
    }

    /// The same for somebody whose room it is.
    pub(crate) async fn create_for(&self, room: &str, owner: &Someone) -> Answer {
        let ask = operator(Method::POST, "/v1/admin/rooms");
        let body = json!({ "name": room, "owner": owner.id });
        self.operate(ask.json(body)).await.is(201)
    }

    /// A key of a room.
    pub(crate) async fn key(&self, room: &str, ask: Value) -> Answer {
        let path = format!("/v1/admin/rooms/{room}/keys");
        let made = self.operate(operator(Method::POST, &path).json(ask)).await;
        made.is(201)
    }

    /// What is said to who may not publish with this key.
    pub(crate) async fn refused(&self, key: &str) -> String {
        let mut publisher = Publisher::start(&self.publish_url(key), 30);
        let (was_content, said) = publisher.exited().await;
        assert!(!was_content, "{said}");
        said
    }

    /// What a page of the public listener answers.
    pub(crate) async fn status(&self, path: &str) -> StatusCode {
        self.ask(stranger(path)).await.status
    }

    /// Waits until a room can be watched.
    pub(crate) async fn live(&self, room: &str) {
        let path = format!("/live/{room}/360p/index.m3u8");
        eventually("a playlist", async || {
            (self.status(&path).await == StatusCode::OK).then_some(())
        })
        .await;
    }
}
