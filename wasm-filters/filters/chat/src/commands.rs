//! Moderation by command: what a line that begins with "/" asks for, and the effects of it.

use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::settings::{FOLLOWING_S_MAX, ROOM_SETTINGS, SLOW_MODE_S_MAX};
use crate::weir::filter::types::{Command, CustomCommand, Roles, Sanction};

/// Longest id, as rooms have it.
const ID_BYTES_MAX: usize = 128;
/// Longest timeout, as rooms have it: four weeks.
const TIMEOUT_S_MAX: u32 = 28 * 24 * 3600;
/// The rest of a reason is cut off.
const REASON_CHARS_MAX: usize = 200;

/// For everybody.
const HELP: &str = "/me <text>, /report <message id> [reason], /help";
const HELP_MODERATORS: &str = "/delete <message id>, /timeout <user id> <10m> [reason], \
    /ban <user id> [reason], /unban <user id>, /shadowban <user id> [reason], /unshadowban <user id>, \
    /clear [user id], /pin <text or #message id>, /unpin, /slow <seconds or off>, /followers [10m or off], \
    /subscribers [off], /emoteonly [off], /unique [off], /me <text>, /report <message id> [reason], /help";

/// Who types, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed<'a> {
    pub(crate) user: &'a str,
    pub(crate) is_moderator: bool,
    /// Of the message that the command is.
    pub(crate) id: &'a str,
    /// Of the message that it answers.
    pub(crate) reply_to: Option<&'a str>,
    /// Whom subscribers-only does not touch.
    pub(crate) speakers: Roles,
}

/// What a command comes to.
#[derive(Debug)]
pub(crate) enum Act {
    /// Said in the third person, under the rules of all messages.
    Me(String),
    /// Posted, and pinned.
    Announce(String, Vec<Command>),
    /// Done, and nothing to post.
    Done(String, Vec<Command>),
}

/// A command and what follows it.
struct Line<'a> {
    typed: Typed<'a>,
    name: &'a str,
    rest: &'a str,
}

/// Whether a text is a command; "//" begins none.
pub(crate) fn is_command(text: &str) -> bool {
    text.starts_with('/') && !text.starts_with("//")
}

/// Reads a command, which is a clean text.
pub(crate) fn read(text: &str, typed: Typed<'_>) -> Result<Act, Refusal> {
    let text = text.strip_prefix('/').unwrap_or(text);
    let (name, rest) = word(text);
    let name = name.to_lowercase();
    let line = Line {
        typed,
        name: &name,
        rest,
    };
    match name.as_str() {
        "me" if rest.is_empty() => return Err(Refusal::Command("/me <text>".to_owned())),
        "me" => return Ok(Act::Me(rest.to_owned())),
        "help" => return Ok(Act::Done(help(typed.is_moderator).to_owned(), Vec::new())),
        "report" => return line.report(),
        _ => {}
    }
    let act = match name.as_str() {
        "delete" => Line::delete,
        "timeout" => Line::timeout,
        "ban" | "shadowban" => Line::ban,
        "unban" | "unshadowban" => Line::unban,
        "clear" => Line::clear,
        "pin" => Line::pin,
        "unpin" => Line::unpin,
        "slow" => Line::slow,
        "followers" => Line::followers,
        "subscribers" => Line::subscribers,
        "emoteonly" | "unique" => Line::switch,
        _ => return Err(Refusal::UnknownCommand),
    };
    if !typed.is_moderator {
        return Err(Refusal::NotAllowed);
    }
    act(&line)
}

fn help(is_moderator: bool) -> &'static str {
    if is_moderator { HELP_MODERATORS } else { HELP }
}

impl Line<'_> {
    fn delete(&self) -> Result<Act, Refusal> {
        let usage = "/delete <message id>, or /delete in an answer to it";
        let id = self.message(usage)?;
        let audit = self.audit(json!({ "message": id }));
        Ok(done("deleted", [Command::DeleteMessage(id), audit]))
    }

    fn report(&self) -> Result<Act, Refusal> {
        let usage = "/report <message id> [reason]";
        let (id, rest) = word(self.rest);
        let id = message_id(id).ok_or_else(|| Refusal::Command(usage.to_owned()))?;
        let report = json!({ "message": id, "by": self.typed.user, "reason": reason(rest) });
        Ok(done(
            "thank you: a moderator will look at it",
            [custom("report", report)],
        ))
    }

    fn timeout(&self) -> Result<Act, Refusal> {
        let usage = "/timeout <user id> <duration: 90s, 10m, 2h, 7d> [reason]";
        let (user, rest) = self.user(usage)?;
        let (duration, rest) = word(rest);
        let seconds = seconds(duration).filter(|it| (1..=TIMEOUT_S_MAX).contains(it));
        let seconds = seconds.ok_or_else(|| Refusal::Command(usage.to_owned()))?;
        let reason = reason(rest);
        let audit = self.audit(json!({ "user": user, "seconds": seconds, "reason": reason }));
        let said = format!("{user} may not speak for {}", spoken(seconds));
        let sanction = Sanction {
            user,
            seconds: Some(seconds),
            reason,
        };
        Ok(done(&said, [Command::TimeoutUser(sanction), audit]))
    }

    fn ban(&self) -> Result<Act, Refusal> {
        let (user, rest) = self.user(&format!("/{} <user id> [reason]", self.name))?;
        let reason = reason(rest);
        let what = json!({ "user": user, "reason": reason });
        let audit = self.audit(what.clone());
        if self.name == "shadowban" {
            let said = format!("nobody hears {user} any more");
            return Ok(done(&said, [custom("shadow-ban", what), audit]));
        }
        let said = format!("{user} may not speak any more");
        let sanction = Sanction {
            user,
            seconds: None,
            reason,
        };
        Ok(done(&said, [Command::BanUser(sanction), audit]))
    }

    fn unban(&self) -> Result<Act, Refusal> {
        let (user, _) = self.user(&format!("/{} <user id>", self.name))?;
        let what = json!({ "user": user });
        let audit = self.audit(what.clone());
        if self.name == "unshadowban" {
            let said = format!("everybody hears {user} again");
            return Ok(done(&said, [custom("shadow-unban", what), audit]));
        }
        let said = format!("{user} may speak again");
        Ok(done(&said, [Command::UnbanUser(user), audit]))
    }

    fn clear(&self) -> Result<Act, Refusal> {
        if self.rest.is_empty() {
            return Ok(done(
                "all messages are gone",
                [custom("clear", json!({})), self.audit(json!({}))],
            ));
        }
        let (user, _) = self.user("/clear, or /clear <user id>")?;
        let what = json!({ "user": user });
        let said = format!("all messages of {user} are gone");
        Ok(done(
            &said,
            [custom("clear", what.clone()), self.audit(what)],
        ))
    }

    fn pin(&self) -> Result<Act, Refusal> {
        if self.rest.is_empty() || self.rest.starts_with('#') {
            let id = self
                .message("/pin <text>, /pin #<message id>, or /pin in an answer to the message")?;
            let audit = self.audit(json!({ "message": id }));
            return Ok(done("pinned", [Command::PinMessage(Some(id)), audit]));
        }
        let id = self.typed.id.to_owned();
        let audit = self.audit(json!({ "message": id }));
        Ok(Act::Announce(
            self.rest.to_owned(),
            vec![Command::PinMessage(Some(id)), audit],
        ))
    }

    fn unpin(&self) -> Result<Act, Refusal> {
        Ok(done(
            "nothing is pinned any more",
            [Command::PinMessage(None), self.audit(json!({}))],
        ))
    }

    fn slow(&self) -> Result<Act, Refusal> {
        let seconds = match self.rest {
            "off" => Some(0),
            duration => seconds(duration).filter(|it| *it <= SLOW_MODE_S_MAX),
        };
        let seconds = seconds.ok_or_else(|| {
            Refusal::Command("/slow <seconds, an hour at most>, or /slow off".to_owned())
        })?;
        let said = match seconds {
            0 => "slow mode is off".to_owned(),
            seconds => format!("one message in {} for each", spoken(seconds)),
        };
        let audit = self.audit(json!({ "seconds": seconds }));
        Ok(done(&said, [Command::SlowMode(seconds * 1000), audit]))
    }

    fn followers(&self) -> Result<Act, Refusal> {
        let (on, seconds) = match self.rest {
            "off" => (false, 0),
            "" | "on" => (true, 0),
            duration => match seconds(duration).filter(|it| *it <= FOLLOWING_S_MAX) {
                Some(seconds) => (true, seconds),
                None => {
                    return Err(Refusal::Command(
                        "/followers [on, off, or for how long: 10m]".to_owned(),
                    ));
                }
            },
        };
        let said = match (on, seconds) {
            (false, _) => "followers-only is off".to_owned(),
            (true, 0) => "only followers may speak".to_owned(),
            (true, seconds) => format!("only who has followed for {} may speak", spoken(seconds)),
        };
        let patch = match on {
            true => json!({ "followers_only": true, "followers_min_age_s": seconds }),
            false => json!({ "followers_only": false }),
        };
        Ok(done(
            &said,
            [custom(ROOM_SETTINGS, patch.clone()), self.audit(patch)],
        ))
    }

    fn subscribers(&self) -> Result<Act, Refusal> {
        let on = self.on_or_off()?;
        let speakers = on.then_some(self.typed.speakers | Roles::SUBSCRIBER);
        let said = if on {
            "only subscribers may speak"
        } else {
            "subscribers-only is off"
        };
        Ok(done(
            said,
            [
                Command::RestrictChat(speakers),
                self.audit(json!({ "on": on })),
            ],
        ))
    }

    fn switch(&self) -> Result<Act, Refusal> {
        let on = self.on_or_off()?;
        let (key, said) = match self.name {
            "unique" => ("unique", "unique messages"),
            _ => ("emote_only", "emote-only"),
        };
        let patch = json!({ key: on });
        let said = format!("{said}: {}", if on { "on" } else { "off" });
        Ok(done(
            &said,
            [custom(ROOM_SETTINGS, patch.clone()), self.audit(patch)],
        ))
    }

    fn on_or_off(&self) -> Result<bool, Refusal> {
        match self.rest {
            "" | "on" => Ok(true),
            "off" => Ok(false),
            _ => Err(Refusal::Command(format!("/{} [on or off]", self.name))),
        }
    }

    /// The message that is named, or answered.
    fn message(&self, usage: &str) -> Result<String, Refusal> {
        let (id, _) = word(self.rest);
        let id = if id.is_empty() {
            self.typed.reply_to.unwrap_or_default()
        } else {
            id
        };
        message_id(id).ok_or_else(|| Refusal::Command(usage.to_owned()))
    }

    /// The user that is named, who is not oneself, and what follows.
    fn user(&self, usage: &str) -> Result<(String, &str), Refusal> {
        let (user, rest) = word(self.rest);
        if user.starts_with('@') {
            // Who types it means a name, and a name is nobody's id: nothing would happen.
            return Err(Refusal::NeedsId);
        }
        if user.is_empty() || user.len() > ID_BYTES_MAX || user == self.typed.user {
            return Err(Refusal::Command(format!("{usage}; not about yourself")));
        }
        Ok((user.to_owned(), rest))
    }

    /// Who did what, by ids; of texts only the reason.
    fn audit(&self, what: Value) -> Command {
        Command::Audit(json!({ "act": self.name, "by": self.typed.user, "what": what }).to_string())
    }
}

fn done<const N: usize>(said: &str, commands: [Command; N]) -> Act {
    Act::Done(said.to_owned(), commands.into())
}

/// What the contract has no command for.
fn custom(name: &str, payload: Value) -> Command {
    Command::Custom(CustomCommand {
        name: name.to_owned(),
        payload: payload.to_string(),
    })
}

/// The first word, and what follows.
fn word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn message_id(word: &str) -> Option<String> {
    let id = word.strip_prefix('#').unwrap_or(word);
    (1..=ID_BYTES_MAX)
        .contains(&id.len())
        .then(|| id.to_owned())
}

fn reason(text: &str) -> String {
    text.chars().take(REASON_CHARS_MAX).collect()
}

/// `90`, `90s`, `10m`, `2h`, `7d`, `2w`.
fn seconds(duration: &str) -> Option<u32> {
    let digits = duration.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match duration.get(digits.len()..)? {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    digits.parse::<u32>().ok()?.checked_mul(unit)
}

/// In the largest unit that says it exactly.
fn spoken(seconds: u32) -> String {
    let units = [
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    let exact = units
        .into_iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, name) = exact.unwrap_or((1, "second"));
    match seconds / unit {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MODERATOR: Typed<'_> = Typed {
        user: "mod",
        is_moderator: true,
        id: "m9",
        reply_to: None,
        speakers: Roles::VIP,
    };

    /// The effects in short, or the code of the refusal.
    fn effects(text: &str, typed: Typed<'_>) -> String {
        match read(text, typed) {
            Ok(Act::Me(text)) => format!("me {text}"),
            Ok(Act::Announce(text, commands)) => format!("post {text}; {}", all(&commands)),
            Ok(Act::Done(_, commands)) => all(&commands),
            Err(refusal) => refusal.code().to_owned(),
        }
    }

    fn all(commands: &[Command]) -> String {
        let short = commands.iter().map(|command| match command {
            Command::DeleteMessage(id) => format!("delete {id}"),
            Command::PinMessage(id) => format!("pin {id:?}"),
            Command::TimeoutUser(it) => {
                format!("timeout {} {:?} {}", it.user, it.seconds, it.reason)
            }
            Command::BanUser(it) => format!("ban {} {:?} {}", it.user, it.seconds, it.reason),
            Command::UnbanUser(user) => format!("unban {user}"),
            Command::SlowMode(ms) => format!("slow {ms}"),
            Command::RestrictChat(roles) => format!("restrict {roles:?}"),
            Command::Custom(it) => format!("{} {}", it.name, it.payload),
            Command::Audit(_) => "audit".to_owned(),
            other => panic!("{other:?}"),
        });
        short.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_moderators_can_do() {
        for (text, expected) in [
            ("/delete m1", "delete m1; audit"),
            ("/delete #m1", "delete m1; audit"),
            ("/delete", "bad-command"),
            (
                "/timeout u2 10m off topic",
                "timeout u2 Some(600) off topic; audit",
            ),
            ("/timeout u2 90", "timeout u2 Some(90) ; audit"),
            ("/timeout @Ann 10m", "needs-id"),
            ("/ban @Ann", "needs-id"),
            ("/unban @Ann", "needs-id"),
            ("/clear @Ann", "needs-id"),
            ("/timeout u2 soon", "bad-command"),
            ("/timeout u2 5w", "bad-command"),
            ("/timeout u2 0", "bad-command"),
            ("/timeout u2 99999999999", "bad-command"),
            ("/BAN u2 spam", "ban u2 None spam; audit"),
            ("/ban mod", "bad-command"),
            ("/ban", "bad-command"),
            ("/unban u2", "unban u2; audit"),
            (
                "/shadowban u2 x",
                r#"shadow-ban {"reason":"x","user":"u2"}; audit"#,
            ),
            ("/unshadowban u2", r#"shadow-unban {"user":"u2"}; audit"#),
            ("/clear", "clear {}; audit"),
            ("/clear u2", r#"clear {"user":"u2"}; audit"#),
            ("/pin #m1", "pin Some(\"m1\"); audit"),
            ("/pin be kind", "post be kind; pin Some(\"m9\"); audit"),
            ("/pin", "bad-command"),
            ("/unpin", "pin None; audit"),
            ("/slow 30", "slow 30000; audit"),
            ("/slow 2m", "slow 120000; audit"),
            ("/slow off", "slow 0; audit"),
            ("/slow 2h", "bad-command"),
            (
                "/followers",
                r#"room-settings {"followers_min_age_s":0,"followers_only":true}; audit"#,
            ),
            (
                "/followers 10m",
                r#"room-settings {"followers_min_age_s":600,"followers_only":true}; audit"#,
            ),
            (
                "/followers off",
                r#"room-settings {"followers_only":false}; audit"#,
            ),
            ("/subscribers off", "restrict None; audit"),
            ("/emoteonly", r#"room-settings {"emote_only":true}; audit"#),
            ("/unique off", r#"room-settings {"unique":false}; audit"#),
            ("/unique maybe", "bad-command"),
            ("/me waves", "me waves"),
            ("/me", "bad-command"),
            ("/help", ""),
            ("/nonsense", "unknown-command"),
            ("/", "unknown-command"),
        ] {
            assert_eq!(effects(text, MODERATOR), expected, "{text}");
        }
        let restricted = effects("/subscribers", MODERATOR);
        assert!(
            restricted.contains("SUBSCRIBER") && restricted.contains("VIP"),
            "{restricted}"
        );
        let answer = Typed {
            reply_to: Some("m4"),
            ..MODERATOR
        };
        assert_eq!(effects("/delete", answer), "delete m4; audit");
        assert_eq!(effects("/pin", answer), "pin Some(\"m4\"); audit");
    }

    #[test]
    fn what_others_can_do() {
        let viewer = Typed {
            user: "u1",
            is_moderator: false,
            ..MODERATOR
        };
        for (text, expected) in [
            ("/ban u2", "not-allowed"),
            ("/slow off", "not-allowed"),
            ("/clear", "not-allowed"),
            ("/me waves", "me waves"),
            (
                "/report m1 rude",
                r#"report {"by":"u1","message":"m1","reason":"rude"}"#,
            ),
            ("/report", "bad-command"),
            ("/nonsense", "unknown-command"),
        ] {
            assert_eq!(effects(text, viewer), expected, "{text}");
        }
    }

    #[test]
    fn audits_name_who_and_what() {
        let Ok(Act::Done(_, commands)) = read("/timeout u2 60 x", MODERATOR) else {
            panic!("refused")
        };
        let audit = commands.iter().find_map(|command| match command {
            Command::Audit(line) => Some(line.as_str()),
            _ => None,
        });
        assert_eq!(
            audit,
            Some(r#"{"act":"timeout","by":"mod","what":{"reason":"x","seconds":60,"user":"u2"}}"#)
        );
    }

    #[test]
    fn durations_are_spoken() {
        for (seconds, expected) in [
            (1, "1 second"),
            (90, "90 seconds"),
            (600, "10 minutes"),
            (86_400, "1 day"),
        ] {
            assert_eq!(spoken(seconds), expected);
        }
    }

    proptest! {
        #[test]
        fn no_command_is_too_much(
            name in "(delete|timeout|ban|pin|slow|followers|report|me|unique|x)?",
            rest in any::<String>(),
        ) {
            for typed in [MODERATOR, Typed { is_moderator: false, ..MODERATOR }] {
                _ = read(&format!("/{name} {rest}"), typed);
                _ = read(&rest, typed);
            }
        }
    }
}
