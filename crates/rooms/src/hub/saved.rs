//! What a room keeps, and what it forgets when somebody asks for it.

use serde::{Deserialize, Serialize};

use super::{
    Hub,
    tally::{Likes, Scores},
};
use crate::{
    moderation::RoomState,
    schema::{Act, Body, Moderation, Publish},
};

/// What survives a hub, if its driver keeps it. Opaque but for serde and [`Saved::new`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    pub(super) room: RoomState,
    pub(super) likes: Likes,
    pub(super) scores: Scores,
}

impl Saved {
    /// Of a room that was never open.
    pub fn new(room: RoomState) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }

    /// Settings, pin, sanctions, reviews.
    pub fn room(&self) -> &RoomState {
        &self.room
    }

    /// Takes away what a user wrote, and their points with their name, of a room that is not open. Whether
    /// there was anything.
    pub fn forget(&mut self, user: &str) -> bool {
        let had_points = self.scores.forget(user);
        self.room.forget(user) || had_points
    }
}

impl Hub {
    /// Takes away a user's points with their name, and closes reviews of what they wrote or complained of.
    /// What else they wrote goes by [`Act::DeleteUser`]. `actor` is who does it.
    pub fn forget(&mut self, now_ms: u64, user: &str, actor: &str) {
        let reviews: Vec<String> = self
            .saved
            .room
            .reviews_of(user)
            .map(str::to_owned)
            .collect();
        for id in reviews {
            let publish = Publish {
                author: actor.to_owned(),
                client_id: format!("forget.{now_ms}.{id}"),
                media_ms: None,
                body: Body::Moderation(Moderation {
                    actor: actor.to_owned(),
                    reason: String::new(),
                    act: Act::Dismiss { id },
                }),
            };
            // It is open, so it is closed.
            self.publish(now_ms, publish);
        }
        self.combos.forget(user);
        if self.saved.scores.forget(user) {
            // Kept at once: whoever asks for this is told that it is done.
            self.durable_version += 1;
        }
    }
}
