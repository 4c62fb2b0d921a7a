//! What the rules are: the operator's, from the manifest's `config`, and a room's own, which come
//! with each call and override some of them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use crate::weir::filter::types::Roles;
use crate::words::{List, Words};

/// Key of the attribute of a call's context that has a room's settings, and name of the command
/// that changes them.
pub(crate) const ROOM_SETTINGS: &str = "room-settings";

/// Longest message that can be allowed: what a room takes is 2000 bytes.
const LENGTH_MAX: usize = 2_000;
/// Tibetan stacks up to nine.
const MARKS_MAX: usize = 16;
/// An hour, as rooms have it.
pub(crate) const SLOW_MODE_S_MAX: u32 = 3_600;
/// Ten years.
pub(crate) const FOLLOWING_S_MAX: u32 = 315_360_000;
/// A day: each message of the window is a key of the node's memory.
const UNIQUE_WINDOW_S_MAX: u32 = 86_400;
/// Messages at once, and per minute.
const FLOOD_MAX: u32 = 1_000;
/// Words of all lists, hosts, emotes, each.
const LIST_MAX: usize = 2_000;
/// As many as fit into an attribute of a message.
const MENTIONS_MAX: usize = 16;
/// Words that a room holds beside the operator's.
const ROOM_WORDS_MAX: usize = 64;
/// A room's settings, as JSON.
const ROOM_BYTES_MAX: usize = 8 * 1024;
/// Rooms whose settings an instance remembers, so that they are not read for each message.
const ROOMS_REMEMBERED: usize = 8;

/// What links may be posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Links {
    Allow,
    Forbid,
    /// Those of `link_hosts`.
    Listed,
}

/// What becomes of invisible characters and heaps of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tricks {
    Strip,
    Refuse,
}

/// A rule whose breach can be held for a moderator instead of refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Holdable {
    Links,
    Repeats,
    Unique,
}

/// The manifest's `config`. An unknown key is refused: a misspelt rule is no rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) length_max: usize,
    pub(crate) marks_max: usize,
    pub(crate) repeats_max: usize,
    pub(crate) mentions_max: usize,
    pub(crate) tricks: Tricks,
    pub(crate) kinds: Vec<String>,
    pub(crate) flood: Flood,
    pub(crate) slow_mode_s: u32,
    pub(crate) followers_only: bool,
    pub(crate) followers_min_age_s: u32,
    pub(crate) subscribers_only: bool,
    pub(crate) emote_only: bool,
    pub(crate) emotes: Vec<String>,
    pub(crate) unique: bool,
    pub(crate) unique_window_s: u32,
    pub(crate) links: Links,
    pub(crate) link_hosts: Vec<String>,
    pub(crate) blocked_words: Vec<String>,
    pub(crate) masked_words: Vec<String>,
    pub(crate) held_words: Vec<String>,
    pub(crate) hold: Vec<Holdable>,
    pub(crate) moderators: RoleSet,
    pub(crate) exempt: Exempt,
}

/// A token bucket for each user.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Flood {
    pub(crate) burst: u32,
    /// 0: no bound.
    pub(crate) per_minute: u32,
}

/// Whom a rule does not touch: one of the roles is enough.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exempt {
    /// From all of the rules below.
    pub(crate) all: RoleSet,
    pub(crate) flood: RoleSet,
    pub(crate) slow_mode: RoleSet,
    pub(crate) followers_only: RoleSet,
    pub(crate) subscribers_only: RoleSet,
    pub(crate) emote_only: RoleSet,
    pub(crate) unique: RoleSet,
    pub(crate) repeats: RoleSet,
    pub(crate) links: RoleSet,
    pub(crate) words: RoleSet,
}

/// Roles by their names in the contract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoleSet(pub(crate) Roles);

/// The operator's rules, ready to be asked.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) config: Config,
    pub(crate) words: Words,
    rooms: RefCell<VecDeque<(String, Rc<Room>)>>,
}

/// What a room can set for itself, over the operator's rules.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) slow_mode_s: u32,
    pub(crate) followers_only: bool,
    pub(crate) followers_min_age_s: u32,
    pub(crate) subscribers_only: bool,
    pub(crate) emote_only: bool,
    pub(crate) unique: bool,
    pub(crate) links: Links,
    /// Beside the operator's.
    pub(crate) held_words: Words,
    /// What in the room's settings could not be obeyed.
    pub(crate) complaint: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            length_max: 500,
            marks_max: 4,
            repeats_max: 20,
            mentions_max: 5,
            tricks: Tricks::Strip,
            kinds: ["text", "emote", "slash"].map(str::to_owned).to_vec(),
            flood: Flood::default(),
            slow_mode_s: 0,
            followers_only: false,
            followers_min_age_s: 0,
            subscribers_only: false,
            emote_only: false,
            emotes: Vec::new(),
            unique: false,
            unique_window_s: 300,
            links: Links::Allow,
            link_hosts: Vec::new(),
            blocked_words: Vec::new(),
            masked_words: Vec::new(),
            held_words: Vec::new(),
            hold: Vec::new(),
            moderators: RoleSet::IN_CHARGE,
            exempt: Exempt::default(),
        }
    }
}

impl Default for Flood {
    fn default() -> Self {
        Self {
            burst: 5,
            per_minute: 30,
        }
    }
}

impl Default for Exempt {
    fn default() -> Self {
        let nobody = RoleSet(Roles::empty());
        let honoured = RoleSet(Roles::VIP | Roles::BOT);
        Self {
            all: RoleSet::IN_CHARGE,
            flood: RoleSet(Roles::BOT),
            slow_mode: honoured,
            followers_only: honoured,
            subscribers_only: honoured,
            emote_only: nobody,
            unique: RoleSet(Roles::BOT),
            repeats: nobody,
            links: honoured,
            words: nobody,
        }
    }
}

impl RoleSet {
    const IN_CHARGE: Self = Self(
        Roles::MODERATOR
            .union(Roles::BROADCASTER)
            .union(Roles::STAFF),
    );

    pub(crate) fn has_one_of(self, roles: Roles) -> bool {
        self.0.intersects(roles)
    }
}

impl<'de> Deserialize<'de> for RoleSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut roles = Roles::empty();
        for name in Vec::<String>::deserialize(deserializer)? {
            let role = role(&name);
            roles |= role.ok_or_else(|| de::Error::custom(format!("there is no role '{name}'")))?;
        }
        Ok(Self(roles))
    }
}

fn role(name: &str) -> Option<Roles> {
    Some(match name {
        "subscriber" => Roles::SUBSCRIBER,
        "vip" => Roles::VIP,
        "moderator" => Roles::MODERATOR,
        "broadcaster" => Roles::BROADCASTER,
        "staff" => Roles::STAFF,
        "verified" => Roles::VERIFIED,
        "bot" => Roles::BOT,
        "muted" => Roles::MUTED,
        _ => return None,
    })
}

impl Policy {
    /// Reads and checks the whole of it, so that a mistake is found by whoever makes it.
    pub(crate) fn parse(document: &str) -> Result<Self, String> {
        let mut json = serde_json::Deserializer::from_str(document);
        let config: Config = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            format!("{path}: {}", error.into_inner())
        })?;
        config.check()?;
        let mut words = Words::default();
        for (key, list, all) in [
            ("blocked_words", List::Block, &config.blocked_words),
            ("held_words", List::Hold, &config.held_words),
            ("masked_words", List::Mask, &config.masked_words),
        ] {
            for word in all {
                words
                    .add(list, word)
                    .map_err(|error| format!("{key}: '{word}' {error}"))?;
            }
        }
        Ok(Self {
            config,
            words,
            rooms: RefCell::default(),
        })
    }

    /// The settings of a room, of which `json` is what the node says.
    pub(crate) fn room(&self, json: Option<&str>) -> Rc<Room> {
        let json = json.unwrap_or_default();
        let mut rooms = self.rooms.borrow_mut();
        if let Some((_, room)) = rooms.iter().find(|(known, _)| known == json) {
            return Rc::clone(room);
        }
        let room = Rc::new(Room::new(&self.config, json));
        if json.len() <= ROOM_BYTES_MAX {
            rooms.truncate(ROOMS_REMEMBERED - 1);
            rooms.push_front((json.to_owned(), Rc::clone(&room)));
        }
        room
    }
}

impl Config {
    fn check(&self) -> Result<(), String> {
        let wide = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        for (key, value, least, most) in [
            ("length_max", self.length_max, 1, LENGTH_MAX),
            ("marks_max", self.marks_max, 0, MARKS_MAX),
            ("repeats_max", self.repeats_max, 0, LENGTH_MAX),
            ("mentions_max", self.mentions_max, 0, MENTIONS_MAX),
            ("flood.burst", wide(self.flood.burst), 1, wide(FLOOD_MAX)),
            (
                "flood.per_minute",
                wide(self.flood.per_minute),
                0,
                wide(FLOOD_MAX),
            ),
            (
                "slow_mode_s",
                wide(self.slow_mode_s),
                0,
                wide(SLOW_MODE_S_MAX),
            ),
            (
                "followers_min_age_s",
                wide(self.followers_min_age_s),
                0,
                wide(FOLLOWING_S_MAX),
            ),
            (
                "unique_window_s",
                wide(self.unique_window_s),
                1,
                wide(UNIQUE_WINDOW_S_MAX),
            ),
            ("kinds: its length", self.kinds.len(), 1, LIST_MAX),
            ("emotes: its length", self.emotes.len(), 0, LIST_MAX),
            ("link_hosts: its length", self.link_hosts.len(), 0, LIST_MAX),
            (
                "blocked_words, held_words, masked_words: their length",
                self.words_len(),
                0,
                LIST_MAX,
            ),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("{key} is {value}, and may be {least} to {most}"));
            }
        }
        if let Some(host) = self.link_hosts.iter().find(|host| !is_host_pattern(host)) {
            return Err(format!(
                "link_hosts: '{host}' is no host: 'example.com' or '*.example.com', in lower case"
            ));
        }
        if self.links == Links::Listed && self.link_hosts.is_empty() {
            return Err("link_hosts is empty, and links is 'listed'".to_owned());
        }
        Ok(())
    }

    fn words_len(&self) -> usize {
        self.blocked_words.len() + self.held_words.len() + self.masked_words.len()
    }
}

fn is_host_pattern(pattern: &str) -> bool {
    let host = pattern.strip_prefix("*.").unwrap_or(pattern);
    let is_part = |c: char| c.is_alphanumeric() && !c.is_uppercase() || matches!(c, '-' | '.');
    !host.is_empty() && host.chars().all(is_part)
}

impl Room {
    /// A setting that cannot be obeyed is the operator's, and the others hold.
    fn new(config: &Config, json: &str) -> Self {
        let mut overrides = Overrides::read(json);
        let mut room = Self {
            slow_mode_s: overrides
                .number("slow_mode_s", SLOW_MODE_S_MAX)
                .unwrap_or(config.slow_mode_s),
            followers_only: overrides
                .switch("followers_only")
                .unwrap_or(config.followers_only),
            followers_min_age_s: overrides
                .number("followers_min_age_s", FOLLOWING_S_MAX)
                .unwrap_or(config.followers_min_age_s),
            subscribers_only: overrides
                .switch("subscribers_only")
                .unwrap_or(config.subscribers_only),
            emote_only: overrides.switch("emote_only").unwrap_or(config.emote_only),
            unique: overrides.switch("unique").unwrap_or(config.unique),
            links: overrides
                .take(
                    "links",
                    |it| Links::deserialize(it).ok(),
                    "allow, forbid or listed",
                )
                .unwrap_or(config.links),
            held_words: Words::default(),
            complaint: None,
        };
        let words = overrides.take(
            "held_words",
            |it| Vec::<String>::deserialize(it).ok(),
            "a list of words",
        );
        for (at, word) in words.unwrap_or_default().iter().enumerate() {
            if at == ROOM_WORDS_MAX {
                overrides.complain("held_words", &format!("at most {ROOM_WORDS_MAX}"));
                break;
            }
            // The word is not for the log.
            if let Err(error) = room.held_words.add(List::Hold, word) {
                overrides.complain("held_words", &format!("not one that {error}"));
            }
        }
        room.complaint = overrides.complaint;
        room
    }
}

/// A room's settings as they came, and what is the matter with them. Keys that are not asked for
/// are somebody else's.
struct Overrides {
    values: Map<String, Value>,
    complaint: Option<String>,
}

impl Overrides {
    fn read(json: &str) -> Self {
        let none = |complaint: Option<String>| Self {
            values: Map::new(),
            complaint,
        };
        if json.is_empty() {
            return none(None);
        }
        if json.len() > ROOM_BYTES_MAX {
            return none(Some(format!(
                "{ROOM_SETTINGS} is longer than {ROOM_BYTES_MAX} bytes"
            )));
        }
        match serde_json::from_str(json) {
            Ok(values) => Self {
                values,
                complaint: None,
            },
            Err(error) => none(Some(format!("{ROOM_SETTINGS} is no JSON object: {error}"))),
        }
    }

    fn switch(&mut self, key: &str) -> Option<bool> {
        self.take(key, switch, "true or false")
    }

    fn number(&mut self, key: &str, most: u32) -> Option<u32> {
        let read = |it: &Value| u32::try_from(it.as_u64()?).ok().filter(|it| *it <= most);
        self.take(key, read, &format!("a whole number up to {most}"))
    }

    /// `null` is as if it were not there.
    fn take<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&Value) -> Option<T>,
        wanted: &str,
    ) -> Option<T> {
        let value = self.values.get(key).filter(|value| !value.is_null())?;
        let read = read(value);
        if read.is_none() {
            self.complain(key, wanted);
        }
        read
    }

    fn complain(&mut self, key: &str, wanted: &str) {
        self.complaint
            .get_or_insert_with(|| format!("{ROOM_SETTINGS}: {key} has to be {wanted}"));
    }
}

/// JSON, or what people write: as the page reads it (`isOn` of `edge/web/src/chat/words.ts`).
fn switch(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(on) => Some(*on),
        Value::Number(number) => match number.as_u64()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        Value::String(word) => match word.to_ascii_lowercase().as_str() {
            "true" | "on" | "1" => Some(true),
            "false" | "off" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_refused_and_named() {
        for (document, reason) in [
            ("{", "EOF"),
            (r#"{"slow":1}"#, "unknown field `slow`"),
            (r#"{"length_max":"x"}"#, "length_max: invalid type"),
            (
                r#"{"length_max":0}"#,
                "length_max is 0, and may be 1 to 2000",
            ),
            (r#"{"flood":{"burst":0}}"#, "flood.burst is 0"),
            (r#"{"flood":{"rate":0}}"#, "unknown field `rate`"),
            (r#"{"slow_mode_s":3601}"#, "slow_mode_s is 3601"),
            (r#"{"links":"some"}"#, "links: unknown variant `some`"),
            (r#"{"links":"listed"}"#, "link_hosts is empty"),
            (
                r#"{"link_hosts":["https://a"]}"#,
                "link_hosts: 'https://a' is no host",
            ),
            (
                r#"{"blocked_words":["ok","!!"]}"#,
                "blocked_words: '!!' has no letters",
            ),
            (r#"{"hold":["words"]}"#, "hold[0]: unknown variant `words`"),
            (
                r#"{"exempt":{"links":["king"]}}"#,
                "exempt.links: there is no role 'king'",
            ),
        ] {
            let error = Policy::parse(document).expect_err(document);
            assert!(error.contains(reason), "{document}: {error}");
        }
    }

    fn policy() -> Policy {
        Policy::parse(r#"{"slow_mode_s":5,"links":"forbid"}"#).expect("a policy")
    }

    #[test]
    fn a_room_overrides_what_it_says() {
        let policy = policy();
        let room = policy.room(None);
        assert_eq!(
            (room.slow_mode_s, room.links, room.unique),
            (5, Links::Forbid, false)
        );
        let room = policy.room(Some(
            r#"{"slow_mode_s":30,"unique":true,"theme":"dark","links":null}"#,
        ));
        assert_eq!(
            (room.slow_mode_s, room.links, room.unique),
            (30, Links::Forbid, true)
        );
        assert_eq!(room.complaint, None);
    }

    #[test]
    fn switches_are_read_as_the_page_reads_them() {
        let policy = policy();
        for on in ["true", "\"true\"", "\"on\"", "\"ON\"", "\"1\"", "1"] {
            let room = policy.room(Some(&format!(r#"{{"unique":{on}}}"#)));
            assert_eq!((room.unique, &room.complaint), (true, &None), "{on}");
        }
        for off in ["false", "\"false\"", "\"off\"", "0", "null"] {
            let room = policy.room(Some(&format!(r#"{{"unique":{off}}}"#)));
            assert_eq!((room.unique, &room.complaint), (false, &None), "{off}");
        }
    }

    #[test]
    fn what_a_room_says_wrongly_is_not_obeyed_and_the_rest_is() {
        let policy = policy();
        let long = format!(r#"{{"x":"{}"}}"#, "x".repeat(ROOM_BYTES_MAX));
        let words = format!(r#"{{"held_words":{}}}"#, serde_json::json!(vec!["w"; 65]));
        for (json, reason) in [
            ("nonsense", "no JSON object"),
            ("[]", "no JSON object"),
            (long.as_str(), "longer than 8192"),
            (
                r#"{"slow_mode_s":-1,"emote_only":true}"#,
                "slow_mode_s has to be a whole number up to 3600",
            ),
            (r#"{"slow_mode_s":99999}"#, "slow_mode_s"),
            (r#"{"unique":"yes"}"#, "unique has to be true or false"),
            (r#"{"links":"no"}"#, "links has to be allow"),
            (r#"{"held_words":["!"]}"#, "not one that has no letters"),
            (words.as_str(), "at most 64"),
        ] {
            let room = policy.room(Some(json));
            let complaint = room.complaint.clone().expect(json);
            assert!(complaint.contains(reason), "{complaint}");
            assert_eq!((room.slow_mode_s, room.links), (5, Links::Forbid), "{json}");
            assert_eq!(room.emote_only, json.contains("emote_only"));
        }
    }

    #[test]
    fn few_rooms_are_remembered() {
        let policy = policy();
        for slow in 0..100 {
            let json = format!(r#"{{"slow_mode_s":{slow}}}"#);
            assert_eq!(policy.room(Some(&json)).slow_mode_s, slow);
            assert!(Rc::ptr_eq(
                &policy.room(Some(&json)),
                &policy.room(Some(&json))
            ));
            assert!(policy.rooms.borrow().len() <= ROOMS_REMEMBERED);
        }
    }
}
