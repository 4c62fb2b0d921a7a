//! What moderation leaves behind: settings, the pin, sanctions, open reviews. The hub and each edge apply the same
//! events in the same order and come to the same state; nothing here looks at a clock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    limits::{ATTRS_MAX, REVIEWS_BYTES_MAX, REVIEWS_MAX, SANCTIONS_MAX},
    schema::{
        Act, Attr, Body, Event, Message, RefusalCode, Review, ReviewKind, Roles, SettingsPatch,
        User,
    },
    window,
};

/// Settings that a room's moderators change while it is live.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// See [`SettingsPatch::slow_mode_ms`].
    pub slow_mode_ms: u32,
    /// See [`SettingsPatch::restrict`].
    pub restrict: Roles,
    /// See [`SettingsPatch::chat_per_second_max`].
    pub chat_per_second_max: u32,
    /// At most [`ATTRS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attrs: Vec<Attr>,
}

impl Settings {
    /// The settings after `patch`.
    #[must_use]
    pub fn patched(&self, patch: &SettingsPatch) -> Self {
        let mut attrs = self.attrs.clone();
        for attr in &patch.attrs {
            attrs.retain(|known| known.key != attr.key);
            if !attr.value.is_empty() {
                attrs.push(attr.clone());
            }
        }
        // The hub refuses such a patch; an edge must not grow whatever it is told.
        attrs.truncate(ATTRS_MAX);
        Self {
            slow_mode_ms: patch.slow_mode_ms.unwrap_or(self.slow_mode_ms),
            restrict: patch.restrict.unwrap_or(self.restrict),
            chat_per_second_max: patch
                .chat_per_second_max
                .unwrap_or(self.chat_per_second_max),
            attrs,
        }
    }
}

/// Why somebody may not speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Sanction {
    /// For good.
    Ban,
    /// For some time.
    Timeout {
        /// Unix milliseconds.
        until_ms: u64,
    },
}

impl Sanction {
    fn holds_at(self, now_ms: u64) -> bool {
        match self {
            Self::Ban => true,
            Self::Timeout { until_ms } => now_ms < until_ms,
        }
    }
}

/// All about one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sanctions {
    /// May not speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced: Option<Sanction>,
    /// Speaks, and nobody hears it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
}

/// What clients are given instead of the events that made it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Settings of the room.
    pub settings: Settings,
    /// What is pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Message>,
    /// By user id; for moderators only, others have an empty one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sanctions: BTreeMap<String, Sanctions>,
    /// Open ones, oldest first; for moderators only, others have an empty list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<Review>,
}

/// CONTROL of a room, as far as it lasts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomState {
    settings: Settings,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pinned: Option<Message>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sanctions: BTreeMap<String, Sanctions>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reviews: Vec<Review>,
}

impl RoomState {
    /// Of a room that begins with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    pub(crate) fn from_parts(snapshot: Snapshot) -> Self {
        Self {
            settings: snapshot.settings,
            pinned: snapshot.pinned,
            sanctions: snapshot.sanctions,
            reviews: snapshot.reviews,
        }
    }

    /// Settings of the room.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is pinned.
    pub fn pinned(&self) -> Option<&Message> {
        self.pinned.as_ref()
    }

    /// Users with a sanction, ended timeouts included.
    pub fn sanctions(&self) -> &BTreeMap<String, Sanctions> {
        &self.sanctions
    }

    /// Open reviews, oldest first; at most [`REVIEWS_MAX`], of [`REVIEWS_BYTES_MAX`].
    pub fn reviews(&self) -> &[Review] {
        &self.reviews
    }

    /// An open review.
    pub fn review(&self, id: &str) -> Option<&Review> {
        self.reviews.iter().find(|review| review.id == id)
    }

    /// Why the hub would not let `user` speak now, and how many ms are left of that.
    pub fn refusal(&self, user: &User, now_ms: u64) -> Option<(RefusalCode, Option<u64>)> {
        // Whoever the room belongs to was away, perhaps, when a moderator tried.
        let sanction = self.sanction(&user.id, now_ms);
        let sanction = sanction.filter(|_| !user.roles.intersects(Roles::ABOVE_SANCTIONS));
        match sanction {
            Some(Sanction::Ban) => return Some((RefusalCode::Banned, None)),
            Some(Sanction::Timeout { until_ms }) => {
                let left_ms = until_ms.saturating_sub(now_ms);
                return Some((RefusalCode::TimedOut, Some(left_ms)));
            }
            None => {}
        }
        let restrict = self.settings.restrict;
        let is_open =
            restrict == Roles::NONE || user.roles.intersects(restrict.union(Roles::IN_CHARGE));
        let may_speak = is_open && !user.roles.intersects(Roles::MUTED);
        (!may_speak).then_some((RefusalCode::Restricted, None))
    }

    /// Why `user` may not speak now.
    pub fn sanction(&self, user: &str, now_ms: u64) -> Option<Sanction> {
        let sanction = self.sanctions.get(user)?.silenced?;
        sanction.holds_at(now_ms).then_some(sanction)
    }

    /// Whether nobody hears `user`.
    pub fn is_shadowed(&self, user: &User) -> bool {
        !user.roles.intersects(Roles::ABOVE_SANCTIONS)
            && self
                .sanctions
                .get(&user.id)
                .is_some_and(|known| known.shadow)
    }

    /// Whether one more user can get a sanction.
    pub(crate) fn has_room_for(&self, user: &str, now_ms: u64) -> bool {
        self.sanctions.len() < SANCTIONS_MAX
            || self.sanctions.contains_key(user)
            || self.sanctions.values().any(|known| is_over(known, now_ms))
    }

    /// For clients. Sanctions and reviews are for moderators.
    pub fn snapshot(&self, is_moderator: bool) -> Snapshot {
        if is_moderator {
            return Snapshot {
                settings: self.settings.clone(),
                pinned: self.pinned.clone(),
                sanctions: self.sanctions.clone(),
                reviews: self.reviews.clone(),
            };
        }
        Snapshot {
            settings: self.settings.clone(),
            pinned: self.pinned.clone(),
            ..Snapshot::default()
        }
    }

    /// Applies the next event. Whether anything is other than before.
    pub fn apply(&mut self, event: &Event) -> bool {
        match &event.body {
            Body::Moderation(moderation) => self.act(&moderation.act, event.at_ms),
            Body::Review(review) => self.open(review),
            Body::Message(_) | Body::Gift(_) | Body::Notice(_) | Body::Void => false,
        }
    }

    fn act(&mut self, act: &Act, at_ms: u64) -> bool {
        let takes_pin = Deletion::of(act).is_some_and(|deletion| {
            let pinned = self.pinned.as_ref();
            pinned.is_some_and(|pinned| deletion.takes(pinned))
        });
        match act {
            Act::DeleteMessage { .. } | Act::DeleteUser { .. } | Act::Clear => {
                takes_pin && self.pin(None)
            }
            Act::Timeout { user, until_ms, .. } => {
                let until_ms = *until_ms;
                self.silence(user, Some(Sanction::Timeout { until_ms }), at_ms)
            }
            Act::Ban { user } => self.silence(user, Some(Sanction::Ban), at_ms),
            Act::Unban { user } => self.silence(user, None, at_ms),
            Act::ShadowBan { user } => self.shadow(user, true, at_ms),
            Act::ShadowUnban { user } => self.shadow(user, false, at_ms),
            Act::Pin { message, .. } => self.pin(message.clone()),
            Act::Unpin => self.pin(None),
            Act::Settings { patch } => {
                let before = std::mem::take(&mut self.settings);
                self.settings = before.patched(patch);
                self.settings != before
            }
            Act::Approve { id } | Act::Dismiss { id } => {
                let before = self.reviews.len();
                self.reviews.retain(|review| review.id != *id);
                self.reviews.len() != before
            }
        }
    }

    fn pin(&mut self, message: Option<Message>) -> bool {
        let before = std::mem::replace(&mut self.pinned, message);
        self.pinned != before
    }

    /// When there are too many the oldest reports go, then the oldest of what is held, which is nowhere
    /// else; the newest stays in any case.
    fn open(&mut self, review: &Review) -> bool {
        self.reviews.retain(|known| known.id != review.id);
        self.reviews.push(review.clone());
        let mut bytes: usize = self.reviews.iter().map(window::review_weight).sum();
        let mut left = self.reviews.len();
        for kind in [ReviewKind::Report, ReviewKind::Held] {
            self.reviews.retain(|known| {
                let goes = known.kind == kind
                    && known.id != review.id
                    && (left > REVIEWS_MAX || (left > 1 && bytes > REVIEWS_BYTES_MAX));
                if goes {
                    left -= 1;
                    bytes -= window::review_weight(known);
                }
                !goes
            });
        }
        true
    }

    /// Open reviews of what somebody wrote, or complained of.
    pub(crate) fn reviews_of<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a str> {
        let of = self.reviews.iter().filter(move |it| is_of(it, user));
        of.map(|review| &*review.id)
    }

    /// Takes away what is kept of somebody's words, for good. Sanctions stay: they name an id, and
    /// whoever is banned does not become unbanned by asking to be forgotten.
    pub(crate) fn forget(&mut self, user: &str) -> bool {
        let is_pinned = self
            .pinned
            .as_ref()
            .is_some_and(|pinned| pinned.author.id == user);
        let before = self.reviews.len();
        self.reviews.retain(|review| !is_of(review, user));
        (is_pinned && self.pin(None)) || self.reviews.len() != before
    }

    fn silence(&mut self, user: &str, silenced: Option<Sanction>, at_ms: u64) -> bool {
        self.change(user, at_ms, |known| known.silenced = silenced)
    }

    fn shadow(&mut self, user: &str, shadow: bool, at_ms: u64) -> bool {
        self.change(user, at_ms, |known| known.shadow = shadow)
    }

    /// Ended timeouts go when room is needed, by the time of the event: the same everywhere.
    fn change(&mut self, user: &str, at_ms: u64, change: impl FnOnce(&mut Sanctions)) -> bool {
        let before = self.sanctions.remove(user).unwrap_or_default();
        let mut known = before;
        change(&mut known);
        if known == Sanctions::default() {
            return known != before;
        }
        let mut is_new = known != before;
        if self.sanctions.len() >= SANCTIONS_MAX {
            self.sanctions.retain(|_, known| !is_over(known, at_ms));
            is_new = true;
        }
        if self.sanctions.len() < SANCTIONS_MAX {
            self.sanctions.insert(user.to_owned(), known);
        }
        is_new
    }
}

fn is_of(review: &Review, user: &str) -> bool {
    review.message.author.id == user || review.by == user
}

fn is_over(known: &Sanctions, now_ms: u64) -> bool {
    !known.shadow
        && known
            .silenced
            .is_none_or(|sanction| !sanction.holds_at(now_ms))
}

/// What an act takes away of the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletion<'a> {
    Message(&'a str),
    User(&'a str),
    Everything,
}

impl<'a> Deletion<'a> {
    pub(crate) fn of(act: &'a Act) -> Option<Self> {
        match act {
            Act::DeleteMessage { id } => Some(Self::Message(id)),
            Act::DeleteUser { user } => Some(Self::User(user)),
            Act::Clear => Some(Self::Everything),
            _ => None,
        }
    }

    fn takes(self, message: &Message) -> bool {
        match self {
            Self::Message(id) => message.id == id,
            Self::User(user) => message.author.id == user,
            Self::Everything => true,
        }
    }

    /// What is left of `body`; none if it stays as it is.
    pub(crate) fn rest_of(self, body: &Body) -> Option<Body> {
        match body {
            Body::Message(message) if self.takes(message) => Some(Body::Void),
            Body::Moderation(moderation) => match &moderation.act {
                Act::Pin {
                    id,
                    message: Some(message),
                } if self.takes(message) => {
                    let mut rest = moderation.clone();
                    rest.act = Act::Pin {
                        id: id.clone(),
                        message: None,
                    };
                    Some(Body::Moderation(rest))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
