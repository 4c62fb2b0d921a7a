//! Carries out the commands of chat filters.

use std::collections::BTreeMap;
use std::sync::Arc;

use rooms::schema::{
    Act, Attr, Body, Message, Moderation, Notice, Publish, Relay, Review, ReviewKind, Roles,
    SettingsPatch, User,
};
use rooms::{ATTR_BYTES_MAX, ATTRS_MAX, NAME_BYTES_MAX, SLOW_MODE_MS_MAX, TEXT_BYTES_MAX};
use serde::Deserialize;
use serde_json::Value;
use wasm_filters::contract::types::{Command, CustomCommand, Outgoing, Sanction};
use wasm_filters::manifest::Hook;

use super::Rooms;
use super::member::Member;
use super::roles::from_contract;
use super::room::Room;
use super::speak::{contract_user, rank};

/// Who acts when a filter does so by itself.
const FILTER: &str = "filter";
/// A timeout for which a filter named no time, in seconds.
const TIMEOUT_SECONDS: u32 = 600;
/// Calls of `on-join` and `on-leave` at a time; those beyond it are left out.
const PRESENCE_CALLS_MAX: usize = 64;

/// Whom an act is about.
pub(super) fn target_of(act: &Act) -> Option<&str> {
    match act {
        Act::Timeout { user, .. }
        | Act::Ban { user }
        | Act::ShadowBan { user }
        | Act::DeleteUser { user } => Some(user),
        _ => None,
    }
}

/// What filters want done because of `cause` (a message id, or something else of its own), in order.
/// `by`: who said it; acts are theirs if they are in charge, else the filter's own.
pub(super) fn apply(
    rooms: &Rooms,
    room: &Arc<Room>,
    by: Option<&User>,
    cause: &str,
    commands: Vec<Command>,
) {
    let actor = by.filter(|user| user.roles.intersects(Roles::IN_CHARGE));
    for (number, command) in commands.into_iter().enumerate() {
        let effects = Effects {
            rooms,
            room,
            by,
            actor,
            id: format!("{cause}.{number}"),
        };
        effects.apply(command);
    }
}

/// Why a command that somebody typed cannot be obeyed: then nothing of it is, the filter's line for the log
/// neither, and whoever typed it is told so instead of "done".
pub(super) fn refusal(
    room: &Room,
    by: &User,
    commands: &[Command],
) -> Option<(&'static str, &'static str)> {
    const ABOVE: (&str, &str) = ("not-allowed", "they are above you in this room");
    const UNKNOWN: (&str, &str) = ("unknown-message", "there is no such message any more");
    let is_above = |user: &str| {
        let theirs = room.roles_of(user).unwrap_or(Roles::NONE);
        by.roles.intersects(Roles::IN_CHARGE) && user != by.id && rank(by.roles) <= rank(theirs)
    };
    let is_unknown = |id: &str| room.message(id).is_none();
    commands.iter().find_map(|command| match command {
        Command::TimeoutUser(sanction) | Command::BanUser(sanction) => {
            is_above(&sanction.user).then_some(ABOVE)
        }
        Command::PinMessage(Some(id)) => is_unknown(id).then_some(UNKNOWN),
        Command::Custom(custom) => match custom.name.as_str() {
            "shadow-ban" => {
                let target = parsed::<Target>(&custom.payload)?;
                is_above(&target.user).then_some(ABOVE)
            }
            "clear" => {
                let user = parsed::<Cleared>(&custom.payload)?.user?;
                is_above(&user).then_some(ABOVE)
            }
            "report" => {
                let report = parsed::<Report>(&custom.payload)?;
                is_unknown(&report.message).then_some(UNKNOWN)
            }
            _ => None,
        },
        _ => None,
    })
}

/// Somebody has come whose first connection here it is.
pub(super) fn joined(member: &Arc<Member>) {
    presence(member, member.user(), true);
}

/// Somebody's last connection here has gone.
pub(super) fn left(member: &Arc<Member>, user: User) {
    presence(member, user, false);
}

/// Filters are told beside everything else: whoever joins does not wait for them.
fn presence(member: &Arc<Member>, user: User, joins: bool) {
    let rooms = member.rooms().clone();
    let table = rooms.filters().host().snapshot();
    if !table.has(Hook::Chat) {
        return;
    }
    let Ok(place) = Arc::clone(rooms.presence_calls()).try_acquire_owned() else {
        rooms.metrics().presence_skipped.inc();
        return;
    };
    let room = Arc::clone(member.room());
    let attrs = member.attrs().to_vec();
    tokio::spawn(async move {
        let who = contract_user(&user, &attrs);
        let filters = rooms.filters();
        let request_id = filters.request_id();
        let settings = room.attrs();
        let info = filters.room_info(&request_id, room.name().as_str(), &user.id, &settings);
        let host = filters.host();
        let commands = if joins {
            host.on_join(&table, info, &who).await
        } else {
            host.on_leave(&table, info, &who).await
        };
        apply(&rooms, &room, None, &request_id, commands);
        drop(place);
    });
}

/// How many presence calls may run.
pub(super) fn presence_places() -> Arc<tokio::sync::Semaphore> {
    Arc::new(tokio::sync::Semaphore::new(PRESENCE_CALLS_MAX))
}

struct Effects<'a> {
    rooms: &'a Rooms,
    room: &'a Arc<Room>,
    by: Option<&'a User>,
    actor: Option<&'a User>,
    /// Unique to the command, and the same if it comes again.
    id: String,
}

impl Effects<'_> {
    fn apply(&self, command: Command) {
        match command {
            Command::Publish(outgoing) => self.say(outgoing),
            Command::DeleteMessage(id) => self.act("", Act::DeleteMessage { id }),
            Command::PinMessage(Some(id)) => self.act("", Act::Pin { id, message: None }),
            Command::PinMessage(None) => self.act("", Act::Unpin),
            Command::TimeoutUser(sanction) => self.timeout(sanction),
            Command::BanUser(Sanction {
                user,
                seconds: None,
                reason,
            }) => self.act(&reason, Act::Ban { user }),
            Command::BanUser(sanction) => self.timeout(sanction),
            Command::UnbanUser(user) => self.act("", Act::Unban { user }),
            Command::ChangeRoles(change) => {
                self.room.relay(Relay::Roles {
                    user: change.user,
                    add: from_contract(change.add),
                    remove: from_contract(change.remove),
                });
            }
            Command::SlowMode(ms) => self.settings(SettingsPatch {
                slow_mode_ms: Some(ms.min(SLOW_MODE_MS_MAX)),
                ..SettingsPatch::default()
            }),
            Command::RestrictChat(roles) => self.settings(SettingsPatch {
                restrict: Some(roles.map_or(Roles::NONE, from_contract)),
                ..SettingsPatch::default()
            }),
            Command::LedgerTransfer(_) => {
                tracing::warn!(room = %self.room.name(), "a chat filter moves no money: ignored");
            }
            Command::Disconnect(user) => self.room.relay(Relay::Disconnect {
                user,
                reason: String::new(),
            }),
            Command::Audit(text) => {
                let actor = self.actor.map_or(FILTER, |actor| actor.id.as_str());
                self.room.audit(actor.to_owned(), text);
            }
            Command::Custom(custom) => self.custom(&custom),
        }
    }

    fn say(&self, outgoing: Outgoing) {
        let notice = Notice {
            id: self.id.clone(),
            kind: outgoing.kind,
            text: outgoing.text,
            payload: outgoing.payload,
        };
        match outgoing.to {
            Some(users) => self.room.relay(Relay::Notify {
                users,
                notice: Arc::new(notice),
            }),
            None => self.publish(FILTER, Body::Notice(notice)),
        }
    }

    fn timeout(&self, sanction: Sanction) {
        let act = Act::Timeout {
            user: sanction.user,
            seconds: sanction.seconds.unwrap_or(TIMEOUT_SECONDS),
            until_ms: 0,
        };
        self.act(&sanction.reason, act);
    }

    fn settings(&self, patch: SettingsPatch) {
        self.act("", Act::Settings { patch });
    }

    fn act(&self, reason: &str, act: Act) {
        if let (Some(actor), Some(target)) = (self.actor, target_of(&act)) {
            let theirs = self.room.roles_of(target).unwrap_or(Roles::NONE);
            if target != actor.id && rank(actor.roles) <= rank(theirs) {
                tracing::debug!(room = %self.room.name(), "an act against somebody above: ignored");
                return;
            }
        }
        let actor = self.actor.map_or(FILTER, |actor| actor.id.as_str());
        let moderation = Moderation {
            actor: actor.to_owned(),
            reason: cut(reason, TEXT_BYTES_MAX),
            act,
        };
        self.publish(actor, Body::Moderation(moderation));
    }

    fn publish(&self, author: &str, body: Body) {
        let publish = Publish {
            author: author.to_owned(),
            client_id: self.id.clone(),
            media_ms: None,
            body,
        };
        self.room.publish(0, publish);
    }

    fn custom(&self, custom: &CustomCommand) {
        let done = match custom.name.as_str() {
            "room-settings" => self.room_settings(&custom.payload),
            "shadow-ban" => parsed::<Target>(&custom.payload).map(|target| {
                self.act(&target.reason, Act::ShadowBan { user: target.user });
            }),
            "shadow-unban" => parsed::<Target>(&custom.payload).map(|target| {
                self.act("", Act::ShadowUnban { user: target.user });
            }),
            "clear" => parsed::<Cleared>(&custom.payload).map(|cleared| {
                self.act(
                    "",
                    match cleared.user {
                        Some(user) => Act::DeleteUser { user },
                        None => Act::Clear,
                    },
                );
            }),
            "report" => parsed::<Report>(&custom.payload).map(|report| self.report(report)),
            // It went with the message that is held.
            "held-edit" => Some(()),
            name => {
                tracing::debug!(room = %self.room.name(), name, "a command of a filter's own");
                Some(())
            }
        };
        if done.is_none() {
            self.rooms.metrics().commands_malformed.inc();
            tracing::warn!(
                room = %self.room.name(),
                name = custom.name,
                "a filter's command is malformed: ignored"
            );
        }
    }

    fn room_settings(&self, payload: &str) -> Option<()> {
        let Value::Object(settings) = serde_json::from_str(payload).ok()? else {
            return None;
        };
        let attr = |(key, value): (String, Value)| {
            let value = match value {
                Value::Null => String::new(),
                value => value.to_string(),
            };
            let fits = (1..=NAME_BYTES_MAX).contains(&key.len()) && value.len() <= ATTR_BYTES_MAX;
            fits.then_some(Attr { key, value })
        };
        let attrs: Option<Vec<Attr>> = settings.into_iter().map(attr).collect();
        self.settings(SettingsPatch {
            attrs: attrs?,
            ..SettingsPatch::default()
        });
        Some(())
    }

    fn report(&self, report: Report) {
        let message = self.room.message(&report.message);
        let message = message.unwrap_or_else(|| Message {
            id: report.message,
            ..Message::default()
        });
        let by = self.by.map_or(FILTER, |user| user.id.as_str());
        let review = Review {
            id: self.id.clone(),
            kind: ReviewKind::Report,
            message,
            reason: cut(&report.reason, TEXT_BYTES_MAX),
            by: by.to_owned(),
        };
        self.publish(by, Body::Review(review));
    }
}

/// What the chat filter would have made of a message that it holds.
pub(super) fn edit_held(message: &mut Message, commands: &[Command]) {
    let edits = commands.iter().filter_map(|command| match command {
        Command::Custom(custom) if custom.name == "held-edit" => {
            parsed::<HeldEdit>(&custom.payload)
        }
        _ => None,
    });
    for edit in edits.filter(|edit| edit.message == message.id) {
        if let Some(text) = edit.text {
            message.text = cut(&text, TEXT_BYTES_MAX);
        }
        if let Some(kind) = edit.kind {
            message.kind = cut(&kind, NAME_BYTES_MAX);
        }
        for (key, value) in edit.attrs {
            let fits = (1..=NAME_BYTES_MAX).contains(&key.len()) && value.len() <= ATTR_BYTES_MAX;
            if fits && message.attrs.len() < ATTRS_MAX {
                message.attrs.push(Attr { key, value });
            }
        }
    }
}

#[derive(Deserialize)]
struct Target {
    user: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct Cleared {
    user: Option<String>,
}

#[derive(Deserialize)]
struct Report {
    message: String,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
struct HeldEdit {
    message: String,
    text: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
}

fn parsed<'a, T: Deserialize<'a>>(payload: &'a str) -> Option<T> {
    serde_json::from_str(payload).ok()
}

/// At most so many bytes, whole characters.
fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev();
    let end = end.into_iter().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(cut("añb", 2), "a");
        assert_eq!(cut("añb", 3), "añ");
        assert_eq!(cut("añb", 30), "añb");
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn a_held_message_is_shown_as_the_filter_would_post_it() {
        let mut message = Message {
            id: "m1".to_owned(),
            text: "bad".to_owned(),
            kind: "text".to_owned(),
            ..Message::default()
        };
        let edit = |payload: &str| {
            Command::Custom(CustomCommand {
                name: "held-edit".to_owned(),
                payload: payload.to_owned(),
            })
        };
        let commands = [
            edit(r#"{"message":"other","text":"x","kind":null,"attrs":{}}"#),
            edit(r#"{"message":"m1","text":"***","kind":null,"attrs":{"mentions":"ann"}}"#),
            edit("nonsense"),
        ];
        edit_held(&mut message, &commands);
        assert_eq!(
            (message.text.as_str(), message.kind.as_str()),
            ("***", "text")
        );
        let attrs: Vec<_> = message
            .attrs
            .iter()
            .map(|it| (&*it.key, &*it.value))
            .collect();
        assert_eq!(attrs, [("mentions", "ann")]);
    }
}
