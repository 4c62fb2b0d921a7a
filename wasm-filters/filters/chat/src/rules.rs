//! The rules, in the order in which they are asked: first who may speak at all, then what the text
//! is, last what costs a turn. A message that is refused on the way has cost nobody anything, but a
//! token of the flood control.

use serde_json::json;

use crate::Outcome;
use crate::commands::{self, Act, Typed};
use crate::fold::gist;
use crate::links;
use crate::memory::{Memory, Node};
use crate::mentions::mentions;
use crate::refusal::Refusal;
use crate::settings::{Config, Holdable, Links, Policy, ROOM_SETTINGS, RoleSet, Room, Tricks};
use crate::text::{clean, is_emotes_only, longest_run};
use crate::weir::filter::types::{Attr, Command, Context, CustomCommand, Roles, User};
use crate::words::Found;
use crate::{Edit, Message, Verdict};

/// More than this is not looked at. Far above the longest message, with room for what is stripped.
const RAW_BYTES_MAX: usize = 16 * 1024;

/// What a room takes of one message, in bytes, whatever `length_max` says.
const TEXT_BYTES_MAX: usize = 2_000;

/// Attribute of a user: since when they follow the room, in Unix milliseconds.
const FOLLOWER_SINCE: &str = "follower-since-ms";

/// One message on its way through the rules.
struct Call<'a> {
    policy: &'a Policy,
    config: &'a Config,
    room: &'a Room,
    memory: Memory<'a>,
    now_ms: u64,
    message: &'a Message,
}

/// What becomes of a message.
pub(crate) fn judge(
    policy: &Policy,
    node: &mut dyn Node,
    ctx: &Context,
    message: &Message,
) -> Result<Outcome, Refusal> {
    let settings = ctx.attrs.iter().find(|attr| attr.key == ROOM_SETTINGS);
    let room = policy.room(settings.map(|attr| attr.value.as_str()));
    if let Some(complaint) = &room.complaint {
        node.warn(complaint);
    }
    let call = Call {
        policy,
        config: &policy.config,
        room: &room,
        memory: Memory::new(node, ctx),
        now_ms: ctx.now_ms,
        message,
    };
    call.judge()
}

impl Call<'_> {
    fn judge(mut self) -> Result<Outcome, Refusal> {
        let (config, message) = (self.config, self.message);
        if message.sender.roles.contains(Roles::MUTED) {
            return Err(Refusal::Muted);
        }
        let too_long = Refusal::TooLong {
            length_max: config.length_max,
        };
        if message.text.len() > RAW_BYTES_MAX {
            return Err(too_long);
        }
        if !config.kinds.contains(&message.kind) {
            return Err(Refusal::Kind);
        }
        self.flood()?;
        let clean = clean(&message.text, config.marks_max);
        if clean.tricked && config.tricks == Tricks::Refuse {
            return Err(Refusal::Tricks);
        }
        if clean.text.is_empty() {
            return Err(Refusal::Empty);
        }
        if clean.chars > config.length_max || clean.text.len() > TEXT_BYTES_MAX {
            return Err(too_long);
        }
        if message.kind != "slash" && !commands::is_command(&clean.text) {
            return self.post(clean.text, &message.kind, Vec::new());
        }
        match commands::read(&clean.text, self.typed())? {
            Act::Me(text) => self.post(text, "emote", Vec::new()),
            Act::Announce(text, commands) => self.post(text, "text", commands),
            Act::Done(said, commands) => Ok(Outcome {
                verdict: Verdict::Drop(Refusal::Done(said).into()),
                commands,
            }),
        }
    }

    fn typed(&self) -> Typed<'_> {
        let exempt = &self.config.exempt;
        Typed {
            user: &self.message.sender.id,
            is_moderator: self.config.moderators.has_one_of(self.message.sender.roles),
            id: &self.message.id,
            reply_to: self.message.reply_to.as_deref(),
            speakers: exempt.all.0 | exempt.subscribers_only.0,
        }
    }

    /// A text that is no command, or what a command posts.
    fn post(
        mut self,
        text: String,
        kind: &str,
        commands: Vec<Command>,
    ) -> Result<Outcome, Refusal> {
        self.may_speak(&text)?;
        let mut held = Vec::new();
        self.repeats(&text, &mut held)?;
        self.links(&text, &mut held)?;
        let masked = self.words(&text, &mut held)?;
        self.turn(&text, &mut held)?;
        let text = masked.unwrap_or(text);
        let edit = self.edit(text, kind);
        if held.is_empty() {
            let verdict = edit.map_or(Verdict::Allow, Verdict::Modify);
            return Ok(Outcome { verdict, commands });
        }
        // The contract holds a message as it came: what it would have become goes along.
        let commands = edit.map(|edit| self.held_edit(edit)).into_iter().collect();
        Ok(Outcome {
            verdict: Verdict::Hold(held.join(", ")),
            commands,
        })
    }

    fn applies(&self, exempt: RoleSet) -> bool {
        let roles = self.message.sender.roles;
        !self.config.exempt.all.has_one_of(roles) && !exempt.has_one_of(roles)
    }

    /// Each message counts, and most of all those that are refused.
    fn flood(&mut self) -> Result<(), Refusal> {
        let flood = &self.config.flood;
        if flood.per_minute == 0 || !self.applies(self.config.exempt.flood) {
            return Ok(());
        }
        let taken = self
            .memory
            .flood(&self.message.sender.id, flood.burst, flood.per_minute);
        taken.map_err(|retry_after_ms| Refusal::TooFast { retry_after_ms })
    }

    fn may_speak(&self, text: &str) -> Result<(), Refusal> {
        let (room, exempt, sender) = (self.room, &self.config.exempt, &self.message.sender);
        if room.followers_only && self.applies(exempt.followers_only) {
            follows(sender, self.now_ms, room.followers_min_age_s)?;
        }
        let subscribes = sender.roles.contains(Roles::SUBSCRIBER);
        if room.subscribers_only && !subscribes && self.applies(exempt.subscribers_only) {
            return Err(Refusal::SubscribersOnly);
        }
        if room.emote_only
            && self.applies(exempt.emote_only)
            && !is_emotes_only(text, &self.config.emotes)
        {
            return Err(Refusal::EmoteOnly);
        }
        Ok(())
    }

    fn repeats(&self, text: &str, held: &mut Vec<&'static str>) -> Result<(), Refusal> {
        let most = self.config.repeats_max;
        if most == 0 || longest_run(text) <= most || !self.applies(self.config.exempt.repeats) {
            return Ok(());
        }
        self.breach(Holdable::Repeats, Refusal::Repeats, held)
    }

    fn links(&self, text: &str, held: &mut Vec<&'static str>) -> Result<(), Refusal> {
        let hosts = &self.config.link_hosts;
        let fine = match self.room.links {
            Links::Allow => true,
            Links::Forbid => links::hosts(text).is_empty(),
            Links::Listed => links::hosts(text)
                .iter()
                .all(|host| links::is_listed(host, hosts)),
        };
        if fine || !self.applies(self.config.exempt.links) {
            return Ok(());
        }
        self.breach(Holdable::Links, Refusal::Link, held)
    }

    /// The text with its masks, if it needs some.
    fn words(&self, text: &str, held: &mut Vec<&'static str>) -> Result<Option<String>, Refusal> {
        if !self.applies(self.config.exempt.words) {
            return Ok(None);
        }
        let mut found = Found::default();
        self.policy.words.scan(text, &mut found);
        self.room.held_words.scan(text, &mut found);
        if found.block {
            return Err(Refusal::Blocked);
        }
        if found.hold {
            held.push("words");
        }
        Ok((!found.masks.is_empty()).then(|| self.policy.words.mask(text, found)))
    }

    /// Slow mode and unique messages: what one message takes from the next.
    fn turn(&mut self, text: &str, held: &mut Vec<&'static str>) -> Result<(), Refusal> {
        let slow = |retry_after_ms| Refusal::SlowMode { retry_after_ms };
        let (room, exempt) = (self.room, &self.config.exempt);
        let mut slot = None;
        if room.slow_mode_s > 0 && self.applies(exempt.slow_mode) {
            slot = self
                .memory
                .slow_mode(&self.message.sender.id, room.slow_mode_s)
                .map_err(slow)?;
        }
        let mut said = None;
        if room.unique && self.applies(exempt.unique) {
            let gist = gist(text);
            // Of emoji there are no letters to compare.
            let gist = if gist.is_empty() { text } else { &gist };
            said = self.memory.is_new(gist, self.config.unique_window_s);
            if said.is_none() {
                self.breach(Holdable::Unique, Refusal::Duplicate, held)?;
            }
        }
        if let Some(slot) = slot
            && let Err(retry_after_ms) = self.memory.take(&slot)
        {
            if let Some(said) = said {
                self.memory.unsay(&said);
            }
            return Err(slow(retry_after_ms));
        }
        Ok(())
    }

    fn breach(
        &self,
        rule: Holdable,
        refusal: Refusal,
        held: &mut Vec<&'static str>,
    ) -> Result<(), Refusal> {
        if !self.config.hold.contains(&rule) {
            return Err(refusal);
        }
        held.push(match rule {
            Holdable::Links => "links",
            Holdable::Repeats => "repeats",
            Holdable::Unique => "unique",
        });
        Ok(())
    }

    /// What changes; none if nothing does.
    fn edit(&self, text: String, kind: &str) -> Option<Edit> {
        let mentions = mentions(&text, self.config.mentions_max);
        let edit = Edit {
            text: (text != self.message.text).then_some(text),
            kind: (kind != self.message.kind).then(|| kind.to_owned()),
            add_attrs: mentions
                .map(|value| Attr {
                    key: "mentions".to_owned(),
                    value,
                })
                .into_iter()
                .collect(),
        };
        let changes = edit.text.is_some() || edit.kind.is_some() || !edit.add_attrs.is_empty();
        changes.then_some(edit)
    }

    fn held_edit(&self, edit: Edit) -> Command {
        let attrs: serde_json::Map<_, _> = edit
            .add_attrs
            .into_iter()
            .map(|attr| (attr.key, attr.value.into()))
            .collect();
        let payload = json!({ "message": self.message.id, "text": edit.text, "kind": edit.kind, "attrs": attrs });
        Command::Custom(CustomCommand {
            name: "held-edit".to_owned(),
            payload: payload.to_string(),
        })
    }
}

fn follows(sender: &User, now_ms: u64, min_age_s: u32) -> Result<(), Refusal> {
    let since = sender.attrs.iter().find(|attr| attr.key == FOLLOWER_SINCE);
    let Some(since_ms) = since.and_then(|attr| attr.value.parse::<u64>().ok()) else {
        return Err(Refusal::FollowersOnly {
            retry_after_ms: None,
        });
    };
    let from_ms = since_ms.saturating_add(u64::from(min_age_s) * 1000);
    match from_ms.checked_sub(now_ms) {
        None | Some(0) => Ok(()),
        Some(wait_ms) => Err(Refusal::FollowersOnly {
            retry_after_ms: Some(u32::try_from(wait_ms).unwrap_or(u32::MAX)),
        }),
    }
}

#[cfg(test)]
mod tests;
